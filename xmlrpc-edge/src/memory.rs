//! The memory that requests use before they are served. When it is full, one request loses what it holds: the oldest
//! one of the address (of an IPv6 address its /48 network) that holds most. A slow request, or one that never ends,
//! becomes the oldest after some time.
//!
//! A client pays for what it has sent, not for what it announces.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quorate_gateway::busy::Busy;
use quorate_gateway::site::Site;
use tokio::sync::Notify;

/// All of it.
#[derive(Debug)]
pub struct Memory {
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    total: usize,
    used: usize,
    next: u64,
    /// By age, the oldest first.
    holds: BTreeMap<u64, Held>,
    /// What may be taken back, by address.
    movable: BTreeMap<Site, usize>,
}

#[derive(Debug)]
struct Held {
    site: Site,
    bytes: usize,
    pinned: bool,
    lost: Arc<Notify>,
}

/// What one request holds; free again when dropped.
#[derive(Debug)]
pub struct Hold {
    memory: Arc<Memory>,
    number: u64,
    lost: Arc<Notify>,
}

impl Memory {
    /// So many bytes.
    #[must_use]
    pub fn new(total: usize) -> Arc<Memory> {
        let (holds, movable) = (BTreeMap::new(), BTreeMap::new());
        Arc::new(Memory { inner: Mutex::new(Inner { total, used: 0, next: 0, holds, movable }) })
    }

    fn open(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A request from an address begins.
    #[must_use]
    pub fn hold(self: &Arc<Memory>, site: Site) -> Hold {
        let mut inner = self.open();
        let (number, lost) = (inner.next, Arc::<Notify>::default());
        inner.next += 1;
        inner.holds.insert(number, Held { site, bytes: 0, pinned: false, lost: lost.clone() });
        Hold { memory: self.clone(), number, lost }
    }

    /// Bytes that are held.
    #[must_use]
    pub fn used(&self) -> usize {
        self.open().used
    }
}

impl Hold {
    /// Holds so many bytes more.
    ///
    /// # Errors
    /// When the request has lost its memory to others, or nobody can make room for it.
    pub fn grow(&self, bytes: usize) -> Result<(), Busy> {
        let mut inner = self.memory.open();
        let Some(site) = inner.holds.get(&self.number).map(|held| held.site) else { return Err(Busy::NoMemory) };
        // First, so that a request whose address holds most by it gives way itself.
        inner.add(self.number, bytes);
        while inner.used > inner.total {
            let Some(oldest) = inner.oldest_of_largest(site) else {
                inner.forget(self.number);
                return Err(Busy::NoMemory);
            };
            if let Some(held) = inner.forget(oldest) {
                held.lost.notify_one();
            }
            if oldest == self.number {
                return Err(Busy::NoMemory);
            }
        }
        Ok(())
    }

    /// From now on it is served and keeps what it holds.
    ///
    /// # Errors
    /// When the request has lost its memory to others already.
    pub fn pin(&self) -> Result<(), Busy> {
        self.memory.open().set_pinned(self.number, true)
    }

    /// It is not served any more.
    pub fn unpin(&self) {
        // One that has lost what it held has nothing to give.
        let _ = self.memory.open().set_pinned(self.number, false);
    }

    /// Done when the request has lost its memory to others.
    pub async fn lost(&self) {
        self.lost.notified().await;
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        self.memory.open().forget(self.number);
    }
}

impl Inner {
    fn add(&mut self, number: u64, bytes: usize) {
        let Some(held) = self.holds.get_mut(&number) else { return };
        held.bytes += bytes;
        self.used += bytes;
        if !held.pinned {
            *self.movable.entry(held.site).or_default() += bytes;
        }
    }

    fn set_pinned(&mut self, number: u64, pinned: bool) -> Result<(), Busy> {
        let held = self.holds.get_mut(&number).ok_or(Busy::NoMemory)?;
        if held.pinned == pinned {
            return Ok(());
        }
        held.pinned = pinned;
        let (site, bytes) = (held.site, held.bytes);
        match pinned {
            true => self.less(site, bytes),
            false => *self.movable.entry(site).or_default() += bytes,
        }
        Ok(())
    }

