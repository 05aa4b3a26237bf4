//! Whose leases a document of a network shows.

use std::collections::BTreeSet;

use super::holder::Holder;

/// Whose leases a caller sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    /// Everybody's.
    All,
    /// Those of these objects.
    Only(BTreeSet<i32>),
}

impl Seen {
    /// Whether the leases of the object with this id are among them.
    #[must_use]
    pub fn has(&self, id: i32) -> bool {
        match self {
            Seen::All => true,
            Seen::Only(ids) => ids.contains(&id),
        }
    }
}

/// Which holders' leases a caller sees.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Eyes {
    /// VMs.
    pub vms: Seen,
    /// Networks that have reserved addresses.
    pub nets: Seen,
    /// Virtual routers.
    pub routers: Seen,
}

impl Eyes {
    /// All of them.
    pub const ALL: Eyes = Eyes { vms: Seen::All, nets: Seen::All, routers: Seen::All };

    /// Whether the leases of a holder are among them.
    #[must_use]
    pub fn see(&self, holder: Holder) -> bool {
        match holder {
            Holder::Vm(id) => self.vms.has(id),
            Holder::Net(id) => self.nets.has(id),
            Holder::VRouter(id) => self.routers.has(id),
        }
    }
}
