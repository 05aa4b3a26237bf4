//! What is noticed outside, unasked: what it does to VMs and hosts, and what it does not.

use quorate_model::api::{Arg, Value};
use quorate_model::command::{Command, Envelope, Observation, Power, RequestId};
use quorate_model::kind::Kind;
use quorate_model::pending::Operation;
use quorate_model::records::host::Host;
use quorate_model::records::host::state::HostState;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State};
use quorate_testkit::zone::{ADMIN, NOW, Zone, int, text};

/// A zone with VM 0 that runs on host 0; host 1 is there too.
fn zone() -> Zone {
    let mut zone = Zone::fresh();
    for host in ["one", "two"] {
        zone.ask(ADMIN, "one.host.allocate", &[text(host), text("im"), text("kvm"), int(-1)]);
    }
    zone.report(|operation| match operation {
        Operation::MonitorHost { .. } => Some(Ok("TOTALCPU=800\nTOTALMEMORY=16777216".to_owned())),
        _ => None,
    });
    zone.ask(ADMIN, "one.vm.allocate", &[text("NAME=v CPU=1 MEMORY=64"), Arg::Bool(false)]);
    zone.call(ADMIN, "one.vm.deploy", &[int(0), int(0), Arg::Bool(false), int(0), text("")]).expect("it is deployed");
    for _ in 0..2 {
        zone.report(|operation| match operation {
            Operation::Transfer { .. } => Some(Ok("-".to_owned())),
            Operation::Vmm { .. } => Some(Ok("one-0".to_owned())),
            _ => None,
        });
    }
    assert_eq!(doing(&zone), (State::Active, LcmState::Running));
    zone
}

fn vm(zone: &Zone) -> &Vm {
    zone.state.find_typed::<Vm>(0).expect("a VM").1
}

fn doing(zone: &Zone) -> (State, LcmState) {
    (vm(zone).state, vm(zone).lcm_state)
}

fn seen(host: i32, power: Power) -> Command {
    Command::Observed(Observation::Vm { host, vm: 0, deploy_id: "one-0".to_owned(), power })
}

/// The same, so many seconds later.
fn later(zone: &mut Zone, seconds: i64, command: Command) {
    let envelope = Envelope { time: NOW + seconds, request: RequestId::default(), entropy: [9; 32], command };
    assert_eq!(zone.state.apply(&envelope).reply, Ok(Value::Bool(true)));
}

#[test]
fn a_vm_is_found_in_another_state() {
    for (power, expected) in [
        (Power::Running, (State::Active, LcmState::Running)),
        (Power::Failure, (State::Active, LcmState::Unknown)),
        (Power::Poweroff, (State::Poweroff, LcmState::LcmInit)),
        (Power::Suspended, (State::Suspended, LcmState::LcmInit)),
    ] {
        let mut zone = zone();
        assert_eq!(zone.apply(seen(0, power)), Ok(Value::Bool(true)));
        assert_eq!(doing(&zone), expected, "{power:?}");
        // Found again: at once when it was unknown, but not so soon after it was stopped.
        let stopped = expected.0 != State::Active;
        later(&mut zone, 29, seen(0, Power::Running));
        assert_eq!(doing(&zone), if stopped { expected } else { (State::Active, LcmState::Running) }, "{power:?}");
        later(&mut zone, 30, seen(0, Power::Running));
        assert_eq!(doing(&zone), (State::Active, LcmState::Running), "{power:?}");
    }
}

#[test]
fn only_the_host_of_a_vm_says_what_it_does() {
    let mut zone = zone();
    let before = zone.state.clone();
    assert_eq!(zone.apply(seen(1, Power::Poweroff)), Ok(Value::Bool(false)));
    let ghost = Observation::Vm { host: 0, vm: 77, deploy_id: String::new(), power: Power::Poweroff };
    assert_eq!(zone.apply(Command::Observed(ghost)), Ok(Value::Bool(false)));
    assert!(zone.state == before && zone.changed.is_empty());
}

#[test]
fn the_hypervisors_name_of_a_vm_is_kept_and_what_is_known_changes_nothing() {
    let mut zone = zone();
    let before = zone.state.clone();
    assert_eq!(zone.apply(seen(0, Power::Running)), Ok(Value::Bool(true)));
    assert!(zone.state == before && zone.changed.is_empty(), "{:?}", zone.changed);
    let renamed = Observation::Vm { host: 0, vm: 0, deploy_id: "n\u{1}w".to_owned(), power: Power::Running };
    zone.apply(Command::Observed(renamed)).expect("it is applied");
    assert_eq!(vm(&zone).deploy_id, "n\u{fffd}w");
}

#[test]
fn a_vm_that_is_being_shut_down_and_found_off_is_off_although_its_driver_has_not_said_so() {
    let mut zone = zone();
    zone.ask(ADMIN, "one.vm.action", &[text("poweroff"), int(0)]);
    assert_eq!(doing(&zone), (State::Active, LcmState::ShutdownPoweroff));
    zone.apply(seen(0, Power::Poweroff)).expect("it is applied");
    assert_eq!(doing(&zone), (State::Poweroff, LcmState::LcmInit));
    let asked = zone.state.pending().values().any(|p| matches!(p.operation, Operation::Vmm { .. }));
    assert!(!asked, "nobody waits for the driver any more");
}

#[test]
fn a_host_grows_and_is_lost_with_its_vms() {
    let mut zone = zone();
    let found = |outcome: Result<&str, &str>| {
        let outcome = outcome.map(str::to_owned).map_err(str::to_owned);
        Command::Observed(Observation::Host { host: 0, outcome })
    };
    let host = |zone: &Zone| zone.state.find_typed::<Host>(0).expect("a host").1.clone();
    assert_eq!(zone.apply(found(Ok("TOTALCPU=1600"))), Ok(Value::Bool(true)));
    assert_eq!((host(&zone).share.total_cpu, host(&zone).state), (1600, HostState::Monitored));
    assert_eq!(zone.apply(found(Err("no route"))), Ok(Value::Bool(true)));
    assert_eq!((host(&zone).state, doing(&zone)), (HostState::Error, (State::Active, LcmState::Unknown)));
    let error = zone.state.find(Kind::Host, 0).expect("a host").template.value("ERROR").to_owned();
    assert!(error.contains("Error monitoring Host one (0): no route"), "{error}");
    // Said once more it changes nothing; a host that is back is monitored.
    assert_eq!(zone.apply(found(Err("still no route"))), Ok(Value::Bool(false)));
    assert!(zone.changed.is_empty());
    zone.apply(found(Ok("TOTALCPU=800"))).expect("it is applied");
    assert_eq!(host(&zone).state, HostState::Monitored);
}
