//! Amounts that quotas count: what is no amount is refused by every way in, and no accepted call lowers what is used
//! except by giving something back.

use quorate_state_machine::booking;
use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate_model::api::Arg;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_testkit::tenant::{self, ANN, STORE, drain};
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// User 2 (ann) may make things; a host, an image datastore, a network with 100 addresses; image 0 and VM 0 (running,
/// with a volatile disk) are hers, template 0 is the administrator's.
fn zone() -> Zone {
    let kinds = [Kind::Vm, Kind::Image, Kind::Net, Kind::Datastore, Kind::Template];
    let mut zone = tenant::zone(&kinds, &[Op::Use, Op::Manage, Op::Create]);
    let no = || Arg::Bool(false);
    tenant::must(
        &mut zone,
        &[
            (ANN, "one.image.allocate", vec![text("NAME=own TYPE=DATABLOCK SIZE=10"), int(STORE), no()]),
            (ANN, "one.vm.allocate", vec![text("NAME=own CPU=1 MEMORY=64 DISK=[TYPE=fs,SIZE=5]"), no()]),
            (ADMIN, "one.template.allocate", vec![text("NAME=t CPU=1 MEMORY=8 DISK=[IMAGE_ID=0]")]),
            (ADMIN, "one.vm.deploy", vec![int(0), int(0), no(), int(-1), text("")]),
        ],
    );
    drain(&mut zone);
    zone
}

/// What ann uses, by metric, in all rows of it together.
fn used(zone: &mut Zone) -> BTreeMap<String, f64> {
    let user = zone.ask(ADMIN, "one.user.info", &[int(2)]);
    let mut sums = BTreeMap::new();
    for piece in user.split("_USED><![CDATA[").collect::<Vec<_>>().windows(2) {
        let name = piece[0].rsplit('<').next().unwrap_or_default();
        let number = piece[1].split(']').next().and_then(|n| n.parse::<f64>().ok());
        *sums.entry(name.to_owned()).or_insert(0.0) += number.unwrap_or_else(|| panic!("{name}: {user}"));
    }
    sums
}

fn allocate(zone: &mut Zone, template: &str) -> String {
    zone.ask(ANN, "one.vm.allocate", &[text(template), Arg::Bool(false)])
}

#[test]
fn an_image_has_no_negative_size() {
    let mut zone = zone();
    let before = used(&mut zone);
    let image = |zone: &mut Zone, who: &str, size: &str| {
        let template = format!("NAME=i\nTYPE=DATABLOCK\nSIZE=\"{size}\"");
        zone.ask(who, "one.image.allocate", &[text(&template), int(STORE), Arg::Bool(false)])
    };
    let refused = "User [2] : user [2] Image size must be a positive integer value.";
    for size in ["-90", "-1", "9223372036854775807", "-9223372036854775807"] {
        assert_eq!(image(&mut zone, ANN, size), refused, "{size}");
    }
    for size in ["", "x", "1.5", "9223372036854775808", "-9223372036854775808"] {
        assert!(image(&mut zone, ANN, size).starts_with("Cannot parse image SIZE"), "{size}");
    }
    // The administrator is not counted, and cannot give such an image to one who is.
    let id = image(&mut zone, ADMIN, "-90").parse().expect("the administrator's");
    let given = zone.ask(ADMIN, "one.image.chown", &[int(id), int(2), int(-1)]);
    assert!(given.contains("Image size must be a positive integer value"), "{given}");
    let copied = zone.ask(ANN, "one.image.clone", &[int(id), text("copy"), int(-1)]);
    assert!(copied.contains("Image size must be a positive integer value"), "{copied}");
    assert_eq!(used(&mut zone), before);
    // A driver, or an app of a marketplace, says such a size as well.
    zone.answer = Ok("-5".to_owned());
    let path = text("NAME=p PATH=/x");
    assert_eq!(zone.ask(ANN, "one.image.allocate", &[path, int(STORE), Arg::Bool(false)]), refused);
}

