//! Faults drawn from the seed, and their end.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};

use super::members;
use crate::host::name;
use crate::zone::{Crash, Zone};

/// A kind of fault.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Kind {
    KillProcess,
    CutPower,
    StopInOrder,
    Isolate,
    CutOneWay,
    CutPair,
    Split,
    Mend,
    Hold,
    Release,
    Loss,
    Slow,
    BreakDisk,
    StartSomebody,
    KillLeader,
    HandOver,
    Transfer,
    LongOutage,
    AddServer,
    RemoveServer,
    WrongClock,
}

/// Within so long a node ends whose disk has failed.
const NOTICED: Duration = Duration::from_secs(2);

const KINDS: [Kind; 21] = [
    Kind::KillProcess,
    Kind::CutPower,
    Kind::StopInOrder,
    Kind::Isolate,
    Kind::CutOneWay,
    Kind::CutPair,
    Kind::Split,
    Kind::Mend,
    Kind::Hold,
    Kind::Release,
    Kind::Loss,
    Kind::Slow,
    Kind::BreakDisk,
    Kind::StartSomebody,
    Kind::KillLeader,
    Kind::HandOver,
    Kind::Transfer,
    Kind::LongOutage,
    Kind::AddServer,
    Kind::RemoveServer,
    Kind::WrongClock,
];

/// How likely each kind is in a run: a seed favours some, so that runs differ in character.
#[derive(Clone, Debug)]
pub struct Weights(Vec<(Kind, u32)>);

impl Weights {
    /// Draws them.
    pub fn draw(rng: &mut StdRng) -> Weights {
        let weight = |kind: &Kind, rng: &mut StdRng| match kind {
            // What ends faults is always there, or a run would soon have no zone left to test.
            Kind::Mend | Kind::Release => 3,
            Kind::StartSomebody => 4,
            _ => [0, 0, 1, 2, 4][rng.random_range(0..5)],
        };
        Weights(KINDS.iter().map(|kind| (*kind, weight(kind, rng))).collect())
    }

    fn pick(&self, rng: &mut StdRng) -> Kind {
        self.0.choose_weighted(rng, |(_, weight)| *weight).map_or(Kind::Mend, |(kind, _)| *kind)
    }
}

/// The faults of a run.
pub struct Faults {
    weights: Weights,
    held: Vec<(String, String)>,
    /// Until when machines stay down that are down for long.
    away: BTreeMap<u64, Duration>,
    injected: BTreeMap<Kind, usize>,
}

impl Faults {
    /// None so far.
    pub fn new(weights: Weights) -> Faults {
        Faults { weights, held: Vec::new(), away: BTreeMap::new(), injected: BTreeMap::new() }
    }

    /// How many of each kind were injected.
    pub fn injected(&self) -> BTreeMap<String, usize> {
        self.injected.iter().map(|(kind, count)| (format!("{kind:?}"), *count)).collect()
    }

