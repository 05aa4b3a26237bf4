//! Snapshots: a state value with what identifies it, and its form on the way to a peer.
//!
//! Taking a snapshot costs nothing, because a state is an immutable value. On the way it is a header, chunks
//! of records made on the fly, and a trailer, with checksums; a receiver believes nothing else.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use openraft::OptionalSend;
use openraft::storage::RaftSnapshotBuilder;
use openraft::type_config::alias;
use prost::Message;
use quorate_proto::v1;
use quorate_proto::v1::snapshot_message::Part;
use quorate_state_machine::state::State;
use quorate_state_machine::store_key::StoreKey;
use quorate_state_machine::zone_key::{ZoneKey, show_fingerprint};

use crate::convert::{
    Malformed, log_id_from_proto, log_id_to_proto, stored_membership_from_proto, stored_membership_to_proto,
    vote_from_proto, vote_to_proto,
};
use crate::types::{LogId, SnapshotMeta, TypeConfig, Vote};
use crate::{formats, sealing};

/// How many bytes of values a chunk has at most.
const CHUNK_BYTES: usize = 256 << 10;
/// Largest record that is put together from its pieces.
const MAX_RECORD: usize = 1 << 30;

/// The content of a snapshot.
#[derive(Clone, Debug, Default)]
pub struct SnapshotData {
    /// The state as of the snapshot's last log id.
    pub state: Arc<State>,
}

/// A snapshot: its content and what identifies it.
pub type Snapshot = alias::SnapshotOf<TypeConfig, SnapshotData>;

/// Hands out the snapshot that was current when it was made.
#[derive(Debug)]
pub struct SnapshotBuilder(pub(crate) Snapshot);

impl RaftSnapshotBuilder<TypeConfig> for SnapshotBuilder {
    type SnapshotData = SnapshotData;

    async fn build_snapshot(&mut self) -> io::Result<Snapshot> {
        Ok(self.0.clone())
    }
}

/// A snapshot in the form of messages, made as they are asked for. Ends after the first error.
pub struct Encoder {
    state: Arc<State>,
    keys: std::vec::IntoIter<StoreKey>,
    /// What of a record is still to be sent, with its key.
    rest: Option<(Bytes, Bytes)>,
    header: Option<v1::SnapshotHeader>,
    sent: Option<Sums>,
    at: Option<LogId>,
}

/// What the trailer tells.
struct Sums {
    header: Vec<u8>,
    chunks: u64,
    records: u64,
    crc: crc32fast::Hasher,
}

impl Sums {
    fn of(header: &v1::SnapshotHeader) -> Sums {
        let header = header.encode_to_vec();
        let mut crc = crc32fast::Hasher::new();
        crc.update(&header);
        Sums { header, chunks: 0, records: 0, crc }
    }

    fn add(&mut self, records: &[u8], count: usize) {
        self.chunks += 1;
        self.records += count as u64;
        self.crc.update(records);
    }

    /// The trailer without its seal, and what is sealed.
    fn trailer(self) -> (v1::SnapshotTrailer, Vec<u8>) {
        let Sums { header: mut summary, chunks, records, crc } = self;
        let trailer = v1::SnapshotTrailer { chunks, records, crc32: crc.finalize(), seal: Bytes::new() };
        summary.extend(trailer.encode_to_vec());
        (trailer, summary)
    }
}

impl Encoder {
    /// The messages of `snapshot`, sent by the leader of `vote`.
    #[must_use]
    pub fn new(vote: &Vote, snapshot: &Snapshot) -> Encoder {
        let header = v1::SnapshotHeader {
            version: formats::VERSION,
            vote: Some(vote_to_proto(vote)),
            last_log_id: snapshot.meta.last_log_id.as_ref().map(log_id_to_proto),
            membership: Some(stored_membership_to_proto(&snapshot.meta.last_membership)),
            key: snapshot.snapshot.state.key().map_or(0, |key| key.fingerprint()),
            cluster: String::new(),
        };
        let state = snapshot.snapshot.state.clone();
        let keys = state.all_keys().collect::<Vec<_>>().into_iter();
        let at = snapshot.meta.last_log_id;
        Encoder { state, keys, rest: None, header: Some(header), sent: None, at }
    }

