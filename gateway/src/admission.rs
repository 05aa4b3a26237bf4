//! What the gateway remembers of sessions: whom authentication drivers consented to, for a while, and who failed to log
//! in, so that guessing is slow.
//!
//! A session that is right is not kept waiting: only the answer to a wrong one is. One exception bounds guessers who hang
//! up instead of waiting: where somebody has done that, sessions that this node has not found right before are looked at
//! only when the answer to a wrong one would be due.
//!
//! No answer waits longer than `LONGEST_WAIT`, so the pace binds who waits for one answer after the other. Guesses in
//! parallel are bounded by the connections that wait: one guess of each in that time, whatever the pace says. That is 410
//! in a second of the 2,048 connections that one address may have. A harder bound would keep out whoever logs in with the
//! right password from the same network, which is the worse of the two.
//!
//! It must not keep or log any session, password or token: consents are found by a digest. It decides nothing about
//! passwords; [`quorate_state_machine::login`] does.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher as _;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use quorate_model::crypto::sha256_hex;
use tokio::time::Instant;

use crate::site::{Block, Site};

/// No wrong session is answered later than this.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How many of each are remembered; those that matter least are forgotten first.
const REMEMBERED: usize = 30_000;
/// Longest part of a user name that is remembered.
const NAME_LENGTH: usize = 64;
/// For so long after a client hung up, unproved sessions of the same name or address are checked only when a wrong one would
/// be answered.
const DISTRUST: Duration = Duration::from_secs(60);
/// For so long it is remembered that a session was right.
const PROOF: Duration = Duration::from_secs(24 * 3600);

/// What failures are counted by. A guesser has one name and many addresses, or one address and many names.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Key {
    Name(String),
    Block(Block),
    Site(Site),
    Both(String, Block),
}

impl Key {
    /// All that a session from an address counts for.
    fn all(session: &str, from: IpAddr) -> [Key; 4] {
        let (name, block) = (name_of(session), Block::from(from));
        [Key::Name(name.clone()), Key::Block(block), Key::Site(block.into()), Key::Both(name, block)]
    }

    /// How many failures are answered at once, and how much time lies between two answers after those.
    fn rate(&self) -> (u32, Duration) {
        match self {
            Key::Both(..) => (20, Duration::from_millis(100)),
            Key::Name(_) | Key::Block(_) => (200, Duration::from_millis(20)),
            Key::Site(_) => (800, Duration::from_millis(5)),
        }
    }
}

/// The user's name of a session, or its beginning.
fn name_of(session: &str) -> String {
    session.split_once(':').map_or("", |(name, _)| name).chars().take(NAME_LENGTH).collect()
}

/// What is remembered.
#[derive(Debug, Default)]
pub struct Admission {
    /// When all failures of somebody will be forgiven.
    failures: Mutex<BTreeMap<Key, Instant>>,
    /// Names and addresses of clients that hung up before the answer, and until when that counts.
    unheard: Mutex<BTreeMap<Key, Instant>>,
    /// By hash with a secret: what was right, and until when that counts.
    proofs: Mutex<BTreeMap<u64, Instant>>,
    secret: RandomState,
    /// By digest of the session: what the driver said, and until when that counts.
    consents: Mutex<BTreeMap<String, (String, Instant)>>,
}

/// The map behind a lock; a panic elsewhere leaves it as good as before.
fn open<T>(lock: &Mutex<T>) -> MutexGuard<'_, T> {
    lock.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A session that is not known to be right, and counts as wrong until it is. If its client does not stay to hear what it
/// was, that is remembered.
#[derive(Debug)]
pub struct Attempt {
    admission: Arc<Admission>,
    /// What it counts for, and how much.
    charges: Vec<(Key, Duration)>,
    not_before: Instant,
    heard: bool,
}

impl Attempt {
    /// When its client may hear that it was wrong.
    #[must_use]
    pub fn not_before(&self) -> Instant {
        self.not_before
    }

    /// It was right: it does not count as a failure any more, and its client may hang up.
    pub fn was_right(&mut self) {
        self.heard = true;
        let mut failures = open(&self.admission.failures);
        for (key, charge) in self.charges.drain(..) {
            if let Some(forgiven) = failures.get_mut(&key) {
                *forgiven = forgiven.checked_sub(charge).unwrap_or(*forgiven);
            }
        }
    }

    /// Its client hears now that it was wrong, or that nobody knows.
    pub fn is_heard(mut self) {
        self.heard = true;
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        if self.heard {
            return;
        }
        let now = Instant::now();
        let mut unheard = open(&self.admission.unheard);
        make_room(&mut unheard, now, self.charges.len());
        unheard.extend(self.charges.drain(..).map(|(key, _)| (key, now + DISTRUST)));
    }
}

