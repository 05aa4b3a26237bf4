//! The XML-RPC edge: HTTP/1.1 in, XML-RPC calls through one fixed pipeline into the gateway, streamed replies out.
//!
//! It bounds what connections and requests take. It must not know who may do what: that is the gateway's and the state
//! machine's business.

pub mod address;
mod arguments;
pub mod client;
pub mod connections;
pub mod decode;
pub mod encode;
mod introspection;
mod linger;
pub mod memory;
mod multicall;
pub mod pipeline;
mod reply;
mod respond;
pub mod server;
pub mod stream;
pub mod value;
