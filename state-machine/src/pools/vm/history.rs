//! History records: where a VM was, when, and by which action it left; the base of accounting.

use serde::{Deserialize, Serialize};

use super::records::Info;
use super::state::VmAction;
use super::{Vm, xml};
use crate::authorize;
use crate::object::Object;
use crate::pools::PoolBody;
use crate::txn::Txn;
use crate::xml::XmlWriter;

/// The user, group and request that an action is recorded with; -1 for what the system does by itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct By {
    /// User.
    pub uid: i32,
    /// Group.
    pub gid: i32,
    /// Request id.
    pub request: i64,
}

impl By {
    /// The system itself.
    pub const INTERNAL: By = By { uid: -1, gid: -1, request: -1 };

    /// The caller of a transaction, in a request with a number of its own.
    pub fn caller(txn: &mut Txn) -> By {
        let request = txn.request_id();
        let actor = txn.actor();
        By { uid: actor.uid, gid: authorize::effective_gid(txn, actor), request }
    }
}

/// One stay of a VM on a host.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct History {
    /// Number within the VM, from 0.
    pub seq: i32,
    /// The host's name.
    pub hostname: String,
    /// The host's id.
    pub hid: i32,
    /// The host's cluster.
    pub cid: i32,
    /// Hypervisor driver.
    pub vm_mad: String,
    /// Transfer driver of the system datastore.
    pub tm_mad: String,
    /// The system datastore.
    pub ds_id: i32,
    /// From scheduling to leaving the host.
    pub stime: i64,
    /// See `stime`; 0 while it is there.
    pub etime: i64,
    /// Prolog.
    pub pstime: i64,
    /// End of prolog.
    pub petime: i64,
    /// Running.
    pub rstime: i64,
    /// End of running.
    pub retime: i64,
    /// Epilog.
    pub estime: i64,
    /// End of epilog.
    pub eetime: i64,
    /// The last action recorded.
    pub action: VmAction,
    /// Who did that.
    pub by: By,
    /// The VM as it was at the last accounted moment of this record. Set by [`Records`].
    pub info: Info,
}

impl std::default::Default for History {
    fn default() -> Self {
        History {
            seq: 0,
            hostname: String::new(),
            hid: -1,
            cid: -1,
            vm_mad: String::new(),
            tm_mad: String::new(),
            ds_id: 0,
            stime: 0,
            etime: 0,
            pstime: 0,
            petime: 0,
            rstime: 0,
            retime: 0,
            estime: 0,
            eetime: 0,
            action: VmAction::None,
            by: By::INTERNAL,
            info: Info::default(),
        }
    }
}

impl History {
    /// Records an action.
    pub fn set_action(&mut self, action: VmAction, by: By) {
        self.action = action;
        self.by = by;
    }

    /// Whether the VM runs on a public cloud, whose drivers keep no disks here.
    #[must_use]
    pub fn on_cloud(&self) -> bool {
        self.ds_id == -1 && self.tm_mad.is_empty()
    }

    /// `<HISTORY>` as in the VM's own document.
    pub fn render(&self, vm: i32, w: &mut XmlWriter) {
        w.element("HISTORY", |w| self.render_inner(vm, w));
    }

    /// `<HISTORY>` as accounting shows it: with the VM's document, which is `info` (see [`Records::info`]).
    pub fn render_with_vm(&self, vm: i32, info: &str, w: &mut XmlWriter) {
        w.element("HISTORY", |w| {
            self.render_inner(vm, w);
            w.raw(info);
        });
    }

    fn render_inner(&self, vm: i32, w: &mut XmlWriter) {
        w.plain("OID", vm).plain("SEQ", self.seq).plain("HOSTNAME", &self.hostname);
        w.plain("HID", self.hid).plain("CID", self.cid).plain("STIME", self.stime).plain("ETIME", self.etime);
        w.cdata("VM_MAD", &self.vm_mad).cdata("TM_MAD", &self.tm_mad).plain("DS_ID", self.ds_id);
        w.plain("PSTIME", self.pstime).plain("PETIME", self.petime);
        w.plain("RSTIME", self.rstime).plain("RETIME", self.retime);
        w.plain("ESTIME", self.estime).plain("EETIME", self.eetime);
        w.plain("ACTION", self.action.number()).plain("UID", self.by.uid).plain("GID", self.by.gid);
        w.plain("REQUEST_ID", self.by.request);
    }

