//! What operators ask a node beside the API (`/admin/...`, oneadmin only): the zone's servers and settings,
//! backup, hand-over.
//!
//! A JSON page and a file for this program's own command line; everything that OpenNebula has a call for is a call.

use std::time::Duration;

use futures::future::join_all;
use quorate_gateway::control::{AdminReply, AdminRequest};
use quorate_model::command::Command;
use quorate_model::kind::LOCAL_ZONE;
use quorate_model::records::zone::Zone;
use quorate_raft_store::backup;
use quorate_state_machine::zone_time;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::about::About;
use crate::clocks::{Clocks, off_by};
use crate::members::Members;
use crate::proposer::Proposer;
use crate::settings;
use crate::transport::peers::Peers;
use crate::transport::{MemberReply, MemberRequest, PeerStatus, Role};

/// How long another server may take to say how it is.
const ANSWER_TIME: Duration = Duration::from_secs(2);
/// Who has not been heard of for so long is not well, even if it answers.
const SILENCE_MS: u64 = 5000;

/// Answers operators.
#[derive(Clone)]
pub struct Admin {
    /// The zone's unique id.
    pub cluster: String,
    /// What this node says of itself.
    pub about: About,
    /// Other nodes.
    pub peers: Peers,
    /// Who replicates.
    pub members: Members,
    /// The way of writes.
    pub proposer: Proposer,
    /// The zone's time.
    pub clocks: Clocks,
}

/// A server of the zone, as `/admin/status` shows it.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct ServerRow {
    /// OpenNebula's SERVER_ID; -1 when it is not declared.
    pub id: i32,
    /// Its Raft node id; none: it has not joined yet.
    pub node_id: Option<u64>,
    /// Its name.
    pub name: String,
    /// Where clients reach it.
    pub endpoint: String,
    /// Where peers reach it.
    pub peer: String,
    /// leader, follower, candidate, learner, declared (not joined yet), stopped or unknown.
    pub state: String,
    /// ok, or what is wrong.
    pub health: String,
    /// Whether it votes.
    pub voter: bool,
    /// Its term.
    pub term: Option<u64>,
    /// The last entry that it knows to be committed.
    pub commit: Option<u64>,
    /// Its last entry.
    pub log_index: Option<u64>,
    /// The last entry in its state.
    pub applied: Option<u64>,
    /// How many entries its state is behind the newest committed one that any server knows of.
    pub lag: Option<u64>,
    /// Milliseconds since the leader last heard of it.
    pub last_contact_ms: Option<u64>,
    /// The newest entry at which it remembers the hash of its state.
    pub hashed_at: Option<u64>,
    /// That hash in hexadecimal digits: equal on all servers for the same entry.
    pub state_hash: Option<String>,
    /// Bytes of its database.
    pub disk_used: Option<u64>,
    /// Bytes left on its disk.
    pub disk_free: Option<u64>,
    /// The version of its program.
    pub version: Option<String>,
    /// The newest feature level that its program supports.
    pub supported_level: Option<u32>,
    /// The zone's feature level, as its state has it.
    pub feature_level: Option<u32>,
    /// How far its clock is ahead of most servers', milliseconds (negative: behind); none: those do not agree.
    pub clock_ahead_ms: Option<i64>,
}

impl Admin {
    /// Answers one request.
    ///
    /// # Errors
    /// When there is no such request, the caller may not, or it cannot be done; the text is for the operator.
    pub async fn answer(&self, request: AdminRequest) -> Result<AdminReply, String> {
        match (request.acts, request.name.as_str()) {
            (false, "status") => {
                let rows = self.status().await;
                serde_json::to_string(&rows).map(AdminReply::Json).map_err(|e| e.to_string())
            }
            (false, "backup") => {
                let published = self.members.gate.read().await.map_err(|e| e.text)?;
                tracing::info!(index = published.applied.map(|id| id.index), "a backup is made");
                Ok(AdminReply::File(Box::new(backup::encode(&published, &self.cluster))))
            }
            (false, "settings") => settings::show(&self.members).await,
            (true, "settings/diff") => settings::diff(&self.members, request.argument).await,
            (true, name) if name.starts_with("settings/") => settings::change(&self.proposer, &request).await,
            (true, "transfer") => {
                let name = Some(request.argument).filter(|name| !name.is_empty());
                match self.members.ask(&MemberRequest::Transfer(name), false).await {
                    MemberReply::Done(node) => Ok(AdminReply::Json(format!("{{\"leader\":{node}}}"))),
                    MemberReply::Refused(reason) => Err(reason),
                    MemberReply::NotLeader => Err("no leader is known".to_owned()),
                }
            }
            (true, "snapshot") => {
                self.about.raft.trigger().snapshot().await.map_err(|e| e.to_string())?;
                Ok(AdminReply::Json("{}".to_owned()))
            }
            (true, "set-time") => self.set_time(&request.argument).await,
            _ => Err(format!("there is nothing called {}", request.name)),
        }
    }

    /// Sets the zone's time: to a number of unix seconds, or `now` to what most servers' clocks say.
    async fn set_time(&self, wanted: &str) -> Result<AdminReply, String> {
        // The administrator may have set a clock right just now.
        if wanted == "now" && !self.clocks.have_compared_afresh().await {
            return Err(
                "the servers' clocks could not be compared just now: try again, or say the time in unix seconds"
                    .to_owned(),
            );
        }
        let time = match wanted {
            "now" => self.clocks.most_say().ok_or("the servers' clocks do not agree: say the time in unix seconds")?,
            seconds => seconds.parse().map_err(|_| format!("{seconds}: neither unix seconds nor now"))?,
        };
        zone_time::check(time).map_err(|e| e.text)?;
        // Otherwise this node may not have heard yet that the time was set just before.
        let published = self.members.gate.read().await.map_err(|e| e.text)?;
        let before = self.clocks.time_for(&published.state);
        tracing::warn!(before, time, "the administrator sets the zone's time");
        self.members.proposer.propose(Command::SetTime(time)).await.map_err(|e| e.text)?;
        Ok(AdminReply::Json(format!("{{\"before\":{before},\"time\":{time}}}")))
    }

