//! What allocating an object of any owned pool has in common: owner, permissions, name.

use crate::authorize;
use crate::command::Actor;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::names;
use crate::object::{Object, Permissions};
use crate::state::State;
use crate::txn::Txn;

/// Makes `object` the caller's: owner, group, their names, permissions from the umask.
///
/// # Errors
/// NO_EXISTS when the caller's group is gone.
pub fn own(state: &State, actor: &Actor, object: &mut Object) -> Result<(), ApiError> {
    object.uid = actor.uid;
    object.gid = authorize::effective_gid(state, actor);
    object.uname.clone_from(&state.object(Kind::User, object.uid)?.name);
    object.gname.clone_from(&state.object(Kind::Group, object.gid)?.name);
    if object.kind().info().umask {
        object.permissions = initial_permissions(state, actor);
    }
    Ok(())
}

/// The permissions of a new object: base less the umask of the user's template or the default.
#[must_use]
pub fn initial_permissions(state: &State, actor: &Actor) -> Permissions {
    let text = state.find(Kind::User, actor.uid).and_then(|user| user.template.get("UMASK").map(str::to_owned));
    let text = text.unwrap_or_else(|| state.settings().value("DEFAULT_UMASK").to_owned());
    // A text that is not octal counts as 000, as the reference's stream conversion gives.
    let umask = u16::from_str_radix(text.trim(), 8).unwrap_or(0);
    let base = if authorize::is_admin(state, actor) {
        0o777
    } else if state.settings().is_yes("ENABLE_OTHER_PERMISSIONS") {
        0o666
    } else {
        0o660
    };
    Permissions(base & !umask)
}

/// Checks the name, makes the object the caller's and adds it to its pool.
///
/// # Errors
/// INTERNAL for a bad or taken name.
pub fn allocate_named(txn: &mut Txn, mut object: Object) -> Result<i32, ApiError> {
    let actor = txn.actor().clone();
    names::check_new(txn, object.kind(), actor.uid, &object.name)?;
    own(txn, &actor, &mut object)?;
    Ok(txn.insert(object))
}
