//! From this machine's clocks to the zone's time: a calculation, without a clock, a lock or a log of its own.
//!
//! The zone's time goes on by the time that passes (measured by a clock that nobody sets), and follows the wall clock as
//! far as that is believed. It is never set back here, never stands still, and makes no step forwards that is larger than
//! the zone allows, unless nobody can tell how long the zone was down. All times are milliseconds: wall clocks and the
//! zone's time since 1970, uptimes since the machine started.

use quorate_raft_store::meta::ClockMark;
use quorate_state_machine::zone_time::Stamp;

/// How much of the steps that were made is forgiven as time passes: one part in so many. It allows for uptimes that run
/// more slowly than wall clocks, and for no clock that runs away.
const FORGIVEN: i64 = 1000;
/// Stamps are whole seconds: what differs by less is not different.
const SECOND: i64 = 1000;
/// Inside, times are in halves of a millisecond, so that half of what passes is a whole number however short it is.
const HALVES: i64 = 2;

/// What the other voters' clocks say about this node's wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Agreement {
    /// No majority of the voters has shown clocks that agree with each other: nobody can tell which one is right.
    #[default]
    Unknown,
    /// Nobody else votes.
    Alone,
    /// It agrees with the clocks of a majority.
    Agreed,
    /// It is ahead of a majority, whose clocks agree with each other, by so many milliseconds; negative: behind.
    Off(i64),
}

/// What became of a look at the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// The zone's time follows it.
    Followed,
    /// Nobody could tell how long the zone was down: its time went forwards by so many milliseconds at once.
    Resumed(i64),
    /// It is ahead of the zone's time by so many milliseconds (negative: behind), more than the zone allows; most nodes
    /// agree with it, and the zone's time runs faster or more slowly until they meet.
    Approached(i64),
    /// It is ahead of the zone's time by so many milliseconds (negative: behind) and not believed: the zone's time goes on
    /// by what passes.
    Doubted(i64),
}

/// How much is known of the time between the newest stamp and now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Since {
    /// There is no stamp yet: the zone is just being founded.
    Never,
    /// At least what is counted here, and at most so many milliseconds more: any number, where the machine may have been off.
    Unknown(i64),
    /// What is counted here.
    Known,
}

/// The zone's time on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ZoneClock {
    /// The uptime at which the following was true.
    at: i64,
    /// The zone's time as this node shows it, in halves of a millisecond.
    shown: i64,
    /// What it should be: what is shown runs more slowly or faster until it is the same.
    right: i64,
    since: Since,
    /// How much further the time has gone than what has passed, less what was forgiven; in halves.
    stepped: i64,
    /// The uptime until which that is.
    forgiven: i64,
    era: u64,
}

impl ZoneClock {
    /// The zone's time at a node's start: the newest stamp in its state, and what its disk and the machine (which start,
    /// and its uptime now) say about the time since.
    #[must_use]
    pub fn open(newest: Stamp, mark: Option<&ClockMark>, boot: &str, uptime: i64) -> ZoneClock {
        let stamped = newest.time.saturating_mul(SECOND);
        let of_this_boot = |mark: &&ClockMark| mark.boot == boot && mark.uptime <= uptime;
        let (time, since) = match mark.filter(of_this_boot) {
            Some(mark) if mark.era == newest.era => (stamped.max(mark.time + (uptime - mark.uptime)), Since::Known),
            // The time was set after the mark was made: no more can have passed since than since the mark.
            Some(mark) => (stamped, Since::Unknown(uptime - mark.uptime)),
            None if newest == Stamp::default() => (0, Since::Never),
            None => (stamped, Since::Unknown(i64::MAX)),
        };
        let shown = time * HALVES;
        ZoneClock { at: uptime, shown, right: shown, since, stepped: 0, forgiven: uptime, era: newest.era }
    }

    /// The zone's time at an uptime.
    #[must_use]
    pub fn read(&self, uptime: i64) -> i64 {
        self.halves(uptime) / HALVES
    }

    fn halves(&self, uptime: i64) -> i64 {
        let passed = self.passed(uptime);
        let right = self.right + passed * HALVES;
        if self.shown >= self.right {
            right.max(self.shown + passed * HALVES / 2)
        } else {
            right.min(self.shown + passed * HALVES * 2)
        }
    }

    fn passed(&self, uptime: i64) -> i64 {
        (uptime - self.at).max(0)
    }

    fn advance(&mut self, uptime: i64) {
        let (passed, now) = (self.passed(uptime), self.halves(uptime));
        self.step(now - self.shown - passed * HALVES);
        self.shown = now;
        self.right += passed * HALVES;
        self.at += passed;
        let forgiven = (self.at - self.forgiven) / FORGIVEN;
        self.step(-forgiven * HALVES);
        self.forgiven += forgiven * FORGIVEN;
    }

