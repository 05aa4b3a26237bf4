//! Calls through the pipeline, without a server: sessions that an authentication driver has to be asked about, turns, lists.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt as _;
use quorate_gateway::client::Origin;
use quorate_gateway::control::ControlPlane;
use quorate_gateway::gateway::{Gateway, ONEADMIN};
use quorate_gateway::lanes::{Place, Places, Who};
use quorate_model::api::{ApiReply, Arg};
use quorate_model::command::{Actor, Bootstrap, Call, Command, Envelope, Facts, RequestId};
use quorate_model::crypto::{self, sha256_hex};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::raft_status::RaftStatus;
use quorate_state_machine::login::driver::AuthQuestion;
use quorate_state_machine::methods::Ask;
use quorate_state_machine::state::State;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_xmlrpc_edge::client::HttpClient;
use quorate_xmlrpc_edge::connections::{Bounds, Connections};
use quorate_xmlrpc_edge::memory::Memory;
use quorate_xmlrpc_edge::pipeline::answer;
use quorate_xmlrpc_edge::value::{MethodCall, Value};
use tokio::time::{Instant, sleep, timeout};

const NOW: i64 = 1_700_000_000;

/// A zone of one node, and a driver that knows `lee` with password `right`.
struct Plane {
    state: Mutex<State>,
    asked: AtomicUsize,
    proposed: AtomicUsize,
    /// There is no majority.
    stuck: AtomicBool,
}

