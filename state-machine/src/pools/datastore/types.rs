//! What a datastore holds, how its disks are reached, whether it may be used: numbers and names.

use serde::{Deserialize, Serialize};

/// What a datastore holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum DatastoreType {
    /// Images of disks.
    #[default]
    Image = 0,
    /// Disks of running VMs.
    System = 1,
    /// Files for contextualization, kernels, initial RAM disks.
    File = 2,
    /// Backups of VMs.
    Backup = 3,
}

impl DatastoreType {
    const ALL: [(DatastoreType, &'static str); 4] = [
        (DatastoreType::Image, "IMAGE_DS"),
        (DatastoreType::System, "SYSTEM_DS"),
        (DatastoreType::File, "FILE_DS"),
        (DatastoreType::Backup, "BACKUP_DS"),
    ];

    /// The type of this name, in any case; as in the reference, unknown names mean images.
    #[must_use]
    pub fn assume(name: &str) -> DatastoreType {
        Self::ALL.into_iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(t, _)| t).unwrap_or_default()
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(t, _)| *t == self).map_or("", |(_, n)| n)
    }
}

/// Whether a datastore may be used.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum DatastoreState {
    /// It may.
    #[default]
    Ready = 0,
    /// A system datastore that schedulers leave alone.
    Disabled = 1,
}

/// How a hypervisor reaches a disk. Images have one too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[repr(u8)]
pub enum DiskType {
    /// A file.
    #[default]
    File = 0,
    /// A CD-ROM file.
    CdRom = 1,
    /// A block device.
    Block = 2,
    /// A Ceph volume.
    Rbd = 3,
    /// A Ceph volume as a CD-ROM.
    RbdCdrom = 4,
    /// A Gluster volume.
    Gluster = 5,
    /// A Gluster volume as a CD-ROM.
    GlusterCdrom = 6,
    /// A Sheepdog volume.
    Sheepdog = 7,
    /// A Sheepdog volume as a CD-ROM.
    SheepdogCdrom = 8,
    /// An iSCSI volume.
    Iscsi = 9,
}

impl DiskType {
    const ALL: [(DiskType, &'static str); 10] = [
        (DiskType::File, "FILE"),
        (DiskType::CdRom, "CDROM"),
        (DiskType::Block, "BLOCK"),
        (DiskType::Rbd, "RBD"),
        (DiskType::RbdCdrom, "RBD_CDROM"),
        (DiskType::Gluster, "GLUSTER"),
        (DiskType::GlusterCdrom, "GLUSTER_CDROM"),
        (DiskType::Sheepdog, "SHEEPDOG"),
        (DiskType::SheepdogCdrom, "SHEEPDOG_CDROM"),
        (DiskType::Iscsi, "ISCSI"),
    ];

    /// The type of this name, in any case.
    #[must_use]
    pub fn parse(name: &str) -> Option<DiskType> {
        Self::ALL.into_iter().find(|(_, n)| n.eq_ignore_ascii_case(name)).map(|(t, _)| t)
    }

    /// Its name.
    #[must_use]
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(t, _)| *t == self).map_or("", |(_, n)| n)
    }

    /// The type of a CD-ROM on such storage.
    #[must_use]
    pub fn as_cdrom(self) -> DiskType {
        match self {
            DiskType::Rbd => DiskType::RbdCdrom,
            DiskType::Sheepdog => DiskType::SheepdogCdrom,
            DiskType::Gluster => DiskType::GlusterCdrom,
            _ => DiskType::CdRom,
        }
    }
}
