//! What clients did and what they were told.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Make a document with this name, which is its first value, too.
    Create(String),
    /// Set a document's value.
    Write(i32, String),
    /// Read a document's value.
    Read(i32),
    /// Delete a document.
    Delete(i32),
    /// Make a template with this name, which only one client can.
    Claim(String),
    /// Enable the zone, or disable it: it then refuses whatever changes anything.
    Enable(bool),
    /// Something that drivers must work on.
    Drive(Work),
}

impl Action {
    /// The kinds of actions.
    const KINDS: [&'static str; 13] = [
        "create",
        "write",
        "read",
        "delete",
        "claim",
        "enable",
        "disable",
        "host",
        "image",
        "remove image",
        "vm",
        "deploy",
        "act",
    ];

    fn kind(&self) -> &'static str {
        match self {
            Action::Create(_) => "create",
            Action::Write(..) => "write",
            Action::Read(_) => "read",
            Action::Delete(_) => "delete",
            Action::Claim(_) => "claim",
            Action::Enable(true) => "enable",
            Action::Enable(false) => "disable",
            Action::Drive(Work::Host) => "host",
            Action::Drive(Work::Image) => "image",
            Action::Drive(Work::RemoveImage(_)) => "remove image",
            Action::Drive(Work::Vm) => "vm",
            Action::Drive(Work::Deploy(..)) => "deploy",
            Action::Drive(Work::Act(..)) => "act",
        }
    }
}

/// Work for drivers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    /// Make a host.
    Host,
    /// Make an image.
    Image,
    /// Delete an image.
    RemoveImage(i32),
    /// Make a VM.
    Vm,
    /// Deploy a VM on a host.
    Deploy(i32, i32),
    /// `one.vm.action` on a VM.
    Act(&'static str, i32),
}

/// What came of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It was done; the id, or the value that was read.
    Done(String),
    /// The object does not exist.
    Missing,
    /// It was refused for another reason, and had no effect.
    Refused(String),
    /// Nobody knows: no answer, or an answer that says so.
    Unknown(String),
}

/// A call.
#[derive(Clone, Debug)]
pub struct Call {
    /// Who.
    pub client: usize,
    /// Through which node.
    pub node: u64,
    /// From when, since the start that all clients share.
    pub from: Duration,
    /// Until when.
    pub to: Duration,
    /// What was asked.
    pub action: Action,
    /// What came of it.
    pub outcome: Outcome,
}

/// All calls that have ended, in the order of their ends. Clients may be threads.
#[derive(Default)]
pub struct History(Mutex<Vec<Call>>);

impl History {
    /// Adds a call that has ended.
    pub fn record(&self, call: Call) {
        tracing::debug!(?call, "recorded");
        self.lock().push(call);
    }

    /// All calls.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().clone()
    }

    /// How many.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "nobody asks")]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// The call that ended last.
    #[must_use]
    pub fn last(&self) -> Option<Call> {
        self.lock().last().cloned()
    }

    /// How many were done.
    #[must_use]
    pub fn acknowledged(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Done(_)))
    }

    /// Of how many nobody knows.
    #[must_use]
    pub fn unknown(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Unknown(_)))
    }

    /// How many of each kind were done.
    #[must_use]
    pub fn done(&self) -> BTreeMap<&'static str, usize> {
        let mut done: BTreeMap<&'static str, usize> = Action::KINDS.into_iter().map(|kind| (kind, 0)).collect();
        for call in self.lock().iter().filter(|call| matches!(call.outcome, Outcome::Done(_))) {
            *done.entry(call.action.kind()).or_default() += 1;
        }
        done
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Call>> {
        // A client that panicked has recorded whole calls or none.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, which: impl Fn(&Outcome) -> bool) -> usize {
        self.lock().iter().filter(|call| which(&call.outcome)).count()
    }
}
