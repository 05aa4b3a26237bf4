//! Backups of VMs: `one.vm.backup`, `one.vm.backupcancel`, and what becomes of their images.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::{Op, Permissions};
use quorate_model::kind::Kind;
use quorate_model::pending::{ImageAction, Operation, VmmAction};
use quorate_model::quota::Charge;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::State as ImageState;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::backups::Mode;
use quorate_model::records::vm::state::{LcmState, State, VmAction};
use quorate_model::template::{Template, leading_int};

use super::common;
use crate::authorize::Request as AuthRequest;
use crate::booking;
use crate::methods::Request;
use crate::pools::image::create::{self, NewImage};
use crate::pools::image::{delete, states};
use crate::pools::vm::{drivers, history, rights};
use crate::txn::Txn;

/// `one.vm.backup`: parameters VM, datastore (not asked for where a chain of increments goes on), whether increments
/// begin anew.
pub fn backup(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, reset) = (request.id(), request.bool(2));
    let (object, vm) = txn.get::<Vm>(id)?;
    let owner = (object.uid, object.gid);
    let goes_on = vm.backups.mode() == Mode::Increment && !reset && vm.backups.last_increment().is_some();
    let datastore = if goes_on {
        txn.get::<Image>(vm.backups.incremental_image().unwrap_or(-1))?.1.datastore
    } else {
        request.int(1)
    };
    let (store, body) = txn.get::<Datastore>(datastore)?;
    if body.ds_type != DatastoreType::Backup {
        return Err(ApiError::action("Datastore needs to be of type BACKUP"));
    }
    rights::authorize_with(txn, id, VmAction::Backup, vec![AuthRequest::on(store, Op::Use)])?;
    let reserve = Charge::datastore(datastore, i64::from(!goes_on), vm.backup_size());
    rights::check_quota(txn, owner, owner.0, &[reserve])?;
    booking::following(txn, Kind::Vm, id, |txn| begin(txn, id, datastore, reset))?;
    Ok(Value::Int(id))
}

fn begin(txn: &mut Txn, id: i32, datastore: i32, reset: bool) -> Result<(), ApiError> {
    let vm = txn.body_mut::<Vm>(id)?;
    let refuse = |reason: &str| ApiError::internal(format!("Could not create a new backup for VM {id}, {reason}"));
    if vm.backups.is_flattening() {
        return Err(refuse("consolidating backup increments"));
    }
    let doing = match vm.state {
        State::Active if common::is_running(vm) => LcmState::Backup,
        State::Poweroff if common::is_off(vm) => LcmState::BackupPoweroff,
        _ => return Err(refuse(&format!("wrong state {}.", vm.state_name()))),
    };
    vm.set_lcm(doing);
    vm.resched = false;
    vm.backups.config.set("LAST_DATASTORE_ID", datastore);
    if reset {
        vm.backups.set_chain(None, None);
    }
    history::set_vm_info(txn.object_mut(Kind::Vm, id)?);
    common::record(txn, id, VmAction::Backup)?;
    drivers::vmm(txn, id, VmmAction::Backup)
}

/// `one.vm.backupcancel`: parameter VM. The driver then ends the backup with a failure.
pub fn cancel(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    rights::authorize_with(txn, id, VmAction::BackupCancel, Vec::new())?;
    if !txn.get::<Vm>(id)?.1.is_in_backup() {
        return Err(ApiError::internal(format!("Could not cancel backup for VM {id}, no backup in progress")));
    }
    drivers::vmm(txn, id, VmmAction::BackupCancel)?;
    Ok(Value::Int(id))
}

