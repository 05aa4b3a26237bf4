//! The way into a zone, whatever protocol brings a caller: who calls, how many calls of whom may be under way, which
//! method it is, and whether a call is answered from a state or proposed.
//!
//! It knows the state machine and a [`control::ControlPlane`]. It must not know a protocol of clients, a connection, Raft,
//! peers or disks, and it decides nothing that apply does not decide again.

pub mod admission;
pub mod busy;
pub mod caller;
pub mod client;
pub mod control;
pub mod detached;
pub mod gateway;
pub mod lanes;
pub mod rarely;
pub mod route;
pub mod site;
