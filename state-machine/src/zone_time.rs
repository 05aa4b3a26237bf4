//! The zone's time: the only clock that apply has. The leader stamps every entry; the state's time follows the stamps
//! forwards, and goes back only when the administrator sets it.
//!
//! How a stamp is made from clocks, and which clocks are believed, is the node's. Nothing here reads a clock.

use std::ops::RangeInclusive;

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::records::user::User;

use crate::state::State;
use crate::txn::Txn;

/// Times that the zone may be set to, unix seconds: what is not in this century or the next is a slip.
const TIMES: RangeInclusive<i64> = 946_684_800..=7_258_118_400;

/// The time at which the leader wrote an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stamp {
    /// How often the administrator had set the time when the leader made this stamp. A stamp of another era says nothing:
    /// the leader had not yet heard that the time was set.
    pub era: u64,
    /// Unix seconds.
    pub time: i64,
}

impl State {
    /// The time of an entry with this stamp, unix seconds: never before the state's own.
    #[must_use]
    pub fn time_of(&self, stamp: Stamp) -> i64 {
        let own = self.globals().time;
        if stamp.era == self.globals().era { own.max(stamp.time) } else { own }
    }
}

/// Whether something is due that is done every `seconds`, was last done at `last`, and it is `now` (unix seconds). What
/// was last done in the future is due: the time was set back since.
#[must_use]
pub fn is_due(now: i64, last: i64, seconds: i64) -> bool {
    now < last || now.saturating_sub(last) >= seconds
}

/// Refuses a time that the zone must not be set to.
///
/// # Errors
/// When it is not in this century or the next.
pub fn check(time: i64) -> Result<(), ApiError> {
    if TIMES.contains(&time) {
        return Ok(());
    }
    Err(ApiError::api(format!("{time}: not a time between 2000 and 2200, in unix seconds")))
}

/// Sets the zone's time, forwards or back. What is still valid stays valid for as long as it would have, whichever way the
/// time goes: login tokens and the replies that are kept for clients end by so much later or sooner. Tokens that have
/// ended are forgotten: they must not be valid again. Times of what has happened stay as they are recorded.
///
/// # Errors
/// Those of [`check`].
pub fn set(txn: &mut Txn, time: i64) -> ApiReply {
    check(time)?;
    let before = txn.now();
    let seconds = time.saturating_sub(before);
    shift_tokens(txn, before, seconds);
    txn.shift_clients(seconds, time);
    let globals = txn.globals_mut();
    globals.time = time;
    globals.era += 1;
    Ok(Value::Bool(true))
}

