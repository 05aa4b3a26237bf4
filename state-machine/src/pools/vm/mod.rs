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
pub mod ops;
pub mod pool;
pub mod recover;
pub mod release;
pub mod report;
pub mod rights;
mod search;
pub mod showback;
pub mod wishes;

use crate::api::Type;
use crate::error::ApiError;
use crate::head::Op;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, write};
use crate::records::vm::Vm;
use crate::records::vm::state::State;
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;

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

/// The methods of this pool; those of [`ops`] are there.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.vm.action", Kind::Vm, &[req("action", Type::Str), ID], &[], actions::action),
    write("one.vm.allocate", Kind::Vm, &[req("template", Type::Str), opt("hold", Type::Bool, Default::Bool(false))], &[], allocate::allocate),
    write("one.vm.chmod", Kind::Vm, verbs::CHMOD, &[Need::Exists(Kind::Vm, 0)], verbs::chmod),
    write("one.vm.chown", Kind::Vm, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Vm, 0)], verbs::chown::<Vm>),
    write("one.vm.deploy", Kind::Vm, &[ID, req("host_id", Type::Int), opt("enforce", Type::Bool, Default::Bool(false)), opt("datastore_id", Type::Int, Default::Int(-1)), opt("extra_template", Type::Str, Default::Str(""))], &[], deploy::deploy),
    read("one.vm.info", Kind::Vm, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vm.lock", Kind::Vm, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Manage)], verbs::lock),
    write("one.vm.migrate", Kind::Vm, &[ID, req("host_id", Type::Int), req("live", Type::Bool), opt("enforce", Type::Bool, Default::Bool(false)), opt("datastore_id", Type::Int, Default::Int(-1)), opt("type", Type::Int, Default::Int(0))], &[], migrate::migrate),
    read("one.vm.monitoring", Kind::Vm, &[ID], &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Use)], pool::monitoring),
    write("one.vm.recover", Kind::Vm, &[ID, req("operation", Type::Int)], &[], recover::recover),
    write("one.vm.rename", Kind::Vm, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Vm, 0)], edit::rename),
    write("one.vm.unlock", Kind::Vm, &[ID], &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Manage)], verbs::unlock),
    write("one.vm.update", Kind::Vm, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[], edit::update),
    read("one.vmpool.accounting", Kind::Vm, &[req("filter_flag", Type::Int), req("start_time", Type::Int), req("end_time", Type::Int)], &[], accounting::accounting).while_disabled(),
    write("one.vmpool.calculateshowback", Kind::Vm, &[req("first_month", Type::Int), req("first_year", Type::Int), req("last_month", Type::Int), req("last_year", Type::Int)], &[], showback::calculate),
    read("one.vmpool.info", Kind::Vm, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int), req("state", Type::Int), opt("query", Type::Str, Default::Str(""))], &[], pool::info).while_disabled(),
    read("one.vmpool.infoextended", Kind::Vm, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int), req("state", Type::Int), opt("query", Type::Str, Default::Str(""))], &[], pool::info_extended).while_disabled(),
    read("one.vmpool.infoset", Kind::Vm, &[req("ids", Type::Str), req("extended", Type::Bool)], &[], pool::info_set).while_disabled(),
    read("one.vmpool.monitoring", Kind::Vm, &[req("filter_flag", Type::Int), opt("seconds", Type::Int, Default::Int(-1))], &[], pool::pool_monitoring).while_disabled(),
    read("one.vmpool.showback", Kind::Vm, &[req("filter_flag", Type::Int), req("first_month", Type::Int), req("first_year", Type::Int), req("last_month", Type::Int), req("last_year", Type::Int)], &[], showback::showback).while_disabled(),
];
