//! What a seed decides before a run: the zone, how hard it is worked, how much fails.

use std::collections::BTreeMap;
use std::ops::Range;
use std::time::Duration;

use quorate_drivers::embedded::Behaviour;
use quorate_node::config;
use quorate_raft_store::SyncPolicy;
use rand::Rng as _;
use rand::rngs::StdRng;

use super::faults::Weights;
use crate::zone::Shape;

/// The course of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How long faults are injected.
    pub safety: Duration,
    /// Milliseconds between two faults.
    pub pause: Range<u64>,
    /// Milliseconds between two calls of a client.
    pub pace: Range<u64>,
    /// Whether clients disable the zone now and then.
    pub maintenance: bool,
    /// Of a hundred operations of drivers so many lose their first report.
    pub lost_reports: u64,
    /// Which faults, how often.
    pub faults: Weights,
}

/// Draws a run.
pub fn draw(rng: &mut StdRng) -> (Shape, Plan) {
    let millis = Duration::from_millis;
    // Small logs make long absences need snapshots; now and then the log is kept whole.
    let snapshot_every = [20, 50, 200, 10_000][rng.random_range(0..4)];
    let sync = match rng.random_range(0..4) {
        0 => SyncPolicy::Inline,
        1 => SyncPolicy::Delayed(millis(1)),
        2 => SyncPolicy::Delayed(millis(8)),
        _ => SyncPolicy::Delayed(millis(40)),
    };
    let shape = Shape {
        nodes: [3, 3, 3, 4, 5, 5, 6, 7][rng.random_range(0..8)],
        consoles: rng.random_range(2..=4),
        latency: (millis(1), millis([3, 5, 20][rng.random_range(0..3)])),
        raft: config::Raft {
            election_timeout_ms: 250,
            snapshot_every,
            keep_entries: snapshot_every / 4,
            ..config::Raft::default()
        },
        behaviour: behaviour(rng),
        sync,
        skew: [0, 0, 5, 60][rng.random_range(0..4)],
        sabotage: None,
    };
    let quiet = rng.random_range(30..300);
    let pace = rng.random_range(5..60);
    let plan = Plan {
        safety: Duration::from_secs(rng.random_range(4..12)),
        pause: quiet..quiet * 6,
        pace: pace..pace * 4,
        maintenance: rng.random_bool(0.3),
        lost_reports: [0, 0, 5, 25][rng.random_range(0..4)],
        faults: Weights::draw(rng),
    };
    (shape, plan)
}

fn behaviour(rng: &mut StdRng) -> Behaviour {
    // Some drivers fail now and then: a failed operation is finished, too.
    let outcomes = match rng.random_range(0..3) {
        0 => BTreeMap::from([("cp".to_owned(), vec![true, false, true]), ("rm".to_owned(), vec![true, true, false])]),
        _ => BTreeMap::new(),
    };
    Behaviour {
        monitor_delay: Duration::from_millis(rng.random_range(1..3000)),
        delay: Duration::from_millis(rng.random_range(1..800)),
        outcomes,
    }
}
