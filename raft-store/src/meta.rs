//! The keys of [`Column::Meta`](crate::engine::Column::Meta), and who a database belongs to.
//!
//! The names are on disk: they may be added to, never changed.

use std::io;

use prost::Message;
use quorate_proto::v1;

use crate::engine::{Batch, Column, Engine};

/// The vote.
pub const VOTE: &[u8] = b"vote";
/// The newest purged log id.
pub(crate) const PURGED: &[u8] = b"purged";
/// What the state column holds.
pub const APPLIED: &[u8] = b"applied";
/// Whose database this is.
const IDENTITY: &[u8] = b"identity";

/// Which zone and node a database belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The zone's unique id.
    pub cluster: String,
    /// The Raft node id; never reused.
    pub node_id: u64,
}

/// Who the database belongs to; `None` when it is new.
///
/// # Errors
/// When the disk fails or holds something that cannot be read.
pub fn read_identity(engine: &dyn Engine) -> io::Result<Option<Identity>> {
    let Some(bytes) = engine.get(Column::Meta, IDENTITY)? else { return Ok(None) };
    let v1::Identity { cluster, node_id } = v1::Identity::decode(bytes)?;
    Ok(Some(Identity { cluster, node_id }))
}

/// Makes a new database this node's, durably.
///
/// # Errors
/// When the disk fails, or the database belongs to another node.
pub fn write_identity(engine: &dyn Engine, identity: &Identity) -> io::Result<()> {
    match read_identity(engine)? {
        Some(other) if other != *identity => {
            let text = format!("the database belongs to node {} of zone {}", other.node_id, other.cluster);
            Err(io::Error::new(io::ErrorKind::AlreadyExists, text))
        }
        Some(_) => Ok(()),
        None => replace_identity(engine, identity),
    }
}

/// Makes a database this node's, durably, whoever's it was.
pub(crate) fn replace_identity(engine: &dyn Engine, identity: &Identity) -> io::Result<()> {
    let message = v1::Identity { cluster: identity.cluster.clone(), node_id: identity.node_id };
    let mut batch = Batch::default();
    batch.put(Column::Meta, IDENTITY, message.encode_to_vec());
    engine.write(batch, true)
}
