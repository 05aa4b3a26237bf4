//! Leases: whatever happens, no address is given twice, and what is counted is what there is.

use std::collections::BTreeMap;

use proptest::prelude::*;
use quorate_model::api::Arg;
use quorate_model::kind::Kind;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State as VmState;
use quorate_model::records::vnet::Vnet;
use quorate_model::records::vnet::holder::Holder;
use quorate_model::records::vnet::range::AddressRange;
use quorate_model::template::VectorAttribute;
use quorate_state_machine::pools::vnet::nic;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// A zone with network 0: ten addresses from 10.0.0.1 on.
fn zone_with_network() -> Zone {
    let mut zone = Zone::fresh();
    let template = "NAME=net VN_MAD=bridge AR=[TYPE=IP4,IP=10.0.0.1,SIZE=10]";
    assert_eq!(zone.ask(ADMIN, "one.vn.allocate", &[text(template), int(-1)]), "0");
    zone.drain();
    zone
}

/// A step in the life of a network.
#[derive(Clone, Debug)]
enum Step {
    Attach(i32),
    AttachAt(i32, u8),
    Release(usize),
    Hold(u8),
    Unhold(u8),
    Reserve(u8, Option<u8>),
    FreeReservation(usize),
    Resize(u8),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => (0..9).prop_map(Step::Attach),
        2 => (0..9, 0_u8..14).prop_map(|(vm, at)| Step::AttachAt(vm, at)),
        3 => any::<prop::sample::Index>().prop_map(|i| Step::Release(i.index(64))),
        2 => (0_u8..14).prop_map(Step::Hold),
        1 => (0_u8..14).prop_map(Step::Unhold),
        2 => (1_u8..5, prop::option::of(0_u8..14)).prop_map(|(size, at)| Step::Reserve(size, at)),
        1 => any::<prop::sample::Index>().prop_map(|i| Step::FreeReservation(i.index(8))),
        1 => (0_u8..14).prop_map(Step::Resize),
    ]
}

/// The addresses that the zone's objects say they have, by address: NICs that were leased, and reservations.
#[derive(Default)]
struct Book {
    nics: Vec<(i32, VectorAttribute)>,
    held: Vec<String>,
    reservations: Vec<i32>,
}

fn run(zone: &mut Zone, book: &mut Book, step: &Step) {
    let ip = |at: u8| format!("10.0.0.{}", at + 1);
    match step {
        Step::Attach(vm) => attach(zone, book, *vm, None),
        Step::AttachAt(vm, at) => attach(zone, book, *vm, Some(ip(*at))),
        Step::Release(which) => {
            if !book.nics.is_empty() {
                let (vm, nic) = book.nics.remove(which % book.nics.len());
                zone.change(|txn| nic::release(txn, vm, &nic));
            }
        }
        Step::Hold(at) => {
            let ip = ip(*at);
            if zone.ask(ADMIN, "one.vn.hold", &[int(0), text(&format!("LEASES=[IP={ip}]"))]) == "0" {
                book.held.push(ip);
            }
        }
        Step::Unhold(at) => {
            let ip = ip(*at);
            zone.ask(ADMIN, "one.vn.release", &[int(0), text(&format!("LEASES=[IP={ip}]"))]);
            book.held.retain(|held| *held != ip);
        }
        Step::Reserve(size, at) => {
            let first = at.map(|at| format!("AR_ID=0 IP={}", ip(at))).unwrap_or_default();
            let number = zone.state.globals().next_ids.get(&Kind::Net).copied().unwrap_or(0);
            let wish = format!("NAME=r{number} SIZE={size} {first}");
            if let Ok(id) = zone.ask(ADMIN, "one.vn.reserve", &[int(0), text(&wish)]).parse() {
                book.reservations.push(id);
                zone.drain();
            }
        }
        Step::FreeReservation(which) => {
            if !book.reservations.is_empty() {
                let id = book.reservations.remove(which % book.reservations.len());
                assert_eq!(zone.ask(ADMIN, "one.vn.delete", &[int(id.into())]), id.to_string());
                zone.drain();
            }
        }
        Step::Resize(size) => {
            zone.ask(ADMIN, "one.vn.update_ar", &[int(0), text(&format!("AR=[AR_ID=0,SIZE={size}]"))]);
        }
    }
}

fn attach(zone: &mut Zone, book: &mut Book, vm: i32, ip: Option<String>) {
    let mut nic = VectorAttribute::from_iter([("NETWORK_ID", 0)]);
    if let Some(ip) = ip {
        nic.set("IP", ip);
    }
    let before = zone.state.clone();
    match zone.change(|txn| nic::attach(txn, Holder::Vm(vm), 0, 0, &mut nic)) {
        Ok(_) => book.nics.push((vm, nic)),
        // A handler discards what it did before it was refused.
        Err(_) => zone.state = before,
    }
}

