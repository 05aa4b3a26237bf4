//! A driver operation that is pending when the leader dies goes on under the next one, and is reported once.

use std::time::Duration;

use quorate_drivers::embedded::Behaviour;
use quorate_model::api::Arg;
use quorate_sim_tests::{Crash, Shape, Zone, reproduce};

const MONITORED: &str = "<STATE>2</STATE>";

fn text(text: &str) -> Arg {
    Arg::Str(text.to_owned())
}

#[test]
fn a_pending_operation_survives_the_leader() {
    let behaviour = Behaviour { monitor_delay: Duration::from_secs(3), ..Behaviour::default() };
    let mut zone = Zone::new(reproduce::seed(1), Shape { behaviour, ..Shape::default() });
    let old = zone.elect();
    let survivor = old % 3 + 1;
    let host: i64 = zone
        .value(survivor, "one.host.allocate", &[text("h"), text("dummy"), text("dummy"), Arg::Int(-1)])
        .parse()
        .expect("an id");
    zone.wait("the operation is pending", |zone| zone.published(survivor).state.pending().len() == 1);
    let pending = zone.published(survivor).state.pending().values().next().cloned().expect("one is pending");
    let step = (pending.id, pending.attempt);
    zone.wait("the leader has started it", |zone| !zone.ledger().started(step).is_empty());
    zone.crash(old, Crash::Power { keep: 0 });

    let new = zone.elect();
    assert_ne!(new, old);
    zone.wait("the operation is reported", |zone| zone.published(new).state.pending().is_empty());
    assert_eq!(zone.ledger().started(step), [old, new]);
    let monitored = zone.value(new, "one.host.info", &[Arg::Int(host)]);
    assert!(monitored.contains(MONITORED), "{monitored}");

    // The old leader comes back and does not do it again.
    zone.start(old);
    zone.converge();
    zone.run_for(Duration::from_secs(5));
    assert_eq!(zone.ledger().started(step), [old, new]);
    assert_eq!(zone.value(old, "one.host.info", &[Arg::Int(host)]), monitored);
}

#[test]
fn a_leader_that_is_cut_off_reports_nothing_twice() {
    let behaviour = Behaviour { monitor_delay: Duration::from_secs(2), ..Behaviour::default() };
    let mut zone = Zone::new(reproduce::seed(2), Shape { behaviour, ..Shape::default() });
    let old = zone.elect();
    let host: i64 = zone
        .value(old, "one.host.allocate", &[text("h"), text("dummy"), text("dummy"), Arg::Int(-1)])
        .parse()
        .expect("an id");
    zone.isolate(old);
    zone.wait("another node leads", |zone| zone.leader().is_some_and(|leader| leader != old));
    let new = zone.leader().expect("just seen");
    zone.wait("the operation is reported", |zone| {
        zone.published(new).state.globals().bootstrapped && zone.published(new).state.pending().is_empty()
    });
    // Both have carried it out, and both want to report it.
    zone.run_for(Duration::from_secs(3));
    zone.mend();
    zone.converge();
    for node in zone.ids() {
        assert!(zone.value(node, "one.host.info", &[Arg::Int(host)]).contains(MONITORED));
    }
    assert!(zone.published(old).state.pending().is_empty());
}
