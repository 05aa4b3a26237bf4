//! Which database each node was met with, so that a node that lost its own is noticed before it votes.
//!
//! A node that starts empty under an id that it had before has forgotten what it acknowledged: with it, a majority could
//! lose an acknowledged write. Every database has a number; every call names the caller's, and the one by which the
//! caller has met the other side. What was met is on disk: it decides nothing about nodes that were never met.
//!
//! Where the numbers differ, the call is refused and nothing else happens: without `[peer_tls]` anybody can make it. A node
//! that must not go on is told so by the servers that it knows when it calls them itself: see [`crate::watchdog`].
//!
//! A node also refuses calls of another zone with the same id and key: one that was restored, recovered, or founded again
//! over emptied servers. Every founding has a number, which every call names.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_raft_store::engine::Engine;
use quorate_raft_store::meta;
use tonic::{Code, Status};

/// How a call is refused whose caller was met with another database.
pub(super) const OTHER_DATABASE: Code = Code::DataLoss;

/// This node's database, and those of the nodes that it has met. Clones share them.
#[derive(Clone)]
pub struct Acquaintances {
    inner: Arc<Inner>,
}

struct Inner {
    /// The number of this node's database.
    own: u64,
    engine: Arc<dyn Engine>,
    met: Mutex<BTreeMap<u64, u64>>,
    /// The number of the zone's founding, once it is known.
    founding: Mutex<Option<u64>>,
}

impl Acquaintances {
    /// Those in a node's database, whose number is drawn when it has none yet.
    ///
    /// # Errors
    /// When the disk fails or holds something that cannot be read.
    pub fn open(engine: Arc<dyn Engine>, draw: impl FnOnce() -> u64) -> io::Result<Acquaintances> {
        let (own, met) = (meta::database(&*engine, draw)?, meta::met(&*engine)?);
        let founding = Mutex::new(meta::founding(&*engine)?);
        Ok(Acquaintances { inner: Arc::new(Inner { own, engine, met: Mutex::new(met), founding }) })
    }

    /// The number of the founding of this node's zone; `None` before it has heard of one.
    pub fn founding(&self) -> Option<u64> {
        *self.founding_lock()
    }

    fn founding_lock(&self) -> MutexGuard<'_, Option<u64>> {
        self.inner.founding.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// This node founds the zone, or hears of it for the first time; durable when it returns. A later one does not count.
    ///
    /// # Errors
    /// When the disk fails.
    pub fn is_of(&self, founding: impl FnOnce() -> u64) -> io::Result<()> {
        // Held while it is written, so that there is only one.
        let mut known = self.founding_lock();
        if known.is_none() {
            let founding = founding();
            meta::write_founding(&*self.inner.engine, founding)?;
            *known = Some(founding);
        }
        Ok(())
    }

    /// Refuses whoever is of a zone with another founding. Who has none yet may ask to be taken in.
    ///
    /// # Errors
    /// When the two zones were founded apart; the text is for the other side.
    pub(super) fn check_founding(&self, theirs: Option<u64>) -> Result<(), String> {
        match (self.founding(), theirs) {
            (Some(own), Some(theirs)) if own != theirs => Err(format!(
                "this server's zone was founded as {own:016x}, the caller's as {theirs:016x}: one of them was restored, \
                 recovered, or founded again over emptied servers. They have the same id, and are not one zone: stop the \
                 servers of the wrong one; with an empty data directory and [join] they can join the other"
            )),
            _ => Ok(()),
        }
    }

    /// The number of this node's database.
    pub(super) fn own(&self) -> u64 {
        self.inner.own
    }

    /// The number of the database with which a node was met, if it was.
    pub(super) fn of(&self, node: u64) -> Option<u64> {
        self.inner.met.lock().unwrap_or_else(PoisonError::into_inner).get(&node).copied()
    }

    /// Meets a node with a database; the first time is remembered durably.
    ///
    /// # Errors
    /// [`OTHER_DATABASE`] when that node was met with another database, with a text for its operator; otherwise when the
    /// disk fails.
    pub(super) fn meet(&self, node: u64, database: u64) -> Result<(), Status> {
        // Held while it is written, so that nobody is met twice.
        let mut met = self.inner.met.lock().unwrap_or_else(PoisonError::into_inner);
        match met.get(&node) {
            Some(known) if *known == database => Ok(()),
            Some(_) => Err(Status::new(
                OTHER_DATABASE,
                format!(
                    "node {node} was in this zone with another database: without it, it must not vote. Put it back, or \
                     remove the server and let it join with an empty one"
                ),
            )),
            None => {
                meta::meet(&*self.inner.engine, node, database).map_err(|e| Status::internal(e.to_string()))?;
                met.insert(node, database);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use quorate_raft_store::memory::MemoryEngine;

    use super::*;

    #[test]
    fn who_was_met_is_remembered_through_a_crash_and_not_taken_for_another() {
        let engine = Arc::new(MemoryEngine::new());
        let own = Acquaintances::open(engine.clone(), || 7).unwrap();
        assert_eq!((own.own(), own.of(2)), (7, None));
        own.meet(2, 20).unwrap();
        engine.crash();
        let own = Acquaintances::open(engine, || 8).unwrap();
        assert_eq!((own.own(), own.of(2)), (7, Some(20)), "a database keeps its number");
        own.meet(2, 20).unwrap();
        let refused = own.meet(2, 21).unwrap_err();
        assert_eq!(refused.code(), OTHER_DATABASE);
        assert!(refused.message().starts_with("node 2 was in this zone with another database: "), "{refused}");
        assert_eq!(own.of(2), Some(20));
    }

    #[test]
    fn a_node_is_of_one_zone_for_ever_and_refuses_others_of_the_same_name() {
        let engine = Arc::new(MemoryEngine::new());
        let own = Acquaintances::open(engine.clone(), || 7).unwrap();
        assert_eq!((own.founding(), own.check_founding(Some(1))), (None, Ok(())), "whoever comes first");
        own.is_of(|| 1).unwrap();
        own.is_of(|| 2).unwrap();
        engine.crash();
        let own = Acquaintances::open(engine, || 8).unwrap();
        assert_eq!(own.founding(), Some(1));
        assert_eq!((own.check_founding(Some(1)), own.check_founding(None)), (Ok(()), Ok(())));
        let refused = own.check_founding(Some(2)).unwrap_err();
        assert!(refused.contains("0000000000000002") && !refused.contains("  "), "{refused}");
    }
}
