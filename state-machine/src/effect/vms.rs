//! What hypervisor and transfer drivers are told about VMs.

use std::sync::Arc;

use super::driver_name::{DriverKind, DriverName};
use super::message::{Document, File, Hypervisor, Message, Part, Payload, Stay, Transfer, directory};
use super::objects::{known, opened};
use crate::state::State;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::{TransferAction, VmmAction};
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::History;
use quorate_model::records::vm::state::LcmState;

/// A hypervisor action, and the files for it.
pub(super) fn hypervisor(state: &State, id: i32, action: VmmAction) -> Result<(Message, Vec<File>), String> {
    let (object, vm) = known::<Vm>(state, id)?;
    let leaves = vm.lcm_state == LcmState::SaveMigrate;
    let (current, previous) = (vm.record(), vm.previous_record());
    let (record, other) = match action {
        VmmAction::Migrate => (previous, current),
        VmmAction::CleanupPrevious => (previous, None),
        VmmAction::CleanupBoth => (current, previous),
        VmmAction::Shutdown | VmmAction::Cancel | VmmAction::Save if leaves => (previous, None),
        _ => (current, None),
    };
    let mut payload = of_record(state, id, object, record);
    payload.other_host = other.map(|other| other.hostname.clone());
    if matches!(action, VmmAction::Backup | VmmAction::BackupCancel) {
        payload.datastore = vm.backups.last_datastore().and_then(|id| opened(state, Kind::Datastore, id));
    }
    let files = match (action, record) {
        (VmmAction::Deploy, Some(record)) => vec![deployment_file(object, record)],
        _ => Vec::new(),
    };
    // All ways to clean up are the protocol's one.
    let name = match action {
        VmmAction::CleanupBoth | VmmAction::CleanupPrevious => VmmAction::Cleanup.name(),
        action => action.name(),
    };
    Ok((message(id, record, name, payload), files))
}

/// The VM as drivers of `TYPE = xml` are given it at a deployment.
fn deployment_file(vm: &Arc<Object>, record: &History) -> File {
    File { name: format!("deployment.{}", record.seq), content: Document::new("", vec![Part::Vm(vm.clone())]) }
}

/// Changed attributes of NICs.
pub(super) fn update_nic(state: &State, id: i32, network: i32) -> Result<Message, String> {
    let (object, vm) = known::<Vm>(state, id)?;
    let payload = Hypervisor { network: Some(network), ..of_record(state, id, object, vm.record()) };
    Ok(message(id, vm.record(), "UPDATENIC", payload))
}

/// Changed rules of a security group.
pub(super) fn update_security_group(state: &State, id: i32, group: i32) -> Result<Message, String> {
    let (object, vm) = known::<Vm>(state, id)?;
    let payload = Hypervisor { security_group: Some(group), ..of_record(state, id, object, vm.record()) };
    Ok(message(id, vm.record(), "UPDATESG", payload))
}

fn message(id: i32, record: Option<&History>, action: &'static str, payload: Hypervisor) -> Message {
    let driver = DriverName::new(DriverKind::Hypervisor, record.map_or("", |record| &record.vm_mad));
    Message { driver, action, object: id, payload: Payload::Hypervisor(Box::new(payload)) }
}

fn of_record(state: &State, id: i32, vm: &Arc<Object>, record: Option<&History>) -> Hypervisor {
    let stay = record.map(|record| stay(state, id, record));
    let (host, directory, datastore) =
        stay.map_or_else(Default::default, |stay| (stay.host, stay.directory, stay.datastore));
    Hypervisor { vm: vm.clone(), host, other_host: None, directory, datastore, security_group: None, network: None }
}

fn stay(state: &State, id: i32, record: &History) -> Stay {
    Stay {
        seq: record.seq,
        host: record.hostname.clone(),
        directory: directory(state.settings().value("DATASTORE_LOCATION"), record, id),
        datastore: opened(state, Kind::Datastore, record.ds_id),
    }
}

/// A transfer of disks.
pub(super) fn transfer(state: &State, id: i32, action: TransferAction) -> Result<Message, String> {
    let (object, vm) = known::<Vm>(state, id)?;
    let record = vm.record();
    let payload = Transfer {
        action,
        vm: object.clone(),
        at: record.map(|record| stay(state, id, record)),
        before: vm.previous_record().map(|record| stay(state, id, record)),
    };
    let driver = DriverName::new(DriverKind::Transfer, record.map_or("", |record| &record.tm_mad));
    Ok(Message { driver, action: "TRANSFER", object: id, payload: Payload::Transfer(Box::new(payload)) })
}
