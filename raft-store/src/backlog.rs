//! What purging the log and sending it to followers must know of each other. It decides nothing.

use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::watch;

/// Shared by a node's sending side and its purging. Clones are the same.
#[derive(Clone, Default)]
pub struct Backlog {
    /// For each snapshot that is being sent, the first entry behind it.
    snapshots: Arc<Mutex<Vec<Weak<u64>>>>,
    overdue: Arc<watch::Sender<u64>>,
}

impl Backlog {
    /// Says that a snapshot is being sent to a follower, which will need the entries from `next` on afterwards: for as
    /// long as the answer lives.
    #[must_use]
    pub fn sending_snapshot(&self, next: u64) -> Arc<u64> {
        let sending = Arc::new(next);
        self.with_snapshots(|snapshots| snapshots.push(Arc::downgrade(&sending)));
        sending
    }

    /// The first entry that a follower will need to which a snapshot is being sent.
    #[must_use]
    pub fn behind_snapshots(&self) -> Option<u64> {
        self.with_snapshots(|snapshots| {
            snapshots.retain(|next| next.strong_count() > 0);
            snapshots.iter().filter_map(Weak::upgrade).map(|next| *next).min()
        })
    }

    /// Says that the entries before `first` must go, whoever they are just being sent to.
    pub fn give_up_before(&self, first: u64) {
        self.overdue.send_if_modified(|overdue| {
            let more = first > *overdue;
            *overdue = first.max(*overdue);
            more
        });
    }

    /// The first entry before which nothing may be sent any more, whenever it grows.
    #[must_use]
    pub fn overdue(&self) -> watch::Receiver<u64> {
        self.overdue.subscribe()
    }

    fn with_snapshots<T>(&self, look: impl FnOnce(&mut Vec<Weak<u64>>) -> T) -> T {
        // The list is never left half changed.
        look(&mut self.snapshots.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_behind_a_snapshot_are_needed_while_it_is_being_sent_and_no_longer() {
        let backlog = Backlog::default();
        assert_eq!(backlog.behind_snapshots(), None);
        let (first, second) = (backlog.sending_snapshot(7), backlog.sending_snapshot(5));
        assert_eq!(backlog.behind_snapshots(), Some(5));
        drop(second);
        assert_eq!(backlog.behind_snapshots(), Some(7));
        drop(first);
        assert_eq!(backlog.behind_snapshots(), None);
    }

    #[test]
    fn what_was_given_up_stays_given_up() {
        let backlog = Backlog::default();
        let mut overdue = backlog.overdue();
        backlog.give_up_before(9);
        backlog.give_up_before(4);
        assert_eq!(*overdue.borrow_and_update(), 9);
        backlog.give_up_before(9);
        assert!(!overdue.has_changed().unwrap());
    }
}
