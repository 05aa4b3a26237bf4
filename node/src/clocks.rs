//! The zone's time on a node: stamps for what it writes as the leader, the time for reads, and which nodes' clocks are off.
//!
//! It reads clocks and keeps what [`crate::zone_clock`] calculates with; nobody else in a node takes a wall clock for the
//! time. It decides nothing about who leads: [`crate::leader`] does.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_model::settings::limits::Limit;
use quorate_raft_store::engine::Engine;
use quorate_raft_store::{Published, Raft, meta};
use quorate_state_machine::state::State;
use quorate_state_machine::zone_time::Stamp;
use tokio::sync::{Notify, watch};
use tokio::time::timeout;

use crate::wall::Wall;
use crate::watchdog::ANSWER_TIME;
use crate::zone_clock::{Agreement, Step, ZoneClock, majority};

/// Pause between two looks at what was applied.
const PAUSE: Duration = Duration::from_millis(100);
/// How often the disk is told where the zone's time is, in milliseconds of the machine's uptime.
const KEEP_EVERY: i64 = 10_000;
/// Longer than `ANSWER_TIME`: a comparison waits so long for a server that is silent.
const COMPARISON_TIME: Duration = ANSWER_TIME.saturating_add(Duration::from_secs(1));
/// How long the administrator waits for a comparison: that of two.
const FRESH_TIME: Duration = COMPARISON_TIME.saturating_mul(2);

/// The clocks of a node. Clones share them.
#[derive(Clone)]
pub struct Clocks {
    inner: Arc<Inner>,
}

struct Inner {
    wall: Wall,
    engine: Arc<dyn Engine>,
    known: Mutex<Known>,
    /// The newest state.
    published: watch::Receiver<Published>,
    kept: Mutex<Kept>,
    wanted: Notify,
    compared: watch::Sender<Comparison>,
}

/// What is known of the time.
struct Known {
    zone: ZoneClock,
    /// The largest step, milliseconds.
    most: i64,
    compared: Compared,
    /// What became of the last look at the wall clock.
    step: Step,
}

/// What the disk was told last; held while it is told.
struct Kept {
    /// The uptime then.
    at: i64,
    /// The era of the time that it was told.
    era: u64,
}

/// What the last comparison said. Whether this node's wall clock agrees with it is told anew whenever that is looked at:
/// the clock may have been set meanwhile.
#[derive(Clone, Copy, Default)]
enum Compared {
    /// No majority of the voters has shown clocks that agree.
    #[default]
    Unknown,
    /// Nobody else votes.
    Alone,
    /// When this machine started, as a majority says: see [`Reading::boot_time`].
    BootTime(i64),
}

/// A server's wall clock.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reading {
    /// The server's name.
    pub server: String,
    /// Whether it votes.
    pub votes: bool,
    /// When this machine (not that server) started, as that clock says, unix milliseconds; none: it does not say. Unlike
    /// an offset from this node's wall clock, it does not change when that is set.
    pub boot_time: Option<i64>,
}

/// What came of comparing the clocks of all nodes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Comparison {
    /// The servers whose clocks are off by more than the zone allows, and by how many milliseconds they are ahead.
    pub off: BTreeMap<String, i64>,
    /// Whether this server is one of them.
    pub own_is_off: bool,
    /// The servers that vote, other than this one, and whose clocks agree with a majority.
    pub right: Vec<String>,
    /// When this machine started, as the clocks of a majority say, unix milliseconds.
    pub boot_time: Option<i64>,
}

