//! What the connections of an edge share, and how many calls of whom may be under way.

use std::future::Future;
use std::sync::Arc;

use quorate_state_machine::api::Arg;
use quorate_state_machine::authorize::is_admin;
use quorate_state_machine::command::Actor;
use quorate_state_machine::methods::{Handler, Method};
use quorate_state_machine::settings::limits::Limit;
use quorate_state_machine::state::State;

use crate::address::Site;
use crate::admission::Admission;
use crate::connections::Phase;
use crate::detached::Detached;
use crate::lanes::{Lanes, Place, Places, Refusal, Who};
use crate::pipeline::{Origin, no_memory};
use crate::rarely::Rarely;
use crate::value::Fault;

/// What the connections of an edge share.
#[derive(Debug)]
pub struct Edge {
    /// Sessions.
    pub admission: Arc<Admission>,
    /// Calls of users that read.
    pub reads: Arc<Lanes>,
    /// Calls of users that write.
    pub writes: Arc<Lanes>,
    /// Calls of whom this node does not know (yet): they take no place from users.
    pub strangers: Arc<Lanes>,
    /// What oneadmin asks beside the API.
    pub operators: Arc<Lanes>,
    /// What goes on although its client has hung up.
    pub detached: Detached,
    /// Logins that failed.
    pub(crate) failures: Rarely,
}

/// Calls of each sort, reads and writes, that may be under way.
const UNDER_WAY: usize = 512;
/// Reads of one user that are carried out at a time.
const USER_READS: usize = 2;
/// For each call of a user that may be carried out, so many may be under way: the rest only send their replies, to
/// clients that may read slowly.
const SENDING: usize = 4;
/// Bytes that those may have together; one alone may have more.
const USER_READS_SIZE: usize = 128 << 10;
/// Calls that may be under way before their sessions are known to be right.
const STRANGERS_UNDER_WAY: usize = 128;
/// Those of one address (of the /48 network of an IPv6 address).
const STRANGER_CALLS: usize = 32;
/// Requests of oneadmin beside the API that may be under way.
const OPERATORS_UNDER_WAY: usize = 8;
/// Those that may be under way or wait.
const OPERATORS: usize = 64;

/// The administrator.
pub const ONEADMIN: i32 = 0;

impl Edge {
    /// An edge that has room for so many calls of each sort, half of them under way at most.
    #[must_use]
    pub fn new(room: usize) -> Edge {
        let lanes = |most: usize| Lanes::new(most.min(room.div_ceil(2)), room);
        Edge {
            admission: Arc::default(),
            reads: lanes(UNDER_WAY),
            writes: lanes(UNDER_WAY),
            strangers: lanes(STRANGERS_UNDER_WAY),
            operators: Lanes::new(OPERATORS_UNDER_WAY, OPERATORS),
            detached: Detached::default(),
            failures: Rarely::default(),
        }
    }

    /// Waits for the turn of a user's call. While it waits it keeps neither the state nor the call.
    pub(crate) fn users_turn<'o>(
        &self,
        origin: &'o Origin<'o>,
        state: &State,
        actor: &Actor,
        method: &Method,
        args: &[Arg],
    ) -> impl Future<Output = Result<Place, Fault>> + Send + use<'o> {
        let writes = matches!(method.handler, Handler::Write(_));
        let lanes = if writes { &self.writes } else { &self.reads };
        let who = Who::User(actor.uid);
        let limit = |limit| usize::try_from(state.settings().number(limit)).unwrap_or(usize::MAX);
        let (carried_out, size) = match writes {
            true => (limit(Limit::UserWritesMax), limit(Limit::UserWritesSizeMax)),
            false => (USER_READS, USER_READS_SIZE),
        };
        // Administrators may nearly fill a zone that nobody else uses.
        let alone = is_admin(state, actor) && !lanes.shared_with_others(who);
        let places = if alone {
            Places::all_at_once(carried_out.max(lanes.most_of_one()))
        } else {
            Places { all: carried_out.saturating_mul(SENDING), carried_out }
        };
        let (lanes, weight) = (lanes.clone(), weight(args, carried_out, size));
        async move {
            let place = turn(&lanes, who, places, weight, origin).await?;
            origin.hold.pin().map_err(|_| no_memory())?;
            Ok(place)
        }
    }

    /// Waits for the turn of a call whose session this node does not know to be right. Its memory is not pinned meanwhile:
    /// users' requests may take it.
    pub(crate) async fn strangers_turn(&self, origin: &Origin<'_>) -> Result<Place, Fault> {
        turn(&self.strangers, Who::Stranger(Site::from(origin.address)), Places::all_at_once(STRANGER_CALLS), 1, origin)
            .await
    }

    /// Waits for the turn of what oneadmin asks beside the API.
    pub(crate) async fn operators_turn(&self, origin: &Origin<'_>) -> Result<Place, Fault> {
        let place =
            turn(&self.operators, Who::User(ONEADMIN), Places::all_at_once(OPERATORS_UNDER_WAY), 1, origin).await?;
        origin.hold.pin().map_err(|_| no_memory())?;
        Ok(place)
    }
}

