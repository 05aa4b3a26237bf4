//! Networks and security groups: rules that the recordings do not show.

use quorate_model::body::Variant;
use quorate_model::command::Command;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::{DriverReport, Operation, PendingOperation};
use quorate_model::records::secgroup::SecGroup;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::history::History;
use quorate_model::records::vm::state::{LcmState, State as VmState};
use quorate_model::records::vnet::holder::Holder;
use quorate_model::records::vnet::{State as NetState, Vnet};
use quorate_model::set::Set;
use quorate_model::template::VectorAttribute;
use quorate_state_machine::pools::secgroup;
use quorate_state_machine::pools::vm::history;
use quorate_state_machine::pools::vnet::nic;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// What a driver says when it has nothing to say (base64 of `-`).
const NOTHING: &str = "LQ==";

/// What these tests ask of a zone.
trait Networks {
    fn pending(&self) -> Vec<PendingOperation>;
    /// A driver's answer.
    fn answer(&mut self, operation: &PendingOperation, outcome: Result<&str, &str>);
    /// A network that is ready; returns its id.
    fn network(&mut self, attributes: &str) -> i32;
    /// A VM in a state with a NIC in a network, on a host when it is active.
    fn vm_in(&mut self, network: i32, state: VmState, lcm_state: LcmState) -> i32;
    fn vm(&self, id: i32) -> &Vm;
    fn nic(&self, vm: i32, name: &str) -> String;
}

impl Networks for Zone {
    fn pending(&self) -> Vec<PendingOperation> {
        self.state.pending().values().map(|operation| (**operation).clone()).collect()
    }

    fn answer(&mut self, operation: &PendingOperation, outcome: Result<&str, &str>) {
        let outcome = outcome.map(str::to_owned).map_err(str::to_owned);
        let report = DriverReport { operation: operation.id, attempt: operation.attempt, outcome };
        self.apply(Command::Report(report)).expect("a report is never refused");
    }

    fn network(&mut self, attributes: &str) -> i32 {
        let template = format!("NAME=net{} VN_MAD=bridge {attributes}", self.state.pool(Kind::Net).len());
        let id = self.ask(ADMIN, "one.vn.allocate", &[text(&template), int(-1)]);
        self.drain();
        id.parse().unwrap_or_else(|_| panic!("allocate: {id}"))
    }

    fn vm_in(&mut self, network: i32, state: VmState, lcm_state: LcmState) -> i32 {
        self.change(|txn| {
            let vm = Vm { state, lcm_state, ..Vm::default() };
            let id = txn.insert(Object::new("vm", Default::default(), vm));
            let mut nic = VectorAttribute::from_iter([("NETWORK_ID", network)]);
            nic::attach(txn, Holder::Vm(id), 0, 0, &mut nic).expect("there is a lease");
            secgroup::vms::add_vm(txn, id, &secgroup::vms::groups_of([&nic]));
            let object = txn.object_mut(Kind::Vm, id).expect("it was just made");
            if let Some(vm) = Vm::of_mut(&mut object.body) {
                vm.template.add_vector("NIC", nic);
            }
            history::push(object, History { hid: 0, rstime: 1, ..History::default() });
            id
        })
    }

    fn vm(&self, id: i32) -> &Vm {
        self.state.get::<Vm>(id).expect("the VM exists").1
    }

    fn nic(&self, vm: i32, name: &str) -> String {
        self.vm(vm).nic(0).map(|(_, nic)| nic.value(name).to_owned()).unwrap_or_default()
    }
}

fn ids(list: &Set<i32>) -> Vec<i32> {
    list.iter().copied().collect()
}

#[test]
fn a_late_answer_of_the_driver_changes_nothing() {
    let mut zone = Zone::fresh();
    let allocate = [text("NAME=slow VN_MAD=bridge AR=[TYPE=IP4,IP=10.0.0.1,SIZE=2]"), int(-1)];
    assert_eq!(zone.ask(ADMIN, "one.vn.allocate", &allocate), "0");
    let asked = zone.pending();
    assert_eq!(zone.ask(ADMIN, "one.vn.recover", &[int(0), int(0)]), "0");
    assert_eq!(zone.net(0).state, NetState::Error);
    asked.iter().for_each(|operation| zone.answer(operation, Ok(NOTHING)));
    assert_eq!(zone.net(0).state, NetState::Error, "an administrator has said that it failed");
    assert_eq!(zone.ask(ADMIN, "one.vn.recover", &[int(0), int(1)]), "0");
    assert_eq!(zone.net(0).state, NetState::Ready);
}

