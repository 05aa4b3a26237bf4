//! What drivers report and monitoring finds, and what is asked of a driver once more.

use quorate_model::pending::{TransferAction as T, VmmAction as D};
use quorate_model::records::vm::state::{LcmState as L, State as S, VmAction as A, Waits};

use super::table::At::{Doing, Is};
use super::table::Step::{
    AddCapacity, ClearNote, CopyPreviousRecord, CopyRecord, DropSnapshots, ForgetDeployId, Free, FreePort, Go,
    LeaveNew, LeavePrevious, NoteIfNone, NoteInternal, RemoveCapacity, Reopen, Resched, Rest, Then, Time, TimePrevious,
    Transfer, Vmm,
};
use super::table::{At, Event as E, Row, Stamp, Step, When, row};

/// It boots, or failed to and is recovered.
const BOOTING: &[At] = &[
    Doing(L::Boot),
    Doing(L::BootPoweroff),
    Doing(L::BootUnknown),
    Doing(L::BootSuspended),
    Doing(L::BootStopped),
    Doing(L::BootUndeploy),
    Doing(L::BootMigrate),
    Doing(L::BootMigrateFailure),
    Doing(L::BootStoppedFailure),
    Doing(L::BootUndeployFailure),
    Doing(L::BootFailure),
];
const RUNS: &[Step] = &[Go(L::Running), ClearNote, Reopen];
const RUNS_STILL: &[Step] = &[Go(L::Running), ClearNote];
const BOOTED_IN_VAIN: &[Step] = &[Time(Stamp::RunningEnd)];

/// It has left its host; its files follow.
const LEFT: &[Step] = &[
    DropSnapshots,
    Go(L::PrologMigrate),
    TimePrevious(Stamp::End),
    TimePrevious(Stamp::RunningEnd),
    Time(Stamp::PrologStart),
    LeavePrevious,
    Transfer(T::Migrate),
];
/// It could not leave its host and runs there still, in a new record.
const STAYED: &[Step] = &[
    Go(L::Running),
    Time(Stamp::End),
    LeaveNew,
    TimePrevious(Stamp::End),
    TimePrevious(Stamp::RunningEnd),
    CopyPreviousRecord,
    Time(Stamp::Start),
    Time(Stamp::RunningStart),
];
const POWERED_OFF: &[Step] = &[DropSnapshots, Rest(S::Poweroff), Time(Stamp::RunningEnd)];
const SUSPENDED: &[Step] = &[DropSnapshots, Rest(S::Suspended), Time(Stamp::RunningEnd)];
/// Its files go to the front-end.
const fn stop(lcm: L) -> [Step; 5] {
    [Go(lcm), DropSnapshots, Time(Stamp::EpilogStart), Time(Stamp::RunningEnd), Transfer(T::Stop)]
}
const STOP: [Step; 5] = stop(L::EpilogStop);
const UNDEPLOY: [Step; 5] = stop(L::EpilogUndeploy);
const BOOT: &[Step] = &[Go(L::Boot), Time(Stamp::PrologEnd), Time(Stamp::RunningStart), Vmm(D::Deploy)];
const RESUBMIT: &[Step] = &[Rest(S::Pending), ForgetDeployId];
/// Files could not be moved to the new host: they are still on the old one, and so is the VM.
const fn move_back(lcm: L) -> [Step; 9] {
    [
        Time(Stamp::PrologEnd),
        Time(Stamp::End),
        Go(lcm),
        RemoveCapacity,
        CopyPreviousRecord,
        Time(Stamp::Start),
        Time(Stamp::PrologStart),
        AddCapacity,
        Then(E::Prologued),
    ]
}
const BACK: [Step; 9] = move_back(L::PrologMigrate);
const BACK_OFF: [Step; 9] = move_back(L::PrologMigratePoweroff);
const BACK_SUSPENDED: [Step; 9] = move_back(L::PrologMigrateSuspend);
const BACK_UNKNOWN: [Step; 9] = move_back(L::PrologMigrateUnknown);