/// How many of its caller's `places` a call takes, where calls of `size` bytes fill all of them: every node stores, sends
/// and carries out what a call says.
fn weight(args: &[Arg], places: usize, size: usize) -> usize {
    let bytes = args.iter().map(|arg| match arg {
        Arg::Str(text) => text.len(),
        Arg::Ints(numbers) => size_of_val(numbers.as_slice()),
        Arg::Int(_) | Arg::Bool(_) => 0,
    });
    bytes.sum::<usize>().saturating_mul(places).div_ceil(size.max(1)).max(1)
}

async fn turn(
    lanes: &Arc<Lanes>,
    who: Who,
    places: Places,
    weight: usize,
    origin: &Origin<'_>,
) -> Result<Place, Fault> {
    let place = tokio::select! {
        biased;
        place = lanes.enter(who, places, weight, origin.deadline) => place.map_err(|refusal| refused(refusal, who)),
        () = origin.hold.lost() => Err(no_memory()),
    }?;
    origin.watch.enter(Phase::Served);
    Ok(place)
}

/// What a client is told whose turn did not come.
fn refused(refusal: Refusal, who: Who) -> Fault {
    let whose = match who {
        Who::User(uid) => format!("user [{uid}]"),
        Who::Stranger(_) => "this address".to_owned(),
    };
    let text = match refusal {
        Refusal::Full => format!("Too many requests at the same time, most of them of {whose}, try again"),
        Refusal::Late => format!("Too many requests of {whose} are under way, this one waited too long, try again"),
    };
    Fault::new(Fault::LIMIT, text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn write(bytes: usize) -> Vec<Arg> {
        vec![Arg::Int(0), Arg::Str("x".repeat(bytes))]
    }

    #[test]
    fn a_large_write_stands_alone() {
        let weight = |bytes| weight(&write(bytes), 2, 64 << 10);
        assert_eq!([0, 100, 32 << 10].map(weight), [1, 1, 1], "two of them");
        assert_eq!([(32 << 10) + 1, 60_000, 64 << 10].map(weight), [2, 2, 2], "one of them");
        assert!(weight(1 << 20) > 2, "it begins when no other is carried out: see `Lane::has_room`");
    }

    proptest! {
        /// However many calls of whatever sizes have their places at a time.
        #[test]
        fn what_fills_the_places_has_no_more_bytes_than_are_allowed(
            sizes in prop::collection::vec(0_usize..100_000, 1..50), places in 1_usize..4096, size in 1_usize..1_000_000,
        ) {
            let (mut taken, mut bytes, mut calls) = (0, 0, 0);
            for one in sizes {
                let weight = weight(&write(one), places, size);
                prop_assert!(weight >= 1);
                if taken + weight <= places {
                    (taken, bytes, calls) = (taken + weight, bytes + one, calls + 1);
                }
            }
            prop_assert!(bytes <= size && calls <= places);
        }
    }
}
