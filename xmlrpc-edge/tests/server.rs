//! What the server does with requests that together ask for too much.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quorate_state_machine::api::{ApiReply, Value};
use quorate_state_machine::command::{Bootstrap, Call, Command, Envelope, RequestId};
use quorate_state_machine::error::ApiError;
use quorate_state_machine::login;
use quorate_state_machine::methods::{Method, Question};
use quorate_state_machine::state::State;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_xmlrpc_edge::pipeline::ControlPlane;
use quorate_xmlrpc_edge::server::{Accept, Limits, Probes, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;

/// A node that knows its first content and never answers a read: these tests are about the server itself.
struct Nobody(Arc<State>);

impl Nobody {
    fn new() -> Nobody {
        let bootstrap = Bootstrap {
            zone_name: "OpenNebula".to_owned(),
            endpoint: "http://localhost:2633/RPC2".to_owned(),
            oneadmin_hash: login::sha256_hex("right"),
            datastore_location: "/var/lib/one//datastores".to_owned(),
            servers: Vec::new(),
        };
        let mut state = State::new(Arc::new(ZoneKey::for_tests()));
        let command = Command::Bootstrap(bootstrap);
        let envelope = Envelope { time: 1, request: RequestId::default(), entropy: [1; 32], command };
        state.apply(&envelope).reply.unwrap();
        Nobody(Arc::new(state))
    }
}

impl ControlPlane for Nobody {
    fn local(&self) -> Arc<State> {
        self.0.clone()
    }
    async fn view(&self) -> Result<Arc<State>, ApiError> {
        std::future::pending().await
    }
    async fn propose(&self, _: Call) -> ApiReply {
        Ok(Value::Int(0))
    }
    async fn ask(&self, _: &State, _: &Question) -> Result<String, String> {
        Err("not here".to_owned())
    }
    fn node_call(&self, _: &Method, _: &State) -> ApiReply {
        Ok(Value::Int(0))
    }
    fn now(&self) -> i64 {
        0
    }
}

impl Probes for Nobody {
    fn live(&self) -> Result<(), String> {
        Ok(())
    }
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
    fn metrics(&self) -> String {
        String::new()
    }
}

struct Incoming(mpsc::UnboundedReceiver<DuplexStream>);

impl Accept for Incoming {
    type Stream = DuplexStream;
    async fn accept(&mut self) -> std::io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream, (Ipv4Addr::LOCALHOST, 1).into())),
            None => std::future::pending().await,
        }
    }
}

/// A server with these limits; each connection sent to it is served.
fn start(limits: Limits) -> mpsc::UnboundedSender<DuplexStream> {
    let (dial, incoming) = mpsc::unbounded_channel();
    tokio::spawn(serve(Incoming(incoming), Nobody::new(), Nobody::new(), limits, std::future::pending()));
    dial
}

/// A call of this many bytes.
fn call(length: usize) -> String {
    let (open, close) = ("<methodCall><methodName>system.listMethods</methodName>", "</methodCall>");
    format!("{open}{}{close}", " ".repeat(length - open.len() - close.len()))
}

/// Sends the head of a request and the first `sent` bytes of its body; on paused time the server has read them then.
async fn begin(dial: &mpsc::UnboundedSender<DuplexStream>, body: &str, sent: usize) -> DuplexStream {
    let (mut client, server) = duplex(1 << 20);
    dial.send(server).unwrap();
    let head = format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", body.len());
    client.write_all([head.as_bytes(), &body.as_bytes()[..sent]].concat().as_slice()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    client
}

/// What comes back within a second.
async fn answer(mut client: DuplexStream) -> String {
    let mut answer = Vec::new();
    // The server keeps the connection open when all went well.
    let _ = tokio::time::timeout(Duration::from_secs(1), client.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

#[tokio::test(start_paused = true)]
async fn bodies_that_arrive_at_the_same_time_share_a_bound_of_memory() {
    let dial = start(Limits { body: 1000, bodies: 1500, ..Limits::default() });
    let body = call(1000);
    let mut first = begin(&dial, &body, 900).await;
    let refused = answer(begin(&dial, &body, 1000).await).await;
    assert!(refused.contains("Too much is sent at the same time"), "{refused}");
    assert!(refused.contains("connection: close"), "the rest of it is not read: {refused}");
    first.write_all(&body.as_bytes()[900..]).await.unwrap();
    let answered = answer(first).await;
    assert!(answered.contains("system.methodHelp"), "{answered}");
    let answered = answer(begin(&dial, &body, 1000).await).await;
    assert!(answered.contains("system.methodHelp"), "what was held is free again: {answered}");
}

#[tokio::test(start_paused = true)]
async fn one_request_too_many_is_refused() {
    let dial = start(Limits { requests: 1, ..Limits::default() });
    let session = "<param><value>a:b</value></param><param><value><int>0</int></value></param>";
    let read = format!("<methodCall><methodName>one.vm.info</methodName><params>{session}</params></methodCall>");
    let _first = begin(&dial, &read, read.len()).await;
    let body = call(200);
    let refused = answer(begin(&dial, &body, 200).await).await;
    assert!(refused.contains("Too many requests at the same time"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn clients_that_are_slow_to_send_keep_nobody_from_being_answered() {
    let dial = start(Limits { requests: 1, ..Limits::default() });
    let body = call(200);
    let _slow = [begin(&dial, &body, 100).await, begin(&dial, &body, 100).await];
    let answered = answer(begin(&dial, &body, 200).await).await;
    assert!(answered.contains("system.methodHelp"), "{answered}");
}

/// Found by an attack on a running zone: refused logins, though not looked at, counted as failed ones, so that the right
/// password was refused as long as anybody tried.
#[tokio::test(start_paused = true)]
async fn the_right_password_is_let_in_soon_after_many_wrong_ones() {
    let dial = start(Limits::default());
    let status = |password: &str| {
        let session = format!("<params><param><value>oneadmin:{password}</value></param></params>");
        format!("<methodCall><methodName>one.zone.raftstatus</methodName>{session}</methodCall>")
    };
    let (wrong, right) = (status("wrong"), status("right"));
    // Kept open: a client that hangs up is not answered.
    let mut attackers = Vec::new();
    for _ in 0..600 {
        attackers.push(begin(&dial, &wrong, wrong.len()).await);
    }
    tokio::time::sleep(Duration::from_secs(30)).await;
    let answered = answer(begin(&dial, &right, right.len()).await).await;
    assert!(answered.contains("<boolean>1</boolean>"), "{answered}");
}
