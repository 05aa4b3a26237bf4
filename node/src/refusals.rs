//! Says who was refused and why, without letting whoever is refused fill the log.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// After this the same reason is said again.
const QUIET: Duration = Duration::from_secs(30);
/// How many reasons are told apart; what else there is waits until one of them is forgotten.
const REASONS: usize = 16;

/// What was said lately of one kind of refusals. Clones share it.
#[derive(Clone)]
pub struct Refusals {
    what: &'static str,
    said: Arc<Mutex<BTreeMap<String, Said>>>,
}

struct Said {
    at: Instant,
    /// How often it would have been said since.
    since: u64,
}

impl Refusals {
    /// None yet; `what` is what the log calls them.
    pub fn new(what: &'static str) -> Refusals {
        Refusals { what, said: Arc::default() }
    }

    /// Says that `who` was refused, unless the same was said a moment ago of anybody.
    pub fn say(&self, who: impl Display, reason: String) {
        self.say_once(reason.clone(), who, reason);
    }

    /// The same of one of few, each of whom is told apart.
    pub fn say_of(&self, who: &str, reason: String) {
        self.say_once(format!("{who}: {reason}"), who, reason);
    }

    /// The same of a kind of refusals whose reasons, or those who are refused, can be chosen by whoever is refused: all of a
    /// kind count as one, so that he cannot have so many said that nothing else is.
    pub fn say_as(&self, kind: &'static str, who: impl Display, reason: String) {
        self.say_once(kind.to_owned(), who, reason);
    }

    fn say_once(&self, key: String, who: impl Display, reason: String) {
        if let Some(unsaid) = self.count(key) {
            tracing::warn!(%who, reason, unsaid, "{}", self.what);
        }
    }

    /// How often this was not said since it was said last, if it is to be said now.
    fn count(&self, reason: String) -> Option<u64> {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        match said.get_mut(&reason) {
            Some(last) if now.duration_since(last.at) < QUIET => {
                last.since += 1;
                None
            }
            Some(last) => {
                last.at = now;
                Some(std::mem::take(&mut last.since))
            }
            None => {
                if said.len() >= REASONS {
                    said.retain(|_, last| now.duration_since(last.at) < QUIET);
                }
                (said.len() < REASONS).then(|| {
                    said.insert(reason, Said { at: now, since: 0 });
                    0
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_is_refused_with_many_reasons_silences_nobody_else() {
        let refusals = Refusals::new("refused");
        for n in 0..100 {
            refusals.say_as("a kind", n, format!("the founding {n}"));
        }
        assert_eq!(refusals.said.lock().unwrap().len(), 1);
        assert_eq!(refusals.count("another kind".to_owned()), Some(0));
        tokio::time::advance(QUIET).await;
        assert_eq!(refusals.count("a kind".to_owned()), Some(99));
    }

    #[tokio::test(start_paused = true)]
    async fn a_reason_is_said_at_once_then_rarely_with_a_count_and_reasons_are_bounded() {
        let refusals = Refusals::new("refused");
        assert_eq!(refusals.count("a".to_owned()), Some(0));
        for _ in 0..5 {
            assert_eq!(refusals.count("a".to_owned()), None);
        }
        assert_eq!(refusals.count("b".to_owned()), Some(0));
        for n in 0..100 {
            refusals.count(format!("other-{n}"));
        }
        assert_eq!(refusals.said.lock().unwrap().len(), REASONS);
        tokio::time::advance(QUIET).await;
        assert_eq!(refusals.count("a".to_owned()), Some(5));
        assert_eq!(refusals.count("new".to_owned()), Some(0));
    }
}
