//! The XML-RPC edge: HTTP/1.1 in, XML-RPC calls through one fixed pipeline, streamed replies out.
//!
//! It knows the state machine's table of methods and a [`control::ControlPlane`]; it does not know Raft,
//! peers or disks, and it decides nothing that apply does not decide again.

pub mod address;
pub mod admission;
mod arguments;
mod caller;
pub mod connections;
pub mod control;
pub mod decode;
pub mod detached;
pub mod edge;
pub mod encode;
mod introspection;
pub mod lanes;
mod linger;
pub mod memory;
mod multicall;
pub mod pipeline;
mod rarely;
mod reply;
mod respond;
pub mod server;
pub mod stream;
pub mod value;
