//! The backup configuration of a VM and the images of its backups.
//!
//! It must not make or delete backups: that is in `ops/backup`.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::template::{Template, VectorAttribute, whole_int};
use crate::xml::XmlWriter;

/// How a VM's backups follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Each stands alone, in an image of its own.
    Full,
    /// One image; all but its first backup hold what has changed since the one before.
    Increment,
}

impl Mode {
    /// The mode of this name, in any case; other names stand for full backups.
    #[must_use]
    pub fn parse(name: &str) -> Mode {
        if name.eq_ignore_ascii_case("INCREMENT") { Mode::Increment } else { Mode::Full }
    }

    fn name(self) -> &'static str {
        match self {
            Mode::Full => "FULL",
            Mode::Increment => "INCREMENT",
        }
    }
}

/// Where the file systems of a running guest stand still while it is backed up.
const FREEZES: [&str; 3] = ["NONE", "AGENT", "SUSPEND"];

/// `BACKUPS`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Backups {
    /// `BACKUP_CONFIG`.
    pub config: Template,
    /// The images, by id.
    pub ids: BTreeSet<i32>,
}

impl Backups {
    /// `<BACKUPS>`
    pub fn render(&self, w: &mut XmlWriter) {
        w.element("BACKUPS", |w| {
            if self.config.is_empty() {
                w.empty("BACKUP_CONFIG");
            } else {
                self.config.render("BACKUP_CONFIG", w);
            }
            w.ids("BACKUP_IDS", &self.ids);
        });
    }

    /// Whether there is a configuration.
    #[must_use]
    pub fn configured(&self) -> bool {
        !self.config.is_empty()
    }

    /// How backups follow each other.
    #[must_use]
    pub fn mode(&self) -> Mode {
        Mode::parse(self.config.value("MODE"))
    }

    /// Whether increments are made.
    #[must_use]
    pub fn is_incremental(&self) -> bool {
        self.configured() && self.mode() == Mode::Increment
    }

    /// Whether volatile disks take part.
    #[must_use]
    pub fn with_volatile(&self) -> bool {
        self.config.is_yes("BACKUP_VOLATILE")
    }

    /// How many backups (or increments) are kept, 0 for all.
    #[must_use]
    pub fn keep_last(&self) -> usize {
        self.config.get("KEEP_LAST").and_then(whole_int).and_then(|n| usize::try_from(n).ok()).unwrap_or(0)
    }

    fn id(&self, name: &str) -> Option<i32> {
        self.config.int(name).and_then(|n| i32::try_from(n).ok()).filter(|n| *n != -1)
    }

    /// The image of the chain that the next increment goes to.
    #[must_use]
    pub fn incremental_image(&self) -> Option<i32> {
        self.id("INCREMENTAL_BACKUP_ID")
    }

    /// The newest increment of the chain.
    #[must_use]
    pub fn last_increment(&self) -> Option<i32> {
        self.id("LAST_INCREMENT_ID")
    }

    /// Makes increments go on from this one, or (`None`) begin with a full backup.
    pub fn set_chain(&mut self, image: Option<i32>, increment: Option<i32>) {
        self.config.set("INCREMENTAL_BACKUP_ID", image.unwrap_or(-1));
        self.config.set("LAST_INCREMENT_ID", increment.unwrap_or(-1));
    }

    /// The datastore that the backup in the making goes to.
    #[must_use]
    pub fn last_datastore(&self) -> Option<i32> {
        self.id("LAST_DATASTORE_ID")
    }

    /// Forgets what is known of the backup in the making.
    pub fn forget_last(&mut self) {
        for name in ["LAST_DATASTORE_ID", "LAST_BACKUP_ID", "LAST_BACKUP_SIZE"] {
            self.config.remove(name);
        }
    }

    /// Whether increments are being merged into one; until then the chain does not grow.
    #[must_use]
    pub fn is_flattening(&self) -> bool {
        self.config.is_yes("ACTIVE_FLATTEN")
    }

    /// See [`Backups::is_flattening`].
    pub fn set_flattening(&mut self, active: bool) {
        self.config.set("ACTIVE_FLATTEN", if active { "YES" } else { "NO" });
    }

    /// The images beyond KEEP_LAST, oldest first.
    #[must_use]
    pub fn surplus(&self) -> Vec<i32> {
        let keep = self.keep_last();
        let count = if keep == 0 { 0 } else { self.ids.len().saturating_sub(keep) };
        self.ids.iter().copied().take(count).collect()
    }

    /// Takes over a BACKUP_CONFIG. `can_increment`: the VM's disks allow increments; `append`: what it does not say
    /// stays as it is.
    pub fn configure(&mut self, given: &VectorAttribute, can_increment: bool, append: bool) {
        match given.get("KEEP_LAST").and_then(whole_int) {
            Some(keep) => self.config.set("KEEP_LAST", keep.max(0)),
            None if append => {}
            None => {
                self.config.remove("KEEP_LAST");
            }
        }
        if given.get("BACKUP_VOLATILE").is_some() {
            self.config.set("BACKUP_VOLATILE", if given.is_yes("BACKUP_VOLATILE") { "YES" } else { "NO" });
        } else if !append {
            self.config.set("BACKUP_VOLATILE", "NO");
        }
        let freeze = given.value("FS_FREEZE");
        if !freeze.is_empty() || !append {
            self.config.set("FS_FREEZE", if FREEZES.contains(&freeze) { freeze } else { "NONE" });
        }
        if !can_increment {
            self.set_chain(None, None);
            self.config.set("MODE", Mode::Full.name());
        } else if !given.value("MODE").is_empty() || !append {
            let mode = Mode::parse(given.value("MODE"));
            if mode != Mode::Increment || self.mode() != Mode::Increment {
                self.set_chain(None, None);
            }
            self.config.set("MODE", mode.name());
        }
    }
}
