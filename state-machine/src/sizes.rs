//! How much objects may hold: one object, all that a user owns, the leases of a network. Decided once, when a call
//! commits, from the sizes of what it changed.
//!
//! An object's size is that of its record, names and values as every node stores them, and of the memory that each
//! attribute takes besides ([`record_size`]), without what is in records of its own ([`quorate_model::parts`]). What others make
//! grow is not compared: of users, groups and objects without owner, only the template is. The records of all that a user
//! owns count for the owner, and so does the history of the VMs; while a VM has not ended, so do the texts of one more copy
//! of its document, which a driver's report may add to the history. Administrators are only bound by the size of one object.
//! Drivers' reports, ticks and nodes' own commands are not refused: what they add fits into what was kept free, or is
//! bounded by what drivers say.
//!
//! A call that makes nothing larger always passes, and so does one that ends an object. It must not know what objects mean.

use std::collections::{BTreeMap, BTreeSet};

use quorate_model::command::{Actor, SYSTEM};
use quorate_model::error::{ApiError, ErrorCode};
use quorate_model::kind::Kind;
use quorate_model::object::{Object, Size};
use quorate_model::parts::{Parts, stored_size};
use quorate_model::records::user::User;
use quorate_model::records::vnet::Vnet;
use quorate_model::settings::limits::{Limit, OWNED_SIZE_MAX};
use quorate_model::template::{Template, VectorAttribute, whole_u64};

use crate::budget::Budget;
use crate::state::State;
use crate::store_key::StoreKey;

/// A user who is above the limit of what a user owns may still make changes that add at most so many bytes, until an
/// eighth above the limit is reached: objects that are there must be able to change state (which adds a history record),
/// note errors and be deleted.
const SLACK: u64 = 4096;

/// Where somebody uses what is another's, its record grows by no more bytes: a number, a state.
const USE: u64 = 256;

/// How large an object is that was `before`, whose size is known. Parts that did not change are not looked at.
pub(crate) fn after(before: Option<&Object>, object: &Object) -> Size {
    let before = before.filter(|before| before.kind() == object.kind());
    let mut parts = i128::from(before.map_or(0, |before| before.size.parts));
    if object.body.owns_parts() {
        let mut old: BTreeMap<u64, &dyn Parts> =
            before.map_or(Vec::new(), |before| before.body.parts()).into_iter().collect();
        for (map, new) in object.body.parts() {
            let old = old.remove(&map);
            new.changes(old, &mut |index| {
                parts += i128::from(new.size(index)) - i128::from(old.map_or(0, |old| old.size(index)));
            });
        }
    }
    let record = record_size(object);
    let reserved = if object.body.owns_parts() { object.body.reserved(&object.head(), record) } else { 0 };
    Size { record, parts: u64::try_from(parts).unwrap_or(0), reserved }
}

/// For whom an object counts; `None`: for nobody.
pub(crate) fn owner(object: &Object) -> Option<i32> {
    let owner = if object.kind() == Kind::User { object.id } else { object.uid };
    (owner >= 0).then_some(owner)
}

impl State {
    /// How many bytes a user has of all that the user owns: records, history, and what is kept free for them.
    #[must_use]
    pub fn owned(&self, uid: i32) -> u64 {
        self.owned_by_user().get(&uid).copied().unwrap_or(0)
    }

    /// Measures every object, once all records are loaded: parts come after their objects.
    pub(crate) fn measure_all(&mut self) {
        self.owned_by_user_mut().clear();
        for kind in Kind::ALL {
            let ids: Vec<i32> = self.pool(kind).keys().copied().collect();
            ids.into_iter().for_each(|id| self.measure(kind, id, None));
        }
    }

