//! The replicated state: applies committed entries, persists what they changed, publishes each version.
//!
//! A batch's changed records and the last applied index are one write, which is not synced: the log is the
//! durable record, and one write-ahead log keeps the order. An entry that cannot be decoded stops the node, and so does
//! a feature level that this build does not support.

use std::collections::BTreeSet;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use openraft::OptionalSend;
use openraft::storage::{ApplyResponder, EntryResponder, RaftStateMachine};
use prost::Message;
use quorate_model::command::{Command, RaiseLevel};
use quorate_proto::v1;
use quorate_state_machine::levels;
use quorate_state_machine::state::State;
use quorate_state_machine::store_key::StoreKey;
use quorate_state_machine::zone_key::ZoneKey;
use tokio::sync::watch;

use crate::convert::{log_id_from_proto, log_id_to_proto, stored_membership_from_proto, stored_membership_to_proto};
use crate::engine::{Batch, Column, Engine};
use crate::high_water::{HighWater, damaged};
use crate::snapshot::{Snapshot, SnapshotBuilder, SnapshotData};
use crate::state_hash::{self, Checkpoints, ENCODING, StateHash};
use crate::types::{Entry, EntryPayload, LogId, Reply, SnapshotMeta, StoredMembership, TypeConfig};
use crate::{envelope, meta, sealing};

/// After how many entries a version is written and published, even when more are waiting.
const MAX_ENTRIES: usize = 256;
/// How many bytes of records one write of an installed snapshot has.
const INSTALL_BYTES: usize = 1 << 20;

/// A version of the replicated state, as readers get it.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// The state.
    pub state: Arc<State>,
    /// The last entry it contains.
    pub applied: Option<LogId>,
    /// The members of the zone as of then.
    pub membership: Arc<StoredMembership>,
    /// Hashes of earlier versions.
    pub checkpoints: Arc<Checkpoints>,
}

/// A Raft node over Quorate's storage.
pub type Raft = openraft::Raft<TypeConfig, StateStore>;

/// The state of a node.
pub struct StateStore {
    engine: Arc<dyn Engine>,
    high_water: Arc<HighWater>,
    key: Arc<ZoneKey>,
    state: State,
    applied: Option<LogId>,
    membership: Arc<StoredMembership>,
    /// The prefix of the records' keys: an installed snapshot gets a new one, so that it replaces all at once.
    generation: u64,
    hash: StateHash,
    checkpoints: Arc<Checkpoints>,
    published: watch::Sender<Published>,
    /// The newest feature level that this node supports.
    supports: u32,
    #[cfg(feature = "sabotage")]
    spoiler: Option<Arc<dyn crate::sabotage::Spoil>>,
}

impl StateStore {
    /// Loads the state from `engine`, whose secrets `key` seals.
    ///
    /// # Errors
    /// When the disk fails or holds something that cannot be read, other records than it was left with, or a zone with
    /// another key.
    pub(crate) fn open(
        engine: Arc<dyn Engine>,
        high_water: Arc<HighWater>,
        key: Arc<ZoneKey>,
    ) -> io::Result<StateStore> {
        meta::check_key(&*engine, &key)?;
        let mut store = StateStore {
            engine,
            high_water,
            state: State::new(key.clone()),
            key,
            applied: None,
            membership: Arc::default(),
            generation: 0,
            hash: StateHash::default(),
            checkpoints: Arc::default(),
            published: watch::Sender::default(),
            supports: levels::NEWEST,
            #[cfg(feature = "sabotage")]
            spoiler: None,
        };
        let mut left = None;
        if let Some(bytes) = store.engine.get(Column::Meta, meta::APPLIED)? {
            let mark = v1::AppliedMark::decode(bytes)?;
            // Another encoding has another hash of the same records.
            left = Some(mark.hash).filter(|_| mark.encoding == ENCODING);
            store.applied = mark.log_id.as_ref().map(log_id_from_proto);
            store.membership = Arc::new(stored_membership_from_proto(mark.membership)?);
            store.generation = mark.generation;
        }
        store.load()?;
        store.hash = StateHash::of(&store.state);
        if left.is_some_and(|left| left != store.hash.sum().to_be_bytes()[..]) {
            return Err(damaged("the records of the state are not those that this node has written"));
        }
        store.publish();
        Ok(store)
    }

    /// Supports feature levels up to this one, in place of all that this build supports: as an older build would.
    ///
    /// # Errors
    /// When the zone's level is higher.
    pub fn support(&mut self, level: u32) -> io::Result<()> {
        self.supports = level;
        self.state.check_level(level).map_err(beyond)
    }

    /// Breaks what is applied from now on.
    #[cfg(feature = "sabotage")]
    pub fn sabotage(&mut self, spoiler: Arc<dyn crate::sabotage::Spoil>) {
        self.spoiler = Some(spoiler);
    }

