//! How much users may hold: one object, all that is theirs, the leases of a network.

use proptest::prelude::*;
use quorate_model::api::{Arg, Type};
use quorate_model::command::{Actor, Call, Command, Facts};
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State as VmState;
use quorate_model::template::parse::bounds::MAX_VALUES;
use quorate_model::template::parse::parse;
use quorate_state_machine::methods::{Handler, Request};
use quorate_state_machine::state::State;
use quorate_state_machine::store_key::StoreKey;
use quorate_state_machine::txn::Txn;
use quorate_state_machine::{login, sizes, table};
use quorate_testkit::everything;
use quorate_testkit::tenant::{self, ANN, UID, drain};
use quorate_testkit::zone::{ADMIN, NOW, Zone, int, text};

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
    set(&mut zone, "OBJECT_SIZE_MAX", "20000");
    assert!(zone.ask(ANN, "one.document.allocate", &[filler(20_000), int(100)]).contains("limit is 20000"));
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
    set(&mut zone, "NETWORK_LEASES_MAX", "1048576");
    assert_eq!(reserve(&mut zone, (1 << 20) - 65_536), "2");
    assert!(reserve(&mut zone, 1).contains("the limit is 1048576"));
    set(&mut zone, "NETWORK_LEASES_MAX", "65537");
    assert!(reserve(&mut zone, 1).contains("the limit is 65537"), "a limit that was lowered refuses what is more");
    zone.drain();
    assert_eq!(zone.ask(ADMIN, "one.vn.delete", &[int(2)]), "2");
    zone.drain();
    assert_eq!(reserve(&mut zone, 1), "3");
    assert!(zone.changed.len() < 20, "{:?}", zone.changed);
}

/// The least limit of what a user owns.
const LIMIT: usize = 1 << 20;

/// Ann has VM 0, which runs and has an interface; she may own [`LIMIT`] bytes.
fn zone_with_vm() -> Zone {
    let kinds = [Kind::Vm, Kind::Net, Kind::Image, Kind::Datastore];
    let mut zone = tenant::zone(&kinds, &[Op::Use, Op::Manage, Op::Create]);
    set(&mut zone, "OWNED_SIZE_MAX", &LIMIT.to_string());
    new_vm(&mut zone);
    zone
}

/// One more VM of ann's, which runs if she has room for it.
fn new_vm(zone: &mut Zone) -> String {
    let reply = zone.ask(ANN, "one.vm.allocate", &[text("CPU=0.1 MEMORY=8 NIC=[NETWORK_ID=0]"), Arg::Bool(false)]);
    if let Ok(vm) = reply.parse() {
        let deploy = [int(vm), int(0), Arg::Bool(false), int(-1), text("")];
        zone.call(ADMIN, "one.vm.deploy", &deploy).expect("there is room on the host");
    }
    drain(zone);
    reply
}

/// How many bytes the state keeps of what ann owns.
fn kept(state: &State) -> usize {
    let owns =
        |kind, id| state.find(kind, id).is_some_and(|object| object.uid == UID || (kind, id) == (Kind::User, UID));
    let keys = state.all_keys().filter(|key| match *key {
        StoreKey::Object(kind, id) => owns(kind, id),
        StoreKey::Part(kind @ Kind::Vm, id, _) => owns(kind, id),
        _ => false,
    });
    keys.filter_map(|key| state.encode(&key)).map(|value| value.len()).sum()
}

#[test]
fn what_history_keeps_counts_for_the_owner_of_the_vm() {
    let mut zone = zone_with_vm();
    let mut rounds = 0;
    let refusal = loop {
        let large = text(&format!("R{rounds}=\"{}\"", "x".repeat(100_000)));
        let update = zone.ask(ANN, "one.vm.update", &[int(0), large, int(0)]);
        let attach = zone.ask(ANN, "one.vm.attachnic", &[int(0), text("NIC=[NETWORK_ID=0]")]);
        drain(&mut zone);
        if let Some(refusal) = [update, attach].into_iter().find(|reply| reply != "0") {
            break refusal;
        }
        rounds += 1;
        assert!(rounds < 40, "history counts toward no limit");
    };
    assert!(refusal.contains("All that user 2 owns would have") && refusal.contains("OWNED_SIZE_MAX"), "{refusal}");
    assert!((6..11).contains(&rounds), "{rounds}");
    assert!(kept(&zone.state) < LIMIT / 8 * 9, "{}", kept(&zone.state));
    // The VM can still be used, and nothing that drivers say is refused.
    for action in ["poweroff", "resume", "terminate-hard"] {
        assert_eq!(zone.ask(ANN, "one.vm.action", &[text(action), int(0)]), "0", "{action}");
        drain(&mut zone);
    }
    assert_eq!(zone.state.get::<Vm>(0).expect("the VM").1.state, VmState::Done);
}

