//! A run from its start to its verdict.

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use quorate_node::config::Reads;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use tokio::time::{sleep, timeout};

use crate::clock::Clock;
use crate::episode::{self, Deck, Episode};
use crate::target::Target;
use crate::workload::Workload;
use crate::{Options, finale, report};

/// Milliseconds between two episodes.
const PAUSE: std::ops::Range<u64> = 100..1_500;
/// How long clients may take to end: longer than any is patient.
const LAST_CALLS: Duration = Duration::from_secs(20);

/// Where a run keeps its files.
struct Home {
    path: PathBuf,
    /// Removed with its content, unless it is kept.
    temporary: Option<tempfile::TempDir>,
}

impl Home {
    fn make(wanted: Option<&Path>) -> anyhow::Result<Home> {
        if let Some(path) = wanted {
            std::fs::create_dir_all(path).with_context(|| path.display().to_string())?;
            let path = path.canonicalize()?;
            anyhow::ensure!(path.read_dir()?.next().is_none(), "{} is not empty", path.display());
            return Ok(Home { path, temporary: None });
        }
        let temporary = tempfile::Builder::new().prefix("quorate-chaos-").tempdir()?;
        Ok(Home { path: temporary.path().to_owned(), temporary: Some(temporary) })
    }

    /// Keeps everything, also what is on the nodes' disks, which end with the sandbox.
    fn keep(&mut self, nodes: &[u16]) {
        if let Some(temporary) = self.temporary.take() {
            self.path = temporary.keep();
        }
        for node in nodes {
            let of_node = self.path.join(format!("node-{node}"));
            let copied = Command::new("cp").arg("-r").arg(of_node.join("data")).arg(of_node.join("data-kept")).status();
            if !copied.as_ref().is_ok_and(std::process::ExitStatus::success) {
                eprintln!("chaos: the data of node {node} could not be kept: {copied:?}");
            }
        }
        println!("logs and data are kept in {}", self.path.display());
    }
}

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
    anomalies.iter().for_each(|anomaly| println!("ANOMALY: {anomaly}"));
    println!(
        "repeat: quorate-chaos --binary {} --seconds {} --nodes {nodes} --seed {}",
        options.binary.display(),
        options.seconds,
        options.seed
    );
    if options.stale_reads {
        let noticed = anomalies.iter().any(|anomaly| anomaly.contains("no order explains"));
        println!("stale reads were {}", if noticed { "noticed, as they must be" } else { "NOT NOTICED" });
        return Ok(if noticed { ExitCode::SUCCESS } else { ExitCode::FAILURE });
    }
    if anomalies.is_empty() {
        return Ok(ExitCode::SUCCESS);
    }
    home.keep(&target.nodes());
    Ok(ExitCode::FAILURE)
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
