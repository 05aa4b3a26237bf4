//! What a rollout brings to VMs is bounded by what their owners may have, and binds nobody else.

use proptest::prelude::*;
use quorate_model::api::Arg;
use quorate_model::command::Command;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::acl::{self, Acl};
use quorate_model::records::rollout::Rollout;
use quorate_model::records::secgroup::SecGroup;
use quorate_model::records::vnet::Vnet;
use quorate_state_machine::pools::acl::changes;
use quorate_state_machine::sizes;
use quorate_testkit::tenant::{self, ANN, UID, drain};
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// The session of another tenant, who may do as much as ann.
const BOB: &str = "bob:pw";

/// Ann, bob, and bob's group 100, which ann's VM 0 uses; the VM runs.
fn zone() -> Zone {
    let kinds = [Kind::Vm, Kind::Net, Kind::Image, Kind::Datastore, Kind::SecGroup];
    let ops = [Op::Use, Op::Manage, Op::Create];
    let mut zone = tenant::zone(&kinds, &ops);
    zone.call(ADMIN, "one.user.allocate", &[text("bob"), text("pw"), text(""), Arg::Ints(vec![1])]).expect("bob");
    let rule = Acl {
        user: acl::who(acl::INDIVIDUAL, 3),
        resource: acl::on(&kinds, acl::ALL, 0),
        rights: acl::rights(&ops),
        zone: acl::ALL,
    };
    zone.change(|txn| changes::add(txn, rule)).expect("a rule");
    let group = text("NAME=group RULE=[PROTOCOL=TCP,RULE_TYPE=INBOUND,RANGE=1000]");
    assert_eq!(zone.ask(BOB, "one.secgroup.allocate", &[group]), "100");
    assert_eq!(new_vm(&mut zone, "CONTEXT=[A=B]"), "0");
    zone
}

/// One more VM of ann's, which runs and is in groups 0 and 100.
fn new_vm(zone: &mut Zone, more: &str) -> String {
    let template = format!("CPU=0.1 MEMORY=8 NIC=[NETWORK_ID=0,SECURITY_GROUPS=\"0,100\"] {more}");
    let reply = zone.ask(ANN, "one.vm.allocate", &[text(&template), Arg::Bool(false)]);
    if let Ok(vm) = reply.parse() {
        let deploy = [int(vm), int(0), Arg::Bool(false), int(-1), text("")];
        zone.call(ADMIN, "one.vm.deploy", &deploy).expect("there is room on the host");
    }
    drain(zone);
    reply
}

/// Ann may own so many bytes more than she owns now.
fn leave(zone: &mut Zone, more: i64) -> u64 {
    let set = |zone: &mut Zone, limit: u64| {
        let limit = text(&format!("OWNED_SIZE_MAX={limit:010}"));
        assert_eq!(zone.ask(ADMIN, "one.user.update", &[int(2), limit, int(1)]), "2");
    };
    set(zone, 0);
    let limit = zone.state.owned(UID).saturating_add_signed(more);
    set(zone, limit);
    limit
}

fn rules(ranges: impl IntoIterator<Item = u32>) -> Arg {
    let rule = |range| format!("RULE=[PROTOCOL=TCP,RULE_TYPE=INBOUND,RANGE={range}]\n");
    text(&ranges.into_iter().map(rule).collect::<String>())
}

fn group(zone: &Zone, id: i32) -> &Rollout {
    &zone.state.get::<SecGroup>(id).expect("the group").1.vms
}

#[test]
fn a_full_owner_keeps_nobody_from_changing_a_security_group() {
    for (session, id) in [(ADMIN, 0), (ADMIN, 100), (BOB, 100)] {
        let mut zone = zone();
        leave(&mut zone, 0);
        let before = zone.state.owned(UID);
        let reply = zone.ask(session, "one.secgroup.update", &[int(id), rules(1000..1100), int(1)]);
        assert_eq!(reply, id.to_string());
        let vms = group(&zone, id as i32);
        assert!(vms.error.contains(&0) && vms.updated.is_empty() && vms.outdated.is_empty(), "{vms:?}");
        assert_eq!(zone.state.owned(UID), before);
        // With room she gets them.
        leave(&mut zone, 1_000_000);
        assert_eq!(zone.ask(session, "one.secgroup.commit", &[int(id), Arg::Bool(true)]), id.to_string());
        drain(&mut zone);
        assert!(group(&zone, id as i32).updated.contains(&0));
    }
}

/// The rules are as long as before; what is kept free for the VM's changed document is more.
#[test]
fn a_rollout_counts_what_the_commit_counts() {
    for room in [-1, 0, 1, 100, 1_000, 10_000] {
        let mut zone = zone();
        let limit = leave(&mut zone, room);
        assert_eq!(zone.ask(BOB, "one.secgroup.update", &[int(100), rules([2000]), int(0)]), "100");
        let brought = !group(&zone, 100).error.contains(&0);
        assert_eq!(brought, room == 10_000, "{room}");
        assert!(zone.state.owned(UID) <= limit || !brought, "{room}");
        drain(&mut zone);
        assert_eq!(sizes::recount(&zone.state).get(&UID), Some(&zone.state.owned(UID)));
    }
}

