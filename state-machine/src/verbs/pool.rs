//! What a pool does when a verb that all pools share changes one of its objects.
//!
//! It must not know any pool.

use quorate_model::error::ApiError;
use quorate_model::records::Record;
use quorate_model::template::Template;

use crate::txn::Txn;

/// A kind of object with its hooks in the transactions of [`crate::verbs`]; by default they do nothing.
///
/// # Errors
/// What a hook refuses refuses the whole call.
pub trait Pool: Record {
    /// Before `update` stores a template that replaces the old one or joins it: may change it.
    fn updating(_txn: &Txn, _id: i32, _new: &mut Template, _replaces: bool) {}

    /// After `update` has stored the new template; an error's text follows "Cannot update template. ".
    fn updated(_txn: &mut Txn, _id: i32) -> Result<(), String> {
        Ok(())
    }

    /// After `rename`.
    fn renamed(_txn: &mut Txn, _id: i32, _old_name: &str) -> Result<(), ApiError> {
        Ok(())
    }

    /// Before `chown` gives the object to `uid` and `gid` (-1 keeps).
    fn chowning(_txn: &mut Txn, _id: i32, _uid: i32, _gid: i32) -> Result<(), ApiError> {
        Ok(())
    }

    /// After `chown`.
    fn chowned(_txn: &mut Txn, _id: i32) -> Result<(), ApiError> {
        Ok(())
    }

    /// Before `delete` removes the object: refuses, or lets go of what it holds.
    fn deleting(_txn: &mut Txn, _id: i32) -> Result<(), ApiError> {
        Ok(())
    }
}
