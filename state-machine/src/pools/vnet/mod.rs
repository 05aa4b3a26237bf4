//! Virtual networks: body, XML, methods. A network lends addresses of its ranges to NICs and to reservations.
//!
//! | file | what |
//! |---|---|
//! | `range`, `ranges`, `taken`, `address` | addresses and who has them |
//! | `nic` | what a NIC gets, and gives back |
//! | `allocate`, `driver` | new networks, and what their drivers need |
//! | `report`, `recover` | what the driver's answer does; what an administrator says instead; the end |
//! | `leases`, `reserve` | ranges and held leases of networks; reservations |
//! | `update`, `rollout` | changes, and how they come to VMs |
//! | `render` | XML |

mod address;
pub mod allocate;
pub mod driver;
mod leases;
pub mod nic;
pub mod range;
pub mod ranges;
mod recover;
mod render;
pub mod report;
mod reserve;
pub mod rollout;
pub mod taken;
mod update;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

pub use self::render::document_for_vm;

use self::ranges::AddressRanges;
use super::rollout::Rollout;
use crate::api::Type;
use crate::body::Variant;
use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, write};
use crate::numbered::numbered;
use crate::object::Object;
use crate::parts::Parts;
use crate::quota::Charge;
use crate::records::Record;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

/// The numbers of ranges' leases among a network's parts begin here; below are those of [`Rollout`].
const RANGES: u64 = 1 << 32;

/// The security group of every new network.
const DEFAULT_SECURITY_GROUP: i32 = 0;

numbered! {
    /// The state of a network; UPDATE_FAILURE has no name in texts (the reference: `include/VirtualNetwork.h`,
    /// `state_to_str`).
    #[derive(Default)]
    State {
        /// Just made.
        #[default]
        Init = 0 "INIT",
        /// It can be used.
        Ready = 1 "READY",
        /// The driver is creating it.
        LockCreate = 2 "LOCK_CREATE",
        /// The driver is deleting it.
        LockDelete = 3 "LOCK_DELETE",
        /// It is gone.
        Done = 4 "DONE",
        /// The driver failed.
        Error = 5 "ERROR",
        /// A change of it did not come to all its VMs.
        UpdateFailure = 6 "",
    }
}

/// The particular part of a network.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vnet {
    /// Its state.
    pub state: State,
    /// The state before the last change.
    pub prev_state: State,
    /// The clusters it is in.
    pub clusters: BTreeSet<i32>,
    /// The driver, as VN_MAD gives it.
    pub vn_mad: String,
    /// The bridge on hosts.
    pub bridge: String,
    /// What kind of bridge that is.
    pub bridge_type: String,
    /// The physical device on hosts.
    pub phydev: String,
    /// The VLAN.
    pub vlan_id: String,
    /// The VLAN around it.
    pub outer_vlan_id: String,
    /// Whether the VLAN was chosen for it.
    pub vlan_id_automatic: bool,
    /// Whether the outer VLAN was chosen for it.
    pub outer_vlan_id_automatic: bool,
    /// The network whose addresses it has reserved.
    pub parent: Option<i32>,
    /// The virtual routers with a NIC in it.
    pub vrouters: BTreeSet<i32>,
    /// Its VMs, by how far its last change has come to them; in records of their own.
    #[serde(skip)]
    pub vms: Rollout,
    /// Its addresses.
    pub ranges: AddressRanges,
    /// How many addresses of its parent it has.
    pub reserved: u64,
}

impl Vnet {
    /// The network in an object of this kind.
    #[must_use]
    pub fn in_object(object: &Object) -> Option<&Vnet> {
        Vnet::of(&object.body)
    }

    /// The network in an object of this kind, to change.
    pub fn in_object_mut(object: &mut Object) -> Option<&mut Vnet> {
        Vnet::of_mut(&mut object.body)
    }

    /// Enters a state.
    pub fn set_state(&mut self, state: State) {
        self.state = state;
        self.ranges.forget_dropped();
        // As in the reference, where storing an object makes its state the previous one.
        self.prev_state = state;
    }
}

