//! Backups: a snapshot in a file. And zones of one node: made from a backup, or from what one survivor has.
//!
//! For stores that no node uses at the moment; everything is durable when it returns.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, Read};
use std::sync::Arc;

use bytes::Bytes;
use openraft::entry::RaftEntry as _;
use openraft::storage::{RaftLogReader as _, RaftLogStorage as _, RaftStateMachine as _};
use prost::Message as _;
use quorate_proto::v1;
use quorate_proto::v1::snapshot_message::Part;
use quorate_state_machine::zone_key::ZoneKey;

use crate::convert::{Malformed, entry_to_proto, log_id_to_proto, vote_to_proto};
use crate::engine::{Batch, Column, Engine};
use crate::formats;
use crate::high_water::{Effect, HighWater, Mark};
use crate::log_store::LogStore;
use crate::meta::{self, Identity, put_founding, put_identity, read_identity};
use crate::snapshot::{Decoder, Encoder, Progress, Snapshot, SnapshotData};
use crate::state_store::{Published, StateStore};
use crate::types::{Entry, EntryPayload, LogId, Membership, Server, SnapshotMeta, StoredMembership, Vote, log_id};
use crate::writer::SyncPolicy;

/// What a backup begins with; behind it the format's number and a line feed.
const MAGIC: &[u8] = b"quorate backup ";
/// Longest number of a format, with its line feed.
const MAX_FORMAT: usize = 11;
/// Longest message that is believed.
const MAX_MESSAGE: u64 = 256 << 20;

/// The content of a backup.
#[derive(Clone, Debug)]
pub struct Backup {
    /// The id of the zone that it was taken of.
    pub cluster: String,
    /// The state and what identifies it.
    pub snapshot: Snapshot,
}

/// The parts of a backup of this version of the state of zone `cluster`, made as they are asked for. An incomplete one
/// has no trailer.
pub fn encode(published: &Published, cluster: &str) -> impl Iterator<Item = Bytes> + Send + use<> {
    let last_membership = (*published.membership).clone();
    let meta = SnapshotMeta { last_log_id: published.applied, last_membership };
    let snapshot = Snapshot { meta, snapshot: SnapshotData { state: published.state.clone() } };
    let messages = Encoder::new(&Vote::new(0, 0), &snapshot).of_zone(cluster).map_while(|message| {
        message.inspect_err(|error| tracing::error!(%error, "a backup could not be encoded")).ok()
    });
    let parts = messages.map(|message| Bytes::from(message.encode_length_delimited_to_vec()));
    let head = [MAGIC, format!("{}\n", formats::VERSION).as_bytes()].concat();
    std::iter::once(Bytes::from(head)).chain(parts)
}

/// Reads a backup of a zone with this key to its end and checks it.
///
/// # Errors
/// When the file cannot be read, anything in it is missing or damaged, something follows on its end, or its zone has
/// another key.
pub fn read(file: impl Read, key: Arc<ZoneKey>) -> io::Result<Backup> {
    whole(file, |header| Decoder::start(header, key))
}

/// Reads a backup to its end without the zone's key; the last entry in it.
///
/// # Errors
/// When the file cannot be read, anything in it is missing or damaged, or something follows on its end.
pub fn check(file: impl Read) -> io::Result<Option<LogId>> {
    Ok(whole(file, Decoder::only_check)?.snapshot.meta.last_log_id)
}

fn whole(
    mut file: impl Read,
    start: impl FnOnce(v1::SnapshotMessage) -> Result<Decoder, Malformed>,
) -> io::Result<Backup> {
    formats::check("a backup", format_of(&mut file)?).map_err(|text| invalid(&text))?;
    let header = message(&mut file)?;
    let cluster = match &header.part {
        Some(Part::Header(header)) => header.cluster.clone(),
        _ => String::new(),
    };
    let mut decoder = start(header)?;
    let snapshot = loop {
        match decoder.push(message(&mut file)?)? {
            Progress::Incomplete(next) => decoder = next,
            Progress::Complete(_, snapshot) => break snapshot,
        }
    };
    if file.read(&mut [0])? > 0 {
        return Err(invalid("something follows on the end of the backup: it is damaged, or two files were joined"));
    }
    Ok(Backup { cluster, snapshot })
}

