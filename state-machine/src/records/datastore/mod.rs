//! What a datastore is made of.

pub mod types;

pub use crate::pools::datastore::Datastore;
