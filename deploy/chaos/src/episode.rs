//! One episode of a run: a fault, perhaps in bad weather, and the zone's way back to health.

use std::time::Duration;

use rand::Rng as _;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use tokio::time::{Instant, sleep};

use crate::clock::Clock;
use crate::faults::{self, Fault};
use crate::target::Target;
use crate::workload::Workload;

/// How long the zone may take to be well again when a fault is over.
const RECOVERY: Duration = Duration::from_secs(30);
/// Pause between two looks.
const LOOK: Duration = Duration::from_millis(10);

/// What an episode was.
#[derive(Clone, Debug)]
pub struct Episode {
    /// The fault.
    pub fault: Fault,
    /// What it came with.
    pub weather: Option<Fault>,
    /// When it began.
    pub from: Duration,
    /// When everything was mended.
    pub mended: Duration,
    /// When the zone was well again, or when nobody waited any longer.
    pub to: Duration,
    /// What should not have happened.
    pub anomalies: Vec<String>,
}

/// Which faults come, in an order that brings each once before any comes again.
pub struct Deck {
    faults: Vec<Fault>,
    weathers: Vec<Fault>,
    left: Vec<Fault>,
}

impl Deck {
    /// All faults, or those with these names.
    ///
    /// # Errors
    /// When a name is no fault's.
    pub fn new(only: &[String]) -> anyhow::Result<Deck> {
        let all = || Fault::ACUTE.into_iter().chain(Fault::WEATHER);
        for name in only {
            let names: Vec<&str> = all().map(Fault::name).collect();
            anyhow::ensure!(names.contains(&name.as_str()), "'{name}' is no fault; there are: {}", names.join(", "));
        }
        let wanted = |fault: &Fault| only.is_empty() || only.iter().any(|name| name == fault.name());
        let weathers = Fault::WEATHER.into_iter().filter(wanted).collect();
        Ok(Deck { faults: all().filter(wanted).collect(), weathers, left: Vec::new() })
    }

    /// The next fault, and the weather that it comes with.
    pub fn draw(&mut self, rng: &mut StdRng) -> (Fault, Option<Fault>) {
        if self.left.is_empty() {
            self.left.clone_from(&self.faults);
            self.left.shuffle(rng);
        }
        let fault = self.left.pop().unwrap_or(Fault::KillLeader);
        let bad = !fault.is_weather() && rng.random_bool(0.25);
        (fault, self.weathers.choose(rng).copied().filter(|_| bad))
    }
}

/// Goes through an episode.
///
/// # Errors
/// When a node cannot be started.
pub async fn run(
    (fault, weather): (Fault, Option<Fault>),
    target: &mut Target,
    workload: &Workload,
    clock: Clock,
    rng: &mut StdRng,
) -> anyhow::Result<Episode> {
    faults::change_weather(weather, target, rng);
    let from = clock.now();
    let inflicted = faults::inflict(fault, target, rng).await;
    faults::change_weather(None, target, rng);
    let mended = clock.now();
    let anomalies = match inflicted {
        Ok(()) => recovery(target, workload, clock).await?,
        // A node that does not stop when told to, or is not there.
        Err(e) => vec![format!("{e:#}")],
    };
    Ok(Episode { fault, weather, from, mended, to: clock.now(), anomalies })
}

/// Waits until every node is ready and acknowledges writes; what is wrong when that does not come about.
async fn recovery(target: &mut Target, workload: &Workload, clock: Clock) -> anyhow::Result<Vec<String>> {
    let (began, deadline) = (clock.now(), Instant::now() + RECOVERY);
    loop {
        target.start_strained()?;
        let surprises = target.surprises();
        if !surprises.is_empty() {
            return Ok(surprises);
        }
        if workload.all_nodes_write(began) && all_ready(target).await {
            target.all_are_well();
            return Ok(Vec::new());
        }
        if Instant::now() > deadline {
            return Ok(vec![format!("the zone is not well {} s after everything was mended", RECOVERY.as_secs())]);
        }
        sleep(LOOK).await;
    }
}

async fn all_ready(target: &Target) -> bool {
    for index in target.nodes() {
        if !target.is_ready(index).await {
            return false;
        }
    }
    true
}
