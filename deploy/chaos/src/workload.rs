//! What clients do during a run: calls through all nodes, some pinned to one, with little patience.
//!
//! Every call becomes part of the history, with what the client was told; nothing here judges.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quorate_node::client::{ApiReply, Client, records};
use quorate_node::local_zone::SESSION;
use quorate_oracle::{Action, Call, History, Outcome};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::clock::Clock;

/// Clients that call any node; each node has one more of its own, so that somebody always asks each.
const ROAMING: usize = 8;
/// Milliseconds between two calls of a client.
const PACE: Range<u64> = 10..60;
/// The same after a call that failed.
const PACE_AFTER_FAILURE: Range<u64> = 50..200;
/// Milliseconds that a client waits for an answer: it may give up while the write is under way.
const PATIENCE: [u64; 4] = [60, 500, 3_000, 12_000];
/// Milliseconds that the client of one node waits.
const PATIENCE_OF_PINNED: u64 = 1_000;
/// Documents in use at the same time: few, so that clients meet.
const IN_USE: usize = 8;
/// Calls on one document at most: the search for an order of them is exponential at worst.
const CALLS_PER_DOCUMENT: usize = 100;
/// How many clients try to get each name that only one can have.
const RIVALS: u64 = 4;

/// The workload of a run.
pub struct Workload {
    /// What was done so far.
    pub history: History,
    urls: Vec<String>,
    clock: Clock,
    /// The documents in use and how often each was called for.
    documents: Mutex<BTreeMap<i32, usize>>,
    serial: AtomicU64,
    claims: AtomicU64,
    stopped: AtomicBool,
    /// For each node, when the newest write that it acknowledged had begun.
    acknowledged: Vec<Mutex<Option<Duration>>>,
}

impl Workload {
    /// A workload through these endpoints; node i of the history has the endpoint i-1.
    pub fn new(urls: Vec<String>, clock: Clock) -> Workload {
        Workload {
            history: History::default(),
            acknowledged: urls.iter().map(|_| Mutex::default()).collect(),
            urls,
            clock,
            documents: Mutex::default(),
            serial: AtomicU64::new(0),
            claims: AtomicU64::new(0),
            stopped: AtomicBool::new(false),
        }
    }

    /// Starts all clients.
    pub fn start(self: &Arc<Self>, seed: u64) -> JoinSet<()> {
        let mut clients = JoinSet::new();
        let pinned = (0..self.urls.len()).map(Some);
        for (number, home) in std::iter::repeat_n(None, ROAMING).chain(pinned).enumerate() {
            let rng = StdRng::seed_from_u64(seed.wrapping_mul(1000) + number as u64);
            let caller = Caller { number, home, rng, workload: self.clone(), connections: BTreeMap::new() };
            clients.spawn(caller.run());
        }
        clients
    }

    /// Clients end after the call they are in.
    pub fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
    }

    /// Whether every node has acknowledged a write that had begun after `since`.
    pub fn all_nodes_write(&self, since: Duration) -> bool {
        let newest = |node: &Mutex<Option<Duration>>| *node.lock().unwrap_or_else(PoisonError::into_inner);
        self.acknowledged.iter().all(|node| newest(node).is_some_and(|began| began >= since))
    }

    fn unique(&self, prefix: &str) -> String {
        format!("{prefix}{}", self.serial.fetch_add(1, Ordering::Relaxed))
    }

    fn draw(&self, rng: &mut StdRng) -> Action {
        match (rng.random_range(0..100), self.document(rng)) {
            (0..5, _) => Action::Claim(format!("claim-{}", self.claims.fetch_add(1, Ordering::Relaxed) / RIVALS)),
            (5..40, Some(id)) => Action::Write(id, self.unique("w")),
            (40..85, Some(id)) => Action::Read(id),
            (85..88, Some(id)) => Action::Delete(id),
            _ => Action::Create(self.unique("c")),
        }
    }

    /// One of the documents in use; `None` when there should be another.
    fn document(&self, rng: &mut StdRng) -> Option<i32> {
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        documents.retain(|_, calls| *calls < CALLS_PER_DOCUMENT);
        let (id, calls) = documents.iter_mut().nth(rng.random_range(0..IN_USE))?;
        *calls += 1;
        Some(*id)
    }

    fn record(&self, call: Call) {
        let mut documents = self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        match (&call.action, &call.outcome) {
            (Action::Create(_), Outcome::Done(id)) => documents.extend(id.parse().map(|id: i32| (id, 0))),
            // A few more calls may find it missing.
            (Action::Delete(id), _) => {
                documents.entry(*id).and_modify(|calls| *calls = (*calls).max(CALLS_PER_DOCUMENT - 5));
            }
            _ => {}
        }
        drop(documents);
        let node = usize::try_from(call.node).ok().and_then(|node| self.acknowledged.get(node - 1));
        if let (true, Some(node)) = (is_acknowledged_write(&call), node) {
            let mut newest = node.lock().unwrap_or_else(PoisonError::into_inner);
            *newest = (*newest).max(Some(call.from));
        }
        self.history.record(call);
    }
}

