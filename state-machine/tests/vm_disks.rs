//! What can be done to the disks of a VM, beyond what the recordings show: snapshots, resizes, backups; who pays for them.

use quorate_model::api::Arg;
use quorate_model::kind::Kind;
use quorate_model::pending::{ImageAction, Operation, VmmAction};
use quorate_model::records::image::Image;
use quorate_model::records::image::states::State as ImageState;
use quorate_model::records::vm::state::{LcmState, State};
use quorate_testkit::vm_parts::{
    ANN, VAULT, call, disk, drain, fail, image, new_image, ok, power_off, refused, running, used, vm, zone,
};
use quorate_testkit::zone::{ADMIN, Zone, int, text};

#[test]
fn a_disk_that_could_not_be_attached_is_gone_and_so_is_what_it_used() {
    let mut zone = zone();
    let image_id = new_image(&mut zone, ANN, "NAME=data TYPE=DATABLOCK SIZE=30");
    let id = running(&mut zone, ANN, "");
    for cold in [false, true] {
        if cold {
            power_off(&mut zone, id);
        }
        let attach = format!("DISK=[IMAGE_ID={image_id}]");
        call(&mut zone, ANN, "one.vm.attach", &[int(id.into()), text(&attach)]);
        assert_eq!((used(&mut zone, "SYSTEM_DISK_SIZE"), used(&mut zone, "RVMS")), ("30".into(), "1".into()));
        assert_eq!(image(&zone, 0).state, ImageState::Used);
        fail(&mut zone);
        assert!(disk(&zone, id, 0).is_none());
        assert_eq!((used(&mut zone, "SYSTEM_DISK_SIZE"), used(&mut zone, "RVMS")), ("0".into(), "0".into()));
        assert_eq!(image(&zone, 0).state, ImageState::Ready);
        let expected = if cold { State::Poweroff } else { State::Active };
        assert_eq!(vm(&zone, id).state, expected);
        assert!(zone.state.object(Kind::Vm, id).unwrap().template.value("ERROR").contains("broken"));
    }
}

#[test]
fn a_disk_that_could_not_be_detached_stays() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "DISK=[TYPE=fs,SIZE=5]");
    call(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(0)]);
    fail(&mut zone);
    assert!(disk(&zone, id, 0).is_some_and(|disk| disk.get("ATTACH").is_none()));
    call(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(0)]);
    drain(&mut zone);
    assert!(disk(&zone, id, 0).is_none());
    assert_eq!(used(&mut zone, "SYSTEM_DISK_SIZE"), "0");
}

#[test]
fn an_image_stays_in_use_while_another_disk_uses_it() {
    let mut zone = zone();
    let image_id = new_image(&mut zone, ANN, "NAME=data TYPE=DATABLOCK SIZE=30");
    let id = running(&mut zone, ANN, &format!("DISK=[IMAGE_ID={image_id}] DISK=[IMAGE_ID={image_id}]"));
    for (disk, state) in [(0, ImageState::Used), (1, ImageState::Ready)] {
        call(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(disk)]);
        drain(&mut zone);
        assert_eq!(image(&zone, 0).state, state, "after disk {disk}");
    }
}

#[test]
fn a_failed_snapshot_is_gone_and_a_kept_one_counts_as_system_disk() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "");
    for name in ["", "mine"] {
        call(&mut zone, ANN, "one.vm.snapshotcreate", &[int(id.into()), text(name)]);
        assert_eq!(used(&mut zone, "SYSTEM_DISK_SIZE"), "64", "the memory");
        if name.is_empty() { fail(&mut zone) } else { drain(&mut zone) }
    }
    let snapshots: Vec<_> = vm(&zone, id).template.vectors("SNAPSHOT").collect();
    assert_eq!((snapshots.len(), snapshots[0].value("HYPERVISOR_ID")), (1, "of-hypervisor"));
    call(&mut zone, ANN, "one.vm.snapshotdelete", &[int(id.into()), int(0)]);
    fail(&mut zone);
    assert_eq!(used(&mut zone, "SYSTEM_DISK_SIZE"), "64");
    call(&mut zone, ANN, "one.vm.snapshotdelete", &[int(id.into()), int(0)]);
    drain(&mut zone);
    assert_eq!(used(&mut zone, "SYSTEM_DISK_SIZE"), "0");
}