    /// The last entry in it.
    pub(crate) fn applied(&self) -> Option<LogId> {
        self.applied
    }

    /// Each version of the state as it is applied.
    #[must_use]
    pub fn published(&self) -> watch::Receiver<Published> {
        self.published.subscribe()
    }

    fn load(&mut self) -> io::Result<()> {
        let (from, to) = range_of(self.generation);
        let (state, zone_key) = (&mut self.state, &self.key);
        self.engine.scan(Column::State, &from, Some(&to), &mut |key, value| {
            let key = &key[from.len()..];
            state
                .decode(key, &sealing::open(zone_key, key, value)?)
                .map_err(|e| io::Error::new(io::ErrorKind::InvalidData, e))?;
            Ok(ControlFlow::Continue(()))
        })?;
        self.state.finish_loading().map_err(damaged)?;
        // What an interrupted installation left, behind; what a finished one removed cannot come back.
        let mut left_over = false;
        self.engine.scan(Column::State, &to, None, &mut |_, _| {
            left_over = true;
            Ok(ControlFlow::Break(()))
        })?;
        if left_over {
            let mut batch = Batch::default();
            batch.delete_range(Column::State, to, [0xff; 9]);
            self.engine.write(batch, false)?;
        }
        Ok(())
    }

    fn publish(&self) {
        self.published.send_replace(Published {
            state: Arc::new(self.state.clone()),
            applied: self.applied,
            membership: self.membership.clone(),
            checkpoints: self.checkpoints.clone(),
        });
    }

    fn mark(&self) -> Vec<u8> {
        let mark = v1::AppliedMark {
            log_id: self.applied.as_ref().map(log_id_to_proto),
            membership: Some(stored_membership_to_proto(&self.membership)),
            generation: self.generation,
            hash: self.hash.sum().to_be_bytes().to_vec().into(),
            encoding: ENCODING,
        };
        mark.encode_to_vec()
    }

    /// Applies one entry in memory, and collects the records it changed.
    fn apply_entry(&mut self, entry: &Entry, changed: &mut BTreeSet<StoreKey>) -> io::Result<Reply> {
        #[cfg(feature = "sabotage")]
        let spoilt = self.spoiler.as_ref().map(|spoiler| spoiler.spoil(&mut self.state, self.applied, entry));
        #[cfg(feature = "sabotage")]
        let entry = spoilt.as_ref().unwrap_or(entry);
        let reply = match &entry.payload {
            EntryPayload::Blank => Reply::None,
            EntryPayload::Membership(membership) => {
                self.membership = Arc::new(StoredMembership::new(Some(entry.log_id), membership.clone()));
                Reply::None
            }
            EntryPayload::Normal(payload) => {
                let time = self.state.time_of(payload.stamp);
                let envelope = envelope::decode(&payload.envelope, &self.key, time)?;
                if let Command::RaiseLevel(RaiseLevel { level, version }) = &envelope.command {
                    // Nothing behind it means to this build what it means to the others.
                    levels::fits(*level, version, self.supports).map_err(beyond)?;
                }
                let applied = self.state.apply(&envelope);
                changed.extend(applied.changed);
                // The state's clock moves with every entry.
                changed.insert(StoreKey::Globals);
                Reply::Api(applied.reply)
            }
        };
        self.applied = Some(entry.log_id);
        Ok(reply)
    }

    /// Writes and publishes what has been applied, then answers.
    fn commit(&mut self, applied: &mut Uncommitted) -> io::Result<()> {
        if applied.entries == 0 {
            return Ok(());
        }
        let mut batch = Batch::default();
        for key in std::mem::take(&mut applied.changed) {
            let stored = stored_key(self.generation, &key.to_bytes());
            let value = self.state.encode(&key);
            self.hash.set(key, value.as_deref());
            match value {
                Some(value) => {
                    batch.put(Column::State, stored, sealing::seal(&self.key, self.applied.as_ref(), key, &value));
                }
                None => batch.delete(Column::State, stored),
            }
        }
        batch.put(Column::Meta, meta::APPLIED, self.mark());
        self.engine.write(batch, false)?;
        if let Some(at) = self.applied.filter(is_checkpoint) {
            state_hash::remember(Arc::make_mut(&mut self.checkpoints), at, self.hash.sum());
        }
        self.publish();
        for (responder, reply) in applied.replies.drain(..) {
            responder.send(reply);
        }
        applied.entries = 0;
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        let meta = SnapshotMeta { last_log_id: self.applied, last_membership: (*self.membership).clone() };
        Snapshot { meta, snapshot: SnapshotData { state: self.published.borrow().state.clone() } }
    }