#[test]
fn memory_is_a_number_of_32_bits() {
    let mut zone = zone();
    let refused = "User [2] : user [2] MEMORY attribute must be a positive integer value.";
    for memory in ["2147483648", "9223372036854775807", "-1", "x", "1.5", "\"\"", "9223372036854775808"] {
        assert_eq!(allocate(&mut zone, &format!("CPU=1\nMEMORY={memory}")), refused, "{memory}");
        let extra = text(&format!("MEMORY={memory}"));
        let from_template = [int(0), text("x"), Arg::Bool(false), extra];
        let said = zone.ask(ANN, "one.template.instantiate", &from_template);
        assert!(said.contains("MEMORY attribute must be a positive integer value"), "{memory}: {said}");
    }
    assert_eq!(allocate(&mut zone, "CPU=1\nMEMORY=2147483647"), "1");
    assert_eq!(used(&mut zone)["MEMORY"], 64.0 + 2_147_483_647.0);
    let resized = zone.ask(ANN, "one.vm.resize", &[int(1), text("MEMORY=2147483648"), Arg::Bool(false)]);
    assert!(resized.contains("MEMORY attribute must be a positive integer value"), "{resized}");
    // What only the administrator could make cannot be given away.
    let large = zone.ask(ADMIN, "one.vm.allocate", &[text("CPU=1 MEMORY=2147483648"), Arg::Bool(false)]);
    let id = large.parse().expect("the administrator's");
    let given = zone.ask(ADMIN, "one.vm.chown", &[int(id), int(2), int(-1)]);
    assert!(given.contains("MEMORY attribute must be a positive integer value"), "{given}");
    assert_eq!(booking::recount(&zone.state), Vec::<String>::new());
}

#[test]
fn the_least_cpu_counts_too() {
    let mut zone = zone();
    zone.call(ADMIN, "one.user.quota", &[int(2), text("VM=[CPU=1.02]")]).expect("limits");
    assert_eq!(allocate(&mut zone, "CPU=0.004\nMEMORY=1"), "1");
    assert_eq!(allocate(&mut zone, "CPU=0.000001\nMEMORY=1"), "2");
    let refused = allocate(&mut zone, "CPU=0.001\nMEMORY=1");
    assert!(refused.contains("limit of 1.02 reached for CPU quota"), "{refused}");
    for cpu in ["-1", "x", "NaN", "inf", "1e400", "\"\"", "1e13"] {
        let refused = allocate(&mut zone, &format!("CPU={cpu}\nMEMORY=1"));
        assert!(refused.contains("CPU attribute must be a positive float or integer value"), "{cpu}: {refused}");
    }
    for id in [1, 2] {
        zone.call(ANN, "one.vm.action", &[text("terminate"), int(id)]).expect("ends");
    }
    assert_eq!(used(&mut zone)["CPU"], 1.0);
}

#[test]
fn a_copy_takes_space_wherever_its_owner_says_it_is() {
    let mut zone = zone();
    zone.call(ADMIN, "one.user.quota", &[int(2), text("VM=[SYSTEM_DISK_SIZE=100]")]).expect("limits");
    for target in ["SYSTEM", "system", "NONE", "nowhere"] {
        let disk = format!("CPU=1\nMEMORY=1\nDISK=[IMAGE_ID=0,SIZE=1000,CLONE_TARGET={target}]");
        let refused = allocate(&mut zone, &disk);
        assert!(refused.contains("limit of 100 reached for SYSTEM_DISK_SIZE"), "{target}: {refused}");
    }
}

/// A driver makes a disk of what a shell reads in `100000 `, but no quota counted it.
#[test]
fn the_size_of_an_images_disk_is_a_number() {
    let mut zone = zone();
    let refused = "SIZE attribute must be a positive integer value.";
    for size in ["100000 ", "18446744073709551615", "1e2", "1.5", "x", " "] {
        let disk = format!("DISK=[IMAGE_ID=0,SIZE=\"{size}\"]");
        let (attached, template) = ([int(0), text(&disk)], format!("CPU=1 MEMORY=1 {disk}"));
        let allocated = zone.call(ANN, "one.vm.allocate", &[text(&template), Arg::Bool(false)]);
        let attached = zone.call(ANN, "one.vm.attach", &attached);
        for reply in [allocated, attached] {
            let reason = reply.expect_err(size).text;
            assert!(reason.contains(refused), "{size:?}: {reason}");
        }
    }
    assert!(allocate(&mut zone, "CPU=1 MEMORY=1 DISK=[IMAGE_ID=0,SIZE=20]").parse::<i32>().is_ok());
}

#[test]
fn a_disk_that_is_attached_is_counted_where_it_is_copied_to() {
    let mut zone = zone();
    let limits = format!("DATASTORE=[ID={STORE},SIZE=25]");
    zone.call(ADMIN, "one.user.quota", &[int(2), text(&limits)]).expect("limits");
    let disk = text("DISK=[IMAGE_ID=0,CLONE_TARGET=SELF,SIZE=20]");
    let refused = zone.ask(ANN, "one.vm.attach", &[int(0), disk]);
    assert!(refused.contains("limit of 25 reached for SIZE quota in DATASTORE"), "{refused}");
    let disk = text("DISK=[IMAGE_ID=0,CLONE_TARGET=SELF]");
    zone.call(ANN, "one.vm.attach", &[int(0), disk]).expect("room for 10");
    assert_eq!(used(&mut zone)["SIZE"], 20.0);
}

