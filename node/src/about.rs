//! What this node says of itself to its peers and to operators.

use std::path::{Path, PathBuf};

use quorate_raft_store::{Published, Raft};
use tokio::sync::watch;

use crate::clocks::Clocks;
use crate::transport::{Disk, PeerStatus};

/// Where to look.
#[derive(Clone)]
pub struct About {
    /// This node's Raft.
    pub raft: Raft,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// Where its database lives.
    pub data_dir: PathBuf,
    /// The newest feature level that its program supports.
    pub supports: u32,
    /// Its clocks.
    pub clocks: Clocks,
}

impl About {
    /// All of it, as of now.
    #[must_use]
    pub fn status(&self) -> PeerStatus {
        let published = self.published.borrow().clone();
        let newest = published.checkpoints.back().copied();
        PeerStatus {
            disk: disk(&self.data_dir),
            clock: self.clocks.wall_millis(),
            state_hash: newest.map(|(at, hash)| (at, hash.to_be_bytes().to_vec())),
            ..PeerStatus::of(&self.raft, self.supports, published.state.globals())
        }
    }
}

/// Bytes of the files in `dir`, and left on its disk; `None` when there is no such directory, as in simulation.
fn disk(dir: &Path) -> Option<Disk> {
    let files = std::fs::read_dir(dir).ok()?.flatten();
    let used = files.filter_map(|file| file.metadata().ok()).filter(std::fs::Metadata::is_file).map(|m| m.len()).sum();
    let disk = rustix::fs::statvfs(dir).ok()?;
    Some(Disk { used, free: disk.f_bavail.saturating_mul(disk.f_frsize) })
}
