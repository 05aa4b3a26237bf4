//! Feature levels: which behaviour apply has is decided by the replicated level, never by the build that applies.
//!
//! A build applies every level up to its newest; the level of a zone only rises, by an entry in the log, so all nodes
//! change their behaviour at the same entry. Who may ask for that, and when, is the node's. How to add one:
//! docs/formats.md.
//!
//! | level | brought |
//! |---|---|
//! | 0 | a zone begins here, until its leader has asked its members: the same as 1 |
//! | 1 | version 0.3.0, where formats and levels begin |

/// The newest level that this build supports.
pub const NEWEST: u32 = if cfg!(feature = "test-next-level") { MARKED_DOCUMENTS } else { 1 };

/// For the test of upgrades only, and no level that a release will have: new documents say which level they were made at.
pub const MARKED_DOCUMENTS: u32 = 1_000_000;

#[cfg(all(feature = "test-next-level", not(debug_assertions)))]
compile_error!("the feature test-next-level is for tests: its level is not one that a release may bring to a zone");

/// Whether a build that supports `supports` can be in a zone at `level`, which program `version` brought there.
///
/// # Errors
/// Why not, and what to install, for the operator.
pub fn fits(level: u32, version: &str, supports: u32) -> Result<(), String> {
    if level <= supports {
        return Ok(());
    }
    Err(format!(
        "the zone is at feature level {level}, this program supports levels up to {supports}: install quorate {version} or newer"
    ))
}
