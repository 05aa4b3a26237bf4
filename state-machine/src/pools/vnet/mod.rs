//! Virtual networks: methods. A network lends addresses of its ranges to NICs and to reservations.
//!
//! | file | what |
//! |---|---|
//! | `nic` | what a NIC gets, and gives back |
//! | `allocate`, `driver` | new networks, and what their drivers need |
//! | `report`, `recover` | what the driver's answer does; what an administrator says instead; the end |
//! | `leases`, `reserve` | ranges and held leases of networks; reservations |
//! | `update` | changes; how they come to VMs is the VMs' ([`quorate_model::announcement`]) |
//! | `info` | whose leases a caller sees |

pub mod allocate;
pub mod driver;
mod info;
mod leases;
pub mod nic;
mod recover;
pub mod report;
mod reserve;
mod update;

use quorate_model::api::Type;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::vnet::Vnet;
use quorate_model::template::Template;

use crate::methods::{Default, ID, Method, Need, opt, read, req, write};
use crate::params;
use crate::txn::Txn;
use crate::verbs::{self, Pool};

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
pub static METHODS: &[Method] = &[
    write(
        "one.vn.add_ar",
        Kind::Net,
        &[ID, params::TEMPLATE],
        &[Need::May(Kind::Net, 0, Op::Admin)],
        leases::add_range,
    ),
    write("one.vn.allocate", Kind::Net, &[params::TEMPLATE, req("cluster_id", Type::Int)], &[], allocate::call)
        .makes_object(),
    write("one.vn.chmod", Kind::Net, params::CHMOD, &[Need::Exists(Kind::Net, 0)], verbs::chmod),
    write("one.vn.chown", Kind::Net, params::CHOWN, &[Need::Exists(Kind::Net, 0)], verbs::chown::<Vnet>),
    write("one.vn.delete", Kind::Net, params::OBJECT, &[Need::May(Kind::Net, 0, Op::Manage)], recover::delete_call)
        .ends_object(),
    write(
        "one.vn.free_ar",
        Kind::Net,
        &[ID, req("ar_id", Type::Int), opt("force", Type::Bool, Default::Bool(false))],
        &[Need::May(Kind::Net, 0, Op::Manage)],
        leases::remove_range,
    ),
    write("one.vn.hold", Kind::Net, &[ID, params::TEMPLATE], &[Need::May(Kind::Net, 0, Op::Manage)], leases::hold),
    read("one.vn.info", Kind::Net, params::INFO, &[Need::MayIgnoringLock(Kind::Net, 0, Op::Use)], info::info)
        .while_disabled(),
    write("one.vn.lock", Kind::Net, params::LOCK, &[Need::MayIgnoringLock(Kind::Net, 0, Op::Manage)], verbs::lock),
    write("one.vn.recover", Kind::Net, &[ID, req("operation", Type::Int)], &[], recover::call),
    write(
        "one.vn.release",
        Kind::Net,
        &[ID, params::TEMPLATE],
        &[Need::May(Kind::Net, 0, Op::Manage)],
        leases::release,
    ),
    write("one.vn.rename", Kind::Net, params::RENAME, &[Need::Exists(Kind::Net, 0)], verbs::rename::<Vnet>),
    write("one.vn.reserve", Kind::Net, &[ID, params::TEMPLATE], &[], reserve::call),
    write(
        "one.vn.rm_ar",
        Kind::Net,
        &[ID, req("ar_id", Type::Int), opt("force", Type::Bool, Default::Bool(false))],
        &[Need::May(Kind::Net, 0, Op::Admin)],
        leases::remove_range,
    ),
    write(
        "one.vn.unlock",
        Kind::Net,
        params::OBJECT,
        &[Need::MayIgnoringLock(Kind::Net, 0, Op::Manage)],
        verbs::unlock,
    ),
    write("one.vn.update", Kind::Net, params::UPDATE, &[Need::May(Kind::Net, 0, Op::Manage)], verbs::update::<Vnet>),
    write(
        "one.vn.update_ar",
        Kind::Net,
        &[ID, params::TEMPLATE],
        &[Need::May(Kind::Net, 0, Op::Manage)],
        leases::update_range,
    ),
    read("one.vnpool.info", Kind::Net, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
