//! Effects as data: what must happen outside the state machine, recorded until a driver has reported.
//!
//! Apply records and removes pending operations; only the leader carries them out. A report whose
//! operation or attempt is no longer pending is ignored, so drivers may be asked again after a failover.

use serde::{Deserialize, Serialize};

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
        /// The action, by its driver protocol name (`DEPLOY`, `SHUTDOWN`, ...).
        action: String,
    },
    /// A transfer of a VM's disks.
    Transfer {
        /// The VM.
        vm: i32,
        /// Which command file (`prolog`, `epilog`, ...; section 2.2 of the driver notes).
        action: String,
    },
    /// A datastore action on an image (`CP`, `MKFS`, `CLONE`, `RM`, `SNAP_DELETE`, ...).
    Image {
        /// The image.
        image: i32,
        /// The action, by its driver protocol name.
        action: String,
    },
    /// Ask a datastore for its capacity.
    MonitorDatastore {
        /// The datastore.
        datastore: i32,
    },
    /// A marketplace action on an app (`IMPORT`, `DELETE`).
    MarketApp {
        /// The app.
        app: i32,
        /// The action, by its driver protocol name.
        action: String,
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
    /// Create or delete a virtual network outside (`VNET_CREATE`, `VNET_DELETE`).
    Network {
        /// The virtual network.
        network: i32,
        /// The action, by its driver protocol name.
        action: String,
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
    /// Its name, for logs and configuration: nothing of what it carries, which may be secret.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Operation::MonitorHost { .. } => "monitor_host",
            Operation::MonitorDatastore { .. } => "monitor_datastore",
            Operation::Hook { .. } => "hook",
            Operation::Vmm { action, .. }
            | Operation::Transfer { action, .. }
            | Operation::Image { action, .. }
            | Operation::MarketApp { action, .. }
            | Operation::Network { action, .. } => action,
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
