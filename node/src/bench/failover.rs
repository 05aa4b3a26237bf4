//! How long writes pause when the leader is killed, stopped or told to let another lead, and whether anything
//! acknowledged is lost.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context as _, bail};
use quorate_model::api::Arg;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::{map, millis, percentile};
use crate::client::{ApiReply, Client, records};
use crate::local_zone::{LocalZone, SESSION};

/// How long a write may be refused before the measurement gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks for the leader, and between a refused write and its repetition.
const POLL: Duration = Duration::from_millis(20);
/// Pause between two writes: the zone is to work, not to be loaded.
const PACE: Duration = Duration::from_millis(5);
/// Clients write for so long before the leader changes.
const BEFORE: Duration = Duration::from_millis(50);

/// How leadership ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum End {
    /// SIGKILL.
    Kill,
    /// SIGTERM.
    Stop,
    /// `quorate zone transfer`.
    Transfer,
}

/// Ends leadership `times` times while a client of each node that stays writes. A pause is the longest that one of
/// these clients waited for a write, repetitions included.
///
/// # Errors
/// When the zone does not recover, or lost what it had acknowledged.
pub async fn measure(zone: &mut LocalZone, end: End, times: usize) -> anyhow::Result<Map<String, Value>> {
    let mut pauses = Vec::new();
    let mut acknowledged = BTreeSet::new();
    for _ in 0..times {
        let leader = leader(zone).await?;
        let stays = |index: u16| end == End::Transfer || index != leader;
        let over = Arc::new(AtomicBool::new(false));
        let mut clients = JoinSet::new();
        for node in zone.nodes().iter().filter(|n| stays(n.index)) {
            clients.spawn(write_until(over.clone(), node.client()));
        }
        tokio::time::sleep(BEFORE).await;
        match end {
            End::Kill => zone.kill(leader).await?,
            End::Stop => zone.stop_node(leader).await?,
            End::Transfer => transfer(zone, leader).await?,
        }
        over.store(true, Ordering::Relaxed);
        let mut longest = Duration::ZERO;
        while let Some(written) = clients.join_next().await {
            let (pause, ids) = written??;
            longest = longest.max(pause);
            let made = ids.len() + acknowledged.len();
            acknowledged.extend(ids);
            anyhow::ensure!(acknowledged.len() == made, "an id was given twice");
        }
        pauses.push(longest);
        if end != End::Transfer {
            zone.restart(leader)?.ready().await?;
        }
    }
    nothing_is_lost(zone, &acknowledged).await?;
    pauses.sort_unstable();
    let within = pauses.iter().filter(|pause| **pause <= Duration::from_secs(1)).count();
    Ok(map([
        ("times", json!(times)),
        ("within_1_s", json!(within)),
        ("p50_ms", json!(millis(percentile(&pauses, 50.0)))),
        ("p99_ms", json!(millis(percentile(&pauses, 99.0)))),
        ("max_ms", json!(millis(percentile(&pauses, 100.0)))),
        ("acknowledged", json!(acknowledged.len())),
    ]))
}

/// Writes until it is over, then once more; the longest write and the ids of what it made.
async fn write_until(over: Arc<AtomicBool>, mut client: Client) -> anyhow::Result<(Duration, Vec<i64>)> {
    let (mut longest, mut ids) = (Duration::ZERO, Vec::new());
    loop {
        let last = over.load(Ordering::Relaxed);
        let began = Instant::now();
        ids.push(write(&mut client).await?);
        longest = longest.max(began.elapsed());
        if last {
            return Ok((longest, ids));
        }
        tokio::time::sleep(PACE).await;
    }
}

/// Writes a document, again until it is acknowledged; returns its id.
async fn write(client: &mut Client) -> anyhow::Result<i64> {
    let started = Instant::now();
    let args = [Arg::Str("NAME=failover".to_owned()), Arg::Int(100)];
    while started.elapsed() < PATIENCE {
        match client.call("one.document.allocate", SESSION, &args).await {
            Ok(ApiReply::Success(id)) => return Ok(id.parse()?),
            Ok(ApiReply::Refused(text, _)) => tracing::debug!(text, "refused"),
            Err(e) => tracing::debug!(error = %e, "failed"),
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("no write was acknowledged in {} s", PATIENCE.as_secs())
}

/// Lets the best prepared server lead.
async fn transfer(zone: &LocalZone, leader: u16) -> anyhow::Result<()> {
    let node = zone.nodes().iter().find(|n| n.index == leader).context("no leader")?;
    node.client().admin("transfer", SESSION, Some(""), &mut |_| Ok(())).await
}

/// Whether every node has every document that was acknowledged.
async fn nothing_is_lost(zone: &LocalZone, acknowledged: &BTreeSet<i64>) -> anyhow::Result<()> {
    let args = [Arg::Int(-2), Arg::Int(-1), Arg::Int(-1), Arg::Int(100)];
    for node in zone.nodes() {
        let listed = node.client().call("one.documentpool.info", SESSION, &args).await?.into_value()?;
        let documents = records(&listed, "DOCUMENT")?;
        let ids = documents.iter().map(|d| Ok(d.get("ID").context("no ID")?.parse()?));
        let ids = ids.collect::<anyhow::Result<BTreeSet<i64>>>()?;
        if let Some(id) = acknowledged.difference(&ids).next() {
            bail!("node {} lost document {id}", node.index);
        }
    }
    Ok(())
}

/// The node that says it leads.
pub async fn leader(zone: &LocalZone) -> anyhow::Result<u16> {
    let started = Instant::now();
    while started.elapsed() < PATIENCE {
        for node in zone.nodes() {
            let mut client = node.client();
            let Ok(reply) = client.call("one.zone.raftstatus", SESSION, &[]).await else { continue };
            let status = records(&reply.into_value()?, "RAFT")?;
            if status.first().and_then(|s| s.get("STATE")).map(String::as_str) == Some("3") {
                return Ok(node.index);
            }
        }
        tokio::time::sleep(POLL).await;
    }
    bail!("no node says that it leads")
}