impl Admission {
    /// A session that is not known to be right. Failures of the same name, of the same address, of its site and of name and
    /// address together are each answered at a pace of their own.
    #[must_use]
    pub fn attempt(self: &Arc<Admission>, session: &str, from: IpAddr) -> Attempt {
        let now = Instant::now();
        let mut failures = open(&self.failures);
        let keys = Key::all(session, from);
        make_room(&mut failures, now, keys.len());
        let mut not_before = now;
        let charges = keys.into_iter().map(|key| {
            let (burst, pace) = key.rate();
            let forgiven = failures.entry(key.clone()).or_insert(now);
            let before = (*forgiven).max(now);
            *forgiven = (before + pace).min(now + pace * burst + LONGEST_WAIT);
            not_before = forgiven.checked_sub(pace * burst).map_or(not_before, |answer| answer.max(not_before));
            (key, forgiven.saturating_duration_since(before))
        });
        let charges = charges.collect();
        Attempt { admission: self.clone(), charges, not_before, heard: false }
    }

    /// Whether this session is looked at only when the answer to a wrong one is due.
    #[must_use]
    pub fn must_wait_first(&self, session: &str, from: IpAddr) -> bool {
        let unheard = open(&self.unheard);
        if unheard.is_empty() {
            return false;
        }
        let now = Instant::now();
        let until = |key: &Key| unheard.get(key).is_some_and(|until| *until > now);
        let [name, rest @ ..] = Key::all(session, from);
        let (by_name, by_address) = (until(&name), rest.iter().any(until));
        drop(unheard);
        if !by_name && !by_address {
            return false;
        }
        let proofs = open(&self.proofs);
        let proved = |proof| proofs.get(&proof).is_some_and(|until| *until > now);
        let [of_session, of_place] = self.proofs_of(session, from);
        // Nobody elsewhere slows down whoever logs in with this name here.
        !proved(of_session) && (by_address || !proved(of_place))
    }

    /// A session was right.
    pub fn proved(&self, session: &str, from: IpAddr) {
        let now = Instant::now();
        let of_both = self.proofs_of(session, from);
        let mut proofs = open(&self.proofs);
        // Each call of a user comes here: most find that nothing has to be written.
        if of_both.iter().all(|proof| proofs.get(proof).is_some_and(|until| *until > now + PROOF / 2)) {
            return;
        }
        make_room(&mut proofs, now, 2);
        proofs.extend(of_both.map(|proof| (proof, now + PROOF)));
    }

