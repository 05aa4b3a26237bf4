//! Virtual machines: body, methods.
//!
//! | file | what |
//! |---|---|
//! | `state` | states and history actions with numbers and names |
//! | `xml`, `history`, `records`, `backups` | the parts of the document |
//! | `allocate`, `attributes/` | from a template to a VM |
//! | `fsm`, `report` | what may happen when, and what a driver's answer does |
//! | `actions`, `deploy`, `migrate`, `recover` | the methods that move a VM |
//! | `pool`, `accounting`, `showback`, `search` | listings |
//! | `ops/` | what changes a VM's parts: disks, NICs, snapshots, capacity, configuration, backups |

pub mod accounting;
pub mod actions;
pub mod allocate;
pub mod attributes;
pub mod backing_up;
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
pub(crate) mod xml;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, write};
use crate::parts::Parts;
use crate::quota::Charge;
use crate::quota::vm::whole;
use crate::records::Record;
use crate::records::image::snapshots::Snapshots;
use crate::records::vm::backups::Backups;
use crate::records::vm::history_records::Records;
use crate::records::vm::showback::Showback;
use crate::records::vm::state::{LcmState, State, counts_as_running};
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

/// The particular part of a VM. The object's own template is USER_TEMPLATE.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Vm {
    /// `STATE`. Changed by [`Vm::set_state`] and [`Vm::set_lcm`].
    pub state: State,
    /// `LCM_STATE`: what an active VM is doing.
    pub lcm_state: LcmState,
    /// `STATE` at the last change; of a new VM the state that it was meant to begin in.
    pub prev_state: State,
    /// `LCM_STATE` at the last change.
    pub prev_lcm_state: LcmState,
    /// Whether the scheduler shall move it.
    pub resched: bool,
    /// When it was made.
    pub stime: i64,
    /// When it ended; 0 before.
    pub etime: i64,
    /// The hypervisor's id of it.
    pub deploy_id: String,
    /// `TEMPLATE`: what OpenNebula derived from the user's template.
    pub template: Template,
    /// Where it was, oldest first; in records of their own.
    #[serde(skip)]
    pub history: Records,
    /// `SNAPSHOTS` by disk.
    pub snapshots: BTreeMap<i32, Snapshots>,
    /// `BACKUPS`.
    pub backups: Backups,
    /// What it has cost, by month.
    pub showback: Vec<Showback>,
}

impl std::default::Default for Vm {
    fn default() -> Self {
        Vm {
            state: State::Init,
            lcm_state: LcmState::LcmInit,
            prev_state: State::Init,
            prev_lcm_state: LcmState::LcmInit,
            resched: false,
            stime: 0,
            etime: 0,
            deploy_id: String::new(),
            template: Template::new(),
            history: Records::default(),
            snapshots: BTreeMap::new(),
            backups: Backups::default(),
            showback: Vec::new(),
        }
    }
}

impl Vm {
    /// The host of the current history record.
    #[must_use]
    pub fn host_name(&self) -> Option<&str> {
        self.record().map(|record| record.hostname.as_str())
    }

    /// A state other than ACTIVE.
    pub fn set_state(&mut self, state: State) {
        self.state = state;
        self.lcm_state = LcmState::LcmInit;
    }

    /// ACTIVE, doing this.
    pub fn set_lcm(&mut self, lcm_state: LcmState) {
        self.state = State::Active;
        self.lcm_state = lcm_state;
    }

    /// Whether it is ACTIVE and doing exactly this.
    #[must_use]
    pub fn is_doing(&self, lcm_state: LcmState) -> bool {
        self.state == State::Active && self.lcm_state == lcm_state
    }

    /// The state's name in texts: what it is doing when it is active.
    #[must_use]
    pub fn state_name(&self) -> &'static str {
        if self.state == State::Active { self.lcm_state.name() } else { self.state.name() }
    }
}

impl Record for Vm {
    const KIND: Kind = Kind::Vm;
    const RESTRICTED: &'static str = "VM_RESTRICTED_ATTR";

    fn overhead(&self) -> u64 {
        self.template.overhead() + self.backups.config.overhead()
    }

    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        match form {
            Form::Full => self.render_with(head, xml::Shown::All, w),
            Form::Short => self.render_short(head, w),
        }
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.history)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.history as &mut dyn Parts)
    }

    const OWNS_PARTS: bool = true;

    /// A driver's report may close the history record, which then keeps the document as it is: room for that copy.
    fn reserved(&self, head: &Head<'_>, record: u64) -> u64 {
        match self.state {
            State::Done => 0,
            // All of the document would come in. The record, with what is counted for each attribute, is about as large, and
            // is known without rendering anything: most new VMs wait in great numbers.
            _ if self.history.is_empty() => record,
            _ => self.history.growth(&self.document(head)),
        }
    }

    /// As in the reference (`VirtualMachinePool::update`), the previous state of a VM that was changed is the state it is
    /// stored with; only what is seen of it while it changes (in its history) is older. A new VM keeps the one that
    /// [`allocate`] gives it: PENDING or HOLD, also when it waits for its images or is imported.
    fn before_commit(&mut self) {
        self.prev_state = self.state;
        self.prev_lcm_state = self.lcm_state;
    }

    fn charges(&self, _head: &Head<'_>) -> Vec<Charge> {
        match self.state {
            State::Done => Vec::new(),
            _ => {
                let mut charges = whole(&self.template, counts_as_running(self.state, self.lcm_state));
                charges.extend(self.backup_reserve());
                charges
            }
        }
    }
}

impl Pool for Vm {
    /// A VM that has ended stays its owner's.
    fn chowning(txn: &mut Txn, id: i32, uid: i32, gid: i32) -> Result<(), ApiError> {
        if txn.get::<Vm>(id)?.1.state == State::Done {
            return Err(ApiError::action("Could not change VM ownership, wrong state"));
        }
        // As in the reference, it is quotas that find a strange id strange.
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
