//! A driver's operation whose leader dies goes on outside: the next leader finds out what has become of it, has it
//! begun once, and reports it once. What is given up is ended outside.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use quorate_drivers::embedded::Behaviour;
use quorate_model::api::Arg;
use quorate_model::pending::Operation;
use quorate_sim_tests::drivers::Step;
use quorate_sim_tests::{Crash, Sabotage, Shape, Zone, reproduce};

const MONITORED: &str = "<STATE>2</STATE>";

fn text(text: &str) -> Arg {
    Arg::Str(text.to_owned())
}

fn shape(monitor_delay: Duration) -> Shape {
    Shape { behaviour: Behaviour { monitor_delay, ..Behaviour::default() }, ..Shape::default() }
}

/// Makes a host through a node; its id, and the step of the operation that has it monitored.
fn host(zone: &mut Zone, node: u64) -> (i64, Step) {
    let args = [text("h"), text("dummy"), text("dummy"), Arg::Int(-1)];
    let host = zone.value(node, "one.host.allocate", &args).parse().expect("an id");
    zone.wait("the operation is pending", |zone| !zone.published(node).state.pending().is_empty());
    let pending = zone.published(node).state.pending().values().next().cloned().expect("one is pending");
    (host, (pending.id, pending.attempt))
}

fn is_monitored(zone: &mut Zone, node: u64, host: i64) -> bool {
    zone.value(node, "one.host.info", &[Arg::Int(host)]).contains(MONITORED)
}

/// Elects a leader, has it begin an operation, and cuts its power; the survivor that was asked, the step, the host.
fn begin_and_die(zone: &mut Zone, begun_for: Duration) -> (u64, Step, i64) {
    let old = zone.elect();
    let (host, step) = host(zone, old % 3 + 1);
    zone.wait("the leader has started it", |zone| !zone.ledger().started(step).is_empty());
    zone.run_for(begun_for);
    zone.crash(old, Crash::Power { keep: 0 });
    (old, step, host)
}

#[test]
fn a_job_that_outlives_the_leader_is_waited_for_and_not_begun_again() {
    let mut zone = Zone::new(reproduce::seed(1), shape(Duration::from_secs(4)));
    let (old, step, host) = begin_and_die(&mut zone, Duration::ZERO);
    let new = zone.elect();
    assert_ne!(new, old);
    assert!(!zone.ledger().is_done(step));
    zone.wait("the operation is reported", |zone| zone.published(new).state.pending().is_empty());
    assert!(zone.ledger().is_done(step));
    assert_eq!(zone.ledger().started(step), [old]);
    assert!(is_monitored(&mut zone, new, host));

    // The old leader comes back and does not do it again.
    let reported = zone.value(new, "one.host.info", &[Arg::Int(host)]);
    zone.start(old);
    zone.converge();
    zone.run_for(Duration::from_secs(5));
    assert_eq!(zone.ledger().started(step), [old]);
    assert_eq!(zone.value(old, "one.host.info", &[Arg::Int(host)]), reported);
}

#[test]
fn a_job_that_has_ended_unheard_is_reported_and_not_begun_again() {
    let mut zone = Zone::new(reproduce::seed(3), shape(Duration::from_millis(100)));
    zone.elect();
    zone.ledger().lose_reports(100);
    let (old, step, host) = begin_and_die(&mut zone, Duration::from_secs(1));
    assert!(zone.ledger().is_done(step));
    let new = zone.elect();
    zone.wait("the operation is reported", |zone| zone.published(new).state.pending().is_empty());
    assert_eq!(zone.ledger().started(step), [old]);
    assert!(is_monitored(&mut zone, new, host));
}

#[test]
fn a_job_that_fell_with_the_leader_is_begun_anew() {
    let mut zone = Zone::new(reproduce::seed(4), shape(Duration::from_secs(3)));
    zone.elect();
    zone.ledger().fall_with_nodes(100);
    let (old, step, host) = begin_and_die(&mut zone, Duration::from_millis(500));
    let new = zone.elect();
    zone.wait("the operation is reported", |zone| zone.published(new).state.pending().is_empty());
    assert_eq!(zone.ledger().started(step), [old, new]);
    assert!(is_monitored(&mut zone, new, host));
}

