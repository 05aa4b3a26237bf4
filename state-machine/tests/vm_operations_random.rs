//! Random operations, drivers' answers and recovery on a few VMs: what must hold of them at any time.

use quorate_state_machine::booking;
use std::collections::{BTreeMap, BTreeSet};

use quorate_model::api::Arg;
use quorate_model::head::Form;
use quorate_model::kind::Kind;
use quorate_model::pending::{ImageAction, Operation, VmmAction};
use quorate_testkit::zone::{ADMIN, Zone, int, text};

use quorate_model::records::host::Host;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::State as ImageState;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State};

const STEPS: usize = 500;
const SEEDS: u64 = 12;
const SYSTEM: i64 = 100;
const IMAGES: i64 = 101;
const VAULT: i64 = 102;
/// `USED_MB=0`, `TOTAL_MB=20480`, `FREE_MB=20480`
const FREE_SPACE: &str = "VVNFRF9NQj0wClRPVEFMX01CPTIwNDgwCkZSRUVfTUI9MjA0ODAK";

/// A small generator of its own: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % sides).expect("small")
    }
    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[usize::try_from(self.roll(from.len() as u64)).expect("small")]
    }
}

fn success(operation: &Operation) -> &'static str {
    match operation {
        Operation::Vmm { action, .. } => match action {
            VmmAction::Backup => "backup 7",
            _ => "done",
        },
        Operation::Image { action, .. } if *action == ImageAction::IncrementFlatten => "9 1:second,2:third",
        Operation::MonitorHost { .. } => "TOTALCPU=2000 TOTALMEMORY=16777216",
        Operation::Network { .. } => "LQ==",
        Operation::MonitorDatastore { .. } => FREE_SPACE,
        _ => "source raw",
    }
}

fn zone() -> Zone {
    let mut zone = Zone::fresh();
    let ask = |zone: &mut Zone, method: &str, args: &[Arg]| {
        zone.call(ADMIN, method, args).unwrap_or_else(|refusal| panic!("{method}: {}", refusal.text));
    };
    ask(&mut zone, "one.host.allocate", &[text("dummy"), text("dummy"), text("dummy"), int(-1)]);
    ask(&mut zone, "one.host.allocate", &[text("kvm"), text("dummy"), text("kvm"), int(-1)]);
    for store in [
        "NAME=sys TYPE=SYSTEM_DS TM_MAD=dummy",
        "NAME=img DS_MAD=dummy TM_MAD=dummy",
        "NAME=vault TYPE=BACKUP_DS DS_MAD=dummy TM_MAD=\"-\"",
    ] {
        ask(&mut zone, "one.datastore.allocate", &[text(store), int(-1)]);
    }
    let network = "NAME=net VN_MAD=dummy BRIDGE=br0 AR=[TYPE=IP4,IP=\"10.0.0.1\",SIZE=9]";
    ask(&mut zone, "one.vn.allocate", &[text(network), int(-1)]);
    ask(&mut zone, "one.user.allocate", &[text("ann"), text("pw"), text(""), Arg::Ints(Vec::new())]);
    while zone.report(|operation| Some(Ok(success(operation).to_owned()))) > 0 {}
    for image in [
        "NAME=copied TYPE=DATABLOCK SIZE=30",
        "NAME=own TYPE=DATABLOCK SIZE=20 PERSISTENT=YES",
        "NAME=cow TYPE=OS SOURCE=there FORMAT=qcow2 SIZE=10",
    ] {
        ask(&mut zone, "one.image.allocate", &[text(image), int(IMAGES), Arg::Bool(false)]);
    }
    while zone.report(|operation| Some(Ok(success(operation).to_owned()))) > 0 {}
    for image in 0..3 {
        ask(&mut zone, "one.image.chown", &[int(image), int(2), int(-1)]);
    }
    zone
}

/// A driver answers one pending operation, or fails.
fn answer(zone: &mut Zone, dice: &mut Dice) {
    let ids: Vec<u64> = zone.state.pending().keys().copied().collect();
    let Some(id) = ids.get(usize::try_from(dice.roll(ids.len().max(1) as u64)).expect("small")) else { return };
    let picked = zone.state.pending()[id].operation.clone();
    let fails = dice.roll(7) == 0;
    zone.report(|op| {
        let outcome = || if fails { Err("busy".to_owned()) } else { Ok(success(op).to_owned()) };
        (*op == picked).then(outcome)
    });
}

const DISKS: [&str; 5] =
    ["DISK=[TYPE=fs,SIZE=5]", "DISK=[IMAGE_ID=0]", "DISK=[IMAGE_ID=1]", "DISK=[IMAGE_ID=2]", "DISK=[TYPE=swap,SIZE=3]"];
