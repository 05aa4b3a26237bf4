//! A run from its start to its verdict.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use quorate_node::config::Reads;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::episode::{self, Deck, Episode};
use crate::home::Home;
use crate::target::Target;
use crate::workload::Workload;
use crate::{Options, finale, report};

/// Milliseconds between two episodes.
const PAUSE: std::ops::Range<u64> = 100..1_500;
/// How long clients may take to end: longer than any is patient.
const LAST_CALLS: Duration = Duration::from_secs(20);

/// Runs, prints the report, and says whether all was well.
///
/// # Errors
/// When the run could not be made; anomalies are no errors.
pub async fn run(options: &Options) -> anyhow::Result<ExitCode> {
    let mut rng = StdRng::seed_from_u64(options.seed);
    let drawn = if rng.random_bool(0.5) { 3 } else { 5 };
    let nodes = options.nodes.unwrap_or(drawn);
    let mut deck = Deck::new(&options.only)?;
    let binary = options.binary.canonicalize().with_context(|| options.binary.display().to_string())?;
    let mut home = Home::make(options.dir.as_deref())?;
    println!("chaos: seed {}, {nodes} nodes, {} s, in {}", options.seed, options.seconds, home.path.display());
    let reads = if options.stale_reads { Reads::Stale } else { Reads::Linearizable };
    let mut target = match Target::start(&binary, nodes, reads, &home.path, options.seed).await {
        Ok(target) => target,
        Err(e) => {
            home.keep(&[]);
            return Err(e);
        }
    };
    let clock = Clock::start();
    let workload = Arc::new(Workload::new(target.urls.clone(), clock));
    let clients = workload.start(options.seed);
    let end = Duration::from_secs(options.seconds);
    let mut episodes: Vec<Episode> = Vec::new();
    let mut anomalies: Vec<String> = Vec::new();
    while clock.now() < end && anomalies.is_empty() {
        sleep(Duration::from_millis(rng.random_range(PAUSE))).await;
        let drawn = deck.draw(&mut rng);
        let episode = episode::run(drawn, &mut target, &workload, clock, &mut rng).await?;
        println!("{}", describe(&episode));
        anomalies.extend(episode.anomalies.iter().cloned());
        episodes.push(episode);
    }
    workload.stop();
    timeout(LAST_CALLS, clients.join_all()).await.context("clients do not end")?;
    anomalies.extend(verdict(&workload, &target, clock, &anomalies).await);
    println!("{}", report::table(&episodes, &workload.history.calls()));
    if workload.history.acknowledged() == 0 {
        anomalies.push("no call was acknowledged".to_owned());
    }
    println!("anomalies: {}", anomalies.len());
    if options.stale_reads {
        let noticed = anomalies.iter().any(|anomaly| anomaly.contains("no order explains"));
        println!("stale reads were {}", if noticed { "noticed, as they must be" } else { "NOT NOTICED" });
        return Ok(if noticed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    anomalies.iter().for_each(|anomaly| println!("ANOMALY: {anomaly}"));
    println!("repeat: quorate-chaos {}", arguments(options, nodes));
    if anomalies.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    home.keep(&target.nodes());
    Ok(ExitCode::FAILURE)
}

/// The arguments that repeat a run.
fn arguments(options: &Options, nodes: u16) -> String {
    let Options { binary, seconds, seed, only, .. } = options;
    let only = if only.is_empty() { String::new() } else { format!(" --only {}", only.join(",")) };
    format!("--binary {} --seconds {seconds} --nodes {nodes} --seed {seed}{only}", binary.display())
}

/// What the end of the run shows; a zone that is not well already may be unable to tell.
async fn verdict(workload: &Workload, target: &Target, clock: Clock, known: &[String]) -> Vec<String> {
    match finale::judge(workload, &target.urls, clock).await {
        Ok(found) => found,
        Err(e) if known.is_empty() => vec![format!("the zone does not tell what it holds: {e:#}")],
        Err(e) => {
            println!("what clients were told could not be judged: {e:#}");
            Vec::new()
        }
    }
}

fn describe(episode: &Episode) -> String {
    let weather = episode.weather.map_or_else(String::new, |weather| format!(" in {}", weather.name()));
    let (lasted, recovered) = (episode.mended - episode.from, episode.to - episode.mended);
    format!(
        "{:7.1} s {}{weather}: {:.1} s, well {:.1} s later",
        episode.from.as_secs_f64(),
        episode.fault.name(),
        lasted.as_secs_f64(),
        recovered.as_secs_f64()
    )
}
