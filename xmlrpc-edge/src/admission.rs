//! What the edge remembers of sessions: whom authentication drivers consented to, for a while, and who failed to log
//! in, so that guessing is slow.
//!
//! It must not keep or log any session, password or token: consents are found by a digest. It decides nothing about
//! passwords; [`quorate_state_machine::login`] does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_state_machine::login::sha256_hex;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep_until};

/// Failed attempts of one user name from one address that are answered at once.
const BURST: u32 = 200;
/// After those, one more in this time.
const PACE: Duration = Duration::from_millis(100);
/// Who would have to wait longer is refused without being looked at.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How many may wait at the same time: they hold places of requests.
const WAITING: usize = 128;
/// How many of each are remembered; those that matter least are forgotten first.
const REMEMBERED: usize = 10_000;
/// Longest part of a user name that is remembered.
const NAME_LENGTH: usize = 64;

/// Who tries: the session's user name, and where the connection comes from.
type Who = (String, IpAddr);

/// What is remembered.
#[derive(Debug)]
pub struct Admission {
    /// When all failures of somebody will be forgiven.
    failures: Mutex<BTreeMap<Who, Instant>>,
    waiting: Semaphore,
    /// By digest of the session: what the driver said, and until when that counts.
    consents: Mutex<BTreeMap<String, (String, Instant)>>,
}

/// The map behind a lock; a panic elsewhere leaves it as good as before.
fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

fn who(session: &str, from: IpAddr) -> Who {
    let name = session.split_once(':').map_or("", |(name, _)| name);
    (name.chars().take(NAME_LENGTH).collect(), from)
}

impl Default for Admission {
    fn default() -> Self {
        Admission { failures: Mutex::default(), waiting: Semaphore::new(WAITING), consents: Mutex::default() }
    }
}

impl Admission {
    /// Waits until a session may be tried. `false`: it would take too long, or too many wait.
    pub async fn pace(&self, session: &str, from: IpAddr) -> bool {
        let forgiven = open(&self.failures).get(&who(session, from)).copied();
        let Some(free) = forgiven.and_then(|forgiven| forgiven.checked_sub(PACE * BURST)) else { return true };
        let now = Instant::now();
        if free <= now {
            return true;
        }
        let Some(_place) = self.waiting.try_acquire().ok().filter(|_| free <= now + LONGEST_WAIT) else { return false };
        sleep_until(free).await;
        true
    }

    /// A session did not authenticate.
    pub fn failed(&self, session: &str, from: IpAddr) {
        let now = Instant::now();
        let mut failures = open(&self.failures);
        if failures.len() >= REMEMBERED {
            failures.retain(|_, forgiven| *forgiven > now);
        }
        if failures.len() >= REMEMBERED
            && let Some(least) = failures.iter().min_by_key(|(_, forgiven)| **forgiven).map(|(who, _)| who.clone())
        {
            failures.remove(&least);
        }
        let forgiven = failures.entry(who(session, from)).or_insert(now);
        // Never much further ahead than somebody may wait, or a flood of wrong tries would shut out the right one for long.
        *forgiven = ((*forgiven).max(now) + PACE).min(now + PACE * BURST + 2 * LONGEST_WAIT);
    }

    /// What a driver said when it consented to this session not long ago.
    #[must_use]
    pub fn consent(&self, session: &str) -> Option<String> {
        let consents = open(&self.consents);
        consents.get(&sha256_hex(session)).filter(|(_, until)| *until > Instant::now()).map(|(said, _)| said.clone())
    }

    /// A driver consented to this session.
    pub fn remember(&self, session: &str, said: &str, time: Duration) {
        let now = Instant::now();
        let mut consents = open(&self.consents);
        if consents.len() >= REMEMBERED {
            consents.retain(|_, (_, until)| *until > now);
        }
        if consents.len() < REMEMBERED {
            consents.insert(sha256_hex(session), (said.to_owned(), now + time));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    async fn waits(admission: &Admission, session: &str, from: IpAddr) -> Option<Duration> {
        let begin = Instant::now();
        admission.pace(session, from).await.then(|| begin.elapsed())
    }

    #[tokio::test(start_paused = true)]
    async fn only_who_failed_often_waits_and_only_for_a_while() {
        let admission = Admission::default();
        (0..BURST).for_each(|_| admission.failed("ann:x", HERE));
        assert_eq!(waits(&admission, "ann:y", HERE).await, Some(Duration::ZERO));
        (0..10).for_each(|_| admission.failed("ann:x", HERE));
        assert_eq!(waits(&admission, "bob:y", HERE).await, Some(Duration::ZERO));
        assert_eq!(waits(&admission, "ann:y", ELSEWHERE).await, Some(Duration::ZERO));
        assert!(waits(&admission, "ann:y", HERE).await >= Some(PACE * 9));
        (0..100).for_each(|_| admission.failed("ann:x", HERE));
        assert_eq!(waits(&admission, "ann:y", HERE).await, None);
        tokio::time::advance(LONGEST_WAIT * 3).await;
        assert_eq!(waits(&admission, "ann:y", HERE).await, Some(Duration::ZERO));
    }

    #[tokio::test(start_paused = true)]
    async fn a_consent_counts_for_its_session_until_it_ends() {
        let admission = Admission::default();
        admission.remember("ann:pw", "ldap ann x", Duration::from_secs(900));
        assert_eq!(admission.consent("ann:pw").as_deref(), Some("ldap ann x"));
        assert_eq!(admission.consent("ann:other"), None);
        assert!(!format!("{admission:?}").contains("pw"), "sessions never reach logs");
        tokio::time::advance(Duration::from_secs(901)).await;
        assert_eq!(admission.consent("ann:pw"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn many_names_do_not_fill_the_memory() {
        let admission = Admission::default();
        (0..REMEMBERED + 10).for_each(|i| admission.failed(&format!("user{i}:x"), HERE));
        assert!(open(&admission.failures).len() <= REMEMBERED);
    }
}
