//! Who is served next: each caller's requests under way at once are bounded, the rest wait in the caller's own queue,
//! and callers that wait take turns. So a flood of one caller is a wait for that caller only.
//!
//! It knows no users and no methods: it is told who asks and how many of his requests may be under way.

use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use crate::site::Site;

/// How long a call may wait for its turns, all of them together. A client with many connections that waits for each of its answers is rather
/// served late than refused: of 256 such requests the last is served in time if ten are carried out in a second. It must
/// stay well below the minute after which many clients and load balancers give up, of which the call itself may then need
/// ten seconds.
pub(crate) const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// A caller who has waited this long for a turn, and not for requests of his own, shows that there is no room.
pub const NO_ROOM_AFTER: Duration = Duration::from_secs(10);
/// For so long a user counts as one whom others must leave room.
const LATELY: Duration = Duration::from_secs(1);

/// Whose requests share a queue.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Who {
    /// A user, by a session that this node knows to be right.
    User(i32),
    /// Whoever is not known (yet), by address.
    Stranger(Site),
}

/// How many places a caller has.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Places {
    /// For requests under way, of which some may only be sending their replies.
    pub all: usize,
    /// For those of them that are carried out: they take processors and the disk from others, as a slow reader does not.
    pub carried_out: usize,
}

impl Places {
    /// So many, all of which may be carried out at the same time.
    #[must_use]
    pub fn all_at_once(all: usize) -> Places {
        Places { all, carried_out: all }
    }
}

/// Why a request was not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Too many requests wait, and this caller has at least as many of them as anybody else.
    Full,
    /// Its turn did not come in time.
    Late,
}

/// Requests of one sort: those under way, and those that wait.
#[derive(Debug)]
pub struct Lanes {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// Requests that may be under way, of all callers.
    most: usize,
    /// Requests that may be under way or wait, of all callers.
    room: usize,
    lanes: BTreeMap<Who, Lane>,
    /// Callers of whom a request waits that may begin, in turn.
    turns: VecDeque<Who>,
    under_way: usize,
    waiting: usize,
    next: u64,
    /// The last two different users, and when they last came.
    latest: [Option<(Who, Instant)>; 2],
}

#[derive(Debug, Default)]
struct Lane {
    under_way: usize,
    /// What those under way weigh together.
    weight: usize,
    /// Those of them that are carried out, and what these weigh together.
    carried_out: usize,
    weight_carried_out: usize,
    places: Places,
    /// Since when its caller has stood in `turns`, if he does.
    lined_up: Option<Instant>,
    waiting: VecDeque<Queued>,
}

#[derive(Debug)]
struct Queued {
    number: u64,
    weight: usize,
    begin: oneshot::Sender<()>,
}

impl Lane {
    /// Whether another of this weight may begin. One alone always may, whatever it weighs.
    fn has_room(&self, weight: usize) -> bool {
        let places = self.places;
        (self.under_way == 0 || self.weight.saturating_add(weight) <= places.all)
            && (self.carried_out == 0 || self.weight_carried_out.saturating_add(weight) <= places.carried_out)
    }

    fn begin(&mut self, weight: usize) {
        self.under_way += 1;
        self.weight += weight;
        self.carried_out += 1;
        self.weight_carried_out += weight;
    }

    /// Only its reply is sent from now on.
    fn send(&mut self, weight: usize) {
        self.carried_out -= 1;
        self.weight_carried_out -= weight;
    }

    fn end(&mut self, weight: usize) {
        self.under_way -= 1;
        self.weight -= weight;
    }

    /// Whether one waits that may begin.
    fn may_begin(&self) -> bool {
        self.waiting.front().is_some_and(|first| self.has_room(first.weight))
    }
}

/// A request's place among those under way; free again when dropped.
#[derive(Debug)]
pub struct Place {
    lanes: Arc<Lanes>,
    who: Who,
    weight: usize,
    sending: bool,
}

