//! Random calls and drivers' answers on a few images: what must hold of them at any time.

use std::collections::BTreeSet;

use quorate_model::api::Arg;
use quorate_model::command::{Actor, Facts};
use quorate_model::kind::Kind;
use quorate_model::pending::Operation;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::State;
use quorate_model::template::VectorAttribute;
use quorate_state_machine::pools::image::usage;
use quorate_state_machine::txn::Txn;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

const STEPS: usize = 400;
const SEEDS: u64 = 12;

/// A small generator of its own: the same numbers everywhere.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> i64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from((self.0 >> 33) % sides).expect("small")
    }
    fn flag(&mut self) -> Arg {
        Arg::Bool(self.roll(2) == 0)
    }
}

fn zone() -> Zone {
    let mut zone = Zone::fresh();
    let groups = Arg::Ints(vec![1]);
    assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text("ann"), text("pw"), text(""), groups]), "2");
    let store = "NAME=images\nDS_MAD=dummy\nTM_MAD=dummy\nDATASTORE_CAPACITY_CHECK=NO";
    assert_eq!(zone.ask(ADMIN, "one.datastore.allocate", &[text(store), int(-1)]), "100");
    zone
}

/// One of the images there are, or sometimes none.
fn some_image(zone: &Zone, dice: &mut Dice) -> i32 {
    let ids: Vec<i32> = zone.state.pool(Kind::Image).keys().copied().collect();
    let picked = usize::try_from(dice.roll(ids.len() as u64 + 1)).expect("small");
    ids.get(picked).copied().unwrap_or(9999)
}

/// A VM takes an image or gives it back.
fn use_or_release(zone: &mut Zone, dice: &mut Dice) {
    let mut txn = Txn::new(zone.state.clone(), Actor::default(), Facts::default(), [0; 32]);
    let vm = i32::try_from(dice.roll(4)).expect("small");
    let id = some_image(zone, dice);
    let taken = zone.state.find_typed::<Image>(id).is_some_and(|(_, image)| image.vms.contains(&vm));
    let done = if taken {
        usage::release(&mut txn, vm, id, dice.roll(6) == 0).is_ok()
    } else {
        let mut disk = VectorAttribute::from_iter([("IMAGE_ID", id)]);
        usage::acquire(&mut txn, vm, 2, &mut disk, 0, dice.roll(3) == 0).is_ok()
    };
    if done {
        zone.state = txn.commit().0;
    }
}

/// A driver answers one pending operation, or fails.
fn answer(zone: &mut Zone, dice: &mut Dice) {
    let ids: Vec<u64> = zone.state.pending().keys().copied().collect();
    let Some(id) = ids.get(usize::try_from(dice.roll(ids.len().max(1) as u64)).expect("small")) else { return };
    let picked = zone.state.pending()[id].operation.clone();
    let outcome = if dice.roll(4) == 0 { Err("busy".to_owned()) } else { Ok("made raw".to_owned()) };
    zone.report(|op| (*op == picked).then(|| outcome.clone()));
}

fn step(zone: &mut Zone, dice: &mut Dice, number: usize) {
    let id = int(i64::from(some_image(zone, dice)));
    let session = if dice.roll(5) == 0 { ADMIN } else { "ann:pw" };
    // No more images than can meet each other often.
    let full = zone.state.pool(Kind::Image).len() >= 6;
    match dice.roll(10) {
        0 | 1 if full => drop(zone.ask(session, "one.image.delete", &[id, dice.flag()])),
        0 => {
            let persistent = if dice.roll(2) == 0 { "YES" } else { "NO" };
            let template = format!("NAME=i{number}\nSIZE={}\nPERSISTENT={persistent}", 1 + dice.roll(50));
            zone.ask(session, "one.image.allocate", &[text(&template), int(100)]);
        }
        1 => drop(zone.ask(session, "one.image.clone", &[id, text(&format!("c{number}"))])),
        2 => drop(zone.ask(session, "one.image.delete", &[id, dice.flag()])),
        3 => drop(zone.ask(session, "one.image.enable", &[id, dice.flag()])),
        4 => drop(zone.ask(session, "one.image.persistent", &[id, dice.flag()])),
        5 => {
            let owner = if dice.roll(2) == 0 { 0 } else { 2 };
            zone.ask(ADMIN, "one.image.chown", &[id, int(owner), int(-1)]);
        }
        6 | 7 => use_or_release(zone, dice),
        _ => answer(zone, dice),
    }
}

/// Whether a driver works on an image in this state.
fn is_worked_on(state: State) -> bool {
    state.is_locked() || state == State::Delete
}

fn check(zone: &mut Zone, what: &str) {
    let (mut size, mut count) = (0, 0);
    for (object, image) in zone.state.each::<Image>() {
        let what = format!("{what}: image {} {:?}", object.id, image.state);
        let works = |op: &Operation| matches!(op, Operation::Image { image, .. } if *image == object.id);
        let pending = zone.state.pending().values().filter(|p| works(&p.operation)).count();
        assert_eq!(pending, usize::from(is_worked_on(image.state)), "{what} has {pending} operations");
        let (used, copied) = (!image.vms.is_empty(), !image.clones.is_empty());
        match image.state {
            State::Ready | State::Locked | State::Delete => assert!(!used && !copied, "{what} is in use"),
            State::Used => assert!(used || copied, "{what} is not in use"),
            State::Clone => assert!(copied && !used, "{what} is not just copied"),
            State::UsedPersistent | State::LockedUsed | State::LockedUsedPersistent => assert!(used, "{what} is free"),
            State::Disabled | State::Error | State::Init => {}
        }
        for copy in &image.clones {
            let from = zone.state.find_typed::<Image>(*copy).and_then(|(_, copy)| copy.cloning_from);
            assert_eq!(from, Some(object.id), "{what} is held by image {copy}");
        }
        if object.uid == 2 {
            size += image.size_mb;
            count += 1;
        }
    }
    let listed = zone.state.get::<Datastore>(100).expect("the datastore").1.images.clone();
    assert!(listed.iter().eq(zone.state.pool(Kind::Image).keys()), "{what}: images of the datastore");
    let user = zone.ask(ADMIN, "one.user.info", &[int(2)]);
    let used = |name: &str| {
        user.split_once(&format!("<{name}><![CDATA["))
            .map_or("0", |(_, rest)| rest.split(']').next().unwrap_or_default())
    };
    assert_eq!((used("SIZE_USED"), used("IMAGES_USED")), (&*size.to_string(), &*count.to_string()), "{what}: quota");
}

#[test]
fn states_operations_lists_and_quotas_agree_at_any_time() {
    let mut seen = BTreeSet::new();
    for seed in 0..SEEDS {
        let (mut zone, mut dice) = (zone(), Dice(seed));
        for number in 0..STEPS {
            step(&mut zone, &mut dice, number);
            check(&mut zone, &format!("seed {seed} step {number}"));
            seen.extend(zone.state.each::<Image>().map(|(_, image)| image.state));
        }
    }
    assert_eq!(seen.len(), 10, "every state but INIT has come up: {seen:?}");
}
