//! The XML-RPC edge: HTTP/1.1 in, XML-RPC calls through one fixed pipeline, streamed replies out.
//!
//! It knows the state machine's table of methods and a [`pipeline::ControlPlane`]; it does not know Raft,
//! peers or disks, and it decides nothing that apply does not decide again.

pub mod address;
pub mod admission;
pub mod connections;
pub mod decode;
pub mod encode;
mod introspection;
pub mod lanes;
pub mod memory;
mod multicall;
pub mod pipeline;
mod rarely;
mod reply;
mod respond;
pub mod server;
pub mod stream;
pub mod value;
