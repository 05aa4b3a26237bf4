//! The kinds of object a zone keeps, and everything that is fixed per kind: names, ACL bits, id ranges.
//!
//! One table. It must not hold behaviour: what a kind *does* is in `pools/`.

use serde::{Deserialize, Serialize};

/// A kind of pool object, in the order of the reference's ACL resource bits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[repr(u8)]
pub enum Kind {
    /// Virtual machine.
    Vm,
    /// Host.
    Host,
    /// Virtual network.
    Net,
    /// Image.
    Image,
    /// User.
    User,
    /// Virtual machine template.
    Template,
    /// Group.
    Group,
    /// Access control rule.
    Acl,
    /// Datastore.
    Datastore,
    /// Cluster.
    Cluster,
    /// Document of any type.
    Document,
    /// Zone.
    Zone,
    /// Security group.
    SecGroup,
    /// Virtual data centre.
    Vdc,
    /// Virtual router.
    VRouter,
    /// Marketplace.
    Market,
    /// Marketplace appliance.
    MarketApp,
    /// VM group.
    VmGroup,
    /// Virtual network template.
    VnTemplate,
    /// Hook.
    Hook,
}

/// The zone that this control plane runs.
pub const LOCAL_ZONE: i32 = 0;

/// Among which objects a name must be unique.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NameScope {
    /// In the whole pool.
    Pool,
    /// Among the objects of one owner.
    Owner,
    /// Nowhere.
    None,
}

/// What is fixed for a [`Kind`].
#[derive(Debug)]
pub struct KindInfo {
    /// The name in authorization texts and ACL rules (`VM`, `NET`, ...).
    pub auth_name: &'static str,
    /// The name in error texts (`virtual machine`, ...).
    pub noun: &'static str,
    /// The XML element of one object.
    pub element: &'static str,
    /// The XML element of a pool listing.
    pub pool_element: &'static str,
    /// The name in `NAME is already taken by <X> <id>.`
    pub taken_name: &'static str,
    /// The first id given to a new object (lower ids are the system's own).
    pub first_id: i32,
    /// Where names are unique.
    pub names: NameScope,
    /// Whether new objects take permissions from the creator's umask.
    pub umask: bool,
}

const fn info(
    auth_name: &'static str,
    noun: &'static str,
    (element, pool_element): (&'static str, &'static str),
    taken_name: &'static str,
    first_id: i32,
    names: NameScope,
    umask: bool,
) -> KindInfo {
    KindInfo { auth_name, noun, element, pool_element, taken_name, first_id, names, umask }
}

use NameScope as N;
#[rustfmt::skip]
static INFO: [KindInfo; Kind::COUNT] = [
    info("VM", "virtual machine", ("VM", "VM_POOL"), "VM", 0, N::None, true),
    info("HOST", "host", ("HOST", "HOST_POOL"), "HOST", 0, N::Pool, false),
    info("NET", "virtual network", ("VNET", "VNET_POOL"), "NET", 0, N::Owner, true),
    info("IMAGE", "image", ("IMAGE", "IMAGE_POOL"), "IMAGE", 0, N::Owner, true),
    info("USER", "user", ("USER", "USER_POOL"), "USER", 2, N::Pool, false),
    info("TEMPLATE", "virtual machine template", ("VMTEMPLATE", "VMTEMPLATE_POOL"), "TEMPLATE", 0, N::Owner, true),
    info("GROUP", "group", ("GROUP", "GROUP_POOL"), "GROUP", 100, N::Pool, false),
    info("ACL", "ACL", ("ACL", "ACL_POOL"), "ACL", 6, N::None, false),
    info("DATASTORE", "datastore", ("DATASTORE", "DATASTORE_POOL"), "DATASTORE", 100, N::Pool, true),
    info("CLUSTER", "cluster", ("CLUSTER", "CLUSTER_POOL"), "CLUSTER", 100, N::Pool, false),
    info("DOCUMENT", "document", ("DOCUMENT", "DOCUMENT_POOL"), "DOCUMENT", 0, N::None, true),
    info("ZONE", "zone", ("ZONE", "ZONE_POOL"), "Zone", 100, N::Pool, false),
    info("SECGROUP", "security group", ("SECURITY_GROUP", "SECURITY_GROUP_POOL"), "SecurityGroup", 100, N::Owner, true),
    info("VDC", "VDC", ("VDC", "VDC_POOL"), "Vdc", 100, N::Pool, false),
    info("VROUTER", "virtual router", ("VROUTER", "VROUTER_POOL"), "VROUTER", 0, N::None, true),
    info("MARKETPLACE", "marketplace", ("MARKETPLACE", "MARKETPLACE_POOL"), "MARKETPLACE", 100, N::Pool, true),
    info("MARKETPLACEAPP", "marketplaceapp", ("MARKETPLACEAPP", "MARKETPLACEAPP_POOL"), "MARKETPLACEAPP", 0, N::Owner, true),
    info("VMGROUP", "vm group", ("VM_GROUP", "VM_GROUP_POOL"), "VMGroup", 0, N::Owner, true),
    info("VNTEMPLATE", "virtual network template", ("VNTEMPLATE", "VNTEMPLATE_POOL"), "VN TEMPLATE", 0, N::Owner, true),
    info("HOOK", "hook", ("HOOK", "HOOK_POOL"), "Hook", 0, N::Pool, false),
];

impl Kind {
    /// How many kinds there are.
    pub const COUNT: usize = 20;

    /// Every kind, in order.
    #[rustfmt::skip]
    pub const ALL: [Kind; Kind::COUNT] = [
        Kind::Vm, Kind::Host, Kind::Net, Kind::Image, Kind::User, Kind::Template, Kind::Group, Kind::Acl,
        Kind::Datastore, Kind::Cluster, Kind::Document, Kind::Zone, Kind::SecGroup, Kind::Vdc, Kind::VRouter,
        Kind::Market, Kind::MarketApp, Kind::VmGroup, Kind::VnTemplate, Kind::Hook,
    ];

    /// The fixed facts of this kind.
    #[must_use]
    pub fn info(self) -> &'static KindInfo {
        &INFO[self as usize]
    }

    /// The kind's bit in the resource component of an ACL rule.
    #[must_use]
    pub const fn acl_bit(self) -> u64 {
        0x10_0000_0000 << (self as u8)
    }

    /// The kind with this number, as persisted.
    #[must_use]
    pub fn from_u8(n: u8) -> Option<Kind> {
        Kind::ALL.get(usize::from(n)).copied()
    }
}
