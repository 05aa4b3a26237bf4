//! What users ask for: `one.vm.action`, `migrate`, `recover`.

use quorate_model::pending::{TransferAction as T, VmmAction as D};
use quorate_model::records::vm::state::{LcmState as L, State as S, VmAction as A};

use super::table::At::{Doing, Is};
use super::table::Step::{
    AddCapacity, CancelDrivers, CopyRecord, Free, FreeImagesUntouched, Go, LeavePrevious, Note, NoteAsOwner,
    NotePrevious, RemoveCapacity, Requirements, Resched, Rest, Time, TimePrevious, Transfer, Vmm,
};
use super::table::{At, Row, Stamp, Step, row};

/// Terminating an active VM that is shut down first.
const SHUT_DOWN: &[Step] = &[Go(L::Shutdown), NoteAsOwner(A::Terminate), Vmm(D::Shutdown), Resched(false)];
const CANCEL: &[Step] =
    &[CancelDrivers, Go(L::Shutdown), NoteAsOwner(A::TerminateHard), Vmm(D::Cancel), Resched(false)];
/// Terminating a VM whose files are on its host.
const EPILOG: &[Step] = &[Go(L::Epilog), NoteAsOwner(A::Terminate), Time(Stamp::EpilogStart), Transfer(T::Epilog)];
/// Terminating a VM whose files are on the front-end.
const EPILOG_LOCAL: &[Step] =
    &[Go(L::Epilog), NoteAsOwner(A::Terminate), Time(Stamp::EpilogStart), Transfer(T::EpilogLocal)];

const RUNNING: At = Doing(L::Running);
const UNKNOWN: At = Doing(L::Unknown);
/// No history yet, or none that matters.
const WAITING: &[At] = &[Is(S::Init), Is(S::Pending), Is(S::Hold), Is(S::Cloning), Is(S::CloningFailure)];
/// What a driver could not do; recovery or termination follows.
pub const FAILURES: &[At] = &[
    Doing(L::BootFailure),
    Doing(L::BootMigrateFailure),
    Doing(L::PrologMigrateFailure),
    Doing(L::PrologFailure),
    Doing(L::EpilogFailure),
    Doing(L::EpilogStopFailure),
    Doing(L::EpilogUndeployFailure),
    Doing(L::PrologMigratePoweroffFailure),
    Doing(L::PrologMigrateSuspendFailure),
    Doing(L::BootUndeployFailure),
    Doing(L::BootStoppedFailure),
    Doing(L::PrologResumeFailure),
    Doing(L::PrologUndeployFailure),
    Doing(L::PrologMigrateUnknownFailure),
];

