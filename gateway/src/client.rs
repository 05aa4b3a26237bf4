//! The client of a call, as the gateway sees it. Connections, and the memory that requests use, are the protocol's.

use std::future::Future;
use std::net::IpAddr;

use tokio::time::Instant;

use crate::busy::Busy;
use crate::lanes::LONGEST_WAIT;

/// A client with a request, which holds memory and a connection until it is answered.
pub trait Client: Send + Sync {
    /// What the request holds, for work that goes on although its client has hung up; given back when dropped.
    type Held: Send + 'static;

    /// Where it is.
    fn address(&self) -> IpAddr;
    /// What its request holds.
    fn held(&self) -> Self::Held;
    /// Done when the request has lost to others what it held. That does not happen while it is pinned.
    fn lost(&self) -> impl Future<Output = ()> + Send;
    /// From now on its request is carried out, and keeps what it holds.
    ///
    /// # Errors
    /// [`Busy::NoMemory`] when the request has lost what it held already.
    fn pin(&self) -> Result<(), Busy>;
    /// Its request may lose again what it holds.
    fn unpin(&self);
    /// Its turn came.
    fn is_served(&self);
    /// The answer to a login that may be wrong waits for as long as this is kept: whatever the client holds may be taken.
    fn held_back(&self) -> impl Send;
}

/// A call's client, and until when the call may wait for its turns.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a, K> {
    /// The client.
    pub client: &'a K,
    /// Until then.
    pub deadline: Instant,
}

impl<'a, K> Origin<'a, K> {
    /// A call that begins to wait now.
    #[must_use]
    pub fn new(client: &'a K) -> Origin<'a, K> {
        Origin { client, deadline: Instant::now() + LONGEST_WAIT }
    }
}
