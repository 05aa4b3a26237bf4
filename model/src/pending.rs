//! Effects as data: what must happen outside the state machine, recorded until a driver has reported.
//!
//! Apply records and removes pending operations; only the leader carries them out. A report whose
//! operation or attempt is no longer pending is ignored, so drivers may be asked again after a failover.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use crate::clean::cleaned;
use crate::kind::Kind;

/// An operation that a driver must carry out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PendingOperation {
    /// Unique, never reused.
    pub id: u64,
    /// From 1; a repeated request of the same step raises it, and older reports are ignored.
    pub attempt: u32,
    /// When it was recorded, unix seconds.
    pub since: i64,
    /// What to do.
    pub operation: Operation,
}

/// An enum of a driver's actions. What is stored is the protocol's name of the action: a value with another name is not
/// read, so that no build takes an action for one that it does not know.
macro_rules! actions {
    ($(#[$of_all:meta])* $name:ident { $($(#[$of_one:meta])* $variant:ident = $text:literal,)* }) => {
        $(#[$of_all])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        pub enum $name {
            $($(#[$of_one])* #[serde(rename = $text)] $variant,)*
        }
        impl $name {
            /// Every action.
            pub const ALL: &'static [$name] = &[$($name::$variant,)*];
            /// The protocol's name of it.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $($name::$variant => $text,)* }
            }
        }
    };
}

actions! {
    /// What a hypervisor driver does with a VM.
    VmmAction {
        /// Boot it.
        Deploy = "DEPLOY",
        /// Go on with it from where it was saved.
        Restore = "RESTORE",
        /// Move it live to another host.
        Migrate = "MIGRATE",
        /// Shut it down by its system.
        Shutdown = "SHUTDOWN",
        /// Stop it at once.
        Cancel = "CANCEL",
        /// Save it to a file and stop it.
        Save = "SAVE",
        /// Restart it by its system.
        Reboot = "REBOOT",
        /// Restart it at once.
        Reset = "RESET",
        /// Stop it, whatever it does, and remove its files from its host.
        Cleanup = "CLEANUP",
        /// The same on both hosts of a migration: OpenNebula's CLEANUP with two hosts.
        CleanupBoth = "CLEANUP_BOTH",
        /// The same on the host that is left.
        CleanupPrevious = "CLEANUP_PREVIOUS",
        /// Plug a disk.
        AttachDisk = "ATTACHDISK",
        /// Unplug a disk.
        DetachDisk = "DETACHDISK",
        /// Plug a NIC.
        AttachNic = "ATTACHNIC",
        /// Unplug a NIC.
        DetachNic = "DETACHNIC",
        /// Make a snapshot of the VM.
        SnapshotCreate = "SNAPSHOTCREATE",
        /// Go back to one.
        SnapshotRevert = "SNAPSHOTREVERT",
        /// Delete one.
        SnapshotDelete = "SNAPSHOTDELETE",
        /// Make a snapshot of a disk.
        DiskSnapshotCreate = "DISKSNAPSHOTCREATE",
        /// Grow a disk.
        ResizeDisk = "RESIZEDISK",
        /// Change CPU and memory.
        Resize = "RESIZE",
        /// Renew the context.
        UpdateConf = "UPDATECONF",
        /// Make a backup.
        Backup = "BACKUP",
        /// Stop making one.
        BackupCancel = "BACKUPCANCEL",
    }
}

actions! {
    /// What a transfer driver does with the files of a VM: which command file it is given.
    TransferAction {
        /// Bring the disks to the host.
        Prolog = "prolog",
        /// Bring the files of a stopped or undeployed VM to the host.
        Resume = "resume",
        /// Move the files to another host.
        Migrate = "migrate",
        /// Bring the files to the front-end.
        Stop = "stop",
        /// Bring the disks back and remove the files from the host.
        Epilog = "epilog",
        /// The same of files on the front-end.
        EpilogLocal = "epilog_local",
        /// Remove the files.
        Delete = "delete",
        /// Remove the files from both hosts of a migration.
        DeleteBoth = "delete_both",
        /// Bring a disk for a VM that is off.
        PrologAttach = "prolog_attach",
        /// Take a disk back from a VM that is off.
        EpilogDetach = "epilog_detach",
        /// Copy a disk into an image.
        DiskSaveas = "disk_saveas",
        /// Make, delete or go back to a snapshot of a disk.
        DiskSnapshot = "disk_snapshot",
        /// Grow a disk of a VM that is off.
        DiskResize = "disk_resize",
    }
}

actions! {
    /// What a datastore driver does with an image.
    ImageAction {
        /// Copy a file into the datastore.
        Copy = "CP",
        /// Copy an image.
        Clone = "CLONE",
        /// Make an empty one.
        Make = "MKFS",
        /// Remove it.
        Remove = "RM",
        /// Delete a snapshot.
        SnapshotDelete = "SNAP_DELETE",
        /// Go back to a snapshot.
        SnapshotRevert = "SNAP_REVERT",
        /// Make the image of a snapshot, without any.
        SnapshotFlatten = "SNAP_FLATTEN",
        /// Make the oldest increments of a backup one.
        IncrementFlatten = "INCREMENT_FLATTEN",
    }
}

actions! {
    /// What a marketplace driver does with an app.
    MarketAction {
        /// Copy it into the marketplace.
        Import = "IMPORT",
        /// Remove it.
        Delete = "DELETE",
    }
}

actions! {
    /// What a network driver does with a virtual network.
    NetworkAction {
        /// Create it.
        Create = "VNET_CREATE",
        /// Delete it.
        Delete = "VNET_DELETE",
    }
}

/// What a driver must do. Object data is read from the state when the operation is carried out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Operation {
    /// Start monitoring a host; the report carries its first SYSTEM_HOST template.
    MonitorHost {
        /// The host.
        host: i32,
    },
    /// A hypervisor action on a VM.
    Vmm {
        /// The VM.
        vm: i32,
        /// The action.
        action: VmmAction,
    },
    /// A transfer of a VM's disks.
    Transfer {
        /// The VM.
        vm: i32,
        /// The action.
        action: TransferAction,
    },
    /// A datastore action on an image.
    Image {
        /// The image.
        image: i32,
        /// The action.
        action: ImageAction,
    },
    /// Ask a datastore for its capacity.
    MonitorDatastore {
        /// The datastore.
        datastore: i32,
    },
    /// A marketplace action on an app.
    MarketApp {
        /// The app.
        app: i32,
        /// The action.
        action: MarketAction,
    },
    /// Run a hook's command.
    Hook {
        /// The hook.
        hook: i32,
        /// What the command is given.
        arguments: String,
        /// The host for hooks that run on one; else empty.
        remote_host: String,
        /// Whether it ran before.
        retry: bool,
    },
    /// Create or delete a virtual network outside.
    Network {
        /// The virtual network.
        network: i32,
        /// The action.
        action: NetworkAction,
        /// The network's XML, when it is gone already and cannot be read from the state.
        #[serde(default)]
        document: Option<String>,
    },
    /// Bring changed attributes of a VM's NICs to its host (`UPDATENIC`).
    UpdateNic {
        /// The VM.
        vm: i32,
        /// The virtual network whose NICs changed; -1 when it is a NIC without one.
        network: i32,
    },
    /// Bring the rules of a security group to a VM's host (`UPDATESG`).
    UpdateSecurityGroup {
        /// The VM.
        vm: i32,
        /// The security group.
        group: i32,
    },
}

impl Operation {
    /// What it works on: no two operations with one target are carried out at a time, since answers of OpenNebula's
    /// drivers name no more than that. `None`: it may run beside any other.
    #[must_use]
    pub const fn target(&self) -> Option<(Kind, i32)> {
        Some(match self {
            // It ends another one.
            Operation::Vmm { action: VmmAction::BackupCancel, .. } | Operation::Hook { .. } => return None,
            Operation::Vmm { vm, .. }
            | Operation::Transfer { vm, .. }
            | Operation::UpdateNic { vm, .. }
            | Operation::UpdateSecurityGroup { vm, .. } => (Kind::Vm, *vm),
            Operation::MonitorHost { host } => (Kind::Host, *host),
            Operation::MonitorDatastore { datastore } => (Kind::Datastore, *datastore),
            Operation::Image { image, .. } => (Kind::Image, *image),
            Operation::MarketApp { app, .. } => (Kind::MarketApp, *app),
            Operation::Network { network, .. } => (Kind::Net, *network),
        })
    }

    /// Its name, for logs and configuration: nothing of what it carries, which may be secret.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Operation::MonitorHost { .. } => "monitor_host",
            Operation::MonitorDatastore { .. } => "monitor_datastore",
            Operation::Hook { .. } => "hook",
            Operation::Vmm { action, .. } => action.name(),
            Operation::Transfer { action, .. } => action.name(),
            Operation::Image { action, .. } => action.name(),
            Operation::MarketApp { action, .. } => action.name(),
            Operation::Network { action, .. } => action.name(),
            Operation::UpdateNic { .. } => "updatenic",
            Operation::UpdateSecurityGroup { .. } => "updatesg",
        }
    }
}

