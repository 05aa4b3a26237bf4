//! Calls through the pipeline, without a server: what a request holds, arguments, lists.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;
use quorate_gateway::client::Origin;
use quorate_gateway::gateway::{Gateway, ONEADMIN};
use quorate_gateway::lanes::{Place, Places, Who};
use quorate_testkit::plane::Plane;
use quorate_testkit::zone::{self, ADMIN};
use quorate_xmlrpc_edge::client::HttpClient;
use quorate_xmlrpc_edge::connections::{Bounds, Connections};
use quorate_xmlrpc_edge::memory::Memory;
use quorate_xmlrpc_edge::pipeline::answer;
use quorate_xmlrpc_edge::value::{MethodCall, Value};
use tokio::time::Instant;

async fn call(gateway: &Gateway<Plane>, session: &str, method: &str, params: &[Value]) -> String {
    let params = [Value::Str(session.to_owned())].into_iter().chain(params.iter().cloned()).collect();
    told(gateway, MethodCall { method: method.to_owned(), params }).await
}

async fn told(gateway: &Gateway<Plane>, call: MethodCall) -> String {
    let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let memory = Memory::new(1 << 20);
    let bounds = Bounds { all: 1, by_address: 1, balancers: Arc::default() };
    let open = Connections::new(bounds).accept(here).unwrap();
    let hold = Arc::new(memory.hold(here.into()));
    let client = HttpClient { address: here, hold: &hold, watch: &open.watch };
    let answer = answer(gateway, &Origin::new(&client), call, 1).await;
    answer.body.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect()
}

fn plane_and_gateway() -> (Arc<Plane>, Gateway<Plane>) {
    let plane = Plane::new();
    (plane.clone(), Gateway::new(plane, 100))
}

/// A driver may take long: strangers could keep all memory from users meanwhile.
#[tokio::test(start_paused = true)]
async fn a_stranger_who_is_asked_about_makes_room_for_others() {
    let ((_, gateway), memory) = (plane_and_gateway(), Memory::new(100));
    let (here, elsewhere) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let bounds = Bounds { all: 1, by_address: 1, balancers: Arc::default() };
    let open = Connections::new(bounds).accept(here).unwrap();
    let hold = Arc::new(memory.hold(here.into()));
    hold.grow(90).unwrap();
    let client = HttpClient { address: here, hold: &hold, watch: &open.watch };
    let origin = Origin::new(&client);
    let params = vec![Value::Str("slow:x".to_owned()), Value::Int(-1)];
    let call = MethodCall { method: "one.user.info".to_owned(), params };
    let mut asked = Box::pin(answer(&gateway, &origin, call, 1));
    assert!(asked.as_mut().now_or_never().is_none());
    memory.hold(elsewhere.into()).grow(20).unwrap();
    let told: String = asked.await.body.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
    assert!(told.contains("Too much is sent at the same time"), "{told}");
}

/// As in the reference (`Request::execute`, `ZoneAllocate::request_execute`): the session, who it is, whether the zone
/// takes calls, then the refusal; parameters come after it, whatever they are.
#[tokio::test(start_paused = true)]
async fn a_new_zone_is_refused_after_login_and_before_parameters_and_rights() {
    const REFUSAL: &str =
        "[one.zone.allocate] Error allocating a new zone. New zones can only be created at federation master";
    let (_, gateway) = plane_and_gateway();
    call(&gateway, "lee:right", "one.user.info", &[Value::Int(-1)]).await;
    let text = |template: &str| Value::Str(template.to_owned());
    let parameters = [
        vec![],
        vec![Value::Int(1)],
        vec![Value::Array(vec![])],
        vec![text("NAME=z ENDPOINT=e")],
        vec![text("<Z><NAME>z</Z>"), Value::Bool(true)],
    ];
    for params in &parameters {
        for session in [ADMIN, "lee:right"] {
            let reply = call(&gateway, session, "one.zone.allocate", params).await;
            assert!(reply.contains(REFUSAL) && reply.contains("<i4>16384</i4>"), "{session} {params:?}: {reply}");
        }
        let stranger = call(&gateway, "lee:wrong", "one.zone.allocate", params).await;
        assert!(stranger.contains("User couldn't be authenticated"), "{params:?}: {stranger}");
    }
    let no_session = MethodCall { method: "one.zone.allocate".to_owned(), params: vec![] };
    let fault = told(&gateway, no_session).await;
    assert!(fault.contains("-501") && fault.contains("Not enough parameters"), "{fault}");
    let disable = [Value::Int(0), Value::Bool(false)];
    call(&gateway, ADMIN, "one.zone.enable", &disable).await;
    for params in &parameters {
        let reply = call(&gateway, ADMIN, "one.zone.allocate", params).await;
        assert!(reply.contains("Cannot process request, zone disabled"), "{params:?}: {reply}");
    }
}