impl Place {
    /// From now on only the reply is sent, for which nobody else has to wait: a slow reader must not take a place from
    /// other callers.
    pub fn sending(&mut self) {
        if !self.sending {
            self.sending = true;
            let mut inner = self.lanes.open();
            inner.send(self.who, self.weight);
            inner.begin_next();
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.sending();
        let mut inner = self.lanes.open();
        inner.end(self.who, self.weight);
        inner.begin_next();
    }
}

/// A request that waits; leaves the queue when dropped.
struct Waiting {
    lanes: Arc<Lanes>,
    who: Who,
    number: u64,
    weight: usize,
    begun: oneshot::Receiver<()>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        let mut inner = self.lanes.open();
        // Begun, but nobody is there any more to make a place of it.
        if self.begun.try_recv().is_ok() {
            inner.send(self.who, self.weight);
            inner.end(self.who, self.weight);
            inner.begin_next();
            return;
        }
        if let Some(lane) = inner.lanes.get_mut(&self.who)
            && let Some(at) = lane.waiting.iter().position(|queued| queued.number == self.number)
        {
            lane.waiting.remove(at);
            inner.waiting -= 1;
            // The one behind it may be lighter.
            inner.take_turn(self.who);
            inner.forget_if_empty(self.who);
            inner.begin_next();
        }
    }
}

impl Lanes {
    /// At most `most` requests under way, and `room` of those and of those that wait.
    #[must_use]
    pub fn new(most: usize, room: usize) -> Arc<Lanes> {
        let inner = Inner {
            most,
            room,
            lanes: BTreeMap::new(),
            turns: VecDeque::new(),
            under_way: 0,
            waiting: 0,
            next: 0,
            latest: [None; 2],
        };
        Arc::new(Lanes { inner: Mutex::new(inner) })
    }

    fn open(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether another user has asked lately.
    #[must_use]
    pub fn shared_with_others(&self, who: Who) -> bool {
        let now = Instant::now();
        let inner = self.open();
        inner.latest.iter().flatten().any(|(other, at)| *other != who && now.duration_since(*at) < LATELY)
    }

    /// Waits, but not longer than until `deadline`, until a request of `who`, who has these `places`, may begin. It takes
    /// `weight` of them (at least one; all, if it weighs more), and one of the places that all callers share. A caller
    /// without places has one request at a time.
    ///
    /// # Errors
    /// When too many wait already, the request had to give way to another caller's, or it has waited too long.
    pub fn enter(
        self: &Arc<Lanes>,
        who: Who,
        places: Places,
        weight: usize,
        deadline: Instant,
    ) -> impl Future<Output = Result<Place, Refusal>> + Send + use<> {
        let lanes = self.clone();
        // Guards before the first await: whoever drops the future gives its place back.
        let weight = weight.max(1);
        let begun = match self.open().queue(who, places, weight) {
            Begun::Now => Ok(Ok(Place { lanes, who, weight, sending: false })),
            Begun::Later(number, begun) => Err(Waiting { lanes, who, number, weight, begun }),
            Begun::Never => Ok(Err(Refusal::Full)),
        };
        async move {
            let mut waiting = match begun {
                Ok(decided) => return decided,
                Err(waiting) => waiting,
            };
            match timeout_at(deadline, &mut waiting.begun).await {
                Ok(Ok(())) => Ok(Place { lanes: waiting.lanes.clone(), who, weight, sending: false }),
                // Made to give way to a caller of whom fewer wait.
                Ok(Err(_)) => Err(Refusal::Full),
                Err(_) => Err(Refusal::Late),
            }
        }
    }

    /// How many of one caller may be under way who may have all that there is: a quarter stays free for others.
    #[must_use]
    pub fn most_of_one(&self) -> usize {
        let most = self.open().most;
        most - most / 4
    }

    /// How many are under way, and how many wait.
    #[must_use]
    pub fn figures(&self) -> (usize, usize) {
        let inner = self.open();
        (inner.under_way, inner.waiting)
    }

    /// Whether there is no room for another caller: the one whose turn is next has waited for long.
    #[must_use]
    pub fn full(&self) -> bool {
        let inner = self.open();
        let mut lined_up = inner.turns.iter().filter_map(|who| inner.lanes.get(who)).filter(|lane| lane.may_begin());
        lined_up.next().and_then(|next| next.lined_up).is_some_and(|since| since.elapsed() >= NO_ROOM_AFTER)
    }
}

enum Begun {
    Now,
    Later(u64, oneshot::Receiver<()>),
    Never,
}

impl Inner {
    fn queue(&mut self, who: Who, places: Places, weight: usize) -> Begun {
        self.came(who);
        if self.under_way + self.waiting >= self.room && !self.give_way(who) {
            return Begun::Never;
        }
        let may_begin = self.under_way < self.most && self.turns.is_empty();
        let lane = self.lanes.entry(who).or_default();
        lane.places = places;
        // Where there are more places than before, others of the same caller may wait that came before.
        if may_begin && lane.has_room(weight) && lane.waiting.is_empty() {
            lane.begin(weight);
            self.under_way += 1;
            return Begun::Now;
        }
        self.next += 1;
        let (begin, begun) = oneshot::channel();
        lane.waiting.push_back(Queued { number: self.next, weight, begin });
        self.waiting += 1;
        let number = self.next;
        self.take_turn(who);
        self.begin_next();
        Begun::Later(number, begun)
    }

