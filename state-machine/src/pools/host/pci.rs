//! PCI devices of a host: which VM has which.
//!
//! Devices stay in the order in which they were found; one is chosen by its address's order, as in the
//! reference (`HostSharePCI.cc`, `add_by_name`).

use std::collections::BTreeSet;

use quorate_model::template::{Template, VectorAttribute};

/// Nobody has the device.
const NOBODY: &str = "-1";
/// What a VM's attribute takes over from the device it gets.
const COPIED: [&str; 6] = ["DOMAIN", "BUS", "SLOT", "FUNCTION", "ADDRESS", "SHORT_ADDRESS"];
/// What it takes over where the device has it.
const COPIED_IF_SET: [&str; 2] = ["NUMA_NODE", "UUID"];
/// By what a device can be asked for, besides its address.
const SELECTORS: [&str; 3] = ["VENDOR", "DEVICE", "CLASS"];

/// What a selector asks for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// Anything.
    Any,
    /// This number.
    Number(u32),
    /// Something unreadable.
    Nonsense,
}

/// A hexadecimal number that is all of the text.
fn hex(text: &str) -> Option<u32> {
    let text = text.trim_start();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    u32::from_str_radix(digits, 16).ok()
}

fn wanted(device: &VectorAttribute, name: &str) -> Wanted {
    match device.value(name) {
        "" => Wanted::Any,
        text => hex(text).map_or(Wanted::Nonsense, Wanted::Number),
    }
}

fn names_a_kind(device: &VectorAttribute) -> bool {
    SELECTORS.iter().any(|name| matches!(wanted(device, name), Wanted::Number(_)))
}

/// A wish for one device by its short address: after a migration the address is there with the kind, which then counts.
fn by_address(device: &VectorAttribute) -> Option<&str> {
    Some(device.value("SHORT_ADDRESS")).filter(|address| !address.is_empty() && !names_a_kind(device))
}

fn is_free(device: &VectorAttribute) -> bool {
    device.value("VMID") == NOBODY
}

fn belongs_to(device: &VectorAttribute, vm: i32) -> bool {
    device.int("VMID") == Some(i64::from(vm))
}

/// Whether a device is of the kind that a wish names.
fn is_of_kind(device: &VectorAttribute, wish: &VectorAttribute) -> bool {
    SELECTORS.iter().all(|name| match wanted(wish, name) {
        Wanted::Any => true,
        Wanted::Number(number) => hex(device.value(name)).unwrap_or(0) == number,
        Wanted::Nonsense => hex(device.value(name)).unwrap_or(0) == 0,
    })
}

/// The devices' positions by address.
fn by_order(devices: &[VectorAttribute]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..devices.len()).collect();
    order.sort_by_key(|i| devices.get(*i).map(|d| d.value("ADDRESS").to_owned()));
    order
}

/// The device that fulfils a wish, not being one of `assigned`.
fn choose(devices: &[VectorAttribute], wish: &VectorAttribute, assigned: &BTreeSet<usize>) -> Option<usize> {
    let free = |i: &usize| devices.get(*i).is_some_and(is_free) && !assigned.contains(i);
    let mut order = by_order(devices).into_iter();
    if let Some(address) = by_address(wish) {
        return order.find(|i| devices.get(*i).is_some_and(|d| d.value("SHORT_ADDRESS") == address)).filter(free);
    }
    if !names_a_kind(wish) {
        return None;
    }
    order.find(|i| free(i) && devices.get(*i).is_some_and(|d| is_of_kind(d, wish)))
}

/// Which device each wish gets: those by address choose first. `None` where there is none.
fn assign(devices: &[VectorAttribute], wishes: &[VectorAttribute]) -> Vec<Option<usize>> {
    let mut assigned = BTreeSet::new();
    let mut given = vec![None; wishes.len()];
    for first in [true, false] {
        for (wish, given) in wishes.iter().zip(&mut given) {
            if by_address(wish).is_some() == first {
                *given = choose(devices, wish, &assigned);
                assigned.extend(*given);
            }
        }
    }
    given
}

/// Whether every wish can be fulfilled.
#[must_use]
pub fn fits(devices: &[VectorAttribute], wishes: &[VectorAttribute]) -> bool {
    assign(devices, wishes).iter().all(Option::is_some)
}

/// Gives a VM the devices that it wishes and writes their addresses into the wishes; whether all could be fulfilled.
pub fn add(devices: &mut [VectorAttribute], wishes: &mut [VectorAttribute], vm: i32) -> bool {
    let given = assign(devices, wishes);
    for (wish, given) in wishes.iter_mut().zip(&given) {
        let Some(device) = given.and_then(|i| devices.get_mut(i)) else { continue };
        device.set("VMID", vm);
        let previous = wish.value("ADDRESS").to_owned();
        if !previous.is_empty() {
            // A migration that fails needs it.
            wish.set("PREV_ADDRESS", previous);
        }
        copy(device, wish);
    }
    given.iter().all(Option::is_some)
}

fn copy(device: &VectorAttribute, wish: &mut VectorAttribute) {
    for name in COPIED {
        wish.set(name, device.value(name));
    }
    for name in COPIED_IF_SET {
        if !device.value(name).is_empty() {
            wish.set(name, device.value(name));
        }
    }
}

/// Takes from a VM the devices at the wishes' former addresses, else at their present ones.
pub fn remove(devices: &mut [VectorAttribute], wishes: &mut [VectorAttribute], vm: i32) {
    for wish in wishes {
        for name in ["PREV_ADDRESS", "ADDRESS"] {
            let address = wish.value(name);
            let device = devices.iter_mut().find(|d| d.value("ADDRESS") == address && belongs_to(d, vm));
            if let Some(device) = device {
                device.set("VMID", NOBODY);
                wish.remove(name);
                break;
            }
        }
    }
}

/// After a failed migration, the wishes name the devices that they had before.
pub fn revert(devices: &[VectorAttribute], wishes: &mut [VectorAttribute]) {
    for wish in wishes {
        let address = wish.value("PREV_ADDRESS");
        if address.is_empty() {
            continue;
        }
        if let Some(device) = devices.iter().find(|d| d.value("ADDRESS") == address) {
            wish.remove("PREV_ADDRESS");
            copy(device, wish);
        }
    }
}

/// Takes the devices that monitoring found out of the host's template: new ones join, vanished ones go unless a VM has
/// them.
pub fn monitored(devices: &mut Vec<VectorAttribute>, template: &mut Template) {
    let found: Vec<VectorAttribute> =
        template.vectors("PCI").filter(|d| !d.value("ADDRESS").is_empty()).cloned().collect();
    template.remove("PCI");
    let is_at = |d: &VectorAttribute, other: &VectorAttribute| d.value("ADDRESS") == other.value("ADDRESS");
    devices.retain(|d| !is_free(d) || found.iter().any(|other| is_at(d, other)));
    for mut device in found {
        if !devices.iter().any(|d| is_at(d, &device)) {
            if device.int("VMID").is_none() {
                device.set("VMID", NOBODY);
            }
            devices.push(device);
        }
    }
}
