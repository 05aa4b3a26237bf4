//! Encrypted attributes: what the lists `*_ENCRYPTED_ATTR` of the configuration name is kept encrypted by the zone's
//! key, and shown in clear only to an administrator who asks.
//!
//! Sealing happens in one place, when a transaction commits, so that no pool can forget it. Who works with the values
//! (contexts of VMs, drivers) opens a copy. It must not know what an attribute means.

use std::borrow::Cow;

use crate::crypto;
use crate::kind::Kind;
use crate::object::Object;
use crate::pools::Body;
use crate::settings::Settings;
use crate::template::{Attribute, Template};

/// The configuration's name of the zone's key.
pub const KEY: &str = "ONE_KEY";

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

/// Encrypts what is still in clear in an object. `None`: there is nothing to do, as for most objects.
#[must_use]
pub fn sealed(settings: &Settings, object: &Object) -> Option<Object> {
    let clear = |value: &str| crypto::decrypt(value, settings.value(KEY)).is_none();
    change(settings, object, clear, |value| crypto::encrypt(value, settings.value(KEY)))
}

/// An object with everything in clear.
#[must_use]
pub fn opened<'a>(settings: &Settings, object: &'a Object) -> Cow<'a, Object> {
    let open = |value: &str| crypto::decrypt(value, settings.value(KEY));
    let changed = change(settings, object, |value| open(value).is_some(), |value| open(value).unwrap_or_default());
    changed.map_or(Cow::Borrowed(object), Cow::Owned)
}

/// Puts a template of an object of `kind` in clear.
pub fn open(settings: &Settings, kind: Kind, template: &mut Template) {
    let key = settings.value(KEY);
    let open = |value: &str| crypto::decrypt(value, key);
    let names: Vec<&str> = list_of(kind).into_iter().flat_map(|list| settings.list(list)).collect();
    if !key.is_empty() && found(template, &names, |value| open(value).is_some()) {
        replace(template, &names, |value| open(value));
    }
}

/// Replaces the listed values that `wanted` picks; `None` when there are none.
fn change(
    settings: &Settings,
    object: &Object,
    wanted: impl Fn(&str) -> bool,
    step: impl Fn(&str) -> String,
) -> Option<Object> {
    let names: Vec<&str> = settings.list(list_of(object.kind())?).collect();
    if names.is_empty() || settings.value(KEY).is_empty() {
        return None;
    }
    let inner = match &object.body {
        Body::Vm(vm) => found(&vm.template, &names, &wanted),
        _ => false,
    };
    if !inner && !found(&object.template, &names, &wanted) {
        return None;
    }
    let mut object = object.clone();
    let step = |value: &str| wanted(value).then(|| step(value));
    replace(&mut object.template, &names, step);
    if let Body::Vm(vm) = &mut object.body {
        replace(&mut vm.template, &names, step);
    }
    Some(object)
}

/// Whether a listed attribute (`NAME` or `VECTOR/NAME`) has a value that `wanted` picks.
fn found(template: &Template, names: &[&str], wanted: impl Fn(&str) -> bool) -> bool {
    names.iter().any(|name| match name.split_once('/') {
        Some((vector, name)) => {
            template.vectors(vector).filter_map(|v| v.get(name)).any(|value| !value.is_empty() && wanted(value))
        }
        None => template.singles(name).any(|value| !value.is_empty() && wanted(value)),
    })
}

fn replace(template: &mut Template, names: &[&str], step: impl Fn(&str) -> Option<String>) {
    for name in names {
        if let Some((vector, name)) = name.split_once('/') {
            for attribute in template.vectors_mut(vector) {
                if let Some(new) = attribute.get(name).filter(|value| !value.is_empty()).and_then(&step) {
                    attribute.set(name, new);
                }
            }
        } else if template.contains(name) {
            let changed = |attribute| match attribute {
                Attribute::Single(value) => Attribute::Single(step(&value).unwrap_or(value)),
                vector @ Attribute::Vector(_) => vector,
            };
            let all: Vec<Attribute> = template.remove(name).into_iter().map(changed).collect();
            all.into_iter().for_each(|attribute| template.push(name, attribute));
        }
    }
}