/// What happens on which event.
pub static EVENTS: &[Row<E>] = &[
    row(
        E::Deployed,
        &[Doing(L::Migrate)],
        &[
            Time(Stamp::RunningStart),
            TimePrevious(Stamp::End),
            TimePrevious(Stamp::RunningEnd),
            Go(L::Running),
            DropSnapshots,
            LeavePrevious,
        ],
    ),
    row(E::Deployed, BOOTING, RUNS),
    row(E::NotDeployed, &[Doing(L::Migrate)], STAYED),
    row(E::NotDeployed, &[Doing(L::Boot)], &[Go(L::BootFailure), Time(Stamp::RunningEnd)]),
    row(E::NotDeployed, &[Doing(L::BootMigrate)], &[Go(L::BootMigrateFailure), Time(Stamp::RunningEnd)]),
    row(E::NotDeployed, &[Doing(L::BootUnknown)], &[Go(L::Unknown), Time(Stamp::RunningEnd)]),
    row(E::NotDeployed, &[Doing(L::BootPoweroff)], &[Rest(S::Poweroff), Time(Stamp::RunningEnd)]),
    row(E::NotDeployed, &[Doing(L::BootSuspended)], &[Rest(S::Suspended), Time(Stamp::RunningEnd)]),
    row(
        E::NotDeployed,
        &[Doing(L::BootStopped)],
        &[Go(L::BootStoppedFailure), Time(Stamp::End), Time(Stamp::RunningEnd)],
    ),
    row(
        E::NotDeployed,
        &[Doing(L::BootUndeploy)],
        &[Go(L::BootUndeployFailure), Time(Stamp::End), Time(Stamp::RunningEnd)],
    ),
    row(
        E::NotDeployed,
        &[
            Doing(L::BootFailure),
            Doing(L::BootMigrateFailure),
            Doing(L::BootUndeployFailure),
            Doing(L::BootStoppedFailure),
        ],
        BOOTED_IN_VAIN,
    ),
    row(
        E::ShutDown,
        &[Doing(L::Shutdown)],
        &[Go(L::Epilog), DropSnapshots, Time(Stamp::EpilogStart), Time(Stamp::RunningEnd), Transfer(T::Epilog)],
    ),
    row(E::ShutDown, &[Doing(L::ShutdownPoweroff)], POWERED_OFF),
    row(E::ShutDown, &[Doing(L::ShutdownUndeploy)], &UNDEPLOY),
    row(E::ShutDown, &[Doing(L::SaveMigrate)], LEFT),
    row(E::NotShutDown, &[Doing(L::Shutdown), Doing(L::ShutdownPoweroff), Doing(L::ShutdownUndeploy)], RUNS_STILL),
    row(E::NotShutDown, &[Doing(L::SaveMigrate)], STAYED),
    row(E::Saved, &[Doing(L::SaveMigrate)], LEFT),
    row(E::Saved, &[Doing(L::SaveSuspend)], SUSPENDED),
    row(E::Saved, &[Doing(L::SaveStop)], &STOP),
    row(E::NotSaved, &[Doing(L::SaveMigrate)], STAYED),
    row(E::NotSaved, &[Doing(L::SaveSuspend), Doing(L::SaveStop)], RUNS_STILL),
    row(
        E::Prologued,
        &[Doing(L::PrologResume), Doing(L::PrologResumeFailure)],
        &[Go(L::BootStopped), Time(Stamp::PrologEnd), Time(Stamp::RunningStart), Vmm(D::Restore)],
    ),
    row(
        E::Prologued,
        &[Doing(L::PrologUndeploy), Doing(L::PrologUndeployFailure)],
        &[Go(L::BootUndeploy), Time(Stamp::PrologEnd), Time(Stamp::RunningStart), Vmm(D::Deploy)],
    ),
    Row {
        on: E::Prologued,
        from: &[Doing(L::PrologMigrate), Doing(L::PrologMigrateFailure)],
        when: When::PoweroffMigration,
        steps: BOOT,
    },
    row(
        E::Prologued,
        &[Doing(L::PrologMigrate), Doing(L::PrologMigrateFailure)],
        &[Go(L::BootMigrate), Time(Stamp::PrologEnd), Time(Stamp::RunningStart), Vmm(D::Restore)],
    ),
    row(
        E::Prologued,
        &[
            Doing(L::Prolog),
            Doing(L::PrologFailure),
            Doing(L::PrologMigrateUnknown),
            Doing(L::PrologMigrateUnknownFailure),
        ],
        BOOT,
    ),
    row(
        E::Prologued,
        &[Doing(L::PrologMigratePoweroff), Doing(L::PrologMigratePoweroffFailure)],
        &[DropSnapshots, Time(Stamp::PrologEnd), Rest(S::Poweroff), Time(Stamp::RunningEnd)],
    ),
    row(
        E::Prologued,
        &[Doing(L::PrologMigrateSuspend), Doing(L::PrologMigrateSuspendFailure)],
        &[DropSnapshots, Time(Stamp::PrologEnd), Rest(S::Suspended), Time(Stamp::RunningEnd)],
    ),
    row(E::NotPrologued, &[Doing(L::Prolog)], &[Go(L::PrologFailure)]),
    row(E::NotPrologued, &[Doing(L::PrologMigrate)], &[Go(L::PrologMigrateFailure)]),
    row(E::NotPrologued, &[Doing(L::PrologMigratePoweroff)], &[Go(L::PrologMigratePoweroffFailure)]),
    row(E::NotPrologued, &[Doing(L::PrologMigrateSuspend)], &[Go(L::PrologMigrateSuspendFailure)]),
    row(E::NotPrologued, &[Doing(L::PrologMigrateUnknown)], &[Go(L::PrologMigrateUnknownFailure)]),
    row(E::NotPrologued, &[Doing(L::PrologResume)], &[Go(L::PrologResumeFailure)]),
    row(E::NotPrologued, &[Doing(L::PrologUndeploy)], &[Go(L::PrologUndeployFailure)]),
    row(E::NotPrologued, &[Doing(L::PrologMigrateFailure)], &BACK),
    row(E::NotPrologued, &[Doing(L::PrologMigratePoweroffFailure)], &BACK_OFF),
    row(E::NotPrologued, &[Doing(L::PrologMigrateSuspendFailure)], &BACK_SUSPENDED),
    row(E::NotPrologued, &[Doing(L::PrologMigrateUnknownFailure)], &BACK_UNKNOWN),
    row(
        E::Epilogued,
        &[Doing(L::EpilogStop), Doing(L::EpilogStopFailure)],
        // The console's port is in the checkpoint: it stays taken.
        &[Time(Stamp::EpilogEnd), Time(Stamp::End), RemoveCapacity, Rest(S::Stopped), NoteIfNone(A::Stop)],
    ),
    row(
        E::Epilogued,
        &[Doing(L::EpilogUndeploy), Doing(L::EpilogUndeployFailure)],
        &[
            Time(Stamp::EpilogEnd),
            Time(Stamp::End),
            FreePort,
            RemoveCapacity,
            Rest(S::Undeployed),
            NoteIfNone(A::Undeploy),
        ],
    ),
    row(
        E::Epilogued,
        &[Doing(L::Epilog), Doing(L::EpilogFailure)],
        &[Go(L::Epilog), Time(Stamp::EpilogEnd), Time(Stamp::End), FreePort, RemoveCapacity, Free],
    ),
    row(E::Epilogued, &[Doing(L::CleanupResubmit)], RESUBMIT),
    row(E::NotEpilogued, &[Doing(L::CleanupResubmit)], RESUBMIT),
    row(E::CleanedUp, &[Doing(L::CleanupResubmit)], RESUBMIT),
    row(E::CleanedUp, &[Doing(L::CleanupDelete)], &[Free]),
    row(E::NotEpilogued, &[Doing(L::Epilog)], &[Go(L::EpilogFailure)]),
    row(E::NotEpilogued, &[Doing(L::EpilogStop)], &[Go(L::EpilogStopFailure)]),
    row(E::NotEpilogued, &[Doing(L::EpilogUndeploy)], &[Go(L::EpilogUndeployFailure)]),
    row(E::Lost, &[Doing(L::Running)], &[Go(L::Unknown), Resched(false)]),
    row(
        E::FoundPoweroff,
        &[Doing(L::Running), Doing(L::Unknown)],
        &[DropSnapshots, Resched(false), NoteInternal(A::Monitor), Rest(S::Poweroff), Time(Stamp::RunningEnd)],
    ),
    row(
        E::FoundPoweroff,
        &[Doing(L::Shutdown), Doing(L::ShutdownPoweroff), Doing(L::ShutdownUndeploy)],
        &[Step::CancelDrivers, Then(E::ShutDown)],
    ),
    row(
        E::FoundSuspended,
        &[Doing(L::Running), Doing(L::Unknown)],
        &[Resched(false), DropSnapshots, NoteInternal(A::Monitor), Rest(S::Suspended), Time(Stamp::RunningEnd)],
    ),
    row(
        E::FoundRunning,
        &[Is(S::Poweroff), Is(S::Suspended)],
        &[Go(L::Running), Time(Stamp::End), CopyRecord, Time(Stamp::Start), Time(Stamp::RunningStart)],
    ),
    row(E::FoundRunning, &[Doing(L::Unknown)], &[Go(L::Running)]),
    row(E::FoundRunning, BOOTING, &[Step::CancelDrivers, Then(E::Deployed)]),
];

