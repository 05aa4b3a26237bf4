//! Whether this node is still what the others are: the same state at the same entry, a program that knows the zone's
//! feature level, a member, and with the database that the others have met it with.
//!
//! Asks the other nodes now and then, for their clocks, too. It decides about this node alone; each decides about itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use quorate_raft_store::types::{LogId, Membership, StoredMembership};
use quorate_raft_store::{Checkpoints, ENCODING, Published};
use quorate_state_machine::levels;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::clocks::{Clocks, Reading};
use crate::join;
use crate::transport::peers::Peers;
use crate::transport::{PeerStatus, Role};
use crate::verdict::Verdict;

/// How often the others are asked.
const EVERY: Duration = Duration::from_secs(5);
/// How long one may take to answer; all are asked at once.
pub(crate) const ANSWER_TIME: Duration = Duration::from_secs(2);
/// How many entries' hashes of others are remembered until this node gets there.
const REMEMBERED: usize = 64;

/// What another node said of its state at an entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Said {
    hash: u128,
    leads: bool,
}

type Heard = BTreeMap<u64, BTreeMap<u64, Said>>;

/// Runs until this node, whose program supports feature levels up to `supports`, must not go on; why. `configured`: where
/// other servers were by its configuration; they are asked what its members cannot tell.
pub async fn run(
    node_id: u64,
    supports: u32,
    configured: Vec<String>,
    peers: Peers,
    clocks: Clocks,
    mut published: watch::Receiver<Published>,
) -> Verdict {
    // By index of the entry, then by node.
    let mut heard = Heard::new();
    let mut silent = BTreeSet::new();
    loop {
        let membership = published.borrow().membership.clone();
        let members = membership.membership();
        let asked = members.nodes().filter(|(id, _)| **id != node_id).map(async |(id, server)| {
            let asked = clocks.uptime_millis();
            let status = timeout(ANSWER_TIME, peers.status_or_refusal(&server.peer)).await.unwrap_or(Ok(None));
            let (status, refusal) = status.map_or_else(|refusal| (None, Some(refusal)), |status| (status, None));
            let boot_time =
                status.as_ref().map(|status| Clocks::boot_time(asked, status.clock, clocks.uptime_millis()));
            let votes = members.voter_ids().any(|voter| voter == *id);
            (Reading { server: server.name.clone(), votes, boot_time }, (status, refusal))
        });
        let (readings, answers): (Vec<Reading>, Vec<_>) = join_all(asked).await.into_iter().unzip();
        let (answers, refusals): (Vec<Option<PeerStatus>>, Vec<Option<String>>) = answers.into_iter().unzip();
        let refusal = match refusals.into_iter().flatten().next() {
            None if !is_in(node_id, members) => met_otherwise(&configured, &peers).await,
            refusal => refusal,
        };
        if let Some(reason) = refusal {
            return Verdict::Failed(reason);
        }
        tell(&mut silent, &readings);
        if let Some(me) = members.get_node(&node_id) {
            clocks.compare(&me.name, members.voter_ids().any(|voter| voter == node_id), readings);
        }
        let answers: Vec<PeerStatus> = answers.into_iter().flatten().collect();
        let now = published.borrow_and_update().clone();
        let ways = members.nodes().filter(|(id, _)| **id != node_id).map(|(_, server)| &server.peer).chain(&configured);
        if replaced(node_id, &now.membership, &answers)
            || in_doubt(node_id, &now.membership, &answers)
                && join::is_removed(ways, node_id, &peers, ANSWER_TIME).await
        {
            return Verdict::Removed;
        }
        if let Some(reason) = beyond(supports, &answers) {
            return Verdict::Failed(reason);
        }
        for status in answers {
            note(&mut heard, status);
        }
        if let Some(reason) = differs(&heard, &now.checkpoints) {
            return Verdict::Failed(reason);
        }
        tokio::select! {
            biased;
            () = clocks.comparison_is_wanted() => {}
            () = tokio::time::sleep(EVERY) => {}
        }
    }
}

/// Why the zone is beyond this program. The leader is believed, and so are two other nodes: one alone may be wrong.
/// They are asked because entries behind a raise of the level may be unreadable here: then this node would never get
/// as far as the raise.
fn beyond(supports: u32, answers: &[PeerStatus]) -> Option<String> {
    let higher: Vec<&PeerStatus> = answers.iter().filter(|s| s.feature_level > supports).collect();
    let believed = higher.len() > 1 || higher.iter().any(|s| s.role == Role::Leader);
    let said = higher.first().filter(|_| believed)?;
    levels::fits(said.feature_level, &said.feature_level_since, supports).err()
}