    /// Says in the header of which zone it is.
    pub(crate) fn of_zone(mut self, cluster: &str) -> Encoder {
        if let Some(header) = &mut self.header {
            cluster.clone_into(&mut header.cluster);
        }
        self
    }

    fn chunk(&mut self) -> io::Result<(Bytes, usize)> {
        let mut records = Vec::new();
        let mut bytes = 0;
        while bytes < CHUNK_BYTES
            && let Some((key, mut value)) = self.next_record()?
        {
            let piece = value.split_to(value.len().min(CHUNK_BYTES - bytes));
            bytes += key.len() + piece.len();
            let more = !value.is_empty();
            self.rest = more.then(|| (key.clone(), value));
            records.push(v1::SnapshotRecord { key, value: piece, more });
        }
        let count = records.len();
        Ok((v1::SnapshotRecords { records }.encode_to_vec().into(), count))
    }
}

impl Encoder {
    fn trailer(&self, sent: Sums) -> v1::SnapshotTrailer {
        let (mut trailer, summary) = sent.trailer();
        if let Some(key) = self.state.key() {
            trailer.seal = sealing::seal_summary(key, self.at.as_ref(), &summary).into();
        }
        trailer
    }

    /// What is left of a record, or the next one.
    fn next_record(&mut self) -> io::Result<Option<(Bytes, Bytes)>> {
        if let Some(rest) = self.rest.take() {
            return Ok(Some(rest));
        }
        let Some(key) = self.keys.next() else { return Ok(None) };
        let value = self.state.encode(&key).ok_or_else(|| io::Error::other(format!("cannot encode {key:?}")))?;
        let zone_key = self.state.key().ok_or_else(|| io::Error::other("a state without the zone's key"))?;
        let sealed = sealing::seal(zone_key, self.at.as_ref(), key, &value);
        Ok(Some((key.to_bytes().into(), sealed.into())))
    }
}

impl Iterator for Encoder {
    type Item = io::Result<v1::SnapshotMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = |part| Some(Ok(v1::SnapshotMessage { part: Some(part) }));
        if let Some(header) = self.header.take() {
            self.sent = Some(Sums::of(&header));
            return message(Part::Header(header));
        }
        let mut sent = self.sent.take()?;
        match self.chunk() {
            Err(error) => Some(Err(error)),
            Ok((_, 0)) => message(Part::Trailer(self.trailer(sent))),
            Ok((records, count)) => {
                let chunk = v1::SnapshotChunk { number: sent.chunks, crc32: crc32fast::hash(&records), records };
                sent.add(&chunk.records, count);
                self.sent = Some(sent);
                message(Part::Chunk(chunk))
            }
        }
    }
}

/// A snapshot that is being received.
pub struct Decoder {
    vote: Vote,
    meta: SnapshotMeta,
    state: State,
    /// Without it records are not opened, only counted and summed up.
    key: Option<Arc<ZoneKey>>,
    /// The pieces so far of a record that goes on, with its key.
    begun: Option<(Bytes, Vec<u8>)>,
    received: Sums,
}

impl Decoder {
    /// Starts with the first message, of a snapshot that is sealed by `key`.
    ///
    /// # Errors
    /// When it is not a header that this version understands, or one of a zone with another key.
    pub fn start(message: v1::SnapshotMessage, key: Arc<ZoneKey>) -> Result<Decoder, Malformed> {
        let (sealed_by, decoder) = Decoder::begin(message)?;
        if sealed_by != key.fingerprint() {
            let (other, given) = (show_fingerprint(sealed_by), key.shown_fingerprint());
            return Err(Malformed(format!("it is sealed by the zone's key {other}, the key here is {given}")));
        }
        Ok(Decoder { state: State::new(key.clone()), key: Some(key), ..decoder })
    }

    /// Starts with the first message of a snapshot that is only checked for being whole: its state stays empty.
    ///
    /// # Errors
    /// When it is not a header that this version understands.
    pub fn only_check(message: v1::SnapshotMessage) -> Result<Decoder, Malformed> {
        Ok(Decoder::begin(message)?.1)
    }

