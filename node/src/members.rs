//! Who replicates: the leader makes Raft's members follow the servers that the zone declares, one change at a time.
//!
//! A declared server joins when it asks (as a learner), votes once it has caught up, and leaves when it is no longer
//! declared. Node ids come from replicated state and are never given twice. Nothing here forces a change: one that
//! would lose the quorum is refused, or waits.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::future::join_all;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::{ChangeMembers, Instant as _, RaftMetrics};
use quorate_model::api::{ApiReply, Arg, Value};
use quorate_model::command::{Actor, Call, Command, Facts, SYSTEM};
use quorate_model::kind::LOCAL_ZONE;
use quorate_model::records::zone::Zone;
use quorate_raft_store::types::{LogId, Server, TypeConfig};
use quorate_raft_store::{Published, Raft};
use quorate_state_machine::pools::zone::servers::{ALLOCATE_NODE, LEFT};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::address::host_and_port;
use crate::change_lock::ChangeLock;
use crate::clocks::{Clocks, off_by};
use crate::handover;
use crate::leader::{LeaderTask, Leading, Running};
use crate::leadership::{LeaderView, Leadership};
use crate::proposer::Proposer;
use crate::read_gate::ReadGate;
use crate::transport::peers::Peers;
use crate::transport::{MemberReply, MemberRequest};

/// How many entries a learner may be behind when it is given a vote.
const PROMOTION_LAG: u64 = 200;
/// Who has not answered for so long does not count for a quorum. Many heartbeats.
const SILENCE: Duration = Duration::from_secs(2);
/// How long a member may take to show that it is there.
const ANSWER_TIME: Duration = Duration::from_millis(500);
/// How long one change may take before it is looked at again.
const CHANGE_TIME: Duration = Duration::from_secs(5);
/// Pause between two looks while something is to be done.
const PAUSE: Duration = Duration::from_millis(200);

/// The zone's members.
#[derive(Clone)]
pub struct Members {
    /// This node's Raft.
    pub raft: Raft,
    /// The way of writes.
    pub proposer: Proposer,
    /// The way of reads.
    pub gate: ReadGate,
    /// Other nodes.
    pub peers: Peers,
    /// Who leads.
    pub leadership: Leadership,
    /// The newest state.
    pub published: watch::Receiver<Published>,
    /// Lets one change happen at a time.
    pub changes: ChangeLock,
    /// Whose clocks are off.
    pub clocks: Clocks,
}

/// Why something was not done; the text is for the operator.
type Refusal = String;

impl LeaderTask for Members {
    fn run(&self, leading: Leading) -> Running<'_> {
        Box::pin(async move { leading.during(self.follow()).await })
    }
}

impl Members {
    /// Fulfils a request here or through the leader; `passed_on`: somebody has looked for the leader already.
    pub async fn ask(&self, request: &MemberRequest, passed_on: bool) -> MemberReply {
        match self.leadership.now() {
            LeaderView::Here => match self.fulfil(request).await {
                Ok(node) => MemberReply::Done(node),
                Err(reason) => MemberReply::Refused(reason),
            },
            LeaderView::There(_, server) if !passed_on => {
                self.peers.manage(&server.peer, request, true).await.unwrap_or(MemberReply::NotLeader)
            }
            LeaderView::There(..) | LeaderView::Unknown => MemberReply::NotLeader,
        }
    }

    async fn fulfil(&self, request: &MemberRequest) -> Result<u64, Refusal> {
        match request {
            MemberRequest::Join { server, supports } => self.admit(server, *supports).await,
            MemberRequest::Transfer(name) => {
                if let Some(name) = name {
                    let view = self.view_now().await;
                    if view.named(name).iter().any(|id| !view.is_heard(*id)) {
                        return Err(format!("{name} does not answer"));
                    }
                    if let Some(ahead) = self.clocks.is_off(name) {
                        let off = off_by(ahead);
                        return Err(format!(
                            "the clock of {name} is {off}: that server would hand leadership back at once"
                        ));
                    }
                }
                handover::transfer(&self.raft, name.as_deref()).await
            }
            MemberRequest::MayRemove(name) => {
                let view = self.view_now().await;
                let ids = view.named(name);
                view.may_lose(&ids, name).map(|()| 0)
            }
            MemberRequest::IsMember(node) => {
                // Whoever asks was taken in before: a state as of now knows of that, and of its end.
                let published = self.gate.read().await.map_err(|e| e.text)?;
                Ok(published.membership.membership().get_node(node).map_or(0, |_| *node))
            }
        }
    }