/// A driver's answer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DriverReport {
    /// The operation.
    pub operation: u64,
    /// The attempt it answers.
    pub attempt: u32,
    /// What came of it: the driver's payload, or its message of failure.
    pub outcome: Result<String, String>,
}

/// The text that a driver has sent in base64; `None` when it is none.
#[must_use]
pub fn decoded(payload: &str) -> Option<String> {
    let bytes = BASE64.decode(payload.trim()).ok()?;
    Some(cleaned(&String::from_utf8_lossy(&bytes)).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is stored of an action, and whether that is read as the same.
    fn stored<A: Serialize + for<'a> Deserialize<'a> + PartialEq>(action: &A) -> Vec<u8> {
        let bytes = rmp_serde::to_vec_named(action).expect("an action is written");
        assert!(rmp_serde::from_slice::<A>(&bytes).is_ok_and(|read| read == *action));
        bytes
    }

    #[test]
    fn an_action_is_stored_as_the_text_that_drivers_know() {
        let as_text = |name: &str| rmp_serde::to_vec_named(name).expect("a text is written");
        VmmAction::ALL.iter().for_each(|action| assert_eq!(stored(action), as_text(action.name())));
        TransferAction::ALL.iter().for_each(|action| assert_eq!(stored(action), as_text(action.name())));
        ImageAction::ALL.iter().for_each(|action| assert_eq!(stored(action), as_text(action.name())));
        MarketAction::ALL.iter().for_each(|action| assert_eq!(stored(action), as_text(action.name())));
        NetworkAction::ALL.iter().for_each(|action| assert_eq!(stored(action), as_text(action.name())));
        assert!(rmp_serde::from_slice::<ImageAction>(&as_text("cp")).is_err(), "nothing guesses");
    }
}