#[test]
fn who_is_far_above_the_limit_can_still_end_every_vm() {
    for before in ["", "poweroff", "suspend", "stop", "undeploy", "terminate"] {
        let mut zone = zone_with_vm();
        if !before.is_empty() {
            assert_eq!(zone.ask(ANN, "one.vm.action", &[text(before), int(0)]), "0");
        }
        if before != "terminate" {
            drain(&mut zone);
        }
        assert_eq!(zone.ask(ADMIN, "one.user.update", &[int(2), text("OWNED_SIZE_MAX=1"), int(1)]), "2");
        for action in ["terminate-hard", "terminate"] {
            let reply = zone.ask(ANN, "one.vm.action", &[text(action), int(0)]);
            assert!(reply == "0" || before == "terminate", "{before}, {action}: {reply}");
            if reply == "0" {
                break;
            }
        }
        drain(&mut zone);
        assert_eq!(zone.state.get::<Vm>(0).expect("the VM").1.state, VmState::Done, "{before}");
    }
    let mut zone = zone_with_vm();
    let image = [text("NAME=i TYPE=DATABLOCK SIZE=1"), int(tenant::STORE), Arg::Bool(false)];
    assert_eq!(zone.ask(ANN, "one.image.allocate", &image), "0");
    assert_eq!(zone.ask(ANN, "one.vn.reserve", &[int(0), text("NAME=r SIZE=2")]), "1");
    drain(&mut zone);
    let waiting = zone.ask(ANN, "one.vm.allocate", &[text("CPU=1 MEMORY=8"), Arg::Bool(true)]);
    assert_eq!(zone.ask(ADMIN, "one.user.update", &[int(2), text("OWNED_SIZE_MAX=1"), int(1)]), "2");
    assert_eq!(zone.ask(ANN, "one.vm.action", &[text("terminate"), int(1)]), waiting);
    assert_eq!(zone.ask(ANN, "one.image.delete", &[int(0)]), "0");
    assert_eq!(zone.ask(ANN, "one.vn.delete", &[int(1)]), "1");
}

/// Whatever stands in the way of the deletion itself.
#[test]
fn no_deletion_is_refused_for_size() {
    let state = everything::zone();
    let deletes = |name: &str| name.ends_with(".delete");
    let mut tried = 0;
    for method in table::all().filter(|method| deletes(method.name) || method.name == "one.vm.recover") {
        let Handler::Write(handler) = method.handler else { continue };
        let id = *state.pool(method.kind).keys().next_back().expect("an object of every kind");
        let operations: &[i64] = if deletes(method.name) { &[0] } else { &[3, 5] };
        for operation in operations {
            let mut args: Vec<Arg> = method.params.iter().map(|param| param.ty.blank()).collect();
            args[0] = int(i64::from(id));
            if !deletes(method.name) {
                args[1] = int(*operation);
            }
            let request = Request::new(method, &args).expect("the right arguments");
            let mut txn = Txn::new(state.clone(), Actor::default(), Facts::default(), [7; 32]);
            let reply = handler(&mut txn, &request);
            assert!(txn.is_exempt_from_limits(), "{} {operation}: {reply:?}", method.name);
            tried += 1;
        }
    }
    assert!(tried > 18, "{tried}");
}