    /// Only users are remembered here: a stranger must not make an administrator's limit smaller.
    fn came(&mut self, who: Who) {
        if matches!(who, Who::Stranger(_)) {
            return;
        }
        let now = Instant::now();
        match &mut self.latest[0] {
            Some((latest, at)) if *latest == who => *at = now,
            _ => {
                self.latest[1] = self.latest[0].take();
                self.latest[0] = Some((who, now));
            }
        }
    }

    /// The newest request that waits gives way, of the caller of whom most wait; not for one of his own.
    fn give_way(&mut self, who: Who) -> bool {
        let longest = self.lanes.iter().max_by_key(|(_, lane)| lane.waiting.len()).map(|(longest, _)| *longest);
        let Some(longest) = longest.filter(|longest| *longest != who) else { return false };
        let waiting = |who| self.lanes.get(&who).map_or(0, |lane| lane.waiting.len());
        if waiting(longest) <= waiting(who) {
            return false;
        }
        if let Some(lane) = self.lanes.get_mut(&longest) {
            lane.waiting.pop_back();
            self.waiting -= 1;
        }
        self.forget_if_empty(longest);
        true
    }

    /// Lines a caller up, if one of his requests waits that may begin.
    fn take_turn(&mut self, who: Who) {
        let Some(lane) = self.lanes.get_mut(&who) else { return };
        if lane.lined_up.is_none() && lane.may_begin() {
            lane.lined_up = Some(Instant::now());
            self.turns.push_back(who);
        }
    }

    /// Begins what may begin, one request of each caller in turn.
    fn begin_next(&mut self) {
        while self.under_way < self.most {
            let Some(who) = self.turns.pop_front() else { return };
            let Some(lane) = self.lanes.get_mut(&who) else { continue };
            lane.lined_up = None;
            if lane.may_begin()
                && let Some(Queued { weight, begin, .. }) = lane.waiting.pop_front()
            {
                self.waiting -= 1;
                // Nobody is there any more: it has not begun.
                if begin.send(()).is_ok() {
                    lane.begin(weight);
                    self.under_way += 1;
                }
            }
            self.take_turn(who);
            self.forget_if_empty(who);
        }
    }

    /// One of this caller's requests is carried out and now only sends its reply.
    fn send(&mut self, who: Who, weight: usize) {
        self.under_way -= 1;
        if let Some(lane) = self.lanes.get_mut(&who) {
            lane.send(weight);
        }
        self.take_turn(who);
    }

    /// One of this caller's requests has sent its reply.
    fn end(&mut self, who: Who, weight: usize) {
        if let Some(lane) = self.lanes.get_mut(&who) {
            lane.end(weight);
        }
        self.take_turn(who);
        self.forget_if_empty(who);
    }

    fn forget_if_empty(&mut self, who: Who) {
        if self.lanes.get(&who).is_some_and(|lane| lane.under_way == 0 && lane.waiting.is_empty()) {
            let lined_up = self.lanes.remove(&who).and_then(|lane| lane.lined_up);
            // His next request lines up anew, and nobody has two turns.
            if lined_up.is_some() {
                self.turns.retain(|other| *other != who);
            }
        }
    }
}

#[cfg(test)]
mod tests;
