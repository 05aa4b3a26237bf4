//! The time of a run: what clients, faults and the report measure from.

use std::time::{Duration, Instant};

/// Time since the start of the run. Copies agree.
#[derive(Clone, Copy)]
pub struct Clock(Instant);

impl Clock {
    /// Starts now.
    pub fn start() -> Clock {
        Clock(Instant::now())
    }

    /// How long ago the start was.
    pub fn now(self) -> Duration {
        self.0.elapsed()
    }
}