/// Something a user does; `n` chooses among what there is.
fn step(zone: &mut Zone, what: u8, n: i64, size: usize) {
    let filler = |name: &str| text(&format!("{name}=\"{}\"", char::from(b'a' + what).to_string().repeat(size)));
    let act = |action: &str| ("one.vm.action", vec![text(action), int(n)]);
    let (method, args) = match what {
        0 => {
            new_vm(zone);
            return;
        }
        1 | 2 => ("one.vm.update", vec![int(n), filler("A"), int(i64::from(what - 1))]),
        3 => ("one.vm.attachnic", vec![int(n), text("NIC=[NETWORK_ID=0]")]),
        4 => ("one.vm.detachnic", vec![int(n), int(n % 3)]),
        5 => act("poweroff"),
        6 => act("resume"),
        7 => act("reboot"),
        8 => act("terminate-hard"),
        9 => ("one.document.allocate", vec![filler("NAME=d D"), int(100)]),
        10 => ("one.document.update", vec![int(n), filler("E"), int(n % 2)]),
        11 => ("one.vm.updateconf", vec![int(n), text(&format!("CONTEXT=[A=\"{}\"]", "c".repeat(size))), int(n % 2)]),
        12 => act("suspend"),
        13 => ("one.user.update", vec![int(2), filler("U"), int(0)]),
        _ => ("one.vm.snapshotcreate", vec![int(n), text("s")]),
    };
    // Refused or not.
    let _ = zone.call(ANN, method, &args);
    drain(zone);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(12) })]
    #[test]
    fn whatever_a_user_does_the_state_keeps_no_more_than_the_limit_and_its_slack(
        steps in prop::collection::vec((0u8..15, 0i64..4, prop::sample::select(vec![10usize, 5_000, 40_000, 90_000])), 1..90),
    ) {
        let mut zone = zone_with_vm();
        for (what, n, size) in steps {
            step(&mut zone, what, n, size);
            let kept = kept(&zone.state);
            prop_assert!(kept < LIMIT / 8 * 9 + (1 << 14), "{kept} bytes");
        }
        let counted = sizes::recount(&zone.state).get(&UID).copied();
        prop_assert_eq!(counted, Some(zone.state.owned(UID)));
        prop_assert!(zone.state.owned(UID) as usize >= kept(&zone.state), "nothing is counted too low");
    }
}

#[test]
fn every_update_is_refused_at_the_limit() {
    const LARGE: usize = 20_000;
    let mut zone = Zone::of(everything::zone());
    set(&mut zone, "OBJECT_SIZE_MAX", "16384");
    set(&mut zone, "OBJECT_SIZE_MAX_ADMIN", "16384");
    let part = format!("BIG=\"{}\"", "x".repeat(LARGE));
    let mut tried = 0;
    for method in table::all().filter(|method| matches!(method.handler, Handler::Write(_))) {
        let verb = method.name.rsplit('.').next().unwrap_or_default();
        // Default quotas are no object: what they hold is bounded by the datastores, networks and images there are.
        // Of an interface only numbers of its bandwidth are taken.
        if !verb.starts_with("update") || method.name.contains("quota.") || verb == "updatenic" {
            continue;
        }
        let id = *zone.state.pool(method.kind).keys().next_back().expect("an object of every kind");
        let args = match method.name {
            "one.vn.update_ar" => vec![int(0), text(&format!("AR=[AR_ID=0,{part}]"))],
            "one.vm.updateconf" => vec![int(0), text(&format!("CONTEXT=[{part}]")), int(1)],
            _ => vec![int(i64::from(id)), text(&part), int(1)],
        };
        let refusal = zone.ask(ADMIN, method.name, &args);
        assert!(refusal.contains("the limit is 16384 (OBJECT_SIZE_MAX_ADMIN)"), "{}: {refusal}", method.name);
        tried += 1;
    }
    assert!(tried > 18, "{tried}");
}

#[test]
fn a_users_own_limit_is_a_number() {
    let mut zone = zone_of_ann();
    for wrong in ["64M", "-1", "\"\"", "1.5", "[A=1]"] {
        let reply = zone.ask(ADMIN, "one.user.update", &[int(2), text(&format!("OWNED_SIZE_MAX={wrong}")), int(1)]);
        assert!(reply.contains("OWNED_SIZE_MAX must be a whole number of bytes"), "{wrong}: {reply}");
    }
    // What was stored before this was checked counts as the zone's setting, and keeps the user from nothing.
    zone.change(|txn| txn.object_mut(Kind::User, UID).expect("ann").template.set("OWNED_SIZE_MAX", "64M"));
    assert_eq!(zone.ask(ANN, "one.document.allocate", &[filler(MB), int(100)]), "0");
    assert_eq!(zone.ask(ANN, "one.user.update", &[int(2), text("A=B"), int(1)]), "2");
}

