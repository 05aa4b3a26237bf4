//! Encrypted attributes: never in clear in the state, never twice encrypted, in clear only to administrators who ask.

mod common;

use common::{ADMIN, Zone, int, text};
use quorate_state_machine::api::Arg;
use quorate_state_machine::crypto;
use quorate_state_machine::kind::Kind;

fn zone_with_secret() -> Zone {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text("")]), "2");
    let template = "SSH_PRIVATE_KEY=\"key of ann\"\nSSH_PUBLIC_KEY=\"shown\"";
    assert_eq!(zone.ask("ann:pw", "one.user.update", &[int(2), text(template), int(1)]), "2");
    zone
}

fn stored(zone: &Zone) -> String {
    zone.state.object(Kind::User, 2).unwrap().template.value("SSH_PRIVATE_KEY").to_owned()
}

#[test]
fn a_secret_is_stored_by_the_zones_key() {
    let mut zone = zone_with_secret();
    let key = zone.state.settings().value("ONE_KEY").to_owned();
    assert_eq!(crypto::decrypt(&stored(&zone), &key).as_deref(), Some("key of ann"));
    assert!(zone.ask("ann:pw", "one.user.info", &[int(2)]).contains("shown"));
}

#[test]
fn a_secret_that_is_stored_again_stays_as_it_is() {
    let mut zone = zone_with_secret();
    let before = stored(&zone);
    assert_eq!(zone.ask("ann:pw", "one.user.update", &[int(2), text("MORE=1"), int(1)]), "2");
    let again = format!("SSH_PRIVATE_KEY=\"{before}\"");
    assert_eq!(zone.ask("ann:pw", "one.user.update", &[int(2), text(&again), int(1)]), "2");
    assert_eq!(stored(&zone), before);
}

#[test]
fn only_an_administrator_who_asks_sees_it() {
    let mut zone = zone_with_secret();
    for (session, decrypt, sees) in [(ADMIN, true, true), (ADMIN, false, false), ("ann:pw", true, false)] {
        let shown = zone.ask(session, "one.user.info", &[int(2), Arg::Bool(decrypt)]);
        assert_eq!(shown.contains("key of ann"), sees, "{session} {decrypt}");
    }
    assert!(!zone.ask(ADMIN, "one.userpool.info", &[]).contains("key of ann"));
}
