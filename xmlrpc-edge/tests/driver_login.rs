//! Sessions that an authentication driver has to be asked about, through the pipeline.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use quorate_state_machine::api::{ApiReply, Value as ApiValue};
use quorate_state_machine::command::{Bootstrap, Call, Command, Envelope, RequestId};
use quorate_state_machine::error::ApiError;
use quorate_state_machine::kind::Kind;
use quorate_state_machine::login::driver::AuthQuestion;
use quorate_state_machine::login::sha256_hex;
use quorate_state_machine::methods::{Method, Question};
use quorate_state_machine::state::State;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_xmlrpc_edge::connections::{Bounds, Connections};
use quorate_xmlrpc_edge::control::ControlPlane;
use quorate_xmlrpc_edge::edge::Edge;
use quorate_xmlrpc_edge::memory::Memory;
use quorate_xmlrpc_edge::pipeline::{Origin, answer};
use quorate_xmlrpc_edge::value::{MethodCall, Value};
use tokio::time::timeout;

const NOW: i64 = 1_700_000_000;

/// A zone of one node, and a driver that knows `lee` with password `right`.
struct Plane {
    state: Mutex<State>,
    asked: AtomicUsize,
    proposed: AtomicUsize,
}

impl Plane {
    fn new() -> Arc<Plane> {
        let plane = Plane {
            state: Mutex::new(State::new(Arc::new(ZoneKey::for_tests()))),
            asked: AtomicUsize::new(0),
            proposed: AtomicUsize::new(0),
        };
        let bootstrap = Bootstrap {
            zone_name: "OpenNebula".to_owned(),
            endpoint: "http://localhost:2633/RPC2".to_owned(),
            oneadmin_hash: sha256_hex("opennebula"),
            datastore_location: String::new(),
            servers: Vec::new(),
        };
        plane.apply(Command::Bootstrap(bootstrap)).unwrap();
        Arc::new(plane)
    }

    fn apply(&self, command: Command) -> ApiReply {
        let envelope = Envelope { time: NOW, request: RequestId::default(), entropy: [1; 32], command };
        self.state.lock().unwrap().apply(&envelope).reply
    }

    async fn call(self: &Arc<Plane>, edge: &Edge, session: &str, method: &str, params: &[Value]) -> String {
        let params = [Value::Str(session.to_owned())].into_iter().chain(params.iter().cloned()).collect();
        let call = MethodCall { method: method.to_owned(), params };
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let memory = Memory::new(0);
        let bounds = Bounds { all: 1, by_address: 1, balancers: Arc::default() };
        let open = Connections::new(bounds).accept(here).unwrap();
        let origin = Origin { address: here, hold: &Arc::new(memory.hold(here.into())), watch: &open.watch };
        let answer = answer(self, edge, &origin, call, 1).await;
        answer.body.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect()
    }
}

