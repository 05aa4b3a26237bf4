//! What a pool announces of its objects to pools above it, which it must not know: it says what happened, not what is to
//! follow. A transaction keeps the announcements; [`crate::reactions`] carries them out before it is committed.
//!
//! Data only.

/// Something has happened to an object that objects of higher pools depend on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Announcement {
    /// Monitoring has failed to reach a host: nobody knows how its VMs are.
    HostLost {
        /// The host.
        host: i32,
    },
}
