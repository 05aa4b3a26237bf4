//! The states of a VM, with the reference's numbers and names.
//!
//! What follows from what a VM is doing stands here, one row per state; nobody else lists states for that. It must not
//! know which change of state is allowed: that is in the pool's tables.

use crate::numbered::numbered;

numbered! {
    /// `STATE`.
    State {
        Init = 0 "INIT",
        Pending = 1 "PENDING",
        Hold = 2 "HOLD",
        Active = 3 "ACTIVE",
        Stopped = 4 "STOPPED",
        Suspended = 5 "SUSPENDED",
        Done = 6 "DONE",
        Poweroff = 8 "POWEROFF",
        Undeployed = 9 "UNDEPLOYED",
        Cloning = 10 "CLONING",
        CloningFailure = 11 "CLONING_FAILURE",
    }
}

numbered! {
    /// `LCM_STATE`: what an active VM is doing.
    LcmState {
        LcmInit = 0 "LCM_INIT",
        Prolog = 1 "PROLOG",
        Boot = 2 "BOOT",
        Running = 3 "RUNNING",
        Migrate = 4 "MIGRATE",
        SaveStop = 5 "SAVE_STOP",
        SaveSuspend = 6 "SAVE_SUSPEND",
        SaveMigrate = 7 "SAVE_MIGRATE",
        PrologMigrate = 8 "PROLOG_MIGRATE",
        PrologResume = 9 "PROLOG_RESUME",
        EpilogStop = 10 "EPILOG_STOP",
        Epilog = 11 "EPILOG",
        Shutdown = 12 "SHUTDOWN",
        CleanupResubmit = 15 "CLEANUP_RESUBMIT",
        Unknown = 16 "UNKNOWN",
        Hotplug = 17 "HOTPLUG",
        ShutdownPoweroff = 18 "SHUTDOWN_POWEROFF",
        BootUnknown = 19 "BOOT_UNKNOWN",
        BootPoweroff = 20 "BOOT_POWEROFF",
        BootSuspended = 21 "BOOT_SUSPENDED",
        BootStopped = 22 "BOOT_STOPPED",
        CleanupDelete = 23 "CLEANUP_DELETE",
        HotplugSnapshot = 24 "HOTPLUG_SNAPSHOT",
        HotplugNic = 25 "HOTPLUG_NIC",
        HotplugSaveas = 26 "HOTPLUG_SAVEAS",
        HotplugSaveasPoweroff = 27 "HOTPLUG_SAVEAS_POWEROFF",
        HotplugSaveasSuspended = 28 "HOTPLUG_SAVEAS_SUSPENDED",
        ShutdownUndeploy = 29 "SHUTDOWN_UNDEPLOY",
        EpilogUndeploy = 30 "EPILOG_UNDEPLOY",
        PrologUndeploy = 31 "PROLOG_UNDEPLOY",
        BootUndeploy = 32 "BOOT_UNDEPLOY",
        HotplugPrologPoweroff = 33 "HOTPLUG_PROLOG_POWEROFF",
        HotplugEpilogPoweroff = 34 "HOTPLUG_EPILOG_POWEROFF",
        BootMigrate = 35 "BOOT_MIGRATE",
        BootFailure = 36 "BOOT_FAILURE",
        BootMigrateFailure = 37 "BOOT_MIGRATE_FAILURE",
        PrologMigrateFailure = 38 "PROLOG_MIGRATE_FAILURE",
        PrologFailure = 39 "PROLOG_FAILURE",
        EpilogFailure = 40 "EPILOG_FAILURE",
        EpilogStopFailure = 41 "EPILOG_STOP_FAILURE",
        EpilogUndeployFailure = 42 "EPILOG_UNDEPLOY_FAILURE",
        PrologMigratePoweroff = 43 "PROLOG_MIGRATE_POWEROFF",
        PrologMigratePoweroffFailure = 44 "PROLOG_MIGRATE_POWEROFF_FAILURE",
        PrologMigrateSuspend = 45 "PROLOG_MIGRATE_SUSPEND",
        PrologMigrateSuspendFailure = 46 "PROLOG_MIGRATE_SUSPEND_FAILURE",
        BootUndeployFailure = 47 "BOOT_UNDEPLOY_FAILURE",
        BootStoppedFailure = 48 "BOOT_STOPPED_FAILURE",
        PrologResumeFailure = 49 "PROLOG_RESUME_FAILURE",
        PrologUndeployFailure = 50 "PROLOG_UNDEPLOY_FAILURE",
        DiskSnapshotPoweroff = 51 "DISK_SNAPSHOT_POWEROFF",
        DiskSnapshotRevertPoweroff = 52 "DISK_SNAPSHOT_REVERT_POWEROFF",
        DiskSnapshotDeletePoweroff = 53 "DISK_SNAPSHOT_DELETE_POWEROFF",
        DiskSnapshotSuspended = 54 "DISK_SNAPSHOT_SUSPENDED",
        DiskSnapshotDeleteSuspended = 56 "DISK_SNAPSHOT_DELETE_SUSPENDED",
        DiskSnapshot = 57 "DISK_SNAPSHOT",
        DiskSnapshotDelete = 59 "DISK_SNAPSHOT_DELETE",
        PrologMigrateUnknown = 60 "PROLOG_MIGRATE_UNKNOWN",
        PrologMigrateUnknownFailure = 61 "PROLOG_MIGRATE_UNKNOWN_FAILURE",
        DiskResize = 62 "DISK_RESIZE",
        DiskResizePoweroff = 63 "DISK_RESIZE_POWEROFF",
        DiskResizeUndeployed = 64 "DISK_RESIZE_UNDEPLOYED",
        HotplugNicPoweroff = 65 "HOTPLUG_NIC_POWEROFF",
        HotplugResize = 66 "HOTPLUG_RESIZE",
        HotplugSaveasUndeployed = 67 "HOTPLUG_SAVEAS_UNDEPLOYED",
        HotplugSaveasStopped = 68 "HOTPLUG_SAVEAS_STOPPED",
        Backup = 69 "BACKUP",
        BackupPoweroff = 70 "BACKUP_POWEROFF",
    }
}