impl Clocks {
    /// The clocks of a node that starts with the state that is `published` now.
    ///
    /// # Errors
    /// When the disk fails or holds something that cannot be read.
    pub fn open(engine: Arc<dyn Engine>, wall: Wall, published: watch::Receiver<Published>) -> io::Result<Clocks> {
        let mark = meta::read_clock(&*engine)?;
        let uptime = wall.uptime_millis();
        let state = published.borrow().state.clone();
        let newest = stamp_of(&state);
        let zone = ZoneClock::open(newest, mark.as_ref(), wall.boot(), uptime);
        let known = Known { zone, most: step_max(&state), compared: Compared::default(), step: Step::Followed };
        let kept = Kept { at: uptime - KEEP_EVERY, era: newest.era };
        let (known, kept) = (Mutex::new(known), Mutex::new(kept));
        let (wanted, compared) = (Notify::new(), watch::Sender::default());
        Ok(Clocks { inner: Arc::new(Inner { wall, engine, known, published, kept, wanted, compared }) })
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.inner.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The zone's time for whoever looks at `state`, unix seconds: never before the time that `state` has. What is known
    /// here may be of another era for a moment: the time was set just before, or the state is from before that.
    #[must_use]
    pub fn time_for(&self, state: &State) -> i64 {
        let stamp = self.known().zone.stamp(self.inner.wall.uptime_millis());
        state.time_of(stamp)
    }

    /// The stamp of what this node writes now, as the leader.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        let mut known = self.known();
        let (wall, uptime) = (self.inner.wall.unix_millis(), self.inner.wall.uptime_millis());
        let most = known.most;
        let agreement = match known.compared {
            Compared::Unknown => Agreement::Unknown,
            Compared::Alone => Agreement::Alone,
            Compared::BootTime(start) if (wall - uptime).abs_diff(start) <= most.unsigned_abs() => Agreement::Agreed,
            Compared::BootTime(start) => Agreement::Off(wall - uptime - start),
        };
        if matches!(agreement, Agreement::Off(_)) && !self.inner.compared.borrow().own_is_off {
            // It was set since: another should lead soon.
            self.want_comparison();
        }
        #[cfg(feature = "sabotage")]
        if crate::sabotage::believes_any_clock() {
            return Stamp { time: wall / 1000, ..known.zone.stamp(uptime) };
        }
        let step = known.zone.look(wall, uptime, agreement, most);
        let before = std::mem::replace(&mut known.step, step);
        tell(before, step);
        known.zone.stamp(uptime)
    }

    /// How far clocks may be apart, milliseconds: the zone's setting.
    #[must_use]
    pub fn most_apart(&self) -> i64 {
        self.known().most
    }

    /// By how many milliseconds the clock of a server is ahead, if it is off by more than the zone allows, as far as the
    /// last comparison said.
    #[must_use]
    pub fn is_off(&self, server: &str) -> Option<i64> {
        self.inner.compared.borrow().off.get(server).copied()
    }

    /// This node's wall clock, unix milliseconds: what it says when it is asked.
    #[must_use]
    pub fn wall_millis(&self) -> i64 {
        self.inner.wall.unix_millis()
    }

    /// For how long this machine has been up, milliseconds.
    #[must_use]
    pub fn uptime_millis(&self) -> i64 {
        self.inner.wall.uptime_millis()
    }

    /// When this machine started, as its wall clock says now, unix milliseconds.
    #[must_use]
    pub fn own_boot_time(&self) -> i64 {
        self.wall_millis() - self.uptime_millis()
    }

    /// What of this node's clock is wrong, for operators: it does not keep the node from serving.
    #[must_use]
    pub fn remark(&self) -> Option<String> {
        let off = self.inner.compared.borrow().off.clone();
        let mut remarks: Vec<String> =
            off.iter().map(|(server, ahead)| format!("the clock of {server} is {}", off_by(*ahead))).collect();
        let (wall, uptime) = (self.inner.wall.unix_millis(), self.inner.wall.uptime_millis());
        let known = self.known();
        let ahead = wall - known.zone.read(uptime);
        if ahead.saturating_abs() > known.most && remarks.is_empty() {
            remarks.push(format!("this server's clock is {} of the zone's time", ahead_or_behind(ahead)));
        }
        (!remarks.is_empty()).then(|| remarks.join("; "))
    }