    /// Takes a declared server in as a learner and gives it its node id.
    async fn admit(&self, server: &Server, supports: u32) -> Result<u64, Refusal> {
        let proposed = self.changes.hold().await;
        let published = self.gate.read().await.map_err(|e| e.text)?;
        published.state.check_level(supports)?;
        if supports < proposed.level {
            let version = env!("CARGO_PKG_VERSION");
            let level = proposed.level;
            return Err(format!("the zone goes to feature level {level}: install quorate {version} or newer"));
        }
        let name = &server.name;
        let zone = zone_of(&published).ok_or("the zone has no content yet")?;
        let declared = zone.servers.iter().find(|s| s.name == *name).ok_or_else(|| {
            format!("server {name} is not declared: quorate zone add {name} --endpoint URL --peer {}", server.peer)
        })?;
        // What was declared over the API may be spelled in another way.
        let is_other =
            |declared: &&String| host_and_port(declared).as_ref() != Ok(&server.peer) && **declared != server.peer;
        if let Some(peer) = zone.peers.get(name).filter(is_other) {
            return Err(format!("server {name} is declared with peer address {peer}, not {}", server.peer));
        }
        if zone.leaving.contains(name) {
            return Err(format!("a server {name} is still being removed"));
        }
        let view = View::of(&self.raft);
        let (voters, learners): (Vec<u64>, Vec<u64>) = view.named(name).into_iter().partition(|id| view.votes(*id));
        if let Some(voter) = voters.first() {
            let text = "is a member already: start it with its data directory, or remove it first";
            return Err(format!("server {name} (node {voter}) {text}: quorate zone remove {name}"));
        }
        if !learners.is_empty() {
            // It was given an id and lost it with its disk.
            self.change(ChangeMembers::RemoveNodes(learners.into_iter().collect())).await?;
        }
        let id = self.new_id(&view).await?;
        let server = Server { endpoint: declared.endpoint.clone(), ..server.clone() };
        tracing::info!(node = id, server = %server, "a server joins as a learner");
        self.change(ChangeMembers::AddNodes(BTreeMap::from([(id, server)]))).await?;
        Ok(id)
    }

    /// The members as they are at this moment: only who answers a question asked now counts as heard.
    async fn view_now(&self) -> View {
        let view = View::of(&self.raft);
        let others = view.nodes.iter().filter(|(id, _)| **id != view.me);
        let asked = others.map(async |(id, server)| {
            let status = timeout(ANSWER_TIME, self.peers.status(&server.peer)).await.ok().flatten();
            status.filter(|status| status.node_id == *id).map(|_| *id)
        });
        let answering: BTreeSet<u64> = join_all(asked).await.into_iter().flatten().chain([view.me]).collect();
        let heard = view.heard.intersection(&answering).copied().collect();
        View { heard, ..view }
    }

    /// A node id that nobody has had.
    async fn new_id(&self, view: &View) -> Result<u64, Refusal> {
        let taken = i64::try_from(view.greatest()).map_err(|e| e.to_string())?;
        match self.propose(ALLOCATE_NODE, Arg::Int(taken)).await {
            Ok(Value::Int64(id)) => u64::try_from(id).map_err(|e| e.to_string()),
            Ok(_) => Err("no node id was given".to_owned()),
            Err(e) => Err(e.text),
        }
    }

    async fn propose(&self, method: &str, arg: Arg) -> ApiReply {
        let actor = Actor { uid: SYSTEM, ..Actor::default() };
        let call = Call { method: method.to_owned(), actor, args: vec![arg], facts: Facts::default() };
        self.proposer.propose(Command::Call(call)).await
    }

