//! Calls through the gateway as any protocol brings them: sessions that an authentication driver has to be asked about, turns.

use std::future::pending;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt as _;
use quorate_gateway::busy::Busy;
use quorate_gateway::caller::Caller;
use quorate_gateway::client::{Client, Origin};
use quorate_gateway::control::ControlPlane as _;
use quorate_gateway::gateway::{Gateway, ONEADMIN};
use quorate_gateway::lanes::{Place, Places, Who};
use quorate_gateway::route::Route;
use quorate_model::api::Arg;
use quorate_model::kind::Kind;
use quorate_testkit::plane::Plane;
use quorate_testkit::zone::{ADMIN, int, text};
use tokio::time::{Instant, sleep, timeout};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// A client that holds nothing.
struct Here;

impl Client for Here {
    type Held = ();
    fn address(&self) -> IpAddr {
        HERE
    }
    fn held(&self) {}
    fn lost(&self) -> impl Future<Output = ()> + Send {
        pending()
    }
    fn pin(&self) -> Result<(), Busy> {
        Ok(())
    }
    fn unpin(&self) {}
    fn is_served(&self) {}
    fn held_back(&self) -> impl Send {}
}

/// What a call is told: its reply, its refusal, or that others come first.
async fn call(gateway: &Gateway<Plane>, session: &str, method: &str, args: &[Arg]) -> String {
    let route = Route::find(method).expect("a method");
    let args = route.arguments(args.to_vec(), |arg, _| Ok(arg), || "too few").expect("enough arguments");
    let done = Caller { gateway, origin: &Origin::new(&Here), session }.call(route, args, 1).await;
    if let Some(attempt) = done.attempt {
        attempt.is_heard();
    }
    match done.reply {
        Ok(Ok(value)) => value.to_text(),
        Ok(Err(refusal)) => refusal.text,
        Err(busy) => busy.to_string(),
    }
}

