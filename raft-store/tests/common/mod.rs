//! What the tests of this crate share: entries, and driving the stores without a Raft node.
#![allow(dead_code, reason = "each test file uses a part")]

use std::future::Future;
use std::io;
use std::sync::Arc;

use futures::stream;
use openraft::storage::{IOFlushed, RaftLogReader, RaftLogStorage, RaftStateMachine};
use openraft::type_config::TypeConfigExt;
use quorate_model::command::{Bootstrap, Command, Envelope, RequestId};
use quorate_model::pending::DriverReport;
use quorate_raft_store::engine::Engine;
use quorate_raft_store::types::{Entry, EntryPayload, Payload, TypeConfig, log_id};
use quorate_raft_store::{LogStore, Published, Stores, SyncPolicy, envelope, open, rng};
use quorate_state_machine::zone_key::ZoneKey;
use quorate_state_machine::zone_time::Stamp;

/// Runs a test inside a scope of randomness, on one thread.
pub fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(rng::scope(1, test))
}

/// The key of all zones of these tests.
pub fn key() -> Arc<ZoneKey> {
    Arc::new(ZoneKey::for_tests())
}

/// Opens the stores without a thread.
pub fn open_inline(engine: &(impl Engine + Clone)) -> Stores {
    open(Arc::new(engine.clone()), SyncPolicy::Inline, key()).unwrap()
}

/// An entry whose payload no state machine reads.
pub fn raw_entry(term: u64, index: u64, text: &str) -> Entry {
    let payload = Payload { stamp: Stamp::default(), envelope: text.to_owned().into() };
    Entry { log_id: log_id(term, index), payload: EntryPayload::Normal(payload) }
}

/// An entry with a command.
pub fn entry(index: u64, client: u64, command: Command) -> Entry {
    let request = RequestId { client, seq: 1, acked_below: 0 };
    let stamp = Stamp { era: 0, time: 1_700_000_000 };
    let envelope = Envelope { time: stamp.time, request, entropy: [7; 32], command };
    let payload = Payload { stamp, envelope: envelope::encode(&envelope, &key()) };
    Entry { log_id: log_id(1, index), payload: EntryPayload::Normal(payload) }
}

/// The first content of a zone.
pub fn bootstrap() -> Command {
    Command::Bootstrap(Bootstrap {
        zone_name: "OpenNebula".to_owned(),
        endpoint: "http://localhost:2633/RPC2".to_owned(),
        oneadmin_hash: "2bb80d537b1da3e3".to_owned(),
        datastore_location: "/var/lib/one//datastores".to_owned(),
        servers: Vec::new(),
    })
}

/// A command that changes nothing but the record of having been answered.
pub fn stray_report() -> Command {
    Command::Report(DriverReport { operation: 99, attempt: 1, outcome: Ok(String::new()) })
}

/// Appends without waiting; the receiver tells when it is durable.
pub async fn append(log: &mut LogStore, entries: Vec<Entry>) -> impl Future<Output = io::Result<()>> + use<> {
    let (tell, told) = TypeConfig::oneshot();
    log.append(entries, IOFlushed::signal(tell)).await.unwrap();
    async { told.await.expect("the writer always answers") }
}

/// The texts of the entries in the log.
pub async fn texts(log: &mut LogStore) -> Vec<String> {
    let entries = log.get_log_reader().await.try_get_log_entries(..).await.unwrap();
    let text = |entry: Entry| match entry.payload {
        EntryPayload::Normal(payload) => String::from_utf8(payload.envelope.to_vec()).unwrap(),
        other => format!("{other:?}"),
    };
    entries.into_iter().map(text).collect()
}

/// Applies entries that nobody waits for.
pub async fn apply(state: &mut impl RaftStateMachine<TypeConfig>, entries: Vec<Entry>) -> io::Result<()> {
    state.apply(stream::iter(entries.into_iter().map(|entry| Ok((entry, None))))).await
}

/// The last entry of [`filled`].
const LAST: u64 = 12_000;

/// A zone with enough in it for several chunks of a snapshot.
pub async fn filled(stores: &mut Stores) -> Published {
    let mut entries = vec![entry(1, 0, bootstrap())];
    entries.extend((2..=LAST).map(|index| entry(index, index, stray_report())));
    apply(&mut stores.state, entries).await.unwrap();
    let published = stores.state.published().borrow().clone();
    assert_eq!(published.applied, Some(log_id(1, LAST)));
    published
}
