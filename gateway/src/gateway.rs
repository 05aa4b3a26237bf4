//! What all clients of a node share, whatever protocol they speak, and how many calls of whom may be under way.
//!
//! It must not know what a client's request looks like, nor what it takes beside its arguments.

use std::future::Future;
use std::sync::Arc;

use quorate_model::api::Arg;
use quorate_model::command::Actor;
use quorate_model::settings::limits::Limit;
use quorate_state_machine::methods::Method;
use quorate_state_machine::state::State;

use crate::admission::Admission;
use crate::busy::Busy;
use crate::client::{Client, Origin};
use crate::control::{AdminReply, AdminRequest, ControlPlane};
use crate::detached::Detached;
use crate::lanes::{Lanes, Place, Places, Who};
use crate::rarely::Rarely;
use crate::site::Site;

/// What all clients of a node share.
#[derive(Debug)]
pub struct Gateway<C> {
    /// The node.
    pub control: Arc<C>,
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
    pub(crate) detached: Detached,
    /// Logins that failed.
    pub(crate) failures: Rarely,
}

/// Reads, and as many writes, that are served or wait, unless somebody says otherwise; then the longest queue has to give
/// way. The same bound holds for calls whose session this node does not know.
pub const ROOM: usize = 1024;
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

impl<C: ControlPlane> Gateway<C> {
    /// A gateway that has room for so many calls of each sort, half of them under way at most.
    #[must_use]
    pub fn new(control: Arc<C>, room: usize) -> Gateway<C> {
        let lanes = |most: usize| Lanes::new(most.min(room.div_ceil(2)), room);
        Gateway {
            control,
            admission: Arc::default(),
            reads: lanes(UNDER_WAY),
            writes: lanes(UNDER_WAY),
            strangers: lanes(STRANGERS_UNDER_WAY),
            operators: Lanes::new(OPERATORS_UNDER_WAY, OPERATORS),
            detached: Detached::default(),
            failures: Rarely::default(),
        }
    }

    /// Bytes of a call at most, by the zone's settings.
    #[must_use]
    pub fn message_size(&self) -> usize {
        usize::try_from(self.control.local().settings().number(Limit::MessageSize)).unwrap_or(usize::MAX)
    }

    /// What the node answers oneadmin beside the API, once it is the request's turn. The place is to be kept until the
    /// answer is sent: a backup costs most while it is sent.
    ///
    /// # Errors
    /// When the turn did not come. Inside, why the node does not do it; the text is for the operator.
    pub async fn administer<K: Client>(
        &self,
        origin: &Origin<'_, K>,
        request: AdminRequest,
    ) -> Result<(Result<AdminReply, String>, Place), Busy> {
        let place = self.operators_turn(origin).await?;
        let (control, held) = (self.control.clone(), origin.client.held());
        let answered = self.detached.finish(async move {
            let reply = control.admin(request).await;
            drop(held);
            (reply, place)
        });
        Ok(answered.await)
    }

    /// Waits for the turn of a user's call. While it waits it keeps neither the state nor the call.
    pub(crate) fn users_turn<'o, K: Client>(
        &self,
        origin: &'o Origin<'o, K>,
        state: &State,
        actor: &Actor,
        method: &Method,
        args: &[Arg],
    ) -> impl Future<Output = Result<Place, Busy>> + Send + use<'o, C, K> {
        let writes = method.is_write();
        let lanes = if writes { &self.writes } else { &self.reads };
        let who = Who::User(actor.uid);
        let limit = |limit| usize::try_from(state.settings().number(limit)).unwrap_or(usize::MAX);
        let (carried_out, size) = match writes {
            true => (limit(Limit::UserWritesMax), limit(Limit::UserWritesSizeMax)),
            false => (USER_READS, USER_READS_SIZE),
        };
        // Administrators may nearly fill a zone that nobody else uses.
        let alone = state.is_admin(actor) && !lanes.shared_with_others(who);
        let places = if alone {
            Places::all_at_once(carried_out.max(lanes.most_of_one()))
        } else {
            Places { all: carried_out.saturating_mul(SENDING), carried_out }
        };
        let (lanes, weight) = (lanes.clone(), weight(args, carried_out, size));
        async move {
            let place = turn(&lanes, who, places, weight, origin).await?;
            origin.client.pin()?;
            Ok(place)
        }
    }

    /// Waits for the turn of a call whose session this node does not know to be right. Its memory is not pinned meanwhile:
    /// users' requests may take it.
    ///
    /// # Errors
    /// When the turn did not come.
    pub async fn strangers_turn<K: Client>(&self, origin: &Origin<'_, K>) -> Result<Place, Busy> {
        let who = Who::Stranger(Site::from(origin.client.address()));
        turn(&self.strangers, who, Places::all_at_once(STRANGER_CALLS), 1, origin).await
    }

    /// Waits for the turn of what oneadmin asks beside the API.
    async fn operators_turn<K: Client>(&self, origin: &Origin<'_, K>) -> Result<Place, Busy> {
        let places = Places::all_at_once(OPERATORS_UNDER_WAY);
        let place = turn(&self.operators, Who::User(ONEADMIN), places, 1, origin).await?;
        origin.client.pin()?;
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

async fn turn<K: Client>(
    lanes: &Arc<Lanes>,
    who: Who,
    places: Places,
    weight: usize,
    origin: &Origin<'_, K>,
) -> Result<Place, Busy> {
    let place = tokio::select! {
        biased;
        place = lanes.enter(who, places, weight, origin.deadline) => place.map_err(|refusal| Busy::of(refusal, who)),
        () = origin.client.lost() => Err(Busy::NoMemory),
    }?;
    origin.client.is_served();
    Ok(place)
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