    fn step(&mut self, by: i64) {
        self.stepped = (self.stepped + by).max(0);
    }

    /// The leader looks at its wall clock before it stamps an entry. `most`: the largest step that the zone allows.
    pub fn look(&mut self, wall: i64, uptime: i64, agreement: Agreement, most: i64) -> Step {
        self.advance(uptime);
        let ahead = wall - self.shown / HALVES;
        let is_small = (-most..=(most - self.stepped / HALVES).max(0)).contains(&ahead);
        let resumes = match self.since {
            Since::Never => ahead > 0,
            Since::Unknown(at_most) => (1..=at_most).contains(&ahead),
            Since::Known => false,
        };
        let believed = match agreement {
            Agreement::Off(_) => false,
            Agreement::Unknown => self.since == Since::Never,
            // Nobody confirms a wall clock that is far ahead. One that is behind does no harm: time runs more slowly.
            Agreement::Alone => is_small || resumes || ahead < 0,
            Agreement::Agreed => true,
        };
        if !believed {
            // What was right once is not known to be any more: time goes on by what passes, neither faster nor more slowly.
            self.right = self.shown;
            return if is_small { Step::Followed } else { Step::Doubted(ahead) };
        }
        self.right = wall * HALVES;
        if resumes {
            self.shown = self.right;
        } else if ahead > 0 && is_small {
            self.step(self.right - self.shown);
            self.shown = self.right;
        }
        let first = std::mem::replace(&mut self.since, Since::Known) == Since::Never;
        match is_small {
            true => Step::Followed,
            false if first => Step::Followed,
            false if resumes => Step::Resumed(ahead),
            false => Step::Approached(ahead),
        }
    }

    /// The stamp of an entry that is written at an uptime.
    #[must_use]
    pub fn stamp(&self, uptime: i64) -> Stamp {
        Stamp { era: self.era, time: self.read(uptime) / SECOND }
    }

    /// This node has applied entries up to one with this stamp. `leads`: it makes the stamps itself. `fresh`: the stamp was
    /// made not long ago, by a leader that is there.
    pub fn applied(&mut self, stamp: Stamp, uptime: i64, leads: bool, fresh: bool) {
        if stamp == Stamp::default() {
            return;
        }
        if stamp.era != self.era {
            self.begin(stamp, uptime);
            return;
        }
        self.advance(uptime);
        let time = stamp.time.saturating_mul(SECOND * HALVES);
        if time >= self.shown {
            self.shown = time;
            self.right = if leads { self.right.max(time) } else { time };
        } else if !leads {
            self.right = if self.shown - time < SECOND * HALVES { self.shown } else { time };
        }
        match self.since {
            Since::Never => self.since = Since::Unknown(i64::MAX),
            Since::Unknown(_) if fresh => self.since = Since::Known,
            Since::Unknown(_) | Since::Known => {}
        }
    }

    /// Takes over the time that the administrator has set, if the stamp is of an era that has not begun here.
    pub fn begin(&mut self, stamp: Stamp, uptime: i64) {
        if stamp.era > self.era {
            self.advance(uptime);
            let time = stamp.time.saturating_mul(SECOND * HALVES);
            (self.shown, self.right, self.since) = (time, time, Since::Known);
            (self.stepped, self.era) = (0, stamp.era);
        }
    }

    /// What to keep on disk, at an uptime of this start of the machine; nothing while too little is known.
    #[must_use]
    pub fn mark(&self, boot: &str, uptime: i64) -> Option<ClockMark> {
        let mark = ClockMark { boot: boot.to_owned(), uptime, time: self.read(uptime), era: self.era };
        (self.since == Since::Known).then_some(mark)
    }
}

/// Where the clocks of a majority of `voters` are, all told from the same moment: the middle of the first largest group of
/// clocks that differ by no more than `most`. None when no majority agrees so far.
#[must_use]
pub fn majority(clocks: impl IntoIterator<Item = i64>, voters: usize, most: i64) -> Option<i64> {
    let mut clocks: Vec<i64> = clocks.into_iter().collect();
    clocks.sort_unstable();
    let groups = clocks.iter().enumerate().map(|(first, from)| {
        let size = clocks[first..].iter().take_while(|clock| clock.abs_diff(*from) <= most.unsigned_abs()).count();
        &clocks[first..first + size]
    });
    let largest = groups.rev().max_by_key(|group| group.len())?;
    (largest.len() > voters / 2).then(|| largest[largest.len() / 2])
}

#[cfg(test)]
mod tests;
