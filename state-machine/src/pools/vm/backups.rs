//! The backup configuration of a VM and the images of its backups.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::template::Template;
use crate::xml::XmlWriter;

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
}
