//! The state machine of Quorate: the pools of an OpenNebula zone and every API method over them.
//!
//! Pure and deterministic: state and log entry in, new state and reply out. No clock, no I/O, no async, no
//! hash-order iteration; nothing here knows that Raft, tokio or HTTP exist. See docs/architecture.md.

pub mod actors;
pub mod apply;
pub mod authorize;
pub mod booking;
pub mod bootstrap;
pub mod budget;
pub mod ctime;
pub mod effect;
pub mod first_ids;
pub mod levels;
pub mod login;
pub mod machine;
pub mod methods;
pub mod names;
pub mod observations;
pub mod params;
pub mod pools;
pub mod reactions;
pub mod reports;
pub mod rules;
pub mod secrets;
pub mod sessions;
pub mod sizes;
pub mod state;
pub mod store_key;
pub mod table;
pub mod timers;
pub mod txn;
pub mod verbs;
pub mod zone_key;
pub mod zone_time;
