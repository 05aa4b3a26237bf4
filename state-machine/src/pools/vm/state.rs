//! The states of a VM, with the reference's numbers and names.
//!
//! It must not know which change of state is allowed: that is in [`super::fsm`].

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

impl LcmState {
    /// Whether its host is just being told what interfaces it has, or is not known to be there: a change of networks or
    /// security groups cannot come to it now.
    #[must_use]
    pub fn keeps_network_changes_off(self) -> bool {
        use LcmState as L;
        matches!(
            self,
            L::Boot
                | L::BootMigrate
                | L::BootSuspended
                | L::BootStopped
                | L::BootUndeploy
                | L::BootPoweroff
                | L::BootUnknown
                | L::BootFailure
                | L::BootMigrateFailure
                | L::BootUndeployFailure
                | L::BootStoppedFailure
                | L::Migrate
                | L::HotplugNic
                | L::HotplugNicPoweroff
                | L::Unknown
        )
    }

    /// Whether it runs while something of it other than its interfaces is changed.
    #[must_use]
    pub fn runs_while_changed(self) -> bool {
        use LcmState as L;
        matches!(
            self,
            L::Hotplug
                | L::HotplugSnapshot
                | L::HotplugSaveas
                | L::HotplugResize
                | L::DiskSnapshot
                | L::DiskSnapshotDelete
                | L::DiskResize
        )
    }
}
