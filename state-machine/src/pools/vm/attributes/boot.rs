//! The boot order: OS/BOOT (`disk0,nic1`) becomes ORDER of disks and NICs.

use quorate_model::template::{Template, leading_int};

/// Gives the devices that OS/BOOT names their ORDER, and takes it from the others.
///
/// # Errors
/// An order that is none, or that names a device which the VM does not have.
pub fn set_order(template: &mut Template) -> Result<(), String> {
    for name in ["DISK", "NIC"] {
        template.vectors_mut(name).for_each(|device| {
            device.remove("ORDER");
        });
    }
    let Some(order) = template.vector("OS").map(|os| os.value("BOOT").to_owned()) else { return Ok(()) };
    let mut index = 1;
    for device in order.split(',').filter(|_| !order.is_empty()) {
        let (name, key, id) = parse(device).ok_or_else(|| {
            format!("Wrong OS/BOOT value: \"{order}\" should be a comma-separated list of disk# or nic#")
        })?;
        let mut found = false;
        for device in template.vectors_mut(name).filter(|device| device.int(key) == Some(id)) {
            device.set("ORDER", index);
            index += 1;
            found = true;
        }
        if !found {
            return Err(format!("Wrong OS/BOOT value. Device with {key} {id} not found"));
        }
    }
    Ok(())
}

/// The attribute, the name of its id, and the id.
fn parse(device: &str) -> Option<(&'static str, &'static str, i64)> {
    let device = device.to_ascii_uppercase();
    let kinds = [("DISK", "DISK_ID"), ("NIC", "NIC_ID")];
    let (name, key, digits) =
        kinds.into_iter().find_map(|(name, key)| Some((name, key, device.strip_prefix(name)?)))?;
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    leading_int(digits).map(|id| (name, key, id))
}
