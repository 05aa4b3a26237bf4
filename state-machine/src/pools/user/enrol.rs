//! Users as authentication drivers tell them: new ones, and the groups of known ones.
//!
//! Proposed by the node that asked the driver (see [`crate::login::driver`]), never by a client.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::group::{self, Group};
use quorate_model::records::user::User;

use crate::methods::Request;
use crate::names;
use crate::pools::group::admins;
use crate::pools::user::allocate::create;
use crate::pools::user::credentials::{SPACES, hashed};
use crate::txn::Txn;

/// The name of the call.
pub const ENROL: &str = "quorate.user.enrol";

/// Makes the user, or changes the groups of the one there is. Without groups a new user joins the default one.
pub fn enrol(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, password, driver) = (request.str(0), request.str(1), request.str(2));
    let ids = |i: usize| request.ints(i).iter().filter_map(|id| i32::try_from(*id).ok());
    let mut groups: Vec<i32> = ids(3).filter(|gid| txn.find(Kind::Group, *gid).is_some()).collect();
    let conf = txn.settings().driver("AUTH_MAD_CONF", driver).cloned().unwrap_or_default();
    let id = match txn.id_of(Kind::User, -1, name) {
        Some(id) => {
            // Only a driver that manages groups may change them, and only its own users'.
            let own = txn.get::<User>(id)?.1.auth_driver == driver && conf.is_yes("DRIVER_MANAGED_GROUPS");
            if own && !groups.is_empty() {
                regroup(txn, id, &groups)?;
            }
            id
        }
        None => {
            if let Some(reason) = names::invalid(name, SPACES) {
                return Err(ApiError::internal(reason));
            }
            if groups.is_empty() {
                groups.push(group::USERS);
            }
            let primary = groups.first().copied().unwrap_or(group::USERS);
            create(txn, name, hashed(driver, password), driver, primary, groups.iter().copied().collect())
        }
    };
    if conf.is_yes("DRIVER_MANAGED_GROUP_ADMIN") {
        let admin_of: BTreeSet<i32> = ids(4).collect();
        for gid in groups {
            admins::set_admin(txn, gid, id, admin_of.contains(&gid));
        }
    }
    Ok(Value::Int(id))
}

/// Lets a user be in exactly these groups; the first one is the new primary group if the old one is not among them.
fn regroup(txn: &mut Txn, id: i32, groups: &[i32]) -> Result<(), ApiError> {
    let new: BTreeSet<i32> = groups.iter().copied().collect();
    let old = std::mem::replace(&mut txn.body_mut::<User>(id)?.groups, new.clone());
    if !new.contains(&txn.object(Kind::User, id)?.gid)
        && let Some(primary) = groups.first()
    {
        txn.chown(Kind::User, id, -1, *primary)?;
    }
    for gid in old.difference(&new) {
        admins::forget_user(txn, *gid, id);
    }
    for gid in new.difference(&old) {
        txn.body_mut::<Group>(*gid)?.users.insert(id);
    }
    Ok(())
}
