//! The keys of [`Column::Meta`](crate::engine::Column::Meta), and who a database belongs to.
//!
//! The names are on disk: they may be added to, never changed.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;

use prost::Message;
use quorate_proto::v1;
use quorate_state_machine::zone_key::{ZoneKey, show_fingerprint};

use crate::engine::{Batch, Column, Engine};
use crate::formats;
use crate::high_water::damaged;

/// The vote.
pub const VOTE: &[u8] = b"vote";
/// The newest purged log id.
pub(crate) const PURGED: &[u8] = b"purged";
/// What the state column holds.
pub const APPLIED: &[u8] = b"applied";
/// Whose database this is.
const IDENTITY: &[u8] = b"identity";
/// The number of this database, 8 bytes, big endian.
const DATABASE: &[u8] = b"database";
/// The fingerprint of the zone's key, 8 bytes, big endian.
const KEY: &[u8] = b"key";
/// Behind it a node id, 8 bytes, big endian: the number of the database with which that node was met.
const MET: &[u8] = b"met/";
/// The number of the zone's founding, 8 bytes, big endian.
const FOUNDING: &[u8] = b"founding";
/// Where the zone's time was at a moment.
const CLOCK: &[u8] = b"clock";

/// Which zone and node a database belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The zone's unique id.
    pub cluster: String,
    /// The Raft node id; never reused.
    pub node_id: u64,
}

/// Where the zone's time was at a moment: how much has passed since is told by the machine's uptime, until it starts again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClockMark {
    /// Which start of the machine this is of.
    pub boot: String,
    /// For how long the machine was up, milliseconds.
    pub uptime: i64,
    /// The zone's time then, unix milliseconds.
    pub time: i64,
    /// The era of that time: see [`Stamp`](quorate_state_machine::zone_time::Stamp).
    pub era: u64,
}

/// The newest clock mark, if there is one.
///
/// # Errors
/// When the disk fails or holds something that cannot be read.
pub fn read_clock(engine: &dyn Engine) -> io::Result<Option<ClockMark>> {
    let Some(bytes) = engine.get(Column::Meta, CLOCK)? else { return Ok(None) };
    let v1::ClockMark { boot, uptime_ms, time_ms, era } = v1::ClockMark::decode(bytes)?;
    Ok(Some(ClockMark { boot, uptime: uptime_ms, time: time_ms, era }))
}

/// Remembers where the zone's time is. Not synced: it says nothing after a restart of the machine.
///
/// # Errors
/// When the disk fails.
pub fn write_clock(engine: &dyn Engine, mark: &ClockMark) -> io::Result<()> {
    let ClockMark { boot, uptime, time, era } = mark.clone();
    let message = v1::ClockMark { boot, uptime_ms: uptime, time_ms: time, era };
    let mut batch = Batch::default();
    batch.put(Column::Meta, CLOCK, message.encode_to_vec());
    engine.write(batch, false)
}

/// Who the database belongs to; `None` when it is new.
///
/// # Errors
/// When the disk fails or holds something that cannot be read, or the database is of a format that this program does
/// not read.
pub fn read_identity(engine: &dyn Engine) -> io::Result<Option<Identity>> {
    let Some(bytes) = engine.get(Column::Meta, IDENTITY)? else { return Ok(None) };
    let v1::Identity { cluster, node_id, format } = v1::Identity::decode(bytes)?;
    formats::check("a database", format).map_err(|text| io::Error::new(io::ErrorKind::Unsupported, text))?;
    Ok(Some(Identity { cluster, node_id }))
}

/// Makes a new database this node's, durably.
///
/// # Errors
/// When the disk fails, or the database belongs to another node or has lost whose it is.
pub fn write_identity(engine: &dyn Engine, identity: &Identity) -> io::Result<()> {
    match read_identity(engine)? {
        Some(other) if other != *identity => {
            let text = format!("the database belongs to node {} of zone {}", other.node_id, other.cluster);
            Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
        }
        Some(_) => Ok(()),
        None if engine.get(Column::Meta, VOTE)?.is_some() => {
            Err(damaged("the database has a vote, but does not say whose it is"))
        }
        None => {
            let mut batch = Batch::default();
            put_identity(&mut batch, identity);
            engine.write(batch, true)
        }
    }
}

