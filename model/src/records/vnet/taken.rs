//! Who has which places of a range: runs of neighbouring places with one holder (a lease is a run of one, a reservation
//! one of many), each in a record of its own; and, made of them, the runs that nobody has.
//!
//! It must not know addresses or networks.

use imbl::OrdMap;
use serde::{Deserialize, Serialize};

use super::holder::Holder;
use crate::parts::{Parts, differing, of_same_type, stored};

/// A run of places, without its first one, by which it is found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
struct Run {
    /// Its last place.
    last: u32,
    holder: Holder,
}

/// The places of a range that somebody has.
#[derive(Clone, PartialEq, Debug)]
pub struct Taken {
    /// By first place; runs of one holder are not joined.
    runs: OrdMap<u32, Run>,
    /// The places that nobody has, as runs: the last place by the first. Runs that touch are always joined. The last
    /// run may go on behind the end of the range.
    gaps: OrdMap<u32, u32>,
    /// How many places somebody has.
    count: u64,
}

impl Default for Taken {
    fn default() -> Self {
        Taken { runs: OrdMap::new(), gaps: OrdMap::unit(0, u32::MAX), count: 0 }
    }
}

/// How many places there are from `first` to `last`.
fn length(first: u32, last: u32) -> u64 {
    u64::from(last) - u64::from(first) + 1
}

impl Taken {
    /// How many places somebody has.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Whether nobody has any.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// The highest place that somebody has.
    #[must_use]
    pub fn highest(&self) -> Option<u32> {
        self.runs.get_max().map(|(_, run)| run.last)
    }

    /// Every place that somebody has, ascending, with its holder.
    pub fn iter(&self) -> impl Iterator<Item = (u32, Holder)> + '_ {
        self.runs.iter().flat_map(|(first, run)| (*first..=run.last).map(|place| (place, run.holder)))
    }

    /// The holders; whoever has several runs comes several times.
    pub fn holders(&self) -> impl Iterator<Item = Holder> + '_ {
        self.runs.values().map(|run| run.holder)
    }

    /// The run that a place is in: its first and last place, and who has it.
    fn run_at(&self, place: u32) -> Option<(u32, u32, Holder)> {
        let (first, run) = self.runs.get_prev(&place)?;
        (run.last >= place).then_some((*first, run.last, run.holder))
    }

    /// Who has a place.
    #[must_use]
    pub fn holder(&self, place: u32) -> Option<Holder> {
        self.run_at(place).map(|(_, _, holder)| holder)
    }

    /// The lowest `count` neighbouring places below `size` that nobody has.
    #[must_use]
    pub fn first_free(&self, count: u32, size: u64) -> Option<u32> {
        let wide = |(first, last): &(&u32, &u32)| length(**first, **last) >= u64::from(count);
        let first = self.gaps.iter().find(wide).map(|(first, _)| *first)?;
        (u64::from(first) + u64::from(count) <= size).then_some(first)
    }

    /// Gives `count` places away from `first` on, all or none; whether nobody had them. `count` is not 0.
    pub fn take(&mut self, first: u32, count: u32, holder: Holder) -> bool {
        let Some(last) = count.checked_sub(1).and_then(|more| first.checked_add(more)) else { return false };
        let Some((gap_first, gap_last)) = self.gaps.get_prev(&first).map(|(first, last)| (*first, *last)) else {
            return false;
        };
        if gap_last < last {
            return false;
        }
        self.gaps.remove(&gap_first);
        if gap_first < first {
            self.gaps.insert(gap_first, first - 1);
        }
        if last < gap_last {
            self.gaps.insert(last + 1, gap_last);
        }
        self.runs.insert(first, Run { last, holder });
        self.count += u64::from(count);
        true
    }

    /// Takes a place back, if `holder` has it.
    pub fn give_back(&mut self, place: u32, holder: Holder) -> bool {
        let has = self.holder(place) == Some(holder);
        if has {
            self.free(place, place);
        }
        has
    }

    /// Takes back everything that `holder` has; returns how many places that were.
    pub fn give_back_all(&mut self, holder: Holder) -> u64 {
        let of_holder = self.runs.iter().filter(|(_, run)| run.holder == holder);
        let runs: Vec<(u32, u32)> = of_holder.map(|(first, run)| (*first, run.last)).collect();
        self.free_all(&runs)
    }

    /// Of the next `count` places that anybody has, from `first` on, takes back those of `holder`; returns how many
    /// that were.
    pub fn give_back_from(&mut self, first: u32, count: u64, holder: Holder) -> u64 {
        let begin = self.run_at(first).map_or(first, |(begin, _, _)| begin);
        let (mut left, mut found) = (count, Vec::new());
        for (run_first, run) in self.runs.range(begin..) {
            if left == 0 {
                break;
            }
            let from = first.max(*run_first);
            let most = u32::try_from(left - 1).unwrap_or(u32::MAX);
            let to = run.last.min(from.saturating_add(most));
            left -= length(from, to);
            if run.holder == holder {
                found.push((from, to));
            }
        }
        self.free_all(&found)
    }

    fn free_all(&mut self, runs: &[(u32, u32)]) -> u64 {
        runs.iter().map(|(first, last)| self.free(*first, *last)).sum()
    }

    /// Takes back the places from `first` to `last`, which are of one run; returns how many that are.
    fn free(&mut self, first: u32, last: u32) -> u64 {
        let Some((run_first, run_last, holder)) = self.run_at(first) else { return 0 };
        self.runs.remove(&run_first);
        if run_first < first {
            self.runs.insert(run_first, Run { last: first - 1, holder });
        }
        if last < run_last {
            self.runs.insert(last + 1, Run { last: run_last, holder });
        }
        let (mut gap_first, mut gap_last) = (first, last);
        if let Some((before, end)) = first.checked_sub(1).and_then(|place| self.gaps.get_prev(&place))
            && *end == first - 1
        {
            gap_first = *before;
        }
        if let Some(after) = last.checked_add(1)
            && let Some(end) = self.gaps.remove(&after)
        {
            gap_last = end;
        }
        self.gaps.insert(gap_first, gap_last);
        let freed = length(first, last);
        self.count -= freed;
        freed
    }
}

