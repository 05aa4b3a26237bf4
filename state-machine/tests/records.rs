//! A state is its records: what is written of it is read back as it was, a commit names all records that it changed,
//! and what it writes depends on the change, not on how much there is.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use quorate_model::kind::Kind;
use quorate_model::records::vm::Vm;
use quorate_model::records::vnet::Vnet;
use quorate_model::records::vnet::holder::Holder;
use quorate_state_machine::sizes;
use quorate_state_machine::state::State;
use quorate_state_machine::store_key::StoreKey;
use quorate_testkit::vms::VmZone;
use quorate_testkit::zone::{ADMIN, Zone, int, text};
use quorate_testkit::{everything, random};

/// The state that is read from the records of another.
fn reloaded(state: &State) -> State {
    let mut again = State::default();
    for key in state.all_keys() {
        let value = state.encode(&key).unwrap_or_else(|| panic!("{key:?} is listed and has no record"));
        again.decode(&key.to_bytes(), &value).expect("what was encoded can be decoded");
    }
    again.finish_loading().expect("nothing is missing");
    again
}

fn records(state: &State) -> BTreeMap<Vec<u8>, Vec<u8>> {
    state.all_keys().map(|key| (key.to_bytes(), state.encode(&key).expect("a listed record"))).collect()
}

/// Every record that differs between `before` and now was named by the last command. What there is one of may differ
/// unnamed, since a store writes it with every entry.
fn check_changes(before: &BTreeMap<Vec<u8>, Vec<u8>>, zone: &Zone) {
    let (after, named) = (records(&zone.state), zone.changed.iter().map(|key| key.to_bytes()).collect::<BTreeSet<_>>());
    for key in before.keys().chain(after.keys()).filter(|key| before.get(*key) != after.get(*key)) {
        let known = StoreKey::from_bytes(key);
        assert!(named.contains(key) || known == Some(StoreKey::Globals), "{known:?} changed and nobody said so");
    }
}

/// Everything that is kept beside the records is what they make of it.
fn check_sums(state: &State) {
    let again = reloaded(state);
    assert_eq!(&again, state);
    let owned = sizes::recount(state);
    for uid in -1..10 {
        let counted = owned.get(&uid).copied().unwrap_or(0);
        assert_eq!((state.owned(uid), again.owned(uid)), (counted, counted), "what user {uid} owns");
    }
    for state in [state, &again] {
        assert!(state.each::<Vm>().all(|(_, vm)| vm.history.is_consistent()));
    }
}

/// How many bytes of records the last command wrote.
fn written(zone: &Zone) -> usize {
    let keys: BTreeSet<StoreKey> = zone.changed.iter().copied().collect();
    keys.iter().map(|key| key.to_bytes().len() + zone.state.encode(key).map_or(0, |value| value.len())).sum()
}

#[test]
fn a_zone_with_everything_is_read_back_as_it_was_written() {
    let state = everything::zone();
    for kind in Kind::ALL {
        assert!(!state.pool(kind).is_empty(), "{kind:?}");
    }
    check_sums(&state);
    assert_eq!(everything::zone(), state, "made twice it is the same");
}

#[test]
fn keys_sort_as_their_bytes_do_and_are_read_back() {
    let keys: Vec<StoreKey> = everything::zone().all_keys().collect();
    assert!(keys.iter().any(|key| matches!(key, StoreKey::Part(..))));
    let mut by_bytes = keys.clone();
    by_bytes.sort_by_key(|key| key.to_bytes());
    let mut by_key = keys;
    by_key.sort();
    assert_eq!(by_bytes, by_key);
    assert!(by_key.iter().all(|key| StoreKey::from_bytes(&key.to_bytes()) == Some(*key)));
}

#[test]
fn a_part_without_its_object_is_corrupt() {
    let state = everything::zone();
    let part = state.all_keys().find(|key| matches!(key, StoreKey::Part(Kind::Vm, ..))).expect("a history record");
    let value = state.encode(&part).expect("a record");
    let refusal = State::default().decode(&part.to_bytes(), &value).expect_err("there is no VM");
    assert!(refusal.to_string().contains("a part of no object"), "{refusal}");
}

