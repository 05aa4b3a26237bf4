//! Turns, bounds and queues, by example and after any history.

use futures::FutureExt as _;
use proptest::prelude::*;

use super::*;

const ANN: Who = Who::User(2);
const BOB: Who = Who::User(3);

fn weighing(
    lanes: &Arc<Lanes>,
    who: Who,
    limit: usize,
    weight: usize,
) -> impl Future<Output = Result<Place, Refusal>> + use<> {
    lanes.enter(who, Places::all_at_once(limit), weight, Instant::now() + LONGEST_WAIT)
}

fn enter(lanes: &Arc<Lanes>, who: Who, limit: usize) -> impl Future<Output = Result<Place, Refusal>> + use<> {
    weighing(lanes, who, limit, 1)
}

#[tokio::test(start_paused = true)]
async fn a_callers_requests_wait_for_his_own_and_another_does_not() {
    let lanes = Lanes::new(10, 100);
    let first = enter(&lanes, ANN, 2).await.unwrap();
    let _second = enter(&lanes, ANN, 2).await.unwrap();
    let mut third = Box::pin(enter(&lanes, ANN, 2));
    assert!(third.as_mut().now_or_never().is_none());
    assert!(enter(&lanes, BOB, 2).now_or_never().is_some());
    drop(first);
    assert!(third.now_or_never().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_has_waited_goes_first_when_the_limit_rises() {
    let lanes = Lanes::new(10, 100);
    let _first = enter(&lanes, ANN, 1).await.unwrap();
    let second = Box::pin(enter(&lanes, ANN, 1));
    let third = Box::pin(enter(&lanes, ANN, 2));
    assert!(third.now_or_never().is_none());
    assert!(second.now_or_never().is_some_and(|place| place.is_ok()));
}

/// A benchmark's flood, each of whose connections waits for its answer, was told that it had waited too long.
#[tokio::test(start_paused = true)]
async fn a_client_with_many_connections_is_served_late_but_served() {
    let lanes = Lanes::new(512, 1024);
    let served = (0..256).map(|_| async {
        let place = enter(&lanes, ANN, 16).await?;
        tokio::time::sleep(Duration::from_millis(1500)).await;
        drop(place);
        Ok::<_, Refusal>(())
    });
    let began = Instant::now();
    assert_eq!(futures::future::try_join_all(served).await.map(|all| all.len()), Ok(256));
    assert!(began.elapsed() > Duration::from_secs(20));
}

#[tokio::test(start_paused = true)]
async fn callers_take_turns_when_all_places_are_taken() {
    let lanes = Lanes::new(1, 100);
    let first = enter(&lanes, ANN, 9).await.unwrap();
    let mut anns: VecDeque<_> = (0..5).map(|_| Box::pin(enter(&lanes, ANN, 9))).collect();
    let mut bob = Box::pin(enter(&lanes, BOB, 9));
    drop(first);
    let second = anns.pop_front().unwrap().now_or_never().unwrap().unwrap();
    assert!(bob.as_mut().now_or_never().is_none());
    drop(second);
    let bobs = bob.now_or_never().expect("his turn comes after one of hers").unwrap();
    drop(bobs);
    assert!(anns.pop_front().unwrap().now_or_never().unwrap().is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_longest_queue_gives_way_and_its_owner_is_refused() {
    let lanes = Lanes::new(1, 4);
    let _first = enter(&lanes, ANN, 1).await.unwrap();
    let anns: Vec<_> = (0..3).map(|_| Box::pin(enter(&lanes, ANN, 1))).collect();
    assert_eq!(enter(&lanes, ANN, 1).await.unwrap_err(), Refusal::Full);
    let bob = Box::pin(enter(&lanes, BOB, 1));
    assert_eq!(lanes.figures(), (1, 3));
    let refused: Vec<bool> = anns.into_iter().map(|ann| matches!(ann.now_or_never(), Some(Err(_)))).collect();
    assert_eq!(refused, [false, false, true]);
    drop(bob);
}

#[tokio::test(start_paused = true)]
async fn who_waits_too_long_is_told() {
    let lanes = Lanes::new(1, 4);
    let _first = enter(&lanes, ANN, 1).await.unwrap();
    assert_eq!(enter(&lanes, BOB, 1).await.unwrap_err(), Refusal::Late);
    assert_eq!(lanes.figures(), (1, 0));
}

/// Each request that was given up left a turn behind, and the next one of the same caller lined up once more.
#[tokio::test(start_paused = true)]
async fn who_gives_up_while_waiting_gets_no_second_turn() {
    let lanes = Lanes::new(1, 100);
    let first = enter(&lanes, ANN, 9).await.unwrap();
    (0..50).for_each(|_| drop(Box::pin(enter(&lanes, BOB, 9))));
    assert_eq!(lanes.open().turns.len(), 0);
    let mut bobs: VecDeque<_> = (0..2).map(|_| Box::pin(enter(&lanes, BOB, 9))).collect();
    let anns = Box::pin(enter(&lanes, ANN, 9));
    drop(first);
    drop(bobs.pop_front().unwrap().now_or_never().expect("he came first").unwrap());
    assert!(anns.now_or_never().is_some(), "her turn comes after one of his");
}

#[tokio::test(start_paused = true)]
async fn there_is_no_room_once_another_caller_has_waited_for_long() {
    let lanes = Lanes::new(2, 100);
    let _under_way = [enter(&lanes, ANN, 2).await.unwrap(), enter(&lanes, ANN, 2).await.unwrap()];
    let _own = Box::pin(enter(&lanes, ANN, 2));
    tokio::time::advance(NO_ROOM_AFTER).await;
    assert!(!lanes.full(), "she waits for herself only");
    let bob = Box::pin(enter(&lanes, BOB, 2));
    assert!(!lanes.full());
    tokio::time::advance(NO_ROOM_AFTER).await;
    assert!(lanes.full());
    drop(bob);
    assert!(!lanes.full());
}

#[tokio::test(start_paused = true)]
async fn replies_that_are_read_slowly_count_for_their_reader_only() {
    let lanes = Lanes::new(2, 4);
    let mut places = [enter(&lanes, ANN, 2).await.unwrap(), enter(&lanes, ANN, 2).await.unwrap()];
    places.iter_mut().for_each(Place::sending);
    assert!(enter(&lanes, ANN, 2).now_or_never().is_none());
    assert!(enter(&lanes, BOB, 2).now_or_never().is_some());
    drop(places);
    assert_eq!(lanes.figures(), (0, 0));
    assert!(lanes.open().lanes.is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_read_slowly_keeps_its_readers_next_request_from_nothing() {
    let lanes = Lanes::new(10, 100);
    let enter = |weight| lanes.enter(ANN, Places { all: 8, carried_out: 2 }, weight, Instant::now() + LONGEST_WAIT);
    let [mut first, _second] = [enter(1).await.unwrap(), enter(1).await.unwrap()];
    let mut third = Box::pin(enter(1));
    assert!(third.as_mut().now_or_never().is_none(), "two at a time");
    first.sending();
    let mut third = third.now_or_never().expect("the first is only being sent").unwrap();
    third.sending();
    let heavy = Box::pin(enter(6));
    assert!(heavy.now_or_never().is_none(), "all of them together have eight places");
    assert!(enter(1).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn who_may_have_all_leaves_others_a_quarter() {
    let lanes = Lanes::new(8, 100);
    let most = lanes.most_of_one();
    assert_eq!((most, Lanes::new(1, 1).most_of_one()), (6, 1));
    let mut places = Vec::new();
    for _ in 0..most {
        places.push(enter(&lanes, ANN, most).await.unwrap());
    }
    assert!(enter(&lanes, ANN, most).now_or_never().is_none());
    assert!(enter(&lanes, BOB, 2).now_or_never().is_some());
}

#[tokio::test(start_paused = true)]
async fn others_count_for_a_second() {
    let lanes = Lanes::new(9, 9);
    let _a = enter(&lanes, ANN, 1).await.unwrap();
    assert!(!lanes.shared_with_others(ANN));
    drop(enter(&lanes, BOB, 1).await);
    drop(enter(&lanes, BOB, 1).await);
    assert!(lanes.shared_with_others(ANN) && lanes.shared_with_others(BOB));
    tokio::time::advance(LATELY).await;
    assert!(!lanes.shared_with_others(ANN));
}

#[tokio::test(start_paused = true)]
async fn a_heavy_request_takes_its_callers_places_and_nobody_elses() {
    let lanes = Lanes::new(10, 100);
    let light = enter(&lanes, ANN, 8).await.unwrap();
    let mut heavy = Box::pin(weighing(&lanes, ANN, 8, 17));
    let mut later = Box::pin(enter(&lanes, ANN, 8));
    assert!(heavy.as_mut().now_or_never().is_none() && later.as_mut().now_or_never().is_none());
    assert!(enter(&lanes, BOB, 8).now_or_never().is_some());
    drop(light);
    let alone = heavy.now_or_never().unwrap().unwrap();
    assert!(later.as_mut().now_or_never().is_none(), "in the order in which they came");
    drop(alone);
    let _later = later.now_or_never().unwrap().unwrap();
    assert!(weighing(&lanes, ANN, 8, 7).now_or_never().is_some());
    assert!(weighing(&lanes, ANN, 8, 8).now_or_never().is_none());
}

/// No limit that is tried is higher.
const LIMIT: usize = 3;

/// What somebody may do to the lanes.
#[derive(Clone, Copy, Debug)]
enum Step {
    Enter(i32, usize, usize),
    Leave(usize),
    GiveUp(usize),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0..4, 1..=LIMIT, 1..=LIMIT + 1).prop_map(|(user, limit, weight)| Step::Enter(user, limit, weight)),
        (0_usize..20).prop_map(Step::Leave),
        (0_usize..20).prop_map(Step::GiveUp),
    ];
    proptest::collection::vec(step, 0..200)
}

proptest! {
    /// After any history: bounds hold, what is counted is what there is, nobody waits who could be under way, and
    /// when all have left nothing is remembered.
    #[test]
    fn bounds_hold_and_nobody_waits_in_vain(steps in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let _inside = runtime.enter();
        let lanes = Lanes::new(5, 12);
        let (mut places, mut waiting) = (Vec::new(), Vec::new());
        for step in steps {
            match step {
                Step::Enter(user, limit, weight) => {
                    waiting.push((user, weight, Box::pin(weighing(&lanes, Who::User(user), limit, weight))));
                }
                Step::Leave(at) if at < places.len() => drop(places.remove(at)),
                Step::GiveUp(at) if at < waiting.len() => drop(waiting.remove(at)),
                Step::Leave(_) | Step::GiveUp(_) => {}
            }
            let mut still = Vec::new();
            for (user, weight, mut wait) in waiting {
                match wait.as_mut().now_or_never() {
                    None => still.push((user, weight, wait)),
                    Some(Ok(place)) => places.push((user, weight, place)),
                    Some(Err(_)) => {}
                }
            }
            waiting = still;
            prop_assert_eq!(lanes.figures(), (places.len(), waiting.len()));
            prop_assert!(!lanes.full(), "there is room for a newcomer");
            let mut turns: Vec<Who> = lanes.open().turns.iter().copied().collect();
            turns.sort_unstable();
            prop_assert!(turns.windows(2).all(|two| two[0] != two[1]), "each stands in turns once at most");
            prop_assert!(places.len() <= 5 && places.len() + waiting.len() <= 12);
            for user in 0..4 {
                let weights = || places.iter().filter(|(other, ..)| *other == user).map(|(_, weight, _)| *weight);
                let (under_way, weight) = (weights().count(), weights().sum::<usize>());
                prop_assert!(weight <= LIMIT || under_way == 1);
                // The limit that counts is the one that the last request brought.
                let limit = lanes.open().lanes.get(&Who::User(user)).map_or(0, |lane| lane.places.all);
                let first = waiting.iter().find(|(other, ..)| *other == user).map(|(_, weight, _)| *weight);
                let fits = first.is_some_and(|first| under_way == 0 || weight + first <= limit);
                prop_assert!(!fits || places.len() == 5, "{} waits in vain", user);
            }
        }
        drop((places, waiting));
        let inner = lanes.open();
        prop_assert!(inner.lanes.is_empty() && inner.turns.is_empty() && inner.under_way == 0 && inner.waiting == 0);
    }
}
