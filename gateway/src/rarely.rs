//! Log lines that somebody outside can cause as often as they like, said only now and then.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After this it is said again.
const QUIET: Duration = Duration::from_secs(10);

/// When something was said last, and how often it would have been said since.
#[derive(Debug, Default)]
pub struct Rarely(Mutex<(Option<Instant>, u64)>);

impl Rarely {
    /// Whether it is to be said now: how often it was left out since the last time.
    pub fn due(&self) -> Option<u64> {
        let now = Instant::now();
        let mut said = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if said.0.is_some_and(|last| now.duration_since(last) < QUIET) {
            said.1 += 1;
            return None;
        }
        said.0 = Some(now);
        Some(std::mem::take(&mut said.1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn it_is_said_at_once_and_then_with_a_count() {
        let rarely = Rarely::default();
        assert_eq!(rarely.due(), Some(0));
        assert_eq!(rarely.due(), None);
        assert_eq!(rarely.due(), None);
        tokio::time::advance(QUIET).await;
        assert_eq!(rarely.due(), Some(2));
    }
}
