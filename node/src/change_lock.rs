//! One change of the zone at a time: of its members, or of its feature level.
//!
//! Who joins and which level the zone has depend on each other: a server must not be taken in whose program does not
//! support a level that is on its way. Nothing here decides a change; [`crate::members`] and [`crate::levels`] do.

use std::sync::Arc;

use tokio::sync::{Mutex, MutexGuard};

/// Lets one change happen at a time on this node. Clones are the same lock.
#[derive(Clone, Default)]
pub struct ChangeLock(Arc<Mutex<Proposed>>);

/// What this node has proposed as the leader. Whoever holds it is the only one that changes something.
#[derive(Default)]
pub struct Proposed {
    /// The highest feature level; 0 for none. When the answer was lost, the zone may still rise to it.
    pub level: u32,
}

impl ChangeLock {
    /// Waits until no other change is going on; the change of the caller goes on until the answer is dropped.
    pub async fn hold(&self) -> MutexGuard<'_, Proposed> {
        self.0.lock().await
    }
}