/// A backup has been made (`<id> <size MB>`), or not. What was reserved for it is free; what it really takes is not.
///
/// # Errors
/// NO_EXISTS.
pub fn answered(txn: &mut Txn, id: i32, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    let (_, vm) = txn.get::<Vm>(id)?;
    if !vm.is_in_backup() {
        return Ok(());
    }
    let makes_image = vm.makes_backup_image();
    booking::following(txn, Kind::Vm, id, |txn| common::finish_operation(txn, id))?;
    if let Ok(payload) = outcome {
        let mut words = payload.split_whitespace();
        let (source, size) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        // A backup that cannot be kept leaves the VM as it was, as in the reference (`LifeCycleStates.cc`,
        // `create_backup_image`), which only logs why.
        let _ = keep(txn, id, makes_image, source, size);
    }
    txn.body_mut::<Vm>(id)?.backups.forget_last();
    Ok(())
}

/// Enters a backup: in a new image, or as an increment of the one before. Then removes what is too much.
fn keep(txn: &mut Txn, id: i32, makes_image: bool, source: &str, size: &str) -> Result<(), String> {
    let fail = |e: ApiError| e.text;
    let backups = &txn.get::<Vm>(id).map_err(fail)?.1.backups;
    let (mode, keep_last) = (backups.mode(), backups.keep_last());
    let image = if makes_image {
        let image = make_image(txn, id, source, size)?;
        txn.body_mut::<Vm>(id).map_err(fail)?.backups.ids.insert(image);
        image
    } else {
        backups.incremental_image().ok_or("backup image does not exists")?
    };
    if mode == Mode::Full {
        let surplus = txn.get::<Vm>(id).map_err(fail)?.1.backups.surplus();
        for old in surplus {
            // One that is in use stays.
            let _ = delete::remove(txn, old);
        }
        return Ok(());
    }
    let now = txn.now();
    let size = leading_int(size).unwrap_or(0);
    let (last, count) = booking::following(txn, Kind::Image, image, |txn| -> Result<_, String> {
        let image = txn.body_mut::<Image>(image).map_err(|_| "backup image does not exists")?;
        let last = image.increments.add(source, size, makes_image, now);
        let last = last.ok_or("cannot add increment to backup image")?;
        image.size_mb = image.increments.total_mb();
        Ok((last, image.increments.len()))
    })?;
    let backups = &mut txn.body_mut::<Vm>(id).map_err(fail)?.backups;
    backups.set_chain(Some(image), Some(last));
    if keep_last > 0 && count > keep_last && !makes_image {
        flatten(txn, id, image).map_err(fail)?;
    }
    Ok(())
}

/// Makes the image of a full backup, the VM's owner's.
fn make_image(txn: &mut Txn, id: i32, source: &str, size: &str) -> Result<i32, String> {
    let now = txn.now();
    let (object, vm) = txn.get::<Vm>(id).map_err(|e| e.text)?;
    let owner = (object.uid, object.gid);
    let datastore = vm.backups.last_datastore().ok_or("backup datastore does not exist")?;
    let mut template = Template::new();
    template.set("NAME", format!("{id} {}", txn.settings().local_time().stamp(now)));
    template.set("SOURCE", source);
    template.set("SIZE", size);
    template.set("FORMAT", "raw");
    template.set("VM_ID", id);
    template.set("TYPE", "BACKUP");
    let new = NewImage { owner, permissions: Permissions(0o600), template, datastore, cloning_from: None };
    let image = create::create(txn, new).map_err(|reason| format!("backup image allocate error: {reason}"))?;
    let charges = booking::charges_of(txn, Kind::Image, image);
    booking::force(txn, owner.0, owner.1, &charges);
    Ok(image)
}

/// Merges the oldest increments into one; until then the chain does not grow.
fn flatten(txn: &mut Txn, id: i32, image: i32) -> Result<(), ApiError> {
    txn.body_mut::<Vm>(id)?.backups.set_flattening(true);
    if txn.get::<Image>(image)?.1.state == ImageState::Ready {
        states::set(txn, image, ImageState::Locked)?;
        txn.start(Operation::Image { image, action: ImageAction::IncrementFlatten });
    }
    Ok(())
}
