//! The world's clock and randomness, as a seam: simulation swaps both.
//!
//! Used by proposers only: time and randomness travel in log entries, apply has neither.

use std::sync::{Arc, Mutex, PoisonError};

use rand::rngs::{OsRng, StdRng};
use rand::{RngCore, SeedableRng, TryRngCore};
use tokio::time::Instant;

/// Clock and randomness of one node. Clones share them.
#[derive(Clone)]
pub struct Wall {
    source: Arc<Mutex<StdRng>>,
    /// Simulated time: unix seconds at an instant; `None`: the machine's clock.
    epoch: Option<(i64, Instant)>,
    /// How much faster than simulated time, in thousandths.
    drift: i64,
}

impl Wall {
    /// The machine's clock, randomness seeded by the operating system.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn real() -> std::io::Result<Wall> {
        let mut seed = [0; 32];
        OsRng.try_fill_bytes(&mut seed).map_err(std::io::Error::other)?;
        Ok(Wall { source: Arc::new(Mutex::new(StdRng::from_seed(seed))), epoch: None, drift: 0 })
    }

    /// A clock that follows tokio's (simulated) time from `unix_seconds` on, faster by `drift` thousandths (negative:
    /// slower), and randomness from a seed.
    #[must_use]
    pub fn simulated(seed: u64, unix_seconds: i64, drift: i64) -> Wall {
        let source = Arc::new(Mutex::new(StdRng::seed_from_u64(seed)));
        Wall { source, epoch: Some((unix_seconds, Instant::now())), drift }
    }

    /// Unix seconds now.
    #[must_use]
    pub fn unix_seconds(&self) -> i64 {
        let since = match self.epoch {
            Some((epoch, instant)) => {
                let elapsed = i64::try_from(instant.elapsed().as_millis()).unwrap_or(0);
                return epoch + elapsed * (1000 + self.drift) / 1_000_000;
            }
            None => std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH),
        };
        since.map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
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