    /// One fault, or the end of one.
    pub fn act(&mut self, zone: &mut Zone, rng: &mut StdRng) {
        let kind = self.weights.pick(rng);
        tracing::info!(at = ?zone.elapsed(), ?kind, "fault");
        *self.injected.entry(kind).or_default() += 1;
        members::bury(zone);
        let mut nodes = zone.ids();
        nodes.shuffle(rng);
        let (node, other) = (nodes[0], nodes[1]);
        match kind {
            Kind::KillProcess => kill(zone, node, Crash::Process),
            Kind::KillLeader => {
                if let Some(leader) = zone.leader() {
                    kill(zone, leader, Crash::Power { keep: 0 });
                }
            }
            Kind::HandOver => zone.hand_over(node),
            Kind::Transfer => drop(zone.transfer(node, other)),
            Kind::AddServer => members::add(zone, node),
            Kind::RemoveServer => members::remove(zone, node, rng),
            Kind::WrongClock => wrong_clock(zone, node, rng),
            Kind::LongOutage => {
                kill(zone, node, Crash::Power { keep: 0 });
                self.away.insert(node, zone.elapsed() + Duration::from_millis(rng.random_range(2_000..6_000)));
            }
            Kind::CutPower => kill(zone, node, Crash::Power { keep: rng.random_range(0..4) }),
            Kind::StopInOrder => zone.host(node).ask_to_stop(),
            Kind::Isolate if self.held.is_empty() => zone.isolate(node),
            Kind::CutOneWay if self.held.is_empty() => zone.cut_oneway(&name(node), &name(other)),
            Kind::CutPair if self.held.is_empty() => zone.cut(&name(node), &name(other)),
            Kind::Split if self.held.is_empty() => {
                let (left, right) = nodes.split_at(rng.random_range(1..nodes.len()));
                for (a, b) in left.iter().flat_map(|a| right.iter().map(move |b| (a, b))) {
                    zone.cut(&name(*a), &name(*b));
                }
            }
            // turmoil cannot hold back what is cut.
            Kind::Hold if !zone.is_cut() => {
                zone.hold(&name(node), &name(other));
                self.held.push((name(node), name(other)));
            }
            Kind::Isolate | Kind::CutOneWay | Kind::CutPair | Kind::Split | Kind::Release => self.release(zone),
            Kind::Mend | Kind::Hold => zone.mend(),
            Kind::Loss => zone.set_loss([0.0, 0.0005, 0.003, 0.01][rng.random_range(0..4)]),
            Kind::Slow => zone.set_latency(Duration::from_millis([3, 10, 60, 250][rng.random_range(0..4)])),
            Kind::BreakDisk => {
                let failing = rng.random_bool(0.5).then_some(std::io::ErrorKind::StorageFull);
                zone.host(node).engine.fail_writes(failing);
            }
            Kind::StartSomebody => {
                let away = |id: &u64| self.away.get(id).is_some_and(|until| *until > zone.elapsed());
                if let Some(down) = nodes.iter().find(|id| zone.is_down(**id) && !away(id)) {
                    let host = zone.host(*down);
                    host.engine.fail_writes(None);
                    // Those that are far off stay so, as long as no other is.
                    if !host.is_far_off() {
                        host.skew.store(rng.random_range(-30..30), Ordering::Relaxed);
                    }
                    zone.start(*down);
                }
            }
        }
    }

    fn release(&mut self, zone: &mut Zone) {
        for (a, b) in self.held.drain(..) {
            zone.release(&a, &b);
        }
    }

    /// Ends all faults; every node runs again.
    pub fn heal(&mut self, zone: &mut Zone) {
        self.release(zone);
        zone.mend();
        zone.set_loss(0.0);
        zone.set_latency(Duration::from_millis(5));
        members::bury(zone);
        for host in zone.machines().iter().filter(|host| host.is_far_off()) {
            host.set_right();
        }
        for node in zone.ids() {
            zone.host(node).engine.fail_writes(None);
        }
        revive(zone);
        // A write that failed just before may end its node only now.
        zone.run_for(NOTICED);
        revive(zone);
    }
}

/// Starts the nodes that have ended. One that is still stopping, or whose disk has failed, must end first.
fn revive(zone: &mut Zone) {
    for node in zone.ids() {
        if !zone.is_up(node) && !zone.is_joining(node) {
            zone.wait("a node has stopped, or has started", |zone| zone.is_down(node) || zone.is_up(node));
            if zone.is_down(node) {
                zone.start(node);
            }
        }
    }
}

/// Sets a node's clock far ahead or behind, or right again. One at a time: what most clocks say is taken for right.
fn wrong_clock(zone: &Zone, node: u64, rng: &mut StdRng) {
    match zone.machines().iter().find(|host| host.is_far_off()) {
        Some(wrong) => wrong.set_right(),
        None => zone.host(node).set_far_off(rng.random()),
    }
}

/// Whoever waits for a report that will never come dies, as it must for its operation to go on.
pub fn kill_who_waits_in_vain(zone: &mut Zone) {
    for node in zone.ledger().waiting_in_vain() {
        kill(zone, node, Crash::Power { keep: 0 });
    }
}

fn kill(zone: &mut Zone, node: u64, how: Crash) {
    if !zone.is_down(node) {
        zone.crash(node, how);
    }
}
