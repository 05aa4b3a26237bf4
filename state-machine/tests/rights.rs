//! What random sequences of calls may not do: leave anything of a refused call, or win rights.

use quorate_state_machine::booking;
use std::collections::BTreeSet;

use proptest::prelude::*;
use quorate_model::api::Arg;
use quorate_model::body::Body;
use quorate_model::command::{Actor, Facts};
use quorate_model::head::{Op, Permissions};
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::acl::Acl;
use quorate_model::records::user::User;
use quorate_model::template::Template;
use quorate_state_machine::authorize::{self, Request, Rights};
use quorate_state_machine::login;
use quorate_state_machine::rules::Subject;
use quorate_state_machine::state::State;
use quorate_state_machine::txn::Txn;
use quorate_testkit::random::calls;
use quorate_testkit::zone::{ADMIN, Zone, text};

const OPS: [Op; 3] = [Op::Use, Op::Manage, Op::Admin];
const MALLORY: i32 = 3;

fn empty_body(kind: Kind) -> Option<Body> {
    use quorate_model::records as p;
    Some(match kind {
        Kind::Image => p::image::Image::default().into(),
        Kind::Template => quorate_model::records::template::VmTemplate::default().into(),
        Kind::Document => p::document::Document::default().into(),
        Kind::SecGroup => p::secgroup::SecGroup::default().into(),
        Kind::Vdc => p::vdc::Vdc::default().into(),
        Kind::Host => p::host::Host::default().into(),
        Kind::VRouter => quorate_model::records::vrouter::VRouter::default().into(),
        Kind::VmGroup => quorate_model::records::vmgroup::VmGroup::default().into(),
        Kind::VnTemplate => p::vntemplate::VnTemplate::default().into(),
        Kind::Net => p::vnet::Vnet::default().into(),
        Kind::Vm => quorate_model::records::vm::Vm::default().into(),
        _ => return None,
    })
}

/// Victim (2) and Mallory (3) in group 100; Oscar (4) in 101. The victim's objects may at most be used by others.
fn zone(group_may_use: bool) -> Zone {
    let mut zone = Zone::fresh();
    for group in ["one", "two"] {
        zone.ask(ADMIN, "one.group.allocate", &[text(group)]);
    }
    for (name, gid) in [("victim", 100), ("mallory", 100), ("oscar", 101)] {
        let args = [text(name), text("pw"), text(""), Arg::Ints(vec![gid])];
        zone.call(ADMIN, "one.user.allocate", &args).expect("a user");
    }
    let mut txn = Txn::new(zone.state.clone(), Actor::default(), Facts::default(), [0; 32]);
    for kind in Kind::ALL {
        let Some(body) = empty_body(kind) else { continue };
        let mut object = Object::new("it", Template::new(), body);
        object.id = 200;
        (object.uid, object.gid) = if kind == Kind::Host || kind == Kind::Vdc { (-1, -1) } else { (2, 100) };
        object.permissions = Permissions(if group_may_use { 0o640 } else { 0o600 });
        // No pool is fresh: the loss of a fresh pool's first id is the one thing that a refused call may leave behind.
        txn.globals_mut().next_ids.insert(kind, 201);
        let (uid, gid, charges) = (object.uid, object.gid, object.charges());
        txn.put(object);
        booking::force(&mut txn, uid, gid, &charges);
    }
    zone.state = txn.commit().0;
    zone
}

const SESSIONS: [&str; 4] = ["mallory:pw", "victim:pw", "oscar:pw", ADMIN];

fn actor(uid: i32) -> Actor {
    Actor { uid, token_gid: -1, credential: 0 }
}

/// Whether a rule, a permission bit or ownership says that a user may, in the plainest words.
fn somebody_says_so(state: &State, uid: i32, object: &Object, op: Op) -> bool {
    let groups = state.get::<User>(uid).map(|(_, user)| user.groups.clone()).unwrap_or_default();
    if uid == 0 || groups.contains(&0) {
        return true;
    }
    let subject = Subject::of(object);
    let bit = |class: &str| {
        let place = ["OTHER", "GROUP", "OWNER"].iter().position(|c| *c == class).unwrap_or(0) * 3;
        let bit = match op {
            Op::Use => 4,
            Op::Manage => 2,
            _ => 1,
        };
        subject.permissions.0 >> place & bit != 0
    };
    let by_bits = bit("OTHER") || subject.uid == uid && bit("OWNER") || groups.contains(&subject.gid) && bit("GROUP");
    by_bits
        || state.each::<Acl>().any(|(_, rule)| {
            let (who, id) = (rule.user >> 32, rule.user as u32 as i32);
            let about_user = who == 4 || who == 1 && id == uid || who == 2 && groups.contains(&id);
            let on = rule.resource as u32 as i32;
            let selects = match rule.resource >> 32 & 0xf {
                1 => on == subject.id,
                2 => on == subject.gid,
                4 => !subject.named_rules_only,
                8 => !subject.named_rules_only && subject.clusters.contains(&on),
                _ => false,
            };
            let here = rule.zone == 4 << 32 || rule.zone == 1 << 32;
            about_user && here && selects && rule.resource & subject.kind.acl_bit() != 0 && rule.rights & op as u64 != 0
        })
}