    async fn change(&self, members: ChangeMembers<u64, Server>) -> Result<(), Refusal> {
        match timeout(CHANGE_TIME, self.raft.change_membership(members, false)).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(e)) => Err(format!("the members could not be changed: {e}")),
            Err(_) => Err("the change of members was not acknowledged in time".to_owned()),
        }
    }

    /// Makes members follow the declared servers.
    async fn follow(&self) {
        let mut published = self.published.clone();
        loop {
            let idle = |p: &Published| zone_of(p).is_none_or(|zone| zone.leaving.is_empty()) && all_members_vote(p);
            if published.wait_for(|p| !idle(p)).await.is_err() {
                return;
            }
            if let Err(reason) = self.step().await {
                tracing::warn!(reason, "the members do not follow the declared servers yet");
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// The next change, if there is one that is safe.
    async fn step(&self) -> Result<(), Refusal> {
        let _alone = self.changes.hold().await;
        let view = View::of(&self.raft);
        if let Some(target) = view.unfinished() {
            // An earlier leader went half way.
            return self.change(ChangeMembers::ReplaceAllVoters(target)).await;
        }
        let published = self.published.borrow().clone();
        let Some(zone) = zone_of(&published) else { return Ok(()) };
        match zone.leaving.first() {
            Some(name) => self.remove(&view, zone, name).await,
            None => self.promote(&view, zone).await,
        }
    }

    /// Removes the node of a server that is no longer declared.
    async fn remove(&self, view: &View, zone: &Zone, name: &str) -> Result<(), Refusal> {
        let ids = view.named(name);
        if ids.is_empty() {
            return self.propose(LEFT, Arg::Str(name.to_owned())).await.map(drop).map_err(|e| e.text);
        }
        if view.greatest() > u64::try_from(zone.highest_node).unwrap_or(0) {
            // Afterwards nobody could tell that its id was taken.
            self.new_id(view).await?;
        }
        self.view_now().await.may_lose(&ids, name)?;
        if ids.contains(&view.me) {
            tracing::info!(name, "this server is to be removed and hands leadership over first");
            return handover::transfer(&self.raft, None).await.map(drop);
        }
        tracing::info!(name, nodes = ?ids, "a server is removed");
        let (voters, learners): (BTreeSet<u64>, BTreeSet<u64>) = ids.into_iter().partition(|id| view.votes(*id));
        if voters.is_empty() {
            self.change(ChangeMembers::RemoveNodes(learners)).await
        } else {
            self.change(ChangeMembers::RemoveVoters(voters)).await
        }
    }

    /// Gives a learner that has caught up its vote.
    async fn promote(&self, view: &View, zone: &Zone) -> Result<(), Refusal> {
        let declared = |server: &Server| zone.servers.iter().any(|s| s.name == server.name);
        let ready = view.nodes.iter().find(|(id, server)| {
            !view.votes(**id) && declared(server) && view.is_heard(**id) && view.lag(**id) <= PROMOTION_LAG
        });
        let Some((id, server)) = ready else { return Ok(()) };
        tracing::info!(node = id, server = %server, "a learner has caught up and votes from now on");
        self.change(ChangeMembers::AddVoterIds(BTreeSet::from([*id]))).await
    }
}

/// The local zone, once it has content.
fn zone_of(published: &Published) -> Option<&Zone> {
    published.state.find_typed::<Zone>(LOCAL_ZONE).map(|(_, zone)| zone)
}

/// Whether no change of the applied members is unfinished and none of them is a learner.
fn all_members_vote(published: &Published) -> bool {
    let membership = published.membership.membership();
    membership.get_joint_config().len() <= 1 && membership.learner_ids().next().is_none()
}

/// The members as the leader sees them.
struct View {
    me: u64,
    nodes: BTreeMap<u64, Server>,
    /// Voters; two sets in the middle of a change.
    configs: Vec<BTreeSet<u64>>,
    /// Who answered not long ago.
    heard: BTreeSet<u64>,
    matched: BTreeMap<u64, u64>,
    last: u64,
}

impl View {
    fn of(raft: &Raft) -> View {
        let metrics = raft.metrics();
        let metrics: &RaftMetrics<TypeConfig> = &metrics.borrow_watched();
        let membership = metrics.membership_config.membership();
        let heard = metrics.heartbeat.iter().flatten();
        let heard = heard.filter(|(_, at)| at.as_ref().is_some_and(|at| at.elapsed() < SILENCE));
        let index = |id: &Option<LogId>| id.as_ref().map_or(0, |id| id.index);
        View {
            me: metrics.id,
            nodes: membership.nodes().map(|(id, server)| (*id, server.clone())).collect(),
            configs: membership.get_joint_config().clone(),
            heard: heard.map(|(id, _)| *id).chain([metrics.id]).collect(),
            matched: metrics.replication.iter().flatten().map(|(id, at)| (*id, index(at))).collect(),
            last: metrics.last_log_index.unwrap_or(0),
        }
    }

    fn named(&self, name: &str) -> Vec<u64> {
        self.nodes.iter().filter(|(_, server)| server.name == name).map(|(id, _)| *id).collect()
    }

    fn votes(&self, id: u64) -> bool {
        self.configs.iter().any(|voters| voters.contains(&id))
    }

    fn is_heard(&self, id: u64) -> bool {
        self.heard.contains(&id)
    }

    fn lag(&self, id: u64) -> u64 {
        self.matched.get(&id).map_or(u64::MAX, |matched| self.last.saturating_sub(*matched))
    }

    fn greatest(&self) -> u64 {
        self.nodes.keys().next_back().copied().unwrap_or(0)
    }

    /// The voters that an unfinished change leads to.
    fn unfinished(&self) -> Option<BTreeSet<u64>> {
        self.configs.get(1..).and_then(<[_]>::last).cloned()
    }

    /// Refuses a removal after which no quorum would be reachable.
    fn may_lose(&self, ids: &[u64], name: &str) -> Result<(), Refusal> {
        let voters: BTreeSet<u64> = self.configs.last().cloned().unwrap_or_default();
        let left: BTreeSet<u64> = voters.iter().copied().filter(|id| !ids.contains(id)).collect();
        if left.len() == voters.len() {
            return Ok(());
        }
        if left.is_empty() {
            return Err(format!("{name} is the last server of the zone that votes"));
        }
        let reached = left.intersection(&self.heard).count();
        let needed = left.len() / 2 + 1;
        if reached < needed {
            let left = left.len();
            return Err(format!(
                "without {name} the zone would lose its quorum: {reached} of the {left} servers left can be reached, {needed} are needed"
            ));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(voters: &[u64], heard: &[u64]) -> View {
        let server = |id: &u64| (*id, Server { name: format!("one-{id}"), ..Server::default() });
        View {
            me: 1,
            nodes: voters.iter().map(server).collect(),
            configs: vec![voters.iter().copied().collect()],
            heard: heard.iter().copied().collect(),
            matched: BTreeMap::new(),
            last: 0,
        }
    }

    #[test]
    fn a_removal_that_would_lose_the_quorum_is_refused() {
        let two_of_three = view(&[1, 2, 3], &[1, 2]);
        let refusal = two_of_three.may_lose(&[2], "one-2").unwrap_err();
        assert!(refusal.contains("1 of the 2 servers left can be reached, 2 are needed"), "{refusal}");
        assert_eq!(two_of_three.may_lose(&[3], "one-3"), Ok(()), "a dead server can be removed");
        assert_eq!(view(&[1, 2, 3], &[1, 2, 3]).may_lose(&[2], "one-2"), Ok(()));
    }

    #[test]
    fn the_last_voter_stays() {
        assert!(view(&[1], &[1]).may_lose(&[1], "one-1").is_err());
        assert_eq!(view(&[1], &[1]).may_lose(&[], "only-declared"), Ok(()));
    }
}
