//! Every setting by name: what values it takes, whether it may be set, and what it does here.
//!
//! The names are those of the reference's `oned.conf` (`share/etc/oned.conf`, `src/template/OpenNebulaTemplate.cc`) and
//! those of Quorate's own. `docs/settings.md` has the same table for operators; a test compares them.

use Shape::{Elsewhere, List, One, Secret, Sections, Vector};

use super::limits::Limit;
use super::types::Type;

/// A setting.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Name {
    /// Its name.
    pub name: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// What it does here, or why it does nothing.
    pub what: &'static str,
}

/// What a setting holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// One value.
    One(Type),
    /// Any number of values: the attribute is repeated.
    List(Type),
    /// One vector with these parts; others are kept as text.
    Vector(&'static [Part]),
    /// Vectors, each with a NAME of its own.
    Sections(&'static [Part]),
    /// Not settable: it belongs to one node, or to what this program does not have.
    Elsewhere,
    /// Neither settable nor shown.
    Secret,
}

impl Shape {
    /// What is expected, in words; empty where nothing may be set.
    #[must_use]
    pub fn expected(self) -> String {
        let parts = |parts: &[Part]| -> String {
            let shown = |(name, form, needed): &Part| {
                let optional = if *needed { "" } else { ", may be left out" };
                format!("{name} ({}{optional})", form.expected())
            };
            parts.iter().map(shown).collect::<Vec<_>>().join("; ")
        };
        match self {
            Shape::One(form) => form.expected(),
            Shape::List(form) => format!("a list, each of it {}", form.expected()),
            Shape::Vector(known) => format!("a vector with {}", parts(known)),
            Shape::Sections(known) => format!("sections, each with {}", parts(known)),
            Shape::Elsewhere | Shape::Secret => String::new(),
        }
    }
}

/// A part of a vector: its name, its form, whether it must be there.
pub type Part = (&'static str, Type, bool);

const NAME: Part = ("NAME", Type::Text, true);
const PROGRAM: &[Part] = &[("EXECUTABLE", Type::Text, true), ("ARGUMENTS", Type::Text, false)];
const PORT: Type = Type::Number(1, 65_534, "port");
const TARGET: Type = Type::OneOf(&["NONE", "SELF", "SYSTEM"]);
const ACTIONS: Type = Type::Text;
const SECONDS: Type = Type::Number(1, 31_536_000, "seconds");

/// A limit of [`Limit`] as a setting; a test reads its range back.
fn number(min: u64, max: u64, unit: &'static str) -> Shape {
    let signed = |n: u64| i64::try_from(n).unwrap_or(i64::MAX);
    One(Type::Number(signed(min), signed(max), unit))
}

/// The setting of a name.
#[must_use]
pub fn find(name: &str) -> Option<Name> {
    all().find(|known| known.name == name)
}

/// Every setting, by no particular order.
pub fn all() -> impl Iterator<Item = Name> {
    let limits = Limit::ALL.into_iter().map(|limit| {
        let row = limit.row();
        Name { name: row.name, shape: number(row.min, row.max, row.unit), what: row.what }
    });
    TABLE.iter().map(|&(name, shape, what)| Name { name, shape, what }).chain(limits)
}

/// Whether a setting is one of the reference's `oned.conf`: a file that does not name it means its shipped value.
#[must_use]
pub fn is_of_oned_conf(name: &str) -> bool {
    TABLE.iter().any(|(known, ..)| *known == name) && name != super::local_time::TIMEZONE
}

#[rustfmt::skip]
const TABLE: &[(&str, Shape, &str)] = &[
    // Texts and times.
    ("TIMEZONE", One(Type::TimeZone), "the zone's local time: texts with times, names of backups, months of showback; a name of Quorate's own"),
    // The API.
    ("API_LIST_ORDER", One(Type::OneOf(&["ASC", "DESC"])), "the order by id of lists, where user and group say nothing"),
    ("ENABLE_OTHER_PERMISSIONS", One(Type::Flag), "whether others than administrators may give rights to others"),
    ("DEFAULT_UMASK", One(Type::Umask), "the rights of new objects, where user and group say nothing"),
    ("DEFAULT_AUTH", One(Type::Word), "the driver that is asked about users whom the zone does not know"),
    ("SESSION_EXPIRATION_TIME", One(Type::Number(0, 31_536_000, "seconds")), "how long an authentication driver's consent counts"),
    ("VM_ADMIN_OPERATIONS", One(Type::VmOperations), "the VM operations that need ADMIN"),
    ("VM_MANAGE_OPERATIONS", One(Type::VmOperations), "the VM operations that need MANAGE"),
    ("VM_USE_OPERATIONS", One(Type::VmOperations), "the VM operations that need USE"),
    ("DEFAULT_VDC_HOST_ACL", One(Type::Rights), "the rights of a VDC's groups on its hosts; for groups added afterwards"),
    ("DEFAULT_VDC_VNET_ACL", One(Type::Rights), "the same on its networks"),
    ("DEFAULT_VDC_DATASTORE_ACL", One(Type::Rights), "the same on its datastores"),
    ("DEFAULT_VDC_CLUSTER_HOST_ACL", One(Type::Rights), "the same on hosts of its clusters"),
    ("DEFAULT_VDC_CLUSTER_NET_ACL", One(Type::Rights), "the same on networks of its clusters"),
    ("DEFAULT_VDC_CLUSTER_DATASTORE_ACL", One(Type::Rights), "the same on datastores of its clusters"),
    // Virtual machines.
    ("VM_SUBMIT_ON_HOLD", One(Type::Flag), "whether new VMs are on hold"),
    ("ONEGATE_ENDPOINT", One(Type::Url), "the OneGate server in the context of VMs with TOKEN=YES; without one they are refused"),
    ("CONTEXT_RESTRICTED_DIRS", One(Type::Text), "kept for the drivers that will copy CONTEXT/FILES; nothing reads files yet"),
    ("CONTEXT_SAFE_DIRS", One(Type::Text), "the same: exceptions from CONTEXT_RESTRICTED_DIRS"),
    ("VNC_PORTS", Vector(&[("START", PORT, true), ("RESERVED", Type::Ranges(65_536), false)]), "the ports of remote consoles: START and the VM's id, or the lowest free one"),
    ("PCI_PASSTHROUGH_BUS", One(Type::Byte), "the guest's bus of passed devices, where the device names none"),
    ("DEFAULT_COST", Vector(&[("CPU_COST", Type::Decimal, false), ("MEMORY_COST", Type::Decimal, false), ("DISK_COST", Type::Decimal, false)]), "the cost by the hour, where a VM's template says nothing"),
    ("SHOWBACK_ONLY_RUNNING", One(Type::Flag), "whether showback counts CPU and memory of running VMs only"),
    ("HOOK_LOG_CONF", Vector(&[("LOG_RETENTION", Type::Number(0, 10_000, "executions"), true)]), "how many executions of each hook are kept"),
    // Networks.
    ("MAC_PREFIX", One(Type::MacPrefix), "the first two bytes of the MAC addresses of new address ranges"),
    ("VLAN_IDS", Vector(&[("START", Type::Number(0, 4094, "VLAN id"), true), ("RESERVED", Type::Ranges(4096), false)]), "the VLAN ids that networks are given: START and the network's id, or the lowest free one"),
    ("VXLAN_IDS", Vector(&[("START", Type::Number(0, 16_777_215, "VXLAN id"), true)]), "the VXLAN ids that networks are given: START and the network's id"),
    ("NETWORK_SIZE", Elsewhere, "does nothing: no code of OpenNebula 6.6 reads it either"),
    // Storage.
    ("DATASTORE_LOCATION", One(Type::Path), "the place of datastores on hosts: BASE_PATH of all datastores follows it"),
    ("DATASTORE_CAPACITY_CHECK", One(Type::Flag), "whether images must fit into what is free, where the datastore says nothing"),
    ("DEFAULT_IMAGE_TYPE", One(Type::OneOf(&["OS", "CDROM", "DATABLOCK"])), "the type of images that name none"),
    ("DEFAULT_DEVICE_PREFIX", One(Type::Word), "the device prefix of disks, where nothing else says it"),
    ("DEFAULT_CDROM_DEVICE_PREFIX", One(Type::Word), "the same for CD-ROMs"),
    ("DEFAULT_IMAGE_PERSISTENT", One(Type::OneOf(&["", "YES", "NO"])), "whether clones and saved disks are persistent, where user and group say nothing; empty: as the original"),
    ("DEFAULT_IMAGE_PERSISTENT_NEW", One(Type::OneOf(&["", "YES", "NO"])), "whether new images are persistent, where user and group say nothing"),
    ("VM_SNAPSHOT_FACTOR", One(Type::Decimal), "the share of a disk's size that quotas count for a snapshot of its VM"),
    ("MONITORING_INTERVAL_DATASTORE", One(SECONDS), "how often datastores are asked for their space"),
    // Lists of attributes.
    ("VM_RESTRICTED_ATTR", List(Type::Attribute), "attributes of VMs and templates that only administrators set"),
    ("IMAGE_RESTRICTED_ATTR", List(Type::Attribute), "the same for images"),
    ("VNET_RESTRICTED_ATTR", List(Type::Attribute), "the same for networks"),
    ("USER_RESTRICTED_ATTR", List(Type::Attribute), "the same for users"),
    ("GROUP_RESTRICTED_ATTR", List(Type::Attribute), "the same for groups"),
    ("VM_ENCRYPTED_ATTR", List(Type::Sealable), "attributes of VMs and templates that are kept encrypted, from their next change on"),
    ("HOST_ENCRYPTED_ATTR", List(Type::Sealable), "the same for hosts"),
    ("CLUSTER_ENCRYPTED_ATTR", List(Type::Sealable), "the same for clusters"),
    ("DATASTORE_ENCRYPTED_ATTR", List(Type::Sealable), "the same for datastores"),
    ("IMAGE_ENCRYPTED_ATTR", List(Type::Sealable), "the same for images"),
    ("VNET_ENCRYPTED_ATTR", List(Type::Sealable), "the same for networks"),
    ("USER_ENCRYPTED_ATTR", List(Type::Sealable), "the same for users"),
    ("DOCUMENT_ENCRYPTED_ATTR", List(Type::Sealable), "the same for documents"),
    ("INHERIT_DATASTORE_ATTR", List(Type::Attribute), "attributes that disks take from their datastore"),
    ("INHERIT_IMAGE_ATTR", List(Type::Attribute), "attributes that disks take from their image"),
    ("INHERIT_VNET_ATTR", List(Type::Attribute), "attributes that NICs take from their network"),
    // What is known of drivers.
    ("VM_MAD", Sections(&[NAME, ("KEEP_SNAPSHOTS", Type::Flag, false), ("LIVE_RESIZE", Type::Flag, false), ("SUPPORT_SHAREABLE", Type::Flag, false), ("DS_LIVE_MIGRATION", Type::Flag, false), ("COLD_NIC_ATTACH", Type::Flag, false), ("IMPORTED_VMS_ACTIONS", ACTIONS, false)]), "the virtualization drivers of hosts and what each can do; no other is accepted"),
    ("TM_MAD_CONF", Sections(&[NAME, ("LN_TARGET", TARGET, true), ("CLONE_TARGET", TARGET, true), ("SHARED", Type::Flag, true), ("DS_MIGRATE", Type::Flag, false)]), "where each transfer driver puts disks"),
    ("DS_MAD_CONF", Sections(&[NAME, ("REQUIRED_ATTRS", Type::Text, false), ("PERSISTENT_ONLY", Type::Flag, true)]), "what each datastore driver needs and can do"),
    ("MARKET_MAD_CONF", Sections(&[NAME, ("REQUIRED_ATTRS", Type::Text, false), ("APP_ACTIONS", Type::Text, false), ("PUBLIC", Type::Flag, false)]), "what each marketplace driver needs and can do"),
    ("AUTH_MAD_CONF", Sections(&[NAME, ("PASSWORD_CHANGE", Type::Flag, false), ("PASSWORD_REQUIRED", Type::Flag, false), ("DRIVER_MANAGED_GROUPS", Type::Flag, false), ("DRIVER_MANAGED_GROUP_ADMIN", Type::Flag, false), ("MAX_TOKEN_TIME", Type::Number(-1, 2_147_483_647, "seconds"), false)]), "what users of each authentication driver may do, and for how long tokens count"),
    ("VN_MAD_CONF", Sections(&[NAME, ("BRIDGE_TYPE", Type::OneOf(&["linux", "openvswitch", "openvswitch_dpdk", "vcenter_port_groups", "none"]), true)]), "the kind of bridge that each network driver makes"),
    ("TM_MAD", Vector(PROGRAM), "kept and shown to clients: only the dummy drivers run today"),
    ("DATASTORE_MAD", Vector(PROGRAM), "the same"),
    ("MARKET_MAD", Vector(PROGRAM), "the same"),
    ("IPAM_MAD", Vector(PROGRAM), "the same; addresses come from the zone alone"),
    ("AUTH_MAD", Vector(&[("EXECUTABLE", Type::Text, true), ("AUTHN", Type::Text, false)]), "kept and shown to clients; the authentication driver is [auth_driver] in each node's configuration"),
    ("IM_MAD", Sections(&[NAME, ("EXECUTABLE", Type::Text, true)]), "kept and shown to clients: only the dummy driver monitors today"),
    ("HM_MAD", Vector(PROGRAM), "kept and shown to clients: no hook manager runs yet"),
    ("MONITORING_INTERVAL_MARKET", One(SECONDS), "kept for the monitoring of marketplaces, which this version does not have"),
    ("DS_MONITOR_VM_DISK", One(Type::Number(0, 100_000, "intervals")), "kept for drivers that monitor disks; the dummy drivers have none"),
    ("SCRIPTS_REMOTE_DIR", One(Type::Path), "kept for drivers that copy scripts to hosts; the dummy drivers have none"),
    // What belongs to one node, or to what this program does not have.
    ("PORT", Elsewhere, "of one node: listen in its configuration"),
    ("LISTEN_ADDRESS", Elsewhere, "of one node: listen in its configuration"),
    ("HOSTNAME", Elsewhere, "of one node: the endpoint in its configuration"),
    ("LOG", Elsewhere, "of one node: RUST_LOG in its environment"),
    ("RAFT_LEADER_HOOK", Elsewhere, "of one node: [raft_hooks] in its configuration"),
    ("RAFT_FOLLOWER_HOOK", Elsewhere, "of one node: [raft_hooks] in its configuration"),
    ("MAX_CONN", Elsewhere, "of one node: the bound on its connections is built in"),
    ("MAX_CONN_BACKLOG", Elsewhere, "of one node: the operating system's own"),
    ("KEEPALIVE_TIMEOUT", Elsewhere, "of one node: the bound on idle connections is built in"),
    ("KEEPALIVE_MAX_CONN", Elsewhere, "does nothing: a connection may carry any number of calls"),
    ("TIMEOUT", Elsewhere, "of one node: the time that a request may take to arrive is built in"),
    ("RPC_LOG", Elsewhere, "does nothing: calls are in the node's log"),
    ("LOG_CALL_FORMAT", Elsewhere, "does nothing: the log's lines have fields"),
    ("DB", Elsewhere, "does nothing: there is no SQL database"),
    ("FEDERATION", Elsewhere, "does nothing: a zone is no member of a federation, and its servers are declared with quorate zone"),
    ("RAFT", Elsewhere, "of one node: [raft] in its configuration"),
    ("MANAGER_TIMER", Elsewhere, "does nothing: what is due is done at once"),
    ("MONITORING_INTERVAL_DB_UPDATE", Elsewhere, "does nothing: there is no SQL database"),
    ("VM_MONITORING_EXPIRATION_TIME", Elsewhere, "does nothing: nothing keeps samples yet"),
    ("ONE_KEY", Secret, "the key of encrypted attributes: made with the zone, never shown, not settable"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_limits_keep_their_range() {
        let mut seen = std::collections::BTreeSet::new();
        assert!(all().all(|name| seen.insert(name.name)));
        for limit in Limit::ALL {
            let row = limit.row();
            let Some(Name { shape: One(Type::Number(min, max, _)), .. }) = find(row.name) else {
                panic!("{}", row.name)
            };
            assert_eq!((u64::try_from(min), u64::try_from(max)), (Ok(row.min), Ok(row.max)));
        }
    }
}
