//! A zone behind a server, and clients from any address, without a network.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use quorate_gateway::control::ControlPlane;
use quorate_gateway::gateway::{Gateway, ROOM};
use quorate_model::api::{ApiReply, Arg};
use quorate_model::command::{Actor, Bootstrap, Call, Command, Envelope, Facts, RequestId};
use quorate_model::crypto;
use quorate_model::error::ApiError;
use quorate_model::raft_status::RaftStatus;
use quorate_state_machine::methods::Ask;
use quorate_state_machine::state::State;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_xmlrpc_edge::server::{Accept, Limits, Load, Probes, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;

/// The administrator's session.
pub const ADMIN: &str = "oneadmin:right";

/// A node that answers about itself, and never answers a write or, unless told to, a read: these tests are about the
/// server.
pub struct Zone {
    /// Whether reads are answered.
    pub reads: bool,
    state: Arc<State>,
    /// Whose calls were proposed.
    pub proposed: Arc<Mutex<Vec<i32>>>,
}

/// A zone with the users `ann` (2) and `bob` (3), who both have the password `pw`.
pub fn zone() -> Zone {
    let bootstrap = Bootstrap {
        zone_name: "OpenNebula".to_owned(),
        endpoint: "http://localhost:2633/RPC2".to_owned(),
        oneadmin_hash: crypto::sha256_hex("right"),
        datastore_location: "/var/lib/one//datastores".to_owned(),
        servers: Vec::new(),
    };
    let mut state = State::new(Arc::new(ZoneKey::for_tests()));
    let mut apply = |command| {
        let envelope = Envelope { time: 1, request: RequestId::default(), entropy: [1; 32], command };
        state.apply(&envelope).reply.unwrap();
    };
    apply(Command::Bootstrap(bootstrap));
    let oneadmin = Actor { uid: 0, token_gid: -1, credential: crypto::fingerprint(&crypto::sha256_hex("right")) };
    for name in ["ann", "bob"] {
        let text = |text: &str| Arg::Str(text.to_owned());
        let args = vec![text(name), text("pw"), text("core"), Arg::Ints(Vec::new())];
        let method = "one.user.allocate".to_owned();
        apply(Command::Call(Call { method, actor: oneadmin.clone(), args, facts: Facts::default() }));
    }
    Zone { reads: false, state: Arc::new(state), proposed: Arc::default() }
}

impl ControlPlane for Zone {
    fn local(&self) -> Arc<State> {
        self.state.clone()
    }
    async fn view(&self) -> Result<Arc<State>, ApiError> {
        if self.reads { Ok(self.local()) } else { std::future::pending().await }
    }
    async fn propose(&self, call: Call) -> ApiReply {
        self.proposed.lock().unwrap().push(call.actor.uid);
        std::future::pending().await
    }
    async fn ask(&self, _: &State, _: &Ask) -> Result<Facts, ApiError> {
        Err(ApiError::internal("not here"))
    }
    fn raft_status(&self, _: &State) -> RaftStatus {
        RaftStatus::SOLO
    }
    fn now(&self, _: &State) -> i64 {
        0
    }
}

/// Probes of a node that is well, with many metrics.
pub struct Well;

impl Probes for Well {
    fn live(&self) -> Result<(), String> {
        Ok(())
    }
    async fn ready(&self) -> Result<(), String> {
        Ok(())
    }
    fn metrics(&self, load: &Load) -> String {
        format!("{load:?}\n").repeat(100)
    }
}

/// Connections to a server, and where they come from.
pub type Dial = mpsc::UnboundedSender<(DuplexStream, SocketAddr)>;

struct Incoming(mpsc::UnboundedReceiver<(DuplexStream, SocketAddr)>);

impl Accept for Incoming {
    type Stream = DuplexStream;
    async fn accept(&mut self) -> std::io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(accepted) => Ok(accepted),
            None => std::future::pending().await,
        }
    }
}

/// A gateway to a zone, with room for so many calls of each sort.
pub fn gateway(room: usize, zone: Zone) -> Arc<Gateway<Zone>> {
    Arc::new(Gateway::new(Arc::new(zone), room))
}

/// A server with these limits; each connection sent to it is served.
pub fn start(zone: Zone, limits: Limits) -> Dial {
    start_with_room(ROOM, zone, limits)
}

/// The same with room for so many calls of each sort.
pub fn start_with_room(room: usize, zone: Zone, limits: Limits) -> Dial {
    let (dial, incoming) = mpsc::unbounded_channel();
    tokio::spawn(serve(Incoming(incoming), gateway(room, zone), Well, limits, std::future::pending()));
    dial
}

/// A connection from an address, with so many bytes of buffers.
pub fn connect(dial: &Dial, from: &str, buffer: usize) -> DuplexStream {
    let (client, server) = duplex(buffer);
    let from: IpAddr = from.parse().unwrap();
    dial.send((server, (from, 1).into())).unwrap();
    client
}

/// A call of this many bytes.
pub fn call(length: usize) -> String {
    let (open, close) = ("<methodCall><methodName>system.listMethods</methodName>", "</methodCall>");
    format!("{open}{}{close}", " ".repeat(length - open.len() - close.len()))
}

/// A parameter.
pub fn params(value: &str) -> String {
    format!("<param><value>{value}</value></param>")
}

/// A call of somebody, with parameters behind the session.
pub fn user_call(session: &str, method: &str, rest: &str) -> String {
    let params = format!("<params><param><value>{session}</value></param>{rest}</params>");
    format!("<methodCall><methodName>{method}</methodName>{params}</methodCall>")
}

/// Sends the head of a request and the first `sent` bytes of its body; on paused time the server has read them then.
pub async fn begin(dial: &Dial, from: &str, body: &str, sent: usize) -> DuplexStream {
    request(dial, from, "", &body.as_bytes()[..sent], body.len()).await
}

/// Sends a request that says for whom it is sent.
pub async fn begin_for(dial: &Dial, from: &str, client: &str, body: &str) -> DuplexStream {
    request(dial, from, &format!("X-Forwarded-For: {client}\r\n"), body.as_bytes(), body.len()).await
}

async fn request(dial: &Dial, from: &str, headers: &str, sent: &[u8], length: usize) -> DuplexStream {
    let mut client = connect(dial, from, 1 << 20);
    let head = format!("POST /RPC2 HTTP/1.1\r\nHost: x\r\n{headers}Content-Length: {length}\r\n\r\n");
    client.write_all([head.as_bytes(), sent].concat().as_slice()).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1)).await;
    client
}

/// What comes back within a second; the server keeps the connection open when all went well.
pub async fn answer(mut client: DuplexStream) -> String {
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(Duration::from_secs(1), client.read_to_end(&mut answer)).await;
    String::from_utf8(answer).unwrap()
}

/// What has come back by now.
pub async fn sent_so_far(client: &mut DuplexStream) -> String {
    let mut answer = vec![0; 1 << 16];
    let read = tokio::time::timeout(Duration::from_millis(50), client.read(&mut answer)).await;
    answer.truncate(read.map_or(0, Result::unwrap));
    String::from_utf8(answer).unwrap()
}
