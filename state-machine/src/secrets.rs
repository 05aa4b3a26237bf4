//! Encrypted attributes: what the lists `*_ENCRYPTED_ATTR` of the configuration name is kept sealed by the zone's
//! key, and shown in clear only to an administrator who asks.
//!
//! Sealing happens in one place, when a transaction commits, so that no pool can forget it. A sealed value names its
//! object and attribute and who sealed it: typed at any other place it is text like any other. What the system itself
//! copies from one object to another ([`Txn::inherit_secrets`]) is sealed anew for its new place, for the same sealer.
//! It must not know what an attribute means.
//!
//! [`Txn::inherit_secrets`]: crate::txn::Txn::inherit_secrets

use std::borrow::Cow;
use std::collections::BTreeSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::command::Actor;
use quorate_model::crypto;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::settings::Settings;
use quorate_model::template::Template;

use crate::state::State;
use crate::zone_key::{NONCE, Place, ZoneKey};

/// An object: kind and id.
pub type ObjectId = (Kind, i32);

/// The list of encrypted attributes of a kind.
fn list_of(kind: Kind) -> Option<&'static str> {
    Some(match kind {
        Kind::Vm | Kind::Template => "VM_ENCRYPTED_ATTR",
        Kind::Host => "HOST_ENCRYPTED_ATTR",
        Kind::Net | Kind::VnTemplate => "VNET_ENCRYPTED_ATTR",
        Kind::Image => "IMAGE_ENCRYPTED_ATTR",
        Kind::User => "USER_ENCRYPTED_ATTR",
        Kind::Datastore => "DATASTORE_ENCRYPTED_ATTR",
        Kind::Cluster => "CLUSTER_ENCRYPTED_ATTR",
        Kind::Document => "DOCUMENT_ENCRYPTED_ATTR",
        _ => return None,
    })
}

/// The encrypted attributes of a kind, `NAME` or `VECTOR/NAME`.
pub fn names(settings: &Settings, kind: Kind) -> impl Iterator<Item = &str> {
    list_of(kind).into_iter().flat_map(|list| settings.list(list))
}

/// The sealer of a value of which nobody knows who sealed it: variables open it for no plain user.
const NOBODY: i32 = -1;

/// A value that was sealed.
struct Opened {
    /// The user who gave it, or [`NOBODY`].
    sealer: i32,
    value: String,
}

/// The text that stands for `opened` at an attribute of an object.
fn seal(key: &ZoneKey, (kind, id): ObjectId, path: &str, opened: &Opened, nonce: [u8; NONCE]) -> String {
    let plain = [&opened.sealer.to_be_bytes(), opened.value.as_bytes()].concat();
    BASE64.encode(key.seal(Place::Attribute(kind, id, path), nonce, &plain))
}

/// What was sealed for an attribute of an object; `None` when it was not, or for another place.
fn open(key: &ZoneKey, (kind, id): ObjectId, path: &str, text: &str) -> Option<Opened> {
    let plain = key.open(Place::Attribute(kind, id, path), &BASE64.decode(text).ok()?)?;
    let (sealer, value) = plain.split_first_chunk::<4>()?;
    Some(Opened { sealer: i32::from_be_bytes(*sealer), value: String::from_utf8(value.to_vec()).ok()? })
}

/// The same for the reference's format, which names no place: only for what an object has kept all the time, as zones
/// of the reference bring it along, and for what an administrator gives. It does not say who sealed it: the caller must.
fn open_foreign(key: &ZoneKey, sealer: i32, text: &str) -> Option<Opened> {
    crypto::decrypt(text, key.text()).map(|value| Opened { sealer, value })
}

/// What of an object is sealed at the end of a change.
pub struct Sealing<'a> {
    /// The state before the change.
    pub before: &'a State,
    /// The objects from which the change has copied.
    pub sources: &'a BTreeSet<ObjectId>,
    /// Who made the change.
    pub actor: &'a Actor,
}

