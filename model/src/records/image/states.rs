//! What an image may be: its type and its state with numbers and names.

use crate::numbered::numbered;

numbered! {
    /// What an image holds.
    #[derive(Default)]
    ImageType {
        /// A bootable disk.
        #[default]
        Os = 0 "OS",
        /// A read-only CD-ROM.
        Cdrom = 1 "CDROM",
        /// A data disk.
        Datablock = 2 "DATABLOCK",
        /// A kernel file.
        Kernel = 3 "KERNEL",
        /// An initrd file.
        Ramdisk = 4 "RAMDISK",
        /// A file for contextualization.
        Context = 5 "CONTEXT",
        /// A backup of a VM.
        Backup = 6 "BACKUP",
    }
}

impl ImageType {
    /// The type that a template's TYPE means: the default when empty, and as in the reference (`Image.cc`,
    /// `str_to_type`) OS when unknown, which a later check refuses.
    #[must_use]
    pub fn assume(name: &str, default: &str) -> ImageType {
        ImageType::parse(if name.is_empty() { default } else { name }).unwrap_or_default()
    }
    /// Whether a VM can have it as a disk.
    #[must_use]
    pub fn is_disk(self) -> bool {
        matches!(self, ImageType::Os | ImageType::Cdrom | ImageType::Datablock)
    }
    /// Whether it is a file of a file datastore.
    #[must_use]
    pub fn is_file(self) -> bool {
        matches!(self, ImageType::Kernel | ImageType::Ramdisk | ImageType::Context)
    }
    /// Whether it can have snapshots.
    #[must_use]
    pub fn has_snapshots(self) -> bool {
        matches!(self, ImageType::Os | ImageType::Datablock)
    }
}

numbered! {
    /// The state of an image; in texts the persistent states share their names.
    #[derive(Default)]
    State {
        /// Never seen; the state before the first.
        #[default]
        Init = 0 "INIT",
        /// Free to use.
        Ready = 1 "READY",
        /// Used by VMs, each with its copy, or being cloned.
        Used = 2 "USED",
        /// Put out of use by its owner.
        Disabled = 3 "DISABLED",
        /// A driver works on it.
        Locked = 4 "LOCKED",
        /// A driver failed.
        Error = 5 "ERROR",
        /// Persistent and being cloned.
        Clone = 6 "CLONE",
        /// A driver removes it.
        Delete = 7 "DELETE",
        /// Persistent and used by a VM.
        UsedPersistent = 8 "USED",
        /// A driver works on it while VMs wait.
        LockedUsed = 9 "LOCKED_USED",
        /// The same for a persistent image.
        LockedUsedPersistent = 10 "LOCKED_USED",
    }
}

impl State {
    /// Whether a driver works on the image.
    #[must_use]
    pub fn is_locked(self) -> bool {
        matches!(self, State::Locked | State::LockedUsed | State::LockedUsedPersistent)
    }
    /// Whether VMs wait for a driver.
    #[must_use]
    pub fn has_waiting_vms(self) -> bool {
        matches!(self, State::LockedUsed | State::LockedUsedPersistent)
    }
}