/// Writes whose the database is, in place of what it said before.
pub(crate) fn put_identity(batch: &mut Batch, identity: &Identity) {
    let message =
        v1::Identity { cluster: identity.cluster.clone(), node_id: identity.node_id, format: formats::VERSION };
    batch.put(Column::Meta, IDENTITY, message.encode_to_vec());
}

/// The number of this database; when it has none, `draw` gives it one, durably.
///
/// # Errors
/// When the disk fails or holds something that cannot be read.
pub fn database(engine: &dyn Engine, draw: impl FnOnce() -> u64) -> io::Result<u64> {
    if let Some(bytes) = engine.get(Column::Meta, DATABASE)? {
        return number(&bytes);
    }
    let drawn = draw();
    let mut batch = Batch::default();
    batch.put(Column::Meta, DATABASE, drawn.to_be_bytes().to_vec());
    engine.write(batch, true)?;
    Ok(drawn)
}

/// The number of the founding of the zone that this database is of; `None` when it has heard of no zone yet. A zone that is
/// restored or recovered is founded anew: whoever is still of the old one must not meet it, though all else may be alike.
///
/// # Errors
/// When the disk fails or holds something that cannot be read.
pub fn founding(engine: &dyn Engine) -> io::Result<Option<u64>> {
    engine.get(Column::Meta, FOUNDING)?.map(|bytes| number(&bytes)).transpose()
}

/// Makes this database one of the zone with this founding, durably.
///
/// # Errors
/// When the disk fails.
pub fn write_founding(engine: &dyn Engine, founding: u64) -> io::Result<()> {
    let mut batch = Batch::default();
    put_founding(&mut batch, founding);
    engine.write(batch, true)
}

pub(crate) fn put_founding(batch: &mut Batch, founding: u64) {
    batch.put(Column::Meta, FOUNDING, founding.to_be_bytes().to_vec());
}

/// The fingerprint of the key that this database is sealed by; `None` when it is new.
///
/// # Errors
/// When the disk fails or holds something that cannot be read.
pub fn key_fingerprint(engine: &dyn Engine) -> io::Result<Option<u64>> {
    engine.get(Column::Meta, KEY)?.map(|bytes| number(&bytes)).transpose()
}

/// Refuses another key than the one that this database is sealed by; a new database remembers it, durably.
///
/// # Errors
/// When the disk fails, or the key is another.
pub fn check_key(engine: &dyn Engine, key: &ZoneKey) -> io::Result<()> {
    match key_fingerprint(engine)? {
        Some(known) if known != key.fingerprint() => {
            let (known, given) = (show_fingerprint(known), key.shown_fingerprint());
            let text = format!(
                "this database is sealed by the zone's key {known}, and zone.key holds the key {given}: copy zone.key from another server of the zone, or from where it was kept beside the backups"
            );
            Err(io::Error::new(io::ErrorKind::PermissionDenied, text))
        }
        Some(_) => Ok(()),
        None => {
            let mut batch = Batch::default();
            batch.put(Column::Meta, KEY, key.fingerprint().to_be_bytes().to_vec());
            engine.write(batch, true)
        }
    }
}

/// The number of the database with which each node was met that was met.
///
/// # Errors
/// When the disk fails or holds something that cannot be read.
pub fn met(engine: &dyn Engine) -> io::Result<BTreeMap<u64, u64>> {
    let mut met = BTreeMap::new();
    engine.scan(Column::Meta, MET, None, &mut |key, value| {
        let Some(node) = key.strip_prefix(MET) else { return Ok(ControlFlow::Break(())) };
        met.insert(number(node)?, number(value)?);
        Ok(ControlFlow::Continue(()))
    })?;
    Ok(met)
}

/// Remembers durably with which database a node was met.
///
/// # Errors
/// When the disk fails.
pub fn meet(engine: &dyn Engine, node: u64, database: u64) -> io::Result<()> {
    let mut batch = Batch::default();
    batch.put(Column::Meta, [MET, &node.to_be_bytes()].concat(), database.to_be_bytes().to_vec());
    engine.write(batch, true)
}

fn number(bytes: &[u8]) -> io::Result<u64> {
    let wrong = |_| io::Error::new(io::ErrorKind::InvalidData, "a number in the database's head has not 8 bytes");
    bytes.try_into().map(u64::from_be_bytes).map_err(wrong)
}
