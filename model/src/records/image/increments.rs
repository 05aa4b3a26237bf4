//! The chain of increments of a backup image.
//!
//! It must not know how a backup is made.

use serde::{Deserialize, Serialize};

use crate::xml::XmlWriter;

/// One backup of the chain.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Increment {
    /// Its id within the image.
    pub id: i32,
    /// Whether it needs no other to restore from.
    pub full: bool,
    /// When it was made, unix seconds.
    pub date: i64,
    /// The driver's name for it.
    pub source: String,
    /// Its size as the driver gave it, MB.
    pub size_mb: i64,
    /// The one it builds on.
    pub parent: Option<i32>,
}

/// The chain, oldest first.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Increments(Vec<Increment>);

impl Increments {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The newest one.
    #[must_use]
    pub fn last_id(&self) -> Option<i32> {
        self.0.last().map(|i| i.id)
    }
    /// The size of all, MB.
    #[must_use]
    pub fn total_mb(&self) -> i64 {
        self.0.iter().fold(0, |sum, i| sum.saturating_add(i.size_mb))
    }

    /// Adds a backup; the first must be full. Returns its id.
    pub fn add(&mut self, source: &str, size_mb: i64, full: bool, date: i64) -> Option<i32> {
        let parent = self.last_id();
        if parent.is_none() && !full {
            return None;
        }
        let id = parent.map_or(0, |p| p.saturating_add(1));
        self.0.push(Increment { id, full, date, source: source.to_owned(), size_mb, parent });
        Some(id)
    }

    /// Takes over a chain that a driver has flattened: `id:source,...`, the first one now full and so large; older
    /// ones are gone. `false`: the driver's answer names what is not there, and nothing changes.
    pub fn flattened(&mut self, chain: &str, size_mb: i64) -> bool {
        let mut chain_of_ids = Vec::new();
        for part in chain.split(',').filter(|p| !p.is_empty()) {
            let mut fields = part.split(':').filter(|f| !f.is_empty());
            let (Some(id), Some(source), None) = (fields.next(), fields.next(), fields.next()) else { return false };
            let Ok(id) = id.trim().parse::<i32>() else { return false };
            if !self.0.iter().any(|i| i.id == id) {
                return false;
            }
            chain_of_ids.push((id, source));
        }
        let Some((first, _)) = chain_of_ids.first().copied() else { return true };
        for (id, source) in chain_of_ids {
            let Some(increment) = self.0.iter_mut().find(|i| i.id == id) else { continue };
            if id == first {
                increment.full = true;
                increment.parent = None;
                increment.size_mb = size_mb;
            }
            source.clone_into(&mut increment.source);
        }
        self.0.retain(|i| i.id >= first);
        true
    }

    /// `<BACKUP_INCREMENTS>`
    pub fn render(&self, w: &mut XmlWriter) {
        w.element("BACKUP_INCREMENTS", |w| {
            for increment in &self.0 {
                w.element("INCREMENT", |w| {
                    w.cdata("DATE", &increment.date.to_string()).cdata("ID", &increment.id.to_string());
                    w.cdata("PARENT_ID", &increment.parent.unwrap_or(-1).to_string());
                    w.cdata("SIZE", &increment.size_mb.to_string()).cdata("SOURCE", &increment.source);
                    w.cdata("TYPE", if increment.full { "FULL" } else { "INCREMENT" });
                });
            }
        });
    }
}
