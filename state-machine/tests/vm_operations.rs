//! What can be done to the parts of a VM, beyond what the recordings show: failures of drivers, recovery, who pays.

mod common;

use common::{ADMIN, Zone, int, text};
use quorate_state_machine::api::Arg;
use quorate_state_machine::kind::Kind;
use quorate_state_machine::pending::Operation;
use quorate_state_machine::pools::host::Host;
use quorate_state_machine::pools::image::Image;
use quorate_state_machine::pools::image::states::State as ImageState;
use quorate_state_machine::pools::secgroup::SecGroup;
use quorate_state_machine::pools::vm::Vm;
use quorate_state_machine::pools::vm::state::{LcmState, State};
use quorate_state_machine::pools::vnet::Vnet;
use quorate_state_machine::template::VectorAttribute;

const ANN: &str = "ann:pw";
const SYSTEM: i64 = 100;
const IMAGES: i64 = 101;
const VAULT: i64 = 102;
/// A host with one device.
const HOST: &str = "TOTALCPU=800 TOTALMEMORY=16777216 PCI=[ADDRESS=\"0000:02:00:0\",BUS=\"02\",SLOT=\"00\",FUNCTION=\"0\",\
    DOMAIN=\"0000\",SHORT_ADDRESS=\"02:00.0\",VENDOR=\"10de\",DEVICE=\"0863\",CLASS=\"0300\",TYPE=\"10de:0863:0300\",NUMA_NODE=\"-\"]";
/// `USED_MB=0`, `TOTAL_MB=20480`, `FREE_MB=20480`
const FREE_SPACE: &str = "VVNFRF9NQj0wClRPVEFMX01CPTIwNDgwCkZSRUVfTUI9MjA0ODAK";

/// What drivers answer when nothing goes wrong.
fn success(operation: &Operation) -> String {
    match operation {
        Operation::Vmm { action, .. } => match action.as_str() {
            "DEPLOY" => "deployed",
            "SNAPSHOTCREATE" => "of-hypervisor",
            "BACKUP" => "backup 7",
            _ => "-",
        },
        Operation::Image { action, .. } if action == "CP" => "source raw",
        Operation::Image { .. } => "source",
        Operation::MonitorHost { .. } => HOST,
        Operation::Network { .. } => "LQ==",
        Operation::MonitorDatastore { .. } => FREE_SPACE,
        _ => "-",
    }
    .to_owned()
}

/// A zone with a host for each hypervisor driver (0 `dummy`, 1 `kvm`), datastores, a network, and user 2, who may use
/// them all.
fn zone() -> Zone {
    let mut zone = Zone::fresh();
    for hypervisor in ["dummy", "kvm"] {
        ok(&mut zone, "one.host.allocate", &[text(hypervisor), text("dummy"), text(hypervisor), int(-1)]);
    }
    for store in [
        "NAME=sys TYPE=SYSTEM_DS TM_MAD=dummy",
        "NAME=img DS_MAD=dummy TM_MAD=dummy",
        "NAME=vault TYPE=BACKUP_DS DS_MAD=dummy TM_MAD=\"-\"",
    ] {
        ok(&mut zone, "one.datastore.allocate", &[text(store), int(-1)]);
    }
    let network = "NAME=net VN_MAD=dummy BRIDGE=br0 AR=[TYPE=IP4,IP=\"10.0.0.1\",SIZE=9]";
    ok(&mut zone, "one.vn.allocate", &[text(network), int(-1)]);
    ok(&mut zone, "one.user.allocate", &[text("ann"), text("pw"), text(""), Arg::Ints(Vec::new())]);
    ok(
        &mut zone,
        "one.vn.chmod",
        &[int(0), int(-1), int(-1), int(-1), int(-1), int(-1), int(-1), int(1), int(-1), int(-1)],
    );
    drain(&mut zone);
    zone
}

