//! What a datastore holds, how its disks are reached, whether it may be used: numbers and names.

use crate::numbered::numbered;

numbered! {
    /// What a datastore holds.
    #[derive(Default)]
    DatastoreType {
        /// Images of disks.
        #[default]
        Image = 0 "IMAGE_DS",
        /// Disks of running VMs.
        System = 1 "SYSTEM_DS",
        /// Files for contextualization, kernels, initial RAM disks.
        File = 2 "FILE_DS",
        /// Backups of VMs.
        Backup = 3 "BACKUP_DS",
    }
}

impl DatastoreType {
    /// The type of this name, in any case; as in the reference (`Datastore.cc`, `str_to_type`), unknown names mean
    /// images.
    #[must_use]
    pub fn assume(name: &str) -> DatastoreType {
        DatastoreType::parse(name).unwrap_or_default()
    }
}

numbered! {
    /// Whether a datastore may be used.
    #[derive(Default)]
    DatastoreState {
        /// It may.
        #[default]
        Ready = 0 "READY",
        /// A system datastore that schedulers leave alone.
        Disabled = 1 "DISABLED",
    }
}

numbered! {
    /// How a hypervisor reaches a disk. Images have one too.
    #[derive(Default)]
    DiskType {
        /// A file.
        #[default]
        File = 0 "FILE",
        /// A CD-ROM file.
        CdRom = 1 "CDROM",
        /// A block device.
        Block = 2 "BLOCK",
        /// A Ceph volume.
        Rbd = 3 "RBD",
        /// A Ceph volume as a CD-ROM.
        RbdCdrom = 4 "RBD_CDROM",
        /// A Gluster volume.
        Gluster = 5 "GLUSTER",
        /// A Gluster volume as a CD-ROM.
        GlusterCdrom = 6 "GLUSTER_CDROM",
        /// A Sheepdog volume.
        Sheepdog = 7 "SHEEPDOG",
        /// A Sheepdog volume as a CD-ROM.
        SheepdogCdrom = 8 "SHEEPDOG_CDROM",
        /// An iSCSI volume.
        Iscsi = 9 "ISCSI",
    }
}

impl DiskType {
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
