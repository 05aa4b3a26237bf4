//! The rights that a VM's template takes: to its images, its networks, its VM group.

use quorate_model::template::Template;

use crate::authorize::Request as AuthRequest;
use crate::pools::image::usage;
use crate::pools::vmgroup;
use crate::pools::vnet::nic;
use crate::state::State;

/// The rights that using everything a template names takes (images, networks, VM group); notes the ids of what it
/// gives by name.
///
/// A name means what one of `namers` owns: the owner of the VM, before whom the caller comes where that is another. The
/// reference asks for the right to what the caller's name means, and takes what the owner's name means when there is no
/// such thing: without any right. Here the name is read once.
#[must_use]
pub fn of(state: &State, namers: &[i32], template: &mut Template, ignoring_lock: bool) -> Vec<AuthRequest> {
    let mut wishes = Vec::new();
    for disk in template.vectors_mut("DISK") {
        wishes.extend(usage::wish(state, namers, disk, !ignoring_lock));
    }
    for name in ["NIC", "PCI", "NIC_ALIAS"] {
        for nic in template.vectors_mut(name).filter(|nic| name != "PCI" || nic.value("TYPE") == "NIC") {
            wishes.extend(nic::wishes(state, namers, nic, ignoring_lock));
        }
    }
    if let (Some(group), Some(uid)) = (template.vector("VMGROUP"), namers.first()) {
        wishes.extend(vmgroup::authorization(state, group, *uid));
    }
    wishes
}
