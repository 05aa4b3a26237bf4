//! The tree of a disk's snapshots, of images and of the disks of VMs.
//!
//! It must not know where the disk is or what a snapshot costs.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::ids::join_ids;
use crate::xml::XmlWriter;

/// What becomes of the children of a deleted snapshot, and what the parent of a new one is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum Orphans {
    /// Snapshots stand alone (`YES`).
    Allow,
    /// Each snapshot has its parent; chains stay whole (`NO`).
    #[default]
    Deny,
    /// New snapshots descend from the one last reverted to (`MIXED`).
    Mixed,
}

impl Orphans {
    /// What a DISK with this ALLOW_ORPHANS and FORMAT does: `FORMAT` allows orphans of raw disks only.
    #[must_use]
    pub fn of_disk(allow_orphans: &str, format: &str) -> Orphans {
        match allow_orphans.to_ascii_uppercase().as_str() {
            "YES" => Orphans::Allow,
            "MIXED" => Orphans::Mixed,
            "FORMAT" if format.eq_ignore_ascii_case("raw") => Orphans::Allow,
            _ => Orphans::Deny,
        }
    }
    fn name(self) -> &'static str {
        match self {
            Orphans::Allow => "YES",
            Orphans::Deny => "NO",
            Orphans::Mixed => "MIXED",
        }
    }
}

/// A snapshot of a disk.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshot {
    /// Its id within the disk.
    pub id: i32,
    /// Its name, when given.
    pub name: Option<String>,
    /// When it was made, unix seconds.
    pub date: i64,
    /// The disk's size then, MB.
    pub size_mb: i64,
    /// The snapshot it descends from.
    pub parent: Option<i32>,
    /// The snapshots that descend from it.
    pub children: BTreeSet<i32>,
    /// Whether the disk goes on from it.
    pub active: bool,
}

/// The snapshots of a disk.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Snapshots {
    /// Emptied: nothing is shown, not even the settings (as the reference shows images after their VM).
    blank: bool,
    disk_id: Option<i32>,
    orphans: Orphans,
    next: i32,
    current_base: Option<i32>,
    list: Vec<Snapshot>,
}

impl Snapshots {
    /// No snapshots yet, of a VM's disk or (`None`) of an image.
    #[must_use]
    pub fn new(disk_id: Option<i32>, orphans: Orphans) -> Snapshots {
        Snapshots { disk_id, orphans, ..Snapshots::default() }
    }
    /// The same snapshots as those of a VM's disk.
    #[must_use]
    pub fn of_disk(&self, disk_id: i32) -> Snapshots {
        Snapshots { disk_id: Some(disk_id), ..self.clone() }
    }
    /// The same snapshots as those of an image.
    #[must_use]
    pub fn of_image(&self) -> Snapshots {
        Snapshots { disk_id: None, ..self.clone() }
    }
    /// Forgets everything.
    pub fn clear(&mut self) {
        *self = Snapshots { blank: true, ..Snapshots::default() };
    }
    /// The VM's disk they belong to.
    #[must_use]
    pub fn disk_id(&self) -> Option<i32> {
        self.disk_id
    }
    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
    /// All of them, oldest first.
    #[must_use]
    pub fn list(&self) -> &[Snapshot] {
        &self.list
    }
    /// One of them.
    #[must_use]
    pub fn get(&self, id: i32) -> Option<&Snapshot> {
        self.list.iter().find(|s| s.id == id)
    }
    fn get_mut(&mut self, id: i32) -> Option<&mut Snapshot> {
        self.list.iter_mut().find(|s| s.id == id)
    }
    /// The one that the disk goes on from.
    #[must_use]
    pub fn active(&self) -> Option<i32> {
        self.list.iter().find(|s| s.active).map(|s| s.id)
    }
    /// The size of one, MB; 0 when there is no such snapshot.
    #[must_use]
    pub fn size_mb(&self, id: i32) -> i64 {
        self.get(id).map_or(0, |s| s.size_mb)
    }
    /// The size of all, MB.
    #[must_use]
    pub fn total_mb(&self) -> i64 {
        self.list.iter().fold(0, |sum, s| sum.saturating_add(s.size_mb))
    }

    /// Adds a snapshot and returns its id. It does not become active: the driver has to make it first.
    pub fn create(&mut self, name: &str, size_mb: i64, date: i64) -> i32 {
        let id = self.next;
        self.next = self.next.saturating_add(1);
        self.blank = false;
        let parent = match self.orphans {
            Orphans::Deny => self.active(),
            Orphans::Mixed => self.current_base,
            Orphans::Allow => None,
        };
        if let Some(parent) = parent.and_then(|p| self.get_mut(p)) {
            parent.children.insert(id);
        }
        let name = (!name.is_empty()).then(|| name.to_owned());
        self.list.push(Snapshot { id, name, date, size_mb, parent, ..Snapshot::default() });
        id
    }

