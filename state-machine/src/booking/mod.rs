//! Books what objects use on their users and groups, within their limits.
//!
//! What an object uses is data: [`quorate_model::object::Object::charges`]. Who makes an object or lets it grow calls [`book`]; who
//! changes or removes one wraps the change in [`following`] or calls [`release_object`]; `chown` moves everything by
//! itself. A refused booking discards the whole transaction, so nothing has to be undone. It must not know what an
//! object is.

mod recount;

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::quota::Charge;
use quorate_model::records::group::Group;
use quorate_model::records::user::User;
use quorate_model::template::{self, Template};

use crate::txn::Txn;
pub use recount::recount;

/// A quota template as the API takes it.
///
/// # Errors
/// ACTION with the parser's text.
pub fn parse(text: &str) -> Result<Template, ApiError> {
    template::parse::parse(text).map_err(ApiError::action)
}

/// The same for default quotas, which only the administrators' group may change.
///
/// # Errors
/// AUTHORIZATION, ACTION.
pub fn parse_defaults(txn: &Txn, text: &str) -> Result<Template, ApiError> {
    let actor = txn.actor();
    if txn.effective_gid(actor) != 0 {
        let reason = "The default quotas can only be updated by users in the oneadmin group";
        return Err(ApiError::authorization(actor.uid, reason));
    }
    parse(text)
}

/// Books usage on a user and a group (oneadmin and -1 are never counted).
///
/// # Errors
/// Which limit stops it, in the reference's words.
pub fn try_book(txn: &mut Txn, uid: i32, gid: i32, charges: &[Charge]) -> Result<(), String> {
    if uid > 0 && txn.find_typed::<User>(uid).is_some() {
        let defaults = txn.globals().default_user_quotas.clone();
        let user = txn.body_mut::<User>(uid).map_err(|e| e.text)?;
        for charge in charges {
            user.quotas.add(charge, &defaults).map_err(|e| format!("user [{uid}] {e}"))?;
        }
    }
    if gid > 0 && txn.find_typed::<Group>(gid).is_some() {
        let defaults = txn.globals().default_group_quotas.clone();
        let group = txn.body_mut::<Group>(gid).map_err(|e| e.text)?;
        for charge in charges {
            group.quotas.add(charge, &defaults).map_err(|e| format!("group [{gid}] {e}"))?;
        }
    }
    Ok(())
}

/// [`try_book`] with the refusal that most methods answer.
///
/// # Errors
/// AUTHORIZATION.
pub fn book(txn: &mut Txn, uid: i32, gid: i32, charges: &[Charge]) -> Result<(), ApiError> {
    let actor = txn.actor().uid;
    try_book(txn, uid, gid, charges).map_err(|reason| ApiError::authorization(actor, reason))
}

/// Gives usage back.
pub fn release(txn: &mut Txn, uid: i32, gid: i32, charges: &[Charge]) {
    if uid > 0
        && let Ok(user) = txn.body_mut::<User>(uid)
    {
        charges.iter().for_each(|charge| user.quotas.subtract(charge));
    }
    if gid > 0
        && let Ok(group) = txn.body_mut::<Group>(gid)
    {
        charges.iter().for_each(|charge| group.quotas.subtract(charge));
    }
}

/// Moves usage to another owner or group (-1 keeps), for `chown`.
///
/// # Errors
/// AUTHORIZATION when the new owner's or group's limits stop it.
pub fn transfer(txn: &mut Txn, from: (i32, i32), to: (i32, i32), charges: &[Charge]) -> Result<(), ApiError> {
    let moved = |old: i32, new: i32| if new >= 0 && new != old { (old, new) } else { (-1, -1) };
    let (users, groups) = (moved(from.0, to.0), moved(from.1, to.1));
    book(txn, users.1, groups.1, charges)?;
    release(txn, users.0, groups.0, charges);
    Ok(())
}

/// Changes usage by `difference` (see [`Charge::difference`]), whatever the limits say.
pub fn force(txn: &mut Txn, uid: i32, gid: i32, difference: &[Charge]) {
    if difference.is_empty() {
        return;
    }
    if uid > 0
        && let Ok(user) = txn.body_mut::<User>(uid)
    {
        difference.iter().for_each(|charge| user.quotas.force(charge));
    }
    if gid > 0
        && let Ok(group) = txn.body_mut::<Group>(gid)
    {
        difference.iter().for_each(|charge| group.quotas.force(charge));
    }
}

/// What an object uses now; nothing when there is no such object.
#[must_use]
pub fn charges_of(txn: &Txn, kind: Kind, id: i32) -> Vec<Charge> {
    txn.find(kind, id).map(|object| object.charges()).unwrap_or_default()
}

/// Runs a change of an object (its state, its disks, its removal) and lets the usage of its owner and group follow,
/// whatever the limits say: for what happens by itself. Who must be stopped is stopped before, by [`check`].
pub fn following<R>(txn: &mut Txn, kind: Kind, id: i32, change: impl FnOnce(&mut Txn) -> R) -> R {
    let owner = txn.find(kind, id).map(|object| (object.uid, object.gid));
    let before = charges_of(txn, kind, id);
    let result = change(txn);
    if let Some((uid, gid)) = owner {
        let difference = Charge::difference(&before, &charges_of(txn, kind, id));
        force(txn, uid, gid, &difference);
    }
    result
}

/// Whether a booking would be allowed, in the reference's words; books nothing.
///
/// # Errors
/// Which limit stops it.
pub fn check(txn: &Txn, uid: i32, gid: i32, charges: &[Charge]) -> Result<(), String> {
    if let Some((_, user)) = txn.find_typed::<User>(uid).filter(|_| uid > 0) {
        let (mut quotas, defaults) = (user.quotas.clone(), &txn.globals().default_user_quotas);
        charges.iter().try_for_each(|c| quotas.add(c, defaults)).map_err(|e| format!("user [{uid}] {e}"))?;
    }
    if let Some((_, group)) = txn.find_typed::<Group>(gid).filter(|_| gid > 0) {
        let (mut quotas, defaults) = (group.quotas.clone(), &txn.globals().default_group_quotas);
        charges.iter().try_for_each(|c| quotas.add(c, defaults)).map_err(|e| format!("group [{gid}] {e}"))?;
    }
    Ok(())
}

/// Gives back everything that an object uses, before it is removed.
pub fn release_object(txn: &mut Txn, kind: Kind, id: i32) {
    if let Some((uid, gid)) = txn.find(kind, id).map(|object| (object.uid, object.gid)) {
        let charges = charges_of(txn, kind, id);
        release(txn, uid, gid, &charges);
    }
}