fn plane_and_gateway() -> (Arc<Plane>, Gateway<Plane>) {
    let plane = Plane::new();
    (plane.clone(), Gateway::new(plane, 100))
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_enrolled_and_asked_about_once() {
    let (plane, gateway) = plane_and_gateway();
    let own = call(&gateway, "lee:right", "one.user.info", &[int(-1)]).await;
    assert!(own.contains("<NAME>lee</NAME>"), "{own}");
    let template = [int(2), text("A=1"), int(1)];
    let updated = call(&gateway, "lee:right", "one.user.update", &template).await;
    assert_eq!(updated, "2");
    assert_eq!(plane.asked.load(Ordering::Relaxed), 1);
    let user = plane.local().find(Kind::User, 2).unwrap().template.value("A").to_owned();
    assert_eq!(user, "1");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_asked_about_each_time_and_a_write_asks_once() {
    let (plane, gateway) = plane_and_gateway();
    for (asked, session) in [(1, "lee:wrong"), (2, "lee:wrong"), (3, "eve:right")] {
        let template = [int(2), text("A=1"), int(1)];
        let refused = call(&gateway, session, "one.user.update", &template).await;
        assert!(refused.contains("authenticated, aborting call."), "{refused}");
        assert_eq!(plane.asked.load(Ordering::Relaxed), asked);
    }
    assert!(plane.local().find(Kind::User, 2).is_none());
}

/// A client that hangs up does not make the driver forget the question: it must not get a place for another one.
#[tokio::test(start_paused = true)]
async fn a_stranger_who_hangs_up_keeps_the_place_until_the_driver_has_answered() {
    let (plane, gateway) = plane_and_gateway();
    for _ in 0..100 {
        let args = [int(-1)];
        let asked = call(&gateway, "slow:x", "one.user.info", &args);
        assert!(timeout(Duration::from_secs(6), asked).await.is_err());
    }
    assert_eq!(plane.asked.load(Ordering::Relaxed), 32);
    assert_eq!(gateway.strangers.figures(), (32, 0));
}

/// Every node would store, send and parse it, to refuse it in the end.
#[tokio::test(start_paused = true)]
async fn an_argument_longer_than_the_callers_objects_may_be_is_not_proposed() {
    let (plane, gateway) = plane_and_gateway();
    call(&gateway, "lee:right", "one.user.info", &[int(-1)]).await;
    let before = plane.proposed().len();
    let template = |bytes: usize| [text(&format!("NAME=n\n#{}\n", "x".repeat(bytes))), int(100)];
    let refused = call(&gateway, "lee:right", "one.document.allocate", &template(2 << 20)).await;
    assert!(refused.contains("The document would have") && refused.contains("(OBJECT_SIZE_MAX)"), "{refused}");
    assert_eq!(plane.proposed().len(), before);
    let made = call(&gateway, "lee:right", "one.document.allocate", &template(1 << 19)).await;
    assert_eq!(made, "0");
    assert_eq!(plane.proposed().len(), before + 1);
}

/// The driver did consent: the client's next try, and those of others with the same address, need not wait for it again.
#[tokio::test(start_paused = true)]
async fn a_consent_counts_although_its_client_has_hung_up() {
    let (plane, gateway) = plane_and_gateway();
    let own = async || call(&gateway, "late:right", "one.user.info", &[int(-1)]).await;
    assert!(timeout(Duration::from_secs(1), own()).await.is_err());
    sleep(Duration::from_secs(2)).await;
    let own = own().now_or_never().expect("nobody is asked");
    assert!(own.contains("<NAME>late</NAME>"), "{own}");
    assert_eq!(plane.asked.load(Ordering::Relaxed), 1);
    assert!(!gateway.admission.must_wait_first("new:x", HERE));
}

/// While there is no majority each such write would take a place from strangers for as long as it hangs.
#[tokio::test(start_paused = true)]
async fn a_write_of_whom_a_driver_vouches_for_takes_no_place_from_strangers() {
    let (plane, gateway) = plane_and_gateway();
    call(&gateway, "lee:right", "one.user.info", &[int(-1)]).await;
    plane.writes_hang.store(true, Ordering::Relaxed);
    // Another node, which has not asked the driver yet.
    let another = Gateway::new(plane.clone(), 100);
    let template = [int(2), text("A=1"), int(1)];
    let write = call(&another, "lee:right", "one.user.update", &template);
    assert!(timeout(Duration::from_secs(1), write).await.is_err());
    assert_eq!(another.strangers.figures(), (0, 0));
    assert_eq!(another.writes.figures(), (1, 0), "although its client has hung up");
}

async fn all_reads_of_oneadmin(gateway: &Gateway<Plane>) -> Place {
    let until = Instant::now() + Duration::from_secs(1);
    gateway.reads.enter(Who::User(ONEADMIN), Places::all_at_once(1000), 1000, until).await.unwrap()
}

/// Who was known when the call came may not be when its turn comes.
#[tokio::test(start_paused = true)]
async fn a_call_about_the_node_is_decided_when_its_turn_comes() {
    let (plane, gateway) = plane_and_gateway();
    let before = all_reads_of_oneadmin(&gateway).await;
    let mut status = Box::pin(call(&gateway, ADMIN, "one.zone.raftstatus", &[]));
    assert!(status.as_mut().now_or_never().is_none());
    plane.zone().call(ADMIN, "one.user.passwd", &[int(ONEADMIN.into()), text("another")]).unwrap();
    drop(before);
    let told = status.await;
    assert!(told.contains("couldn't be authenticated"), "{told}");
}

/// Two turns of half a minute each, and what comes between them, were more than a client waits for.
#[tokio::test(start_paused = true)]
async fn a_call_that_needs_two_turns_waits_no_longer_than_one_that_needs_one() {
    let (plane, gateway) = plane_and_gateway();
    call(&gateway, "lee:right", "one.user.info", &[int(-1)]).await;
    let another = Gateway::new(plane.clone(), 100);
    let later = Instant::now() + Duration::from_secs(60);
    let here = Who::Stranger(HERE.into());
    let strangers = another.strangers.enter(here, Places::all_at_once(1000), 1000, later).await.unwrap();
    let _own = another.writes.enter(Who::User(2), Places::all_at_once(1000), 1000, later).await.unwrap();
    let began = Instant::now();
    let template = [int(2), text("A=1"), int(1)];
    let write = call(&another, "lee:right", "one.user.update", &template);
    let free = async {
        sleep(Duration::from_secs(20)).await;
        drop(strangers);
    };
    let (told, ()) = tokio::join!(write, free);
    assert!(told.contains("of user [2] are under way, this one waited too long"), "{told}");
    assert_eq!(began.elapsed().as_secs(), 30);
}