/// Every address with who says it has it; panics when two do.
fn recount(zone: &Zone, book: &Book) -> BTreeMap<String, Holder> {
    let mut all = BTreeMap::new();
    let mut add = |ip: String, holder| assert_eq!(all.insert(ip.clone(), holder), None, "{ip} is given twice");
    for (vm, nic) in &book.nics {
        add(nic.value("IP").to_owned(), Holder::Vm(*vm));
    }
    for ip in &book.held {
        add(ip.clone(), Holder::NOBODY);
    }
    for id in &book.reservations {
        for range in zone.net(*id).ranges.iter() {
            for index in 0..range.size {
                let mut lease = VectorAttribute::new();
                range.describe(u32::try_from(index).expect("small"), &mut lease);
                add(lease.value("IP").to_owned(), Holder::Net(*id));
            }
        }
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]
    #[test]
    fn leases_never_overlap_and_are_counted_right(steps in prop::collection::vec(step(), 1..60)) {
        let mut zone = zone_with_network();
        let mut book = Book::default();
        for step in &steps {
            run(&mut zone, &mut book, step);
            let expected = recount(&zone, &book);
            let network = zone.net(0);
            let range = network.ranges.get(0).expect("range 0");
            let taken: BTreeMap<String, Holder> = range.taken.iter().map(|(index, holder)| {
                let mut lease = VectorAttribute::new();
                range.describe(index, &mut lease);
                (lease.value("IP").to_owned(), holder)
            }).collect();
            prop_assert_eq!(&taken, &expected, "after {:?}", step);
            prop_assert!(range.taken.iter().all(|(index, _)| u64::from(index) < range.size));
            let xml = zone.ask(ADMIN, "one.vn.info", &[int(0)]);
            let used = format!("<USED_LEASES>{}</USED_LEASES>", expected.len());
            prop_assert_eq!(xml.matches(&used).count(), 2, "{}", xml);
            prop_assert_eq!(xml.matches("<LEASE>").count(), expected.len());
        }
    }

    #[test]
    fn the_first_free_address_is_the_lowest(taken in prop::collection::btree_set(0_u32..12, 0..12), count in 1_u32..5) {
        let attributes = VectorAttribute::from_iter([("TYPE", "IP4"), ("IP", "10.0.0.1"), ("SIZE", "12")]);
        let mut range = AddressRange::new(0, attributes, 2, 0).expect("a range");
        for index in (0..12).chain(taken.iter().copied()) {
            range.take(index, Holder::NOBODY);
        }
        for index in (0..12).filter(|index| !taken.contains(index)) {
            range.give_back(index, Holder::NOBODY);
        }
        let naive = (0..12_u32).find(|first| (*first..first + count).all(|i| i < 12 && !taken.contains(&i)));
        prop_assert_eq!(range.first_free(count), naive);
    }
}

/// A call of user ann, or of an administrator about her VMs.
#[derive(Clone, Debug)]
enum Call {
    /// A VM with so many NICs in the network, the first one at an address.
    Allocate(usize, Option<u8>),
    Terminate(usize),
    AttachNic(usize),
    DetachNic(usize, i64),
    Router,
    DeleteRouter(usize),
    Reserve(u8),
    Limit(i64),
}

fn call() -> impl Strategy<Value = Call> {
    let which = || any::<prop::sample::Index>().prop_map(|i| i.index(64));
    prop_oneof![
        4 => (0_usize..4, prop::option::of(0_u8..12)).prop_map(|(nics, at)| Call::Allocate(nics, at)),
        3 => which().prop_map(Call::Terminate),
        1 => which().prop_map(Call::AttachNic),
        1 => (which(), 0_i64..3).prop_map(|(vm, nic)| Call::DetachNic(vm, nic)),
        1 => Just(Call::Router),
        1 => which().prop_map(Call::DeleteRouter),
        1 => (1_u8..4).prop_map(Call::Reserve),
        1 => (-2_i64..8).prop_map(Call::Limit),
    ]
}

const ANN: &str = "ann:pw";