#[test]
fn what_the_driver_answers_joins_the_template_and_its_ranges_the_network() {
    let mut zone = Zone::fresh();
    zone.ask(ADMIN, "one.vn.allocate", &[text("NAME=elastic VN_MAD=bridge"), int(-1)]);
    let asked = zone.pending();
    // "NOTE=\"made\" AR=[TYPE=IP4,IP=10.9.0.1,SIZE=3]" in base64.
    let answer = "Tk9URT0ibWFkZSIgQVI9W1RZUEU9SVA0LElQPTEwLjkuMC4xLFNJWkU9M10=";
    asked.iter().for_each(|operation| zone.answer(operation, Ok(answer)));
    let (object, network) = zone.state.get::<Vnet>(0).expect("network 0");
    assert_eq!(object.template.value("NOTE"), "made");
    assert!(!object.template.contains("AR"));
    assert_eq!(network.ranges.get(0).map(|range| range.size), Some(3));
}

#[test]
fn the_driver_still_learns_which_network_recovery_deleted() {
    let mut zone = Zone::fresh();
    zone.ask(ADMIN, "one.vn.allocate", &[text("NAME=gone VN_MAD=bridge"), int(-1)]);
    assert_eq!(zone.ask(ADMIN, "one.vn.recover", &[int(0), int(2)]), "0");
    assert_eq!(zone.ask(ADMIN, "one.vn.info", &[int(0)]), "Error getting virtual network [0].");
    let asked = zone.pending();
    let deletion = asked.iter().find_map(|pending| match &pending.operation {
        Operation::Network { action, document, .. } => Some((action.name(), document.is_some())),
        _ => None,
    });
    assert_eq!(deletion, Some(("VNET_DELETE", true)), "the driver gets what it can no longer look up");
    zone.drain();
    assert!(zone.pending().is_empty());
}

#[test]
fn reserved_vlan_ids_are_never_chosen_and_freed_ones_are_again() {
    let mut zone = Zone::fresh();
    let allocate = |zone: &mut Zone, name: &str| {
        let template = format!("NAME={name} VN_MAD=ovswitch AUTOMATIC_VLAN_ID=YES");
        let id = zone.ask(ADMIN, "one.vn.allocate", &[text(&template), int(-1)]);
        zone.drain();
        zone.net(id.parse().expect("an id")).vlan_id.clone()
    };
    assert_eq!(allocate(&mut zone, "a"), "2");
    assert_eq!(allocate(&mut zone, "b"), "3");
    zone.ask(ADMIN, "one.vn.delete", &[int(0)]);
    zone.drain();
    // Network 4093 starts over: 2 is free again, 0, 1 and 4095 are reserved.
    zone.change(|txn| txn.globals_mut().next_ids.insert(Kind::Net, 4092));
    assert_eq!(allocate(&mut zone, "c"), "4094");
    assert_eq!(allocate(&mut zone, "d"), "2");
    assert_eq!(allocate(&mut zone, "e"), "4", "the id that is hinted at is taken, so the lowest free one");
}

#[test]
fn a_reservation_ends_within_its_range() {
    let mut zone = Zone::fresh();
    zone.network("AR=[TYPE=IP4,IP=10.0.0.1,SIZE=4]");
    let beyond = zone.ask(ADMIN, "one.vn.reserve", &[int(0), text("NAME=r SIZE=2 AR_ID=0 IP=10.0.0.4")]);
    assert_eq!(beyond, "Not enough free addresses in address range 0, or it does not exist");
    assert_eq!(zone.net(0).ranges.used(), 0);
    assert_eq!(zone.ask(ADMIN, "one.vn.reserve", &[int(0), text("NAME=r SIZE=2 AR_ID=0 IP=10.0.0.3")]), "2");
    assert!(zone.state.find(Kind::Net, 1).is_none(), "the refused one took an id and nothing else");
}

#[test]
fn one_call_cannot_reserve_more_than_a_zone_can_keep() {
    let mut zone = Zone::fresh();
    zone.network("AR=[TYPE=IP6_STATIC,IP6=\"2001:db8::\",PREFIX_LENGTH=64]");
    let huge = zone.ask(ADMIN, "one.vn.reserve", &[int(0), text("NAME=r SIZE=2000000000")]);
    assert_eq!(huge, "Virtual network 0 would have 2000000000 used leases, the limit is 65536 (NETWORK_LEASES_MAX)");
    assert_eq!(zone.net(0).ranges.used(), 0);
}

