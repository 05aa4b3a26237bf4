//! A node of a Quorate zone: wiring, configuration, peer transport, leader services and the command line.
//!
//! The one crate that knows all others. What it must not hold: rules of the API (state-machine), formats
//! (proto), storage (raft-store), the client protocol (xmlrpc-edge).

mod about;
mod address;
mod admin;
mod bench;
mod bounded;
mod change_lock;
pub mod cli;
pub mod client;
mod clock_watch;
mod clocks;
pub mod config;
mod control_plane;
mod data_dir;
mod descriptors;
mod durable;
pub mod founding;
mod handover;
mod join;
mod key_giver;
mod leader;
mod leadership;
mod levels;
pub mod local_zone;
mod members;
pub mod net;
pub mod node;
mod peer_api;
pub mod ports;
mod probes;
pub mod production;
mod proposer;
mod proxy_protocol;
mod raft_status;
mod read_gate;
mod refusals;
mod role_hooks;
#[cfg(feature = "sabotage")]
pub mod sabotage;
mod said;
mod settings;
pub mod tls;
mod transport;
pub mod verdict;
pub mod wall;
mod watchdog;
mod wiring;
mod zone_clock;
pub mod zone_key;
