//! What a VM's disks, its state and the configuration of its backups say together: what a backup holds, what it takes
//! at most, whether one is being made. Making and deleting backups is the pool's work.

use super::backups::Mode;
use super::record::Vm;
use super::state::Waits;
use crate::quota::Charge;
use crate::template::{Attribute, Template};

impl Vm {
    /// Takes BACKUP_CONFIG (the first) out of `from`, a new VM's template or one of `one.vm.updateconf`.
    /// `with_volatile`: volatile disks, which stop increments, are thought to take part. `append`: what is not given
    /// stays.
    ///
    /// # Errors
    /// The reference's text, for a BACKUP_CONFIG that is no vector.
    pub fn configure_backups(&mut self, from: &mut Template, with_volatile: bool, append: bool) -> Result<(), String> {
        match from.remove("BACKUP_CONFIG").first() {
            None => Ok(()),
            Some(Attribute::Single(_)) => Err("Internal error parsing BACKUP_CONFIG attribute.".to_owned()),
            Some(Attribute::Vector(given)) => {
                let can_increment = self.can_increment(with_volatile);
                self.backups.configure(given, can_increment, append);
                Ok(())
            }
        }
    }

    /// Whether all disks that take part in backups allow increments: QCOW2 without snapshots, also of the VM as a
    /// whole.
    fn can_increment(&self, with_volatile: bool) -> bool {
        let mut disks = self.disks().filter(|disk| takes_part(disk.value("TYPE"), with_volatile));
        self.template.vector("SNAPSHOT").is_none()
            && disks.all(|disk| {
                let has_snapshots = disk.id("DISK_ID").is_some_and(|id| self.snapshots.contains_key(&id));
                disk.value("FORMAT").eq_ignore_ascii_case("QCOW2") && !has_snapshots
            })
    }

    /// Whether a backup is being made.
    #[must_use]
    pub fn is_in_backup(&self) -> bool {
        self.lcm_state.facts().waits == Waits::Backup
    }

    /// Whether the next backup, or the one in the making, goes to an image of its own.
    #[must_use]
    pub fn makes_backup_image(&self) -> bool {
        self.backups.mode() == Mode::Full || self.backups.incremental_image().is_none()
    }

    /// The most that a backup can take, in MB.
    #[must_use]
    pub fn backup_size(&self) -> i64 {
        let with_volatile = self.backups.with_volatile();
        let disks = self.disks().filter(|disk| takes_part(disk.value("TYPE"), with_volatile));
        disks.filter_map(|disk| disk.int("SIZE")).fold(0, i64::saturating_add)
    }

    /// What is reserved for the backup that is being made: the most that it can take.
    #[must_use]
    pub fn backup_reserve(&self) -> Option<Charge> {
        let store = self.backups.last_datastore().filter(|_| self.is_in_backup())?;
        Some(Charge::datastore(store, i64::from(self.makes_backup_image()), self.backup_size()))
    }

    /// Whether its backups cannot be deleted: one is being made, or increments are being merged into one.
    /// `concurrent_forget`: the datastore can delete one full backup while another is made.
    #[must_use]
    pub fn keeps_backups(&self, concurrent_forget: bool) -> bool {
        let in_the_way = self.backups.mode() == Mode::Increment || !concurrent_forget;
        self.backups.is_flattening() || self.is_in_backup() && in_the_way
    }

    /// A backup's image is gone: a chain of increments that went there begins anew.
    pub fn forget_backup(&mut self, image: i32) {
        self.backups.ids.remove(&image);
        if self.backups.incremental_image() == Some(image) {
            self.backups.set_chain(None, None);
        }
    }
}

/// Whether a disk of this TYPE is backed up.
fn takes_part(disk_type: &str, with_volatile: bool) -> bool {
    match disk_type.to_ascii_uppercase().as_str() {
        "SWAP" => false,
        "FS" => with_volatile,
        _ => true,
    }
}