    /// Makes a snapshot the active one, because it was made or (`revert`) because the disk went back to it.
    /// `false`: there is no such snapshot.
    pub fn activate(&mut self, id: i32, revert: bool) -> bool {
        if self.get(id).is_none() {
            return false;
        }
        if self.active() == Some(id) {
            return true;
        }
        if self.orphans == Orphans::Mixed {
            if !revert {
                return true;
            }
            self.current_base = Some(id);
        }
        for snapshot in &mut self.list {
            snapshot.active = snapshot.id == id;
        }
        true
    }

    /// Gives a snapshot another name.
    ///
    /// # Errors
    /// The reference's text when there is no such snapshot.
    pub fn rename(&mut self, id: i32, name: &str) -> Result<(), String> {
        let snapshot = self.get_mut(id).ok_or_else(missing)?;
        snapshot.name = Some(name.to_owned());
        Ok(())
    }

    /// Removes a snapshot; an only child takes its place, and a parent becomes active in its stead.
    pub fn delete(&mut self, id: i32) {
        let Some(at) = self.list.iter().position(|s| s.id == id) else { return };
        let gone = self.list.remove(at);
        if self.orphans == Orphans::Allow {
            return;
        }
        let Some(parent_id) = gone.parent else { return };
        let heir = if gone.children.len() == 1 { gone.children.first().copied() } else { None };
        let Some(parent) = self.get_mut(parent_id) else { return };
        parent.children.remove(&id);
        parent.children.extend(heir);
        parent.active |= gone.active;
        if let Some(heir) = heir.and_then(|h| self.get_mut(h)) {
            heir.parent = Some(parent_id);
        }
    }

    /// Refuses what a datastore driver cannot delete from an image.
    ///
    /// # Errors
    /// There is no such snapshot, or the disk or another snapshot goes on from it.
    pub fn test_delete_from_image(&self, id: i32) -> Result<(), String> {
        let snapshot = self.get(id).ok_or_else(missing)?;
        if self.orphans == Orphans::Allow {
            return Ok(());
        }
        refuse_if(snapshot.active, "Cannot delete the active snapshot")?;
        refuse_if(!snapshot.children.is_empty(), "Cannot delete snapshot with children")
    }

    /// Refuses what a transfer driver cannot delete from a VM's disk.
    ///
    /// # Errors
    /// There is no such snapshot, or the disk or other snapshots go on from it.
    pub fn test_delete_from_disk(&self, id: i32, persistent: bool) -> Result<(), String> {
        let snapshot = self.get(id).ok_or_else(missing)?;
        match self.orphans {
            Orphans::Allow => Ok(()),
            Orphans::Mixed => {
                refuse_if(snapshot.active, "Cannot delete the active snapshot")?;
                refuse_if(!snapshot.children.is_empty(), "Cannot delete snapshot with children")
            }
            Orphans::Deny => self.test_delete_from_chain(snapshot, persistent),
        }
    }

    fn test_delete_from_chain(&self, snapshot: &Snapshot, persistent: bool) -> Result<(), String> {
        refuse_if(persistent && snapshot.id == 0, "Cannot delete snapshot 0 for persistent disk images")?;
        let children = snapshot.children.len();
        refuse_if(children > 1, "Cannot delete snapshot with more than one children")?;
        let Some(child) = snapshot.children.first() else { return Ok(()) };
        refuse_if(snapshot.active, "Cannot delete the active snapshot with children")?;
        if let Some(child) = self.get(*child) {
            let grandchildren = child.children.len();
            let blocked = grandchildren > 1 || grandchildren == 1 && child.active;
            refuse_if(blocked, "Cannot delete snapshot if child has children")?;
        }
        let siblings = snapshot.parent.and_then(|p| self.get(p)).map_or(0, |p| p.children.len());
        refuse_if(siblings > 1, "Cannot delete snapshot if parent has more than one child")
    }

    /// `<SNAPSHOTS>`
    pub fn render(&self, w: &mut XmlWriter) {
        let id = |id: Option<i32>| id.unwrap_or(-1).to_string();
        w.element("SNAPSHOTS", |w| {
            if self.blank {
                return;
            }
            w.cdata("ALLOW_ORPHANS", self.orphans.name()).cdata("CURRENT_BASE", &id(self.current_base));
            if let Some(disk_id) = self.disk_id {
                w.cdata("DISK_ID", &disk_id.to_string());
            }
            w.cdata("NEXT_SNAPSHOT", &self.next.to_string());
            for snapshot in &self.list {
                w.element("SNAPSHOT", |w| {
                    if snapshot.active {
                        w.cdata("ACTIVE", "YES");
                    }
                    if !snapshot.children.is_empty() {
                        w.cdata("CHILDREN", &join_ids(&snapshot.children));
                    }
                    w.cdata("DATE", &snapshot.date.to_string()).cdata("ID", &snapshot.id.to_string());
                    if let Some(name) = &snapshot.name {
                        w.cdata("NAME", name);
                    }
                    w.cdata("PARENT", &id(snapshot.parent)).cdata("SIZE", &snapshot.size_mb.to_string());
                });
            }
        });
    }
}

fn missing() -> String {
    "Snapshot does not exist".to_owned()
}

fn refuse_if(refused: bool, reason: &str) -> Result<(), String> {
    if refused { Err(reason.to_owned()) } else { Ok(()) }
}