impl Record for Vnet {
    const KIND: Kind = Kind::Net;
    const RESTRICTED: &'static str = "VNET_RESTRICTED_ATTR";

    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        render::render(self, head, form, w);
    }

    fn overhead(&self) -> u64 {
        self.ranges.iter().map(|range| range.attributes.overhead()).sum()
    }

    fn charges(&self, _head: &Head<'_>) -> Vec<Charge> {
        let reserved = i64::try_from(self.reserved).unwrap_or(i64::MAX);
        self.parent.filter(|_| reserved > 0).map(|parent| Charge::leases(parent, reserved)).into_iter().collect()
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        let leases = self.ranges.iter().map(|range| (RANGES | u64::from(range.id), &range.taken as &dyn Parts));
        self.vms.parts().into_iter().chain(leases).collect()
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        if map < RANGES {
            return self.vms.part_mut(map);
        }
        let id = i32::try_from(map ^ RANGES).ok()?;
        Some(&mut self.ranges.get_mut(id)?.taken)
    }

    fn clusters(&self) -> Vec<i32> {
        self.clusters.iter().copied().collect()
    }

    fn clusters_mut(&mut self) -> Option<&mut BTreeSet<i32>> {
        Some(&mut self.clusters)
    }

    fn named_rules_only(&self) -> bool {
        self.parent.is_some()
    }
}

impl Pool for Vnet {
    fn updating(txn: &Txn, id: i32, new: &mut Template, replaces: bool) {
        if let Ok(object) = txn.object(Kind::Net, id) {
            update::note_changes(&object.template, new, replaces);
        }
    }

    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        update::updated(txn, id)
    }
}
/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.vn.add_ar", Kind::Net, &[ID, req("template", Type::Str)], &[Need::May(Kind::Net, 0, Op::Admin)], leases::add_range),
    write("one.vn.allocate", Kind::Net, &[req("template", Type::Str), req("cluster_id", Type::Int)], &[], allocate::call),
    write("one.vn.chmod", Kind::Net, verbs::CHMOD, &[Need::Exists(Kind::Net, 0)], verbs::chmod),
    write("one.vn.chown", Kind::Net, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Net, 0)], verbs::chown::<Vnet>),
    write("one.vn.delete", Kind::Net, &[ID], &[Need::May(Kind::Net, 0, Op::Manage)], recover::delete_call),
    write("one.vn.free_ar", Kind::Net, &[ID, req("ar_id", Type::Int), opt("force", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Net, 0, Op::Manage)], leases::remove_range),
    write("one.vn.hold", Kind::Net, &[ID, req("template", Type::Str)], &[Need::May(Kind::Net, 0, Op::Manage)], leases::hold),
    read("one.vn.info", Kind::Net, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Net, 0, Op::Use)], render::info).while_disabled(),
    write("one.vn.lock", Kind::Net, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Net, 0, Op::Manage)], verbs::lock),
    write("one.vn.recover", Kind::Net, &[ID, req("operation", Type::Int)], &[], recover::call),
    write("one.vn.release", Kind::Net, &[ID, req("template", Type::Str)], &[Need::May(Kind::Net, 0, Op::Manage)], leases::release),
    write("one.vn.rename", Kind::Net, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Net, 0)], verbs::rename::<Vnet>),
    write("one.vn.reserve", Kind::Net, &[ID, req("template", Type::Str)], &[], reserve::call),
    write("one.vn.rm_ar", Kind::Net, &[ID, req("ar_id", Type::Int), opt("force", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Net, 0, Op::Admin)], leases::remove_range),
    write("one.vn.unlock", Kind::Net, &[ID], &[Need::MayIgnoringLock(Kind::Net, 0, Op::Manage)], verbs::unlock),
    write("one.vn.update", Kind::Net, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Net, 0, Op::Manage)], verbs::update::<Vnet>),
    write("one.vn.update_ar", Kind::Net, &[ID, req("template", Type::Str)], &[Need::May(Kind::Net, 0, Op::Manage)], leases::update_range),
    read("one.vnpool.info", Kind::Net, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