numbered! {
    /// `HISTORY/ACTION`: the last action recorded in a history record.
    VmAction {
        None = 0 "none",
        Migrate = 1 "migrate",
        LiveMigrate = 2 "live-migrate",
        Undeploy = 5 "undeploy",
        UndeployHard = 6 "undeploy-hard",
        Hold = 7 "hold",
        Release = 8 "release",
        Stop = 9 "stop",
        Suspend = 10 "suspend",
        Resume = 11 "resume",
        Delete = 13 "delete",
        DeleteRecreate = 14 "delete-recreate",
        Reboot = 15 "reboot",
        RebootHard = 16 "reboot-hard",
        Resched = 17 "resched",
        Unresched = 18 "unresched",
        Poweroff = 19 "poweroff",
        PoweroffHard = 20 "poweroff-hard",
        DiskAttach = 21 "disk-attach",
        DiskDetach = 22 "disk-detach",
        NicAttach = 23 "nic-attach",
        NicDetach = 24 "nic-detach",
        DiskSnapshotCreate = 25 "disk-snapshot-create",
        DiskSnapshotDelete = 26 "disk-snapshot-delete",
        Terminate = 27 "terminate",
        TerminateHard = 28 "terminate-hard",
        DiskResize = 29 "disk-resize",
        Deploy = 30 "deploy",
        Chown = 31 "chown",
        Chmod = 32 "chmod",
        Updateconf = 33 "updateconf",
        Rename = 34 "rename",
        Resize = 35 "resize",
        Update = 36 "update",
        SnapshotCreate = 37 "snapshot-create",
        SnapshotDelete = 38 "snapshot-delete",
        SnapshotRevert = 39 "snapshot-revert",
        DiskSaveas = 40 "disk-saveas",
        DiskSnapshotRevert = 41 "disk-snapshot-revert",
        Recover = 42 "recover",
        Retry = 43 "retry",
        Monitor = 44 "monitor",
        DiskSnapshotRename = 45 "disk-snapshot-rename",
        AliasAttach = 46 "alias-attach",
        AliasDetach = 47 "alias-detach",
        PoweroffMigrate = 48 "poweroff-migrate",
        PoweroffHardMigrate = 49 "poweroff-hard-migrate",
        Backup = 50 "backup",
        NicUpdate = 51 "nic-update",
        BackupCancel = 52 "backup-cancel",
        SchedAdd = 53 "sched-add",
        SchedUpdate = 54 "sched-update",
        SchedDelete = 55 "sched-delete",
        SgAttach = 56 "sg-attach",
        SgDetach = 57 "sg-detach",
    }
}

