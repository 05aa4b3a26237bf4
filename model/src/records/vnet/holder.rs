//! Who has a lease.

use serde::{Deserialize, Serialize};

use crate::kind::Kind;

/// Who has a lease.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub enum Holder {
    /// A VM.
    Vm(i32),
    /// A network that has reserved it.
    Net(i32),
    /// A virtual router: its floating address.
    VRouter(i32),
}

impl Holder {
    /// An address that an administrator keeps from being used.
    pub const NOBODY: Holder = Holder::Vm(-1);

    /// The element of a lease that names the holder, and its id.
    #[must_use]
    pub fn named(self) -> (&'static str, i32) {
        match self {
            Holder::Vm(id) => ("VM", id),
            Holder::Net(id) => ("VNET", id),
            Holder::VRouter(id) => ("VROUTER", id),
        }
    }

    /// The number by which listings give it: the kind's bit and 32 bits of id.
    #[must_use]
    pub fn packed(self) -> u64 {
        let (kind, id) = match self {
            Holder::Vm(id) => (Kind::Vm, id),
            Holder::Net(id) => (Kind::Net, id),
            Holder::VRouter(id) => (Kind::VRouter, id),
        };
        kind.acl_bit() | u64::from(id.cast_unsigned())
    }
}
