//! How much disk the nodes use while a small state is written again and again.

use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::time::interval;

use super::load::{Call, Load};
use super::{machine, map};
use crate::client::Client;
use crate::local_zone::{LocalZone, Node};

/// How often the data directories are looked at.
const EVERY: Duration = Duration::from_millis(250);

/// Writes `writes` times about `bytes` bytes into a few documents; the most that a node used, and what it uses afterwards.
///
/// # Errors
/// When a call is refused, or a directory cannot be read.
pub async fn measure(
    zone: &LocalZone,
    writes: usize,
    bytes: usize,
    connections: usize,
) -> anyhow::Result<Map<String, Value>> {
    let clients: Vec<Client> = zone.nodes().iter().map(Node::client).collect();
    let call = Call::update(&clients, Call::document(), bytes).await?;
    let load = Load { clients, connections, time: Duration::MAX };
    let mut written = std::pin::pin!(load.run_calls(&call, writes));
    let mut looks = interval(EVERY);
    let mut most = 0;
    let done = loop {
        tokio::select! {
            done = &mut written => break done?,
            _ = looks.tick() => most = most.max(largest(zone)?),
        }
    };
    let at_end = largest(zone)?;
    most = most.max(at_end);
    let mut figures = done.figures();
    figures.append(&mut map([
        ("bytes_per_call", json!(bytes)),
        ("max_bytes_per_node", json!(most)),
        ("bytes_per_node_at_end", json!(at_end)),
    ]));
    Ok(figures)
}

/// Bytes of the largest data directory.
fn largest(zone: &LocalZone) -> anyhow::Result<u64> {
    let sizes = zone.nodes().iter().map(|node| machine::disk_bytes(&node.data_dir()));
    sizes.collect::<anyhow::Result<Vec<u64>>>().map(|sizes| sizes.into_iter().max().unwrap_or(0))
}
