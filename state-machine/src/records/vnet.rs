//! The record of a kind: on its way here from `pools/`.

pub use crate::pools::vnet::Vnet;
