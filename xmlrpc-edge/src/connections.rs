//! The open connections: how many, of which address, and which has to go when room is needed. A new connection is
//! always let in, so that probes are, too: what is idle makes room, then what is slow.
//!
//! It must not end a connection whose request is being served.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::address::{Block, is_in};

/// What a connection does: the first have to go first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
#[repr(u8)]
pub enum Phase {
    /// The answer to a wrong login is held back.
    Held,
    /// No request, or not yet its whole head, or its last reply is being read.
    Idle,
    /// A request's body arrives, or waits to be served.
    Receiving,
    /// A request is being served.
    Served,
}

/// How many there may be.
#[derive(Clone, Debug)]
pub struct Bounds {
    /// Of all addresses.
    pub all: usize,
    /// Of one address (of the /64 network of an IPv6 address).
    pub by_address: usize,
    /// Load balancers, which may have as many as there may be of all.
    pub balancers: Arc<[IpNet]>,
}

/// The open ones.
#[derive(Debug)]
pub struct Connections {
    bounds: Bounds,
    began: Instant,
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    next: u64,
    open: BTreeMap<u64, Arc<Watch>>,
    by_address: BTreeMap<Block, usize>,
    ended: u64,
}

/// What is known of a connection.
#[derive(Debug)]
pub struct Watch {
    block: Block,
    began: Instant,
    phase: AtomicU8,
    /// Since when, in microseconds since the server began.
    since: AtomicU64,
    must_go: Notify,
}

/// An open connection; closed when dropped.
#[derive(Debug)]
pub struct Open {
    connections: Arc<Connections>,
    number: u64,
    /// What is known of it.
    pub watch: Arc<Watch>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.connections.open().forget(self.number);
    }
}

