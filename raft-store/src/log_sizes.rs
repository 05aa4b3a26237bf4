//! How many bytes the log has from an entry on, to purge it by bytes.
//!
//! It keeps a mark every few kilobytes, not every entry's size, so its answers are right to one such step (or one
//! larger entry), and never too small.

use std::collections::VecDeque;

/// Bytes from one mark to the next.
const STEP: u64 = 16 << 10;

/// The sizes of the entries of a log.
#[derive(Debug, Default)]
pub(crate) struct LogSizes {
    /// Indexes of entries, each with the bytes of all counted entries before it; both grow.
    marks: VecDeque<(u64, u64)>,
    /// Bytes of all entries ever counted.
    total: u64,
}

impl LogSizes {
    /// Counts the entry behind the last one.
    pub fn push(&mut self, index: u64, bytes: usize) {
        if self.marks.back().is_none_or(|(_, before)| self.total - before >= STEP) {
            self.marks.push_back((index, self.total));
        }
        self.total += bytes as u64;
    }

    /// Forgets the entries from index `end` on.
    pub fn truncate(&mut self, end: u64) {
        while let Some((index, before)) = self.marks.back().copied()
            && index >= end
        {
            self.total = before;
            self.marks.pop_back();
        }
    }

    /// Forgets the entries before index `first`.
    pub fn purge(&mut self, first: u64) {
        while self.marks.get(1).is_some_and(|(index, _)| *index <= first) {
            self.marks.pop_front();
        }
    }

    /// Bytes of the entries from `index` on.
    pub fn since(&self, index: u64) -> u64 {
        let behind = self.marks.partition_point(|(at, _)| *at <= index);
        let mark = self.marks.get(behind.saturating_sub(1));
        mark.map_or(0, |(_, before)| self.total - before)
    }

    /// The oldest entry from which on the log has at most so many bytes; `None` when its last few entries alone have more.
    pub fn newest(&self, bytes: u64) -> Option<u64> {
        let heavier = self.marks.partition_point(|(_, before)| self.total - before > bytes);
        self.marks.get(heavier).map(|(index, _)| *index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(entries: u64, bytes: usize) -> LogSizes {
        let mut sizes = LogSizes::default();
        (0..entries).for_each(|index| sizes.push(index, bytes));
        sizes
    }

    #[test]
    fn sizes_are_right_to_a_step_and_never_too_small() {
        let sizes = log(10_000, 100);
        for first in [0, 1, 500, 9999] {
            let bytes = (10_000 - first) * 100;
            assert!((bytes..=bytes + STEP + 100).contains(&sizes.since(first)), "{first}: {}", sizes.since(first));
        }
        let first = sizes.newest(500_000).unwrap();
        assert!((5000..=5000 + STEP / 100 + 1).contains(&first), "{first}");
        assert_eq!(sizes.newest(1 << 40), Some(0));
        assert_eq!(log(100, 1 << 20).newest(5 << 20), Some(95), "large entries have a mark each");
        assert_eq!(log(100, 1 << 20).newest(1000), None);
    }

    #[test]
    fn what_was_truncated_or_purged_does_not_count() {
        let mut sizes = log(100, 1 << 20);
        sizes.truncate(90);
        assert_eq!(sizes.since(0), 90 << 20);
        sizes.purge(50);
        assert_eq!(sizes.since(0), 40 << 20);
        sizes.push(90, 1 << 20);
        assert_eq!(sizes.since(90), 1 << 20);
        sizes.truncate(0);
        assert_eq!(sizes.since(0), 0);
    }

    #[test]
    fn what_was_truncated_or_purged_within_a_step_counts_too_much_rather_than_too_little() {
        let off =
            |bytes: u64, right: u64| assert!((right..=right + STEP + 100).contains(&bytes), "{bytes}, not {right}");
        let mut sizes = log(10_000, 100);
        sizes.purge(4001);
        off(sizes.since(0), 5999 * 100);
        sizes.truncate(9001);
        off(sizes.since(0), 5000 * 100);
        (9001..9500).for_each(|index| sizes.push(index, 100));
        off(sizes.since(0), 5499 * 100);
        off(sizes.since(9001), 499 * 100);
        off(sizes.since(9400), 100 * 100);
    }
}
