//! Which groups a user is in.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::group::Group;
use quorate_model::records::user::{ONEADMIN, User};

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::group::admins;
use crate::txn::Txn;

/// `one.user.addgroup`: parameters user, group.
pub fn add(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, gid) = secondary(txn, request)?;
    if !txn.body_mut::<User>(id)?.groups.insert(gid) {
        return Err(ApiError::action("User is already in this group"));
    }
    txn.body_mut::<Group>(gid)?.users.insert(id);
    Ok(Value::Int(id))
}

/// `one.user.delgroup`: parameters user, group.
pub fn remove(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, gid) = secondary(txn, request)?;
    if txn.object(Kind::User, id)?.gid == gid {
        return Err(ApiError::action("Cannot remove user from the primary group"));
    }
    if !txn.body_mut::<User>(id)?.groups.remove(&gid) {
        return Err(ApiError::action("User is not part of this group"));
    }
    admins::forget_user(txn, gid, id);
    Ok(Value::Int(id))
}

/// Checks what adding and removing a secondary group have in common.
fn secondary(txn: &Txn, request: &Request<'_>) -> Result<(i32, i32), ApiError> {
    let (id, gid) = (request.id(), request.int(1));
    refuse_managed_groups(txn, id)?;
    let wishes = [
        AuthRequest::on(txn.object(Kind::User, id)?, Op::Manage),
        AuthRequest::on(txn.object(Kind::Group, gid)?, Op::Manage),
    ];
    txn.authorize(&wishes)?;
    Ok((id, gid))
}

/// Some drivers tell themselves which groups their users are in.
fn refuse_managed_groups(txn: &Txn, id: i32) -> Result<(), ApiError> {
    let driver = &txn.get::<User>(id)?.1.auth_driver;
    let managed = txn.settings().driver("AUTH_MAD_CONF", driver).is_some_and(|d| d.is_yes("DRIVER_MANAGED_GROUPS"));
    if managed {
        let text = format!("Groups cannot be manually managed for auth driver {driver}");
        return Err(ApiError::action(text));
    }
    Ok(())
}

/// `one.user.chgrp`: parameters user, group. The old primary group is left unless the user was in the new one before.
pub fn change_primary(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, gid) = (request.id(), request.int(1));
    if gid < 0 {
        return Err(ApiError::api("Wrong group ID"));
    }
    let (object, user) = txn.get::<User>(id)?;
    let (old, joins) = (object.gid, !user.groups.contains(&gid));
    if joins {
        refuse_managed_groups(txn, id)?;
    }
    let group = txn.object(Kind::Group, gid)?;
    if id == ONEADMIN {
        let text = "user [0] oneadmin cannot be moved outside of the group [0] oneadmin";
        return Err(ApiError::internal(text));
    }
    txn.authorize(&[AuthRequest::on(object, Op::Manage), AuthRequest::on(group, Op::Use)])?;
    if old == gid {
        return Ok(Value::Int(id));
    }
    txn.chown(Kind::User, id, -1, gid)?;
    if joins {
        let groups = &mut txn.body_mut::<User>(id)?.groups;
        groups.insert(gid);
        groups.remove(&old);
        admins::forget_user(txn, old, id);
    }
    txn.body_mut::<Group>(gid)?.users.insert(id);
    Ok(Value::Int(id))
}
