//! Who administrates a group, and the rules that make them so.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::acl::{self, Acl};
use quorate_model::records::group::Group;

use crate::methods::Request;
use crate::pools::acl::changes;
use crate::state::State;
use crate::txn::Txn;

/// A user is no longer in a group, nor administrates it.
pub fn forget_user(txn: &mut Txn, gid: i32, uid: i32) {
    set_admin(txn, gid, uid, false);
    if let Ok(group) = txn.body_mut::<Group>(gid) {
        group.users.remove(&uid);
    }
}

/// `one.group.addadmin`: parameters group, user.
pub fn add_admin(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, uid) = (request.id(), request.int(1));
    let group = txn.get::<Group>(id)?.1;
    if !group.users.contains(&uid) {
        return Err(cannot_edit(format!("User {uid} is not part of Group {id}.")));
    }
    if group.admins.contains(&uid) {
        return Err(cannot_edit(format!("User {uid} is already an administrator of Group {id}.")));
    }
    set_admin(txn, id, uid, true);
    Ok(Value::Int(id))
}

/// `one.group.deladmin`: parameters group, user.
pub fn remove_admin(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, uid) = (request.id(), request.int(1));
    if !is_admin(txn, id, uid) {
        return Err(cannot_edit(format!("User {uid} is not an administrator of Group {id}.")));
    }
    set_admin(txn, id, uid, false);
    Ok(Value::Int(id))
}

/// Whether a user administrates a group.
#[must_use]
pub fn is_admin(state: &State, gid: i32, uid: i32) -> bool {
    state.find_typed::<Group>(gid).is_some_and(|(_, group)| group.admins.contains(&uid))
}

/// Makes a member of a group its administrator, or no longer so, with the rules that say it.
pub fn set_admin(txn: &mut Txn, gid: i32, uid: i32, admin: bool) {
    let Ok(group) = txn.body_mut::<Group>(gid) else { return };
    if admin && group.admins.insert(uid) {
        change_admin_rules(txn, gid, uid, |txn, rule| {
            // A rule that exists already, made by hand, serves as well.
            let _ = changes::add(txn, rule);
        });
    } else if !admin && group.admins.remove(&uid) {
        change_admin_rules(txn, gid, uid, |txn, rule| changes::remove(txn, &rule));
    }
}

fn cannot_edit(reason: String) -> ApiError {
    ApiError::internal(format!("Cannot edit group. {reason}"))
}

/// Does something with each rule that makes a user the administrator of a group.
fn change_admin_rules(txn: &mut Txn, gid: i32, uid: i32, change: impl Fn(&mut Txn, Acl)) {
    const GROUPS_OBJECTS: [Kind; 8] = [
        Kind::Vm,
        Kind::Net,
        Kind::Image,
        Kind::Template,
        Kind::Document,
        Kind::SecGroup,
        Kind::VRouter,
        Kind::VmGroup,
    ];
    const EVERYTHING: [Op; 4] = [Op::Use, Op::Manage, Op::Admin, Op::Create];
    let rules: [(u64, &[Op]); 4] = [
        (acl::on(&[Kind::User], acl::GROUP, gid), &EVERYTHING),
        (acl::on(&GROUPS_OBJECTS, acl::GROUP, gid), &[Op::Use, Op::Manage]),
        (acl::on(&[Kind::VRouter], acl::ALL, 0), &[Op::Create]),
        (acl::on(&[Kind::Group], acl::INDIVIDUAL, gid), &[Op::Manage]),
    ];
    for (resource, ops) in rules {
        let rule = Acl { user: acl::who(acl::INDIVIDUAL, uid), resource, rights: acl::rights(ops), zone: acl::ALL };
        change(txn, rule);
    }
}
