//! The benchmark: a zone of its own, load over real connections, one JSON object per figure on standard output.
//!
//! It measures and reports; it asserts nothing about absolute times.

mod failover;
mod load;
mod machine;

use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use quorate_state_machine::api::Arg;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use crate::client::Client;
use crate::local_zone::{LocalZone, Node, Plan, SESSION};
use load::{Call, Load};

/// How much is measured.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Seconds of load per figure.
    pub seconds: u64,
    /// VMs in the large zone.
    pub vms: usize,
    /// How often the leader is killed.
    pub kills: usize,
}

/// Connection counts at which writes are measured.
const CONNECTIONS: [usize; 4] = [1, 8, 64, 256];
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
    let zone = LocalZone::start(plan, dir)?;
    let result = measure(zone, plan, effort, dir, sync.median()).await;
    result.context("the benchmark's zone")
}

async fn measure(zone: LocalZone, plan: &Plan, effort: Effort, dir: &Path, sync: Duration) -> anyhow::Result<()> {
    zone.ready().await?;
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

    let zone = fresh(zone, plan, &dir.join("pools")).await?;
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
    let zone = LocalZone::start(plan, &dir.join("pools"))?;
    zone.ready().await?;
    let took = started.elapsed();
    report("start", map([("vms", json!(vms)), ("ms", json!(millis(took)))]));

    let mut zone = fresh(zone, plan, &dir.join("failover")).await?;
    if plan.nodes > 2 {
        report("failover", failover::measure(&mut zone, effort.kills).await?);
    }
    zone.stop().await;
    Ok(())
}

/// Stops a zone and starts an empty one like it.
async fn fresh(zone: LocalZone, plan: &Plan, dir: &Path) -> anyhow::Result<LocalZone> {
    zone.stop().await;
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

/// Milliseconds, to the microsecond.
fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 1e6).round() / 1e3
}

fn ratio(a: Duration, b: Duration) -> f64 {
    (a.as_secs_f64() / b.as_secs_f64().max(1e-9) * 10.0).round() / 10.0
}