    /// A session, and its name at an address.
    fn proofs_of(&self, session: &str, from: IpAddr) -> [u64; 2] {
        let name = session.split_once(':').map_or("", |(name, _)| name);
        [self.secret.hash_one(session), self.secret.hash_one((name, Block::from(from)))]
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

/// Makes room for some more: forgets what counts no longer, once there are too many, and then the half of the others that
/// will be forgotten first.
fn make_room<K: Ord>(ends: &mut BTreeMap<K, Instant>, now: Instant, more: usize) {
    if ends.len() + more <= REMEMBERED {
        return;
    }
    ends.retain(|_, end| *end > now);
    if ends.len() + more > REMEMBERED {
        let mut times: Vec<Instant> = ends.values().copied().collect();
        let (_, median, _) = times.select_nth_unstable(REMEMBERED / 2);
        let median = *median;
        ends.retain(|_, end| *end > median);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const ELSEWHERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED);

    fn admission() -> Arc<Admission> {
        Arc::default()
    }

    fn fail(admission: &Arc<Admission>, session: &str, from: IpAddr) {
        admission.attempt(session, from).is_heard();
    }

    fn waits(admission: &Arc<Admission>, session: &str, from: IpAddr) -> Duration {
        let attempt = admission.attempt(session, from);
        let wait = attempt.not_before().duration_since(Instant::now());
        attempt.is_heard();
        wait
    }

    #[tokio::test(start_paused = true)]
    async fn wrong_sessions_wait_longer_and_longer_up_to_a_bound_and_are_forgiven() {
        let admission = admission();
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
        let admission = admission();
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
    async fn many_networks_of_one_site_are_one_guesser() {
        let admission = admission();
        let within = |block: u16| IpAddr::from([0x2001, 0xdb8, 1, block, 0, 0, 0, 1]);
        (0..2000).for_each(|n| fail(&admission, &format!("user{n}:x"), within(n)));
        assert!(waits(&admission, "new:x", within(3000)) >= Duration::from_secs(1));
        assert_eq!(waits(&admission, "new:x", IpAddr::from([0x2001, 0xdb8, 2, 1, 0, 0, 0, 1])), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn after_a_hang_up_only_unproved_sessions_wait() {
        let admission = admission();
        admission.proved("ann:pw", HERE);
        assert!(!admission.must_wait_first("ann:guess", HERE));
        drop(admission.attempt("ann:guess", HERE));
        assert!(admission.must_wait_first("ann:guess", HERE) && admission.must_wait_first("bob:pw", HERE));
        assert!(!admission.must_wait_first("ann:pw", ELSEWHERE) && admission.must_wait_first("ann:other", ELSEWHERE));
        assert!(!admission.must_wait_first("ann:pw", HERE) && !admission.must_wait_first("bob:pw", ELSEWHERE));
        // Another session of hers from where she logs in does not wait for what somebody does elsewhere.
        admission.proved("ann:pw", IpAddr::from([10, 0, 0, 1]));
        assert!(!admission.must_wait_first("ann:token", IpAddr::from([10, 0, 0, 1])));
        tokio::time::advance(DISTRUST).await;
        assert!(!admission.must_wait_first("ann:guess", HERE));
    }

    /// It is written only now and then, but soon enough.
    #[tokio::test(start_paused = true)]
    async fn a_proof_lasts_for_as_long_as_its_session_is_used() {
        let admission = admission();
        for _ in 0..4 {
            admission.proved("ann:pw", HERE);
            drop(admission.attempt("ann:guess", HERE));
            assert!(admission.must_wait_first("ann:guess", HERE) && !admission.must_wait_first("ann:pw", HERE));
            tokio::time::advance(PROOF - PROOF / 3).await;
        }
        tokio::time::advance(PROOF / 2).await;
        drop(admission.attempt("ann:guess", HERE));
        assert!(admission.must_wait_first("ann:pw", HERE));
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_right_does_not_count_as_a_failure() {
        let admission = admission();
        for _ in 0..1000 {
            admission.attempt("ann:pw", HERE).was_right();
        }
        assert_eq!(waits(&admission, "ann:x", HERE), Duration::ZERO);
        assert!(!admission.must_wait_first("ann:x", HERE));
        (0..1000).for_each(|_| fail(&admission, "ann:x", HERE));
        (0..1000).for_each(|_| admission.attempt("ann:pw", HERE).was_right());
        assert_eq!(waits(&admission, "ann:x", HERE), LONGEST_WAIT, "nor does it forgive others");
    }

    #[tokio::test(start_paused = true)]
    async fn a_consent_counts_for_its_session_until_it_ends() {
        let admission = admission();
        admission.remember("ann:pw", "ldap ann x", Duration::from_secs(900));
        assert_eq!(admission.consent("ann:pw").as_deref(), Some("ldap ann x"));
        assert_eq!(admission.consent("ann:other"), None);
        assert!(!format!("{admission:?}").contains("pw"), "sessions never reach logs");
        tokio::time::advance(Duration::from_secs(901)).await;
        assert_eq!(admission.consent("ann:pw"), None);
    }

    #[tokio::test(start_paused = true)]
    async fn many_names_do_not_fill_the_memory_and_do_not_free_who_failed_most() {
        let admission = admission();
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
                let admission = admission();
                for (name, address) in others {
                    let wait = waits(&admission, &format!("u{name}:x"), IpAddr::from([10, 0, 0, address]));
                    prop_assert!(wait <= LONGEST_WAIT);
                }
                let begin = Instant::now();
                for _ in 0..60 {
                    let attempt = admission.attempt("u0:x", HERE);
                    tokio::time::sleep_until(attempt.not_before()).await;
                    attempt.is_heard();
                }
                prop_assert!(begin.elapsed() >= Duration::from_millis(100) * 40);
                Ok(())
            })?;
        }

        /// Whether a guesser stays to hear an answer or hangs up at once, for each guess as he likes: the number of his
        /// guesses that are looked at keeps to the pace.
        #[test]
        fn hanging_up_is_not_faster_than_the_pace(stays in proptest::collection::vec(any::<bool>(), 0..150)) {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
            runtime.block_on(async {
                let admission = admission();
                let begin = Instant::now();
                let guesses = u32::try_from(stays.len()).unwrap();
                for stays in stays {
                    let careful = admission.must_wait_first("ann:x", HERE);
                    let attempt = admission.attempt("ann:x", HERE);
                    if careful || stays {
                        tokio::time::sleep_until(attempt.not_before()).await;
                    }
                    if stays {
                        attempt.is_heard();
                    }
                }
                // One may be looked at before anybody has hung up.
                prop_assert!(begin.elapsed() >= Duration::from_millis(100) * guesses.saturating_sub(21));
                Ok(())
            })?;
        }
    }
}
