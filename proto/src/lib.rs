//! The wire and disk formats: types generated from `proto/`, and the frozen bytes of each release.
//!
//! Only formats live here. What the messages mean, and their conversion from and to the types of the program,
//! belongs to `raft-store` and the node's transport; no other crate may see a generated type.

/// Version 1 of the formats.
pub mod v1 {
    #![allow(missing_docs, clippy::all, clippy::pedantic)]
    tonic::include_proto!("quorate.v1");
}