    /// `<HISTORY>` of pool listings.
    pub fn render_short(&self, vm: i32, w: &mut XmlWriter) {
        w.element("HISTORY", |w| {
            w.plain("OID", vm).plain("SEQ", self.seq).cdata("HOSTNAME", &self.hostname);
            w.plain("HID", self.hid).plain("CID", self.cid).plain("DS_ID", self.ds_id);
            w.cdata("VM_MAD", &self.vm_mad).cdata("TM_MAD", &self.tm_mad);
            w.cdata("ACTION", &self.action.number().to_string());
        });
    }
}

impl Vm {
    /// The current history record.
    #[must_use]
    pub fn record(&self) -> Option<&History> {
        self.history.current()
    }

    /// The current history record, to change.
    pub fn record_mut(&mut self) -> Option<&mut History> {
        self.history.back_mut(0)
    }

    /// The record before the current one.
    #[must_use]
    pub fn previous_record(&self) -> Option<&History> {
        self.history.back(1)
    }

    /// The record before the current one, to change.
    pub fn previous_record_mut(&mut self) -> Option<&mut History> {
        self.history.back_mut(1)
    }
}

/// Appends a record, with the VM as it is now; `seq` and what it knows of the VM are set here.
pub fn push(object: &mut Object, record: History) {
    let info = xml::document(object);
    if let Some(vm) = Vm::of_mut(&mut object.body) {
        vm.history.push(record);
        vm.history.set_info(0, info);
    }
}

/// Where a record was, as the start of another one in the same place.
#[must_use]
pub fn same_place(record: &History) -> History {
    History {
        hostname: record.hostname.clone(),
        hid: record.hid,
        cid: record.cid,
        vm_mad: record.vm_mad.clone(),
        tm_mad: record.tm_mad.clone(),
        ds_id: record.ds_id,
        ..History::default()
    }
}

/// Appends a copy of the current record (the reference's `cp_history`).
pub fn copy_current(object: &mut Object) {
    if let Some(record) = Vm::of(&object.body).and_then(Vm::record).map(same_place) {
        push(object, record);
    }
}

/// Appends a copy of the record before the current one (the reference's `cp_previous_history`).
pub fn copy_previous(object: &mut Object) {
    if let Some(record) = Vm::of(&object.body).and_then(Vm::previous_record).map(same_place) {
        push(object, record);
    }
}

/// Ends the current record with an action and goes on with a copy of it, as every change of a VM in its place does
/// (the reference's `close_cp_history`). A VM that was not running does not run in the copy either.
pub fn close_and_copy(object: &mut Object, now: i64, action: VmAction, by: By) {
    let Some(record) = Vm::of_mut(&mut object.body).and_then(Vm::record_mut) else { return };
    let (runs, before) = (record.retime == 0, record.action);
    if runs {
        record.retime = now;
    }
    record.etime = now;
    record.set_action(action, by);
    copy_current(object);
    if let Some(record) = Vm::of_mut(&mut object.body).and_then(Vm::record_mut) {
        record.set_action(before, By::INTERNAL);
        record.stime = now;
        record.rstime = now;
        record.retime = if runs { 0 } else { now };
    }
}

/// Renews what the current record knows of the VM.
pub fn set_vm_info(object: &mut Object) {
    renew(object, 0);
}

/// Renews what the record before the current one knows of the VM.
pub fn set_previous_vm_info(object: &mut Object) {
    renew(object, 1);
}

fn renew(object: &mut Object, back: u64) {
    let info = xml::document(object);
    if let Some(vm) = Vm::of_mut(&mut object.body) {
        vm.history.set_info(back, info);
    }
}

/// The VM's document in the form of `infoextended`: only the current record.
#[must_use]
pub fn document_with_last_record(object: &Object) -> String {
    let mut w = XmlWriter::new();
    if let Some(vm) = Vm::of(&object.body) {
        vm.render_with(object, xml::Shown::Last, &mut w);
    }
    w.finish()
}