impl Parts for Taken {
    fn each(&self, visit: &mut dyn FnMut(u64)) {
        self.runs.keys().for_each(|first| visit(u64::from(*first)));
    }

    fn encode(&self, index: u64) -> Option<Vec<u8>> {
        self.runs.get(&u32::try_from(index).ok()?).map(stored)
    }

    fn decode(&mut self, index: u64, value: &[u8]) -> Result<(), String> {
        let Run { last, holder } = rmp_serde::from_slice(value).map_err(|e| e.to_string())?;
        let first = u32::try_from(index).map_err(|e| e.to_string())?;
        let count = last.checked_sub(first).and_then(|more| more.checked_add(1)).ok_or("a lease of no address")?;
        if self.take(first, count, holder) { Ok(()) } else { Err("two leases of one address".to_owned()) }
    }

    fn changes(&self, before: Option<&dyn Parts>, changed: &mut dyn FnMut(u64)) {
        match of_same_type::<Taken>(before) {
            Some(before) => differing(&before.runs, &self.runs, |first| changed(u64::from(first))),
            None => self.each(changed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const PLACES: u32 = 24;

    fn holder(n: u8) -> Holder {
        [Holder::Vm(1), Holder::Net(1), Holder::NOBODY][usize::from(n) % 3]
    }

    proptest! {
        /// A simple map of single places says the same after any steps.
        #[test]
        fn runs_are_what_single_places_would_be(
            steps in prop::collection::vec((0_u8..5, 0..PLACES, 1_u32..8, 0_u8..3), 0..60)
        ) {
            let (mut runs, mut single) = (Taken::default(), BTreeMap::<u32, Holder>::new());
            for (step, first, count, who) in steps {
                let who = holder(who);
                match step {
                    0 | 1 => {
                        let free = (first..first + count).all(|place| !single.contains_key(&place));
                        prop_assert_eq!(runs.take(first, count, who), free);
                        if free {
                            single.extend((first..first + count).map(|place| (place, who)));
                        }
                    }
                    2 => {
                        let has = single.get(&first) == Some(&who);
                        prop_assert_eq!(runs.give_back(first, who), has);
                        if has {
                            single.remove(&first);
                        }
                    }
                    3 => {
                        let next: Vec<u32> = {
                            let most = usize::try_from(count).expect("small");
                            let next = single.range(first..).take(most);
                            next.filter(|(_, h)| **h == who).map(|(place, _)| *place).collect()
                        };
                        prop_assert_eq!(runs.give_back_from(first, count.into(), who), next.len() as u64);
                        single.retain(|place, _| !next.contains(place));
                    }
                    _ => {
                        let before = single.len();
                        single.retain(|_, h| *h != who);
                        prop_assert_eq!(runs.give_back_all(who), (before - single.len()) as u64);
                    }
                }
                prop_assert!(runs.iter().eq(single.iter().map(|(place, h)| (*place, *h))));
                prop_assert_eq!(runs.count(), single.len() as u64);
                prop_assert_eq!(runs.highest(), single.keys().next_back().copied());
                for count in 1..6 {
                    let wide = |first: &u32| (*first..*first + count).all(|place| !single.contains_key(&place));
                    let lowest = (0..=PLACES - count).find(wide);
                    prop_assert_eq!(runs.first_free(count, u64::from(PLACES)), lowest);
                }
                // Read back from its records, it is the same.
                let mut again = Taken::default();
                let mut records = Vec::new();
                runs.each(&mut |index| records.push((index, runs.encode(index))));
                for (index, record) in records {
                    again.decode(index, &record.expect("a record")).expect("it is read");
                }
                prop_assert_eq!(&again, &runs);
            }
        }
    }
}
