//! Which VMs have the newest version of a security group or network, and which are still to get it.

use std::collections::BTreeSet;

use crate::parts::Parts;
use crate::set::Set;
use crate::xml::XmlWriter;

/// How a new version comes to a VM.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Into its template; its host gets it when it starts.
    Template,
    /// Into its template, and a driver tells its host.
    Driver,
    /// Not now: its host is just getting the former version, or is not known to be there.
    Blocked,
}

/// The VMs that use an object, by how far its last change has come to them; each in a record of its own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Rollout {
    /// They have it.
    pub updated: Set<i32>,
    /// They are still to get it.
    pub outdated: Set<i32>,
    /// A driver is giving it to them.
    pub updating: Set<i32>,
    /// It could not be given to them.
    pub error: Set<i32>,
}

impl Rollout {
    /// There is a new version: every VM is to get it. With `recover` those that have it are left out.
    pub fn commit(&mut self, recover: bool) {
        if !recover {
            self.outdated.append(&mut self.updated);
        }
        self.outdated.append(&mut self.updating);
        self.outdated.append(&mut self.error);
    }

    /// There is a new version for these VMs only.
    pub fn commit_for(&mut self, vms: &BTreeSet<i32>) {
        for vm in vms {
            self.forget(*vm);
        }
        self.outdated.extend(vms);
    }

    /// A VM no longer uses the object.
    pub fn forget(&mut self, vm: i32) {
        for set in [&mut self.updated, &mut self.outdated, &mut self.updating, &mut self.error] {
            set.remove(&vm);
        }
    }

    /// The next VM that is to get the new version; it is no longer among the outdated ones.
    pub fn take_next(&mut self) -> Option<i32> {
        self.outdated.pop_first()
    }

    /// Whether VMs wait for the new version and no driver is at work that would go on with them.
    #[must_use]
    pub fn waits(&self) -> bool {
        !self.outdated.is_empty() && self.updating.is_empty()
    }

    /// All VMs that use the object.
    pub fn all(&self) -> impl Iterator<Item = &i32> {
        [&self.updated, &self.outdated, &self.updating, &self.error].into_iter().flat_map(Set::iter)
    }

    /// The new version is on such a way to a VM.
    pub fn note(&mut self, vm: i32, way: Way) {
        let list = match way {
            Way::Template => &mut self.updated,
            Way::Driver => &mut self.updating,
            Way::Blocked => &mut self.error,
        };
        list.insert(vm);
    }

    /// A driver has brought the new version to a VM, or not; whether the VM waited for it.
    pub fn answered(&mut self, vm: i32, done: bool) -> bool {
        let waited = self.updating.remove(&vm);
        if waited {
            self.note(vm, if done { Way::Template } else { Way::Blocked });
        }
        waited
    }

    /// The sets by their numbers among an object's parts.
    #[must_use]
    pub fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.updated), (1, &self.outdated), (2, &self.updating), (3, &self.error)]
    }

    /// A set to change, by its number.
    pub fn part_mut(&mut self, number: u64) -> Option<&mut dyn Parts> {
        Some(match number {
            0 => &mut self.updated,
            1 => &mut self.outdated,
            2 => &mut self.updating,
            3 => &mut self.error,
            _ => return None,
        })
    }

    /// Whether any VM uses the object.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        [&self.updated, &self.outdated, &self.updating, &self.error].into_iter().all(Set::is_empty)
    }

    /// `<UPDATED_VMS>`, `<OUTDATED_VMS>`, `<UPDATING_VMS>`, `<ERROR_VMS>`
    pub fn render(&self, w: &mut XmlWriter) {
        w.ids("UPDATED_VMS", &self.updated).ids("OUTDATED_VMS", &self.outdated);
        w.ids("UPDATING_VMS", &self.updating).ids("ERROR_VMS", &self.error);
    }
}