fn ok(zone: &mut Zone, method: &str, args: &[Arg]) -> String {
    call(zone, ADMIN, method, args)
}

fn call(zone: &mut Zone, session: &str, method: &str, args: &[Arg]) -> String {
    match zone.call(session, method, args) {
        Ok(value) => value.to_text(),
        Err(refusal) => panic!("{method}: {}", refusal.text),
    }
}

fn refused(zone: &mut Zone, session: &str, method: &str, args: &[Arg]) -> String {
    match zone.call(session, method, args) {
        Ok(value) => panic!("{method} is not refused: {}", value.to_text()),
        Err(refusal) => refusal.text,
    }
}

/// Every driver succeeds until nobody waits any more.
fn drain(zone: &mut Zone) {
    while zone.report(|operation| Some(Ok(success(operation)))) > 0 {}
}

/// The one driver that is asked fails.
fn fail(zone: &mut Zone) {
    assert_eq!(zone.report(|_| Some(Err("broken".to_owned()))), 1);
}

fn vm(zone: &Zone, id: i32) -> &Vm {
    zone.state.find_typed::<Vm>(id).expect("the VM exists").1
}

fn image(zone: &Zone, id: i32) -> &Image {
    zone.state.find_typed::<Image>(id).expect("the image exists").1
}

fn disk(zone: &Zone, id: i32, disk: i32) -> Option<&VectorAttribute> {
    vm(zone, id).disk(disk)
}

fn new_image(zone: &mut Zone, session: &str, template: &str) -> i64 {
    let id = call(zone, session, "one.image.allocate", &[text(template), int(IMAGES), Arg::Bool(false)]);
    drain(zone);
    id.parse().expect("an id")
}

/// A VM of the caller's that runs on a host.
fn running_on(zone: &mut Zone, session: &str, host: i64, template: &str) -> i32 {
    let template = format!("CPU=1 MEMORY=64 {template}");
    let id: i64 = call(zone, session, "one.vm.allocate", &[text(&template)]).parse().expect("an id");
    ok(zone, "one.vm.deploy", &[int(id), int(host), Arg::Bool(false), int(SYSTEM)]);
    drain(zone);
    let id = i32::try_from(id).expect("a small id");
    assert!(vm(zone, id).is_doing(LcmState::Running), "it runs");
    id
}

fn running(zone: &mut Zone, session: &str, template: &str) -> i32 {
    running_on(zone, session, 0, template)
}

fn power_off(zone: &mut Zone, id: i32) {
    ok(zone, "one.vm.action", &[text("poweroff"), int(id.into())]);
    drain(zone);
    assert_eq!(vm(zone, id).state, State::Poweroff);
}

/// Something that user 2 uses, as the user's document shows it; 0 when it shows nothing.
fn used(zone: &mut Zone, name: &str) -> String {
    let document = zone.ask(ADMIN, "one.user.info", &[int(2)]);
    let start = document.find(&format!("<{name}_USED><![CDATA["));
    let value = start.and_then(|at| document[at..].split("CDATA[").nth(1)?.split(']').next());
    value.unwrap_or("0").to_owned()
}

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
fn recovery_takes_what_is_plugged_for_plugged_in_and_later_answers_do_not_count() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "DISK=[TYPE=fs,SIZE=5]");
    call(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(0)]);
    ok(&mut zone, "one.vm.recover", &[int(id.into()), int(1)]);
    assert!(disk(&zone, id, 0).is_some(), "it counts as attached");
    assert!(vm(&zone, id).is_doing(LcmState::Running));
    assert_eq!(zone.report(|_| Some(Ok("-".to_owned()))), 0, "nobody waits for the driver");
    call(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(0)]);
    ok(&mut zone, "one.vm.recover", &[int(id.into()), int(0)]);
    assert!(disk(&zone, id, 0).is_none(), "it counts as not attached");
}

