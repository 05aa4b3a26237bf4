//! The state machine of Quorate: the pools of an OpenNebula zone and every API method over them.
//!
//! Pure and deterministic: state and log entry in, new state and reply out. No clock, no I/O, no async, no
//! hash-order iteration; nothing here knows that Raft, tokio or HTTP exist. See docs/architecture.md.

pub mod actors;
pub mod announcement;
pub mod api;
pub mod apply;
pub mod authorize;
pub mod body;
pub mod booking;
pub mod bootstrap;
pub mod budget;
pub mod clean;
pub mod command;
pub mod crypto;
pub mod ctime;
pub mod error;
pub mod first_ids;
pub mod head;
pub mod ids;
pub mod kind;
pub mod levels;
pub mod login;
pub mod machine;
pub mod methods;
pub mod names;
mod numbered;
pub mod object;
pub mod params;
pub mod parts;
pub mod pending;
pub mod pools;
pub mod quota;
pub mod raft_status;
pub mod reactions;
pub mod records;
pub mod reports;
pub mod rules;
pub mod secrets;
pub mod sessions;
pub mod set;
pub mod settings;
pub mod sizes;
pub mod state;
mod store_key;
pub mod table;
pub mod template;
pub mod timers;
pub mod txn;
pub mod verbs;
pub mod vm_operations;
pub mod xml;
pub mod zone_key;
pub mod zone_time;
