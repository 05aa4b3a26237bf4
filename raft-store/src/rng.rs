//! Randomness for openraft: every task that calls into it runs inside a seeded scope.
//!
//! openraft draws randomness (election timeouts) and spawns tasks through a task-local seed, which makes a
//! simulated zone a function of one number. Outside a scope it panics, in production too, so that a
//! forgotten scope is found by the first test. Tasks that openraft spawns inherit a scope; tasks that others
//! spawn (the host's main task, gRPC handlers) enter one here.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use openraft::impls::TokioRuntime;
use openraft_rt::deterministic_rng::DeterministicRng;
use rand::TryRngCore;

/// Runs `future`, and what openraft spawns from it, with randomness derived from `seed`.
pub fn scope<F: Future>(seed: u64, future: F) -> impl Future<Output = F::Output> {
    DeterministicRng::<TokioRuntime>::scope(seed, future)
}

/// A node's source of scopes. Clones share the counter, so no two scopes of a node are alike.
#[derive(Clone, Debug)]
pub struct Scopes {
    seed: u64,
    entered: Arc<AtomicU64>,
}

impl Scopes {
    /// Scopes that are a function of `seed`: for simulation.
    #[must_use]
    pub fn from_seed(seed: u64) -> Scopes {
        Scopes { seed, entered: Arc::new(AtomicU64::new(0)) }
    }

    /// Scopes seeded by the operating system: for production.
    ///
    /// # Errors
    /// When the operating system gives no randomness.
    pub fn from_os() -> io::Result<Scopes> {
        rand::rngs::OsRng.try_next_u64().map(Scopes::from_seed).map_err(io::Error::other)
    }

    /// Runs `future` in a scope of its own.
    pub fn enter<F: Future>(&self, future: F) -> impl Future<Output = F::Output> + use<F> {
        scope(self.next_seed(), future)
    }

    fn next_seed(&self) -> u64 {
        // An odd multiplier visits every value, so seeds of a node do not repeat.
        let count = self.entered.fetch_add(1, Ordering::Relaxed);
        self.seed.wrapping_add(count.wrapping_mul(0x9e37_79b9_7f4a_7c15))
    }
}
