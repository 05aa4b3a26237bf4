//! Whatever one call names, what it makes is bounded while it grows: values of variables, contexts, files, what
//! interfaces and disks inherit, copies of rules. And what a rollout makes with one entry of the log.

use proptest::prelude::*;
use quorate_model::api::Arg;
use quorate_model::command::Command;
use quorate_model::kind::Kind;
use quorate_model::records::secgroup::SecGroup;
use quorate_model::records::vm::Vm;
use quorate_state_machine::budget;
use quorate_testkit::zone::{ADMIN, NOW, Zone, int, text};

const ANN: &str = "ann:pw";
/// The end of the refusal of what would be too large, and of what would take too long.
const BYTES: &str = "bytes would be made by one call.";
const STEPS: &str = "steps would be taken by one call.";

/// A zone with a plain user, who may use a network of the administrator's.
fn zone() -> Zone {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text("core"), Arg::Ints(vec![])]), "2");
    let network = "NAME=net VN_MAD=dummy BRIDGE=br AR=[TYPE=IP4,IP=10.0.0.1,SIZE=2000]";
    assert_eq!(zone.ask(ADMIN, "one.vn.allocate", &[text(network), int(-1)]), "0");
    zone.drain();
    zone
}

fn allocate(zone: &mut Zone, session: &str, template: &str) -> String {
    zone.ask(session, "one.vm.allocate", &[text(&format!("CPU=1\nMEMORY=1\n{template}")), Arg::Bool(true)])
}

/// Found by attack: each such call was expanded to 61 MB in every node's apply, and only then refused; two connections
/// that sent nothing else made everybody's writes take a third of a second.
#[test]
fn a_tenants_call_makes_little_more_than_a_tenant_may_have() {
    let mut zone = zone();
    let parts: Vec<String> = (0..5500).map(|n| format!("B{n}=$A")).collect();
    let template = format!("A=\"{}\"\nCONTEXT=[{}]", "z".repeat(11_000), parts.join(","));
    let refused = allocate(&mut zone, ANN, &template);
    assert!(refused.ends_with("More than 8388608 bytes would be made by one call."), "{refused:.200}");
    // An administrator's call has the whole budget, and fails for the size of what it made.
    let refused = allocate(&mut zone, ADMIN, &template);
    assert!(refused.contains("the limit is 16777216 (OBJECT_SIZE_MAX_ADMIN)"), "{refused:.200}");
}

#[test]
fn values_in_many_vectors_share_one_budget() {
    let mut zone = zone();
    let big = format!("BIG=\"{}\"\n", "X".repeat(500_000));
    let clouds = format!("PUBLIC_CLOUD=[A=\"{}\"]\n", "$BIG ".repeat(15)).repeat(1200);
    let refused = allocate(&mut zone, ANN, &format!("{big}{clouds}"));
    assert!(refused.ends_with(BYTES), "{refused:.200}");
    // What a template of a reasonable size says is expanded as ever.
    let made = allocate(&mut zone, ANN, "BIG=x\nPUBLIC_CLOUD=[A=\"$BIG \"]");
    assert!(made.parse::<i32>().is_ok(), "{made}");
}

#[test]
fn looking_for_vectors_that_are_not_there_is_bounded() {
    let mut zone = zone();
    let inputs = "INPUT=[B=\"x\"]\n".repeat(3000);
    let refused = allocate(&mut zone, ANN, &format!("{inputs}PUBLIC_CLOUD=[A=\"{}\"]", "$INPUT[A,B=C]".repeat(3000)));
    assert!(refused.ends_with(STEPS), "{refused:.200}");
}