#[test]
fn a_nic_takes_its_aliases_and_their_leases_along() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "CONTEXT=[NETWORK=YES]");
    for nic in ["NIC=[NETWORK_ID=0]", "NIC_ALIAS=[NETWORK_ID=0,PARENT=NIC0]", "NIC_ALIAS=[NETWORK_ID=0,PARENT=NIC0]"] {
        ok(&mut zone, "one.vm.attachnic", &[int(id.into()), text(nic)]);
        drain(&mut zone);
    }
    let context = |zone: &Zone| vm(zone, id).template.vector("CONTEXT").cloned().expect("a context");
    assert_eq!(vm(&zone, id).nic(0).map(|(_, nic)| nic.value("ALIAS_IDS")), Some("1,2"));
    assert_eq!(context(&zone).value("ETH0_ALIAS1_IP"), "10.0.0.3");
    assert!(zone.state.find_typed::<SecGroup>(0).unwrap().1.vms.updated.contains(&id));
    ok(&mut zone, "one.vm.detachnic", &[int(id.into()), int(1)]);
    drain(&mut zone);
    assert_eq!(vm(&zone, id).nic(0).map(|(_, nic)| nic.value("ALIAS_IDS")), Some("2"));
    ok(&mut zone, "one.vm.detachnic", &[int(id.into()), int(0)]);
    drain(&mut zone);
    assert_eq!(vm(&zone, id).nics().count(), 0);
    assert!(context(&zone).iter().all(|(name, _)| !name.starts_with("ETH")), "{:?}", context(&zone));
    assert!(!zone.state.find_typed::<SecGroup>(0).unwrap().1.vms.updated.contains(&id));
    let network = zone.state.find_typed::<Vnet>(0).unwrap().0.xml(quorate_state_machine::object::Form::Full);
    assert!(network.contains("<USED_LEASES>0</USED_LEASES>"), "{network}");
}

#[test]
fn a_nic_that_could_not_be_attached_gives_its_lease_back() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "");
    call(&mut zone, ANN, "one.vm.attachnic", &[int(id.into()), text("NIC=[NETWORK_ID=0]")]);
    assert_eq!(used(&mut zone, "LEASES"), "1");
    fail(&mut zone);
    assert_eq!((vm(&zone, id).nics().count(), used(&mut zone, "LEASES")), (0, "0".to_owned()));
    assert!(vm(&zone, id).template.vector("SECURITY_GROUP_RULE").is_none());
}

#[test]
fn traffic_limits_reach_the_host_of_a_running_vm_only_when_they_change() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "NIC=[NETWORK_ID=0,INBOUND_AVG_BW=10]");
    let update = |zone: &mut Zone, nic: &str, append: i64| {
        ok(zone, "one.vm.updatenic", &[int(id.into()), int(0), text(nic), int(append)])
    };
    update(&mut zone, "NIC=[INBOUND_AVG_BW=10]", 0);
    assert!(vm(&zone, id).is_doing(LcmState::Running), "nothing has changed");
    update(&mut zone, "NIC=[OUTBOUND_AVG_BW=7,MODEL=e1000]", 1);
    assert!(vm(&zone, id).is_doing(LcmState::HotplugNic));
    let before = vm(&zone, id).template.vector("VNET_UPDATE").cloned().expect("the old values");
    assert_eq!(
        before.iter().map(|(name, value)| (name.as_str(), value)).collect::<Vec<_>>(),
        [("OUTBOUND_AVG_BW", "")]
    );
    drain(&mut zone);
    let nic = vm(&zone, id).nic(0).map(|(_, nic)| nic.clone()).expect("the NIC");
    assert_eq!((nic.value("INBOUND_AVG_BW"), nic.value("OUTBOUND_AVG_BW"), nic.value("MODEL")), ("10", "7", ""));
    assert!(vm(&zone, id).template.vector("VNET_UPDATE").is_none());
    power_off(&mut zone, id);
    update(&mut zone, "NIC=[OUTBOUND_AVG_BW=7]", 0);
    assert_eq!(zone.state.pending().len(), 0, "no driver is asked");
    assert!(vm(&zone, id).nic(0).is_some_and(|(_, nic)| nic.get("INBOUND_AVG_BW").is_none()));
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
        quorate_state_machine::command::Actor::default(),
        quorate_state_machine::command::Facts::default(),
        [0; 32],
    );
    txn.put(object);
    zone.state = txn.commit().0;
    refused(&mut zone, ADMIN, "one.vm.recover", &[int(id.into()), int(0)]);
    assert!(vm(&zone, id).is_doing(LcmState::DiskResize));
}