    /// Writes all records of `state` under a generation that nobody reads yet.
    async fn write_generation(&self, generation: u64, at: Option<&LogId>, state: &State) -> io::Result<()> {
        let (from, to) = range_of(generation);
        let mut batch = Batch::default();
        batch.delete_range(Column::State, from, to);
        let mut bytes = 0;
        let keys: Vec<StoreKey> = state.all_keys().collect();
        for key in keys {
            let value = state.encode(&key).ok_or_else(|| io::Error::other(format!("cannot encode {key:?}")))?;
            bytes += value.len();
            let sealed = sealing::seal(&self.key, at, key, &value);
            batch.put(Column::State, stored_key(generation, &key.to_bytes()), sealed);
            if bytes >= INSTALL_BYTES {
                bytes = 0;
                self.engine.write(std::mem::take(&mut batch), false)?;
                // Other tasks of this thread must not wait for a whole snapshot.
                tokio::task::yield_now().await;
            }
        }
        self.engine.write(batch, false)
    }
}

/// Entries applied in memory only.
#[derive(Default)]
struct Uncommitted {
    entries: usize,
    changed: BTreeSet<StoreKey>,
    replies: Vec<(ApplyResponder<TypeConfig>, Reply)>,
}

impl RaftStateMachine<TypeConfig> for StateStore {
    type SnapshotData = SnapshotData;
    type SnapshotBuilder = SnapshotBuilder;

    async fn applied_state(&mut self) -> io::Result<(Option<LogId>, StoredMembership)> {
        Ok((self.applied, (*self.membership).clone()))
    }

    async fn apply<Strm>(&mut self, mut entries: Strm) -> io::Result<()>
    where
        Strm: Stream<Item = io::Result<EntryResponder<TypeConfig>>> + Unpin + OptionalSend,
    {
        let mut applied = Uncommitted::default();
        while let Some(next) = entries.next().await {
            let result = next.and_then(|(entry, responder)| {
                let reply = self.apply_entry(&entry, &mut applied.changed);
                Ok((responder, reply.map_err(|e| at(&entry, &e))?))
            });
            match result {
                Ok((responder, reply)) => {
                    applied.entries += 1;
                    applied.replies.extend(responder.map(|responder| (responder, reply)));
                }
                Err(error) => {
                    tracing::error!(%error, "an entry cannot be applied; this node stops");
                    self.commit(&mut applied)?;
                    return Err(error);
                }
            }
            // Hashes are comparable only if nothing behind their entry is in them.
            if applied.entries >= MAX_ENTRIES || self.applied.as_ref().is_some_and(is_checkpoint) {
                self.commit(&mut applied)?;
            }
        }
        self.commit(&mut applied)
    }

    async fn get_snapshot_builder(&mut self) -> SnapshotBuilder {
        SnapshotBuilder(self.snapshot())
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, snapshot: SnapshotData) -> io::Result<()> {
        snapshot.state.check_level(self.supports).map_err(beyond)?;
        if snapshot.state.key().map(|key| key.fingerprint()) != Some(self.key.fingerprint()) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "a snapshot of a zone with another key"));
        }
        let old = self.generation;
        let new = old + 1;
        self.write_generation(new, meta.last_log_id.as_ref(), &snapshot.state).await?;

        self.state = (*snapshot.state).clone();
        self.hash = StateHash::of(&self.state);
        self.applied = meta.last_log_id;
        self.membership = Arc::new(meta.last_membership.clone());
        self.generation = new;
        let mut batch = Batch::default();
        let (from, to) = range_of(old);
        batch.delete_range(Column::State, from, to);
        batch.put(Column::Meta, meta::APPLIED, self.mark());
        // Synced: the leader counts on this node having it, and no log entry stands for it.
        self.engine.write(batch, true)?;
        self.high_water.installed(self.applied)?;
        self.publish();
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> io::Result<Option<Snapshot>> {
        Ok(self.applied.map(|_| self.snapshot()))
    }
}

/// Whether nodes compare their states here.
fn is_checkpoint(at: &LogId) -> bool {
    at.index.is_multiple_of(state_hash::EVERY)
}

/// The zone has gone beyond what this build supports.
fn beyond(reason: String) -> io::Error {
    io::Error::new(io::ErrorKind::Unsupported, reason)
}

fn at(entry: &Entry, error: &io::Error) -> io::Error {
    io::Error::new(error.kind(), format!("entry {}: {error}", entry.log_id))
}

fn stored_key(generation: u64, key: &[u8]) -> Vec<u8> {
    [&generation.to_be_bytes(), key].concat()
}

/// The keys of a generation: from the first, inclusive, to the second, exclusive.
fn range_of(generation: u64) -> ([u8; 8], [u8; 8]) {
    (generation.to_be_bytes(), generation.saturating_add(1).to_be_bytes())
}