/// `one.vm.recover` retry: what is asked of a driver once more, and the state that a failure goes back to. In any other
/// active state retrying does nothing.
pub static RETRY: &[Row<()>] = &[
    row((), &[Doing(L::Boot), Doing(L::BootFailure)], &[Go(L::Boot), Vmm(D::Deploy)]),
    row((), &[Doing(L::BootPoweroff), Doing(L::BootUnknown)], &[Vmm(D::Deploy)]),
    row((), &[Doing(L::BootUndeployFailure)], &[Go(L::BootUndeploy), Vmm(D::Deploy)]),
    row((), &[Doing(L::BootMigrate), Doing(L::BootMigrateFailure)], &[Go(L::BootMigrate), Vmm(D::Restore)]),
    row((), &[Doing(L::BootStopped), Doing(L::BootStoppedFailure)], &[Go(L::BootStopped), Vmm(D::Restore)]),
    // As in the reference (`LifeCycleManager::retry`), although it was deployed the first time.
    row((), &[Doing(L::BootSuspended), Doing(L::BootUndeploy)], &[Vmm(D::Restore)]),
    row((), &[Doing(L::Prolog), Doing(L::PrologFailure)], &[Go(L::Prolog), Transfer(T::Prolog)]),
    row((), &[Doing(L::PrologMigrate), Doing(L::PrologMigrateFailure)], &[Go(L::PrologMigrate), Transfer(T::Migrate)]),
    row(
        (),
        &[Doing(L::PrologMigratePoweroff), Doing(L::PrologMigratePoweroffFailure)],
        &[Go(L::PrologMigratePoweroff), Transfer(T::Migrate)],
    ),
    row(
        (),
        &[Doing(L::PrologMigrateSuspend), Doing(L::PrologMigrateSuspendFailure)],
        &[Go(L::PrologMigrateSuspend), Transfer(T::Migrate)],
    ),
    row(
        (),
        &[Doing(L::PrologMigrateUnknown), Doing(L::PrologMigrateUnknownFailure)],
        &[Go(L::PrologMigrateUnknown), Transfer(T::Migrate)],
    ),
    row((), &[Doing(L::PrologResume), Doing(L::PrologResumeFailure)], &[Go(L::PrologResume), Transfer(T::Resume)]),
    row(
        (),
        &[Doing(L::PrologUndeploy), Doing(L::PrologUndeployFailure)],
        &[Go(L::PrologUndeploy), Transfer(T::Resume)],
    ),
    row((), &[Doing(L::Epilog), Doing(L::EpilogFailure)], &[Go(L::Epilog), Transfer(T::Epilog)]),
    row((), &[Doing(L::EpilogStop), Doing(L::EpilogStopFailure)], &[Go(L::EpilogStop), Transfer(T::Stop)]),
    row((), &[Doing(L::EpilogUndeploy), Doing(L::EpilogUndeployFailure)], &[Go(L::EpilogUndeploy), Transfer(T::Stop)]),
    Row {
        on: (),
        from: &[Doing(L::Shutdown), Doing(L::ShutdownPoweroff), Doing(L::ShutdownUndeploy)],
        when: When::Terminating,
        steps: &[Vmm(D::Shutdown)],
    },
    // As in the reference (`LifeCycleManager::retry`), whether the shutdown was hard or not.
    row((), &[Doing(L::Shutdown), Doing(L::ShutdownPoweroff), Doing(L::ShutdownUndeploy)], &[Vmm(D::Cancel)]),
    row((), &[Doing(L::SaveStop), Doing(L::SaveSuspend), Doing(L::SaveMigrate)], &[Vmm(D::Save)]),
    row((), &[Doing(L::Migrate)], &[Vmm(D::Migrate)]),
];

/// The events that a driver's answer, or recovery in its place, makes happen to a VM that is doing this, success first;
/// `None`: no event is waited for.
#[must_use]
pub const fn awaited(doing: L) -> Option<(E, E)> {
    Some(match doing.facts().waits {
        Waits::Prolog => (E::Prologued, E::NotPrologued),
        Waits::Epilog => (E::Epilogued, E::NotEpilogued),
        Waits::Boot => (E::Deployed, E::NotDeployed),
        Waits::Shutdown => (E::ShutDown, E::NotShutDown),
        Waits::Save => (E::Saved, E::NotSaved),
        Waits::Cleanup => (E::CleanedUp, E::CleanedUp),
        _ => return None,
    })
}