/// The format that a backup says it is of.
fn format_of(file: &mut impl Read) -> io::Result<u32> {
    let no_backup = || invalid("this is no backup of a zone");
    let mut magic = [0; MAGIC.len()];
    file.read_exact(&mut magic).map_err(|_| no_backup())?;
    let mut number = Vec::new();
    let mut byte = [0];
    while magic == MAGIC && number.len() < MAX_FORMAT {
        file.read_exact(&mut byte).map_err(|_| no_backup())?;
        if byte == *b"\n" {
            return std::str::from_utf8(&number).ok().and_then(|n| n.parse().ok()).ok_or_else(no_backup);
        }
        number.extend(byte);
    }
    Err(no_backup())
}

fn message(file: &mut impl Read) -> io::Result<v1::SnapshotMessage> {
    let cut_off = |_| invalid("the backup is cut off");
    let mut prefix = Vec::with_capacity(10);
    while prefix.last().is_none_or(|byte| byte & 0x80 != 0) && prefix.len() < 10 {
        let mut byte = [0];
        file.read_exact(&mut byte).map_err(cut_off)?;
        prefix.extend(byte);
    }
    let length = prost::encoding::decode_varint(&mut prefix.as_slice()).map_err(io::Error::other)?;
    if length > MAX_MESSAGE {
        return Err(invalid("the backup is damaged"));
    }
    let mut bytes = Vec::new();
    file.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 != length {
        return Err(invalid("the backup is cut off"));
    }
    let message = v1::SnapshotMessage::decode(bytes.as_slice())?;
    // What is not understood, or written in another way, was not written by this program.
    if message.encode_to_vec() == bytes { Ok(message) } else { Err(invalid("the backup is damaged")) }
}

fn invalid(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// A zone of one voter.
fn alone(node_id: u64, server: &Server) -> io::Result<Membership> {
    let nodes = BTreeMap::from([(node_id, server.clone())]);
    Membership::new(vec![BTreeSet::from([node_id])], nodes).map_err(io::Error::other)
}

/// Makes a new database the only node of a zone with this content, founded now: `founding` is drawn anew.
///
/// # Errors
/// When the disk fails, the database is not new, or the backup has no content.
pub async fn restore(
    engine: Arc<dyn Engine>,
    snapshot: Snapshot,
    identity: &Identity,
    server: &Server,
    founding: u64,
) -> io::Result<LogId> {
    if read_identity(&*engine)?.is_some() {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "there is a database already"));
    }
    let last = snapshot.meta.last_log_id.ok_or_else(|| invalid("the backup has no content"))?;
    let membership = StoredMembership::new(Some(last), alone(identity.node_id, server)?);
    let meta = SnapshotMeta { last_log_id: Some(last), last_membership: membership };
    let key = snapshot.snapshot.state.key().cloned().ok_or_else(|| invalid("the backup has no content"))?;
    let high_water = Arc::new(HighWater::open(engine.clone())?);
    let mut state = StateStore::open(engine.clone(), high_water.clone(), key)?;
    state.install_snapshot(&meta, snapshot.snapshot).await?;
    let vote = Vote::new(last.leader_id.term.saturating_add(1), identity.node_id);
    let mut batch = Batch::default();
    batch.put(Column::Meta, meta::PURGED, log_id_to_proto(&last).encode_to_vec());
    batch.put(Column::Meta, meta::VOTE, vote_to_proto(&vote).encode_to_vec());
    // Only then is it a node's database.
    put_identity(&mut batch, identity);
    put_founding(&mut batch, founding);
    engine.write(batch, true)?;
    high_water.after(&[Effect::Votes(vote)])?;
    Ok(last)
}

