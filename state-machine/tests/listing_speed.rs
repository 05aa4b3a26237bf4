//! Listing a large pool: what a plain user's rights cost per object, against an administrator's.

use std::time::{Duration, Instant};

use quorate_model::api::{Arg, Value};
use quorate_model::command::{Actor, Facts};
use quorate_model::head::{Op, Permissions};
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::acl::{self, Acl};
use quorate_model::records::vm::Vm;
use quorate_model::template::Template;
use quorate_state_machine::methods::{Handler, Request, View};
use quorate_state_machine::state::State;
use quorate_state_machine::txn::Txn;
use quorate_state_machine::{login, table};
use quorate_testkit::zone::{ADMIN, Zone, text};

const VMS: i32 = 10_000;
const RULES: i32 = 1_000;

/// VMs of others of which a plain user sees a half: by rules about their id, their group, and by their bits.
fn large_zone() -> (State, Actor) {
    let mut zone = Zone::fresh();
    zone.ask(ADMIN, "one.group.allocate", &[text("one")]);
    let groups = Arg::Ints(vec![100]);
    zone.ask(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text(""), groups]);
    let actor = login::authenticate(&zone.state, "ann:pw", 0).expect("ann has a password");
    let mut txn = Txn::new(zone.state, Actor::default(), Facts::default(), [0; 32]);
    for i in 0..VMS {
        let mut vm = Object::new(format!("vm-{i}"), Template::new(), Vm::default());
        (vm.uid, vm.gid) = (0, 200 + i % 100);
        vm.permissions = Permissions(if i % 4 == 0 { 0o644 } else { 0o600 });
        txn.insert(vm);
    }
    for i in 0..RULES {
        let user = if i % 10 == 0 { acl::who(acl::GROUP, 100) } else { acl::who(acl::INDIVIDUAL, 1000 + i) };
        let resource = match i % 20 {
            0 => acl::on(&[Kind::Vm], acl::GROUP, 200 + i / 20),
            _ => acl::on(&[Kind::Vm], acl::INDIVIDUAL, i),
        };
        let rule = Acl { user, resource, rights: acl::rights(&[Op::Use]), zone: acl::ALL };
        txn.insert(Object::new("", Template::new(), rule));
    }
    (txn.commit().0, actor)
}

/// The shortest of several listings, per object returned.
fn per_object(state: &State, actor: &Actor) -> (usize, Duration) {
    let method = table::find("one.vmpool.info").expect("a row");
    let args = [Arg::Int(-2), Arg::Int(-1), Arg::Int(-1), Arg::Int(-1), Arg::Str(String::new())];
    let (request, view) = (Request::new(method, &args).expect("arguments fit"), View { state, actor, now: 0 });
    let Handler::Read(handler) = method.handler else { panic!("a listing reads") };
    let mut count = 0;
    let mut list = || {
        let begin = Instant::now();
        let Ok(Value::Xml(segments)) = handler(&view, &request) else { panic!("a listing") };
        // As the edge does: segments are copied to the connection's buffer, never escaped or rendered again.
        let mut sent = Vec::with_capacity(1 << 16);
        for segment in &segments {
            if sent.len() > 1 << 16 {
                sent.clear();
            }
            sent.extend_from_slice(segment);
        }
        std::hint::black_box(&sent);
        count = segments.len() - 2;
        begin.elapsed()
    };
    // The first one renders every object once.
    list();
    let best = (0..20).map(|_| list()).min().unwrap_or_default();
    (count, best / u32::try_from(count).unwrap_or(1))
}

#[test]
fn a_plain_users_listing_costs_at_most_twice_an_administrators_per_object() {
    let (state, ann) = large_zone();
    let admin = login::authenticate(&state, ADMIN, 0).expect("oneadmin");
    let (all, fast) = per_object(&state, &admin);
    let (seen, slow) = per_object(&state, &ann);
    let ratio = slow.as_secs_f64() / fast.as_secs_f64().max(1e-12);
    println!("{VMS} VMs, {RULES} rules: administrator {fast:?} for each of {all}, user {slow:?} for each of {seen}");
    println!("ratio per object returned: {ratio:.2}");
    assert_eq!(all, usize::try_from(VMS).unwrap_or(0));
    assert!(seen > all / 2 && seen < all);
    // Without optimization everything but copying shared XML is slow; a scan of all rules would be far beyond even this.
    let allowed = if cfg!(debug_assertions) { 10.0 } else { 2.0 };
    assert!(ratio <= allowed, "{ratio:.2}");
}