impl ControlPlane for Plane {
    fn local(&self) -> Arc<State> {
        Arc::new(self.state.lock().unwrap().clone())
    }
    async fn view(&self) -> Result<Arc<State>, ApiError> {
        Ok(self.local())
    }
    async fn propose(&self, call: Call) -> ApiReply {
        self.proposed.fetch_add(1, Ordering::Relaxed);
        self.apply(Command::Call(call))
    }
    async fn ask(&self, _: &State, _: &Question) -> Result<String, String> {
        Err("not here".to_owned())
    }
    async fn authenticate(&self, question: &AuthQuestion) -> Result<String, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if question.username == "slow" {
            std::future::pending::<()>().await;
        }
        match (question.username.as_str(), question.secret.as_str()) {
            ("lee", "right") => Ok("ldap lee cn=lee".to_owned()),
            _ => Err("no".to_owned()),
        }
    }
    fn node_call(&self, _: &Method, _: &State) -> ApiReply {
        Ok(ApiValue::Int(0))
    }
    fn now(&self) -> i64 {
        NOW
    }
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_enrolled_and_asked_about_once() {
    let (plane, edge) = (Plane::new(), Edge::new(100));
    let own = plane.call(&edge, "lee:right", "one.user.info", &[Value::Int(-1)]).await;
    assert!(own.contains("&lt;NAME&gt;lee&lt;/NAME&gt;"), "{own}");
    let template = [Value::Int(2), Value::Str("A=1".to_owned()), Value::Int(1)];
    let updated = plane.call(&edge, "lee:right", "one.user.update", &template).await;
    assert!(updated.contains("<boolean>1</boolean>"), "{updated}");
    assert_eq!(plane.asked.load(Ordering::Relaxed), 1);
    let user = plane.local().find(Kind::User, 2).unwrap().template.value("A").to_owned();
    assert_eq!(user, "1");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_asked_about_each_time_and_a_write_asks_once() {
    let (plane, edge) = (Plane::new(), Edge::new(100));
    for (asked, session) in [(1, "lee:wrong"), (2, "lee:wrong"), (3, "eve:right")] {
        let template = [Value::Int(2), Value::Str("A=1".to_owned()), Value::Int(1)];
        let refused = plane.call(&edge, session, "one.user.update", &template).await;
        assert!(refused.contains("authenticated, aborting call."), "{refused}");
        assert_eq!(plane.asked.load(Ordering::Relaxed), asked);
    }
    assert!(plane.local().find(Kind::User, 2).is_none());
}

/// A driver may take long: strangers could keep all memory from users meanwhile.
#[tokio::test(start_paused = true)]
async fn a_stranger_who_is_asked_about_makes_room_for_others() {
    let (plane, edge, memory) = (Plane::new(), Edge::new(100), Memory::new(100));
    let (here, elsewhere) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let bounds = Bounds { all: 1, by_address: 1, balancers: Arc::default() };
    let open = Connections::new(bounds).accept(here).unwrap();
    let hold = Arc::new(memory.hold(here.into()));
    hold.grow(90).unwrap();
    let origin = Origin { address: here, hold: &hold, watch: &open.watch };
    let params = vec![Value::Str("slow:x".to_owned()), Value::Int(-1)];
    let call = MethodCall { method: "one.user.info".to_owned(), params };
    let mut asked = Box::pin(answer(&plane, &edge, &origin, call, 1));
    assert!(asked.as_mut().now_or_never().is_none());
    memory.hold(elsewhere.into()).grow(20).unwrap();
    let told: String = asked.await.body.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
    assert!(told.contains("Too much is sent at the same time"), "{told}");
}

/// A client that hangs up does not make the driver forget the question: it must not get a place for another one.
#[tokio::test(start_paused = true)]
async fn a_stranger_who_hangs_up_keeps_the_place_until_the_driver_has_answered() {
    let (plane, edge) = (Plane::new(), Edge::new(100));
    for _ in 0..100 {
        let asked = plane.call(&edge, "slow:x", "one.user.info", &[Value::Int(-1)]);
        assert!(timeout(Duration::from_secs(6), asked).await.is_err());
    }
    assert_eq!(plane.asked.load(Ordering::Relaxed), 32);
    assert_eq!(edge.strangers.figures(), (32, 0));
}

/// Every node would store, send and parse it, to refuse it in the end.
#[tokio::test(start_paused = true)]
async fn an_argument_longer_than_the_callers_objects_may_be_is_not_proposed() {
    let (plane, edge) = (Plane::new(), Edge::new(100));
    plane.call(&edge, "lee:right", "one.user.info", &[Value::Int(-1)]).await;
    let before = plane.proposed.load(Ordering::Relaxed);
    let template = |bytes: usize| [Value::Str(format!("NAME=n\n#{}\n", "x".repeat(bytes))), Value::Int(100)];
    let refused = plane.call(&edge, "lee:right", "one.document.allocate", &template(2 << 20)).await;
    assert!(refused.contains("The document would have") && refused.contains("(OBJECT_SIZE_MAX)"), "{refused}");
    assert_eq!(plane.proposed.load(Ordering::Relaxed), before);
    let made = plane.call(&edge, "lee:right", "one.document.allocate", &template(1 << 19)).await;
    assert!(made.contains("<boolean>1</boolean>"), "{made}");
    assert_eq!(plane.proposed.load(Ordering::Relaxed), before + 1);
}
