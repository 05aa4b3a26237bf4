//! The pools: one file (or folder) per kind of object with its methods, their handlers and its hooks in a transaction.
//!
//! What the objects are is in `records/`. Which pool may use which is the order in `tidy/src/layers.rs`.

pub mod acl;
pub mod cluster;
pub mod datastore;
pub mod document;
pub mod group;
pub mod hook;
pub mod host;
pub mod image;
pub mod market;
pub mod market_app;
pub mod rollout;
pub mod secgroup;
pub mod system;
pub mod template;
pub mod user;
pub mod vdc;
pub mod vm;
pub mod vmgroup;
pub mod vnet;
pub mod vntemplate;
pub mod vrouter;
pub mod zone;