#[test]
fn recovery_names_a_snapshot_by_its_id() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "");
    call(&mut zone, ANN, "one.vm.snapshotcreate", &[int(id.into()), text("mine")]);
    ok(&mut zone, "one.vm.recover", &[int(id.into()), int(1)]);
    assert_eq!(vm(&zone, id).template.vector("SNAPSHOT").map(|s| s.value("HYPERVISOR_ID")), Some("0"));
}

#[test]
fn the_owner_of_a_persistent_image_pays_for_snapshots_until_they_are_gone() {
    let mut zone = zone();
    let image_id = new_image(&mut zone, ANN, "NAME=data TYPE=DATABLOCK SIZE=30 PERSISTENT=YES");
    let id = running(&mut zone, ANN, &format!("DISK=[IMAGE_ID={image_id}]"));
    let create = |zone: &mut Zone| call(zone, ANN, "one.vm.disksnapshotcreate", &[int(id.into()), int(0), text("s")]);
    create(&mut zone);
    assert_eq!(used(&mut zone, "SIZE"), "60");
    fail(&mut zone);
    assert_eq!(used(&mut zone, "SIZE"), "30");
    for _ in 0..2 {
        create(&mut zone);
        drain(&mut zone);
    }
    assert_eq!(used(&mut zone, "SIZE"), "90");
    assert_eq!(image(&zone, 0).snapshots.list().len(), 2, "the image has the disk's snapshots");
    let limit = "DATASTORE=[ID=101,SIZE=100]";
    ok(&mut zone, "one.user.quota", &[int(2), text(limit)]);
    let text_of = refused(&mut zone, ANN, "one.vm.disksnapshotcreate", &[int(id.into()), int(0), text("s")]);
    assert!(text_of.contains("user [2] limit of 100 reached for SIZE quota in DATASTORE with ID: 101"), "{text_of}");
    power_off(&mut zone, id);
    call(&mut zone, ANN, "one.vm.disksnapshotdelete", &[int(id.into()), int(0), int(2)]);
    drain(&mut zone);
    assert_eq!((used(&mut zone, "SIZE"), image(&zone, 0).snapshots.list().len()), ("60".to_owned(), 1));
    ok(&mut zone, "one.vm.action", &[text("terminate"), int(id.into())]);
    drain(&mut zone);
    call(&mut zone, ANN, "one.image.delete", &[int(image_id)]);
    drain(&mut zone);
    assert_eq!(used(&mut zone, "SIZE"), "0");
}

#[test]
fn a_disk_that_could_not_grow_has_its_old_size() {
    let mut zone = zone();
    let copied = new_image(&mut zone, ANN, "NAME=copied TYPE=DATABLOCK SIZE=30");
    let own = new_image(&mut zone, ANN, "NAME=own TYPE=DATABLOCK SIZE=30 PERSISTENT=YES");
    let id = running(&mut zone, ANN, &format!("DISK=[IMAGE_ID={copied}] DISK=[IMAGE_ID={own}]"));
    let usage = |zone: &mut Zone| (used(zone, "SYSTEM_DISK_SIZE"), used(zone, "SIZE"));
    let resize =
        |zone: &mut Zone, disk: i64| call(zone, ANN, "one.vm.diskresize", &[int(id.into()), int(disk), text("50")]);
    resize(&mut zone, 0);
    assert_eq!(usage(&mut zone), ("50".to_owned(), "60".to_owned()));
    fail(&mut zone);
    assert_eq!(usage(&mut zone), ("30".to_owned(), "60".to_owned()));
    resize(&mut zone, 1);
    assert_eq!(usage(&mut zone), ("30".to_owned(), "80".to_owned()));
    fail(&mut zone);
    assert_eq!(usage(&mut zone), ("30".to_owned(), "60".to_owned()));
    assert_eq!(disk(&zone, id, 1).map(|d| (d.value("SIZE"), d.get("SIZE_PREV"))), Some(("30", None)));
    resize(&mut zone, 1);
    drain(&mut zone);
    assert_eq!((usage(&mut zone).1, image(&zone, 1).size_mb), ("80".to_owned(), 50), "the image has grown");
}

#[test]
fn recovering_the_resize_of_no_disk_is_refused() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "DISK=[TYPE=fs,SIZE=5]");
    call(&mut zone, ANN, "one.vm.diskresize", &[int(id.into()), int(0), text("9")]);
    // Such a VM is not made by any call; restored data may hold one.
    let mut object = (**zone.state.object(Kind::Vm, id).unwrap()).clone();
    let mut broken = vm(&zone, id).clone();
    broken.disk_mut(0).expect("the disk").remove("RESIZE");
    object.body = broken.into();
    let mut txn = quorate_state_machine::txn::Txn::new(
        zone.state.clone(),
        quorate_model::command::Actor::default(),
        quorate_model::command::Facts::default(),
        [0; 32],
    );
    txn.put(object);
    zone.state = txn.commit().0;
    refused(&mut zone, ADMIN, "one.vm.recover", &[int(id.into()), int(0)]);
    assert!(vm(&zone, id).is_doing(LcmState::DiskResize));
}

