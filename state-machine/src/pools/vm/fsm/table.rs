//! What rows of tables are made of: where a VM is, what happens to it, and in which steps. Tables hold no code.

use quorate_model::pending::{TransferAction, VmmAction};
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};

/// Where a VM is: its state, or what it is doing when it is active.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum At {
    /// Not active.
    Is(State),
    /// Active.
    Doing(LcmState),
}

impl At {
    /// Where `vm` is.
    #[must_use]
    pub fn of(vm: &Vm) -> At {
        if vm.state == State::Active { At::Doing(vm.lcm_state) } else { At::Is(vm.state) }
    }
}

/// A condition of a row besides the state.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Whenever it is there.
    Always,
    /// It moves by being powered off, not saved.
    PoweroffMigration,
    /// It was stopped or undeployed before: its files are on the front-end.
    Terminating,
}

/// A time of a history record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stamp {
    /// STIME
    Start,
    /// ETIME; the record then also keeps the VM as it is.
    End,
    /// PSTIME
    PrologStart,
    /// PETIME
    PrologEnd,
    /// RSTIME
    RunningStart,
    /// RETIME
    RunningEnd,
    /// ESTIME
    EpilogStart,
    /// EETIME
    EpilogEnd,
}

/// One thing that a transition does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// It is active and does this.
    Go(LcmState),
    /// It is no longer active.
    Rest(State),
    /// The action and who asked for it, in the current record.
    Note(VmAction),
    /// The action, as if the VM's owner had asked for it (the reference mixes the two up when it terminates VMs).
    NoteAsOwner(VmAction),
    /// The action, asked for by nobody.
    NoteInternal(VmAction),
    /// The action, asked for by nobody, unless the record has one.
    NoteIfNone(VmAction),
    /// The action and who asked for it, in the record before the current one.
    NotePrevious(VmAction),
    /// No action in the current record.
    ClearNote,
    /// A time of the current record is now.
    Time(Stamp),
    /// A time of the record before the current one is now.
    TimePrevious(Stamp),
    /// The current record's ETIME is now unless it is set.
    EndIfOpen,
    /// The current record's times of ending are unset: the VM runs.
    Reopen,
    /// The record before the current one keeps the VM as it is.
    PreviousInfo,
    /// A new record in the current one's place.
    CopyRecord,
    /// A new record in the place of the one before the current.
    CopyPreviousRecord,
    /// Whether the scheduler shall move it.
    Resched(bool),
    /// Its requirements are computed anew.
    Requirements,
    /// It takes capacity of its host.
    AddCapacity,
    /// It gives its capacity back.
    RemoveCapacity,
    /// It gives its capacity on the previous host back, if that is another one, and the port it had there.
    LeavePrevious,
    /// A migration came to nothing: it gives back what it took on the new host, if that is another one.
    LeaveNew,
    /// Snapshots of the whole VM are gone, unless its hypervisor keeps them.
    DropSnapshots,
    /// Snapshots of the whole VM are gone, and those of disks that are no images.
    DropAllSnapshots,
    /// Its console port is free.
    FreePort,
    /// The hypervisor's id of it is void.
    ForgetDeployId,
    /// What was being changed (a disk or NIC in attachment, ...) is given up.
    GiveUpChange,
    /// A hypervisor driver is asked.
    Vmm(VmmAction),
    /// A transfer driver is asked.
    Transfer(TransferAction),
    /// What drivers have been asked before does not count any more.
    CancelDrivers,
    /// Everything it uses is free and it is DONE; persistent images are in error where that may be.
    Free,
    /// The same; images are as they were.
    FreeImagesUntouched,
    /// An event follows.
    Then(Event),
}

/// What a driver, or recovery in its place, reports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Event {
    /// It was deployed, restored or migrated live.
    Deployed,
    /// It was not.
    NotDeployed,
    /// It was shut down or cancelled.
    ShutDown,
    /// It was not.
    NotShutDown,
    /// It was saved.
    Saved,
    /// It was not.
    NotSaved,
    /// Its disks are on the host.
    Prologued,
    /// They are not.
    NotPrologued,
    /// Its disks have left the host.
    Epilogued,
    /// They have not.
    NotEpilogued,
    /// The host is cleaned up, or not.
    CleanedUp,
    /// Monitoring finds it running.
    FoundRunning,
    /// Monitoring finds it powered off.
    FoundPoweroff,
    /// Monitoring finds it suspended.
    FoundSuspended,
    /// Monitoring cannot find it.
    Lost,
}

/// A row: `on` it happens, `from` there, `when` that holds.
#[derive(Debug)]
pub struct Row<T: 'static> {
    /// What happens.
    pub on: T,
    /// Where the VM is.
    pub from: &'static [At],
    /// What else holds.
    pub when: When,
    /// What is done.
    pub steps: &'static [Step],
}

/// A row without further condition.
pub const fn row<T>(on: T, from: &'static [At], steps: &'static [Step]) -> Row<T> {
    Row { on, from, when: When::Always, steps }
}

impl When {
    fn holds(self, vm: &Vm) -> bool {
        match self {
            When::Always => true,
            When::PoweroffMigration => vm
                .record()
                .is_some_and(|r| matches!(r.action, VmAction::PoweroffMigrate | VmAction::PoweroffHardMigrate)),
            When::Terminating => vm.record().is_some_and(|r| r.action == VmAction::Terminate),
        }
    }
}

/// The steps of the first row that fits.
#[must_use]
pub fn find<T: PartialEq>(rows: &'static [Row<T>], on: &T, vm: &Vm) -> Option<&'static [Step]> {
    let at = At::of(vm);
    rows.iter().find(|row| row.on == *on && row.from.contains(&at) && row.when.holds(vm)).map(|row| row.steps)
}