#[test]
fn a_resize_that_the_hypervisor_refuses_is_undone_everywhere() {
    let mut zone = zone();
    let id = running_on(&mut zone, ANN, 1, "");
    let share = |zone: &Zone| {
        let share = &zone.state.find_typed::<Host>(1).unwrap().1.share;
        (share.cpu_usage, share.mem_usage)
    };
    let before = share(&zone);
    assert_eq!(before, (100, 64 * 1024));
    call(&mut zone, ANN, "one.vm.resize", &[int(id.into()), text("CPU=2.5 MEMORY=128 VCPU=3")]);
    assert!(vm(&zone, id).is_doing(LcmState::HotplugResize));
    assert_eq!(share(&zone), (250, 128 * 1024));
    assert_eq!((used(&mut zone, "RUNNING_CPU"), used(&mut zone, "MEMORY")), ("2.50".into(), "128".into()));
    fail(&mut zone);
    assert_eq!(share(&zone), before);
    assert_eq!((used(&mut zone, "RUNNING_CPU"), used(&mut zone, "MEMORY")), ("1".into(), "64".into()));
    let template = &vm(&zone, id).template;
    assert_eq!((template.value("CPU"), template.value("MEMORY")), ("1", "64"));
    assert!(template.vector("RESIZE").is_none());
    call(&mut zone, ANN, "one.vm.resize", &[int(id.into()), text("CPU=2")]);
    drain(&mut zone);
    assert_eq!((share(&zone).0, used(&mut zone, "CPU")), (200, "2".to_owned()));
    let too_much = refused(&mut zone, ANN, "one.vm.resize", &[int(id.into()), text("CPU=9")]);
    assert_eq!(too_much, "Not enough CPU: 900/800");
    assert_eq!(share(&zone).0, 200, "a refusal changes nothing");
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
    let snapshot = refused(&mut zone, ADMIN, "one.vm.snapshotcreate", &[int(id.into()), text("")]);
    assert!(snapshot.contains("not compatible with incremental backups"), "{snapshot}");
    ok(&mut zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    assert_eq!(zone.report(|op| matches!(op, Operation::Vmm { .. }).then(|| Ok("third 7".to_owned()))), 1);
    assert!(vm(&zone, id).backups.is_flattening(), "there is one increment too much");
    let text_of = refused(&mut zone, ADMIN, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    assert_eq!(text_of, format!("Could not create a new backup for VM {id}, consolidating backup increments"));
    zone.report(|op| matches!(op, Operation::Image { .. }).then(|| Ok("9 1:second,2:third".to_owned())));
    assert!(!vm(&zone, id).backups.is_flattening());
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
fn a_cancelled_backup_ends_with_the_drivers_failure() {
    let mut zone = zone();
    let id = running(&mut zone, ANN, "");
    ok(&mut zone, "one.vm.backup", &[int(id.into()), int(VAULT)]);
    ok(&mut zone, "one.vm.backupcancel", &[int(id.into())]);
    zone.report(|op| {
        matches!(op, Operation::Vmm { action, .. } if action == "BACKUPCANCEL").then(|| Ok("-".to_owned()))
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
    zone.report(|op| matches!(op, Operation::Image { action, .. } if action == "MKFS").then(|| Ok("there".to_owned())));
    ok(&mut zone, "one.image.delete", &[int(second), Arg::Bool(true)]);
    assert!(vm(&zone, id).is_doing(LcmState::Running), "while the disk is copied");
    drain(&mut zone);
    assert!(disk(&zone, id, 0).is_some_and(|disk| disk.iter().all(|(name, _)| !name.starts_with("HOTPLUG"))));
    let third = i32::try_from(save(&mut zone, "three").parse::<i64>().expect("an id")).expect("a small id");
    zone.report(|op| matches!(op, Operation::Image { action, .. } if action == "MKFS").then(|| Ok("there".to_owned())));
    zone.report(|op| matches!(op, Operation::Transfer { .. }).then(|| Err("broken".to_owned())));
    assert_eq!(image(&zone, third).state, ImageState::Error, "it is not what it should be");
    assert!(vm(&zone, id).is_doing(LcmState::Running));
}

#[test]
fn the_lists_of_operations_decide_what_it_takes_to_change_a_vm() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "");
    ok(
        &mut zone,
        "one.vm.chmod",
        &[int(id.into()), int(-1), int(-1), int(-1), int(-1), int(-1), int(-1), int(1), int(-1), int(-1)],
    );
    let attach = [int(id.into()), text("DISK=[TYPE=fs,SIZE=5]")];
    let text_of = refused(&mut zone, ANN, "one.vm.attach", &attach);
    assert!(text_of.contains(&format!("Not authorized to perform MANAGE VM [{id}]")), "{text_of}");
    ok(&mut zone, "one.user.update", &[int(2), text("VM_USE_OPERATIONS=\"disk-attach\""), int(1)]);
    call(&mut zone, ANN, "one.vm.attach", &attach);
    drain(&mut zone);
    ok(&mut zone, "one.user.update", &[int(2), text("VM_ADMIN_OPERATIONS=\"disk-attach\""), int(0)]);
    let text_of = refused(&mut zone, ANN, "one.vm.detach", &[int(id.into()), int(0)]);
    assert!(text_of.contains(&format!("Not authorized to perform ADMIN VM [{id}]")), "{text_of}");
}

#[test]
fn an_imported_vm_does_only_what_its_hypervisor_driver_offers() {
    let mut zone = zone();
    let id: i64 =
        ok(&mut zone, "one.vm.allocate", &[text("CPU=1 MEMORY=64 DEPLOY_ID=wild HYPERVISOR=lxc")]).parse().unwrap();
    let text_of = refused(&mut zone, ADMIN, "one.vm.snapshotcreate", &[int(id), text("")]);
    assert_eq!(text_of, "Action \"snapshot-create\" is not supported for imported VMs");
    ok(&mut zone, "one.vm.resize", &[int(id), text("MEMORY=128")]);
}

#[test]
fn a_scheduled_action_must_be_a_vector() {
    let mut zone = zone();
    let id: i64 = ok(&mut zone, "one.vm.allocate", &[text("CPU=1 MEMORY=64")]).parse().unwrap();
    let single = refused(&mut zone, ADMIN, "one.vm.schedadd", &[int(id), text("SCHED_ACTION=hold")]);
    assert_eq!(single, "Cannot read SCHED_ACTION from the template: SCHED_ACTION=hold");
    let two = "SCHED_ACTION=[ACTION=hold,TIME=1] SCHED_ACTION=[ACTION=release,TIME=2]";
    ok(&mut zone, "one.vm.schedadd", &[int(id), text(two)]);
    ok(&mut zone, "one.vm.schedadd", &[int(id), text("SCHED_ACTION=[ACTION=resume,TIME=3]")]);
    ok(&mut zone, "one.vm.scheddelete", &[int(id), int(0)]);
    ok(&mut zone, "one.vm.schedupdate", &[int(id), int(1), text("SCHED_ACTION=[ACTION=stop]")]);
    let id = i32::try_from(id).unwrap();
    let actions: Vec<_> = vm(&zone, id).template.vectors("SCHED_ACTION").collect();
    assert_eq!(actions.len(), 1);
    let action: Vec<_> = actions[0].iter().map(|(name, value)| (name.as_str(), value)).collect();
    assert_eq!(action, [("ACTION", "stop"), ("ID", "1")], "replaced whole");
}

#[test]
fn only_a_change_of_context_or_console_reaches_a_running_vm() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "CONTEXT=[A=1,B=2] OS=[ARCH=x86_64]");
    let update = |zone: &mut Zone, template: &str, append: i64| {
        ok(zone, "one.vm.updateconf", &[int(id.into()), text(template), int(append)])
    };
    update(&mut zone, "OS=[ARCH=arm]", 1);
    update(&mut zone, "CONTEXT=[B=2]", 1);
    assert!(vm(&zone, id).is_doing(LcmState::Running));
    update(&mut zone, "CONTEXT=[B=3]", 1);
    assert!(vm(&zone, id).is_doing(LcmState::Hotplug));
    fail(&mut zone);
    assert!(vm(&zone, id).is_doing(LcmState::Running));
    let context = vm(&zone, id).template.vector("CONTEXT").cloned().unwrap();
    assert_eq!((context.value("A"), context.value("B")), ("1", "3"), "the change stays");
    update(&mut zone, "GRAPHICS=[TYPE=vnc]", 1);
    drain(&mut zone);
    let port = vm(&zone, id).template.vector("GRAPHICS").map(|g| g.value("PORT").to_owned());
    assert_eq!(port, Some((5900 + id).to_string()));
    let none = ok(&mut zone, "one.vm.allocate", &[text("CPU=1 MEMORY=64")]);
    let args = [int(none.parse().unwrap()), text("CONTEXT=[A=1]")];
    let text_of = refused(&mut zone, ADMIN, "one.vm.updateconf", &args);
    assert_eq!(text_of, "Virtual machine does not have context, cannot add a new one.");
}

#[test]
fn a_device_is_the_vms_while_it_is_plugged_in() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "");
    let holder =
        |zone: &Zone| zone.state.find_typed::<Host>(0).unwrap().0.xml(quorate_state_machine::object::Form::Full);
    let held = format!("<VMID><![CDATA[{id}]]></VMID>");
    let nic = "PCI=[TYPE=NIC,NETWORK_ID=0,SHORT_ADDRESS=\"02:00.0\"]";
    for fails in [true, false] {
        ok(&mut zone, "one.vm.attachnic", &[int(id.into()), text(nic)]);
        assert!(holder(&zone).contains(&held), "{}", holder(&zone));
        if fails {
            fail(&mut zone)
        } else {
            drain(&mut zone)
        }
        assert_eq!(holder(&zone).contains(&held), !fails);
    }
    let taken = refused(&mut zone, ADMIN, "one.vm.attachnic", &[int(id.into()), text(nic)]);
    assert_eq!(taken, "Cannot assign PCI device in host. Check address and free devices");
    assert_eq!(vm(&zone, id).nic(0).map(|(name, nic)| (name, nic.value("ADDRESS"))), Some(("PCI", "0000:02:00:0")));
    ok(&mut zone, "one.vm.detachnic", &[int(id.into()), int(0)]);
    drain(&mut zone);
    assert!(!holder(&zone).contains(&held));
}

#[test]
fn a_disk_without_snapshots_has_none_to_rename() {
    let mut zone = zone();
    let id = running(&mut zone, ADMIN, "DISK=[TYPE=fs,SIZE=5]");
    let args = [int(id.into()), int(0), int(0), text("new")];
    let text_of = refused(&mut zone, ADMIN, "one.vm.disksnapshotrename", &args);
    assert_eq!(text_of, "The VM does not have any snapshot");
}