#[test]
fn increments_go_to_one_image_and_a_new_disk_begins_a_new_chain() {
    let mut zone = zone();
    let image_id = new_image(&mut zone, ADMIN, "NAME=os TYPE=OS SOURCE=there FORMAT=qcow2 SIZE=30");
    let disk = format!("DISK=[IMAGE_ID={image_id}] BACKUP_CONFIG=[MODE=INCREMENT,KEEP_LAST=2]");
    let id = running(&mut zone, ADMIN, &disk);
    let backup = |zone: &mut Zone| {
        ok(zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
        drain(zone);
    };
    backup(&mut zone);
    backup(&mut zone);
    assert_eq!((vm(&zone, id).backups.ids.len(), image(&zone, 1).increments.len()), (1, 2));
    assert_eq!(image(&zone, 1).size_mb, 14);
    assert!(image(&zone, 1).vms.iter().eq(&[id]));
    let snapshot = refused(&mut zone, ADMIN, "one.vm.snapshotcreate", &[int(id.into()), text("")]);
    assert!(snapshot.contains("not compatible with incremental backups"), "{snapshot}");
    ok(&mut zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    assert_eq!(zone.report(|op| matches!(op, Operation::Vmm { .. }).then(|| Ok("third 7".to_owned()))), 1);
    assert!(vm(&zone, id).backups.is_flattening(), "there is one increment too much");
    assert_eq!(image(&zone, 1).state, ImageState::Locked);
    let text_of = refused(&mut zone, ADMIN, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    assert_eq!(text_of, format!("Could not create a new backup for VM {id}, consolidating backup increments"));
    zone.report(|op| matches!(op, Operation::Image { .. }).then(|| Ok("9 1:second,2:third".to_owned())));
    assert!(!vm(&zone, id).backups.is_flattening());
    let flattened = image(&zone, 1);
    assert_eq!((flattened.state, flattened.increments.len(), flattened.size_mb), (ImageState::Ready, 2, 16));
    ok(&mut zone, "one.vm.attach", &[int(id.into()), text("DISK=[TYPE=swap,SIZE=5]")]);
    drain(&mut zone);
    assert_eq!(vm(&zone, id).backups.incremental_image(), None);
}

#[test]
fn a_backup_takes_its_real_size_and_the_oldest_ones_go() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "DISK=[TYPE=fs,SIZE=50] BACKUP_CONFIG=[KEEP_LAST=1,BACKUP_VOLATILE=YES]");
    ok(&mut zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    assert_eq!((used(&mut zone, "SIZE"), used(&mut zone, "IMAGES")), ("50".into(), "1".into()), "reserved");
    fail(&mut zone);
    assert_eq!((used(&mut zone, "SIZE"), used(&mut zone, "IMAGES")), ("0".into(), "0".into()));
    assert_eq!(vm(&zone, id).backups.last_datastore(), None);
    ok(&mut zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    drain(&mut zone);
    assert_eq!((used(&mut zone, "SIZE"), used(&mut zone, "IMAGES")), ("7".into(), "1".into()));
    // Two backups of one second would have one name.
    call(&mut zone, ANN, "one.image.rename", &[int(0), text("first")]);
    ok(&mut zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    drain(&mut zone);
    assert!(zone.state.find(Kind::Image, 0).is_none(), "one is kept");
    assert_eq!(vm(&zone, id).backups.ids.iter().copied().collect::<Vec<_>>(), [1]);
    assert_eq!((used(&mut zone, "SIZE"), used(&mut zone, "IMAGES")), ("7".into(), "1".into()));
}

#[test]
fn a_backup_is_its_owners_ready_at_once_and_may_be_deleted() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "DISK=[TYPE=fs,SIZE=50] BACKUP_CONFIG=[BACKUP_VOLATILE=YES]");
    ok(&mut zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    drain(&mut zone);
    let (object, body) = zone.state.get::<Image>(0).expect("the backup");
    // The clock stands at the time of the last call.
    assert_eq!((object.name.as_str(), object.uid, object.permissions.0), ("0 14-Nov 22.13.20", 2, 0o600));
    assert_eq!((body.state, body.persistent, body.size_mb), (ImageState::Ready, true, 7));
    assert!(body.vms.iter().eq(&[id]));
    // It names the VM that it is of, which does not use it.
    call(&mut zone, ANN, "one.image.delete", &[int(0)]);
    drain(&mut zone);
    assert!(zone.state.find(Kind::Image, 0).is_none() && vm(&zone, id).backups.ids.is_empty());
}

#[test]
fn a_cancelled_backup_ends_with_the_drivers_failure() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "");
    ok(&mut zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    ok(&mut zone, "one.vm.backupcancel", &[int(id.into())]);
    zone.report(|op| {
        matches!(op, Operation::Vmm { action, .. } if *action == VmmAction::BackupCancel).then(|| Ok("-".to_owned()))
    });
    assert!(vm(&zone, id).is_doing(LcmState::Backup));
    fail(&mut zone);
    assert!(vm(&zone, id).is_doing(LcmState::Running));
}

#[test]
fn a_vm_goes_on_when_the_image_it_saves_a_disk_in_is_deleted() {
    let mut zone = zone();
    let image_id = new_image(&mut zone, ANN, "NAME=data TYPE=DATABLOCK SIZE=30");
    let id = running(&mut zone, ANN, &format!("DISK=[IMAGE_ID={image_id}]"));
    let save = |zone: &mut Zone, name: &str| {
        let args = [int(id.into()), int(0), text(name), text(""), int(-1)];
        call(zone, ANN, "one.vm.disksaveas", &args)
    };
    let first: i64 = save(&mut zone, "one").parse().expect("an id");
    assert!(vm(&zone, id).is_doing(LcmState::HotplugSaveas));
    ok(&mut zone, "one.image.delete", &[int(first), Arg::Bool(true)]);
    assert!(vm(&zone, id).is_doing(LcmState::Running), "before the image is made");
    let second: i64 = save(&mut zone, "two").parse().expect("an id");
    zone.report(|op| {
        matches!(op, Operation::Image { action, .. } if *action == ImageAction::Make).then(|| Ok("there".to_owned()))
    });
    ok(&mut zone, "one.image.delete", &[int(second), Arg::Bool(true)]);
    assert!(vm(&zone, id).is_doing(LcmState::Running), "while the disk is copied");
    drain(&mut zone);
    assert!(disk(&zone, id, 0).is_some_and(|disk| disk.iter().all(|(name, _)| !name.starts_with("HOTPLUG"))));
    let third = i32::try_from(save(&mut zone, "three").parse::<i64>().expect("an id")).expect("a small id");
    zone.report(|op| {
        matches!(op, Operation::Image { action, .. } if *action == ImageAction::Make).then(|| Ok("there".to_owned()))
    });
    zone.report(|op| matches!(op, Operation::Transfer { .. }).then(|| Err("broken".to_owned())));
    assert_eq!(image(&zone, third).state, ImageState::Error, "it is not what it should be");
    assert!(vm(&zone, id).is_doing(LcmState::Running));
}

#[test]
fn a_disk_is_copied_before_the_datastore_of_its_new_image_is_looked_at() {
    let mut zone = zone();
    let image_id = new_image(&mut zone, ANN, "NAME=data TYPE=DATABLOCK SIZE=30");
    let id = running(&mut zone, ANN, &format!("DISK=[IMAGE_ID={image_id}]"));
    drain(&mut zone);
    call(&mut zone, ANN, "one.vm.disksaveas", &[int(id.into()), int(0), text("saved"), text(""), int(-1)]);
    zone.report(|op| {
        matches!(op, Operation::Image { action, .. } if *action == ImageAction::Make).then(|| Ok("there".to_owned()))
    });
    let begun: Vec<Operation> = zone.state.pending().values().map(|pending| pending.operation.clone()).collect();
    let place = |what: fn(&Operation) -> bool| begun.iter().position(what).expect("it has begun");
    let copy = place(|op| matches!(op, Operation::Transfer { .. }));
    assert!(copy < place(|op| matches!(op, Operation::MonitorDatastore { .. })), "{begun:?}");
}

#[test]
fn a_disk_without_snapshots_has_none_to_rename() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "DISK=[TYPE=fs,SIZE=5]");
    let args = [int(id.into()), int(0), int(0), text("new")];
    let text_of = refused(&mut zone, ADMIN, "one.vm.disksnapshotrename", &args);
    assert_eq!(text_of, "The VM does not have any snapshot");
}
