//! Records of the state as they leave the memory: sealed by the zone's key, on disk as in snapshots and backups. And what
//! a snapshot says of itself, so that nobody without the key can make one say something else.
//!
//! It must not know what a record holds.

use quorate_state_machine::store_key::StoreKey;
use quorate_state_machine::zone_key::{NONCE, Place, ZoneKey};

use crate::convert::Malformed;
use crate::types::LogId;

/// A record as it is in the state that has applied entry `at`.
#[must_use]
pub(crate) fn seal(key: &ZoneKey, at: Option<&LogId>, record: StoreKey, value: &[u8]) -> Vec<u8> {
    // An entry writes a record once, or again with the same content: so no nonce is used for two contents of a record.
    key.seal(Place::Record(record), nonce(at), value)
}

/// What a snapshot of the state that has applied entry `at` says of itself. A nonce may come twice: the cipher
/// (AES-GCM-SIV) tolerates a repeated nonce, and the summary is public.
#[must_use]
pub(crate) fn seal_summary(key: &ZoneKey, at: Option<&LogId>, summary: &[u8]) -> Vec<u8> {
    key.seal(Place::Snapshot, nonce(at), summary)
}

/// Whether [`seal_summary`] sealed this by this key.
#[must_use]
pub(crate) fn is_summary(key: &ZoneKey, summary: &[u8], sealed: &[u8]) -> bool {
    key.open(Place::Snapshot, sealed).is_some_and(|said| said == summary)
}

fn nonce(at: Option<&LogId>) -> [u8; NONCE] {
    let index = at.map_or(0, |at| at.index()).to_be_bytes();
    let mut nonce = [0; NONCE];
    nonce.iter_mut().zip(index).for_each(|(to, from)| *to = from);
    nonce
}

/// What [`seal`] sealed, of the record that is stored under these bytes.
///
/// # Errors
/// When the bytes are damaged, or sealed by another key or for another record.
pub(crate) fn open(key: &ZoneKey, record: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Malformed> {
    let broken = || Malformed(format!("record {record:?} is damaged, or sealed by another key"));
    let place = StoreKey::from_bytes(record).map(Place::Record).ok_or_else(broken)?;
    key.open(place, sealed).ok_or_else(broken)
}
