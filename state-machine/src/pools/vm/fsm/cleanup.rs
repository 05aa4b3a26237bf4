//! Dropping an active VM: what is cleaned up in each state before it is deleted or submitted again.

use quorate_model::pending::{TransferAction as T, VmmAction as D};
use quorate_model::records::vm::state::{LcmState as L, VmAction as A};

use super::table::At::Doing;
use super::table::Step::{
    CancelDrivers, DropAllSnapshots, DropSnapshots, EndIfOpen, Free, FreePort, GiveUpChange, Go, LeavePrevious, Note,
    PreviousInfo, RemoveCapacity, Resched, Time, TimePrevious, Transfer, Vmm,
};
use super::table::{At, Row, Stamp, Step, row};

/// What comes first in every state.
pub const DELETE: &[Step] =
    &[Go(L::CleanupDelete), Note(A::Delete), Resched(false), DropSnapshots, EndIfOpen, RemoveCapacity, FreePort];
/// The same for a VM that is submitted again.
pub const RECREATE: &[Step] = &[
    Go(L::CleanupResubmit),
    Note(A::DeleteRecreate),
    Resched(false),
    DropSnapshots,
    EndIfOpen,
    RemoveCapacity,
    FreePort,
];
/// What comes last when the VM is submitted again: its answer is waited for.
pub const RECREATED: &[Step] = &[DropAllSnapshots];
/// What comes last when the VM is deleted: as in the reference (`DispatchManager::delete_vm`), nobody waits for the
/// drivers.
pub const DELETED: &[Step] = &[Free];

/// Its files on the host (or the front-end) are deleted.
const DELETE_FILES: &[Step] = &[Time(Stamp::PrologEnd), CancelDrivers, Transfer(T::Delete)];
/// It is cancelled on its host and its files are deleted.
const CANCEL: &[Step] = &[Time(Stamp::RunningEnd), CancelDrivers, Vmm(D::Cleanup)];

/// It is on its way between two hosts: it leaves both.
macro_rules! leave_both {
    ($driver:expr) => {
        &[
            Time(Stamp::RunningEnd),
            TimePrevious(Stamp::End),
            PreviousInfo,
            TimePrevious(Stamp::RunningEnd),
            LeavePrevious,
            CancelDrivers,
            Vmm($driver),
        ]
    };
}

/// What is cleaned up, by what the VM was doing; nothing in other states.
pub static CLEANUP: &[Row<()>] = &[
    row(
        (),
        &[
            Doing(L::Prolog),
            Doing(L::PrologResume),
            Doing(L::PrologResumeFailure),
            Doing(L::PrologUndeploy),
            Doing(L::PrologUndeployFailure),
            Doing(L::PrologFailure),
        ],
        DELETE_FILES,
    ),
    row(
        (),
        &[
            Doing(L::Boot),
            Doing(L::BootUnknown),
            Doing(L::BootPoweroff),
            Doing(L::BootSuspended),
            Doing(L::BootStopped),
            Doing(L::BootUndeploy),
            Doing(L::BootMigrate),
            Doing(L::BootFailure),
            Doing(L::BootMigrateFailure),
            Doing(L::BootUndeployFailure),
            Doing(L::BootStoppedFailure),
            Doing(L::Running),
            Doing(L::Unknown),
            Doing(L::Shutdown),
            Doing(L::ShutdownPoweroff),
            Doing(L::ShutdownUndeploy),
            Doing(L::HotplugSnapshot),
            Doing(L::SaveStop),
            Doing(L::SaveSuspend),
        ],
        CANCEL,
    ),
    row((), &[Doing(L::Backup)], &[Time(Stamp::RunningEnd), CancelDrivers, Vmm(D::BackupCancel), Vmm(D::Cleanup)]),
    row(
        (),
        &[
            Doing(L::Hotplug),
            Doing(L::HotplugNic),
            Doing(L::HotplugNicPoweroff),
            Doing(L::HotplugSaveas),
            Doing(L::HotplugResize),
            Doing(L::DiskSnapshot),
            Doing(L::DiskResize),
        ],
        &[GiveUpChange, Time(Stamp::RunningEnd), CancelDrivers, Vmm(D::Cleanup)],
    ),
    row(
        (),
        &[Doing(L::HotplugSaveasPoweroff), Doing(L::HotplugSaveasSuspended)],
        &[GiveUpChange, Time(Stamp::RunningEnd), CancelDrivers, Transfer(T::Delete)],
    ),
    row((), &[Doing(L::HotplugSaveasUndeployed), Doing(L::HotplugSaveasStopped)], &[GiveUpChange]),
    row(
        (),
        &[
            Doing(L::HotplugPrologPoweroff),
            Doing(L::HotplugEpilogPoweroff),
            Doing(L::DiskSnapshotPoweroff),
            Doing(L::DiskSnapshotRevertPoweroff),
            Doing(L::DiskSnapshotDeletePoweroff),
            Doing(L::DiskSnapshotSuspended),
            Doing(L::DiskSnapshotDeleteSuspended),
            Doing(L::DiskSnapshotDelete),
            Doing(L::BackupPoweroff),
            Doing(L::DiskResizePoweroff),
            Doing(L::DiskResizeUndeployed),
        ],
        &[GiveUpChange, CancelDrivers, Transfer(T::Delete)],
    ),
    row((), &[Doing(L::Migrate)], leave_both!(D::CleanupBoth)),
    row((), &[Doing(L::SaveMigrate)], leave_both!(D::CleanupPrevious)),
    row((), MOVING_FILES, &[Time(Stamp::PrologEnd), CancelDrivers, Transfer(T::DeleteBoth)]),
    row(
        (),
        &[
            Doing(L::EpilogStop),
            Doing(L::EpilogUndeploy),
            Doing(L::Epilog),
            Doing(L::EpilogFailure),
            Doing(L::EpilogStopFailure),
            Doing(L::EpilogUndeployFailure),
        ],
        &[Time(Stamp::EpilogEnd), CancelDrivers, Transfer(T::Delete)],
    ),
];

/// Its files are on two hosts.
const MOVING_FILES: &[At] = &[
    Doing(L::PrologMigrate),
    Doing(L::PrologMigrateFailure),
    Doing(L::PrologMigratePoweroff),
    Doing(L::PrologMigratePoweroffFailure),
    Doing(L::PrologMigrateSuspend),
    Doing(L::PrologMigrateSuspendFailure),
    Doing(L::PrologMigrateUnknown),
    Doing(L::PrologMigrateUnknownFailure),
];
