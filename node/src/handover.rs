//! Handing leadership over: to the best prepared voter, or to one that the operator names.

use std::time::Duration;

use openraft::RaftMetrics;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_raft_store::Raft;
use quorate_raft_store::types::TypeConfig;
use tokio::time::timeout;

use crate::leadership::{LeaderView, Leadership};

/// How long the other node may take to lead.
const HANDOVER: Duration = Duration::from_secs(2);
/// How many entries an heir may be behind: it gets them before it is told to stand for election.
const HEIR_LAG: u64 = 1000;

/// Makes the voter of this name lead, or the one whose log is longest; the node id of who leads then.
///
/// # Errors
/// When leadership stays here; the text says why, for the operator.
pub async fn transfer(raft: &Raft, name: Option<&str>) -> Result<u64, String> {
    let heir = heir(&raft.metrics().borrow_watched(), name)?;
    if heir == *raft.node_id() {
        return Ok(heir);
    }
    tracing::info!(heir, "handing leadership over");
    raft.trigger().transfer_leader(heir).await.map_err(|e| e.to_string())?;
    let leadership = Leadership::new(raft.clone());
    let mut changes = raft.server_metrics();
    let taken = async {
        loop {
            if let LeaderView::There(leader, _) = leadership.now() {
                return Ok(leader);
            }
            changes.changed().await.map_err(|_| "Raft has stopped".to_owned())?;
        }
    };
    match timeout(HANDOVER, taken).await {
        Ok(Ok(leader)) if name.is_some() && leader != heir => {
            Err(format!("node {leader} took leadership over instead"))
        }
        Ok(taken) => taken,
        Err(_) => Err("nobody took leadership over in time".to_owned()),
    }
}

fn heir(metrics: &RaftMetrics<TypeConfig>, name: Option<&str>) -> Result<u64, String> {
    let membership = metrics.membership_config.membership();
    let named = |id: u64| name.is_none_or(|name| membership.get_node(&id).is_some_and(|s| s.name == name));
    if name.is_some() && named(metrics.id) {
        return Ok(metrics.id);
    }
    let voters: Vec<u64> = membership.voter_ids().filter(|id| *id != metrics.id && named(*id)).collect();
    let matched = metrics.replication.iter().flatten().filter(|(id, _)| voters.contains(id));
    let best = matched.map(|(id, at)| (at.as_ref().map_or(0, |at| at.index), *id)).max();
    let (index, heir) = best.ok_or_else(|| match name {
        Some(name) => format!("{name} is no other server of the zone that votes"),
        None => "there is no other server that votes".to_owned(),
    })?;
    let lag = metrics.last_log_index.unwrap_or(0).saturating_sub(index);
    if lag > HEIR_LAG {
        return Err(format!("the server is {lag} entries behind"));
    }
    Ok(heir)
}