    /// Notes the size of an object that was made, changed or removed; `before`: what it was.
    pub(crate) fn measure(&mut self, kind: Kind, id: i32, before: Option<&Object>) {
        if let Some((owner, size)) = before.and_then(|object| Some((owner(object)?, object.size))) {
            match self.owned(owner).saturating_sub(size.owned()) {
                0 => self.owned_by_user_mut().remove(&owner),
                left => self.owned_by_user_mut().insert(owner, left),
            };
        }
        let Some(object) = self.object_mut(kind, id) else { return };
        object.size = after(before, object);
        if let Some((owner, size)) = owner(object).map(|owner| (owner, object.size)) {
            *self.owned_by_user_mut().entry(owner).or_insert(0) += size.owned();
        }
    }
}

/// Whether what changed between two states is within the limits for a caller; `rolled_out`: the VMs that rollouts changed.
///
/// # Errors
/// AUTHORIZATION, as for quotas, with what is too large and the limit.
pub fn check(
    before: &State,
    after: &State,
    changed: &BTreeSet<StoreKey>,
    actor: &Actor,
    rolled_out: &BTreeSet<i32>,
) -> Result<(), ApiError> {
    let admin = before.is_admin(actor);
    let objects: Vec<(Kind, i32)> = changed
        .iter()
        .filter_map(|key| if let StoreKey::Object(kind, id) = *key { Some((kind, id)) } else { None })
        .collect();
    for (kind, id) in &objects {
        check_object(before, after, (*kind, *id), admin)?;
        if *kind == Kind::Net {
            check_leases(before, after, *id)?;
        }
    }
    if admin { Ok(()) } else { check_owners(before, after, &objects, actor.uid, rolled_out) }
}

fn refused(text: String) -> ApiError {
    ApiError::new(ErrorCode::Authorization, text)
}

/// What a caller's call may make: in proportion to the largest object that the caller may have.
#[must_use]
pub fn budget_of(state: &State, actor: &Actor) -> Budget {
    if actor.uid == SYSTEM || state.is_admin(actor) {
        return Budget::default();
    }
    Budget::of_objects(state.settings().number(Limit::ObjectSizeMax))
}

fn check_object(before: &State, after: &State, (kind, id): (Kind, i32), admin: bool) -> Result<(), ApiError> {
    let Some(object) = after.find(kind, id) else { return Ok(()) };
    let row = if admin { Limit::ObjectSizeMaxAdmin } else { Limit::ObjectSizeMax };
    let limit = after.settings().number(row);
    if object.size.record <= limit {
        return Ok(());
    }
    // The rest of the record grows by what others do: quotas, members, what a host says.
    let template_only = kind == Kind::User || owner(object).is_none();
    let size = |object: &Object| {
        if template_only { stored_size(&object.template) + object.template.overhead() } else { object.size.record }
    };
    let (was, is) = (before.find(kind, id).map_or(0, |object| size(object)), size(object));
    if is <= limit || is <= was {
        return Ok(());
    }
    let (noun, name) = (kind.info().noun, row.row().name);
    Err(refused(format!("The {noun} would have {is} bytes, the limit is {limit} ({name})")))
}

fn check_leases(before: &State, after: &State, id: i32) -> Result<(), ApiError> {
    let used = |state: &State| state.find_typed::<Vnet>(id).map_or(0, |(_, network)| network.ranges.used());
    let (was, is, limit) = (used(before), used(after), after.settings().number(Limit::NetworkLeasesMax));
    if is <= limit || is <= was {
        return Ok(());
    }
    let name = Limit::NetworkLeasesMax.row().name;
    Err(refused(format!("Virtual network {id} would have {is} used leases, the limit is {limit} ({name})")))
}

/// Refuses a user's own limit that is none.
///
/// # Errors
/// The reason, for the administrator.
pub fn check_own_limit(template: &Template) -> Result<(), String> {
    match template.get(OWNED_SIZE_MAX) {
        Some(text) if whole_u64(text).is_none() => {
            Err(format!("{OWNED_SIZE_MAX} must be a whole number of bytes, '{text}' is none"))
        }
        None if template.contains(OWNED_SIZE_MAX) => Err(format!("{OWNED_SIZE_MAX} must be a whole number of bytes")),
        _ => Ok(()),
    }
}

