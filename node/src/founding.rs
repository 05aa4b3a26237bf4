//! Whether this node may found the zone: not if another listed server already belongs to one. A founder that has lost its
//! data directory, or one of a zone that was restored elsewhere, would otherwise found a second zone of the same id, and
//! clients would write to both.
//!
//! It decides nothing once there is a zone: see [`crate::transport::acquaintances`].

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use quorate_raft_store::engine::Engine;
use quorate_raft_store::meta::{self, Identity};
use tokio::time::timeout;

use crate::config::Config;
use crate::net::Net;
use crate::transport::Links;
use crate::transport::peers::Peers;
use crate::wall::Wall;

/// How long the others may take to answer: those that are down, or wait for this one's key, do not.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// The zone that this node would found exists already.
#[derive(Debug)]
pub struct ZoneExists {
    /// Name and peer address of a server that belongs to it.
    server: (String, String),
    /// The number of its founding.
    founding: u64,
    /// Its id.
    cluster: String,
}

impl fmt::Display for ZoneExists {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ZoneExists { server: (name, peer), founding, cluster } = self;
        write!(
            f,
            "{name} at {peer} is of a zone {cluster} already (founded as {founding:016x}), and this server has no database: \
             the zone exists, so it is not founded again. If this server has lost its data directory, or that zone was \
             restored or recovered, let this one join it: quorate zone remove, quorate zone add there, then start this one \
             empty, with [join] in place of node_id and zone.servers. If that zone is not wanted any more, stop it and \
             empty its servers' data directories first"
        )
    }
}

impl std::error::Error for ZoneExists {}

/// Whether this node founds the zone when it starts empty.
#[must_use]
pub fn founds(config: &Config) -> bool {
    config.founder() == Some(config.node_id)
}

/// A number for a new founding of a zone: never 0, which peers' messages have for none.
pub fn draw(wall: &Wall) -> u64 {
    wall.random_u64().max(1)
}

/// Asks the others before this node founds the zone.
///
/// # Errors
/// [`ZoneExists`] when one of them is of a zone with this id; otherwise when the disk fails.
pub async fn check<N: Net>(config: &Config, engine: &dyn Engine, net: N) -> anyhow::Result<()> {
    if !founds(config) || meta::founding(engine)?.is_some() {
        return Ok(());
    }
    let me = Identity { cluster: config.zone.cluster_id.clone(), node_id: config.node_id };
    let peers = Peers::new(Links::new(net, &me, None).context("zone.cluster_id")?);
    let others = config.zone.servers.iter().filter(|server| server.id != config.node_id);
    let asked = others.map(async |server| {
        let founding = timeout(ANSWER_TIME, peers.founding(&server.peer)).await.ok()?.ok()??;
        Some((server, founding))
    });
    if let Some((server, founding)) = join_all(asked).await.into_iter().flatten().next() {
        let server = (server.name.clone(), server.peer.clone());
        return Err(ZoneExists { server, founding, cluster: me.cluster }.into());
    }
    Ok(())
}