#[test]
fn what_is_shared_can_be_used_though_its_owner_is_far_above_the_limit() {
    let mut zone = zone();
    let image = [text("NAME=i TYPE=DATABLOCK SIZE=1"), int(tenant::STORE), Arg::Bool(false)];
    assert_eq!(zone.ask(ANN, "one.image.allocate", &image), "0");
    assert_eq!(zone.ask(ANN, "one.vn.reserve", &[int(0), text("NAME=r SIZE=20")]), "1");
    drain(&mut zone);
    let for_all = [1, -1, -1, -1, -1, -1, -1, 1, 1, -1].map(int);
    assert_eq!(zone.ask(ADMIN, "one.vn.chmod", &for_all), "1");
    leave(&mut zone, -100_000_000);
    for _ in 0..12 {
        let template = text("CPU=0.1 MEMORY=8 NIC=[NETWORK_ID=1] DISK=[IMAGE_ID=0]");
        let reply = zone.ask(BOB, "one.vm.allocate", &[template, Arg::Bool(true)]);
        assert!(reply.parse::<i32>().is_ok(), "{reply}");
    }
    // What he changes of hers, or makes hers, is bounded as if she did it.
    let large = text(&format!("F=\"{}\"", "x".repeat(10_000)));
    for (method, args) in [
        ("one.vm.update", vec![int(0), large.clone(), int(1)]),
        ("one.image.update", vec![int(0), large.clone(), int(1)]),
        ("one.vn.update_ar", vec![int(1), text(&format!("AR=[AR_ID=0,F=\"{}\"]", "x".repeat(10_000)))]),
        ("one.vm.updateconf", vec![int(0), text(&format!("CONTEXT=[C=\"{}\"]", "x".repeat(10_000))), int(1)]),
    ] {
        let refusal = zone.ask(BOB, method, &args);
        assert!(refusal.contains("All that user 2 owns would have"), "{method}: {refusal}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(24) })]
    #[test]
    fn no_rollout_brings_an_owner_above_the_limit_or_is_refused_to_others(
        room in 0i64..40_000,
        vms in 1usize..5,
        steps in prop::collection::vec((0u8..4, 1u32..60), 1..12),
    ) {
        let mut zone = zone();
        for vm in 1..vms {
            new_vm(&mut zone, &format!("CONTEXT=[A=\"{}\"]", "x".repeat(vm * 500)));
        }
        let limit = leave(&mut zone, room);
        for (what, count) in steps {
            let guest_mtu = text(&format!("GUEST_MTU={count} F_X=\"{}\"", "y".repeat(count as usize)));
            let reply = match what {
                0 => zone.ask(BOB, "one.secgroup.update", &[int(100), rules(1000..1000 + count), int(0)]),
                1 => zone.ask(ADMIN, "one.secgroup.update", &[int(0), rules(2000..2000 + count), int(0)]),
                2 => zone.ask(BOB, "one.secgroup.commit", &[int(100), Arg::Bool(true)]),
                _ => zone.ask(ADMIN, "one.vn.update", &[int(0), guest_mtu, int(1)]),
            };
            prop_assert!(reply == "100" || reply == "0", "{reply}");
            drain(&mut zone);
            zone.apply(Command::Tick).expect("ticks are accepted");
            drain(&mut zone);
            prop_assert!(zone.state.owned(UID) <= limit, "{} of {limit}", zone.state.owned(UID));
            let counted = sizes::recount(&zone.state).get(&UID).copied();
            prop_assert_eq!(counted, Some(zone.state.owned(UID)));
        }
    }
}

#[test]
fn a_large_rollout_does_not_keep_later_ones_waiting_for_ever() {
    let mut zone = zone();
    // Each VM takes a good part of what one entry may make.
    for vm in 0..40 {
        let template = text("NAME=v CPU=0.1 MEMORY=8 NIC=[NETWORK_ID=0,SECURITY_GROUPS=\"0\"]");
        assert!(zone.ask(ADMIN, "one.vm.allocate", &[template, Arg::Bool(true)]).parse::<i32>().is_ok(), "{vm}");
    }
    assert_eq!(zone.ask(ADMIN, "one.secgroup.update", &[int(0), rules(0..3000), int(0)]), "0");
    assert!(!group(&zone, 0).outdated.is_empty());
    zone.change(|txn| {
        for vm in 1..=3 {
            txn.body_mut::<Vnet>(0).expect("the network").vms.outdated.insert(vm);
        }
    });
    let network = |zone: &Zone| zone.state.get::<Vnet>(0).expect("the network").1.vms.outdated.is_empty();
    let mut ticks = 0;
    while !network(&zone) && !group(&zone, 0).outdated.is_empty() {
        zone.apply(Command::Tick).expect("ticks are accepted");
        ticks += 1;
        assert!(ticks < 100);
    }
    assert!(network(&zone), "the network waited for the group");
}
