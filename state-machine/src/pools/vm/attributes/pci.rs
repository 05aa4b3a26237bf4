//! PCI devices that a VM asks for: by address or by vendor, device and class; their place in the guest.

use quorate_model::template::{Template, VectorAttribute};

/// What a host has given; a new VM has none of it.
const GIVEN: [&str; 8] = ["DOMAIN", "BUS", "SLOT", "FUNCTION", "ADDRESS", "PREV_ADDRESS", "NUMA_NODE", "UUID"];

/// Moves the PCI vectors, numbered, checked, and with their place in the guest.
///
/// # Errors
/// A device that is asked for in no way or illegibly, or a bus that is no number.
pub fn take(default_bus: &str, user: &mut Template, template: &mut Template) -> Result<(), String> {
    let mut devices: Vec<VectorAttribute> = user.vectors("PCI").cloned().collect();
    // As in the reference (`VirtualMachine::parse_pci`), values that are no vectors stay with the user.
    user.retain(|name, a| name != "PCI" || matches!(a, quorate_model::template::Attribute::Single(_)));
    for (id, device) in devices.iter_mut().enumerate() {
        device.set("PCI_ID", id);
        check(device)?;
        for name in GIVEN {
            device.remove(name);
        }
        place(device, default_bus)?;
    }
    devices.into_iter().for_each(|device| template.add_vector("PCI", device));
    Ok(())
}

/// Whether a device is asked for in one way, and legibly.
///
/// # Errors
/// A device that is asked for in no way, in both ways or illegibly.
pub fn check(device: &VectorAttribute) -> Result<(), String> {
    let mut by_kind = false;
    for name in ["VENDOR", "DEVICE", "CLASS"] {
        let value = device.value(name);
        if value.is_empty() {
            continue;
        }
        hex(value).ok_or_else(|| format!("Wrong Hex value for PCI attribute {name}"))?;
        by_kind = true;
    }
    match (device.value("SHORT_ADDRESS").is_empty(), by_kind) {
        (true, false) => Err("SHORT_ADDRESS, DEVICE, VENDOR or CLASS must be defined for PCI.".to_owned()),
        (false, true) => Err("SHORT_ADDRESS cannot be set with DEVICE, VENDOR or CLASS".to_owned()),
        _ => Ok(()),
    }
}

/// The device's place in the guest: slot PCI_ID + 1 of VM_BUS or of the configured bus.
///
/// # Errors
/// A bus that is no number.
pub fn place(device: &mut VectorAttribute, default_bus: &str) -> Result<(), String> {
    let bus = match device.value("VM_BUS") {
        "" => default_bus,
        bus => bus,
    };
    let bus = hex(bus).ok_or("Wrong BUS in PCI attribute")?;
    let slot = device.int("PCI_ID").unwrap_or(0).saturating_add(1);
    device.set("VM_DOMAIN", "0x0000").set("VM_FUNCTION", "0");
    device.set("VM_BUS", format!("0x{bus:02x}")).set("VM_SLOT", format!("0x{slot:02x}"));
    device.set("VM_ADDRESS", format!("{bus:02x}:{slot:02x}.0"));
    Ok(())
}

fn hex(text: &str) -> Option<u32> {
    let text = text.trim_start();
    let digits = text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")).unwrap_or(text);
    u32::from_str_radix(digits, 16).ok()
}
