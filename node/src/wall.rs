//! The machine's clocks and randomness, as a seam: simulation swaps them.
//!
//! The wall clock may be wrong: only [`crate::clocks`] makes anything of it. Randomness is for proposers: it travels in log
//! entries, apply has none.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use rand::rngs::{OsRng, StdRng};
use rand::{RngCore, SeedableRng, TryRngCore};
use rustix::time::{ClockId, clock_gettime};
use tokio::time::Instant;

/// Where the kernel says which start of the machine this is.
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
/// The last millisecond of the year 9999: no clock is taken to be later.
const END: i64 = 253_402_300_799_999;

/// Clocks and randomness of one node. Clones share them.
#[derive(Clone)]
pub struct Wall {
    source: Arc<Mutex<StdRng>>,
    /// `None`: the machine's clocks.
    simulated: Option<Simulated>,
    boot: Arc<str>,
}

/// The clocks of a simulated machine, for one process on it.
#[derive(Clone, Debug)]
pub struct Simulated {
    /// When the process started.
    start: Instant,
    /// Simulated unix time then, milliseconds.
    time: i64,
    /// Which start of the machine this is, and its uptime when the process started.
    boot: u64,
    uptime: Duration,
    /// How much faster than simulated time the wall clock is, in thousandths; negative: slower.
    drift: i64,
    /// How far the wall clock is off, seconds: can be changed while the process runs.
    skew: Arc<AtomicI64>,
}

impl Simulated {
    /// The clocks of a process that starts now, at `time` (simulated unix time, milliseconds), on a machine that was started
    /// `boot` times and is up for `uptime`. Its wall clock is off by `skew` seconds and faster by `drift` thousandths.
    #[must_use]
    pub fn new(time: i64, boot: u64, uptime: Duration, skew: Arc<AtomicI64>, drift: i64) -> Simulated {
        Simulated { start: Instant::now(), time, boot, uptime, drift, skew }
    }

    fn millis(&self) -> i64 {
        let passed = millis(self.start.elapsed());
        self.time + passed + passed * self.drift / 1000 + 1000 * self.skew.load(Ordering::Relaxed)
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(END)
}

impl Wall {
    /// The machine's clocks, randomness seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system gives no randomness, or does not say which start of the machine this is.
    pub fn real() -> std::io::Result<Wall> {
        let mut seed = [0; 32];
        OsRng.try_fill_bytes(&mut seed).map_err(std::io::Error::other)?;
        let boot = std::fs::read_to_string(BOOT_ID)?;
        Ok(Wall { source: Arc::new(Mutex::new(StdRng::from_seed(seed))), simulated: None, boot: boot.trim().into() })
    }

    /// The clocks of a simulated machine, and randomness from a seed.
    #[must_use]
    pub fn simulated(seed: u64, clocks: Simulated) -> Wall {
        let boot = clocks.boot.to_string().into();
        Wall { source: Arc::new(Mutex::new(StdRng::seed_from_u64(seed))), simulated: Some(clocks), boot }
    }

    /// What the wall clock says, unix milliseconds, from 1970 to 9999.
    #[must_use]
    pub fn unix_millis(&self) -> i64 {
        let time = match &self.simulated {
            Some(clocks) => clocks.millis(),
            None => SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, millis),
        };
        time.clamp(0, END)
    }

    /// For how long the machine has been up, milliseconds: goes on evenly whatever the wall clock does, also while the
    /// machine sleeps.
    #[must_use]
    pub fn uptime_millis(&self) -> i64 {
        match &self.simulated {
            Some(clocks) => millis(clocks.uptime + clocks.start.elapsed()),
            None => {
                let up = clock_gettime(ClockId::Boottime);
                up.tv_sec * 1000 + up.tv_nsec / 1_000_000
            }
        }
    }

    /// Names this start of the machine: [`Wall::uptime_millis`] begins anew with every other.
    #[must_use]
    pub fn boot(&self) -> &str {
        &self.boot
    }

    /// A random number.
    #[must_use]
    pub fn random_u64(&self) -> u64 {
        self.source.lock().unwrap_or_else(PoisonError::into_inner).next_u64()
    }

    /// Randomness for one log entry.
    #[must_use]
    pub fn entropy(&self) -> [u8; 32] {
        let mut bytes = [0; 32];
        self.source.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(&mut bytes);
        bytes
    }
}
