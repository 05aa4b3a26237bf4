//! The benchmark: a zone of its own, load over real connections, one JSON object per figure on standard output.
//!
//! It measures and reports; it asserts nothing about absolute times.

mod catch_up;
mod failover;
mod fairness;
mod growth;
mod load;
mod machine;
mod records;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use clap::ValueEnum;
use quorate_model::api::Arg;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::client::Client;
use crate::config;
use crate::local_zone::{LocalZone, Node, Plan, SESSION};
use failover::End;
use load::{Call, Load};

/// A part of the benchmark.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Part {
    /// Calls under load.
    Calls,
    /// A large zone: listings, memory, disk, start.
    Pools,
    /// Write pauses when the leader is killed, stopped, or hands over.
    Failover,
    /// A follower that was away, with and without the log that it needs.
    CatchUp,
    /// Disk use while a small state is written again and again.
    Growth,
    /// One user's writes while another floods the zone.
    Fairness,
    /// Leases of a network with few and many, power cycles of a VM with few and many.
    Records,
}

/// What is measured, and how much.
#[derive(Clone, Debug)]
pub struct Effort {
    /// What is measured.
    pub parts: Vec<Part>,
    /// Seconds of load per figure.
    pub seconds: u64,
    /// VMs in the large zone, and in that of a follower that was away.
    pub vms: usize,
    /// How often the leader is killed, stopped, and hands over.
    pub kills: usize,
    /// Writes while a follower is away, and while disk use is watched.
    pub writes: usize,
    /// Bytes of such a write, beside the call itself, while disk use is watched.
    pub bytes: usize,
}

/// Connection counts at which writes are measured.
const CONNECTIONS: [usize; 4] = [1, 8, 64, 256];
/// Connections that write while disk use is watched.
const GROWTH_CONNECTIONS: usize = 128;
/// Power cycles of a VM before they are measured again.
const POWER_CYCLES: usize = 1000;
/// VMs in the smaller listing.
const SMALL_POOL: usize = 1000;
/// Listings per figure.
const LISTINGS: usize = 20;

/// Runs the benchmark in `dir`.
///
/// # Errors
/// When the zone does not do what it should.
pub async fn run(plan: &Plan, effort: Effort, dir: &Path) -> anyhow::Result<()> {
    let sync = machine::sync_latency(dir)?;
    report("machine_sync", sync.figures());
    for part in &effort.parts {
        let measured = match part {
            Part::Calls => calls(plan, &effort, &dir.join("calls"), sync.median()).await,
            Part::Pools => pools(plan, &effort, &dir.join("pools")).await,
            Part::Failover => failovers(plan, &effort, &dir.join("failover")).await,
            Part::CatchUp => catch_ups(plan, &effort, dir).await,
            Part::Growth => growths(plan, &effort, &dir.join("growth")).await,
            Part::Fairness => fairness(plan, &effort, &dir.join("fairness")).await,
            Part::Records => records_of_parts(plan, &dir.join("records")).await,
        };
        measured.context("the benchmark's zone")?;
    }
    Ok(())
}

async fn calls(plan: &Plan, effort: &Effort, dir: &Path, sync: Duration) -> anyhow::Result<()> {
    let zone = start(plan, dir).await?;
    let load = |connections| Load { clients: clients(&zone), connections, time: Duration::from_secs(effort.seconds) };
    for connections in CONNECTIONS {
        let done = load(connections).run(&Call::document()).await?;
        let mut figures = done.figures();
        if connections == 1 {
            figures.insert("p50_over_sync".to_owned(), json!(ratio(done.percentile(50.0), sync)));
        }
        report("document_allocate", figures);
    }
    for connections in CONNECTIONS {
        report("vm_allocate", load(connections).run(&Call::vm()).await?.figures());
    }
    report("vm_info", load(64).run(&Call::new("one.vm.info", vec![Arg::Int(0)])).await?.figures());
    zone.stop().await;
    Ok(())
}

async fn pools(plan: &Plan, effort: &Effort, dir: &Path) -> anyhow::Result<()> {
    let zone = start(plan, dir).await?;
    let empty = disk_use(&zone)?;
    fill(clients(&zone), SMALL_POOL).await?;
    report("vmpool_info", listing(&zone, SMALL_POOL).await?);
    fill(clients(&zone), effort.vms.saturating_sub(SMALL_POOL)).await?;
    report("vmpool_info", listing(&zone, effort.vms).await?);
    let grown = disk_use(&zone)?.saturating_sub(empty);
    let nodes = u64::try_from(zone.nodes().len())?;
    let vms = u64::try_from(effort.vms.max(1))?;
    report("disk", map([("vms", json!(vms)), ("bytes_per_vm", json!(grown / nodes / vms))]));
    for node in zone.nodes() {
        let resident = node.pid().map(machine::resident_bytes).transpose()?;
        report("memory", map([("vms", json!(vms)), ("node", json!(node.index)), ("resident_bytes", json!(resident))]));
    }
    zone.stop().await;
    let started = Instant::now();
    let zone = start(plan, dir).await?;
    let took = started.elapsed();
    report("start", map([("vms", json!(vms)), ("ms", json!(millis(took)))]));
    zone.stop().await;
    Ok(())
}