const NICS: [&str; 3] = ["NIC=[NETWORK_ID=0]", "NIC_ALIAS=[NETWORK_ID=0,PARENT=NIC0]", "NIC=[NAME=free]"];
const ACTIONS: [&str; 13] = [
    "poweroff",
    "poweroff-hard",
    "resume",
    "resume",
    "suspend",
    "stop",
    "undeploy",
    "terminate",
    "terminate-hard",
    "release",
    "hold",
    "reboot",
    "resched",
];

/// One of the disks of a VM.
fn some_disk(zone: &Zone, vm: Option<i32>, dice: &mut Dice) -> i64 {
    let vm = vm.and_then(|vm| zone.state.find_typed::<Vm>(vm));
    let ids: Vec<i32> = vm.into_iter().flat_map(|(_, vm)| vm.disks()).filter_map(|disk| disk.id("DISK_ID")).collect();
    let picked = usize::try_from(dice.roll(ids.len().max(1) as u64)).expect("small");
    ids.get(picked).copied().unwrap_or(0).into()
}

fn step(zone: &mut Zone, dice: &mut Dice, number: usize) {
    let alive: Vec<i32> =
        zone.state.each::<Vm>().filter(|(_, vm)| vm.state != State::Done).map(|(object, _)| object.id).collect();
    if alive.len() < 3 {
        let template = format!(
            "CPU=1 MEMORY=64 {} {} CONTEXT=[NETWORK=YES] BACKUP_CONFIG=[MODE={},KEEP_LAST=2]",
            dice.pick(&DISKS),
            dice.pick(&["", "NIC=[NETWORK_ID=0]"]),
            dice.pick(&["FULL", "FULL", "FULL", "INCREMENT"]),
        );
        zone.ask("ann:pw", "one.vm.allocate", &[text(&template)]);
    }
    let picked = usize::try_from(dice.roll(alive.len().max(1) as u64)).expect("small");
    let vm = int(alive.get(picked).copied().unwrap_or(99).into());
    let session = if dice.roll(4) == 0 { "ann:pw" } else { ADMIN };
    let name = text(&format!("n{number}"));
    let small = int(dice.roll(3));
    let disk = int(some_disk(zone, alive.get(picked).copied(), dice));
    let (method, args): (&str, Vec<Arg>) = match dice.roll(34) {
        0 => ("one.vm.attach", vec![vm, text(dice.pick(&DISKS))]),
        1 => ("one.vm.detach", vec![vm, disk]),
        2 => ("one.vm.attachnic", vec![vm, text(dice.pick(&NICS))]),
        3 => ("one.vm.detachnic", vec![vm, small]),
        4 => ("one.vm.updatenic", vec![vm, small, text(&format!("NIC=[INBOUND_AVG_BW={number}]")), int(dice.roll(2))]),
        5 => ("one.vm.snapshotcreate", vec![vm, name]),
        6 => ("one.vm.snapshotdelete", vec![vm, small]),
        7 => ("one.vm.snapshotrevert", vec![vm, small]),
        8 => ("one.vm.disksnapshotcreate", vec![vm, disk, name]),
        9 => ("one.vm.disksnapshotdelete", vec![vm, disk, int(dice.roll(3))]),
        10 => ("one.vm.disksnapshotrevert", vec![vm, disk, int(dice.roll(3))]),
        11 => ("one.vm.diskresize", vec![vm, disk, text(&(10 + dice.roll(60)).to_string())]),
        12 => ("one.vm.disksaveas", vec![vm, disk, name, text(""), int(-1)]),
        13 => ("one.vm.resize", vec![vm, text(&format!("CPU={} MEMORY=128", 1 + dice.roll(3)))]),
        14 => ("one.vm.backup", vec![vm, int(VAULT), Arg::Bool(dice.roll(3) == 0)]),
        15 => ("one.vm.backupcancel", vec![vm]),
        16 => ("one.vm.updateconf", vec![vm, text(&format!("CONTEXT=[NETWORK=YES,A={number}]")), int(dice.roll(2))]),
        17 => ("one.vm.attachsg", vec![vm, small, int(0)]),
        18 => ("one.vm.detachsg", vec![vm, small, int(0)]),
        19 if dice.roll(2) == 0 => ("one.vm.recover", vec![vm, int(dice.roll(6))]),
        20 if dice.roll(3) == 0 => ("one.vm.chown", vec![vm, int(2 * dice.roll(2)), int(-1)]),
        21..=23 => ("one.vm.deploy", vec![vm, int(dice.roll(2)), Arg::Bool(false), int(SYSTEM)]),
        24..=26 => ("one.vm.action", vec![text(dice.pick(&ACTIONS)), vm]),
        27 => {
            let images: Vec<i64> =
                zone.state.each::<Image>().map(|(object, _)| object.id.into()).filter(|id| *id > 2).collect();
            let picked = usize::try_from(dice.roll(images.len().max(1) as u64)).expect("small");
            ("one.image.delete", vec![int(images.get(picked).copied().unwrap_or(99)), Arg::Bool(true)])
        }
        _ => {
            answer(zone, dice);
            return answer(zone, dice);
        }
    };
    let admin = ["one.vm.deploy", "one.vm.recover", "one.vm.chown", "one.vm.backup"].contains(&method);
    let done = zone.call(if admin { ADMIN } else { session }, method, &args).is_ok();
    if done && method == "one.vm.deploy" {
        while zone.report(|operation| Some(Ok(success(operation).to_owned()))) > 0 {}
    }
}

