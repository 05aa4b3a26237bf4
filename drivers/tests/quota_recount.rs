//! Quota usage equals a recount from the objects, whatever happened and however drivers answered.

use proptest::prelude::*;
use quorate_drivers::dummy;
use quorate_model::api::Arg;
use quorate_model::command::Command;
use quorate_model::pending::DriverReport;
use quorate_state_machine::booking;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

const SESSIONS: [&str; 4] = ["ann:pw", "bob:pw", ADMIN, ADMIN];

/// What is done: a choice and what else it needs, all small numbers.
type Step = (usize, u8, u8, usize);

/// Users 2 and 3 in groups 100 and 101; a host, a network with addresses, an image datastore that snapshots and backs up.
fn zone() -> Zone {
    let mut zone = Zone::fresh();
    for (group, user) in [("g0", "ann"), ("g1", "bob")] {
        let gid: i64 = zone.ask(ADMIN, "one.group.allocate", &[text(group)]).parse().expect("a group");
        let args = [text(user), text("pw"), text(""), Arg::Ints(vec![gid, 1])];
        zone.call(ADMIN, "one.user.allocate", &args).expect("a user");
    }
    let dummy = "DS_MAD=dummy TM_MAD=dummy";
    let ceph = "DISK_TYPE=RBD POOL_NAME=one CEPH_HOST=h CEPH_USER=u CEPH_SECRET=s BRIDGE_LIST=h";
    for args in [
        ("one.host.allocate", vec![text("h"), text("dummy"), text("dummy"), int(-1)]),
        ("one.datastore.allocate", vec![text(&format!("NAME=i {dummy}")), int(-1)]),
        ("one.datastore.allocate", vec![text(&format!("NAME=i2 DS_MAD=ceph TM_MAD=ceph {ceph}")), int(-1)]),
        ("one.datastore.allocate", vec![text("NAME=s TYPE=SYSTEM_DS TM_MAD=dummy"), int(-1)]),
        (
            "one.datastore.allocate",
            vec![text("NAME=b TYPE=BACKUP_DS DS_MAD=rsync TM_MAD=- RSYNC_HOST=h RSYNC_USER=u"), int(-1)],
        ),
        ("one.datastore.allocate", vec![text(&format!("NAME=s2 TYPE=SYSTEM_DS TM_MAD=ceph {ceph}")), int(-1)]),
        ("one.vn.allocate", vec![text("NAME=n VN_MAD=dummy BRIDGE=b AR=[TYPE=IP4,IP=10.0.0.1,SIZE=50]"), int(-1)]),
    ] {
        zone.call(ADMIN, args.0, &args.1).unwrap_or_else(|e| panic!("{}: {e}", args.0));
        drivers(&mut zone, 0);
    }
    zone.call(ADMIN, "one.vn.chmod", &[0, 1, 1, 0, 1, 1, 0, 1, 0, 0].map(int)).expect("open network");
    for (session, method, args) in [
        ("ann:pw", "one.image.allocate", vec![text("NAME=a TYPE=DATABLOCK SIZE=10"), int(1), Arg::Bool(false)]),
        (
            "bob:pw",
            "one.image.allocate",
            vec![text("NAME=b TYPE=DATABLOCK SIZE=20 PERSISTENT=YES"), int(100), Arg::Bool(false)],
        ),
        (
            "ann:pw",
            "one.image.allocate",
            vec![text("NAME=c TYPE=DATABLOCK SIZE=30 FORMAT=qcow2 DRIVER=qcow2"), int(101), Arg::Bool(false)],
        ),
        ("ann:pw", "one.vn.reserve", vec![int(0), text("NAME=r SIZE=4")]),
        (
            "ann:pw",
            "one.vm.allocate",
            vec![
                text("CPU=1 MEMORY=64 DISK=[IMAGE_ID=0] DISK=[TYPE=fs,SIZE=5] NIC=[NETWORK_ID=1] NIC=[NETWORK_ID=0]"),
                Arg::Bool(false),
            ],
        ),
        (
            "bob:pw",
            "one.vm.allocate",
            vec![text("CPU=0.5 MEMORY=32 DISK=[IMAGE_ID=1] NIC=[NETWORK_ID=0]"), Arg::Bool(false)],
        ),
        ("ann:pw", "one.vm.allocate", vec![text("CPU=2 MEMORY=16 DISK=[IMAGE_ID=2]"), Arg::Bool(false)]),
        (ADMIN, "one.vm.deploy", vec![int(0), int(0), Arg::Bool(false), int(0), text("")]),
        (ADMIN, "one.vm.deploy", vec![int(1), int(0), Arg::Bool(false), int(102), text("")]),
        (ADMIN, "one.vm.deploy", vec![int(2), int(0), Arg::Bool(false), int(104), text("")]),
        ("ann:pw", "one.vm.action", vec![text("poweroff"), int(2)]),
        ("ann:pw", "one.template.allocate", vec![text("NAME=t CPU=1 MEMORY=8 DISK=[IMAGE_ID=0] NIC=[NETWORK_ID=0]")]),
        ("ann:pw", "one.template.chmod", [0, 1, 1, 0, 1, 0, 0, 1, 0, 0].map(int).to_vec()),
        (ADMIN, "one.vrouter.allocate", vec![text("NAME=v NIC=[NETWORK_ID=0,FLOATING_IP=YES]")]),
        (ADMIN, "one.vrouter.chown", vec![int(0), int(2), int(100)]),
    ] {
        zone.call(session, method, &args).unwrap_or_else(|e| panic!("{method}: {e}"));
        drivers(&mut zone, 0);
    }
    zone
}