    /// Compares this node's clock (it is the server `me`, and `votes`) with those of all other members.
    pub fn compare(&self, me: &str, votes: bool, others: Vec<Reading>) {
        let most = self.known().most;
        let own = Reading { server: me.to_owned(), votes, boot_time: Some(self.own_boot_time()) };
        let all: Vec<Reading> = others.into_iter().chain([own]).collect();
        let voters = || all.iter().filter(|reading| reading.votes);
        let Some(right) = majority(voters().filter_map(|reading| reading.boot_time), voters().count(), most) else {
            return self.compared(Comparison::default(), Compared::Unknown);
        };
        let mut comparison = Comparison { boot_time: Some(right), ..Comparison::default() };
        for Reading { server, votes, boot_time } in &all {
            let Some(ahead) = boot_time.map(|time| time - right) else { continue };
            if ahead.saturating_abs() > most {
                comparison.off.insert(server.clone(), ahead);
            } else if *votes && server != me {
                comparison.right.push(server.clone());
            }
        }
        comparison.own_is_off = comparison.off.contains_key(me);
        let alone = votes && voters().count() == 1;
        self.compared(comparison, if alone { Compared::Alone } else { Compared::BootTime(right) });
    }

    fn compared(&self, comparison: Comparison, compared: Compared) {
        self.known().compared = compared;
        let before = self.inner.compared.send_replace(comparison.clone());
        for (server, ahead) in comparison.off.iter().filter(|(server, _)| !before.off.contains_key(*server)) {
            tracing::warn!(server, "the clock of this server is {}", off_by(*ahead));
        }
        for server in before.off.keys().filter(|server| !comparison.off.contains_key(*server)) {
            tracing::info!(server, "the clock of this server is no longer known to be off");
        }
    }

    /// Waits until somebody wants clocks to be compared at once.
    pub async fn comparison_is_wanted(&self) {
        self.inner.wanted.notified().await;
    }

    /// Has clocks compared soon.
    pub fn want_comparison(&self) {
        self.inner.wanted.notify_one();
    }

    /// Has clocks compared, and waits for that, but not for long.
    pub async fn have_compared(&self) {
        let mut compared = self.inner.compared.subscribe();
        self.want_comparison();
        // Without one, the time goes on by what passes.
        let _ = timeout(COMPARISON_TIME, compared.changed()).await;
    }

    /// Has clocks compared from now on, and waits for that; whether it came to pass. Who votes alone has nobody to ask.
    pub async fn have_compared_afresh(&self) -> bool {
        let alone = matches!(self.known().compared, Compared::Alone);
        let mut compared = self.inner.compared.subscribe();
        let twice = async {
            // The first may have been under way, and have asked before now.
            for _ in 0..2 {
                self.want_comparison();
                // The sender is this node's own.
                let _ = compared.changed().await;
            }
        };
        alone || timeout(FRESH_TIME, twice).await.is_ok()
    }

    /// When this machine started, as a clock says that was asked and answered at these uptimes (milliseconds) and `said` so
    /// much (unix milliseconds). Right to half of the time between.
    #[must_use]
    pub fn boot_time(asked: i64, said: i64, answered: i64) -> i64 {
        said - (asked + (answered - asked) / 2)
    }

    /// What most nodes' clocks say now, unix seconds; none when they do not agree, or nobody has compared them yet.
    #[must_use]
    pub fn most_say(&self) -> Option<i64> {
        let compared = self.known().compared;
        match compared {
            Compared::Unknown => None,
            // It may have been set since it was compared, with itself only.
            Compared::Alone => Some(self.wall_millis() / 1000),
            Compared::BootTime(boot_time) => Some((self.uptime_millis() + boot_time) / 1000),
        }
    }

    /// Each comparison as it is made.
    #[must_use]
    pub fn comparisons(&self) -> watch::Receiver<Comparison> {
        self.inner.compared.subscribe()
    }

