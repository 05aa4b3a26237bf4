//! Which driver an effect is for. It knows no driver: a registry does.

/// What a driver is for: which attribute of an object names it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum DriverKind {
    /// Monitors hosts: `IM_MAD` of a host.
    Monitor,
    /// Runs VMs: `VM_MAD` of a host.
    Hypervisor,
    /// Brings disks to hosts and back: `TM_MAD` of a system datastore.
    Transfer,
    /// Looks at the space of a system datastore, named by `TM_MAD` as well.
    SystemDatastore,
    /// Handles images: `DS_MAD` of a datastore.
    Datastore,
    /// Handles apps: `MARKET_MAD` of a marketplace.
    Market,
    /// Creates and deletes networks: `VN_MAD` of a virtual network.
    Network,
    /// Runs hooks; there is one, without a name.
    Hook,
}

impl DriverKind {
    /// The attribute that names a driver of this kind.
    #[must_use]
    pub const fn attribute(self) -> &'static str {
        match self {
            DriverKind::Monitor => "IM_MAD",
            DriverKind::Hypervisor => "VM_MAD",
            DriverKind::Transfer | DriverKind::SystemDatastore => "TM_MAD",
            DriverKind::Datastore => "DS_MAD",
            DriverKind::Market => "MARKET_MAD",
            DriverKind::Network => "VN_MAD",
            DriverKind::Hook => "HM_MAD",
        }
    }
}

/// Which driver: what it is for, and its name as an object has it.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct DriverName {
    /// What it is for.
    pub kind: DriverKind,
    /// Its name; empty when the object names none.
    pub name: String,
}

impl DriverName {
    /// The driver of this kind and name.
    #[must_use]
    pub fn new(kind: DriverKind, name: &str) -> DriverName {
        DriverName { kind, name: name.to_owned() }
    }
}