fn list(calls: &[(&str, Vec<Value>)]) -> MethodCall {
    let text = |text: &str| Value::Str(text.to_owned());
    let calls = calls.iter().map(|(method, params)| {
        let params = Value::Array(params.clone());
        Value::Struct(vec![("methodName".to_owned(), text(method)), ("params".to_owned(), params)])
    });
    MethodCall { method: "system.multicall".to_owned(), params: vec![Value::Array(calls.collect())] }
}

/// A call in a list: its method and its parameters.
type Listed = (&'static str, Vec<Value>);

/// A node where all places of strangers are taken, and a read whose reply is large.
async fn large_read_and_no_place_for_strangers() -> (Gateway<Plane>, Place, Listed) {
    let (plane, gateway) = plane_and_gateway();
    let large = zone::text(&format!("A={}", "x".repeat(100 << 10)));
    plane.zone().call(ADMIN, "one.user.update", &[zone::int(ONEADMIN.into()), large, zone::int(1)]).unwrap();
    let here = Who::Stranger(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
    let until = Instant::now() + Duration::from_secs(60);
    let all = gateway.strangers.enter(here, Places::all_at_once(1000), 1000, until).await.unwrap();
    let read = ("one.user.info", vec![Value::Str(ADMIN.to_owned()), Value::Int(-1)]);
    (gateway, all, read)
}

/// The large replies of a list keep the place of the last call that had one: a mistake behind it gave it back.
#[tokio::test(start_paused = true)]
async fn a_list_that_ends_with_a_mistake_takes_no_place_from_strangers() {
    let (gateway, _all, read) = large_read_and_no_place_for_strangers().await;
    for mistake in [("no.such.method", Vec::new()), ("one.user.info", vec![Value::Int(1)])] {
        let told = told(&gateway, list(&[read.clone(), mistake])).now_or_never().expect("it waits for nobody");
        assert!(told.len() > 100 << 10 && told.contains("faultCode"), "{}", told.len());
    }
}

/// A refusal behind it must not be heard before the answer to a wrong login is due.
#[tokio::test(start_paused = true)]
async fn a_list_that_finds_no_room_for_its_replies_still_says_that_a_login_failed() {
    let (gateway, _all, read) = large_read_and_no_place_for_strangers().await;
    // A session that is too long to be looked at takes no place.
    let wrong = ("one.user.info", vec![Value::Str("x".repeat(100 << 10)), Value::Int(-1)]);
    let memory = Memory::new(1 << 20);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let open = Connections::new(Bounds { all: 1, by_address: 1, balancers: Arc::default() }).accept(address).unwrap();
    let hold = Arc::new(memory.hold(address.into()));
    let client = HttpClient { address, hold: &hold, watch: &open.watch };
    let answer = answer(&gateway, &Origin::new(&client), list(&[read, wrong]), 1).await;
    let told: String = answer.body.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
    assert!(told.contains("-509"), "{told}");
    answer.attempt.expect("a login failed").is_heard();
}