#[test]
fn of_a_leader_that_is_cut_off_and_its_successor_one_begins_it() {
    let mut zone = Zone::new(reproduce::seed(2), shape(Duration::from_secs(2)));
    let old = zone.elect();
    let (host, step) = host(&mut zone, old);
    zone.isolate(old);
    zone.wait("another node leads", |zone| zone.leader().is_some_and(|leader| leader != old));
    let new = zone.leader().expect("just seen");
    zone.wait("the operation is reported", |zone| {
        zone.published(new).state.globals().bootstrapped && zone.published(new).state.pending().is_empty()
    });
    // Both may want to report it.
    zone.run_for(Duration::from_secs(3));
    zone.mend();
    zone.converge();
    assert_eq!(zone.ledger().started(step).len(), 1);
    for node in zone.ids() {
        assert!(is_monitored(&mut zone, node, host));
    }
    assert!(zone.published(old).state.pending().is_empty());
}

/// A zone with a VM whose prolog has begun; its leader, and the prolog's step.
fn prolog(seed: u64, sabotage: Option<Sabotage>) -> (Zone, u64, Step) {
    let behaviour =
        Behaviour { monitor_delay: Duration::from_millis(10), delay: Duration::from_secs(3), ..Behaviour::default() };
    let mut zone = Zone::new(reproduce::seed(seed), Shape { behaviour, sabotage, ..Shape::default() });
    let leader = zone.elect();
    let (host, _) = host(&mut zone, leader);
    zone.wait("the host is monitored", |zone| zone.published(leader).state.pending().is_empty());
    let vm = zone.value(leader, "one.vm.allocate", &[text("CPU=1 MEMORY=64"), Arg::Bool(false)]);
    let vm = Arg::Int(vm.parse().expect("an id"));
    zone.value(leader, "one.vm.deploy", &[vm, Arg::Int(host), Arg::Bool(false), Arg::Int(-1), text("")]);
    let prolog = |zone: &Zone| {
        let pending = zone.published(leader).state.pending().clone();
        let found = pending.values().find(|p| matches!(p.operation, Operation::Transfer { .. })).cloned();
        found.map(|pending| (pending.id, pending.attempt))
    };
    zone.wait("the prolog has begun", |zone| prolog(zone).is_some_and(|step| !zone.ledger().started(step).is_empty()));
    let step = prolog(&zone).expect("just seen");
    (zone, leader, step)
}

#[test]
fn what_is_given_up_is_ended_outside() {
    let (mut zone, leader, step) = prolog(5, None);
    give_up(&mut zone, leader);
    assert!(!zone.ledger().is_done(step), "its job went on to its end");
}

/// Recovers the VM with delete: it is gone at once, and its files are removed.
fn give_up(zone: &mut Zone, node: u64) {
    zone.value(node, "one.vm.recover", &[Arg::Int(0), Arg::Int(3)]);
    zone.wait("nothing is pending", |zone| zone.published(node).state.pending().is_empty());
    zone.run_for(Duration::from_secs(5));
}

#[test]
fn a_leader_that_ends_only_the_waiting_is_noticed() {
    let (mut zone, leader, _) = prolog(5, Some(Sabotage::UnendedJobs));
    let noticed = catch_unwind(AssertUnwindSafe(|| give_up(&mut zone, leader))).expect_err("nothing was noticed");
    let text = noticed.downcast_ref::<String>().cloned().unwrap_or_default();
    assert!(text.contains("went on there"), "{text}");
}

#[test]
fn what_the_next_leader_gives_up_is_ended_outside_although_another_had_it_begun() {
    let (mut zone, old, step) = prolog(6, None);
    zone.crash(old, Crash::Power { keep: 0 });
    let new = zone.elect();
    give_up(&mut zone, new);
    assert_eq!(zone.ledger().started(step), [old]);
    assert!(!zone.ledger().is_done(step), "its job went on to its end");
}
