//! What a datastore is made of.

pub mod types;