/// Whether a call is a write that was acknowledged.
pub fn is_acknowledged_write(call: &Call) -> bool {
    !matches!(call.action, Action::Read(_)) && matches!(call.outcome, Outcome::Done(_))
}

/// A client.
struct Caller {
    number: usize,
    /// The one node that it calls.
    home: Option<usize>,
    rng: StdRng,
    workload: Arc<Workload>,
    connections: BTreeMap<usize, Client>,
}

impl Caller {
    async fn run(mut self) {
        while !self.workload.stopped.load(Ordering::Relaxed) {
            let action = self.workload.draw(&mut self.rng);
            let node = self.home.unwrap_or_else(|| self.rng.random_range(0..self.workload.urls.len()));
            let patience = match self.home {
                Some(_) => PATIENCE_OF_PINNED,
                None => PATIENCE[self.rng.random_range(0..PATIENCE.len())],
            };
            let failed = self.call(node, action, Duration::from_millis(patience)).await;
            let pace = if failed { PACE_AFTER_FAILURE } else { PACE };
            sleep(Duration::from_millis(self.rng.random_range(pace))).await;
        }
    }

    /// One call; whether nobody knows its outcome.
    async fn call(&mut self, node: usize, action: Action, patience: Duration) -> bool {
        let from = self.workload.clock.now();
        let outcome = match timeout(patience, self.ask(node, &action)).await {
            Ok(Ok(reply)) => outcome(&action, reply),
            Ok(Err(e)) => Outcome::Unknown(format!("{e:#}")),
            Err(_) => {
                // The connection has a request under way that nobody waits for.
                self.connections.remove(&node);
                Outcome::Unknown("no reply in time".to_owned())
            }
        };
        let failed = matches!(outcome, Outcome::Unknown(_));
        let (client, to) = (self.number, self.workload.clock.now());
        self.workload.record(Call { client, node: node as u64 + 1, from, to, action, outcome });
        failed
    }

    async fn ask(&mut self, node: usize, action: &Action) -> anyhow::Result<ApiReply> {
        let (method, args) = action.request().ok_or_else(|| anyhow::anyhow!("{action:?} is no call"))?;
        let client = match self.connections.entry(node) {
            std::collections::btree_map::Entry::Occupied(known) => known.into_mut(),
            std::collections::btree_map::Entry::Vacant(new) => new.insert(Client::new(&self.workload.urls[node])?),
        };
        client.call(method, SESSION, &args).await
    }
}

fn outcome(action: &Action, reply: ApiReply) -> Outcome {
    match (action, reply) {
        (_, ApiReply::Refused(text, code)) => Outcome::of_refusal(text, code),
        (Action::Read(_), ApiReply::Success(xml)) => match value(&xml) {
            Some(value) => Outcome::Done(value),
            None => Outcome::Unknown(format!("no value in {xml}")),
        },
        (_, ApiReply::Success(value)) => Outcome::Done(value),
    }
}

fn value(xml: &str) -> Option<String> {
    records(xml, "TEMPLATE").ok()?.into_iter().next()?.remove("VALUE")
}
