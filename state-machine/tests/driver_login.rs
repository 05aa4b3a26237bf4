//! Users of authentication drivers outside: what a driver is asked, and what its consent leads to.

use quorate_model::command::{Actor, Command};
use quorate_model::kind::Kind;
use quorate_model::records::group::Group;
use quorate_model::records::user::User;
use quorate_state_machine::login::driver::{Accepted, AuthQuestion, accept};
use quorate_state_machine::login::{Identity, authenticate, identify};
use quorate_testkit::zone::{ADMIN, NOW, Zone, int, text};

fn question(zone: &Zone, session: &str) -> AuthQuestion {
    match identify(&zone.state, session, NOW) {
        Ok(Identity::Ask(question)) => question,
        other => panic!("{other:?}"),
    }
}

/// The session's actor after the driver consented with `message`, with whatever had to be proposed.
fn comes_in(zone: &mut Zone, session: &str, message: &str) -> Option<Actor> {
    let question = question(zone, session);
    match accept(&zone.state, &question, message).ok()? {
        Accepted::Actor(actor) => Some(actor),
        Accepted::Enrol(call) => {
            zone.apply(Command::Call(call)).ok()?;
            match accept(&zone.state, &question, message).ok()? {
                Accepted::Actor(actor) => Some(actor),
                Accepted::Enrol(call) => panic!("again {call:?}"),
            }
        }
    }
}

fn groups(zone: &Zone, name: &str) -> (i32, Vec<i32>) {
    let id = zone.state.id_of(Kind::User, -1, name).unwrap();
    let (object, user) = zone.state.get::<User>(id).unwrap();
    (object.gid, user.groups.iter().copied().collect())
}

#[test]
fn a_known_user_of_a_driver_is_asked_about_with_what_is_stored() {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("kim"), text("public-key"), text("ssh")]), "2");
    let asked = question(&zone, "kim:signed:with:colons");
    assert_eq!((asked.uid, asked.driver.as_str(), asked.username.as_str()), (2, "ssh", "kim"));
    assert_eq!((asked.password.as_str(), asked.secret.as_str()), ("public-key", "signed:with:colons"));
    assert!(!format!("{asked:?}").contains("signed"), "secrets never reach logs");
    let actor = comes_in(&mut zone, "kim:signed", "").unwrap();
    assert_eq!(actor.uid, 2);
    // Without a driver's consent nobody comes in, and a key that changed meanwhile is not vouched for.
    assert!(authenticate(&zone.state, "kim:signed", NOW).is_err());
    assert_eq!(zone.ask(ADMIN, "one.user.passwd", &[int(2), text("other-key")]), "2");
    assert!(accept(&zone.state, &asked, "").is_err());
}

#[test]
fn a_stranger_whom_the_default_driver_knows_becomes_a_user() {
    let mut zone = Zone::fresh();
    assert_eq!(zone.ask(ADMIN, "one.group.allocate", &[text("staff")]), "100");
    let asked = question(&zone, "lee:pw");
    assert_eq!((asked.uid, asked.driver.as_str(), asked.password.as_str()), (-1, "default", "-"));
    assert_eq!(comes_in(&mut zone, "lee:pw", "ldap lee cn=lee 100 1").unwrap().uid, 2);
    assert_eq!(groups(&zone, "lee"), (100, vec![1, 100]));
    assert_eq!(comes_in(&mut zone, "max:pw", "ldap max cn=max").unwrap().uid, 3);
    assert_eq!(groups(&zone, "max"), (1, vec![1]));
    for wrong in ["", "ldap", "ldap eve", "ldap eve cn=eve 999", "ldap eve cn=eve x", "ldap oneadmin cn=lee"] {
        assert!(comes_in(&mut zone, "eve:pw", wrong).is_none(), "{wrong}");
    }
    assert!(identify(&zone.state, "a b:pw", NOW).is_err(), "no user could have this name");
}

#[test]
fn a_driver_that_manages_groups_moves_its_users() {
    let mut zone = Zone::fresh();
    for name in ["a", "b"] {
        zone.ask(ADMIN, "one.group.allocate", &[text(name)]);
    }
    assert_eq!(comes_in(&mut zone, "lee:pw", "ldap lee cn=lee 100").unwrap().uid, 2);
    assert_eq!(comes_in(&mut zone, "lee:pw", "ldap lee cn=lee *101 1").unwrap().uid, 2);
    assert_eq!(groups(&zone, "lee"), (101, vec![1, 101]));
    let members = |zone: &Zone, gid| zone.state.get::<Group>(gid).unwrap().1.clone();
    assert!(members(&zone, 100).users.is_empty());
    assert!(members(&zone, 101).admins.contains(&2));
    assert_eq!(comes_in(&mut zone, "lee:pw", "ldap lee cn=lee 101 1").unwrap().uid, 2);
    assert!(members(&zone, 101).admins.is_empty() && members(&zone, 101).users.contains(&2));
}

#[test]
fn a_client_cannot_name_the_nodes_own_calls() {
    assert!(quorate_state_machine::table::find("quorate.user.enrol").is_none());
}
