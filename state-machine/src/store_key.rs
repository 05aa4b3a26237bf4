//! The keys of persisted records: bytes that sort as the keys do. They are on disk, so they never change.

use quorate_model::kind::Kind;
use quorate_model::parts::PartKey;

/// Identifies a persisted record.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum StoreKey {
    /// What there is one of.
    Globals,
    /// A pool object.
    Object(Kind, i32),
    /// A pending operation.
    Pending(u64),
    /// A proposing client's recent replies.
    Session(u64),
    /// Replicated configuration: large, and hardly ever changed.
    Settings,
    /// What an object gathers in ever greater number, each by itself; behind all objects.
    Part(Kind, i32, PartKey),
}

impl StoreKey {
    /// The key's bytes; they sort as the keys do.
    #[must_use]
    pub fn to_bytes(self) -> Vec<u8> {
        match self {
            StoreKey::Globals => vec![0],
            StoreKey::Object(kind, id) => [&[1, kind as u8][..], &id.to_be_bytes()].concat(),
            StoreKey::Pending(id) => [&[2][..], &id.to_be_bytes()].concat(),
            StoreKey::Session(id) => [&[3][..], &id.to_be_bytes()].concat(),
            StoreKey::Settings => vec![4],
            StoreKey::Part(kind, id, part) => {
                [&[5, kind as u8][..], &id.to_be_bytes(), &part.map.to_be_bytes(), &part.index.to_be_bytes()].concat()
            }
        }
    }

    /// The key with these bytes.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Option<StoreKey> {
        match bytes {
            [0] => Some(StoreKey::Globals),
            [1, kind, id @ ..] => {
                Some(StoreKey::Object(Kind::from_u8(*kind)?, i32::from_be_bytes(id.try_into().ok()?)))
            }
            [2, id @ ..] => Some(StoreKey::Pending(u64::from_be_bytes(id.try_into().ok()?))),
            [3, id @ ..] => Some(StoreKey::Session(u64::from_be_bytes(id.try_into().ok()?))),
            [4] => Some(StoreKey::Settings),
            [5, kind, part @ ..] => {
                let (id, part) = part.split_first_chunk()?;
                let (map, index) = part.split_first_chunk()?;
                let index = u64::from_be_bytes(index.try_into().ok()?);
                let part = PartKey { map: u64::from_be_bytes(*map), index };
                Some(StoreKey::Part(Kind::from_u8(*kind)?, i32::from_be_bytes(*id), part))
            }
            _ => None,
        }
    }
}