impl Sealing<'_> {
    /// Seals what is still in clear, or sealed for an object that it was copied from. `None`: there is nothing to do,
    /// as for most objects. `nonce` gives a new nonce at each call.
    #[must_use]
    pub fn of(&self, state: &State, object: &Object, mut nonce: impl FnMut() -> [u8; NONCE]) -> Option<Object> {
        let key = state.key()?;
        let own = (object.kind(), object.id);
        change(state.settings(), object, |path, text| {
            if open(key, own, path, text).is_some() || self.stayed(key, own, path, text) {
                return None;
            }
            let opened = self
                .copied(key, path, text)
                .or_else(|| self.by_administrator(key, text))
                .unwrap_or_else(|| Opened { sealer: self.actor.uid, value: text.to_owned() });
            Some(seal(key, own, path, &opened, nonce()))
        })
    }

    /// Whether it is a value in the reference's format that the object had before.
    fn stayed(&self, key: &ZoneKey, (kind, id): ObjectId, path: &str, text: &str) -> bool {
        let before = self.before.find(kind, id);
        before.is_some_and(|before| open_foreign(key, NOBODY, text).is_some() && holds(before, path, text))
    }

    /// What it is at an object that the change has copied from.
    fn copied(&self, key: &ZoneKey, path: &str, text: &str) -> Option<Opened> {
        self.sources.iter().find_map(|source| {
            open(key, *source, path, text).or_else(|| {
                let object = self.before.find(source.0, source.1).filter(|object| holds(object, path, text))?;
                // The owner need not be who gave it; an administrator may see it anyway.
                let own = object.uid == self.actor.uid && self.before.is_admin(self.actor);
                open_foreign(key, if own { object.uid } else { NOBODY }, text)
            })
        })
    }

    /// What an administrator's text in the reference's format is: its tools write such texts.
    fn by_administrator(&self, key: &ZoneKey, text: &str) -> Option<Opened> {
        if self.before.is_admin(self.actor) { open_foreign(key, self.actor.uid, text) } else { None }
    }

    /// Puts in clear what `actor` itself has sealed at the objects that the change copies from: variables of a VM may
    /// name it, and nothing that others have sealed.
    pub fn open_own(&self, state: &State, kind: Kind, template: &mut Template) {
        let Some(key) = state.key() else { return };
        replace(template, &names(state.settings(), kind).collect::<Vec<_>>(), &mut |path, text| {
            self.copied(key, path, text)
                .filter(|opened| opened.sealer != NOBODY && opened.sealer == self.actor.uid)
                .map(|opened| opened.value)
        });
    }
}

/// An object with everything in clear.
#[must_use]
pub fn opened<'a>(state: &State, object: &'a Object) -> Cow<'a, Object> {
    let Some(key) = state.key() else { return Cow::Borrowed(object) };
    let place = (object.kind(), object.id);
    let changed = change(state.settings(), object, |path, text| {
        open(key, place, path, text).or_else(|| open_foreign(key, NOBODY, text)).map(|opened| opened.value)
    });
    changed.map_or(Cow::Borrowed(object), Cow::Owned)
}

/// Gives each listed value, with its path, to `step`, which may give it another; `None` when nothing is to change.
fn change(settings: &Settings, object: &Object, mut step: impl FnMut(&str, &str) -> Option<String>) -> Option<Object> {
    let names: Vec<&str> = names(settings, object.kind()).collect();
    let templates = || object.body.template().into_iter().chain([&object.template]);
    if !names.iter().any(|name| templates().any(|template| values(template, name).next().is_some())) {
        return None;
    }
    let mut object = object.clone();
    let mut changed = replace(&mut object.template, &names, &mut step);
    if let Some(template) = object.body.template_mut() {
        changed |= replace(template, &names, &mut step);
    }
    changed.then_some(object)
}

/// Whether an object has this value at `path`.
fn holds(object: &Object, path: &str, text: &str) -> bool {
    let templates = object.body.template().into_iter().chain([&object.template]);
    templates.flat_map(|template| values(template, path)).any(|value| value == text)
}

/// The values at `NAME` or `VECTOR/NAME` that are not empty.
fn values<'a>(template: &'a Template, path: &'a str) -> impl Iterator<Item = &'a str> {
    let (vector, part) = path.split_once('/').unzip();
    let parts = vector.into_iter().flat_map(|vector| template.vectors(vector)).filter_map(move |v| v.get(part?));
    let singles = if vector.is_none() { Some(template.singles(path)) } else { None };
    parts.chain(singles.into_iter().flatten()).filter(|value| !value.is_empty())
}

/// Replaces the listed values for which `step` gives another; whether it did for any.
fn replace(template: &mut Template, names: &[&str], step: &mut impl FnMut(&str, &str) -> Option<String>) -> bool {
    let mut changed = false;
    for path in names {
        let mut wanted = |value: &str| {
            let new = Some(value).filter(|value| !value.is_empty()).and_then(|value| step(path, value));
            changed |= new.is_some();
            new
        };
        if let Some((vector, part)) = path.split_once('/') {
            for attribute in template.vectors_mut(vector) {
                if let Some(value) = attribute.get_mut(part)
                    && let Some(new) = wanted(value)
                {
                    *value = new.into();
                }
            }
        } else {
            for value in template.singles_mut(path) {
                if let Some(new) = wanted(value) {
                    *value = new.into();
                }
            }
        }
    }
    changed
}