async fn failovers(plan: &Plan, effort: &Effort, dir: &Path) -> anyhow::Result<()> {
    if plan.nodes < 3 {
        return Ok(());
    }
    let mut zone = start(plan, dir).await?;
    for (figure, end) in [("failover", End::Kill), ("planned_stop", End::Stop), ("transfer", End::Transfer)] {
        report(figure, failover::measure(&mut zone, end, effort.kills).await?);
    }
    zone.stop().await;
    Ok(())
}

async fn catch_ups(plan: &Plan, effort: &Effort, dir: &Path) -> anyhow::Result<()> {
    if plan.nodes < 3 {
        return Ok(());
    }
    let kept = config::Raft { keep_entries: 1 << 40, keep_bytes: 1 << 40, ..plan.raft };
    for (name, raft) in [("kept", kept), ("purged", plan.raft)] {
        let mut zone = start(&Plan { raft, ..plan.clone() }, &dir.join(name)).await?;
        fill(clients(&zone), effort.vms).await?;
        let mut figures = catch_up::measure(&mut zone, effort.writes).await?;
        figures.insert("vms".to_owned(), json!(effort.vms));
        report("catch_up", figures);
        zone.stop().await;
    }
    Ok(())
}

async fn growths(plan: &Plan, effort: &Effort, dir: &Path) -> anyhow::Result<()> {
    let zone = start(plan, dir).await?;
    report("growth", growth::measure(&zone, effort.writes, effort.bytes, GROWTH_CONNECTIONS).await?);
    zone.stop().await;
    Ok(())
}

async fn fairness(plan: &Plan, effort: &Effort, dir: &Path) -> anyhow::Result<()> {
    let zone = start(plan, dir).await?;
    let time = Duration::from_secs(effort.seconds);
    fairness::measure(&clients(&zone), time, |figures| report("fairness", figures)).await?;
    zone.stop().await;
    Ok(())
}

async fn records_of_parts(plan: &Plan, dir: &Path) -> anyhow::Result<()> {
    let zone = start(plan, dir).await?;
    records::prepare(&mut zone.nodes().first().context("no node")?.client()).await?;
    for figures in records::power_cycles(&zone, POWER_CYCLES).await? {
        report("power_cycle", figures);
    }
    let mut there = 0;
    for used in records::LEASES {
        report("lease", records::leases(&zone, used, there).await?);
        there = used.max(there) + records::sample();
    }
    zone.stop().await;
    Ok(())
}

/// A ready zone.
async fn start(plan: &Plan, dir: &Path) -> anyhow::Result<LocalZone> {
    let zone = LocalZone::start(plan, dir)?;
    zone.ready().await?;
    Ok(zone)
}

fn clients(zone: &LocalZone) -> Vec<Client> {
    zone.nodes().iter().map(Node::client).collect()
}

fn disk_use(zone: &LocalZone) -> anyhow::Result<u64> {
    zone.nodes().iter().map(|node| machine::disk_bytes(&node.data_dir())).sum()
}

/// Makes so many VMs.
async fn fill(clients: Vec<Client>, count: usize) -> anyhow::Result<()> {
    let load = Load { clients, connections: 64, time: Duration::MAX };
    load.run_calls(&Call::vm(), count).await.map(drop)
}

/// Lists the VM pool again and again through one node.
async fn listing(zone: &LocalZone, vms: usize) -> anyhow::Result<Map<String, Value>> {
    let mut client = zone.nodes().first().context("no node")?.client();
    let args = [-2, -1, -1, -1].map(Arg::Int);
    let (mut bytes, started) = (0, Instant::now());
    let mut slowest = Duration::ZERO;
    for _ in 0..LISTINGS {
        let began = Instant::now();
        bytes += client.post("one.vmpool.info", SESSION, &args).await?.len();
        slowest = slowest.max(began.elapsed());
    }
    let took = started.elapsed();
    #[expect(clippy::cast_precision_loss)]
    let rate = bytes as f64 / took.as_secs_f64() / 1e6;
    Ok(map([
        ("vms", json!(vms)),
        ("bytes", json!(bytes / LISTINGS)),
        ("mean_ms", json!(millis(took) / f64::from(u32::try_from(LISTINGS)?))),
        ("max_ms", json!(millis(slowest))),
        ("mb_per_second", json!(rate)),
    ]))
}

fn report(figure: &str, mut fields: Map<String, Value>) {
    fields.insert("figure".to_owned(), json!(figure));
    println!("{}", Value::Object(fields));
}

fn map<const N: usize>(fields: [(&str, Value); N]) -> Map<String, Value> {
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The time that `percent` of these sorted ones do not exceed.
fn percentile(sorted: &[Duration], percent: f64) -> Duration {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, clippy::cast_precision_loss)]
    let rank = (sorted.len() as f64 * percent / 100.0).ceil() as usize;
    sorted.get(rank.saturating_sub(1)).copied().unwrap_or_default()
}

/// Milliseconds, to the microsecond.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn ratio(a: Duration, b: Duration) -> f64 {
    (a.as_secs_f64() / b.as_secs_f64().max(1e-9) * 10.0).round() / 10.0
}