#[test]
fn a_held_address_does_not_stop_the_change_of_an_inherited_attribute() {
    let mut zone = Zone::fresh();
    zone.network("AR=[TYPE=IP4,IP=10.0.0.1,SIZE=4]");
    zone.ask(ADMIN, "one.vn.hold", &[int(0), text("LEASES=[IP=10.0.0.2]")]);
    assert_eq!(zone.ask(ADMIN, "one.vn.update_ar", &[int(0), text("AR=[AR_ID=0,MTU=1400]")]), "0");
    let xml = zone.ask(ADMIN, "one.vn.info", &[int(0)]);
    assert!(xml.contains("<MTU><![CDATA[1400]]></MTU>"), "{xml}");
    assert!(!xml.contains("VNET_UPDATE"), "no VM has to be changed: {xml}");
}

#[test]
fn who_may_only_use_a_network_sees_no_leases_of_others() {
    let mut zone = Zone::fresh();
    let ann = [text("ann"), text("pw"), text("core"), common_ints(&[])];
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &ann), "2");
    zone.network("AR=[TYPE=IP4,IP=10.0.0.1,SIZE=9]");
    zone.ask(ADMIN, "one.vn.hold", &[int(0), text("LEASES=[IP=10.0.0.9]")]);
    zone.ask(ADMIN, "one.vn.reserve", &[int(0), text("NAME=theirs SIZE=1")]);
    assert_eq!(zone.ask("ann:pw", "one.vn.reserve", &[int(0), text("NAME=mine SIZE=1")]), "2");
    let seen = zone.ask("ann:pw", "one.vn.info", &[int(0)]);
    assert!(seen.contains("<USED_LEASES>3</USED_LEASES>"), "{seen}");
    assert_eq!(seen.matches("<LEASE>").count(), 1, "{seen}");
    assert!(seen.contains("<VNET><![CDATA[2]]></VNET>"), "{seen}");
}

#[test]
fn a_rule_about_a_network_is_one_for_each_of_its_ranges() {
    let mut zone = Zone::fresh();
    zone.network(
        "AR=[TYPE=IP4,IP=10.0.0.1,SIZE=4] AR=[TYPE=IP6,MAC=\"02:00:00:00:00:01\",SIZE=2,ULA_PREFIX=\"fd00::\"]",
    );
    let group =
        text("NAME=web RULE=[PROTOCOL=TCP,RULE_TYPE=INBOUND,NETWORK_ID=0] RULE=[PROTOCOL=ALL,RULE_TYPE=OUTBOUND]");
    assert_eq!(zone.ask(ADMIN, "one.secgroup.allocate", &[group]), "100");
    let rules = zone.change(|txn| secgroup::vms::rules_for(txn, &[100, 777])).expect("few enough");
    let told: Vec<[&str; 3]> =
        rules.iter().map(|rule| ["IP", "IP6_ULA", "SIZE"].map(|name| rule.value(name))).collect();
    assert_eq!(told, [["10.0.0.1", "", "4"], ["", "fd00::ff:fe00:1", "2"], ["", "", ""]]);
    assert!(rules.iter().all(|rule| rule.value("SECURITY_GROUP_NAME") == "web"));
}

#[test]
fn a_change_of_a_network_reaches_its_vms_one_after_the_other() {
    let mut zone = Zone::fresh();
    zone.network("MTU=1500 AR=[TYPE=IP4,IP=10.0.0.1,SIZE=9]");
    let first = zone.vm_in(0, VmState::Active, LcmState::Running);
    let second = zone.vm_in(0, VmState::Active, LcmState::Running);
    let off = zone.vm_in(0, VmState::Poweroff, LcmState::LcmInit);
    let booting = zone.vm_in(0, VmState::Active, LcmState::Boot);
    assert_eq!(zone.ask(ADMIN, "one.vn.update", &[int(0), text("MTU=9000"), int(1)]), "0");
    assert_eq!(zone.nic(first, "MTU"), "9000");
    assert_eq!(zone.vm(first).lcm_state, LcmState::HotplugNic);
    assert_eq!(zone.vm(first).template.vector("VNET_UPDATE").map(|v| v.value("MTU").to_owned()), Some("1500".into()));
    assert_eq!(zone.vm(first).history.len(), 2, "the change is a record of its own");
    assert_eq!(
        (ids(&zone.net(0).vms.updating), ids(&zone.net(0).vms.outdated)),
        (vec![first], vec![second, off, booting])
    );

    let asked = zone.pending();
    assert_eq!(asked[0].operation, Operation::UpdateNic { vm: first, network: 0 });
    zone.answer(&asked[0], Ok("0"));
    assert_eq!(zone.vm(first).lcm_state, LcmState::Running);
    assert!(zone.vm(first).template.vector("VNET_UPDATE").is_none());
    let asked = zone.pending();
    assert_eq!(asked[0].operation, Operation::UpdateNic { vm: second, network: 0 });
    zone.answer(&asked[0], Err("no"));
    assert_eq!(zone.net(0).state, NetState::UpdateFailure);
    assert_eq!((zone.nic(off, "MTU"), zone.nic(booting, "MTU")), ("9000".to_owned(), "1500".to_owned()));
    assert_eq!((ids(&zone.net(0).vms.updated), ids(&zone.net(0).vms.error)), (vec![first, off], vec![second, booting]));
    assert!(!zone.ask(ADMIN, "one.vn.info", &[int(0)]).contains("VNET_UPDATE"));
}

