//! The version that envelopes, snapshots, backups and databases say they are of, and what is said of any other.

use std::path::Path;

/// The version that this program writes, and the only one that it reads. 0 and 1 are what quorate 0.1 and 0.2 wrote.
pub const VERSION: u32 = 2;

/// Whether `what` of version `found` can be read.
///
/// # Errors
/// When `found` is another version than [`VERSION`]; the text says what to do, for the operator.
pub fn check(what: &str, found: u32) -> Result<(), String> {
    match found {
        VERSION => Ok(()),
        0 | 1 => Err(format!(
            "{what} of format {found}, which quorate 0.1 and 0.2 wrote; this program reads {VERSION} (0.3.0 and newer) \
             and cannot convert it: go on with the program that wrote it, or begin a new zone"
        )),
        _ => Err(format!("{what} of format {found}, this program reads {VERSION}: upgrade this node")),
    }
}

/// What to do when quorate 0.1 or 0.2 wrote what is in a directory, for the operator.
pub(crate) fn of_old_versions(dir: &Path) -> String {
    format!(
        "if quorate 0.1 or 0.2 wrote {}, this program (0.3.0 and newer) does not read it and cannot convert it: go on \
         with the program that wrote it, or begin a new zone",
        dir.display()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_operator_hears_whether_it_is_too_old_or_too_new() {
        assert_eq!(check("a backup", VERSION), Ok(()));
        for old in 0..VERSION {
            let refusal = check("a backup", old).unwrap_err();
            assert!(refusal.contains("0.1 and 0.2 wrote") && !refusal.contains("upgrade"), "{refusal}");
        }
        assert!(check("a backup", VERSION + 1).unwrap_err().contains("upgrade this node"));
    }
}