    /// Follows the time of what is applied here, and remembers on disk where it is; ends with the state's owner.
    pub async fn follow(self, raft: Raft) {
        let mut published = self.inner.published.clone();
        // The term of the last entry at the last look, and the newest stamp then.
        let mut before = (None, Stamp::default());
        loop {
            let (state, applied) = {
                let published = published.borrow_and_update();
                (published.state.clone(), published.applied)
            };
            let (stamp, term) = (stamp_of(&state), applied.map(|id| id.leader_id.term));
            let (leads, current) = {
                let metrics = raft.metrics();
                let metrics = metrics.borrow_watched();
                let current = metrics.current_leader.map(|_| metrics.current_term);
                (metrics.state == ServerState::Leader, current)
            };
            // A term begins with an entry that has no stamp: only a stamp behind an entry of this term is its leader's.
            let fresh = !leads && current.is_some() && current == term && before.0 == term && before.1 != stamp;
            before = (term, stamp);
            {
                let mut known = self.known();
                known.most = step_max(&state);
                known.zone.applied(stamp, self.inner.wall.uptime_millis(), leads, fresh);
            }
            self.keep(KEEP_EVERY);
            tokio::time::sleep(PAUSE).await;
            if published.changed().await.is_err() {
                return;
            }
        }
    }

    /// Takes over the time that was set, if the newest state has one, and remembers it on disk before this returns.
    pub fn catch_up(&self) {
        // Not held together with what is known: whoever publishes would wait for both.
        let set = stamp_of(&self.inner.published.borrow().state);
        self.known().zone.begin(set, self.inner.wall.uptime_millis());
        if self.kept().era != set.era {
            self.keep(KEEP_EVERY);
        }
    }

    /// Remembers on disk where the zone's time is, before the node stops: it may be started again with a wrong clock.
    pub fn keep_now(&self) {
        self.keep(0);
    }