#[test]
fn the_files_of_a_context_are_bounded() {
    let mut zone = zone();
    let source = format!("NAME=f\nTYPE=CONTEXT\nSIZE=1\nFORMAT=raw\nSOURCE=\"/{}\"", "y".repeat(900_000));
    let made = zone.ask(ADMIN, "one.image.allocate", &[text(&source), int(2), Arg::Bool(false)]);
    assert_eq!(made, "0");
    zone.drain();
    let files = |n| format!("CONTEXT=[A=B,FILES_DS=\"{}\"]", "$FILE[IMAGE_ID=0] ".repeat(n));
    let refused = allocate(&mut zone, ADMIN, &files(500));
    assert!(refused.ends_with(BYTES), "{refused:.200}");
    let made = allocate(&mut zone, ADMIN, &files(2));
    assert!(made.parse::<i32>().is_ok(), "{made}");
}

#[test]
fn what_interfaces_take_from_defaults_is_bounded() {
    let mut zone = zone();
    let refused = allocate(
        &mut zone,
        ADMIN,
        &format!("NIC_DEFAULT=[DNS=\"{}\"]\n{}", "d".repeat(900_000), "NIC=[NETWORK_ID=0]\n".repeat(200)),
    );
    assert!(refused.ends_with(BYTES), "{refused:.200}");
}

/// A group of ann's with as many rules as it is given, and this number of held VMs in it.
fn grouped(zone: &mut Zone, session: &str, vms: usize) {
    let group = "NAME=group RULE=[PROTOCOL=TCP,RULE_TYPE=INBOUND]";
    assert_eq!(zone.ask(session, "one.secgroup.allocate", &[text(group)]), "100");
    for vm in 0..vms {
        let made = allocate(zone, session, "NIC=[NETWORK_ID=0,SECURITY_GROUPS=\"100\"]");
        assert_eq!(made, vm.to_string());
    }
}

fn rules(count: usize) -> Arg {
    let rule = |port| format!("RULE=[PROTOCOL=TCP,RULE_TYPE=INBOUND,RANGE={port}]\n");
    text(&(1..=count).map(rule).collect::<String>())
}

fn group(zone: &Zone) -> &SecGroup {
    zone.state.get::<SecGroup>(100).expect("the group").1
}

fn rules_of(zone: &Zone, vm: i32) -> usize {
    let vm = zone.state.get::<Vm>(vm).expect("a VM").1;
    vm.template.vectors("SECURITY_GROUP_RULE").filter(|rule| rule.id("SECURITY_GROUP_ID") == Some(100)).count()
}

#[test]
fn rules_that_owners_have_no_room_for_are_refused_before_they_are_copied() {
    let mut zone = zone();
    grouped(&mut zone, ANN, 100);
    let refused = zone.ask(ANN, "one.secgroup.update", &[int(100), rules(3000), int(0)]);
    assert!(refused.contains("All that user 2 owns would have") && refused.contains("OWNED_SIZE_MAX"), "{refused}");
    assert_eq!(rules_of(&zone, 0), 1);
    assert_eq!(zone.ask(ANN, "one.secgroup.update", &[int(100), rules(5), int(0)]), "100");
    assert!((0..100).all(|vm| rules_of(&zone, vm) == 5));
}

#[test]
fn a_rollout_makes_no_more_than_so_much_with_one_entry_and_goes_on_with_the_next() {
    let mut zone = zone();
    grouped(&mut zone, ADMIN, 300);
    assert_eq!(zone.ask(ADMIN, "one.secgroup.update", &[int(100), rules(3), int(0)]), "100");
    let done = group(&zone).vms.updated.len();
    assert!((200..300).contains(&done), "{done}");
    assert_eq!(group(&zone).vms.outdated.len(), 300 - done);
    zone.apply(Command::Tick).expect("ticks are accepted");
    assert!(group(&zone).vms.outdated.is_empty() && group(&zone).vms.error.is_empty());
    assert!((0..300).all(|vm| rules_of(&zone, vm) == 3));
    // Large rules come to fewer VMs with one entry.
    assert_eq!(zone.ask(ADMIN, "one.secgroup.update", &[int(100), rules(3000), int(0)]), "100");
    let done = group(&zone).vms.updated.len();
    assert!((1..30).contains(&done), "{done}");
    let mut entries = 1;
    while !group(&zone).vms.outdated.is_empty() {
        zone.apply(Command::Tick).expect("ticks are accepted");
        entries += 1;
    }
    assert!(entries < 301 && group(&zone).vms.updated.len() == 300, "{entries}");
}