/// Says once that another server does not answer, and once that it does again.
fn tell(silent: &mut BTreeSet<String>, answers: &[Reading]) {
    for Reading { server, boot_time, .. } in answers {
        if boot_time.is_none() {
            if silent.insert(server.clone()) {
                tracing::warn!(server, "another server of the zone does not answer");
            }
        } else if silent.remove(server) {
            tracing::info!(server, "another server of the zone answers again");
        }
    }
}

fn note(heard: &mut Heard, status: PeerStatus) {
    // Whoever writes records differently has another hash of the same state.
    if status.encoding != ENCODING {
        return;
    }
    let Some((LogId { index, .. }, hash)) = status.state_hash else { return };
    let Ok(hash) = <[u8; 16]>::try_from(hash.as_slice()) else { return };
    let said = Said { hash: u128::from_be_bytes(hash), leads: status.role == Role::Leader };
    heard.entry(index).or_default().insert(status.node_id, said);
    while heard.len() > REMEMBERED {
        heard.pop_first();
    }
}

/// Why this node's state must be taken for the wrong one: more others agree on another, or the leader has another
/// and nobody has this.
fn differs(heard: &Heard, own: &Checkpoints) -> Option<String> {
    own.iter().rev().find_map(|(at, hash)| {
        let said = heard.get(&at.index)?;
        let same = said.values().filter(|said| said.hash == *hash).count() + 1;
        let mut others: BTreeMap<u128, (usize, bool)> = BTreeMap::new();
        for said in said.values().filter(|said| said.hash != *hash) {
            let (count, leads) = others.entry(said.hash).or_default();
            *count += 1;
            *leads |= said.leads;
        }
        let outvoted = others.values().any(|(count, leads)| *count > same || (*count == same && *leads));
        outvoted.then(|| {
            format!(
                "the state of this node at log entry {} differs from the other nodes': its memory or disk is damaged, or there is a fault in this program. Keep its data directory for analysis, then remove the server and let it join with an empty one",
                at.index
            )
        })
    })
}

/// Why this node must not go on, as one of these servers says that has met it with another database: a node that starts
/// empty knows no members yet.
async fn met_otherwise(servers: &[String], peers: &Peers) -> Option<String> {
    let asked = servers.iter().map(|server| timeout(ANSWER_TIME, peers.status_or_refusal(server)));
    join_all(asked).await.into_iter().find_map(|answer| answer.ok()?.err())
}

fn is_in(node_id: u64, members: &Membership) -> bool {
    members.get_node(&node_id).is_some()
}

/// Whether another node knows of newer members without this one.
fn replaced(node_id: u64, own: &StoredMembership, answers: &[PeerStatus]) -> bool {
    let committed = |status: &PeerStatus| status.committed.as_ref() >= status.membership.log_id().as_ref();
    let newer = |status: &PeerStatus| status.membership.log_id() > own.log_id();
    let lacks = |status: &PeerStatus| !is_in(node_id, status.membership.membership());
    is_in(node_id, own.membership()) && answers.iter().any(|s| committed(s) && newer(s) && lacks(s))
}

/// Whether only the leader can tell if this node is a member. By its own log it is none: either that is its removal, or
/// the log has yet to reach the entry that took it in. Or nobody that it knows leads, and it is not followed by a majority
/// itself: the others may all have been replaced while it was away, and those who took their places do not speak to it.
fn in_doubt(node_id: u64, own: &StoredMembership, answers: &[PeerStatus]) -> bool {
    let members = own.membership();
    let votes = |id: u64| members.voter_ids().any(|voter| voter == id);
    let follows = |status: &&PeerStatus| votes(status.node_id) && status.leader_id == Some(node_id);
    let followed = 1 + answers.iter().filter(follows).count();
    let leads = votes(node_id) && followed > members.voter_ids().count() / 2;
    !is_in(node_id, members) || !leads && !answers.iter().any(|status| status.role == Role::Leader)
}

#[cfg(test)]
mod tests {
    use super::*;
    use quorate_raft_store::types::{Server, log_id};

    fn heard(said: &[(u64, u128, bool)]) -> Heard {
        let said = said.iter().map(|(node, hash, leads)| (*node, Said { hash: *hash, leads: *leads })).collect();
        Heard::from([(64, said)])
    }

    fn own(hash: u128) -> Checkpoints {
        Checkpoints::from([(log_id(1, 64), hash), (log_id(1, 128), 5)])
    }