/// `one.vm.action`. Terminating a VM in [`FAILURES`] is dropping it ([`super::cleanup`]).
pub static ACTIONS: &[Row<A>] = &[
    row(A::Terminate, &[RUNNING, UNKNOWN], SHUT_DOWN),
    row(A::TerminateHard, &[RUNNING, UNKNOWN, Doing(L::Shutdown)], CANCEL),
    row(A::Terminate, &[Is(S::Suspended), Is(S::Poweroff)], EPILOG),
    row(A::TerminateHard, &[Is(S::Suspended), Is(S::Poweroff)], EPILOG),
    row(A::Terminate, &[Is(S::Stopped), Is(S::Undeployed)], EPILOG_LOCAL),
    row(A::TerminateHard, &[Is(S::Stopped), Is(S::Undeployed)], EPILOG_LOCAL),
    row(A::Terminate, WAITING, &[Free]),
    row(A::TerminateHard, WAITING, &[Free]),
    row(A::Terminate, &[Is(S::Done)], &[]),
    row(A::TerminateHard, &[Is(S::Done)], &[]),
    row(A::Hold, &[Is(S::Pending)], &[Rest(S::Hold)]),
    row(A::Release, &[Is(S::Hold)], &[Requirements, Rest(S::Pending)]),
    row(A::Stop, &[RUNNING], &[Go(L::SaveStop), Resched(false), Note(A::Stop), Vmm(D::Save)]),
    row(A::Stop, &[Is(S::Suspended)], &[Go(L::EpilogStop), Note(A::Stop), Time(Stamp::EpilogStart), Transfer(T::Stop)]),
    row(A::Suspend, &[RUNNING], &[Go(L::SaveSuspend), Resched(false), Note(A::Suspend), Vmm(D::Save)]),
    row(A::Resume, &[Is(S::Stopped), Is(S::Undeployed)], &[Requirements, Rest(S::Pending)]),
    row(
        A::Resume,
        &[Is(S::Suspended)],
        &[
            Go(L::BootSuspended),
            Time(Stamp::End),
            CopyRecord,
            Time(Stamp::Start),
            Time(Stamp::RunningStart),
            Note(A::Resume),
            Vmm(D::Restore),
        ],
    ),
    row(
        A::Resume,
        &[Is(S::Poweroff)],
        &[
            Go(L::BootPoweroff),
            Time(Stamp::End),
            CopyRecord,
            Time(Stamp::Start),
            Time(Stamp::RunningStart),
            Note(A::Resume),
            Vmm(D::Deploy),
        ],
    ),
    row(A::Resume, &[UNKNOWN], &[Go(L::BootUnknown), Vmm(D::Deploy)]),
    row(A::Reboot, &[RUNNING], &[Vmm(D::Reboot), Resched(false)]),
    row(A::RebootHard, &[RUNNING], &[Vmm(D::Reset), Resched(false)]),
    row(A::Resched, &[RUNNING, UNKNOWN, Is(S::Poweroff)], &[Requirements, Resched(true)]),
    row(A::Unresched, &[RUNNING, UNKNOWN, Is(S::Poweroff)], &[Resched(false)]),
    row(
        A::Poweroff,
        &[RUNNING, UNKNOWN],
        &[Go(L::ShutdownPoweroff), Resched(false), Note(A::Poweroff), Vmm(D::Shutdown)],
    ),
    row(
        A::PoweroffHard,
        &[RUNNING, UNKNOWN, Doing(L::ShutdownPoweroff)],
        &[CancelDrivers, Go(L::ShutdownPoweroff), Resched(false), Note(A::PoweroffHard), Vmm(D::Cancel)],
    ),
    row(
        A::Undeploy,
        &[RUNNING, UNKNOWN],
        &[Go(L::ShutdownUndeploy), Resched(false), Note(A::Undeploy), Vmm(D::Shutdown)],
    ),
    row(
        A::UndeployHard,
        &[RUNNING, UNKNOWN, Doing(L::ShutdownUndeploy)],
        &[CancelDrivers, Go(L::ShutdownUndeploy), Resched(false), Note(A::UndeployHard), Vmm(D::Cancel)],
    ),
    row(A::Undeploy, &[Is(S::Poweroff)], UNDEPLOY_OFF),
    // As in the reference (`DispatchManager::undeploy`), hard makes no difference when it is off.
    row(A::UndeployHard, &[Is(S::Poweroff)], UNDEPLOY_OFF),
];

const UNDEPLOY_OFF: &[Step] = &[Go(L::EpilogUndeploy), Note(A::Undeploy), Time(Stamp::EpilogStart), Transfer(T::Stop)];

/// `one.vm.deploy` with the new history record in place: the transfer depends on how the VM left its last host.
pub static DEPLOY: &[Row<A>] = &[
    row(
        A::Stop,
        &[Is(S::Pending), Is(S::Hold), Is(S::Stopped), Is(S::Undeployed)],
        &[Go(L::PrologResume), AddCapacity, Time(Stamp::Start), Time(Stamp::PrologStart), Transfer(T::Resume)],
    ),
    row(
        A::Undeploy,
        &[Is(S::Pending), Is(S::Hold), Is(S::Stopped), Is(S::Undeployed)],
        &[Go(L::PrologUndeploy), AddCapacity, Time(Stamp::Start), Time(Stamp::PrologStart), Transfer(T::Resume)],
    ),
    row(
        A::None,
        &[Is(S::Pending), Is(S::Hold), Is(S::Stopped), Is(S::Undeployed)],
        &[Go(L::Prolog), AddCapacity, Time(Stamp::Start), Time(Stamp::PrologStart), Transfer(T::Prolog)],
    ),
];

