//! History records: where a VM was, when, and by which action it left; the base of accounting.

use quorate_model::body::Variant;
use quorate_model::object::Object;
use quorate_model::records::vm::history::{By, History};
use quorate_model::records::vm::state::VmAction;
use quorate_model::records::vm::{Vm, xml};
use quorate_model::xml::XmlWriter;

use crate::txn::Txn;

/// The caller of a transaction, in a request with a number of its own.
pub fn by_caller(txn: &mut Txn) -> By {
    let request = txn.request_id();
    let actor = txn.actor();
    By { uid: actor.uid, gid: txn.effective_gid(actor), request }
}

/// Appends a record, with the VM as it is now; `seq` and what it knows of the VM are set here.
pub fn push(object: &mut Object, record: History) {
    let info = document(object);
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
    let info = document(object);
    if let Some(vm) = Vm::of_mut(&mut object.body) {
        vm.history.set_info(back, info);
    }
}

/// See [`Vm::document`]; nothing for an object that is no VM.
fn document(object: &Object) -> [String; 4] {
    Vm::of(&object.body).map(|vm| vm.document(&object.head())).unwrap_or_default()
}

/// The VM's document in the form of `infoextended`: only the current record.
#[must_use]
pub fn document_with_last_record(object: &Object) -> String {
    let mut w = XmlWriter::new();
    if let Some(vm) = Vm::of(&object.body) {
        vm.render_with(&object.head(), xml::Shown::Last, &mut w);
    }
    w.finish()
}
