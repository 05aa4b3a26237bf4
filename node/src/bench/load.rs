//! Closed-loop load: so many connections, each of which calls as soon as it has its answer.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::Context as _;
use quorate_model::api::Arg;
use quorate_xmlrpc_edge::value::Fault;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{map, millis, percentile};
use crate::client::{Client, decode_reply};
use crate::local_zone::SESSION;

/// What is called, and by whom.
#[derive(Clone, Debug)]
pub struct Call {
    session: String,
    method: &'static str,
    args: Vec<Arg>,
}

impl Call {
    /// `method` with these arguments.
    pub fn new(method: &'static str, args: Vec<Arg>) -> Call {
        Call { session: SESSION.to_owned(), method, args }
    }

    /// The same by another user.
    pub fn by(self, session: &str) -> Call {
        Call { session: session.to_owned(), ..self }
    }

    /// Makes a document.
    pub fn document() -> Call {
        let text = "NAME=bench\nBODY=\"A document of about the size that a OneFlow service begins with\"".to_owned();
        Call::new("one.document.allocate", vec![Arg::Str(text), Arg::Int(100)])
    }

    /// Makes a VM without disks or networks.
    pub fn vm() -> Call {
        Call::new("one.vm.allocate", vec![Arg::Str("NAME=bench\nCPU=1\nMEMORY=128".to_owned()), Arg::Bool(false)])
    }

    /// Writes the document that `make` makes, with a body of so many bytes again and again, by the same user.
    ///
    /// # Errors
    /// When the document cannot be made.
    pub async fn update(clients: &[Client], make: Call, bytes: usize) -> anyhow::Result<Call> {
        let made = make.run(&mut clients.first().context("no node")?.another()).await?;
        // Text that no disk can compress to nothing.
        let noise = (1..u64::MAX).flat_map(|n| n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_string().into_bytes());
        let body: String = noise.take(bytes).map(char::from).collect();
        let text = format!("BODY=\"{body}\"");
        let args = vec![Arg::Int(made.parse()?), Arg::Str(text), Arg::Int(0)];
        Ok(Call::new("one.document.update", args).by(&make.session))
    }

    /// Calls once; the value of the reply.
    ///
    /// # Errors
    /// When the call is refused or fails.
    pub async fn run(&self, client: &mut Client) -> anyhow::Result<String> {
        client.call(self.method, &self.session, &self.args).await?.into_value()
    }

    /// Calls once, as part of a flood: whether it was carried out, or refused because there were too many.
    ///
    /// # Errors
    /// When it is refused for another reason, or fails.
    async fn run_in_flood(&self, client: &mut Client) -> anyhow::Result<bool> {
        let reply = client.post(self.method, &self.session, &self.args).await?;
        // To look into it would cost more than the zone spends on it, on processors that the zone may share.
        if reply.len() > LONGEST_REFUSAL {
            return Ok(true);
        }
        match decode_reply(&reply) {
            Ok(reply) => reply.into_value().map(|_| true),
            Err(e) if e.downcast_ref::<Fault>().is_some_and(|fault| fault.code == Fault::LIMIT) => Ok(false),
            Err(e) => Err(e),
        }
    }
}

/// Bytes of a reply that may be a refusal.
const LONGEST_REFUSAL: usize = 4096;

/// How it is called.
pub struct Load {
    /// Clients of the endpoints, which the connections take in turn.
    pub clients: Vec<Client>,
    /// How many connections.
    pub connections: usize,
    /// For how long.
    pub time: Duration,
}

/// What came of it.
pub struct Done {
    connections: usize,
    took: Duration,
    sorted: Vec<Duration>,
    refused: usize,
}

impl Load {
    /// Calls until the time is over.
    ///
    /// # Errors
    /// When a call is refused or fails.
    pub async fn run(self, call: &Call) -> anyhow::Result<Done> {
        self.run_calls(call, usize::MAX).await
    }

    /// Calls until the time is over or there have been `count` calls.
    ///
    /// # Errors
    /// When a call is refused or fails.
    pub async fn run_calls(self, call: &Call, count: usize) -> anyhow::Result<Done> {
        self.work(call, count, false).await
    }

    /// Calls until the time is over; who floods a zone must expect that it refuses some.
    ///
    /// # Errors
    /// When a call fails, or is refused for another reason.
    pub async fn flood(self, call: &Call) -> anyhow::Result<Done> {
        self.work(call, usize::MAX, true).await
    }

    async fn work(self, call: &Call, count: usize, flood: bool) -> anyhow::Result<Done> {
        let begun = Arc::new(AtomicUsize::new(0));
        let started = Instant::now();
        let mut workers = JoinSet::new();
        for client in self.clients.iter().cycle().take(self.connections) {
            let (begun, call, mut client) = (begun.clone(), call.clone(), client.another());
            workers.spawn(async move {
                let (mut times, mut refused) = (Vec::new(), 0);
                while started.elapsed() < self.time && begun.fetch_add(1, Ordering::Relaxed) < count {
                    let began = Instant::now();
                    if flood && !call.run_in_flood(&mut client).await? {
                        refused += 1;
                        continue;
                    }
                    if !flood {
                        call.run(&mut client).await?;
                    }
                    times.push(began.elapsed());
                }
                anyhow::Ok((times, refused))
            });
        }
        let (mut sorted, mut refused) = (Vec::new(), 0);
        while let Some(worker) = workers.join_next().await {
            let (times, refusals) = worker??;
            sorted.extend(times);
            refused += refusals;
        }
        let took = started.elapsed();
        sorted.sort_unstable();
        Ok(Done { connections: self.connections, took, sorted, refused })
    }
}

impl Done {
    /// How many calls of a flood were refused because there were too many.
    pub fn refused(&self) -> usize {
        self.refused
    }

    /// The latency that `percent` of the calls did not exceed.
    pub fn percentile(&self, percent: f64) -> Duration {
        percentile(&self.sorted, percent)
    }

    /// The figures to report.
    pub fn figures(&self) -> Map<String, Value> {
        #[expect(clippy::cast_precision_loss)]
        let rate = (self.sorted.len() as f64 / self.took.as_secs_f64()).round();
        map([
            ("connections", json!(self.connections)),
            ("calls", json!(self.sorted.len())),
            ("per_second", json!(rate)),
            ("p50_ms", json!(millis(self.percentile(50.0)))),
            ("p99_ms", json!(millis(self.percentile(99.0)))),
            ("max_ms", json!(millis(self.percentile(100.0)))),
        ])
    }
}