#[test]
fn a_rule_about_a_network_of_many_ranges_is_not_copied_without_end() {
    let mut zone = zone();
    for range in 0..60 {
        let range = text(&format!("AR=[TYPE=IP4,IP=10.1.{range}.1,SIZE=2]"));
        assert_eq!(zone.ask(ADMIN, "one.vn.add_ar", &[int(0), range]), "0");
    }
    zone.drain();
    let rule = |port| format!("RULE=[PROTOCOL=TCP,RULE_TYPE=INBOUND,NETWORK_ID=0,RANGE={port}]\n");
    let group = format!("NAME=group\n{}", (1..=3000).map(rule).collect::<String>());
    assert_eq!(zone.ask(ADMIN, "one.secgroup.allocate", &[text(&group)]), "100");
    let refused = allocate(&mut zone, ADMIN, "NIC=[NETWORK_ID=0,SECURITY_GROUPS=\"100\"]");
    assert!(refused.ends_with(BYTES), "{refused:.200}");
}

#[test]
fn a_template_of_very_many_disks_is_not_described_without_end() {
    let mut zone = zone();
    let source = format!("NAME=d\nTYPE=DATABLOCK\nSIZE=1\nFORMAT=raw\nSOURCE=\"/{}\"", "y".repeat(900_000));
    assert_eq!(zone.ask(ADMIN, "one.image.allocate", &[text(&source), int(1), Arg::Bool(false)]), "0");
    zone.drain();
    let disks = "DISK=[IMAGE_ID=0]\n".repeat(8000);
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text(&format!("NAME=t\n{disks}"))]), "0");
    let refused = zone.ask(ADMIN, "one.template.info", &[int(0), Arg::Bool(true)]);
    assert!(refused.ends_with(BYTES), "{refused:.200}");
    let refused = allocate(&mut zone, ADMIN, &disks);
    assert!(refused.ends_with(BYTES) || refused.contains("maximum number of disks"), "{refused:.200}");
}

/// A template whose values name one another, a few kilobytes long.
fn templates() -> impl Strategy<Value = String> {
    let value = prop::sample::select(vec![
        "$BIG ",
        "$TEMPLATE ",
        "$USER[TEMPLATE] ",
        "$INPUT[A] ",
        "$INPUT[A,B=C] ",
        "$NETWORK[TEMPLATE,NIC_ID=0] ",
        "x",
    ]);
    let values = (value, 1..200_usize).prop_map(|(value, times)| value.repeat(times));
    let name = prop::sample::select(vec!["PUBLIC_CLOUD", "EC2", "INPUT", "CONTEXT"]);
    let vectors = (name, values, 1..60_usize).prop_map(|(name, value, times)| {
        let times = if name == "CONTEXT" { 1 } else { times };
        format!("{name}=[A=\"{value}\"]\n").repeat(times)
    });
    (prop::collection::vec(vectors, 1..5), 0..100_000_usize)
        .prop_map(|(vectors, big)| format!("BIG=\"{}\"\nNIC=[NETWORK_ID=0]\n{}", "b".repeat(big), vectors.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn a_call_makes_no_more_than_its_budget(template in templates()) {
        let mut zone = zone();
        allocate(&mut zone, ADMIN, &template);
        let made = zone.state.find(Kind::Vm, 0).map_or(0, |vm| {
            let body = zone.state.get::<Vm>(0).expect("the VM").1;
            vm.template.memory() + body.template.memory()
        });
        // What was given, once more for each copy that is kept, and the budget.
        prop_assert!(made <= budget::BYTES + 4 * template.len() as u64, "{made}");
        prop_assert_eq!(zone.state.globals().time, NOW);
    }
}
