//! How much users may hold: one object, all that is theirs, the leases of a network.

mod common;

use common::{ADMIN, Zone, int, text};
use quorate_state_machine::api::Arg;
use quorate_state_machine::sizes;

const ANN: &str = "ann:pw";
const MB: usize = 1_000_000;

fn zone_of_ann() -> Zone {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text("core"), Arg::Ints(vec![])]), "2");
    zone
}

fn filler(bytes: usize) -> Arg {
    text(&format!("NAME=n F=\"{}\"", "x".repeat(bytes)))
}

fn set(zone: &mut Zone, name: &'static str, value: &str) {
    zone.change(|txn| {
        let mut settings = txn.settings().clone();
        settings.set(name, value);
        txn.set_settings(settings);
    });
}

#[test]
fn an_object_grows_to_the_limit_and_shrinks_from_anywhere() {
    let mut zone = zone_of_ann();
    let refusal = zone.ask(ANN, "one.template.allocate", &[filler(4 * MB)]);
    assert!(refusal.contains("OBJECT_SIZE_MAX)") && refusal.contains("limit is 1048576"), "{refusal}");
    assert_eq!(zone.ask(ANN, "one.template.allocate", &[filler(MB)]), "0");
    let append = |zone: &mut Zone, session: &str, size: usize| {
        zone.ask(session, "one.template.update", &[int(0), text(&format!("G{size}=\"{}\"", "x".repeat(size))), int(1)])
    };
    let refusal = append(&mut zone, ANN, MB / 10);
    assert!(refusal.contains("OBJECT_SIZE_MAX)"), "{refusal}");
    assert_eq!(append(&mut zone, ANN, 10), "0");
    // An administrator goes further, but not for ever.
    assert_eq!(append(&mut zone, ADMIN, 4 * MB), "0");
    let refusal = append(&mut zone, ADMIN, 15 * MB);
    assert!(refusal.contains("OBJECT_SIZE_MAX_ADMIN"), "{refusal}");
    // What is too large for its owner cannot grow, but shrink.
    assert!(append(&mut zone, ANN, 11).contains("OBJECT_SIZE_MAX)"));
    assert_eq!(zone.ask(ANN, "one.template.update", &[int(0), filler(2 * MB), int(0)]), "0");
    assert_eq!(zone.ask(ANN, "one.template.delete", &[int(0)]), "0");
    // The limits are settings.
    set(&mut zone, sizes::OBJECT_SIZE_MAX, "1000");
    assert!(zone.ask(ANN, "one.document.allocate", &[filler(1000), int(100)]).contains("limit is 1000"));
}

#[test]
fn all_that_a_user_owns_is_bounded_by_user() {
    let mut zone = zone_of_ann();
    let mut made = 0;
    let refusal = loop {
        let reply = zone.ask(ANN, "one.document.allocate", &[filler(MB), int(100)]);
        if reply.parse::<i32>().is_err() {
            break reply;
        }
        made += 1;
    };
    assert!(refusal.contains("All that user 2 owns") && refusal.contains("OWNED_SIZE_MAX"), "{refusal}");
    assert_eq!(made, 67, "64 MiB");
    // Who has no room still lives on, deletes, and has room again.
    assert_eq!(zone.ask(ANN, "one.document.rename", &[int(0), text("longer")]), "0");
    assert_eq!(zone.ask(ANN, "one.document.lock", &[int(0), int(1), Arg::Bool(false)]), "0");
    assert_eq!(zone.ask(ANN, "one.document.delete", &[int(1)]), "1");
    assert_eq!(zone.ask(ANN, "one.document.allocate", &[filler(MB), int(100)]), "67");
    // Others are not concerned, and the administrator may give more, or less; nobody else may.
    assert_eq!(zone.ask(ADMIN, "one.document.allocate", &[filler(MB), int(100)]), "68");
    let more = text("OWNED_SIZE_MAX=100000000");
    let refusal = zone.ask(ANN, "one.user.update", &[int(2), more.clone(), int(1)]);
    assert!(refusal.contains("OWNED_SIZE_MAX") && refusal.contains("restricted"), "{refusal}");
    assert_eq!(zone.ask(ADMIN, "one.user.update", &[int(2), more, int(1)]), "2");
    assert_eq!(zone.ask(ANN, "one.document.allocate", &[filler(MB), int(100)]), "69");
    assert_eq!(zone.ask(ADMIN, "one.user.update", &[int(2), text("OWNED_SIZE_MAX=1"), int(1)]), "2");
    assert!(zone.ask(ANN, "one.document.allocate", &[filler(1), int(100)]).contains("limit is 1 "));
    assert_eq!(sizes::recount(&zone.state).get(&2), Some(&zone.state.owned(2)));
}

#[test]
fn the_leases_of_a_network_are_bounded() {
    let mut zone = zone_of_ann();
    let network = "NAME=n VN_MAD=bridge AR=[TYPE=ETHER,SIZE=4000000]";
    assert_eq!(zone.ask(ADMIN, "one.vn.allocate", &[text(network), int(-1)]), "0");
    zone.drain();
    let reserve = |zone: &mut Zone, size: u32| {
        zone.ask(ADMIN, "one.vn.reserve", &[int(0), text(&format!("NAME=r{size} SIZE={size}"))])
    };
    let refusal = reserve(&mut zone, 1 << 20);
    assert!(refusal.contains("1048576 used leases, the limit is 65536 (NETWORK_LEASES_MAX)"), "{refusal}");
    assert_eq!(reserve(&mut zone, 65_536), "1");
    let refusal = reserve(&mut zone, 1);
    assert!(refusal.contains("65537 used leases"), "{refusal}");
    set(&mut zone, sizes::NETWORK_LEASES_MAX, "3000000");
    assert_eq!(reserve(&mut zone, 1 << 20), "2");
    assert_eq!(reserve(&mut zone, 1), "3");
    assert!(zone.changed.len() < 20, "{:?}", zone.changed);
}