const AMOUNTS: [&str; 27] = [
    "100000 ",
    "15\t",
    "1e2",
    "1",
    "5",
    "64",
    "300",
    "0",
    "",
    "-1",
    "-90",
    "x",
    "NaN",
    "inf",
    "0.001",
    "0.004",
    "0.12499999",
    "1.5",
    "1e400",
    "1e13",
    "2147483647",
    "2147483648",
    "4294967297",
    "1000000000001",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
];

/// Sizes that VMs show and quotas cannot count.
fn uncounted_sizes(zone: &mut Zone) -> Vec<String> {
    let vms: Vec<i32> = zone.state.pool(Kind::Vm).keys().copied().collect();
    let shown = vms.into_iter().map(|vm| zone.ask(ADMIN, "one.vm.info", &[int(i64::from(vm)), Arg::Bool(false)]));
    let all = shown.collect::<String>();
    let sizes = all.split("<SIZE><![CDATA[").skip(1).filter_map(|rest| rest.split(']').next());
    sizes.filter(|size| size.parse::<i64>().is_err()).map(str::to_owned).collect()
}

/// A call, by its number and two amounts. The first ones give nothing back.
fn call(choice: usize, a: &str, b: &str, name: usize) -> (&'static str, Vec<Arg>) {
    let no = || Arg::Bool(false);
    let tricks = "VMS=-5\nRUNNING_VMS=-5\nRUNNING_MEMORY=-500\nRUNNING_CPU=-5\nSNAPSHOT=[SYSTEM_DISK_SIZE=-9]";
    match choice {
        0 => ("one.vm.allocate", vec![text(&format!("CPU=\"{a}\"\nMEMORY=\"{b}\"")), no()]),
        1 => ("one.vm.allocate", vec![text(&format!("CPU=1\nMEMORY=\"{a}\"\nVCPU=\"{b}\"\n{tricks}")), no()]),
        2 => {
            let disk = format!("DISK=[TYPE=fs,SIZE=\"{a}\",DISK_SNAPSHOT_TOTAL_SIZE=\"{b}\"]");
            ("one.vm.allocate", vec![text(&format!("CPU=1\nMEMORY=1\n{disk}\n{disk}")), no()])
        }
        3 => {
            let disk = format!("DISK=[IMAGE_ID=0,SIZE=\"{a}\",CLONE_TARGET=SELF,ORIGINAL_SIZE_=\"{b}\"]");
            ("one.vm.allocate", vec![text(&format!("CPU=0.1\nMEMORY=1\n{disk}")), no()])
        }
        4 => {
            let template = format!("NAME=i{name}\nTYPE=DATABLOCK\nSIZE=\"{a}\"");
            ("one.image.allocate", vec![text(&template), int(STORE), no()])
        }
        5 => ("one.vn.reserve", vec![int(0), text(&format!("NAME=r{name}\nSIZE=\"{a}\""))]),
        6 => (
            "one.vm.attach",
            vec![int(0), text(&format!("DISK=[TYPE=fs,SIZE=\"{a}\",DISK_SNAPSHOT_TOTAL_SIZE=\"{b}\"]"))],
        ),
        7 => ("one.vm.attach", vec![int(0), text(&format!("DISK=[IMAGE_ID=0,SIZE=\"{a}\",CLONE_TARGET=\"{b}\"]"))]),
        8 => ("one.vm.diskresize", vec![int(0), int(0), text(a)]),
        9 => ("one.vm.snapshotcreate", vec![int(0), text(a)]),
        10 => ("one.image.clone", vec![int(0), text(&format!("c{name}")), int(-1)]),
        11 => {
            let extra = format!("CPU=\"{a}\"\nMEMORY=\"{b}\"\n{tricks}");
            ("one.template.instantiate", vec![int(0), text("x"), no(), text(&extra)])
        }
        12 => ("one.vm.attachnic", vec![int(0), text(&format!("NIC=[NETWORK_ID=0]\nVMS=\"{a}\""))]),
        // From here on calls may give back.
        13 => (
            "one.vm.resize",
            vec![int(i64::try_from(name % 3).unwrap_or(0)), text(&format!("CPU=\"{a}\"\nMEMORY=\"{b}\"")), no()],
        ),
        14 => ("one.vm.action", vec![text("terminate"), int(i64::try_from(name % 4).unwrap_or(0))]),
        15 => ("one.vm.detach", vec![int(0), int(i64::try_from(name % 3).unwrap_or(0))]),
        _ => ("one.vm.action", vec![text("poweroff"), int(0)]),
    }
}

