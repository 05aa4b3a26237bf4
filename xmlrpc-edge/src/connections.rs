//! The open connections: how many, of which address, and which has to go when room is needed. A new connection is
//! always let in, so that probes are, too: what is idle makes room, then what is slow.
//!
//! It must not end a connection whose request is being served.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;
use quorate_gateway::site::{Block, Site};
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::address::is_in;

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
    /// Of one address (of the /48 network of an IPv6 address).
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
    by_site: BTreeMap<Site, usize>,
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
    /// Bytes have come that are no whole request (yet).
    arriving: AtomicBool,
    /// The body of the request that is answered has not been read to its end.
    unread: AtomicBool,
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
        if self.phase() == Phase::Idle {
            self.since.store(self.now(), Ordering::Relaxed);
        }
    }

    /// Bytes have come.
    pub fn received(&self) {
        self.arriving.store(true, Ordering::Relaxed);
    }

    /// A request's head has come, and whether that is all of it.
    pub fn begins(&self, whole: bool) {
        self.unread.store(!whole, Ordering::Relaxed);
        self.arriving.store(!whole, Ordering::Relaxed);
    }

    /// The request has been read to its end.
    pub fn is_read(&self) {
        self.begins(true);
    }

    /// Whether the body of the request that is answered has not been read to its end.
    #[must_use]
    pub fn leaves_unread(&self) -> bool {
        self.unread.load(Ordering::Relaxed)
    }

    /// Whether the client may still be sending.
    #[must_use]
    pub fn may_be_sending(&self) -> bool {
        self.arriving.load(Ordering::Relaxed)
    }

    /// Done when the connection has to make room.
    pub async fn must_go(&self) {
        self.must_go.notified().await;
    }

    /// The answer to a login that may be wrong waits, for as long as this is kept: the connection may be closed to make room
    /// meanwhile. Not in the middle of a list of calls, of which some have been carried out.
    #[must_use]
    pub fn hold(&self) -> HeldBack<'_> {
        let before = self.phase();
        if before != Phase::Served {
            self.enter(Phase::Held);
        }
        HeldBack { watch: self, before }
    }

    fn phase(&self) -> Phase {
        let now = self.phase.load(Ordering::Relaxed);
        let known = [Phase::Held, Phase::Idle, Phase::Receiving].into_iter().find(|phase| *phase as u8 == now);
        known.unwrap_or(Phase::Served)
    }

    /// Whether its request is being served.
    #[must_use]
    pub fn is_served(&self) -> bool {
        self.phase() == Phase::Served
    }

    /// What is compared: the least has to go first. `None`: it must stay.
    fn rank(&self) -> Option<(Phase, u64)> {
        let phase = self.phase();
        (phase != Phase::Served).then(|| (phase, self.since.load(Ordering::Relaxed)))
    }
}

/// A connection that is held back; when dropped, it does again what it did before.
#[derive(Debug)]
pub struct HeldBack<'a> {
    watch: &'a Watch,
    before: Phase,
}

impl Drop for HeldBack<'_> {
    fn drop(&mut self) {
        if self.before != Phase::Served {
            self.watch.enter(self.before);
        }
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
        let site = Site::from(block);
        let own = inner.by_site.get(&site).copied().unwrap_or(0);
        if own >= self.bounds.by_address && !is_in(&self.bounds.balancers, from) {
            inner.make_room(Some(site))?;
        } else if inner.open.len() >= self.bounds.all {
            inner.make_room(None)?;
        }
        let watch = Arc::new(Watch {
            block,
            began: self.began,
            phase: AtomicU8::new(Phase::Idle as u8),
            since: AtomicU64::default(),
            arriving: AtomicBool::new(false),
            unread: AtomicBool::new(false),
            must_go: Notify::new(),
        });
        watch.enter(Phase::Idle);
        let number = inner.next;
        inner.next += 1;
        inner.open.insert(number, watch.clone());
        *inner.by_site.entry(site).or_default() += 1;
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
    /// Closes one connection of `of`, or else of the site with most closable ones; there, of the block with most: a held one
    /// first, then the one idle longest, then the slowest sender.
    fn make_room(&mut self, of: Option<Site>) -> Option<()> {
        let of = match of {
            Some(site) => site,
            None => self.largest()?,
        };
        let may_go = || {
            let own = self.open.iter().filter(|(_, watch)| Site::from(watch.block) == of);
            own.filter_map(|(number, watch)| Some((watch.block, watch.rank()?, *number)))
        };
        let mut blocks: BTreeMap<Block, usize> = BTreeMap::new();
        may_go().for_each(|(block, ..)| *blocks.entry(block).or_default() += 1);
        let (largest, _) = blocks.into_iter().max_by_key(|(_, count)| *count)?;
        let ranked = may_go().filter(|(block, ..)| *block == largest).map(|(_, rank, number)| (rank, number));
        let (_, number) = ranked.min()?;
        let watch = self.forget(number)?;
        watch.must_go.notify_one();
        self.ended += 1;
        Some(())
    }

    /// The site with most connections, or, if none of those may go, with most that may go.
    fn largest(&self) -> Option<Site> {
        let by_size = |(site, count): (&Site, &usize)| (*count, *site);
        let (_, largest) = self.by_site.iter().map(by_size).max()?;
        let movable = || self.open.values().filter(|watch| watch.rank().is_some()).map(|watch| Site::from(watch.block));
        if movable().any(|site| site == largest) {
            return Some(largest);
        }
        let mut others: BTreeMap<Site, usize> = BTreeMap::new();
        movable().for_each(|site| *others.entry(site).or_default() += 1);
        others.into_iter().max_by_key(|(_, count)| *count).map(|(site, _)| site)
    }

    fn forget(&mut self, number: u64) -> Option<Arc<Watch>> {
        let watch = self.open.remove(&number)?;
        let site = Site::from(watch.block);
        if let Some(count) = self.by_site.get_mut(&site) {
            *count -= 1;
            if *count == 0 {
                self.by_site.remove(&site);
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

    #[tokio::test(start_paused = true)]
    async fn the_blocks_of_one_site_share_its_bound_and_its_largest_makes_room() {
        let all = connections(8, 3);
        let within = |block: u16| IpAddr::from([0x2001, 0xdb8, 1, block, 0, 0, 0, 1]);
        let bystander = all.accept(within(9)).unwrap();
        later().await;
        let crowd: Vec<Open> = (0..2).map(|_| all.accept(within(1)).unwrap()).collect();
        let _new = all.accept(within(2)).unwrap();
        assert!(!must_go(&bystander) && must_go(&crowd[0]) && !must_go(&crowd[1]));
        let elsewhere = all.accept(IpAddr::from([0x2001, 0xdb8, 2, 1, 0, 0, 0, 1])).unwrap();
        assert!(!must_go(&elsewhere) && !must_go(&bystander));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_of_calls_that_is_being_served_is_not_held_back() {
        let all = connections(1, 1);
        let one = all.accept(address(1)).unwrap();
        one.watch.enter(Phase::Receiving);
        let held = one.watch.hold();
        assert_eq!(one.watch.phase(), Phase::Held);
        drop(held);
        assert_eq!(one.watch.phase(), Phase::Receiving);
        one.watch.enter(Phase::Served);
        let held = one.watch.hold();
        assert!(all.accept(address(2)).is_none(), "it may not be closed");
        drop(held);
        assert!(one.watch.is_served());
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