/// A text that is small where it is stored and long where it is sent costs every node what was sent.
#[test]
fn no_argument_is_longer_than_an_object_of_its_caller_may_be() {
    let mut zone = zone_of_ann();
    let actions = format!("CPU=1\nMEMORY=128\n{}", "SCHED_ACTION=[ACTION=terminate,TIME=1]\n".repeat(100_000));
    let refusal = zone.ask(ANN, "one.vm.allocate", &[text(&actions), Arg::Bool(true)]);
    let limit = "the limit is 1048576 (OBJECT_SIZE_MAX)";
    assert_eq!(refusal, format!("The virtual machine would have {} bytes, {limit}", actions.len()));
    let comment = format!("NAME=n\n#{}\n", "x".repeat(2 * MB));
    assert!(zone.ask(ANN, "one.template.allocate", &[text(&comment)]).contains(limit));
    assert_eq!(zone.ask(ADMIN, "one.template.allocate", &[text(&comment)]), "0", "an administrator may send more");
}

#[test]
fn every_method_refuses_an_argument_that_is_too_long_and_apply_does_as_well() {
    let mut zone = zone_of_ann();
    set(&mut zone, "OBJECT_SIZE_MAX", "16384");
    set(&mut zone, "OBJECT_SIZE_MAX_ADMIN", "16384");
    let long = text(&"x".repeat(16_385));
    let mut refused = 0;
    for method in table::all().filter(|method| method.params.iter().any(|param| param.ty == Type::Str)) {
        let args: Vec<Arg> =
            method.params.iter().map(|p| if p.ty == Type::Str { long.clone() } else { p.ty.blank() }).collect();
        for session in [ANN, ADMIN] {
            let at_the_edge = zone.call(session, method.name, &args);
            let actor = login::authenticate(&zone.state, session, NOW).expect("a right session");
            let call = Call { method: method.name.to_owned(), actor, args: args.clone(), facts: Facts::default() };
            let applied = zone.apply(Command::Call(call));
            assert!(at_the_edge.is_err() && applied.is_err(), "{}", method.name);
            assert!(zone.changed.is_empty(), "{} changed {:?}", method.name, zone.changed);
            refused += usize::from(at_the_edge.is_err_and(|e| e.text.contains("16385 bytes, the limit is 16384")));
        }
    }
    assert!(refused > 100, "{refused} were refused for their length");
}

#[test]
fn many_small_attributes_count_for_the_memory_they_take() {
    let mut zone = zone_of_ann();
    let tiny = text(&format!("NAME=d\n{}", "X=[A=1]\n".repeat(1000)));
    assert_eq!(zone.ask(ANN, "one.document.allocate", &[tiny, int(1)]), "0");
    // A vector with one value is a tree of its own, of half a kilobyte and more.
    assert!(zone.state.owned(2) > 500 * 1000, "{}", zone.state.owned(2));
    assert_eq!(sizes::recount(&zone.state).get(&2), Some(&zone.state.owned(2)));
    let tiny = text(&format!("NAME=e\n{}", "X=[A=1]\n".repeat(3000)));
    assert!(zone.ask(ANN, "one.document.allocate", &[tiny, int(1)]).contains("OBJECT_SIZE_MAX)"));
}

#[test]
fn a_template_has_no_more_than_so_many_values_in_either_form() {
    let most = MAX_VALUES / 2;
    let vectors = |n| "X=[A=1]\n".repeat(n);
    let elements = |n| format!("<T>{}</T>", "<X><A>1</A></X>".repeat(n));
    let refusal = Err(format!("The template has more than {MAX_VALUES} attributes and values."));
    for (fits, too_many) in [
        (vectors(most), vectors(most + 1)),
        (elements(most), elements(most + 1)),
        ("X=1\n".repeat(MAX_VALUES), "X=1\n".repeat(MAX_VALUES + 1)),
    ] {
        assert!(parse(&fits).is_ok());
        assert_eq!(parse(&too_many).map(|_| ()), refusal);
    }
    // Images and users keep one attribute of each name: the call is refused all the same.
    let mut zone = zone_of_ann();
    let image = text(&format!("NAME=d\nTYPE=DATABLOCK\nSIZE=1\n{}", vectors(100_000)));
    let refused = zone.ask(ANN, "one.image.allocate", &[image, int(1), Arg::Bool(false)]);
    assert!(refused.ends_with("attributes and values."), "{refused:.200}");
    let user = text(&vectors(100_000));
    assert!(zone.ask(ANN, "one.user.update", &[int(2), user, int(0)]).ends_with("attributes and values."));
}
