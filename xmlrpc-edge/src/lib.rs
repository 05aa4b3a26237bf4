//! The XML-RPC edge: HTTP/1.1 in, XML-RPC calls through one fixed pipeline, streamed replies out.
//!
//! It knows the state machine's table of methods and a [`pipeline::ControlPlane`]; it does not know Raft,
//! peers or disks, and it decides nothing that apply does not decide again.

pub mod admission;
pub mod decode;
pub mod encode;
mod introspection;
pub mod pipeline;
pub mod server;
pub mod value;
