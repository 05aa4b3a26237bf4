//! What the edge remembers of sessions: whom authentication drivers consented to, for a while, and who failed to log
//! in, so that guessing is slow.
//!
//! A session that is right is never kept waiting: only the answer to a wrong one is. It must not keep or log any
//! session, password or token: consents are found by a digest. It decides nothing about passwords;
//! [`quorate_state_machine::login`] does.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_state_machine::login::sha256_hex;
use tokio::time::Instant;

use crate::address::Block;

/// No wrong session is answered later than this.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How many of each are remembered; those that matter least are forgotten first.
const REMEMBERED: usize = 30_000;
/// Longest part of a user name that is remembered.
const NAME_LENGTH: usize = 64;

/// What failures are counted by. A guesser has one name and many addresses, or one address and many names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Name(String),
    Block(Block),
    Both(String, Block),
}

impl Key {
    /// How many failures are answered at once, and how much time lies between two answers after those.
    fn rate(&self) -> (u32, Duration) {
        match self {
            Key::Both(..) => (20, Duration::from_millis(100)),
            Key::Name(_) | Key::Block(_) => (200, Duration::from_millis(20)),
        }
    }
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Admission {
    /// When all failures of somebody will be forgiven.
    failures: Mutex<BTreeMap<Key, Instant>>,
    /// By digest of the session: what the driver said, and until when that counts.
    consents: Mutex<BTreeMap<String, (String, Instant)>>,
}

/// The map behind a lock; a panic elsewhere leaves it as good as before.
fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Admission {
    /// A session did not authenticate: when its client may hear that. Failures of the same name, of the same address
    /// and of both together are each answered at a pace of their own.
    pub fn failed(&self, session: &str, from: IpAddr) -> Instant {
        let now = Instant::now();
        let name: String = session.split_once(':').map_or("", |(name, _)| name).chars().take(NAME_LENGTH).collect();
        let block = Block::from(from);
        let mut failures = open(&self.failures);
        make_room(&mut failures, now);
        let keys = [Key::Name(name.clone()), Key::Block(block), Key::Both(name, block)];
        let answers = keys.into_iter().map(|key| {
            let (burst, pace) = key.rate();
            let forgiven = failures.entry(key).or_insert(now);
            *forgiven = ((*forgiven).max(now) + pace).min(now + pace * burst + LONGEST_WAIT);
            forgiven.checked_sub(pace * burst).map_or(now, |answer| answer.max(now))
        });
        answers.fold(now, Instant::max)
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

/// Forgets who is forgiven, once there are too many, and then the half of the others that will be forgiven first.
fn make_room(failures: &mut BTreeMap<Key, Instant>, now: Instant) {
    if failures.len() + 3 <= REMEMBERED {
        return;
    }
    failures.retain(|_, forgiven| *forgiven > now);
    if failures.len() + 3 > REMEMBERED {
        let mut times: Vec<Instant> = failures.values().copied().collect();
        let (_, median, _) = times.select_nth_unstable(REMEMBERED / 2);
        let median = *median;
        failures.retain(|_, forgiven| *forgiven > median);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    fn fail(admission: &Admission, session: &str, from: IpAddr) {
        let _ = admission.failed(session, from);
    }

    fn waits(admission: &Admission, session: &str, from: IpAddr) -> Duration {
        admission.failed(session, from).duration_since(Instant::now())
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_sessions_wait_longer_and_longer_up_to_a_bound_and_are_forgiven() {
        let admission = Admission::default();
        for _ in 0..20 {
            assert_eq!(waits(&admission, "ann:x", HERE), Duration::ZERO);
        }
        assert_eq!(waits(&admission, "ann:y", HERE), Duration::from_millis(100));
        assert_eq!(waits(&admission, "bob:y", HERE), Duration::ZERO);
        assert_eq!(waits(&admission, "ann:y", ELSEWHERE), Duration::ZERO);
        (0..100).for_each(|_| fail(&admission, "ann:x", HERE));
        assert_eq!(waits(&admission, "ann:y", HERE), LONGEST_WAIT);
        tokio::time::advance(LONGEST_WAIT + Duration::from_secs(3)).await;
        assert_eq!(waits(&admission, "ann:y", HERE), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_is_slow_with_many_names_and_with_many_addresses() {
        let admission = Admission::default();
        let address = |n: u8| IpAddr::from([10, 0, n, 1]);
        for n in 0..=255 {
            fail(&admission, &format!("user{n}:x"), HERE);
            fail(&admission, "ann:x", address(n));
        }
        assert!(waits(&admission, "new:x", HERE) >= Duration::from_secs(1));
        assert!(waits(&admission, "ann:x", ELSEWHERE) >= Duration::from_secs(1));
        assert_eq!(waits(&admission, "new2:x", ELSEWHERE), Duration::ZERO);
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
    async fn many_names_do_not_fill_the_memory_and_do_not_free_who_failed_most() {
        let admission = Admission::default();
        (0..100).for_each(|_| fail(&admission, "ann:x", HERE));
        for i in 0..REMEMBERED {
            fail(&admission, &format!("user{i}:x"), ELSEWHERE);
            assert!(open(&admission.failures).len() <= REMEMBERED);
        }
        assert!(waits(&admission, "ann:x", HERE) > Duration::ZERO);
    }

    proptest! {
        /// Whatever a crowd does, an answer comes within the bound, and n wrong sessions of one name from one address
        /// take at least as long as the pace says.
        #[test]
        fn no_order_of_attempts_is_faster_than_the_pace(others in proptest::collection::vec((0_u8..5, 0_u8..5), 0..300)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let admission = Admission::default();
                for (name, address) in others {
                    let wait = waits(&admission, &format!("u{name}:x"), IpAddr::from([10, 0, 0, address]));
                    prop_assert!(wait <= LONGEST_WAIT);
                }
                let begin = Instant::now();
                for _ in 0..60 {
                    tokio::time::sleep_until(admission.failed("u0:x", HERE)).await;
                }
                prop_assert!(begin.elapsed() >= Duration::from_millis(100) * 40);
                Ok(())
            })?;
        }
    }
}