/// So many choices of [`call`] give nothing back.
const ONLY_TAKE: usize = 13;
const CHOICES: usize = 17;

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_amount_lowers_what_is_used(
        steps in prop::collection::vec((0..CHOICES, 0..AMOUNTS.len(), 0..AMOUNTS.len(), any::<bool>()), 1..24),
    ) {
        let mut zone = zone();
        let mut story = Vec::new();
        for (number, (choice, a, b, drivers)) in steps.into_iter().enumerate() {
            let before = used(&mut zone);
            let (method, args) = call(choice, AMOUNTS[a], AMOUNTS[b], number);
            let said = zone.ask(ANN, method, &args);
            story.push(format!("{method}{args:?}: {said}"));
            let after = used(&mut zone);
            if choice < ONLY_TAKE {
                for (metric, amount) in &before {
                    let now = after.get(metric).copied().unwrap_or_default();
                    prop_assert!(now >= *amount, "{metric} fell from {amount} to {now} by\n{}", story.join("\n"));
                }
            }
            prop_assert!(after.values().all(|amount| *amount >= 0.0), "{after:?} after\n{}", story.join("\n"));
            if drivers {
                drain(&mut zone);
            }
            let wrong = booking::recount(&zone.state);
            prop_assert!(wrong.is_empty(), "{wrong:?} after\n{}", story.join("\n"));
            let uncounted = uncounted_sizes(&mut zone);
            prop_assert!(uncounted.is_empty(), "{uncounted:?} after\n{}", story.join("\n"));
        }
    }
}

/// A disk takes no space where its datastore's driver says so, copied or linked (of a persistent image); that a caller says
/// so changes nothing.
#[test]
fn a_disk_is_free_only_where_its_datastore_says_so() {
    for target in ["CLONE_TARGET", "LN_TARGET"] {
        for (of_store, given, system_disk) in [
            ("SYSTEM", None, 1000.0),
            ("SYSTEM", Some("NONE"), 1000.0),
            ("SYSTEM", Some("none"), 1000.0),
            ("SYSTEM", Some("x"), 1000.0),
            ("NONE", None, 0.0),
            ("NONE", Some("NONE"), 0.0),
            ("NONE", Some("SYSTEM"), 1000.0),
        ] {
            free_as_the_store_says(target, of_store, given, system_disk);
        }
    }
}

fn free_as_the_store_says(target: &'static str, of_store: &str, given: Option<&str>, system_disk: f64) {
    let mut zone = zone();
    let persistent = target == "LN_TARGET";
    let size =
        if persistent { "NAME=big TYPE=DATABLOCK SIZE=1000 PERSISTENT=YES" } else { "NAME=big TYPE=DATABLOCK SIZE=1" };
    assert_eq!(zone.ask(ANN, "one.image.allocate", &[text(size), int(STORE), Arg::Bool(false)]), "1");
    drain(&mut zone);
    let given = given.map_or(String::new(), |given| format!(",{target}={given}"));
    let disk = format!("DISK=[IMAGE_ID=1,SIZE=1000{given}]");
    zone.change(|txn| txn.object_mut(Kind::Datastore, 100).expect("the datastore").template.set(target, of_store));
    let system = |zone: &mut Zone| used(zone).get("SYSTEM_DISK_SIZE").copied().unwrap_or(0.0);
    let before = system(&mut zone);
    let vm: i64 = allocate(&mut zone, &format!("CPU=1\nMEMORY=1\n{disk}")).parse().expect("a VM");
    let name = format!("{target} of the datastore {of_store}, template {given}");
    assert!((system(&mut zone) - before - system_disk).abs() < 0.5, "{name}: {:?}", used(&mut zone));
    assert_eq!(zone.ask(ANN, "one.vm.action", &[text("terminate-hard"), int(vm)]), vm.to_string());
    drain(&mut zone);
    assert!((system(&mut zone) - before).abs() < 0.5, "{name}: all is given back");
    assert_eq!(zone.ask(ANN, "one.vm.attach", &[int(0), text(&disk)]), "0");
    assert!((system(&mut zone) - before - system_disk).abs() < 0.5, "{name}, attached: {:?}", used(&mut zone));
}