impl VmAction {
    /// The keyword by which operation lists name an action.
    #[must_use]
    pub fn keyword(self) -> &'static str {
        use VmAction as A;
        match self {
            A::Terminate | A::TerminateHard => "terminate",
            A::Undeploy | A::UndeployHard => "undeploy",
            A::Poweroff | A::PoweroffHard => "poweroff",
            A::Reboot | A::RebootHard => "reboot",
            A::Resched | A::Unresched => "resched",
            A::DeleteRecreate | A::Delete => "delete",
            A::Migrate | A::LiveMigrate | A::PoweroffMigrate | A::PoweroffHardMigrate => "migrate",
            A::DiskAttach | A::DiskDetach => "disk-attach",
            A::NicAttach | A::NicDetach | A::AliasAttach | A::AliasDetach | A::NicUpdate => "nic-attach",
            A::DiskSnapshotCreate | A::DiskSnapshotDelete | A::DiskSnapshotRevert | A::DiskSnapshotRename => {
                "disk-snapshot"
            }
            A::SnapshotCreate | A::SnapshotDelete | A::SnapshotRevert => "snapshot",
            A::SchedAdd | A::SchedUpdate | A::SchedDelete => "sched-action",
            A::SgAttach | A::SgDetach => "sg-attach",
            A::Backup | A::BackupCancel => "backup",
            other => other.name(),
        }
    }
}

/// Whether a VM that is doing something has its interfaces changed, and how.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Interfaces {
    /// It runs and nothing is done to it: its host is told.
    Undisturbed,
    /// It runs while a backup is made.
    BackedUp,
    /// It runs while something of it other than its interfaces is changed.
    Busy,
    /// Its host is just being told what interfaces it has, or is not known to be there: no change can come to it now.
    Unreachable,
    /// No host needs to know: the change comes to the VM's template alone.
    Template,
}

/// Whose answer an active VM waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Waits {
    /// Nobody's.
    Nothing,
    /// The transfer driver's: its files are on the host.
    Prolog,
    /// The transfer driver's: its files have left the host.
    Epilog,
    /// The hypervisor driver's: it was deployed, restored or migrated live.
    Boot,
    /// The hypervisor driver's: it was shut down or cancelled.
    Shutdown,
    /// The hypervisor driver's: it was saved.
    Save,
    /// A driver's: the host is cleaned up.
    Cleanup,
    /// To plugging or unplugging a disk, or renewing the context, while it runs: which, the action says.
    Plug,
    /// To bringing a disk to a VM that is off.
    DiskAttach,
    /// To taking a disk back from a VM that is off.
    DiskDetach,
    /// To plugging or unplugging a NIC: which, the action says.
    Nic,
    /// To what is done to a snapshot of the VM.
    VmSnapshot,
    /// To saving a disk in an image.
    Saveas,
    /// To changing its capacity.
    Resize,
    /// To what is done to a snapshot of a disk.
    DiskSnapshot,
    /// To growing a disk.
    DiskResize,
    /// To making a backup.
    Backup,
}

/// Where a VM goes back to when what is done to a part of it is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Back {
    /// No part of it is changed: the table of events says where it goes.
    Nowhere,
    /// It runs on.
    Running,
    /// To this state.
    To(State),
    /// To this state, and its history record ends running now.
    Ended(State),
}

/// What follows from what an active VM is doing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Facts {
    /// Whether quotas count it as running: not while something is done to a VM that is at rest.
    pub runs: bool,
    /// Whether `one.vm.updateconf` may change it (the reference: `src/vm/VirtualMachine.cc`, `updateconf`).
    pub configurable: bool,
    /// How its interfaces are changed.
    pub interfaces: Interfaces,
    /// Whose answer it waits for.
    pub waits: Waits,
    /// Where it goes back to.
    pub back: Back,
}

const fn row(runs: bool, configurable: bool, interfaces: Interfaces, waits: Waits, back: Back) -> Facts {
    Facts { runs, configurable, interfaces, waits, back }
}

