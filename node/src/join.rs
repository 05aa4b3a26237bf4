//! Which node this is: as its database says, as configured, or as the zone answers a declared server that starts empty;
//! and whether it is still one of the zone.

use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use quorate_raft_store::engine::Engine;
use quorate_raft_store::meta::{Identity, read_identity};
use quorate_raft_store::types::Server;
use tokio::time::timeout;

use crate::config::{Config, Join};
use crate::net::Net;
use crate::said::Said;
use crate::transport::peers::Peers;
use crate::transport::{Links, MemberReply, MemberRequest};

/// How long one server may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(10);
/// Pause before all are asked again.
const PAUSE: Duration = Duration::from_secs(1);

/// Who this node is. Asks the zone, as long as it takes, when it has neither a database nor a configured id; its program
/// supports feature levels up to `supports`.
///
/// # Errors
/// When the disk fails or the database is another zone's.
pub async fn identity<N: Net>(config: &Config, engine: &dyn Engine, net: N, supports: u32) -> anyhow::Result<Identity> {
    let cluster = config.zone.cluster_id.clone();
    if let Some(join) = &config.join {
        if let Some(known) = read_identity(engine)? {
            anyhow::ensure!(known.cluster == cluster, "the database belongs to zone {}", known.cluster);
            return Ok(known);
        }
        let node_id = ask(join, &cluster, net, supports).await?;
        tracing::info!(node_id, "the zone has taken this server in");
        return Ok(Identity { cluster, node_id });
    }
    Ok(Identity { cluster, node_id: config.node_id })
}

/// Whether the zone has removed this node since it took it in, as far as one of these servers finds out from the leader
/// within `limit`. All are asked at once.
pub async fn is_removed(servers: impl Iterator<Item = &String>, node: u64, peers: &Peers, limit: Duration) -> bool {
    let request = MemberRequest::IsMember(node);
    let answers = join_all(servers.map(|server| timeout(limit, peers.manage(server, &request, false)))).await;
    answers.into_iter().flatten().flatten().any(|answer| match answer {
        MemberReply::Done(member) => member != node,
        MemberReply::Refused(_) | MemberReply::NotLeader => false,
    })
}

async fn ask<N: Net>(join: &Join, cluster: &str, net: N, supports: u32) -> anyhow::Result<u64> {
    let me = Identity { cluster: cluster.to_owned(), node_id: 0 };
    let peers = Peers::new(Links::new(net, &me, None).context("zone.cluster_id")?);
    // The endpoint is the declared one.
    let server = Server { name: join.name.clone(), endpoint: String::new(), peer: join.peer.clone() };
    let request = MemberRequest::Join { server, supports };
    let mut said = Said::default();
    loop {
        for seed in &join.seeds {
            let answer = match timeout(ANSWER_TIME, peers.manage(seed, &request, false)).await {
                Ok(Ok(MemberReply::Done(node_id))) => return Ok(node_id),
                Ok(Ok(MemberReply::Refused(reason))) => reason,
                Ok(Ok(MemberReply::NotLeader)) => "no leader is known there".to_owned(),
                Ok(Err(reason)) => reason,
                Err(_) => "no answer in time".to_owned(),
            };
            let answer = format!("{seed}: {answer}");
            if said.changes(seed, &answer) {
                tracing::warn!(answer, "not taken in yet; trying again");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
