//! `chmod`, `chown`, `lock`, `unlock`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::{ApiError, ErrorCode};
use quorate_model::head::{Lock, Op, Permissions};
use quorate_model::kind::Kind;

use crate::authorize::Request as AuthRequest;
use crate::booking;
use crate::methods::Request;
use crate::txn::Txn;
use crate::verbs::pool::Pool;

/// Parameters id and nine bits, -1 keeps, 0 clears, 1 sets.
pub fn chmod(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let wanted: [i32; 9] = std::array::from_fn(|i| request.int(i + 1));
    chmod_object(txn, request.kind(), request.id(), wanted)?;
    Ok(Value::Int(request.id()))
}

/// Changes the permission bits of one object as its caller; bits as for [`chmod`].
///
/// # Errors
/// NO_EXISTS, AUTHORIZATION, INTERNAL for other values than -1, 0, 1.
pub fn chmod_object(txn: &mut Txn, kind: Kind, id: i32, mut wanted: [i32; 9]) -> Result<(), ApiError> {
    let object = txn.object(kind, id)?;
    let current: [i32; 9] = std::array::from_fn(|i| i32::from((object.permissions.0 >> (8 - i)) & 1));
    // As in the reference (`RequestManagerChmod.cc`, `chmod`): repeating the current value of these bits asks for no
    // right.
    for i in [2, 5, 6, 7, 8] {
        if wanted[i] == current[i] {
            wanted[i] = -1;
        }
    }
    let admin_bits = [2, 5, 8].iter().any(|i| wanted[*i] != -1);
    let op = if admin_bits { Op::Admin } else { Op::Manage };
    let touches_other = wanted[6..].iter().any(|v| *v != -1);
    let actor = txn.actor();
    if touches_other && !txn.is_admin(actor) && !txn.settings().is_yes("ENABLE_OTHER_PERMISSIONS") {
        let text = "'other' permissions is disabled in oned.conf";
        return Err(ApiError::authorization(actor.uid, text));
    }
    txn.authorize(&[AuthRequest::on(object, op)])?;
    if wanted.iter().any(|v| !(-1..=1).contains(v)) {
        return Err(ApiError::internal("New permission values must be -1, 0 or 1"));
    }
    let mut bits = object.permissions.0;
    for (i, value) in wanted.iter().enumerate() {
        let bit = 1 << (8 - i);
        match value {
            0 => bits &= !bit,
            1 => bits |= bit,
            _ => {}
        }
    }
    txn.object_mut(kind, id)?.permissions = Permissions(bits);
    Ok(())
}

/// Parameters id, user, group; -1 keeps.
pub fn chown<P: Pool>(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (kind, id) = (P::KIND, request.id());
    let (mut uid, mut gid) = (request.int(1), request.int(2));
    if uid > -1 {
        txn.object(Kind::User, uid)?;
    }
    if gid > -1 {
        txn.object(Kind::Group, gid)?;
    }
    let object = txn.object(kind, id)?;
    if uid == object.uid {
        uid = -1;
    }
    if gid == object.gid {
        gid = -1;
    }
    let mut wishes = vec![AuthRequest::on(object, Op::Manage)];
    if uid > -1 {
        wishes.push(AuthRequest::on(txn.object(Kind::User, uid)?, Op::Manage));
    }
    if gid > -1 {
        wishes.push(AuthRequest::on(txn.object(Kind::Group, gid)?, Op::Use));
    }
    txn.authorize(&wishes)?;
    if uid > -1
        && let Some(other) = txn.id_of(kind, uid, &object.name)
        && other != id
    {
        let noun = kind.info().noun;
        return Err(ApiError::internal(format!(
            "user [{uid}] already owns {noun} [{other}] with NAME {}",
            object.name
        )));
    }
    P::chowning(txn, id, uid, gid)?;
    let object = txn.object(kind, id)?;
    let (owner, charges) = ((object.uid, object.gid), object.charges());
    // Ids below -1 name nobody; as in the reference (`RequestManagerChown.cc`, `get_and_quota`), only what is counted
    // in quotas finds that out.
    for (new, who) in [(uid, "User"), (gid, "Group")] {
        if new < -1 && !charges.is_empty() {
            return Err(ApiError::authorization(txn.actor().uid, format!("{who} not found")));
        }
    }
    booking::transfer(txn, owner, (uid, gid), &charges)?;
    txn.chown(kind, id, uid, gid)?;
    P::chowned(txn, id)?;
    Ok(Value::Int(id))
}

/// Parameters id, level, test.
pub fn lock(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (kind, id) = (request.kind(), request.id());
    let level = match request.int(1) {
        1 | 4 => 1,
        2 => 2,
        3 => 3,
        _ => return Err(ApiError::action("Wrong lock level specified")),
    };
    let actor = txn.actor().clone();
    let held = txn.object(kind, id)?.lock.clone();
    if let Some(lock) = held {
        if request.bool(2) {
            return Err(ApiError::action(lock.time.to_string()));
        }
        if lock.owner != actor.uid && !txn.is_admin(&actor) {
            return Err(ApiError::action("Error trying to lock the resource."));
        }
    }
    let (time, request) = (txn.now(), txn.request_id());
    txn.object_mut(kind, id)?.lock = Some(Lock { level, owner: actor.uid, time, request });
    Ok(Value::Int(id))
}

/// Parameter id. As in the reference (`PoolObjectSQL::unlock_db`), an object that is not locked is "owned by another
/// user" unless an administrator asks.
pub fn unlock(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (kind, id) = (request.kind(), request.id());
    let actor = txn.actor().clone();
    let owner = txn.object(kind, id)?.lock.as_ref().map(|l| l.owner);
    let may = txn.is_admin(&actor) || owner == Some(actor.uid);
    if !may {
        return Err(ApiError::new(ErrorCode::Action, "Cannot unlock: Lock is owned by another user"));
    }
    txn.object_mut(kind, id)?.lock = None;
    Ok(Value::Int(id))
}