#[test]
fn a_nic_keeps_what_it_had_set_itself() {
    let mut zone = Zone::fresh();
    zone.network("MTU=1500 AR=[TYPE=IP4,IP=10.0.0.1,SIZE=9]");
    let vm = zone.vm_in(0, VmState::Poweroff, LcmState::LcmInit);
    zone.change(|txn| {
        let vm = txn.body_mut::<Vm>(vm).expect("the VM exists");
        vm.nic_mut(0).map(|nic| nic.set("MTU", 1280).set("INBOUND_AVG_BW", ""));
    });
    zone.ask(ADMIN, "one.vn.update", &[int(0), text("MTU=9000 INBOUND_AVG_BW=10"), int(1)]);
    assert_eq!((zone.nic(vm, "MTU"), zone.nic(vm, "INBOUND_AVG_BW")), ("1280".to_owned(), "10".to_owned()));
}

#[test]
fn retry_after_a_failed_update_takes_only_the_vms_that_failed() {
    let mut zone = Zone::fresh();
    zone.network("MTU=1500 AR=[TYPE=IP4,IP=10.0.0.1,SIZE=9]");
    let vms = [0, 1].map(|_| zone.vm_in(0, VmState::Active, LcmState::Running));
    zone.ask(ADMIN, "one.vn.update", &[int(0), text("MTU=9000"), int(1)]);
    let asked = zone.pending();
    zone.answer(&asked[0], Err("no"));
    let asked = zone.pending();
    zone.answer(&asked[0], Ok("0"));
    assert_eq!(ids(&zone.net(0).vms.error), [vms[0]]);
    assert_eq!(zone.ask(ADMIN, "one.vn.recover", &[int(0), int(3)]), "0");
    assert_eq!(zone.net(0).state, NetState::Ready);
    assert_eq!(ids(&zone.net(0).vms.error), [0; 0]);
    assert_eq!(ids(&zone.net(0).vms.updated), [vms[1]]);
}

#[test]
fn new_rules_reach_running_vms_through_the_driver_and_others_at_once() {
    let mut zone = Zone::fresh();
    zone.network("AR=[TYPE=IP4,IP=10.0.0.1,SIZE=9]");
    let running = zone.vm_in(0, VmState::Active, LcmState::Running);
    let held = zone.vm_in(0, VmState::Hold, LcmState::LcmInit);
    let lost = zone.vm_in(0, VmState::Active, LcmState::Unknown);
    let group = |zone: &Zone| zone.state.get::<SecGroup>(0).expect("group 0").1.vms.clone();
    assert_eq!(ids(&group(&zone).updated), [running, held, lost]);
    let rule = text("RULE=[PROTOCOL=ICMP,RULE_TYPE=INBOUND]");
    assert_eq!(zone.ask(ADMIN, "one.secgroup.update", &[int(0), rule, int(0)]), "0");
    assert_eq!(ids(&group(&zone).updating), [running]);
    let asked = zone.pending();
    assert_eq!(asked[0].operation, Operation::UpdateSecurityGroup { vm: running, group: 0 });
    zone.answer(&asked[0], Ok("0"));
    assert_eq!((ids(&group(&zone).updated), ids(&group(&zone).error)), (vec![running, held], vec![lost]));
    let rules = |zone: &Zone, vm| zone.vm(vm).template.vectors("SECURITY_GROUP_RULE").count();
    assert_eq!([running, held, lost].map(|vm| rules(&zone, vm)), [1, 1, 0]);
    assert_eq!(zone.ask(ADMIN, "one.secgroup.commit", &[int(0), quorate_model::api::Arg::Bool(true)]), "0");
    assert_eq!(ids(&group(&zone).error), [lost], "it is still not there");
    let refused = "Cannot delete security group. The default security group (ID 0) cannot be deleted.";
    assert_eq!(zone.ask(ADMIN, "one.secgroup.delete", &[int(0)]), refused);
}

fn common_ints(ids: &[i64]) -> quorate_model::api::Arg {
    quorate_model::api::Arg::Ints(ids.to_vec())
}