/// Lets every token that is valid at `now` end so many seconds later (negative: earlier), and forgets those that are not.
fn shift_tokens(txn: &mut Txn, now: i64, seconds: i64) {
    let ends = |user: &User| user.tokens.iter().any(|token| token.expires != -1);
    let users: Vec<i32> = txn.each::<User>().filter(|(_, user)| ends(user)).map(|(object, _)| object.id).collect();
    for id in users {
        // It was found just now.
        let Ok(user) = txn.body_mut::<User>(id) else { continue };
        user.tokens.retain(|token| token.expires == -1 || token.expires > now);
        for token in user.tokens.iter_mut().filter(|token| token.expires != -1) {
            token.expires = token.expires.saturating_add(seconds);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::login::tests::{ann, zone_of};
    use quorate_model::command::{Command, Envelope, RequestId};
    use quorate_model::records::user::LoginToken;

    const FUTURE: i64 = 4_102_444_800;
    const NOW: i64 = 1_790_000_000;

    /// Applies the only proposal of a client.
    fn at(state: &mut State, client: u64, stamp: Stamp, command: Command) {
        let time = state.time_of(stamp);
        let request = RequestId { client, seq: 1, acked_below: 1 };
        let reply = state.apply(&Envelope { time, request, entropy: [0; 32], command }).reply;
        assert_eq!(reply, Ok(Value::Bool(true)));
    }

    #[test]
    fn time_follows_the_stamps_of_its_era_and_only_forwards() {
        let mut state = State::default();
        at(&mut state, 7, Stamp { era: 0, time: NOW }, Command::Tick);
        assert_eq!(state.time_of(Stamp { era: 0, time: NOW + 5 }), NOW + 5);
        assert_eq!(state.time_of(Stamp { era: 0, time: NOW - 5 }), NOW);
        assert_eq!(state.time_of(Stamp { era: 1, time: NOW + 5 }), NOW, "nobody has set the time yet");
    }

    /// An entry that the leader stamped before it had applied the change must not undo it.
    #[test]
    fn a_stamp_from_before_the_time_was_set_says_nothing() {
        let mut state = State::default();
        at(&mut state, 7, Stamp { era: 0, time: FUTURE }, Command::Tick);
        at(&mut state, 8, Stamp { era: 0, time: FUTURE + 1 }, Command::SetTime(NOW));
        assert_eq!((state.globals().time, state.globals().era), (NOW, 1));
        assert_eq!(state.time_of(Stamp { era: 0, time: FUTURE + 2 }), NOW);
        assert_eq!(state.time_of(Stamp { era: 1, time: NOW + 2 }), NOW + 2);
    }

    /// What is left of ann's tokens after the time is set from one to another, and when each ends.
    fn tokens_after(from: i64, to: i64) -> Vec<(String, i64)> {
        let token = |token: &str, expires| LoginToken { token: token.to_owned(), expires, egid: -1 };
        let tokens = vec![
            token("ended", from - 5),
            token("ending", from),
            token("ever", -1),
            token("long", i64::MAX),
            token("short", from + 9),
        ];
        let mut state = zone_of([("ann", 2, User { tokens, ..ann() })]);
        at(&mut state, 7, Stamp { era: 0, time: from }, Command::Tick);
        at(&mut state, 8, Stamp { era: 0, time: from }, Command::SetTime(to));
        let (_, user) = state.get::<User>(2).unwrap();
        user.tokens.iter().map(|token| (token.token.clone(), token.expires)).collect()
    }

    #[test]
    fn tokens_are_valid_for_as_long_as_they_would_have_been_and_never_again() {
        let kept = |short, long| [("ever".to_owned(), -1), ("long".to_owned(), long), ("short".to_owned(), short)];
        assert_eq!(tokens_after(FUTURE, NOW), kept(NOW + 9, i64::MAX - (FUTURE - NOW)));
        assert_eq!(tokens_after(NOW, FUTURE), kept(FUTURE + 9, i64::MAX));
    }

    /// Forgotten at once, a client's retry would have been applied again.
    #[test]
    fn replies_are_kept_for_as_long_as_they_would_have_been_whichever_way_the_time_is_set() {
        for (from, to) in [(FUTURE, NOW), (NOW, FUTURE)] {
            let mut state = State::default();
            at(&mut state, 7, Stamp { era: 0, time: from }, Command::Tick);
            at(&mut state, 8, Stamp { era: 0, time: from + 600 }, Command::SetTime(to));
            assert_eq!(state.sessions().count(), 2);
            at(&mut state, 9, Stamp { era: 1, time: to + 2990 }, Command::Tick);
            assert!(state.session(7).is_some(), "it has been silent for less than an hour");
            at(&mut state, 10, Stamp { era: 1, time: to + 3010 }, Command::Tick);
            assert!(state.session(7).is_none() && state.session(8).is_some());
        }
    }

    #[test]
    fn a_time_far_from_now_is_refused() {
        let mut state = State::default();
        at(&mut state, 7, Stamp { era: 0, time: NOW }, Command::Tick);
        for time in [i64::MIN, -1, 12, *TIMES.start() - 1, *TIMES.end() + 1, i64::MAX] {
            let request = RequestId { client: 0, seq: 0, acked_below: 0 };
            let command = Command::SetTime(time);
            let reply = state.apply(&Envelope { time: NOW, request, entropy: [0; 32], command }).reply;
            assert_eq!(reply, check(time).map(|()| Value::Bool(true)));
            assert!(reply.is_err(), "{time}");
            assert_eq!((state.globals().time, state.globals().era), (NOW, 0));
        }
        assert!(check(*TIMES.start()).is_ok() && check(*TIMES.end()).is_ok());
    }

    #[test]
    fn what_was_last_done_in_the_future_is_due() {
        assert!(is_due(NOW, NOW - 300, 300) && !is_due(NOW, NOW - 299, 300));
        assert!(is_due(NOW, FUTURE, 300));
    }
}