impl Plane {
    fn new() -> Arc<Plane> {
        let plane = Plane {
            state: Mutex::new(State::new(Arc::new(ZoneKey::for_tests()))),
            asked: AtomicUsize::new(0),
            proposed: AtomicUsize::new(0),
            stuck: AtomicBool::new(false),
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

    async fn call(self: &Arc<Plane>, edge: &Gateway<Plane>, session: &str, method: &str, params: &[Value]) -> String {
        let params = [Value::Str(session.to_owned())].into_iter().chain(params.iter().cloned()).collect();
        self.answer(edge, MethodCall { method: method.to_owned(), params }).await
    }

    async fn answer(self: &Arc<Plane>, edge: &Gateway<Plane>, call: MethodCall) -> String {
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let memory = Memory::new(1 << 20);
        let bounds = Bounds { all: 1, by_address: 1, balancers: Arc::default() };
        let open = Connections::new(bounds).accept(here).unwrap();
        let hold = Arc::new(memory.hold(here.into()));
        let client = HttpClient { address: here, hold: &hold, watch: &open.watch };
        let origin = Origin::new(&client);
        let answer = answer(edge, &origin, call, 1).await;
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
        if self.stuck.load(Ordering::Relaxed) {
            std::future::pending::<()>().await;
        }
        self.apply(Command::Call(call))
    }
    async fn ask(&self, _: &State, _: &Ask) -> Result<Facts, ApiError> {
        Err(ApiError::internal("not here"))
    }
    async fn authenticate(&self, question: &AuthQuestion) -> Result<String, String> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        if question.username == "slow" {
            std::future::pending::<()>().await;
        }
        match (question.username.as_str(), question.secret.as_str()) {
            ("lee", "right") => Ok("ldap lee cn=lee".to_owned()),
            ("late", "right") => {
                sleep(Duration::from_secs(2)).await;
                Ok("ldap late cn=late".to_owned())
            }
            _ => Err("no".to_owned()),
        }
    }
    fn raft_status(&self, _: &State) -> RaftStatus {
        RaftStatus::SOLO
    }
    fn now(&self, _: &State) -> i64 {
        NOW
    }
}

fn plane_and_gateway() -> (Arc<Plane>, Gateway<Plane>) {
    let plane = Plane::new();
    (plane.clone(), Gateway::new(plane, 100))
}

#[tokio::test(start_paused = true)]
async fn a_stranger_is_enrolled_and_asked_about_once() {
    let (plane, edge) = plane_and_gateway();
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
    let (plane, edge) = plane_and_gateway();
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
    let ((_, edge), memory) = (plane_and_gateway(), Memory::new(100));
    let (here, elsewhere) = (IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    let bounds = Bounds { all: 1, by_address: 1, balancers: Arc::default() };
    let open = Connections::new(bounds).accept(here).unwrap();
    let hold = Arc::new(memory.hold(here.into()));
    hold.grow(90).unwrap();
    let client = HttpClient { address: here, hold: &hold, watch: &open.watch };
    let origin = Origin::new(&client);
    let params = vec![Value::Str("slow:x".to_owned()), Value::Int(-1)];
    let call = MethodCall { method: "one.user.info".to_owned(), params };
    let mut asked = Box::pin(answer(&edge, &origin, call, 1));
    assert!(asked.as_mut().now_or_never().is_none());
    memory.hold(elsewhere.into()).grow(20).unwrap();
    let told: String = asked.await.body.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
    assert!(told.contains("Too much is sent at the same time"), "{told}");
}

/// A client that hangs up does not make the driver forget the question: it must not get a place for another one.
#[tokio::test(start_paused = true)]
async fn a_stranger_who_hangs_up_keeps_the_place_until_the_driver_has_answered() {
    let (plane, edge) = plane_and_gateway();
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
    let (plane, edge) = plane_and_gateway();
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

/// As in the reference (`Request::execute`, `ZoneAllocate::request_execute`): the session, who it is, whether the zone
/// takes calls, then the refusal; parameters come after it, whatever they are.
#[tokio::test(start_paused = true)]
async fn a_new_zone_is_refused_after_login_and_before_parameters_and_rights() {
    const REFUSAL: &str =
        "[one.zone.allocate] Error allocating a new zone. New zones can only be created at federation master";
    let (plane, edge) = plane_and_gateway();
    plane.call(&edge, "lee:right", "one.user.info", &[Value::Int(-1)]).await;
    let text = |template: &str| Value::Str(template.to_owned());
    let parameters = [
        vec![],
        vec![Value::Int(1)],
        vec![Value::Array(vec![])],
        vec![text("NAME=z ENDPOINT=e")],
        vec![text("<Z><NAME>z</Z>"), Value::Bool(true)],
    ];
    for params in &parameters {
        for session in ["oneadmin:opennebula", "lee:right"] {
            let reply = plane.call(&edge, session, "one.zone.allocate", params).await;
            assert!(reply.contains(REFUSAL) && reply.contains("<i4>16384</i4>"), "{session} {params:?}: {reply}");
        }
        let stranger = plane.call(&edge, "lee:wrong", "one.zone.allocate", params).await;
        assert!(stranger.contains("User couldn't be authenticated"), "{params:?}: {stranger}");
    }
    let no_session = MethodCall { method: "one.zone.allocate".to_owned(), params: vec![] };
    let fault = plane.answer(&edge, no_session).await;
    assert!(fault.contains("-501") && fault.contains("Not enough parameters"), "{fault}");
    let disable = [Value::Int(0), Value::Bool(false)];
    plane.call(&edge, "oneadmin:opennebula", "one.zone.enable", &disable).await;
    for params in &parameters {
        let reply = plane.call(&edge, "oneadmin:opennebula", "one.zone.allocate", params).await;
        assert!(reply.contains("Cannot process request, zone disabled"), "{params:?}: {reply}");
    }
}

/// The driver did consent: the client's next try, and those of others with the same address, need not wait for it again.
#[tokio::test(start_paused = true)]
async fn a_consent_counts_although_its_client_has_hung_up() {
    let (plane, edge) = plane_and_gateway();
    let own = || plane.call(&edge, "late:right", "one.user.info", &[Value::Int(-1)]);
    assert!(timeout(Duration::from_secs(1), own()).await.is_err());
    sleep(Duration::from_secs(2)).await;
    let own = own().now_or_never().expect("nobody is asked");
    assert!(own.contains("&lt;NAME&gt;late&lt;/NAME&gt;"), "{own}");
    assert_eq!(plane.asked.load(Ordering::Relaxed), 1);
    assert!(!edge.admission.must_wait_first("new:x", IpAddr::V4(Ipv4Addr::LOCALHOST)));
}

/// While there is no majority each such write would take a place from strangers for as long as it hangs.
#[tokio::test(start_paused = true)]
async fn a_write_of_whom_a_driver_vouches_for_takes_no_place_from_strangers() {
    let (plane, edge) = plane_and_gateway();
    plane.call(&edge, "lee:right", "one.user.info", &[Value::Int(-1)]).await;
    plane.stuck.store(true, Ordering::Relaxed);
    // Another node, which has not asked the driver yet.
    let edge_of_another = Gateway::new(plane.clone(), 100);
    let template = [Value::Int(2), Value::Str("A=1".to_owned()), Value::Int(1)];
    let write = plane.call(&edge_of_another, "lee:right", "one.user.update", &template);
    assert!(timeout(Duration::from_secs(1), write).await.is_err());
    assert_eq!(edge_of_another.strangers.figures(), (0, 0));
    assert_eq!(edge_of_another.writes.figures(), (1, 0), "although its client has hung up");
}

fn oneadmins(method: &str, args: Vec<Arg>) -> Command {
    let credential = crypto::fingerprint(&sha256_hex("opennebula"));
    let actor = Actor { uid: ONEADMIN, token_gid: -1, credential };
    Command::Call(Call { method: method.to_owned(), actor, args, facts: Facts::default() })
}

async fn all_reads_of_oneadmin(edge: &Gateway<Plane>) -> Place {
    let until = Instant::now() + Duration::from_secs(1);
    edge.reads.enter(Who::User(ONEADMIN), Places::all_at_once(1000), 1000, until).await.unwrap()
}

/// Who was known when the call came may not be when its turn comes.
#[tokio::test(start_paused = true)]
async fn a_call_about_the_node_is_decided_when_its_turn_comes() {
    let (plane, edge) = plane_and_gateway();
    let before = all_reads_of_oneadmin(&edge).await;
    let mut status = Box::pin(plane.call(&edge, "oneadmin:opennebula", "one.zone.raftstatus", &[]));
    assert!(status.as_mut().now_or_never().is_none());
    let text = |text: &str| Arg::Str(text.to_owned());
    plane.apply(oneadmins("one.user.passwd", vec![Arg::Int(ONEADMIN.into()), text("another")])).unwrap();
    drop(before);
    let told = status.await;
    assert!(told.contains("couldn't be authenticated"), "{told}");
}

/// Two turns of half a minute each, and what comes between them, were more than a client waits for.
#[tokio::test(start_paused = true)]
async fn a_call_that_needs_two_turns_waits_no_longer_than_one_that_needs_one() {
    let (plane, edge) = plane_and_gateway();
    plane.call(&edge, "lee:right", "one.user.info", &[Value::Int(-1)]).await;
    let edge_of_another = Gateway::new(plane.clone(), 100);
    let later = Instant::now() + Duration::from_secs(60);
    let here = Who::Stranger(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
    let strangers = edge_of_another.strangers.enter(here, Places::all_at_once(1000), 1000, later).await.unwrap();
    let _own = edge_of_another.writes.enter(Who::User(2), Places::all_at_once(1000), 1000, later).await.unwrap();
    let began = Instant::now();
    let template = [Value::Int(2), Value::Str("A=1".to_owned()), Value::Int(1)];
    let write = plane.call(&edge_of_another, "lee:right", "one.user.update", &template);
    let free = async {
        sleep(Duration::from_secs(20)).await;
        drop(strangers);
    };
    let (told, ()) = tokio::join!(write, free);
    assert!(told.contains("of user [2] are under way, this one waited too long"), "{told}");
    assert_eq!(began.elapsed().as_secs(), 30);
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
async fn large_read_and_no_place_for_strangers() -> (Arc<Plane>, Gateway<Plane>, Place, Listed) {
    let (plane, edge) = plane_and_gateway();
    let template = vec![Arg::Int(ONEADMIN.into()), Arg::Str(format!("A={}", "x".repeat(100 << 10))), Arg::Int(1)];
    plane.apply(oneadmins("one.user.update", template)).unwrap();
    let here = Who::Stranger(IpAddr::V4(Ipv4Addr::LOCALHOST).into());
    let until = Instant::now() + Duration::from_secs(60);
    let all = edge.strangers.enter(here, Places::all_at_once(1000), 1000, until).await.unwrap();
    let read = ("one.user.info", vec![Value::Str("oneadmin:opennebula".to_owned()), Value::Int(-1)]);
    (plane, edge, all, read)
}

/// The large replies of a list keep the place of the last call that had one: a mistake behind it gave it back.
#[tokio::test(start_paused = true)]
async fn a_list_that_ends_with_a_mistake_takes_no_place_from_strangers() {
    let (plane, edge, _all, read) = large_read_and_no_place_for_strangers().await;
    for mistake in [("no.such.method", Vec::new()), ("one.user.info", vec![Value::Int(1)])] {
        let told = plane.answer(&edge, list(&[read.clone(), mistake])).now_or_never().expect("it waits for nobody");
        assert!(told.len() > 100 << 10 && told.contains("faultCode"), "{}", told.len());
    }
}

/// A refusal behind it must not be heard before the answer to a wrong login is due.
#[tokio::test(start_paused = true)]
async fn a_list_that_finds_no_room_for_its_replies_still_says_that_a_login_failed() {
    let (_, edge, _all, read) = large_read_and_no_place_for_strangers().await;
    // A session that is too long to be looked at takes no place.
    let wrong = ("one.user.info", vec![Value::Str("x".repeat(100 << 10)), Value::Int(-1)]);
    let memory = Memory::new(1 << 20);
    let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let open = Connections::new(Bounds { all: 1, by_address: 1, balancers: Arc::default() }).accept(address).unwrap();
    let hold = Arc::new(memory.hold(address.into()));
    let client = HttpClient { address, hold: &hold, watch: &open.watch };
    let answer = answer(&edge, &Origin::new(&client), list(&[read, wrong]), 1).await;
    let told: String = answer.body.iter().map(|s| String::from_utf8_lossy(s).into_owned()).collect();
    assert!(told.contains("-509"), "{told}");
    answer.attempt.expect("a login failed").is_heard();
}
