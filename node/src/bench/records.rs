//! Whether a change costs the same however much there is: leases of a network that has many, power cycles of a VM that
//! has had many.

use std::time::Duration;

use anyhow::Context as _;
use quorate_model::api::Arg;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::load::{Call, Load};
use super::{disk_use, map, millis, percentile};
use crate::client::{Client, records};
use crate::local_zone::{LocalZone, Node, SESSION};

/// How many leases the network has when the cost of one more is measured.
pub const LEASES: [usize; 3] = [0, 1_000, 60_000];
/// Leases and power cycles per figure.
const SAMPLE: usize = 100;
/// How long a VM may take to reach a state.
const PATIENCE: Duration = Duration::from_secs(30);

fn text(text: &str) -> Arg {
    Arg::Str(text.to_owned())
}

/// Makes the network and the host that the figures need.
///
/// # Errors
/// When a call is refused.
pub async fn prepare(client: &mut Client) -> anyhow::Result<()> {
    let network = "NAME=bench VN_MAD=dummy BRIDGE=b AR=[TYPE=IP4,IP=10.0.0.1,SIZE=65000]";
    Call::new("one.vn.allocate", vec![text(network), Arg::Int(-1)]).run(client).await?;
    Call::new("one.datastore.update", vec![Arg::Int(0), text("TM_MAD=dummy"), Arg::Int(1)]).run(client).await?;
    let host = vec![text("bench"), text("dummy"), text("dummy"), Arg::Int(-1)];
    Call::new("one.host.allocate", host).run(client).await?;
    let ready = |state: &str, _: &str| state == "1";
    wait(client, "one.vn.info", "VNET", 0, ready).await?;
    wait(client, "one.host.info", "HOST", 0, |state, _| state == "2").await
}

/// Waits until an object's STATE and LCM_STATE are as they should be.
async fn wait(
    client: &mut Client,
    method: &str,
    element: &str,
    id: i64,
    reached: impl Fn(&str, &str) -> bool,
) -> anyhow::Result<()> {
    let began = Instant::now();
    loop {
        let xml = client.call(method, SESSION, &[Arg::Int(id)]).await?.into_value()?;
        let found = records(&xml, element)?.into_iter().next().context("an object without content")?;
        let state = |name: &str| found.get(name).map_or("", String::as_str);
        if reached(state("STATE"), state("LCM_STATE")) {
            return Ok(());
        }
        anyhow::ensure!(began.elapsed() < PATIENCE, "{method} {id}: not ready in time");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// A VM with an address of the network.
fn lease() -> Call {
    let template = "NAME=bench\nCPU=0.01\nMEMORY=1\nNIC=[NETWORK_ID=0]";
    Call::new("one.vm.allocate", vec![text(template), Arg::Bool(false)])
}

/// What one more lease costs when `used` of them are there; makes what is missing of them first.
///
/// # Errors
/// When a call is refused.
pub async fn leases(zone: &LocalZone, used: usize, there: usize) -> anyhow::Result<Map<String, Value>> {
    let clients = || zone.nodes().iter().map(Node::client).collect::<Vec<_>>();
    let fill = Load { clients: clients(), connections: 64, time: Duration::MAX };
    fill.run_calls(&lease(), used.saturating_sub(there)).await?;
    let before = disk_use(zone)?;
    let one = Load { clients: clients(), connections: 1, time: Duration::MAX };
    let mut figures = one.run_calls(&lease(), SAMPLE).await?.figures();
    figures.append(&mut map([("used", json!(used)), ("disk_bytes_per_call", json!(per_sample(zone, before)?))]));
    Ok(figures)
}

/// How many leases one figure adds.
#[must_use]
pub fn sample() -> usize {
    SAMPLE
}

/// Bytes that a node's disk has more than `before` (of all nodes), per call of a sample.
fn per_sample(zone: &LocalZone, before: u64) -> anyhow::Result<u64> {
    let grown = disk_use(zone)?.saturating_sub(before);
    Ok(grown / u64::try_from(zone.nodes().len() * SAMPLE)?)
}

/// Power cycles of one VM: the first ones against those after `cycles`.
///
/// # Errors
/// When a call is refused, or the VM does not reach a state in time.
pub async fn power_cycles(zone: &LocalZone, cycles: usize) -> anyhow::Result<[Map<String, Value>; 2]> {
    let mut client = zone.nodes().first().context("no node")?.client();
    let id: i64 = Call::vm().run(&mut client).await?.parse()?;
    let deploy = vec![Arg::Int(id), Arg::Int(0), Arg::Bool(false), Arg::Int(-1), text("")];
    Call::new("one.vm.deploy", deploy).run(&mut client).await?;
    let running = |state: &str, lcm: &str| state == "3" && lcm == "3";
    wait(&mut client, "one.vm.info", "VM", id, running).await?;
    let first = sample_of_cycles(zone, &mut client, id, 1).await?;
    for _ in SAMPLE..cycles {
        cycle(&mut client, id).await?;
    }
    let last = sample_of_cycles(zone, &mut client, id, cycles.max(SAMPLE) + 1).await?;
    Ok([first, last])
}

async fn cycle(client: &mut Client, id: i64) -> anyhow::Result<()> {
    for (action, state, lcm) in [("poweroff", "8", "0"), ("resume", "3", "3")] {
        Call::new("one.vm.action", vec![text(action), Arg::Int(id)]).run(client).await?;
        wait(client, "one.vm.info", "VM", id, |now, doing| now == state && doing == lcm).await?;
    }
    Ok(())
}

async fn sample_of_cycles(
    zone: &LocalZone,
    client: &mut Client,
    id: i64,
    number: usize,
) -> anyhow::Result<Map<String, Value>> {
    let (before, mut times) = (disk_use(zone)?, Vec::new());
    for _ in 0..SAMPLE {
        let began = Instant::now();
        cycle(client, id).await?;
        times.push(began.elapsed());
    }
    times.sort_unstable();
    Ok(map([
        ("from_cycle", json!(number)),
        ("cycles", json!(SAMPLE)),
        ("p50_ms", json!(millis(percentile(&times, 50.0)))),
        ("p99_ms", json!(millis(percentile(&times, 99.0)))),
        ("disk_bytes_per_cycle", json!(per_sample(zone, before)?)),
    ]))
}
