//! Virtual routers: rules that the recordings do not show.

use quorate_model::api::Arg;
use quorate_model::kind::Kind;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State as VmState;
use quorate_model::records::vnet::Vnet;
use quorate_model::records::vrouter::VRouter;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// A zone with user ann, network 0 of eight addresses, router 0 with a floating address in it, and VM template 0.
fn zone_with_router() -> Zone {
    let mut zone = Zone::fresh();
    let ann = [text("ann"), text("pw"), text("core"), Arg::Ints(Vec::new())];
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &ann), "2");
    let network = [text("NAME=net VN_MAD=bridge AR=[TYPE=IP4,IP=10.0.0.1,SIZE=8]"), int(-1)];
    assert_eq!(zone.ask(ADMIN, "one.vn.allocate", &network), "0");
    zone.drain();
    let template = text("NAME=image VROUTER=YES CPU=1 MEMORY=64");
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[template]), "0");
    let router = text("NAME=gw NIC=[NETWORK_ID=0,FLOATING_IP=YES]");
    assert_eq!(zone.ask(ADMIN, "one.vrouter.allocate", &[router]), "0");
    zone
}

fn instantiate(zone: &mut Zone, number: i64) -> String {
    let args = [int(0), int(number), int(0), text("gw-%i"), Arg::Bool(true), text("")];
    zone.ask(ADMIN, "one.vrouter.instantiate", &args)
}

fn vms_of(zone: &Zone) -> Vec<i32> {
    zone.state.get::<VRouter>(0).expect("router 0").1.vms.iter().copied().collect()
}

fn used(zone: &Zone) -> u64 {
    zone.state.get::<Vnet>(0).expect("network 0").1.ranges.used()
}

fn state_of(zone: &Zone, vm: i32) -> VmState {
    zone.state.get::<Vm>(vm).expect("the VM exists").1.state
}

#[test]
fn a_refused_instantiation_ends_its_vms_and_keeps_no_lease() {
    let mut zone = zone_with_router();
    let refused = instantiate(&mut zone, 9);
    let no_lease = "Cannot get IP/MAC lease from virtual network 0.";
    assert_eq!(refused, format!("Error allocating a new virtual router. {no_lease}"));
    assert_eq!(vms_of(&zone), [0; 0]);
    assert_eq!(used(&zone), 1, "the floating address");
    assert!(zone.state.pool(Kind::Vm).keys().all(|vm| state_of(&zone, *vm) == VmState::Done));
}

#[test]
fn one_call_cannot_make_more_vms_than_a_zone_can_bear() {
    let mut zone = zone_with_router();
    assert_eq!(instantiate(&mut zone, 1_000_000_000), "At most 1000 virtual machines can be instantiated at once");
    assert!(zone.state.pool(Kind::Vm).is_empty());
}

#[test]
fn a_vm_that_ends_leaves_its_router_and_a_deleted_router_ends_its_vms() {
    let mut zone = zone_with_router();
    assert_eq!(instantiate(&mut zone, 3), "0");
    assert_eq!((vms_of(&zone), used(&zone)), (vec![0, 1, 2], 4));
    assert_eq!(zone.ask(ADMIN, "one.vm.action", &[text("terminate"), int(1)]), "1");
    assert_eq!(vms_of(&zone), [0, 2]);
    assert_eq!(zone.ask(ADMIN, "one.vrouter.delete", &[int(0)]), "0");
    assert_eq!([0, 2].map(|vm| state_of(&zone, vm)), [VmState::Done; 2]);
    assert_eq!(used(&zone), 0);
    assert!(zone.state.get::<Vnet>(0).expect("network 0").1.vrouters.is_empty());
}

#[test]
fn the_vms_know_their_router_and_the_address_they_share() {
    let mut zone = zone_with_router();
    assert_eq!(instantiate(&mut zone, 1), "0");
    let vm = zone.state.get::<Vm>(0).expect("VM 0").1;
    assert_eq!(vm.template.value("VROUTER_ID"), "0");
    assert_eq!(vm.template.value("VROUTER_KEEPALIVED_ID"), "1", "the router's id counted from 1");
    let nic = vm.nic(0).expect("NIC 0").1;
    assert_eq!((nic.value("VROUTER_IP"), nic.value("IP")), ("10.0.0.1", "10.0.0.2"));
}

#[test]
fn vms_go_with_their_router_as_far_as_quotas_let_them() {
    let mut zone = zone_with_router();
    assert_eq!(instantiate(&mut zone, 2), "0");
    let limit = text("VM=[VMS=1]");
    assert_eq!(zone.ask(ADMIN, "one.user.quota", &[int(2), limit]), "2");
    let refused = zone.ask(ADMIN, "one.vrouter.chown", &[int(0), int(2), int(-1)]);
    assert!(refused.contains("limit of 1 reached for VMS quota"), "{refused}");
    let owner = |kind, id| zone.state.find(kind, id).map(|object| object.uid);
    assert_eq!(owner(Kind::VRouter, 0), Some(2));
    assert_eq!([0, 1].map(|vm| owner(Kind::Vm, vm)), [Some(2), Some(0)]);
}

#[test]
fn the_vms_rights_change_with_the_routers() {
    let mut zone = zone_with_router();
    assert_eq!(instantiate(&mut zone, 2), "0");
    let everybody_uses = [0, -1, -1, -1, -1, -1, -1, 1, -1, -1].map(int);
    assert_eq!(zone.ask(ADMIN, "one.vrouter.chmod", &everybody_uses), "0");
    let rights = |kind, id| zone.state.find(kind, id).map(|object| object.permissions.0);
    assert_eq!(rights(Kind::Vm, 1), rights(Kind::VRouter, 0));
    assert_eq!(rights(Kind::Vm, 1).map(|bits| bits & 0o007), Some(4));
}