    fn less(&mut self, site: Site, bytes: usize) {
        if let Some(all) = self.movable.get_mut(&site) {
            *all -= bytes;
            if *all == 0 {
                self.movable.remove(&site);
            }
        }
    }

    fn forget(&mut self, number: u64) -> Option<Held> {
        let held = self.holds.remove(&number)?;
        self.used -= held.bytes;
        if !held.pinned {
            self.less(held.site, held.bytes);
        }
        Some(held)
    }

    /// The oldest request that holds anything of the address that holds most; of two such rather not of `asks`.
    fn oldest_of_largest(&self, asks: Site) -> Option<u64> {
        let (largest, _) = self.movable.iter().max_by_key(|(site, bytes)| (**bytes, **site != asks))?;
        let held = self.holds.iter().find(|(_, held)| held.site == *largest && !held.pinned && held.bytes > 0);
        held.map(|(number, _)| *number)
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;
    use proptest::prelude::*;

    use super::*;

    fn site(n: u8) -> Site {
        Site::from(std::net::IpAddr::from([10, 0, 0, n]))
    }

    #[test]
    fn the_oldest_of_the_largest_address_gives_way() {
        let memory = Memory::new(100);
        let bystander = memory.hold(site(1));
        bystander.grow(30).unwrap();
        let (slow, newer) = (memory.hold(site(2)), memory.hold(site(2)));
        slow.grow(40).unwrap();
        newer.grow(30).unwrap();
        let quick = memory.hold(site(3));
        assert_eq!(quick.grow(10), Ok(()));
        assert!(slow.lost().now_or_never().is_some());
        assert_eq!((slow.grow(1), slow.pin()), (Err(Busy::NoMemory), Err(Busy::NoMemory)));
        assert_eq!((bystander.grow(1), newer.grow(1)), (Ok(()), Ok(())));
        assert_eq!(memory.used(), 72);
    }

    #[test]
    fn what_is_served_keeps_what_it_holds() {
        let memory = Memory::new(100);
        let served = memory.hold(site(1));
        served.grow(90).unwrap();
        served.pin().unwrap();
        assert_eq!(memory.hold(site(2)).grow(20), Err(Busy::NoMemory));
        drop(served);
        assert_eq!(memory.hold(site(2)).grow(20), Ok(()));
        assert_eq!(memory.used(), 0);
    }

    proptest! {
        /// Whatever is held, grown, pinned and let go: the bound holds, and a newcomer with a small request is refused
        /// only when all memory is with requests that are being served.
        #[test]
        fn a_small_request_always_finds_room(steps in proptest::collection::vec((0_u8..4, 0_u8..6, 1_usize..60), 0..120)) {
            let memory = Memory::new(200);
            let mut holds: Vec<(Hold, bool)> = Vec::new();
            for (what, who, bytes) in steps {
                match what {
                    0 => holds.push((memory.hold(site(who)), false)),
                    1 if !holds.is_empty() => drop(holds.remove(bytes % holds.len())),
                    2 if !holds.is_empty() => {
                        let at = bytes % holds.len();
                        holds[at].1 |= holds[at].0.pin().is_ok();
                    }
                    _ if !holds.is_empty() => {
                        let _ = holds[bytes % holds.len()].0.grow(bytes);
                    }
                    _ => {}
                }
                prop_assert!(memory.used() <= 200);
                let pinned: usize = memory.open().holds.values().filter(|held| held.pinned).map(|held| held.bytes).sum();
                let movable: usize = memory.open().movable.values().sum();
                prop_assert_eq!(memory.used(), pinned + movable);
            }
            let pinned: usize = memory.open().holds.values().filter(|held| held.pinned).map(|held| held.bytes).sum();
            prop_assert_eq!(memory.hold(site(9)).grow(1).is_ok(), pinned < 200);
        }
    }
}