impl Watch {
    fn now(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// It does something else from now on.
    pub fn enter(&self, phase: Phase) {
        self.phase.store(phase as u8, Ordering::Relaxed);
        self.since.store(self.now(), Ordering::Relaxed);
    }

    /// A reply has got on.
    pub fn wrote(&self) {
        if self.phase.load(Ordering::Relaxed) == Phase::Idle as u8 {
            self.since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Done when the connection has to make room.
    pub async fn must_go(&self) {
        self.must_go.notified().await;
    }

    /// Whether its request is being served.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.phase.load(Ordering::Relaxed) == Phase::Served as u8
    }

    /// What is compared: the least has to go first. `None`: it must stay.
    fn rank(&self) -> Option<(u8, u64)> {
        let phase = self.phase.load(Ordering::Relaxed);
        (phase != Phase::Served as u8).then(|| (phase, self.since.load(Ordering::Relaxed)))
    }
}

impl Connections {
    /// None yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Arc<Connections> {
        Arc::new(Connections { bounds, began: Instant::now(), inner: Mutex::default() })
    }

    fn open(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection from an address. `None`: there is no room, and nothing that could make room.
    pub fn accept(self: &Arc<Connections>, from: IpAddr) -> Option<Open> {
        let block = Block::from(from);
        let mut inner = self.open();
        let own = inner.by_address.get(&block).copied().unwrap_or(0);
        if own >= self.bounds.by_address && !is_in(&self.bounds.balancers, from) {
            inner.make_room(Some(block))?;
        } else if inner.open.len() >= self.bounds.all {
            inner.make_room(None)?;
        }
        let watch = Arc::new(Watch {
            block,
            began: self.began,
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU64::default(),
            must_go: Notify::new(),
        });
        watch.enter(Phase::Idle);
        let number = inner.next;
        inner.next += 1;
        inner.open.insert(number, watch.clone());
        *inner.by_address.entry(block).or_default() += 1;
        Some(Open { connections: self.clone(), number, watch })
    }

    /// One has to go, because the process has no room for another.
    pub fn make_room(&self) {
        self.open().make_room(None);
    }

    /// How many are open, and how many had to go since the server began.
    #[must_use]
    pub fn figures(&self) -> (usize, u64) {
        let inner = self.open();
        (inner.open.len(), inner.ended)
    }
}

impl Inner {
    /// Tells a connection to go: of this address, or else of the address that has most of those that may go. Of those,
    /// first one that is held back, then the one that has been idle for longest, then the slowest to send.
    fn make_room(&mut self, of: Option<Block>) -> Option<()> {
        let of = match of {
            Some(block) => block,
            None => self.largest()?,
        };
        let candidates = self.open.iter().filter(|(_, watch)| watch.block == of);
        let ranked = candidates.filter_map(|(number, watch)| Some((watch.rank()?, *number)));
        let (_, number) = ranked.min()?;
        let watch = self.forget(number)?;
        watch.must_go.notify_one();
        self.ended += 1;
        Some(())
    }

    /// The address with most connections that may go.
    fn largest(&self) -> Option<Block> {
        let by_size = |(block, count): (&Block, &usize)| (*count, *block);
        let (_, largest) = self.by_address.iter().map(by_size).max()?;
        let may_go = |block| self.open.values().any(|watch| watch.block == block && watch.rank().is_some());
        if may_go(largest) {
            return Some(largest);
        }
        let mut others: BTreeMap<Block, usize> = BTreeMap::new();
        for watch in self.open.values().filter(|watch| watch.rank().is_some()) {
            *others.entry(watch.block).or_default() += 1;
        }
        others.into_iter().max_by_key(|(_, count)| *count).map(|(block, _)| block)
    }

    fn forget(&mut self, number: u64) -> Option<Arc<Watch>> {
        let watch = self.open.remove(&number)?;
        if let Some(count) = self.by_address.get_mut(&watch.block) {
            *count -= 1;
            if *count == 0 {
                self.by_address.remove(&watch.block);
            }
        }
        Some(watch)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    fn address(n: u8) -> IpAddr {
        IpAddr::from([10, 0, 0, n])
    }

    fn connections(all: usize, by_address: usize) -> Arc<Connections> {
        let balancers = ["10.0.0.9/32".parse().unwrap()].into();
        Connections::new(Bounds { all, by_address, balancers })
    }

    fn must_go(open: &Open) -> bool {
        open.watch.must_go().now_or_never().is_some()
    }

    async fn later() {
        tokio::time::advance(std::time::Duration::from_millis(1)).await;
    }

    #[tokio::test(start_paused = true)]
    async fn held_then_idle_then_slow_ones_make_room_and_served_ones_stay() {
        let all = connections(4, 4);
        let mut open = Vec::new();
        for phase in [Phase::Served, Phase::Receiving, Phase::Idle, Phase::Held] {
            let one = all.accept(address(1)).unwrap();
            one.watch.enter(phase);
            open.push(one);
            later().await;
        }
        for expected in [3, 2, 1] {
            let new = all.accept(address(1)).unwrap();
            new.watch.enter(Phase::Served);
            let gone: Vec<usize> = (0..4).filter(|at| must_go(&open[*at])).collect();
            assert_eq!(gone, [expected]);
            open.push(new);
        }
        assert!(all.accept(address(1)).is_none(), "all are being served");
    }

    #[tokio::test(start_paused = true)]
    async fn the_address_with_most_makes_room_for_others() {
        let all = connections(4, 4);
        let lone = all.accept(address(2)).unwrap();
        later().await;
        let crowd: Vec<Open> = (0..3).map(|_| all.accept(address(1)).unwrap()).collect();
        let _new = all.accept(address(3)).unwrap();
        assert!(!must_go(&lone) && must_go(&crowd[0]));
    }

    #[tokio::test(start_paused = true)]
    async fn one_address_has_its_share_and_a_balancer_what_there_is() {
        let all = connections(4, 2);
        let own: Vec<Open> = (0..3).map(|_| all.accept(address(1)).unwrap()).collect();
        assert!(must_go(&own[0]) && !must_go(&own[1]));
        let balancer: Vec<Open> = (0..2).map(|_| all.accept(address(9)).unwrap()).collect();
        assert!(!balancer.iter().any(must_go));
    }

    proptest! {
        /// Whoever comes, whatever the others do: bounds hold, and a newcomer gets in unless all are being served.
        #[test]
        fn a_newcomer_gets_in(steps in proptest::collection::vec((0_u8..3, 0_u8..5, 0_usize..40), 0..150)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            let _inside = runtime.enter();
            let all = connections(6, 3);
            let mut open: Vec<Open> = Vec::new();
            for (what, who, at) in steps {
                match what {
                    0 => {
                        let idle = |one: &&Open| one.watch.rank().is_some() && one.watch.block == Block::from(address(who));
                        let own = open.iter().filter(|one| one.watch.block == Block::from(address(who))).count();
                        let may = match own >= 3 {
                            true => open.iter().any(|one| idle(&one)),
                            false => open.len() < 6 || open.iter().any(|one| one.watch.rank().is_some()),
                        };
                        let new = all.accept(address(who));
                        prop_assert_eq!(new.is_some(), may);
                        open.extend(new);
                        open.retain(|one| !must_go(one));
                    }
                    1 if !open.is_empty() => drop(open.remove(at % open.len())),
                    _ if !open.is_empty() => {
                        let phases = [Phase::Held, Phase::Idle, Phase::Receiving, Phase::Served];
                        open[at % open.len()].watch.enter(phases[usize::from(who) % 4]);
                    }
                    _ => {}
                }
                prop_assert_eq!(all.figures().0, open.len());
                prop_assert!(open.len() <= 6);
            }
        }
    }
}