/// A caller is refused for what it makes larger itself: objects of its own, those that it adds or gives to an owner, and
/// what of others it changes. Not for what only happens to others' objects: an image counts the VMs that
/// use it, and a rollout has a rule of its own ([`crate::pools::rollout::bring`]).
fn check_owners(
    before: &State,
    after: &State,
    objects: &[(Kind, i32)],
    caller: i32,
    rolled_out: &BTreeSet<i32>,
) -> Result<(), ApiError> {
    let mut grown: BTreeMap<i32, i128> = BTreeMap::new();
    for (kind, id) in objects {
        let [old, new] = [before, after].map(|state| state.find(*kind, *id));
        let [had, has] = [old, new].map(|object| object.and_then(|object| owner(object)));
        let of_other = had == has && has != Some(caller);
        let by_rollout = *kind == Kind::Vm && rolled_out.contains(id);
        let edited = old.zip(new).is_some_and(|(old, new)| {
            let more = new.size.record.saturating_sub(old.size.record);
            new.body.owns_parts() || old.template != new.template || more > USE
        });
        if of_other && (by_rollout || !edited) {
            continue;
        }
        for (owner, object, sign) in [(had, old, -1), (has, new, 1)] {
            if let Some((owner, object)) = owner.zip(object) {
                *grown.entry(owner).or_insert(0) += sign * i128::from(object.size.owned());
            }
        }
    }
    for (uid, more) in grown.into_iter().filter(|(_, more)| *more > 0) {
        let (is, Some(limit)) = (after.owned(uid), owned_limit(after, uid)) else { continue };
        let small = more <= i128::from(SLACK) && is <= limit.saturating_add(limit / 8);
        if is > limit && !small {
            return Err(refused(too_much(uid, is, limit)));
        }
    }
    Ok(())
}

/// How large an object is: its record, and what memory the attributes of its templates take besides. A vector of one
/// byte takes more than 600: records alone would let a user fill fifty times what is allowed.
fn record_size(object: &Object) -> u64 {
    stored_size(object) + object.template.overhead() + object.body.overhead()
}

/// What one vector adds to that.
#[must_use]
pub fn vector_size(vector: &VectorAttribute) -> u64 {
    stored_size(vector) + vector.overhead()
}

/// The limit of all that a user owns; `None`: nothing bounds it.
fn owned_limit(state: &State, uid: i32) -> Option<u64> {
    let (object, user) = state.find_typed::<User>(uid)?;
    let own = object.template.get(OWNED_SIZE_MAX).and_then(whole_u64);
    let bounded = uid != 0 && !user.groups.contains(&0);
    bounded.then(|| own.unwrap_or_else(|| state.settings().number(Limit::OwnedSizeMax)))
}

/// Refuses so many bytes more of all that a user owns, before they are made.
///
/// # Errors
/// What is too large, and the limit.
pub fn refuse_more(state: &State, uid: i32, more: u64) -> Result<(), String> {
    let all = state.owned(uid).saturating_add(more);
    match owned_limit(state, uid).filter(|limit| more > 0 && all > *limit) {
        Some(limit) => Err(too_much(uid, all, limit)),
        None => Ok(()),
    }
}

fn too_much(uid: i32, all: u64, limit: u64) -> String {
    format!("All that user {uid} owns would have {all} bytes, the limit is {limit} ({OWNED_SIZE_MAX})")
}

/// What each user owns, counted anew; for tests of [`State::owned`].
#[must_use]
pub fn recount(state: &State) -> BTreeMap<i32, u64> {
    let mut owned = BTreeMap::new();
    for object in Kind::ALL.into_iter().flat_map(|kind| state.pool(kind).values()) {
        if let Some(owner) = owner(object) {
            *owned.entry(owner).or_insert(0) += after(None, object).owned();
        }
    }
    owned
}