/// What a user may do with what: all of it, found by the code that decides.
fn rights_of(state: &State, uid: i32) -> BTreeSet<(Kind, i32, Op)> {
    let actor = actor(uid);
    let groups = state.groups_of(&actor);
    let admin = state.is_admin(&actor);
    let mut all = BTreeSet::new();
    for kind in Kind::ALL {
        for op in OPS {
            let rights = Rights::new(state, &actor, kind, op);
            for object in state.pool(kind).values() {
                let may = admin || authorize::allowed(state, &actor, &groups, &Request::on(object, op));
                assert_eq!(
                    rights.on(object),
                    may,
                    "listing and call differ: user {uid}, {op:?} {kind:?} {}",
                    object.id
                );
                if may {
                    all.insert((kind, object.id, op));
                }
            }
        }
    }
    all
}

/// A state from before a refused call with the one thing that may be left of the call: see `first_ids`.
fn without_lost_ids(before: State, after: &State) -> State {
    let known = before.globals().next_ids.clone();
    let lost = after.globals().next_ids.iter().filter(|(kind, next)| !known.contains_key(kind) && **next == 1);
    let mut txn = Txn::new(before, Actor::default(), Facts::default(), [0; 32]);
    for (kind, next) in lost {
        txn.globals_mut().next_ids.insert(*kind, *next);
    }
    txn.commit().0
}

/// Few cases by default; `PROPTEST_CASES` gives more.
fn config() -> ProptestConfig {
    let default = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if std::env::var_os("PROPTEST_CASES").is_some() { default } else { ProptestConfig { cases: 12, ..default } }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_refused_call_changes_nothing_and_quotas_stay_counted(calls in calls(4, 1..40)) {
        let mut zone = zone(true);
        for call in calls {
            let before = zone.state.clone();
            if zone.call(SESSIONS[call.caller], call.method, &call.args).is_err() {
                let before = without_lost_ids(before, &zone.state);
                prop_assert!(zone.state == before, "{call:?} was refused and changed something");
            }
        }
        prop_assert_eq!(booking::recount(&zone.state), Vec::<String>::new());
    }

    #[test]
    fn nobody_has_a_right_that_nothing_gives(calls in calls(4, 1..30)) {
        let mut zone = zone(true);
        for call in calls {
            let _ = zone.call(SESSIONS[call.caller], call.method, &call.args);
        }
        let users: Vec<i32> = zone.state.pool(Kind::User).keys().copied().collect();
        for uid in users {
            let rights = rights_of(&zone.state, uid);
            for kind in Kind::ALL {
                for object in zone.state.pool(kind).values() {
                    for op in OPS {
                        let said = somebody_says_so(&zone.state, uid, object, op);
                        let has = rights.contains(&(kind, object.id, op));
                        prop_assert_eq!(has, said, "user {}, {:?} {:?} {}", uid, op, kind, object.id);
                    }
                }
            }
        }
    }

    #[test]
    fn a_plain_user_wins_no_right_by_its_own_calls(calls in calls(1, 1..40), group_may_use in any::<bool>()) {
        let mut zone = zone(group_may_use);
        let before = rights_of(&zone.state, MALLORY);
        let objects = |state: &State| -> BTreeSet<(Kind, i32)> {
            Kind::ALL.into_iter().flat_map(|kind| state.pool(kind).keys().map(move |id| (kind, *id))).collect()
        };
        let there = objects(&zone.state);
        for call in calls {
            let _ = zone.call(SESSIONS[0], call.method, &call.args);
        }
        for (kind, id, op) in rights_of(&zone.state, MALLORY) {
            // What it made is its own; itself it may manage.
            let old = there.contains(&(kind, id)) && (kind, id) != (Kind::User, MALLORY);
            prop_assert!(!old || before.contains(&(kind, id, op)), "won {op:?} on {kind:?} {id}");
        }
        prop_assert!(login::authenticate(&zone.state, "oneadmin:opennebula", 0).is_ok());
    }
}

#[test]
fn the_zone_of_these_tests_gives_what_it_says() {
    let zone = zone(true);
    let rights = rights_of(&zone.state, MALLORY);
    assert!(rights.contains(&(Kind::Image, 200, Op::Use)) && !rights.contains(&(Kind::Image, 200, Op::Manage)));
    assert!(rights.contains(&(Kind::Host, 200, Op::Manage)) && !rights.contains(&(Kind::Host, 200, Op::Use)));
}