    /// The fingerprint of the key by which the records are sealed, and a decoder without it.
    fn begin(message: v1::SnapshotMessage) -> Result<(u64, Decoder), Malformed> {
        let Some(Part::Header(header)) = message.part else { return Err(Malformed::missing("snapshot header")) };
        formats::check("snapshot", header.version).map_err(Malformed)?;
        let received = Sums::of(&header);
        let meta = SnapshotMeta {
            last_log_id: header.last_log_id.as_ref().map(log_id_from_proto),
            last_membership: stored_membership_from_proto(header.membership)?,
        };
        let vote = vote_from_proto(header.vote)?;
        let decoder = Decoder { vote, meta, state: State::default(), key: None, begun: None, received };
        Ok((header.key, decoder))
    }

    /// Takes the next message. With the trailer the snapshot, and the vote of the leader that sent it, are complete.
    ///
    /// # Errors
    /// When anything is missing, damaged or out of order.
    pub fn push(mut self, message: v1::SnapshotMessage) -> Result<Progress, Malformed> {
        match message.part {
            Some(Part::Chunk(chunk)) => {
                self.take(chunk)?;
                Ok(Progress::Incomplete(self))
            }
            Some(Part::Trailer(trailer)) => {
                if self.begun.is_some() {
                    return Err(Malformed("the snapshot ends within a record".to_owned()));
                }
                let (expected, summary) = self.received.trailer();
                if expected != (v1::SnapshotTrailer { seal: Bytes::new(), ..trailer.clone() }) {
                    return Err(Malformed("the snapshot's trailer does not match its header and chunks".to_owned()));
                }
                // Without the key nothing is believed that is sealed by it; it is only looked whether all is there.
                if self.key.is_some_and(|key| !sealing::is_summary(&key, &summary, &trailer.seal)) {
                    return Err(Malformed("the snapshot's trailer is not sealed by the zone's key".to_owned()));
                }
                self.state.finish_loading().map_err(|e| Malformed(e.to_string()))?;
                let snapshot = SnapshotData { state: Arc::new(self.state) };
                Ok(Progress::Complete(self.vote, Snapshot { meta: self.meta, snapshot }))
            }
            Some(Part::Header(_)) | None => Err(Malformed::missing("snapshot chunk")),
        }
    }

    fn take(&mut self, chunk: v1::SnapshotChunk) -> Result<(), Malformed> {
        let number = self.received.chunks;
        if chunk.number != number {
            return Err(Malformed(format!("snapshot chunk {} instead of {number}", chunk.number)));
        }
        if crc32fast::hash(&chunk.records) != chunk.crc32 {
            return Err(Malformed(format!("snapshot chunk {number} has a wrong checksum")));
        }
        let records = v1::SnapshotRecords::decode(chunk.records.clone())?.records;
        self.received.add(&chunk.records, records.len());
        records.into_iter().try_for_each(|record| self.take_record(record))
    }

    /// Takes in a record, or a piece of one.
    fn take_record(&mut self, record: v1::SnapshotRecord) -> Result<(), Malformed> {
        let (key, mut value) = match self.begun.take() {
            Some((key, _)) if key != record.key => {
                return Err(Malformed("the pieces of a record do not belong together".to_owned()));
            }
            Some((key, value)) => (key, value),
            None if record.more => (record.key, Vec::new()),
            // Whole, as nearly all are: nothing is copied.
            None => return self.load(&record.key, &record.value),
        };
        if value.len() + record.value.len() > MAX_RECORD {
            return Err(Malformed(format!("a record of more than {MAX_RECORD} bytes")));
        }
        value.extend_from_slice(&record.value);
        if record.more {
            self.begun = Some((key, value));
            return Ok(());
        }
        self.load(&key, &value)
    }

    /// Loads a sealed record; without the zone's key, nothing.
    fn load(&mut self, key: &[u8], sealed: &[u8]) -> Result<(), Malformed> {
        let Some(zone_key) = &self.key else { return Ok(()) };
        let value = sealing::open(zone_key, key, sealed)?;
        self.state.decode(key, &value).map_err(|e| Malformed(e.to_string()))
    }
}

/// What came of a message of a snapshot.
#[expect(clippy::large_enum_variant, reason = "moved once per chunk")]
pub enum Progress {
    /// There is more to come.
    Incomplete(Decoder),
    /// The whole snapshot, and the vote of the leader that sent it.
    Complete(Vote, Snapshot),
}

const _: () = {
    const fn is_sent<T: OptionalSend + 'static>() {}
    is_sent::<SnapshotData>();
};
