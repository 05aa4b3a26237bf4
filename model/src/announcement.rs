//! What a pool announces of its objects to pools above it, which it must not know: it says what happened, not what is
//! to follow. A transaction keeps the announcements; `reactions` carries them out before it is committed.
//!
//! Data only.

/// Something has happened to an object that objects of higher pools depend on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Announcement {
    /// A network has changed in a way that reaches the NICs of its VMs, or more of it is to reach them.
    NetworkChanged {
        /// The network.
        network: i32,
    },
    /// Monitoring has failed to reach a host: nobody knows how its VMs are.
    HostLost {
        /// The host.
        host: i32,
    },
    /// The driver that VMs of an image wait for has made it, or failed.
    ImageSettled {
        /// The image.
        image: i32,
    },
    /// The image that a VM's disk is to be saved in has been made.
    SaveTargetMade {
        /// The image.
        image: i32,
        /// The VM.
        vm: i32,
        /// The disk's id within the VM.
        disk: i32,
    },
    /// The image that a VM's disk was to be saved in could not be made, or was deleted.
    SaveTargetLost {
        /// The VM.
        vm: i32,
    },
    /// The image of a VM's backup is gone.
    BackupRemoved {
        /// The image.
        image: i32,
        /// The VM.
        vm: i32,
    },
    /// A driver has made the oldest increments of a VM's backup one, or failed.
    IncrementsFlattened {
        /// The VM.
        vm: i32,
    },
}
