//! Log matching: two logs that have an entry of the same index and term are the same up to it (Raft, figure 3).
//!
//! Checked by induction, so that it costs the same for every entry that is written: an entry of an index and a term has
//! one content, and one entry before it, in whatever log it is.

use std::collections::HashMap;

use quorate_raft_store::types::LogId;

/// What an entry is: its content's checksum and the term of the entry before it, where that was known.
#[derive(Clone, Copy)]
struct Known {
    checksum: u64,
    before: Option<u64>,
}

/// Every entry that was ever written, by index and term. Looked up only: its order does not matter.
#[derive(Default)]
pub struct Matching(HashMap<(u64, u64), Known>);

impl Matching {
    /// An entry with this checksum is written behind one of this term (`None`: that one is no longer in the log).
    pub fn written(&mut self, id: LogId, checksum: u64, before: Option<u64>) -> Result<(), String> {
        let known = self.0.entry((id.index, id.leader_id.term)).or_insert(Known { checksum, before });
        if known.checksum != checksum {
            return Err(format!("entry {id} is not what another node has as {id}"));
        }
        match (known.before, before) {
            (Some(other), Some(before)) if other != before => {
                Err(format!("logs do not match: {id} follows an entry of term {before}, on another node of {other}"))
            }
            (None, Some(_)) => {
                known.before = before;
                Ok(())
            }
            _ => Ok(()),
        }
    }
}