/// Lets drivers answer: 0 everything well, 1 everything badly, else the oldest operation well or badly.
fn drivers(zone: &mut Zone, how: u8) {
    for _ in 0..4 {
        let mut pending: Vec<_> = zone.state.pending().values().cloned().collect();
        if how > 1 {
            pending.truncate(1);
        }
        for operation in pending {
            let well = dummy::outcome(&zone.state, &operation);
            let outcome = if how.is_multiple_of(2) { well } else { Err("no".to_owned()) };
            let report = DriverReport { operation: operation.id, attempt: operation.attempt, outcome };
            zone.apply(Command::Report(report)).unwrap_or_else(|e| panic!("{operation:?}: {e}"));
        }
        if how > 1 {
            break;
        }
    }
}

fn call_of((choice, a, b, _): Step) -> Option<(&'static str, Vec<Arg>)> {
    let (vm, id) = (int(i64::from(a % 4)), int(i64::from(b % 3)));
    let image = i64::from(a % 4);
    let yes = Arg::Bool(b % 2 == 0);
    let owners = [-1, 2, 3, 0].map(int);
    let groups = [-1, 100, 101, 1, 0].map(int);
    let (uid, gid) = (owners[usize::from(b) % 4].clone(), groups[usize::from(b / 4) % 5].clone());
    let templates = [
        "CPU=1 MEMORY=64".to_owned(),
        format!("CPU=0.25 MEMORY=128 DISK=[IMAGE_ID={image}] NIC=[NETWORK_ID=0]"),
        format!(
            "CPU=2 MEMORY=32 DISK=[TYPE=fs,SIZE=100] DISK=[IMAGE_ID={image}] NIC=[NETWORK_ID=0] NIC=[NETWORK_ID=0]"
        ),
        format!(
            "CPU=1 MEMORY=16 DISK=[IMAGE_ID={image},CLONE_TARGET=SYSTEM,SIZE=77] DISK=[IMAGE_ID={image}] NIC=[NETWORK_ID=1]"
        ),
    ];
    let actions = [
        "terminate",
        "terminate-hard",
        "undeploy",
        "undeploy-hard",
        "poweroff",
        "poweroff-hard",
        "reboot",
        "hold",
        "release",
        "stop",
        "suspend",
        "resume",
        "resched",
    ];
    let images = [
        "NAME=\"i@\" TYPE=DATABLOCK SIZE=10",
        "NAME=\"i@\" TYPE=DATABLOCK SIZE=20 PERSISTENT=YES",
        "NAME=\"i@\" PATH=/tmp/x",
        "NAME=\"i@\" TYPE=DATABLOCK SIZE=30 FORMAT=qcow2 DRIVER=qcow2",
    ];
    Some(match choice {
        0 | 1 => ("one.vm.allocate", vec![text(&templates[usize::from(b) % 4]), Arg::Bool(b > 128)]),
        2 => {
            let template = images[usize::from(a) % 4].replace('@', &b.to_string());
            let datastore = [1, 100, 101][usize::from(b) % 3];
            ("one.image.allocate", vec![text(&template), int(datastore), Arg::Bool(false)])
        }
        3 | 4 => {
            ("one.vm.deploy", vec![vm, int(0), Arg::Bool(false), int([0, 102, 104][usize::from(b) % 3]), text("")])
        }
        5 | 6 => ("one.vm.action", vec![text(actions[usize::from(b) % actions.len()]), vm]),
        7 => ("one.vm.resize", vec![vm, text(["MEMORY=256", "CPU=3 MEMORY=8", "CPU=0.5"][usize::from(b) % 3]), yes]),
        8 => {
            let disk = [format!("DISK=[IMAGE_ID={}]", b % 4), "DISK=[TYPE=swap,SIZE=50]".to_owned()];
            ("one.vm.attach", vec![vm, text(&disk[usize::from(b / 4) % 2])])
        }
        9 => ("one.vm.detach", vec![vm, id]),
        10 => ("one.vm.attachnic", vec![vm, text(&format!("NIC=[NETWORK_ID={}]", b % 2))]),
        11 => ("one.vm.detachnic", vec![vm, id]),
        12 => ("one.vm.snapshotcreate", vec![vm, text("")]),
        13 => ([("one.vm.snapshotdelete"), ("one.vm.snapshotrevert")][usize::from(b / 4) % 2], vec![vm, id]),
        14 => ("one.vm.disksnapshotcreate", vec![vm, int(i64::from(b % 2)), text("s")]),
        15 => {
            let names = ["one.vm.disksnapshotdelete", "one.vm.disksnapshotrevert"];
            (names[usize::from(b / 8) % 2], vec![vm, int(i64::from(b % 2)), int(i64::from(b / 2 % 3))])
        }
        16 => ("one.vm.diskresize", vec![vm, int(i64::from(b % 2)), text("200")]),
        17 => ("one.vm.chown", vec![vm, uid, gid]),
        18 => ("one.image.chown", vec![int(image), uid, gid]),
        19 => match b % 5 {
            0 => ("one.image.delete", vec![int(image)]),
            1 => ("one.image.clone", vec![int(image), text(&format!("c{a}")), int(-1)]),
            2 => ("one.image.persistent", vec![int(image), Arg::Bool(a % 2 == 0)]),
            3 => ("one.image.snapshotdelete", vec![int(image), int(0)]),
            _ => ("one.image.snapshotflatten", vec![int(image), int(0)]),
        },
        20 => match b % 4 {
            0 => ("one.vn.reserve", vec![int(0), text(&format!("NAME=r{a} SIZE={}", a % 5 + 1))]),
            1 => ("one.vn.chown", vec![int(i64::from(a % 4)), uid, gid]),
            2 => ("one.vn.delete", vec![int(i64::from(a % 3) + 1)]),
            _ => ("one.vn.reserve", vec![int(0), text(&format!("NETWORK_ID={} SIZE=2", a % 3 + 1))]),
        },
        21 => ("one.vm.recover", vec![vm, int(i64::from(b % 6))]),
        22 => ("one.vm.disksaveas", vec![vm, int(i64::from(b % 2)), text(&format!("v{b}")), text(""), int(-1)]),
        23 => ("one.vm.backup", vec![vm, int(103), yes]),
        24 => ("one.vm.migrate", vec![vm, int(0), yes, Arg::Bool(false), int(-1), int(i64::from(b % 3))]),
        25 => {
            let limits =
                ["VM=[VMS=2,CPU=3]", "DATASTORE=[ID=1,SIZE=40]", "NETWORK=[ID=0,LEASES=3]", "IMAGE=[ID=0,RVMS=1]"];
            ("one.user.quota", vec![int(i64::from(a % 2) + 2), text(limits[usize::from(b) % 4])])
        }
        26 => match b % 4 {
            0 => {
                let nic = ["FLOATING_IP=YES", "FLOATING_IP=YES,FLOATING_ONLY=YES", "X=1"][usize::from(a) % 3];
                ("one.vrouter.allocate", vec![text(&format!("NAME=v NIC=[NETWORK_ID=0,{nic}]"))])
            }
            1 => ("one.vrouter.delete", vec![int(i64::from(a % 3))]),
            2 => ("one.vrouter.attachnic", vec![int(i64::from(a % 3)), text("NIC=[NETWORK_ID=0,FLOATING_IP=YES]")]),
            _ => ("one.vrouter.chown", vec![int(i64::from(a % 3)), uid, gid]),
        },
        27 => {
            let extra = ["", "NIC=[NETWORK_ID=0]"][usize::from(b / 2) % 2];
            (
                "one.template.instantiate",
                vec![int(0), text(""), Arg::Bool(a % 2 == 0), text(extra), Arg::Bool(b % 5 == 0)],
            )
        }
        28 => {
            let modes = ["MODE=FULL", "MODE=INCREMENT,KEEP_LAST=2", "MODE=FULL,BACKUP_VOLATILE=YES"];
            let conf = format!("BACKUP_CONFIG=[{}]", modes[usize::from(b) % 3]);
            ("one.vm.updateconf", vec![vm, text(&conf), int(1)])
        }
        29 => {
            let name = text(&format!("vr{b}-%i"));
            (
                "one.vrouter.instantiate",
                vec![int(0), int(i64::from(b % 2) + 1), int(0), name, Arg::Bool(a % 2 == 0), text("")],
            )
        }
        _ => return None,
    })
}