impl LcmState {
    /// What follows from it: one row per state, and the only place that says so.
    #[rustfmt::skip]
    #[must_use]
    pub const fn facts(self) -> Facts {
        use {Back as B, Interfaces as I, LcmState as L, State as S, Waits as W};
        const RUNS: bool = true;
        const REST: bool = false;
        const CONF: bool = true;
        const KEPT: bool = false;
        match self {
            L::LcmInit                      => row(RUNS, CONF, I::Template,    W::Nothing,      B::Nowhere),
            L::Prolog                       => row(RUNS, CONF, I::Template,    W::Prolog,       B::Nowhere),
            L::Boot                         => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::Running                      => row(RUNS, CONF, I::Undisturbed, W::Nothing,      B::Nowhere),
            L::Migrate                      => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::SaveStop                     => row(RUNS, KEPT, I::Template,    W::Save,         B::Nowhere),
            L::SaveSuspend                  => row(RUNS, KEPT, I::Template,    W::Save,         B::Nowhere),
            L::SaveMigrate                  => row(RUNS, KEPT, I::Template,    W::Save,         B::Nowhere),
            L::PrologMigrate                => row(RUNS, KEPT, I::Template,    W::Prolog,       B::Nowhere),
            L::PrologResume                 => row(RUNS, KEPT, I::Template,    W::Prolog,       B::Nowhere),
            L::EpilogStop                   => row(RUNS, KEPT, I::Template,    W::Epilog,       B::Nowhere),
            L::Epilog                       => row(RUNS, CONF, I::Template,    W::Epilog,       B::Nowhere),
            L::Shutdown                     => row(RUNS, CONF, I::Template,    W::Shutdown,     B::Nowhere),
            L::CleanupResubmit              => row(RUNS, CONF, I::Template,    W::Cleanup,      B::Nowhere),
            L::Unknown                      => row(RUNS, KEPT, I::Unreachable, W::Nothing,      B::Nowhere),
            L::Hotplug                      => row(RUNS, KEPT, I::Busy,        W::Plug,         B::Running),
            L::ShutdownPoweroff             => row(RUNS, CONF, I::Template,    W::Shutdown,     B::Nowhere),
            L::BootUnknown                  => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::BootPoweroff                 => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::BootSuspended                => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::BootStopped                  => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::CleanupDelete                => row(RUNS, CONF, I::Template,    W::Cleanup,      B::Nowhere),
            L::HotplugSnapshot              => row(RUNS, KEPT, I::Busy,        W::VmSnapshot,   B::Running),
            L::HotplugNic                   => row(RUNS, KEPT, I::Unreachable, W::Nic,          B::Running),
            L::HotplugSaveas                => row(RUNS, KEPT, I::Busy,        W::Saveas,       B::Running),
            L::HotplugSaveasPoweroff        => row(REST, CONF, I::Template,    W::Saveas,       B::To(S::Poweroff)),
            L::HotplugSaveasSuspended       => row(REST, KEPT, I::Template,    W::Saveas,       B::To(S::Suspended)),
            L::ShutdownUndeploy             => row(RUNS, CONF, I::Template,    W::Shutdown,     B::Nowhere),
            L::EpilogUndeploy               => row(RUNS, CONF, I::Template,    W::Epilog,       B::Nowhere),
            L::PrologUndeploy               => row(RUNS, CONF, I::Template,    W::Prolog,       B::Nowhere),
            L::BootUndeploy                 => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::HotplugPrologPoweroff        => row(REST, CONF, I::Template,    W::DiskAttach,   B::Ended(S::Poweroff)),
            L::HotplugEpilogPoweroff        => row(REST, CONF, I::Template,    W::DiskDetach,   B::Ended(S::Poweroff)),
            L::BootMigrate                  => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::BootFailure                  => row(RUNS, CONF, I::Unreachable, W::Boot,         B::Nowhere),
            L::BootMigrateFailure           => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::PrologMigrateFailure         => row(RUNS, KEPT, I::Template,    W::Prolog,       B::Nowhere),
            L::PrologFailure                => row(RUNS, CONF, I::Template,    W::Prolog,       B::Nowhere),
            L::EpilogFailure                => row(RUNS, CONF, I::Template,    W::Epilog,       B::Nowhere),
            L::EpilogStopFailure            => row(RUNS, KEPT, I::Template,    W::Epilog,       B::Nowhere),
            L::EpilogUndeployFailure        => row(RUNS, CONF, I::Template,    W::Epilog,       B::Nowhere),
            L::PrologMigratePoweroff        => row(REST, CONF, I::Template,    W::Prolog,       B::Nowhere),
            L::PrologMigratePoweroffFailure => row(REST, CONF, I::Template,    W::Prolog,       B::Nowhere),
            L::PrologMigrateSuspend         => row(REST, KEPT, I::Template,    W::Prolog,       B::Nowhere),
            L::PrologMigrateSuspendFailure  => row(REST, KEPT, I::Template,    W::Prolog,       B::Nowhere),
            L::BootUndeployFailure          => row(RUNS, CONF, I::Unreachable, W::Boot,         B::Nowhere),
            L::BootStoppedFailure           => row(RUNS, KEPT, I::Unreachable, W::Boot,         B::Nowhere),
            L::PrologResumeFailure          => row(RUNS, KEPT, I::Template,    W::Prolog,       B::Nowhere),
            L::PrologUndeployFailure        => row(RUNS, CONF, I::Template,    W::Prolog,       B::Nowhere),
            L::DiskSnapshotPoweroff         => row(REST, CONF, I::Template,    W::DiskSnapshot, B::Ended(S::Poweroff)),
            L::DiskSnapshotRevertPoweroff   => row(REST, CONF, I::Template,    W::DiskSnapshot, B::Ended(S::Poweroff)),
            L::DiskSnapshotDeletePoweroff   => row(REST, CONF, I::Template,    W::DiskSnapshot, B::Ended(S::Poweroff)),
            L::DiskSnapshotSuspended        => row(REST, KEPT, I::Template,    W::DiskSnapshot, B::Ended(S::Suspended)),
            L::DiskSnapshotDeleteSuspended  => row(REST, KEPT, I::Template,    W::DiskSnapshot, B::Ended(S::Suspended)),
            L::DiskSnapshot                 => row(RUNS, KEPT, I::Busy,        W::DiskSnapshot, B::Running),
            L::DiskSnapshotDelete           => row(RUNS, KEPT, I::Busy,        W::DiskSnapshot, B::Running),
            L::PrologMigrateUnknown         => row(RUNS, KEPT, I::Template,    W::Prolog,       B::Nowhere),
            L::PrologMigrateUnknownFailure  => row(RUNS, KEPT, I::Template,    W::Prolog,       B::Nowhere),
            L::DiskResize                   => row(RUNS, KEPT, I::Busy,        W::DiskResize,   B::Running),
            L::DiskResizePoweroff           => row(REST, KEPT, I::Template,    W::DiskResize,   B::Ended(S::Poweroff)),
            L::DiskResizeUndeployed         => row(REST, KEPT, I::Template,    W::DiskResize,   B::To(S::Undeployed)),
            L::HotplugNicPoweroff           => row(REST, KEPT, I::Unreachable, W::Nic,          B::Ended(S::Poweroff)),
            L::HotplugResize                => row(RUNS, KEPT, I::Busy,        W::Resize,       B::Running),
            L::HotplugSaveasUndeployed      => row(REST, KEPT, I::Template,    W::Saveas,       B::To(S::Undeployed)),
            L::HotplugSaveasStopped         => row(REST, KEPT, I::Template,    W::Saveas,       B::To(S::Stopped)),
            L::Backup                       => row(RUNS, KEPT, I::BackedUp,    W::Backup,       B::Running),
            L::BackupPoweroff               => row(REST, KEPT, I::Template,    W::Backup,       B::To(S::Poweroff)),
        }
    }
}