/// Texts have numbers from 2^32 on.
#[test]
fn a_history_that_lacks_a_text_or_has_one_too_many_is_corrupt() {
    let mut state = everything::zone();
    state.finish_loading().unwrap();
    let of_history = |key: &StoreKey| matches!(key, StoreKey::Part(Kind::Vm, ..));
    let is_text = |key: &StoreKey| matches!(key, StoreKey::Part(_, _, part) if part.index >= 1 << 32);
    let mut left_out = [0, 0];
    for missing in state.all_keys().filter(of_history) {
        let mut again = State::default();
        for key in state.all_keys().filter(|key| *key != missing) {
            again.decode(&key.to_bytes(), &state.encode(&key).expect("a record")).unwrap();
        }
        let refusal = again.finish_loading().map_err(|e| e.to_string());
        if is_text(&missing) {
            assert!(refusal.unwrap_err().contains("of its history is missing"), "{missing:?}");
        }
        left_out[usize::from(is_text(&missing))] += 1;
    }
    assert!(left_out[0] > 0 && left_out[1] > 0, "{left_out:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_commit_names_every_record_that_it_changed(calls in random::calls(2, 1..40), answers in prop::collection::vec(any::<bool>(), 40)) {
        let mut lab = VmZone::new();
        lab.allocate();
        lab.must("one.user.allocate", &[text("ann"), text("pw"), text("core"), quorate_model::api::Arg::Ints(vec![])]);
        lab.walk("deploy, ok, ok");
        for (call, answer) in calls.iter().zip(answers) {
            let before = records(&lab.zone.state);
            lab.zone.changed.clear();
            let session = ["oneadmin:opennebula", "ann:pw"][call.caller % 2];
            // Refused or not.
            let _ = lab.zone.call(session, call.method, &call.args);
            check_changes(&before, &lab.zone);
            let before = records(&lab.zone.state);
            lab.zone.changed.clear();
            if lab.answer(answer).is_some() {
                check_changes(&before, &lab.zone);
            }
        }
        check_sums(&lab.zone.state);
    }
}

/// A network of 100,000 addresses of which the first `used` are leased one by one.
fn network(used: u32) -> Zone {
    let mut zone = Zone::fresh();
    let template = "NAME=n VN_MAD=bridge AR=[TYPE=IP4,IP=10.0.0.0,SIZE=100000]";
    assert_eq!(zone.ask(ADMIN, "one.vn.allocate", &[text(template), int(-1)]), "0");
    zone.drain();
    zone.change(|txn| {
        let network = txn.body_mut::<Vnet>(0).expect("the network");
        let range = network.ranges.get_mut(0).expect("its range");
        assert!((0..used).all(|place| range.take(place, Holder::Vm(i32::try_from(place).expect("small")))));
        assert!(range.take(99_999, Holder::NOBODY));
    });
    zone
}

#[test]
fn what_a_lease_writes_does_not_depend_on_how_many_there_are() {
    let mut sizes = BTreeSet::new();
    for used in [0, 1_000, 60_000] {
        let mut zone = network(used);
        for (method, address) in [("one.vn.hold", "10.1.134.158"), ("one.vn.release", "10.1.134.158")] {
            let lease = format!("LEASES=[IP={address}]");
            assert_eq!(zone.ask(ADMIN, method, &[int(0), text(&lease)]), "0");
        }
        let lease = "LEASES=[IP=10.1.134.158]";
        assert_eq!(zone.ask(ADMIN, "one.vn.hold", &[int(0), text(lease)]), "0");
        sizes.insert(written(&zone));
    }
    assert_eq!(sizes.len(), 1, "{sizes:?}");
}

#[test]
fn a_reservation_is_one_record_however_large() {
    let mut zone = network(0);
    assert_eq!(zone.ask(ADMIN, "one.vn.reserve", &[int(0), text("NAME=r SIZE=20000")]), "1");
    let parts = zone.changed.iter().filter(|key| matches!(key, StoreKey::Part(Kind::Net, 0, _))).count();
    assert_eq!(parts, 1);
    let xml = zone.ask(ADMIN, "one.vn.info", &[int(0)]);
    assert_eq!(xml.matches("<VNET><![CDATA[1]]></VNET>").count(), 20_000, "each address is shown");
}

/// As many as a test has time for.
const CYCLES: usize = 300;

#[test]
fn a_power_cycle_writes_the_same_in_an_old_vm_as_in_a_new_one() {
    let mut lab = VmZone::new();
    lab.allocate();
    lab.walk("deploy, ok, ok");
    let large = format!("LARGE=\"{}\"", "x".repeat(100_000));
    lab.must("one.vm.update", &[int(0), text(&large), int(1)]);
    let mut cycles = Vec::new();
    for _ in 0..CYCLES {
        let mut parts = 0;
        for word in ["poweroff", "ok", "resume", "ok"] {
            lab.walk(word);
            let keys: BTreeSet<StoreKey> = lab.zone.changed.iter().copied().collect();
            let state = &lab.zone.state;
            let size = |key: &StoreKey| match key {
                StoreKey::Part(..) => state.encode(key).map_or(0, |value| value.len()),
                _ => 0,
            };
            parts += keys.iter().map(size).sum::<usize>();
        }
        cycles.push(parts);
    }
    // The first one stores the text once; numbers take a few bytes more in time.
    let (second, last) = (cycles[1], cycles[CYCLES - 1]);
    assert!(second < 20_000 && last <= second + 100, "{second} bytes of history, then {last}");
    assert!(lab.vm().history.len() > CYCLES);
    assert!(lab.vm().history.is_consistent());
    let accounting = lab.must("one.vmpool.accounting", &[int(-2), int(-1), int(-1)]);
    assert!(accounting.matches("<LARGE>").count() > CYCLES, "each record shows its VM");
}