fn make(zone: &mut Zone, call: &Call) {
    let pick = |zone: &Zone, kind: Kind, which: usize| -> i64 {
        let ids: Vec<i32> = zone.state.pool(kind).keys().copied().collect();
        if ids.is_empty() { 0 } else { ids[which % ids.len()].into() }
    };
    match call {
        Call::Allocate(nics, at) => {
            let first = at.map(|at| format!(", IP=10.0.0.{}", at + 1)).unwrap_or_default();
            let nics: String = (0..*nics)
                .map(|i| format!("NIC=[NETWORK_ID=0{}]\n", if i == 0 { first.as_str() } else { "" }))
                .collect();
            let template = format!("NAME=v\nCPU=1\nMEMORY=64\n{nics}");
            zone.ask(ANN, "one.vm.allocate", &[text(&template), Arg::Bool(true)]);
        }
        Call::Terminate(which) => {
            let vm = pick(zone, Kind::Vm, *which);
            zone.ask(ANN, "one.vm.action", &[text("terminate-hard"), int(vm)]);
        }
        Call::AttachNic(which) => {
            let vm = pick(zone, Kind::Vm, *which);
            zone.ask(ANN, "one.vm.attachnic", &[int(vm), text("NIC=[NETWORK_ID=0]")]);
        }
        Call::DetachNic(which, nic) => {
            let vm = pick(zone, Kind::Vm, *which);
            zone.ask(ANN, "one.vm.detachnic", &[int(vm), int(*nic)]);
        }
        Call::Router => {
            let template = "NAME=r NIC=[NETWORK_ID=0,FLOATING_IP=YES] NIC=[NETWORK_ID=0]";
            zone.ask(ANN, "one.vrouter.allocate", &[text(template)]);
        }
        Call::DeleteRouter(which) => {
            let router = pick(zone, Kind::VRouter, *which);
            zone.ask(ANN, "one.vrouter.delete", &[int(router)]);
        }
        Call::Reserve(size) => {
            let name = zone.state.globals().next_ids.get(&Kind::Net).copied().unwrap_or(0);
            zone.ask(ANN, "one.vn.reserve", &[int(0), text(&format!("NAME=r{name} SIZE={size}"))]);
        }
        Call::Limit(leases) => {
            let limit = format!("NETWORK=[ID=0,LEASES={leases}]");
            zone.ask(ADMIN, "one.user.quota", &[int(2), text(&limit)]);
        }
    }
    zone.drain();
}

/// The leases that ann's objects have by their own account.
fn leases_of_objects(zone: &Zone) -> Vec<(String, Holder)> {
    let mut leases = Vec::new();
    for (object, vm) in zone.state.each::<Vm>().filter(|(_, vm)| vm.state != VmState::Done) {
        let nics = vm.nics().filter(|(_, nic)| nic.id("NETWORK_ID") == Some(0));
        leases.extend(nics.map(|(_, nic)| (nic.value("IP").to_owned(), Holder::Vm(object.id))));
    }
    for router in zone.state.pool(Kind::VRouter).values() {
        let floating = router.template.vectors("NIC").filter(|nic| nic.is_yes("FLOATING_IP"));
        leases.extend(floating.map(|nic| (nic.value("VROUTER_IP").to_owned(), Holder::VRouter(router.id))));
    }
    for (object, network) in zone.state.each::<Vnet>().filter(|(_, network)| network.parent == Some(0)) {
        for range in network.ranges.iter() {
            for index in 0..u32::try_from(range.size).expect("small") {
                let mut lease = VectorAttribute::new();
                range.describe(index, &mut lease);
                leases.push((lease.value("IP").to_owned(), Holder::Net(object.id)));
            }
        }
    }
    leases.sort();
    leases
}

/// [`zone_with_network`] with user ann, who may make VMs and routers.
fn zone_of_ann() -> Zone {
    let mut zone = zone_with_network();
    let ann = [text("ann"), text("pw"), text("core"), Arg::Ints(Vec::new())];
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &ann), "2");
    // #2 VROUTER/* CREATE
    let rule = [text("100000002"), text("4000400000000"), text("8")];
    zone.call(ADMIN, "one.acl.addrule", &rule).expect("a new rule");
    zone
}

#[test]
fn vms_routers_and_reservations_of_a_user_take_leases() {
    let mut zone = zone_of_ann();
    for call in [Call::Allocate(2, Some(5)), Call::Router, Call::Reserve(3)] {
        make(&mut zone, &call);
    }
    let holders: Vec<Holder> = leases_of_objects(&zone).into_iter().map(|(_, holder)| holder).collect();
    let (vm, router, net) = (Holder::Vm(0), Holder::VRouter(0), Holder::Net(1));
    assert_eq!(holders, [vm, router, net, net, net, vm]);
    assert_eq!(zone.net(0).ranges.used(), 6);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn networks_and_quotas_know_every_lease_of_vms_routers_and_reservations(
        calls in prop::collection::vec(call(), 1..40),
    ) {
        let mut zone = zone_of_ann();
        for call in &calls {
            make(&mut zone, call);
            let range = zone.net(0).ranges.get(0).expect("range 0");
            let taken: Vec<(String, Holder)> = range.taken.iter().map(|(index, holder)| {
                let mut lease = VectorAttribute::new();
                range.describe(index, &mut lease);
                (lease.value("IP").to_owned(), holder)
            }).collect();
            let mut taken = taken;
            taken.sort();
            let told = leases_of_objects(&zone);
            prop_assert_eq!(&taken, &told, "after {:?}", call);
            let user = zone.ask(ADMIN, "one.user.info", &[int(2)]);
            let counted = format!("<LEASES_USED><![CDATA[{}]]></LEASES_USED>", told.len());
            prop_assert!(told.is_empty() || user.contains(&counted), "{} after {:?}: {}", counted, call, user);
        }
    }
}