/// The last choices let drivers answer.
const CHOICES: usize = 46;

fn run(zone: &mut Zone, step: Step) -> String {
    let (choice, _, b, who) = step;
    match call_of(step) {
        Some((method, args)) => {
            // Deployments are an administrator's.
            let session = if matches!(choice, 3 | 4 | 24) { ADMIN } else { SESSIONS[who] };
            let said = zone.ask(session, method, &args);
            format!("{session} {method}{args:?}: {said}")
        }
        None => {
            drivers(zone, [0, 0, 0, 2, 3, 1][usize::from(b) % 6]);
            format!("drivers {}", b % 6)
        }
    }
}

/// Few cases by default; `PROPTEST_CASES` gives more.
fn config() -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { default } else { ProptestConfig { cases: 24, ..default } }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn usage_equals_a_recount(steps in prop::collection::vec((0..CHOICES, any::<u8>(), any::<u8>(), 0..4usize), 1..60)) {
        let mut zone = zone();
        let mut story = Vec::new();
        for step in steps {
            story.push(run(&mut zone, step));
            let wrong = booking::recount(&zone.state);
            prop_assert!(wrong.is_empty(), "{wrong:#?} after\n{}", story.join("\n"));
        }
    }
}

#[test]
fn the_zone_is_in_use() {
    let mut zone = zone();
    assert_eq!(booking::recount(&zone.state), Vec::<String>::new());
    let quotas = zone.ask("ann:pw", "one.user.info", &[int(-1)]);
    for used in ["<VMS_USED><![CDATA[2]]>", "<RUNNING_VMS_USED><![CDATA[1]]>", "<LEASES_USED>", "<RVMS_USED>"] {
        assert!(quotas.contains(used), "{used} in {quotas}");
    }
}