fn check(zone: &Zone, what: &str) {
    let mut in_use: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    let mut on_host: BTreeMap<i32, BTreeSet<i32>> = BTreeMap::new();
    for (object, vm) in zone.state.each::<Vm>() {
        let what = format!("{what}: VM {} {}", object.id, vm.state_name());
        let waits = |op: &Operation| match op {
            // Nobody waits for the answers to these.
            Operation::Vmm { action, .. } if [VmmAction::Reboot, VmmAction::BackupCancel].contains(action) => false,
            Operation::Vmm { vm, .. } | Operation::Transfer { vm, .. } => *vm == object.id,
            _ => false,
        };
        let pending = zone.state.pending().values().filter(|p| waits(&p.operation)).count();
        let snapshot = vm.lcm_state == LcmState::HotplugSnapshot;
        if vm.state != State::Active && vm.state != State::Done && !snapshot {
            assert_eq!(pending, 0, "{what} rests");
        }
        if vm.state != State::Done {
            for disk in vm.disks() {
                in_use.entry(disk.id("IMAGE_ID").unwrap_or(-1)).or_default().insert(object.id);
            }
        }
        if vm.is_doing(LcmState::Running) {
            on_host.entry(vm.record().expect("a record").hid).or_default().insert(object.id);
            let flagged = vm.disks().chain(vm.nics().map(|(_, nic)| nic)).any(|part| part.is_yes("ATTACH"));
            assert!(!flagged, "{what} has something plugged");
        }
        let ids: BTreeSet<_> = vm.disks().map(|disk| disk.id("DISK_ID")).collect();
        assert_eq!(ids.len(), vm.disks().count(), "{what}: two disks of one id");
    }
    for (object, image) in zone.state.each::<Image>() {
        let what = format!("{what}: image {} {:?}", object.id, image.state);
        if object.id <= 2 && image.state != ImageState::Error {
            let vms = in_use.remove(&object.id).unwrap_or_default();
            assert_eq!(image.vms, vms, "{what} is used by others than it knows");
        }
    }
    for (object, host) in zone.state.each::<Host>() {
        let running = on_host.remove(&object.id).unwrap_or_default();
        assert!(
            running.iter().all(|vm| host.vms.contains(vm)),
            "{what}: host {} does not know of {running:?}",
            object.id
        );
        let cpu = |vm: &i32| zone.state.find_typed::<Vm>(*vm).and_then(|(_, vm)| vm.template.int("CPU")).unwrap_or(0);
        assert_eq!(host.share.cpu_usage, host.vms.iter().map(cpu).sum::<i64>() * 100, "{what}: host {}", object.id);
    }
    let alive = zone.state.each::<Vm>().filter(|(_, vm)| vm.state != State::Done);
    let leases = alive.flat_map(|(_, vm)| vm.nics()).filter(|(_, nic)| nic.id("NETWORK_ID").is_some()).count();
    let network = zone.state.object(Kind::Net, 0).expect("the network").xml(Form::Full);
    assert!(network.contains(&format!("<USED_LEASES>{leases}</USED_LEASES>")), "{what}: {leases} leases, {network}");
    assert_eq!(booking::recount(&zone.state), Vec::<String>::new(), "{what}");
}

#[test]
fn quotas_images_hosts_and_drivers_agree_with_the_vms_at_any_time() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let (mut zone, mut dice) = (zone(), Dice(seed));
        for number in 0..STEPS {
            step(&mut zone, &mut dice, number);
            check(&zone, &format!("seed {seed} step {number}"));
            seen.extend(zone.state.each::<Vm>().map(|(_, vm)| vm.lcm_state));
        }
    }
    eprintln!("{} activities: {seen:?}", seen.len());
    assert!(seen.len() > 30, "many activities have come up: {seen:?}");
}
