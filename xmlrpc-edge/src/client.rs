//! The client of a request of this edge: what it holds, as the gateway asks for it.

use std::net::IpAddr;
use std::sync::Arc;

use quorate_gateway::busy::Busy;
use quorate_gateway::client::Client;

use crate::connections::{Phase, Watch};
use crate::memory::Hold;

/// Where a request comes from, and what it holds until it is served.
#[derive(Clone, Copy, Debug)]
pub struct HttpClient<'a> {
    /// The client's address.
    pub address: IpAddr,
    /// Its memory.
    pub hold: &'a Arc<Hold>,
    /// Its connection.
    pub watch: &'a Watch,
}

impl Client for HttpClient<'_> {
    type Held = Arc<Hold>;

    fn address(&self) -> IpAddr {
        self.address
    }
    fn held(&self) -> Arc<Hold> {
        self.hold.clone()
    }
    fn lost(&self) -> impl Future<Output = ()> + Send {
        self.hold.lost()
    }
    fn pin(&self) -> Result<(), Busy> {
        self.hold.pin()
    }
    /// The connection stays served: a list of calls may go on, and it must not end in the middle.
    fn unpin(&self) {
        self.hold.unpin();
    }
    fn is_served(&self) {
        self.watch.enter(Phase::Served);
    }
    fn held_back(&self) -> impl Send {
        self.watch.hold()
    }
}