/// What a survivor was and has become.
#[derive(Clone, Debug)]
pub struct Recovered {
    /// The survivor's server.
    pub server: Server,
    /// Its node id.
    pub node_id: u64,
    /// Who is not a member any more.
    pub others: Vec<(u64, Server)>,
    /// The last entry it has; what others may have had behind it is lost.
    pub last: LogId,
    /// The last entry that it had acknowledged, where its disk has lost the end of its log.
    pub acknowledged: Option<LogId>,
}

/// Makes a survivor's node the only one of a zone with a new id, with everything in its log, founded now: `founding` is
/// drawn anew.
///
/// # Errors
/// When the disk fails, or the database is no member's.
pub async fn force_new_zone(
    engine: Arc<dyn Engine>,
    cluster: &str,
    key: Arc<ZoneKey>,
    founding: u64,
) -> io::Result<Recovered> {
    let identity = read_identity(&*engine)?.ok_or_else(|| invalid("there is no database"))?;
    if identity.cluster == cluster {
        let text = "the database belongs to the zone of zone.cluster_id: give that a new value first, so that servers of the old zone are refused; if it has one already, the zone was made by an earlier quorate recover: start it";
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, text));
    }
    let high_water = Arc::new(HighWater::open(engine.clone())?);
    let mut log = LogStore::open(engine.clone(), high_water.clone(), SyncPolicy::Inline)?;
    let mut state = StateStore::open(engine.clone(), high_water.clone(), key)?;
    let (applied, stored) = state.applied_state().await?;
    let logged = log.get_log_state().await?.last_log_id;
    let last = logged.max(applied).ok_or_else(|| invalid("it has no content"))?;
    let mut reader = log.get_log_reader().await;
    let entries = reader.try_get_log_entries(applied.map_or(0, |id| id.index + 1)..).await?;
    let members = entries.iter().rev().find_map(|entry| match &entry.payload {
        EntryPayload::Membership(membership) => Some(membership.clone()),
        _ => None,
    });
    let members = members.unwrap_or_else(|| stored.membership().clone());
    let me = identity.node_id;
    let server = members.get_node(&me).cloned().ok_or_else(|| invalid("this node is no member of its zone"))?;
    let mark = high_water.mark();
    let voted = reader.read_vote().await?;
    let terms = [mark.vote, voted].into_iter().flatten().map(|vote| vote.leader_id.term);
    let terms = terms.chain(mark.last.map(|id| id.leader_id.term)).chain([last.leader_id.term]);
    let term = terms.max().unwrap_or(0).saturating_add(1);
    let entry = Entry::new(log_id(term, last.index + 1), EntryPayload::Membership(alone(me, &server)?));
    let vote = Vote::new(term, me);
    let mut batch = Batch::default();
    if applied > logged {
        // A snapshot was installed, and the log behind it not removed any more.
        batch.delete_range(Column::Log, [0; 8], (last.index + 1).to_be_bytes());
        batch.put(Column::Meta, meta::PURGED, log_id_to_proto(&last).encode_to_vec());
    }
    batch.put(Column::Log, (last.index + 1).to_be_bytes(), entry_to_proto(&entry).encode_to_vec());
    batch.put(Column::Meta, meta::VOTE, vote_to_proto(&vote).encode_to_vec());
    // All at once: a recovery that is interrupted has not happened.
    put_identity(&mut batch, &Identity { cluster: cluster.to_owned(), node_id: me });
    put_founding(&mut batch, founding);
    if mark == Mark::default() {
        // A new zone's database without a mark could neither be started nor recovered again. So first there is the mark of
        // what the database has now; the new entry and vote are above it.
        let voted = voted.map_or(Effect::None, Effect::Votes);
        high_water.after(&[voted, Effect::Acknowledges(last)])?;
    }
    engine.write(batch, true)?;
    // Behind the database, as always: a mark above it would say that the disk has lost something.
    high_water.after(&[Effect::Votes(vote), Effect::Acknowledges(entry.log_id)])?;
    let others = members.nodes().filter(|(id, _)| **id != me).map(|(id, server)| (*id, server.clone())).collect();
    let acknowledged = mark.last.filter(|acknowledged| *acknowledged > last);
    Ok(Recovered { server, node_id: me, others, last, acknowledged })
}
