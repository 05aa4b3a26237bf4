//! How long a follower that was away needs until it is back in step, while writes go on.

use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior};

use super::failover::leader;
use super::load::{Call, Load};
use super::{map, millis};
use crate::client::Client;
use crate::local_zone::{LocalZone, Node};

/// Connections that write while the follower is away.
const CONNECTIONS: usize = 64;
/// Connections that write while it comes back, and calls per second of all of them.
const GOING_ON: (u32, u32) = (8, 200);

/// Kills a follower, writes so often, and starts it again while 200 writes per second go on. It is in step when it
/// says that it is ready: a read through it then sees what was acknowledged before.
///
/// # Errors
/// When a call is refused, or the follower does not come back.
pub async fn measure(zone: &mut LocalZone, writes: usize) -> anyhow::Result<Map<String, Value>> {
    let away = (leader(zone).await? + 1) % u16::try_from(zone.nodes().len())?;
    zone.kill(away).await?;
    let others: Vec<Client> = zone.nodes().iter().filter(|n| n.index != away).map(Node::client).collect();
    let call = Call::update(&others, Call::document(), 1).await?;
    let clients = others.iter().map(Client::another).collect();
    let load = Load { clients, connections: CONNECTIONS, time: Duration::MAX };
    let written = load.run_calls(&call, writes).await?;

    let mut going_on = JoinSet::new();
    for client in others.iter().cycle().take(GOING_ON.0 as usize) {
        going_on.spawn(keep_writing(client.another(), call.clone()));
    }
    let started = Instant::now();
    zone.restart(away)?.ready().await?;
    let took = started.elapsed();
    if let Some(ended) = going_on.try_join_next() {
        ended??;
    }
    going_on.shutdown().await;
    let purged = purged(&others).await?;
    let mut figures = written.figures();
    figures.append(&mut map([
        ("from", json!(if purged { "snapshot" } else { "log" })),
        ("writes_per_second", json!(GOING_ON.1)),
        ("ms", json!(millis(took))),
    ]));
    Ok(figures)
}

/// Writes at an even pace until it is stopped.
async fn keep_writing(mut client: Client, call: Call) -> anyhow::Result<()> {
    let mut turns = tokio::time::interval(Duration::from_secs(1) * GOING_ON.0 / GOING_ON.1);
    turns.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        turns.tick().await;
        call.run(&mut client).await?;
    }
}

/// Whether the log that a new zone began with is gone from a node.
async fn purged(clients: &[Client]) -> anyhow::Result<bool> {
    let (_, text) = clients.first().context("no node")?.another().get("/metrics").await?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let gauge = text.lines().find_map(|line| line.strip_prefix("quorate_raft_purged_index "));
    Ok(gauge.context("no quorate_raft_purged_index")? != "0")
}
