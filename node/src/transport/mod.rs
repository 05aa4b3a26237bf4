//! What the nodes of a zone say to each other: gRPC over the network seam.
//!
//! Only messages and connections here: Raft's decisions are openraft's, a node's own answers are its
//! [`server::PeerApi`]'s. Nothing that a peer sends may harm the node by its form; what other nodes
//! mean by it is believed by Raft, and by the [`crate::watchdog`], which may end this node.

pub mod acquaintances;
mod client;
mod heartbeats;
pub mod incoming;
mod links;
mod member_request;
pub mod peers;
mod pipeline;
pub mod server;
mod status;
#[cfg(test)]
mod tests;
mod wire;

use std::time::Duration;

pub use links::Links;
pub use member_request::{MemberReply, MemberRequest};
pub use status::{Disk, PeerStatus, Role};

/// Names the zone in every call: a peer of another zone is refused.
const CLUSTER: &str = "quorate-cluster";
/// Names the sender.
const FROM: &str = "quorate-from";
/// Names the node a call is meant for.
const TO: &str = "quorate-to";

/// The number of the sender's database: see [`acquaintances`].
const DATABASE: &str = "quorate-database";
/// The number of the founding of the sender's zone.
const FOUNDING: &str = "quorate-founding";
/// The number of the database with which the sender has met the node that a call is meant for.
const MET: &str = "quorate-met";

/// Largest message in bytes: one large entry must fit; appends of many are bounded by the log's reader.
const MAX_MESSAGE: usize = 128 << 20;
/// How often a silent connection is checked, and how long the check may take: finds dead connections.
const KEEP_ALIVE: Duration = Duration::from_millis(500);
/// The same on the side that was called, which only has a connection's memory to give back.
const IDLE_KEEP_ALIVE: Duration = Duration::from_secs(5);
/// HTTP/2 flow control in bytes: large enough that a pipelined append never waits for a window on a fast network.
const STREAM_WINDOW: u32 = 4 << 20;
/// The same for all streams of a connection together.
const CONNECTION_WINDOW: u32 = 8 << 20;
