//! What the zone's objects are: one record per kind, with what it is stored as and how it is shown. Data alone.
//!
//! A record must not know objects, the state or transactions: rules that need those stand with the methods, in
//! `pools`.

pub mod datastore;
pub mod host;
pub mod image;
pub mod vm;
