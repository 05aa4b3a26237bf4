//! What runs did, for people: counts by kind.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use quorate_oracle::History;

use crate::zone::Zone;

/// What a run did, or many runs.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// How many runs.
    pub seeds: u64,
    /// How many calls were made.
    pub calls: usize,
    /// How many of them were acknowledged.
    pub acknowledged: usize,
    /// How many of each kind were acknowledged.
    pub done: BTreeMap<&'static str, usize>,
    /// How many had an unknown outcome.
    pub unknown: usize,
    /// How many operations drivers carried out.
    pub operations: usize,
    /// How many faults of each kind were injected.
    pub faults: BTreeMap<String, usize>,
    /// What else happened, how often.
    pub events: BTreeMap<&'static str, u64>,
    /// How much simulated time passed.
    pub simulated: Duration,
    /// The digest of everything that was sent.
    pub trace: u64,
}

impl Report {
    /// Of a run that has ended.
    ///
    /// # Panics
    /// When no node runs.
    #[must_use]
    pub fn of(zone: &Zone, history: &History, faults: BTreeMap<String, usize>) -> Report {
        Report {
            seeds: 1,
            calls: history.len(),
            acknowledged: history.acknowledged(),
            done: history.done(),
            unknown: history.unknown(),
            operations: zone.ledger().len(),
            faults,
            events: events(zone),
            simulated: zone.elapsed(),
            trace: zone.trace().digest().0,
        }
    }

    /// Adds other runs.
    pub fn add(&mut self, other: Report) {
        self.seeds += other.seeds;
        self.calls += other.calls;
        self.acknowledged += other.acknowledged;
        self.unknown += other.unknown;
        self.operations += other.operations;
        self.simulated += other.simulated;
        self.trace = self.trace.rotate_left(1) ^ other.trace;
        other.done.into_iter().for_each(|(kind, count)| *self.done.entry(kind).or_default() += count);
        other.faults.into_iter().for_each(|(kind, count)| *self.faults.entry(kind).or_default() += count);
        other.events.into_iter().for_each(|(kind, count)| *self.events.entry(kind).or_default() += count);
    }
}

fn events(zone: &Zone) -> BTreeMap<&'static str, u64> {
    let (machines, in_service) = (zone.machines(), zone.ids());
    let joined = machines.iter().filter(|host| !host.is_founder() && host.node_id().is_some()).count();
    BTreeMap::from([
        ("terms", zone.newest().applied.map_or(0, |id| id.leader_id.term)),
        ("snapshots installed", zone.snapshots_installed()),
        ("servers joined", joined as u64),
        ("servers gone", (machines.len() - in_service.len()) as u64),
        ("reports lost", zone.ledger().lost() as u64),
    ])
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Report { seeds, calls, acknowledged, unknown, operations, .. } = self;
        writeln!(f, "{seeds} seeds, {:.0} simulated seconds", self.simulated.as_secs_f64())?;
        writeln!(f, "{calls} calls, {acknowledged} acknowledged, {unknown} of unknown outcome; acknowledged by kind:")?;
        writeln!(f, "    {}", list(&self.done))?;
        writeln!(f, "{operations} operations of drivers")?;
        writeln!(f, "{} faults by kind:\n    {}", self.faults.values().sum::<usize>(), list(&self.faults))?;
        write!(f, "also: {}", list(&self.events))
    }
}

fn list<K: fmt::Display, V: fmt::Display>(counts: &BTreeMap<K, V>) -> String {
    counts.iter().map(|(kind, count)| format!("{kind} {count}")).collect::<Vec<_>>().join(", ")
}