    /// A membership of these voters, made by this entry.
    fn members(entry: u64, voters: &[u64]) -> StoredMembership {
        let nodes: BTreeMap<u64, Server> = voters.iter().map(|id| (*id, Server::default())).collect();
        let membership = Membership::new(vec![voters.iter().copied().collect()], nodes).unwrap();
        StoredMembership::new(Some(log_id(1, entry)), membership)
    }

    fn says(node_id: u64, committed: u64, membership: StoredMembership) -> PeerStatus {
        PeerStatus { committed: Some(log_id(1, committed)), membership, ..PeerStatus::blank(node_id) }
    }

    #[test]
    fn a_removed_node_believes_one_that_knows_of_a_newer_membership() {
        let own = members(5, &[1, 2, 3]);
        let newer = |committed| [says(1, committed, members(9, &[1, 2]))];
        assert!(replaced(3, &own, &newer(9)));
        assert!(!replaced(3, &own, &newer(8)), "it may not come to that");
        assert!(!replaced(3, &own, &[says(1, 9, members(4, &[1, 2]))]), "an older one, from before it joined");
        assert!(!replaced(4, &own, &newer(9)), "its log may have yet to reach the entry that takes it in");
    }

    #[test]
    fn a_node_asks_the_leader_when_neither_its_log_nor_those_it_knows_can_tell() {
        let own = members(5, &[1, 2, 3]);
        let leads = |own: &StoredMembership| [PeerStatus { role: Role::Leader, ..says(1, 5, own.clone()) }];
        assert!(!in_doubt(3, &own, &leads(&own)));
        assert!(in_doubt(3, &own, &[says(1, 5, own.clone())]), "nobody leads");
        let follows = |node_id, leader_id| PeerStatus { leader_id, ..says(node_id, 5, own.clone()) };
        assert!(!in_doubt(3, &own, &[follows(1, Some(3))]), "it leads");
        assert!(!in_doubt(1, &members(5, &[1]), &[]), "it leads alone");
        let wide = members(5, &[1, 2, 3, 4, 5]);
        assert!(in_doubt(3, &wide, &[follows(1, Some(3))]), "the others may have been replaced");
        assert!(in_doubt(3, &own, &[follows(1, Some(2)), follows(6, Some(3))]), "who does not vote makes nobody lead");
        assert!(in_doubt(4, &own, &leads(&own)), "it is not in its own log");
        assert!(in_doubt(4, &StoredMembership::default(), &[]), "it has no log");
    }

    #[test]
    fn the_one_that_differs_stops_and_nobody_else() {
        assert_eq!(differs(&heard(&[(2, 7, true), (3, 7, false)]), &own(7)), None);
        assert!(differs(&heard(&[(2, 8, true), (3, 8, false)]), &own(7)).is_some());
        assert_eq!(differs(&heard(&[(2, 8, true), (3, 7, false)]), &own(7)), None, "the leader is the wrong one");
    }

    #[test]
    fn a_higher_level_is_believed_of_the_leader_or_of_two() {
        let at = |node_id, feature_level, role| PeerStatus { feature_level, role, ..PeerStatus::blank(node_id) };
        assert_eq!(beyond(1, &[at(1, 1, Role::Leader), at(2, 1, Role::Follower)]), None);
        assert_eq!(beyond(1, &[at(1, 1, Role::Leader), at(2, u32::MAX, Role::Follower)]), None);
        assert!(beyond(1, &[at(1, 2, Role::Leader), at(2, 1, Role::Follower)]).is_some());
        assert!(beyond(1, &[at(1, 2, Role::Follower), at(2, 2, Role::Candidate)]).is_some());
    }

    #[test]
    fn hashes_are_compared_across_versions_but_not_across_encodings() {
        let hashed = |encoding| PeerStatus {
            version: "0.0.1".to_owned(),
            encoding,
            state_hash: Some((log_id(1, 64), 8_u128.to_be_bytes().to_vec())),
            role: Role::Leader,
            ..says(2, 64, StoredMembership::default())
        };
        let mut heard = Heard::new();
        note(&mut heard, hashed(ENCODING - 1));
        note(&mut heard, hashed(ENCODING + 1));
        assert_eq!(differs(&heard, &own(7)), None);
        note(&mut heard, hashed(ENCODING));
        assert!(differs(&heard, &own(7)).is_some());
    }

    #[test]
    fn of_two_the_leader_is_believed() {
        assert!(differs(&heard(&[(2, 8, true)]), &own(7)).is_some());
        assert_eq!(differs(&heard(&[(2, 8, false)]), &own(7)), None);
    }
}
