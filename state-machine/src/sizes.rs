//! How much objects may hold: one object, all that a user owns, the leases of a network. Decided once, when a call
//! commits, from the sizes of what it changed.
//!
//! An object's size is that of its record: names and values as every node stores them, without what is in records of
//! its own ([`crate::parts`]): leases and history have their own bounds. Administrators are only bound by the size of one
//! object. Drivers' reports, ticks and nodes' own commands are not refused: what they add is bounded by what drivers say.
//!
//! A call that makes nothing larger always passes. It must not know what objects mean.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Serialize;

use crate::authorize;
use crate::command::Actor;
use crate::error::{ApiError, ErrorCode};
use crate::kind::Kind;
use crate::object::Object;
use crate::pools::user::User;
use crate::pools::vnet::Vnet;
use crate::settings::Settings;
use crate::state::{State, StoreKey};

/// Bytes of one object that somebody outside of the administrators' group changes.
pub const OBJECT_SIZE_MAX: &str = "OBJECT_SIZE_MAX";
/// Bytes of one object that an administrator changes.
pub const OBJECT_SIZE_MAX_ADMIN: &str = "OBJECT_SIZE_MAX_ADMIN";
/// Bytes of all that a user owns; an attribute of this name in the user's template, which only administrators may set,
/// comes before the zone's setting. When it is not a whole number it is ignored, and the zone's setting holds.
pub const OWNED_SIZE_MAX: &str = "OWNED_SIZE_MAX";
/// Leases of one network that somebody has.
pub const NETWORK_LEASES_MAX: &str = "NETWORK_LEASES_MAX";

/// What holds while a setting is absent.
const DEFAULTS: [(&str, u64); 4] = [
    (OBJECT_SIZE_MAX, 1 << 20),
    (OBJECT_SIZE_MAX_ADMIN, 16 << 20),
    (OWNED_SIZE_MAX, 64 << 20),
    (NETWORK_LEASES_MAX, 1 << 16),
];

/// A user who is above the limit of what a user owns may still make changes that add at most so many bytes, until an
/// eighth above the limit is reached: objects that are there must be able to change state, note errors and be deleted.
const SLACK: u64 = 512;

/// A limit of the zone.
#[must_use]
pub fn limit(settings: &Settings, name: &str) -> u64 {
    let default = DEFAULTS.iter().find(|(known, _)| *known == name).map_or(u64::MAX, |(_, value)| *value);
    settings.value(name).parse().unwrap_or(default)
}

/// Counts bytes in place of writing them.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes a value has when it is stored.
pub(crate) fn stored_size(value: &impl Serialize) -> u64 {
    let mut count = Count(0);
    // Encoding plain data cannot fail.
    let _ = rmp_serde::encode::write_named(&mut count, value);
    count.0
}

/// On whose account an object is; `None`: nobody's.
pub(crate) fn owner(object: &Object) -> Option<i32> {
    let owner = if object.kind() == Kind::User { object.id } else { object.uid };
    (owner >= 0).then_some(owner)
}

/// Whether what changed between two states is within the limits for a caller.
///
/// # Errors
/// AUTHORIZATION, as for quotas, with what is too large and the limit.
pub fn check(before: &State, after: &State, changed: &BTreeSet<StoreKey>, actor: &Actor) -> Result<(), ApiError> {
    let admin = authorize::is_admin(before, actor);
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
    if admin { Ok(()) } else { check_owners(before, after, &objects) }
}

fn refused(text: String) -> ApiError {
    ApiError::new(ErrorCode::Authorization, text)
}

fn check_object(before: &State, after: &State, (kind, id): (Kind, i32), admin: bool) -> Result<(), ApiError> {
    let Some(object) = after.find(kind, id).filter(|object| owner(object).is_some() || kind == Kind::Group) else {
        return Ok(());
    };
    let name = if admin { OBJECT_SIZE_MAX_ADMIN } else { OBJECT_SIZE_MAX };
    let limit = limit(after.settings(), name);
    if object.stored <= limit {
        return Ok(());
    }
    // The record of a user or group has its quotas, too. They grow by what others do, so only the template is compared.
    let size = |object: &Object| match kind {
        Kind::User | Kind::Group => stored_size(&object.template),
        _ => object.stored,
    };
    let (was, is) = (before.find(kind, id).map_or(0, |object| size(object)), size(object));
    if is <= limit || is <= was {
        return Ok(());
    }
    let noun = kind.info().noun;
    Err(refused(format!("The {noun} would have {is} bytes, the limit is {limit} ({name})")))
}

fn check_leases(before: &State, after: &State, id: i32) -> Result<(), ApiError> {
    let used = |state: &State| state.find_typed::<Vnet>(id).map_or(0, |(_, network)| network.ranges.used());
    let (was, is, limit) = (used(before), used(after), limit(after.settings(), NETWORK_LEASES_MAX));
    if is <= limit || is <= was {
        return Ok(());
    }
    Err(refused(format!(
        "Virtual network {id} would have {is} used leases, the limit is {limit} ({NETWORK_LEASES_MAX})"
    )))
}

fn check_owners(before: &State, after: &State, objects: &[(Kind, i32)]) -> Result<(), ApiError> {
    let found = |state: &State, key: &(Kind, i32)| state.find(key.0, key.1).and_then(|object| owner(object));
    let owners: BTreeSet<i32> = objects.iter().filter_map(|key| found(after, key)).collect();
    for uid in owners {
        let (was, is) = (before.owned(uid), after.owned(uid));
        let Some((object, user)) = after.find_typed::<User>(uid) else { continue };
        if is <= was || uid == 0 || user.groups.contains(&0) {
            continue;
        }
        let own = object.template.get(OWNED_SIZE_MAX).and_then(|text| text.parse().ok());
        let limit = own.unwrap_or_else(|| limit(after.settings(), OWNED_SIZE_MAX));
        let small = is - was <= SLACK && is <= limit.saturating_add(limit / 8);
        if is > limit && !small {
            return Err(refused(format!(
                "All that user {uid} owns would have {is} bytes, the limit is {limit} ({OWNED_SIZE_MAX})"
            )));
        }
    }
    Ok(())
}

/// What each user owns, counted anew; for tests of [`State::owned`].
#[must_use]
pub fn recount(state: &State) -> BTreeMap<i32, u64> {
    let mut owned = BTreeMap::new();
    for kind in Kind::ALL {
        for object in state.pool(kind).values() {
            if let Some(owner) = owner(object) {
                *owned.entry(owner).or_insert(0) += stored_size(&**object);
            }
        }
    }
    owned
}
