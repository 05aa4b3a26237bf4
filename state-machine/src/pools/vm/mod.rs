//! The methods of virtual machines.
//!
//! | file | what |
//! |---|---|
//! | `allocate`, `attributes/` | from a template to a VM |
//! | `rights`, `wishes` | who may do what with a VM, and what its template takes the right to |
//! | `fsm`, `report` | what may happen when, and what a driver's answer does |
//! | `drivers`, `release`, `history` | what steps are made of: what is asked of drivers, given back, recorded |
//! | `image_events` | what becomes of VMs when their images change |
//! | `actions`, `deploy`, `migrate`, `recover` | the methods that move a VM |
//! | `network_change` | bringing a network's change to the NICs of its VMs |
//! | `pool`, `accounting`, `showback`, `search` | listings |
//! | `ops/` | what changes a VM's parts: disks, NICs, snapshots, capacity, configuration, backups |

pub mod accounting;
pub mod actions;
pub mod allocate;
pub mod attributes;
pub mod deploy;
pub mod drivers;
mod edit;
pub mod fsm;
pub mod history;
pub mod image_events;
pub mod migrate;
pub mod network_change;
pub mod ops;
pub mod pool;
pub mod recover;
pub mod release;
pub mod report;
pub mod rights;
mod search;
pub mod showback;
pub mod wishes;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State;

use crate::methods::{Default, ID, Method, Need, Param, opt, read, req, write};
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for Vm {
    /// A VM that has ended stays its owner's.
    fn chowning(txn: &mut Txn, id: i32, uid: i32, gid: i32) -> Result<(), ApiError> {
        if txn.get::<Vm>(id)?.1.state == State::Done {
            return Err(ApiError::action("Could not change VM ownership, wrong state"));
        }
        // Ids below -1 are refused in the words that the reference's quotas have for them
        // (`RequestManagerChown::get_and_quota`).
        match (uid < -1, gid < -1) {
            (true, _) => Err(ApiError::authorization(txn.actor().uid, "User not found")),
            (false, true) => Err(ApiError::authorization(txn.actor().uid, "Group not found")),
            (false, false) => Ok(()),
        }
    }

    fn chowned(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
        Ok(())
    }
}

const HOST: Param = req("host_id", Type::Int);
/// Whether the host's capacity is checked.
const ENFORCE: Param = opt("enforce", Type::Bool, Default::Bool(false));
/// The system datastore; -1 leaves it to the host's cluster, or as it is.
const DATASTORE: Param = opt("datastore_id", Type::Int, Default::Int(-1));
const DEPLOY: &[Param] = &[ID, HOST, ENFORCE, DATASTORE, opt("extra_template", Type::Str, Default::Str(""))];
const MIGRATE: &[Param] =
    &[ID, HOST, req("live", Type::Bool), ENFORCE, DATASTORE, opt("type", Type::Int, Default::Int(0))];
const LISTING: &[Param] = &[
    params::FILTER,
    req("start", Type::Int),
    req("end", Type::Int),
    req("state", Type::Int),
    opt("query", Type::Str, Default::Str("")),
];
const SHOWBACK: &[Param] = &[
    params::FILTER,
    req("first_month", Type::Int),
    req("first_year", Type::Int),
    req("last_month", Type::Int),
    req("last_year", Type::Int),
];
/// From month and year to month and year.
const MONTHS: &[Param] = SHOWBACK.split_at(1).1;

/// The methods of this pool; those of [`ops`] are there.
pub static METHODS: &[Method] = &[
    write("one.vm.action", Kind::Vm, &[req("action", Type::Str), ID], &[], actions::action),
    write(
        "one.vm.allocate",
        Kind::Vm,
        &[params::TEMPLATE, opt("hold", Type::Bool, Default::Bool(false))],
        &[],
        allocate::allocate,
    )
    .makes_object(),
    write("one.vm.chmod", Kind::Vm, params::CHMOD, &[Need::Exists(Kind::Vm, 0)], verbs::chmod),
    write("one.vm.chown", Kind::Vm, params::CHOWN, &[Need::Exists(Kind::Vm, 0)], verbs::chown::<Vm>),
    write("one.vm.deploy", Kind::Vm, DEPLOY, &[], deploy::deploy),
    read("one.vm.info", Kind::Vm, params::INFO, &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Use)], verbs::info)
        .while_disabled(),
    write("one.vm.lock", Kind::Vm, params::LOCK, &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Manage)], verbs::lock),
    write("one.vm.migrate", Kind::Vm, MIGRATE, &[], migrate::migrate),
    read(
        "one.vm.monitoring",
        Kind::Vm,
        params::OBJECT,
        &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Use)],
        pool::monitoring,
    ),
    write("one.vm.recover", Kind::Vm, &[ID, req("operation", Type::Int)], &[], recover::recover),
    write("one.vm.rename", Kind::Vm, params::RENAME, &[Need::Exists(Kind::Vm, 0)], edit::rename),
    write("one.vm.unlock", Kind::Vm, params::OBJECT, &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Manage)], verbs::unlock),
    write("one.vm.update", Kind::Vm, params::UPDATE, &[], edit::update),
    read(
        "one.vmpool.accounting",
        Kind::Vm,
        &[params::FILTER, req("start_time", Type::Int), req("end_time", Type::Int)],
        &[],
        accounting::accounting,
    )
    .while_disabled(),
    write("one.vmpool.calculateshowback", Kind::Vm, MONTHS, &[], showback::calculate),
    read("one.vmpool.info", Kind::Vm, LISTING, &[], pool::info).while_disabled(),
    read("one.vmpool.infoextended", Kind::Vm, LISTING, &[], pool::info_extended).while_disabled(),
    read("one.vmpool.infoset", Kind::Vm, &[req("ids", Type::Str), req("extended", Type::Bool)], &[], pool::info_set)
        .while_disabled(),
    read(
        "one.vmpool.monitoring",
        Kind::Vm,
        &[params::FILTER, opt("seconds", Type::Int, Default::Int(-1))],
        &[],
        pool::pool_monitoring,
    )
    .while_disabled(),
    read("one.vmpool.showback", Kind::Vm, SHOWBACK, &[], showback::showback).while_disabled(),
];