/// The start of a migration of a running VM, which leaves its host first.
macro_rules! leave {
    ($action:expr, $driver:expr) => {
        &[
            Go(L::SaveMigrate),
            Resched(false),
            AddCapacity,
            Time(Stamp::Start),
            Note($action),
            NotePrevious($action),
            Vmm($driver),
        ]
    };
}

/// The start of a migration of a VM that does not run: only its files move.
macro_rules! move_files {
    ($lcm:expr $(, $first:expr)*) => {
        &[
            Go($lcm),
            $($first,)*
            TimePrevious(Stamp::RunningEnd),
            TimePrevious(Stamp::End),
            Resched(false),
            Step::DropSnapshots,
            Note(A::Migrate),
            AddCapacity,
            LeavePrevious,
            Time(Stamp::Start),
            Time(Stamp::PrologStart),
            Transfer(T::Migrate),
        ]
    };
}

/// `one.vm.migrate` with the new history record in place.
pub static MIGRATE: &[Row<A>] = &[
    row(A::Migrate, &[RUNNING], leave!(A::Migrate, D::Save)),
    row(A::PoweroffMigrate, &[RUNNING], leave!(A::PoweroffMigrate, D::Shutdown)),
    row(A::PoweroffHardMigrate, &[RUNNING], leave!(A::PoweroffHardMigrate, D::Cancel)),
    row(
        A::LiveMigrate,
        &[RUNNING],
        &[
            Go(L::Migrate),
            Resched(false),
            AddCapacity,
            Time(Stamp::Start),
            NotePrevious(A::LiveMigrate),
            Vmm(D::Migrate),
        ],
    ),
    row(A::Migrate, &[Is(S::Poweroff)], move_files!(L::PrologMigratePoweroff)),
    row(A::Migrate, &[Is(S::Suspended)], move_files!(L::PrologMigrateSuspend)),
    row(A::Migrate, &[UNKNOWN], move_files!(L::PrologMigrateUnknown, NotePrevious(A::Migrate))),
];

/// `one.vm.recover` operations on VMs that are not active; active ones are dropped ([`super::cleanup`]).
pub static RECOVER: &[Row<Recovery>] = &[
    row(Recovery::Delete, &[Is(S::Suspended), Is(S::Poweroff)], &[RemoveCapacity, Transfer(T::Delete), Free]),
    row(Recovery::Delete, &[Is(S::Stopped), Is(S::Undeployed)], &[Transfer(T::Delete), Free]),
    row(Recovery::Delete, WAITING, &[Free]),
    row(Recovery::Delete, &[Is(S::Done)], &[]),
    row(
        Recovery::Recreate,
        &[Is(S::Stopped), Is(S::Undeployed)],
        // Unlike in the reference, the port that a stopped VM has kept is free: it could not be deployed again.
        &[Step::DropAllSnapshots, Step::FreePort, Note(A::DeleteRecreate), Rest(S::Pending)],
    ),
    row(Recovery::Recreate, &[Is(S::Hold)], &[Note(A::DeleteRecreate), Rest(S::Pending)]),
    row(Recovery::Recreate, &[Is(S::Init), Is(S::Pending), Is(S::Cloning), Is(S::CloningFailure)], &[]),
    row(Recovery::DeleteDb, &[Is(S::Suspended), Is(S::Poweroff)], &[RemoveCapacity, FreeImagesUntouched]),
    row(Recovery::DeleteDb, &[Is(S::Stopped), Is(S::Undeployed)], &[FreeImagesUntouched]),
    row(Recovery::DeleteDb, WAITING, &[FreeImagesUntouched]),
    row(Recovery::DeleteDb, &[Is(S::Done)], &[]),
];

/// How a VM is dropped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recovery {
    /// With its files.
    Delete,
    /// With its files, to be deployed again.
    Recreate,
    /// Without its files.
    DeleteDb,
}
