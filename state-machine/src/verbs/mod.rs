//! Verbs that many pools share, written once. A pool's row for one of them is one line.
//!
//! They must not know any kind: what differs comes through [`Pool`].

mod access;
mod allocate;
mod behalf;
mod edit;
mod info;
pub mod listing;
mod pool;

pub use access::{chmod, chmod_object, chown, lock, unlock};
pub use allocate::{
    allocate_clone, allocate_named, check_new, check_restricted, initial_permissions, own, template_to_clone,
    template_to_create,
};
pub use behalf::owner_asked_for;
pub use edit::{delete, merge_extra, parse_new, rename, rename_as, update};
pub use info::{decrypted, info};
pub use listing::{pool_all, pool_info};
pub use pool::Pool;