    /// Remembers it, if that was not done for so many milliseconds or since the time was set, and as soon as enough is known.
    fn keep(&self, every: i64) {
        let mut kept = self.kept();
        let uptime = self.inner.wall.uptime_millis();
        let Some(mark) = self.known().zone.mark(self.inner.wall.boot(), uptime) else { return };
        if uptime - kept.at < every && mark.era == kept.era {
            return;
        }
        (kept.at, kept.era) = (uptime, mark.era);
        if let Err(e) = meta::write_clock(&*self.inner.engine, &mark) {
            tracing::warn!(error = %e, "where the zone's time is could not be remembered");
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.inner.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn stamp_of(state: &State) -> Stamp {
    Stamp { era: state.globals().era, time: state.globals().time }
}

/// The largest step of the zone's time, and how far clocks may be apart: the zone's setting, in milliseconds.
fn step_max(state: &State) -> i64 {
    i64::try_from(state.settings().number(Limit::ClockStepMax) * 1000).unwrap_or(i64::MAX)
}

/// Says once what changed about how the zone's time and the wall clock go together.
fn tell(before: Step, step: Step) {
    use Step::{Approached, Doubted, Followed, Resumed};
    match (before, step) {
        (_, Resumed(ahead)) => {
            let seconds = ahead / 1000;
            tracing::warn!(seconds, "nobody could tell how long the zone was down: its time steps forward");
        }
        (Doubted(_), Doubted(_)) | (Approached(_), Approached(_)) => {}
        (_, Doubted(ahead)) => tracing::warn!(
            "this server's clock is {} of the zone's time, which does not follow it; if the clock is right, set the zone's time: quorate zone settings set-time now --yes-i-mean-it",
            ahead_or_behind(ahead)
        ),
        (_, Approached(ahead)) => tracing::warn!(
            "most servers' clocks are {} of the zone's time, which runs faster or more slowly until they meet; to set it at once: quorate zone settings set-time now --yes-i-mean-it",
            ahead_or_behind(ahead)
        ),
        (Doubted(_) | Approached(_), Followed) => tracing::info!("the zone's time follows this server's clock again"),
        (Followed | Resumed(_), Followed) => {}
    }
}

/// For operators: `n seconds ahead` or `behind`.
fn ahead_or_behind(millis: i64) -> String {
    let seconds = millis.unsigned_abs() / 1000;
    format!("{seconds} seconds {}", if millis < 0 { "behind" } else { "ahead" })
}

/// For operators: how far a clock is off.
#[must_use]
pub fn off_by(millis: i64) -> String {
    format!("{} of most servers' clocks", ahead_or_behind(millis))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use quorate_model::command::{Command, Envelope, RequestId};
    use quorate_raft_store::memory::MemoryEngine;

    use super::*;
    use crate::wall::Simulated;

    /// A state of this era and time (unix seconds), as readers get it.
    fn state(era: u64, time: i64) -> State {
        let mut state = State::default();
        for _ in 0..era {
            let envelope = |command| Envelope { time, request: RequestId::default(), entropy: [0; 32], command };
            state.apply(&envelope(Command::SetTime(time))).reply.unwrap();
        }
        state
    }

    fn published() -> (watch::Sender<Published>, watch::Receiver<Published>) {
        watch::channel(Published::default())
    }

    /// For 100 ms after the time was set, valid tokens had ended long ago or ended ones were valid.
    #[test]
    fn nobody_is_told_a_time_of_another_era_than_the_state_he_looks_at() {
        const NOW: i64 = 1_790_000_000;
        let (publish, published) = published();
        let clocks = Clocks::open(Arc::new(MemoryEngine::new()), Wall::real().unwrap(), published).unwrap();
        let (first, second) = (state(1, NOW), state(2, 2 * NOW));
        for (newest, next) in [(&first, &second), (&second, &first)] {
            // What is published last, and what the clocks have not caught up with, or what a reader still has.
            publish.send_modify(|published| published.state = Arc::new(newest.clone()));
            clocks.catch_up();
            for state in [newest, next] {
                let time = state.globals().time;
                assert!((time..time + 60).contains(&clocks.time_for(state)), "{}", clocks.time_for(state));
            }
        }
    }

    /// A kill right after the reply let a wrong clock be believed after the next start.
    #[test]
    fn a_time_that_was_set_is_kept_before_anybody_is_told() {
        const NOW: i64 = 1_790_000_000;
        let engine = Arc::new(MemoryEngine::new());
        let (publish, published) = published();
        let clocks = Clocks::open(engine.clone(), Wall::real().unwrap(), published).unwrap();
        for era in 1..4 {
            publish.send_modify(|published| published.state = Arc::new(state(era, NOW)));
            clocks.catch_up();
            let kept = meta::read_clock(&*engine).unwrap().unwrap();
            assert_eq!((kept.era, kept.time / 60_000), (era, NOW / 60));
        }
    }

    /// It may have asked before the administrator set a clock right.
    #[tokio::test(start_paused = true)]
    async fn a_comparison_that_was_under_way_is_not_a_fresh_one() {
        let simulated = Simulated::new(1_790_000_000_000, 1, Duration::from_secs(60), Arc::new(AtomicI64::new(0)), 0);
        let wall = Wall::simulated(1, simulated);
        let clocks = Clocks::open(Arc::new(MemoryEngine::new()), wall, published().1).unwrap();
        assert!(!clocks.have_compared_afresh().await, "nobody compares");
        let two = |ahead| {
            let boot_time = Some(clocks.own_boot_time() + ahead);
            vec![Reading { server: "two".to_owned(), votes: true, boot_time }]
        };
        let under_way = async { clocks.compare("one", true, two(10_000)) };
        let (is_fresh, ()) = tokio::join!(clocks.have_compared_afresh(), under_way);
        assert!(!is_fresh);
        let watchdog = async {
            for ahead in [10_000, 2000] {
                clocks.comparison_is_wanted().await;
                clocks.compare("one", true, two(ahead));
            }
        };
        let (is_fresh, ()) = tokio::join!(clocks.have_compared_afresh(), watchdog);
        assert!(is_fresh);
        assert_eq!(clocks.most_say(), Some(clocks.wall_millis() / 1000 + 2));
        clocks.compare("one", true, Vec::new());
        assert!(clocks.have_compared_afresh().await, "nobody else votes");
    }
}
