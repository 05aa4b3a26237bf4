//! Quotas as data: amounts, what objects use ([`Charge`]; VMs: [`vm::whole`]), the tables of limits and usage of users and
//! groups ([`Quotas`]).
//!
//! It must not know who owns what, nor change anything but a table that it is given: that is `booking`.

mod amount;
mod charge;
mod limits;
pub mod vm;

pub use amount::Amount;
pub use charge::Charge;
pub use limits::{Quotas, Scope, Table};
