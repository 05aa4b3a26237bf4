//! How long writes pause when the leader is killed, and whether anything acknowledged is lost.

use std::time::Duration;

use anyhow::{Context as _, bail};
use quorate_state_machine::api::Arg;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{map, millis};
use crate::client::{ApiReply, Client, records};
use crate::local_zone::{LocalZone, SESSION};

/// How long a write may be refused before the measurement gives up.
const PATIENCE: Duration = Duration::from_secs(30);
/// Pause between two looks for the leader.
const POLL: Duration = Duration::from_millis(20);

/// Kills the leader `kills` times.
///
/// # Errors
/// When the zone does not recover, or lost what it had acknowledged.
pub async fn measure(zone: &mut LocalZone, kills: usize) -> anyhow::Result<Map<String, Value>> {
    let mut pauses = Vec::new();
    let mut acknowledged = Vec::new();
    for _ in 0..kills {
        let leader = leader(zone).await?;
        let survivor = zone.nodes().iter().find(|n| n.index != leader).context("no survivor")?;
        let mut client = survivor.client();
        acknowledged.push(write(&mut client).await?);
        zone.kill(leader).await?;
        let killed = Instant::now();
        acknowledged.push(write(&mut client).await?);
        pauses.push(killed.elapsed());
        zone.restart(leader)?.ready().await?;
    }
    for node in zone.nodes() {
        let mut client = node.client();
        for id in &acknowledged {
            let reply = client.call("one.document.info", SESSION, &[Arg::Int(*id)]).await?;
            reply.into_value().with_context(|| format!("node {} lost document {id}", node.index))?;
        }
    }
    pauses.sort_unstable();
    let within = pauses.iter().filter(|pause| **pause <= Duration::from_secs(1)).count();
    Ok(map([
        ("kills", json!(kills)),
        ("within_1_s", json!(within)),
        ("median_ms", json!(pauses.get(pauses.len() / 2).map(|p| millis(*p)))),
        ("max_ms", json!(pauses.last().map(|p| millis(*p)))),
        ("lost", json!(0)),
    ]))
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

/// The node that says it leads.
async fn leader(zone: &LocalZone) -> anyhow::Result<u16> {
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
