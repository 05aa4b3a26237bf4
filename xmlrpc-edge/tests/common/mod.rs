//! A zone behind a server, and clients from any address, without a network.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quorate_gateway::gateway::{Gateway, ROOM};
use quorate_testkit::plane::Plane;
use quorate_xmlrpc_edge::server::{Accept, Limits, Load, Probes, serve};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
use tokio::sync::mpsc;

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
pub fn gateway(room: usize, plane: Arc<Plane>) -> Arc<Gateway<Plane>> {
    Arc::new(Gateway::new(plane, room))
}

/// A server with these limits; each connection sent to it is served.
pub fn start(plane: Arc<Plane>, limits: Limits) -> Dial {
    start_with_room(ROOM, plane, limits)
}

/// The same with room for so many calls of each sort.
pub fn start_with_room(room: usize, plane: Arc<Plane>, limits: Limits) -> Dial {
    let (dial, incoming) = mpsc::unbounded_channel();
    tokio::spawn(serve(Incoming(incoming), gateway(room, plane), Well, limits, std::future::pending()));
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
