//! The fuzzer: one seed decides a zone, a workload and faults; then the zone heals and must be well again.
//!
//! After the pattern of openraft's own `tests-turmoil`: a safety phase in which anything may fail but nothing
//! may go wrong, then healing, then a liveness phase in which everything must come to its end.

mod check;
mod faults;
mod members;
mod report;
mod shape;
mod workload;

use std::rc::Rc;
use std::time::Duration;

use quorate_oracle::History;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::sabotage::Sabotage;
use crate::zone::Zone;
use faults::Faults;
pub use report::Report;
use workload::Workload;

/// How long the healed zone may take to be well again.
const RECOVERY: Duration = Duration::from_secs(60);

/// Of a hundred jobs outside so many fall with the machine that had them begun.
const FALLING: u64 = 25;

/// Runs a seed.
///
/// # Panics
/// When anything goes wrong; the message says what, and the command that repeats it follows.
pub fn run(seed: u64) -> Report {
    run_sabotaged(seed, None)
}

/// Runs a seed with something broken on purpose.
///
/// # Panics
/// When the sabotage is noticed, or anything else goes wrong.
pub fn run_sabotaged(seed: u64, sabotage: Option<Sabotage>) -> Report {
    let mut rng = StdRng::seed_from_u64(seed);
    let (mut shape, plan) = shape::draw(&mut rng);
    shape.sabotage = sabotage;
    tracing::info!(seed, ?shape, ?plan, "the seed's zone");
    let consoles = shape.consoles;
    let mut zone = Zone::new(seed, shape);
    zone.elect();
    zone.wait("the zone has its first content", |zone| {
        zone.ids().iter().all(|id| zone.is_up(*id) && zone.published(*id).state.globals().bootstrapped)
    });

    // Safety: anything may fail.
    let history = Rc::new(History::default());
    let workload = Workload::new(&mut zone, history.clone(), &plan);
    let clients: Vec<_> = (0..consoles).map(|n| zone.run(n, workload.client(n, rng.random()))).collect();
    let mut faults = Faults::new(plan.faults);
    zone.ledger().lose_reports(plan.lost_reports);
    zone.ledger().fall_with_nodes(FALLING);
    let end = zone.elapsed() + plan.safety;
    while zone.elapsed() < end {
        faults.act(&mut zone, &mut rng);
        let pause = rng.random_range(plan.pause.clone());
        zone.run_for(Duration::from_millis(pause));
        faults::kill_who_waits_in_vain(&mut zone);
    }

    // Healing: everything works again, and clients finish what they have begun.
    zone.ledger().lose_reports(0);
    faults::kill_who_waits_in_vain(&mut zone);
    faults.heal(&mut zone);
    workload.stop();
    zone.wait("all clients have finished", |_| clients.iter().all(console_done));

    // Liveness: one leader, members as declared, equal nodes, new writes, nothing pending.
    zone.elect();
    workload.enable(&mut zone);
    members::finish(&mut zone, RECOVERY);
    check::recovers(&mut zone, RECOVERY);
    workload.read_everything(&mut zone);
    let state = zone.newest().state;
    check::history(&history, &state);
    check::operations(zone.ledger(), zone.operations());
    check::fleet(&state);
    Report::of(&zone, &history, faults.injected())
}

fn console_done<T>(promise: &crate::console::Promise<T>) -> bool {
    promise.is_kept()
}