    /// Every member and every declared server, each asked how it is.
    async fn status(&self) -> Vec<ServerRow> {
        let own = self.about.status();
        let published = self.about.published.borrow().clone();
        let zone = published.state.find_typed::<Zone>(LOCAL_ZONE).map(|(_, zone)| zone.clone()).unwrap_or_default();
        let right = self.clocks.comparisons().borrow().boot_time;
        let membership = own.membership.membership().clone();
        let members = membership.nodes().map(|(id, server)| (*id, server.clone()));
        let asked = join_all(members.map(async |(id, server)| {
            let asked = self.clocks.uptime_millis();
            let status = if id == own.node_id {
                Some(own.clone())
            } else {
                timeout(ANSWER_TIME, self.peers.status(&server.peer)).await.ok().flatten()
            };
            let status = status.filter(|status| status.node_id == id);
            let said =
                status.as_ref().map(|status| Clocks::boot_time(asked, status.clock, self.clocks.uptime_millis()));
            (id, server, said.zip(right).map(|(said, right)| said - right), status)
        }))
        .await;
        let statuses = || asked.iter().filter_map(|(_, _, _, status)| status.as_ref());
        let contacts: Vec<_> = statuses().flat_map(|s| s.contacts.clone()).collect();
        let newest = statuses().filter_map(|s| s.committed.map(|id| id.index)).max();
        let mut rows = Vec::new();
        for (id, server, ahead, status) in &asked {
            let declared = zone.servers.iter().find(|s| s.name == server.name);
            let mut row = ServerRow {
                id: declared.map_or(-1, |s| s.id),
                node_id: Some(*id),
                name: server.name.clone(),
                endpoint: declared.map_or(&server.endpoint, |s| &s.endpoint).clone(),
                peer: server.peer.clone(),
                voter: membership.voter_ids().any(|voter| voter == *id),
                clock_ahead_ms: *ahead,
                last_contact_ms: contacts.iter().find(|c| c.node_id == *id).and_then(|c| c.ago_ms),
                ..ServerRow::default()
            };
            describe(&mut row, status.as_ref(), newest, self.clocks.most_apart());
            if zone.leaving.contains(&row.name) {
                "is being removed".clone_into(&mut row.health);
            }
            rows.push(row);
        }
        for server in zone.servers.iter().filter(|s| !asked.iter().any(|(_, member, ..)| member.name == s.name)) {
            rows.push(ServerRow {
                id: server.id,
                name: server.name.clone(),
                endpoint: server.endpoint.clone(),
                peer: zone.peers.get(&server.name).cloned().unwrap_or_default(),
                state: "declared".to_owned(),
                health: "has not joined yet".to_owned(),
                ..ServerRow::default()
            });
        }
        rows.sort_by_key(|row| (row.id, row.node_id));
        rows
    }
}

/// Fills in what a server says of itself; clocks may be `most_apart` milliseconds apart.
fn describe(row: &mut ServerRow, status: Option<&PeerStatus>, newest: Option<u64>, most_apart: i64) {
    let Some(status) = status else {
        "unknown".clone_into(&mut row.state);
        "down".clone_into(&mut row.health);
        return;
    };
    let state = match status.role {
        Role::Leader => "leader",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Learner => "learner",
        Role::Stopped => "stopped",
    };
    state.clone_into(&mut row.state);
    row.term = Some(status.term);
    row.commit = status.committed.map(|id| id.index);
    row.log_index = status.last_log_index;
    row.applied = status.applied.map(|id| id.index);
    row.lag = newest.map(|newest| newest.saturating_sub(row.applied.unwrap_or(0)));
    row.hashed_at = status.state_hash.as_ref().map(|(at, _)| at.index);
    row.state_hash = status.state_hash.as_ref().map(|(_, hash)| hash.iter().map(|b| format!("{b:02x}")).collect());
    row.disk_used = status.disk.map(|disk| disk.used);
    row.disk_free = status.disk.map(|disk| disk.free);
    row.version = Some(status.version.clone());
    row.supported_level = Some(status.supported_level);
    row.feature_level = Some(status.feature_level);
    let health = match status.role {
        Role::Stopped => "Raft has stopped".to_owned(),
        _ if status.leader_id.is_none() => "knows no leader".to_owned(),
        _ if row.last_contact_ms.is_some_and(|ms| ms > SILENCE_MS) => "the leader does not hear it".to_owned(),
        _ => match row.clock_ahead_ms {
            Some(ahead) if ahead.saturating_abs() > most_apart => format!("its clock is {}", off_by(ahead)),
            _ => "ok".to_owned(),
        },
    };
    row.health = health;
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With two servers whose clocks differ nobody knows which is right.
    #[test]
    fn a_clock_is_called_wrong_only_where_a_majority_says_so() {
        let status = PeerStatus { leader_id: Some(1), clock: 1_790_000_000_000, ..PeerStatus::blank(1) };
        let health = |clock_ahead_ms| {
            let mut row = ServerRow { clock_ahead_ms, ..ServerRow::default() };
            describe(&mut row, Some(&status), None, 1000);
            row.health
        };
        assert_eq!([health(None), health(Some(-900))], ["ok", "ok"]);
        assert_eq!(health(Some(-5000)), "its clock is 5 seconds behind of most servers' clocks");
    }
}