/// Whether quotas count a VM as running. Waiting and cloning VMs do; a VM on which something is done while it is
/// powered off, suspended, stopped or undeployed does not.
///
/// The only rule: usage is taken and given back by what it says before and after a change. The reference (6.6.3) asks
/// in several ways (`VirtualMachine::get_quota_template`, `DispatchManager::free_vm_resources`,
/// `RequestManagerChown::get_and_quota`), which disagree: a VM that ends while it waits for an image gives nothing
/// back, and a disk attached to a powered off VM makes it give back what it has not taken.
#[must_use]
pub const fn counts_as_running(state: State, doing: LcmState) -> bool {
    match state {
        State::Pending | State::Hold | State::Cloning | State::CloningFailure => true,
        State::Active => doing.facts().runs,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_to_a_part_of_a_vm_has_an_end_and_everything_else_has_events() {
        for doing in LcmState::ALL {
            let Facts { waits, back, .. } = doing.facts();
            let of_part = !matches!(
                waits,
                Waits::Nothing
                    | Waits::Prolog
                    | Waits::Epilog
                    | Waits::Boot
                    | Waits::Shutdown
                    | Waits::Save
                    | Waits::Cleanup
            );
            assert_eq!(of_part, back != Back::Nowhere, "{doing:?}");
        }
    }

    #[test]
    fn a_vm_that_goes_back_to_rest_does_not_run_meanwhile() {
        for doing in LcmState::ALL {
            let Facts { runs, back, .. } = doing.facts();
            assert!(
                !matches!((runs, back), (true, Back::To(_) | Back::Ended(_)) | (false, Back::Running)),
                "{doing:?}"
            );
        }
    }
}
