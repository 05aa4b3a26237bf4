//! Servers of the zone: what the leader needs to make members follow them.

use quorate_model::api::Value;
use quorate_model::command::{Actor, Call, Command, Facts, SYSTEM};
use quorate_model::kind::LOCAL_ZONE;
use quorate_model::records::zone;
use quorate_state_machine::pools::zone::servers::{ALLOCATE_NODE, LEFT};
use quorate_testkit::zone::{Zone, int, text};

const ADMIN: &str = "oneadmin:opennebula";

fn servers(zone: &Zone) -> zone::Zone {
    zone.state.find_typed::<zone::Zone>(LOCAL_ZONE).unwrap().1.clone()
}

fn internal(zone: &mut Zone, method: &str, arg: quorate_model::api::Arg) -> Value {
    let actor = Actor { uid: SYSTEM, ..Actor::default() };
    let call = Call { method: method.to_owned(), actor, args: vec![arg], facts: Facts::default() };
    zone.apply(Command::Call(call)).unwrap()
}

#[test]
fn node_ids_only_go_up() {
    let mut zone = Zone::fresh();
    assert_eq!(internal(&mut zone, ALLOCATE_NODE, int(3)), Value::Int64(4));
    assert_eq!(internal(&mut zone, ALLOCATE_NODE, int(3)), Value::Int64(5), "4 is taken, whatever became of it");
    assert_eq!(internal(&mut zone, ALLOCATE_NODE, int(9)), Value::Int64(10));
}

#[test]
fn a_removed_server_leaves_until_the_leader_says_that_it_has_left() {
    let mut zone = Zone::fresh();
    let one = "SERVER=[NAME=one-7,ENDPOINT=\"http://h:2633/RPC2\",PEER=\"h:2474\"]";
    zone.call(ADMIN, "one.zone.addserver", &[int(0), text(one)]).unwrap();
    assert_eq!(servers(&zone).peers["one-7"], "h:2474");
    let refusal = zone.call(ADMIN, "one.zone.addserver", &[int(0), text(one)]).unwrap_err();
    assert_eq!(refusal.text, "SERVER one-7 is in the zone already");
    zone.call(ADMIN, "one.zone.delserver", &[int(0), int(0)]).unwrap();
    let left = servers(&zone);
    assert!(left.servers.is_empty() && left.peers.is_empty());
    assert_eq!(left.leaving, ["one-7"]);
    internal(&mut zone, LEFT, text("one-7"));
    assert!(servers(&zone).leaving.is_empty());
}

#[test]
fn clients_cannot_name_what_only_the_leader_calls() {
    let mut zone = Zone::fresh();
    let call =
        Call { method: LEFT.to_owned(), actor: Actor::default(), args: vec![text("x")], facts: Facts::default() };
    assert!(zone.apply(Command::Call(call)).is_err());
}
