//! The high-water mark: how far this node has acknowledged, kept outside its database.
//!
//! A database that loses its end looks like an older one that is whole. So whatever is acknowledged is marked first: the
//! mark rises when that is durable in the database and before anybody is told, and falls, durably, before entries are
//! taken off the end of the log. At every moment, and after every crash, the database has at least what the mark says;
//! if it has less, it was damaged, and the node must not vote. Where the mark is kept is the engine's matter.

use std::cmp::Ordering;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prost::Message as _;
use quorate_proto::v1;

use crate::convert::{log_id_from_proto, log_id_to_proto, vote_from_proto, vote_to_proto};
use crate::engine::Engine;
use crate::types::{LogId, Vote};

/// What to do with a data directory that has lost something.
const ADVICE: &str = "This node must not vote any more. Put its data directory back as it was, or replace it as a dead \
                      server: quorate zone remove, quorate zone add, then start it with an empty data directory and [join]; \
                      where it is the only one, restore a backup, or save what is left of it: quorate recover";

/// A database that has lost or mixed up something; what.
pub(crate) fn damaged(what: impl std::fmt::Display) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("{what}. {ADVICE}"))
}

/// What a write means for the mark.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Effect {
    /// Nothing that anybody is told.
    None,
    /// Entries up to this one are acknowledged.
    Acknowledges(LogId),
    /// This vote is given.
    Votes(Vote),
    /// Entries behind this one are removed.
    Removes(Option<LogId>),
}

/// How far a node has acknowledged.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Mark {
    /// Its newest vote.
    pub vote: Option<Vote>,
    /// The newest entry that it has, in its log or by a snapshot.
    pub last: Option<LogId>,
}

impl Mark {
    fn decode(bytes: &[u8]) -> io::Result<Mark> {
        let v1::HighWater { vote, last } = v1::HighWater::decode(bytes)?;
        Ok(Mark {
            vote: vote.map(|vote| vote_from_proto(Some(vote))).transpose()?,
            last: last.as_ref().map(log_id_from_proto),
        })
    }

    fn encode(&self) -> Vec<u8> {
        let (vote, last) = (self.vote.as_ref().map(vote_to_proto), self.last.as_ref().map(log_id_to_proto));
        v1::HighWater { vote, last }.encode_to_vec()
    }

    fn after(mut self, effects: &[Effect]) -> Mark {
        for effect in effects {
            match effect {
                Effect::None => {}
                Effect::Acknowledges(id) => self.last = self.last.max(Some(*id)),
                Effect::Votes(vote) => self.vote = Some(*vote),
                Effect::Removes(keep) => self.last = self.last.min(*keep),
            }
        }
        self
    }
}

/// Keeps a node's mark.
pub struct HighWater {
    engine: Arc<dyn Engine>,
    mark: Mutex<Mark>,
}

impl HighWater {
    /// The mark beside the database in `engine`.
    ///
    /// # Errors
    /// When the disk fails or holds something that cannot be read.
    pub fn open(engine: Arc<dyn Engine>) -> io::Result<HighWater> {
        let mark = engine.mark()?.map(|bytes| Mark::decode(&bytes)).transpose()?.unwrap_or_default();
        Ok(HighWater { engine, mark: Mutex::new(mark) })
    }

    /// The mark.
    #[must_use]
    pub fn mark(&self) -> Mark {
        *self.lock()
    }

    /// Whether a database with this vote and this last entry has all that was acknowledged.
    ///
    /// # Errors
    /// When the database has less than that; the text says what to do.
    pub fn check(&self, found: Mark) -> io::Result<()> {
        let mark = self.mark();
        // Where neither has a vote, they are equal. Two votes of one term for different nodes cannot be compared: then the
        // vote that was given is not there.
        let voted = matches!(found.vote.partial_cmp(&mark.vote), Some(Ordering::Equal | Ordering::Greater));
        if found.last >= mark.last && voted {
            return Ok(());
        }
        let shown = |mark: Mark| {
            let last = mark.last.map_or("no entry".to_owned(), |id| format!("entry {}", id.index));
            let term = mark.vote.map_or(0, |vote| vote.leader_id.term);
            format!("{last} of term {} and a vote in term {term}", mark.last.map_or(0, |id| id.leader_id.term))
        };
        Err(damaged(format!(
            "this node has acknowledged {}, but its database ends with {}: part of it was deleted, cut off or replaced",
            shown(mark),
            shown(found)
        )))
    }

    /// Before the writes with these effects: falls to what they leave.
    pub(crate) fn before(&self, effects: &[Effect]) -> io::Result<()> {
        let removes = |effect: &&Effect| matches!(effect, Effect::Removes(_));
        self.change(true, |mark| effects.iter().filter(removes).fold(mark, |mark, effect| mark.after(&[*effect])))
    }

    /// When the writes with these effects are durable: rises to what may now be told.
    pub(crate) fn after(&self, effects: &[Effect]) -> io::Result<()> {
        // Votes are rare, and no later mark stands for one; entries are followed by others.
        let sync = effects.iter().any(|effect| matches!(effect, Effect::Votes(_)));
        self.change(sync, |mark| mark.after(effects))
    }

    /// A snapshot up to this entry is installed, and durable.
    pub(crate) fn installed(&self, last: Option<LogId>) -> io::Result<()> {
        self.change(true, |mark| Mark { last: mark.last.max(last), ..mark })
    }

    fn change(&self, sync: bool, to: impl FnOnce(Mark) -> Mark) -> io::Result<()> {
        // Held meanwhile: an installed snapshot and the log are marked by different threads.
        let mut held = self.lock();
        let mark = to(*held);
        if *held != mark {
            self.engine.set_mark(mark.encode().into(), sync)?;
            *held = mark;
        }
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Mark> {
        // It is set in one step, so a poisoned lock is still good.
        self.mark.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
