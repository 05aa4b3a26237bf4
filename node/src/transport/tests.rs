//! Whole Raft nodes in one process, over memory engines and loopback TCP.

use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use openraft::errors::{ClientWriteError, RaftError};
use openraft::network::{NetVote as _, RPCOption, RaftNetworkFactory as _};
use openraft::raft::VoteRequest;
use quorate_model::api::ApiReply;
use quorate_model::command::{Command, Envelope, RaiseLevel, RequestId};
use quorate_model::pending::DriverReport;
use quorate_raft_store::config::{RaftOptions, raft_config};
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::meta::{self, Identity};
use quorate_raft_store::rng::{self, Scopes};
use quorate_raft_store::types::{LogId, Payload, Server, Vote};
use quorate_raft_store::{LogGauge, Published, Raft, SyncPolicy, envelope, open, purge};
use quorate_state_machine::levels;
use quorate_state_machine::state::Globals;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_state_machine::zone_time::Stamp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::acquaintances::Acquaintances;
use super::incoming::incoming;
use super::peers::{Forward, Peers};
use super::server::{PeerApi, PeerService, end, serve};
use super::status::Role;
use super::{Links, MemberReply, MemberRequest, PeerStatus};
use crate::clocks::Clocks;
use crate::config::Config;
use crate::net::{Net as _, Tcp};
use crate::ports::GivenPort;
use crate::proposer::write_on_leader;
use crate::read_gate::leader_read_index;
use crate::verdict::Verdict;
use crate::wall::Wall;
use crate::zone_key::{self, KeyPlace};

const ZONE: &str = "zone-under-test";
const PATIENCE: Duration = Duration::from_secs(20);

struct Api(Raft, Clocks);

/// Who is not given the key.
const STRANGER: u64 = 66;

impl PeerApi for Api {
    async fn propose(&self, envelope: Bytes) -> Option<ApiReply> {
        write_on_leader(&self.0, &self.1, envelope).await
    }

    async fn read_index(&self) -> Option<Option<LogId>> {
        leader_read_index(&self.0).await
    }

    fn status(&self) -> PeerStatus {
        PeerStatus::of(&self.0, levels::NEWEST, &Globals::default())
    }

    async fn manage(&self, request: MemberRequest, _passed_on: bool) -> MemberReply {
        match request {
            MemberRequest::IsMember(STRANGER) => MemberReply::Done(0),
            _ => MemberReply::NotLeader,
        }
    }

    fn key_fingerprint(&self) -> u64 {
        ZoneKey::for_tests().fingerprint()
    }

    async fn zone_key(&self, node: Option<u64>, from: SocketAddr) -> Result<String, String> {
        assert!(from.ip().is_loopback() && from.port() > 0, "where the call comes from");
        if node == Some(STRANGER) {
            Err("not to strangers".to_owned())
        } else {
            Ok(ZoneKey::for_tests().text().to_owned())
        }
    }
}

struct TestNode {
    id: u64,
    raft: Raft,
    server: Server,
    peers: Peers,
    published: watch::Receiver<Published>,
    log: LogGauge,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
    serving: JoinHandle<()>,
    known: Acquaintances,
    clocks: Clocks,
}

impl TestNode {
    async fn start(id: u64, options: RaftOptions) -> TestNode {
        TestNode::start_on(id, options, SyncPolicy::Inline).await
    }

    /// The same with its log on a disk as fast as `sync` says.
    async fn start_on(id: u64, options: RaftOptions, sync: SyncPolicy) -> TestNode {
        let port = GivenPort::new().unwrap();
        let listener = Tcp.listen(port.address()).await.unwrap();
        let peer = port.address().to_string();
        let me = Identity { cluster: ZONE.to_owned(), node_id: id };
        let engine = Arc::new(MemoryEngine::new());
        let known = Acquaintances::open(engine.clone(), || id).unwrap();
        let key = Arc::new(ZoneKey::for_tests());
        let stores = open(engine.clone(), sync, key.clone()).unwrap();
        let (published, log) = (stores.state.published(), stores.log.gauge());
        let clocks = Clocks::open(engine, Wall::real().unwrap(), published.clone()).unwrap();
        let links = Links::new(Tcp, &me, Some(known.clone())).unwrap();
        let raft =
            Raft::new(id, Arc::new(raft_config(ZONE, options).unwrap()), links.clone(), stores.log, stores.state)
                .await
                .unwrap();
        tokio::spawn(purge::run(raft.clone(), log.clone(), links.backlog(), options));
        let service = PeerService::new(
            me,
            known.clone(),
            raft.clone(),
            key,
            Api(raft.clone(), clocks.clone()),
            Scopes::from_seed(id),
        );
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            serve(service, incoming(listener), async { drop(stopped.await) }).await.unwrap();
        });
        let server = Server { name: format!("one-{id}"), endpoint: String::new(), peer };
        let (peers, stop) = (Peers::new(links), Some(stop));
        TestNode { id, raft, server, peers, published, log, stop, serving, known, clocks }
    }

    async fn stop(mut self) {
        drop(self.stop.take());
        self.raft.shutdown().await.unwrap();
        end(self.serving).await;
    }

    /// Waits until this node has applied `id`.
    async fn applied(&self, id: LogId) -> Published {
        let mut published = self.published.clone();
        let reached = tokio::time::timeout(PATIENCE, published.wait_for(|p| p.applied >= Some(id))).await;
        reached.expect("in time").expect("the node lives").clone()
    }
}

fn options() -> RaftOptions {
    RaftOptions { election_timeout_ms: 500, snapshot_every: 50, keep_entries: 10, ..RaftOptions::default() }
}

fn run<F: Future>(test: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(rng::scope(7, test))
}

async fn zone(size: u64) -> Vec<TestNode> {
    let mut nodes = Vec::new();
    for id in 1..=size {
        nodes.push(TestNode::start(id, options()).await);
    }
    let members: BTreeMap<u64, Server> = nodes.iter().map(|n| (n.id, n.server.clone())).collect();
    nodes[0].known.is_of(|| size).unwrap();
    nodes[0].raft.initialize(members).await.unwrap();
    nodes
}

/// Waits until all nodes know the same leader, which knows it too, and returns its position. Between two looks it waits for
/// news of one of them: on a runtime of one thread, a loop without a pause would keep the nodes from ever agreeing.
async fn leader(nodes: &[TestNode]) -> usize {
    let agreed = async {
        let mut seen: Vec<_> = nodes.iter().map(|n| n.raft.metrics()).collect();
        loop {
            let now: Vec<_> = seen.iter_mut().map(|s| s.borrow_and_update().clone()).collect();
            let leads = now.iter().position(|m| m.state == ServerState::Leader);
            if let Some(position) = leads.filter(|&l| now.iter().all(|m| m.current_leader == Some(nodes[l].id))) {
                return position;
            }
            let news = seen.iter_mut().map(|s| Box::pin(s.changed()));
            futures::future::select_all(news).await.0.expect("the nodes live");
        }
    };
    tokio::time::timeout(PATIENCE, agreed).await.expect("they agree in time")
}

fn report(seq: u64) -> Bytes {
    let command = Command::Report(DriverReport { operation: 99, attempt: 1, outcome: Ok("x".repeat(2000)) });
    let request = RequestId { client: seq, seq: 1, acked_below: 0 };
    envelope::encode(&Envelope { time: 0, request, entropy: [0; 32], command }, &ZoneKey::for_tests())
}

/// As a leader writes it.
fn stamped(envelope: Bytes) -> Payload {
    Payload { stamp: Stamp { era: 0, time: 1_700_000_000 }, envelope }
}

/// Writes through the leader, again while it refuses: a new leader must first hear from a majority.
async fn written(leader: &Raft, seq: u64) -> LogId {
    let write = async {
        loop {
            match leader.client_write(stamped(report(seq))).await {
                Ok(response) => return response.log_id,
                Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))) => {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
                Err(e) => panic!("{e}"),
            }
        }
    };
    tokio::time::timeout(PATIENCE, write).await.expect("acknowledged in time")
}

#[test]
fn three_nodes_elect_replicate_and_survive_the_leader() {
    run(async {
        let mut nodes = zone(3).await;
        let first = leader(&nodes).await;
        for seq in 1..=200 {
            written(&nodes[first].raft, seq).await;
        }
        let last = written(&nodes[first].raft, 201).await;
        let expected = nodes[first].applied(last).await;
        for node in &nodes {
            assert_eq!(node.applied(last).await.state, expected.state, "node {}", node.id);
        }

        nodes.remove(first).stop().await;
        let second = leader(&nodes).await;
        let id = written(&nodes[second].raft, 202).await;
        for node in &nodes {
            node.applied(id).await;
        }
        for node in nodes {
            node.stop().await;
        }
    });
}

#[test]
fn followers_forward_proposals_and_reads() {
    run(async {
        let nodes = zone(3).await;
        let lead = leader(&nodes).await;
        let follower = &nodes[(lead + 1) % 3];
        let (leader, third) = (&nodes[lead], &nodes[(lead + 2) % 3]);

        let forwarded = follower.peers.propose(leader.id, &leader.server, report(1)).await;
        let Forward::Answered(reply) = forwarded else { panic!("{forwarded:?}") };
        // Again with the same request id: the same answer, and applied once.
        let again = follower.peers.propose(leader.id, &leader.server, report(1)).await;
        assert_eq!(again, Forward::Answered(reply));
        assert_eq!(follower.peers.propose(third.id, &third.server, report(2)).await, Forward::NotLeader);

        let point = follower.peers.read_index(leader.id, &leader.server).await.expect("the leader answers");
        follower.applied(point.expect("something was written")).await;
        assert_eq!(follower.peers.read_index(third.id, &third.server).await, None);

        let status = follower.peers.status(&leader.server.peer).await.expect("any node answers");
        assert_eq!((status.node_id, status.role), (leader.id, Role::Leader));
        assert_eq!(status.membership.membership().nodes().count(), 3);
    });
}

/// The same id, the same key, the same node ids: a zone that was restored while servers of the old one run on, or that was
/// founded again over emptied servers.
#[test]
fn nobody_listens_to_a_zone_of_the_same_id_that_was_founded_apart() {
    run(async {
        let nodes = zone(2).await;
        let lead = leader(&nodes).await;
        let (own, follower) = (&nodes[lead], &nodes[1 - lead]);
        written(&own.raft, 1).await;
        let founding = nodes[0].known.founding().expect("its founder drew one");
        assert_eq!(nodes[1].known.founding(), Some(founding), "who hears of a zone for the first time is of it");

        let stranger = TestNode::start(3, options()).await;
        stranger.known.is_of(|| founding + 1).unwrap();
        let other = Server { peer: own.server.peer.clone(), ..follower.server.clone() };
        let refused = stranger.peers.propose(own.id, &other, report(2)).await;
        assert_eq!(refused, Forward::Unreachable);
        let term = own.raft.metrics().borrow_watched().current_term;
        let members = [own, follower, &stranger].map(|node| (node.id, node.server.clone()));
        stranger.raft.initialize(BTreeMap::from(members)).await.unwrap();
        // It asks for votes that would make it lead, and nobody hears it.
        let asks = |m: &openraft::RaftMetrics<_>| m.state == ServerState::Candidate;
        stranger.raft.wait(Some(PATIENCE)).metrics(asks, "it stands for election").await.unwrap();
        tokio::time::timeout(Duration::from_secs(3), leader(&[stranger])).await.expect_err("nobody votes for it");
        assert_eq!(own.raft.metrics().borrow_watched().current_term, term);
        let last = written(&own.raft, 3).await;
        follower.applied(last).await;
        assert_eq!(follower.known.founding(), Some(founding));
    });
}

#[test]
fn only_the_leader_itself_raises_the_feature_level() {
    run(async {
        let nodes = zone(3).await;
        let lead = leader(&nodes).await;
        let (leader, follower) = (&nodes[lead], &nodes[(lead + 1) % 3]);
        let request = RequestId { client: 9, seq: 1, acked_below: 0 };
        let command = Command::RaiseLevel(RaiseLevel { level: 1, version: "0.3.0".to_owned() });
        let raise = || {
            envelope::encode(
                &Envelope { time: 1, request, entropy: [0; 32], command: command.clone() },
                &ZoneKey::for_tests(),
            )
        };
        let forwarded = follower.peers.propose(leader.id, &leader.server, raise()).await;
        assert_eq!(forwarded, Forward::Unreachable);
        assert_eq!(follower.applied(written(&leader.raft, 1).await).await.state.feature_level(), 0);
        write_on_leader(&leader.raft, &leader.clocks, raise()).await.unwrap().unwrap();
        assert_eq!(follower.applied(written(&leader.raft, 2).await).await.state.feature_level(), 1);
    });
}

#[test]
fn a_new_node_catches_up_from_a_snapshot() {
    run(async {
        let nodes = zone(1).await;
        leader(&nodes).await;
        let mut last = None;
        for seq in 1..=300 {
            last = Some(written(&nodes[0].raft, seq).await);
        }
        nodes[0].raft.trigger().snapshot().await.unwrap();
        let purged = |m: &openraft::RaftMetrics<_>| m.purged.is_some();
        nodes[0].raft.wait(Some(PATIENCE)).metrics(purged, "the log was purged").await.unwrap();

        let learner = TestNode::start(2, options()).await;
        nodes[0].raft.add_learner(2, learner.server.clone(), true).await.unwrap();
        let caught_up = learner.applied(last.unwrap()).await;
        assert_eq!(caught_up.state, nodes[0].published.borrow().state);
        assert!(learner.raft.metrics().borrow_watched().snapshot.is_some());
    });
}

#[test]
fn a_follower_that_writes_more_slowly_than_the_leader_cannot_keep_the_log_from_being_purged() {
    run(async {
        let options = RaftOptions { keep_bytes: 200_000, ..options() };
        let leader = TestNode::start(1, options).await;
        leader.raft.initialize(BTreeMap::from([(1, leader.server.clone())])).await.unwrap();
        let mut last = written(&leader.raft, 1).await;
        // It acknowledges all the time, what was sent to it a while ago.
        let slow = TestNode::start_on(2, options, SyncPolicy::Delayed(Duration::from_secs(1))).await;
        leader.raft.add_learner(2, slow.server.clone(), false).await.unwrap();
        slow.applied(last).await;
        let mut most = 0;
        for seq in 2..=3000 {
            last = written(&leader.raft, seq).await;
            most = leader.log.between(0, u64::MAX).max(most);
        }
        assert!(most < 1_000_000, "{most} bytes of more than 6,000,000 were in the log at once");
        slow.applied(last).await;
    });
}

#[test]
fn leadership_is_handed_over_on_request() {
    run(async {
        let nodes = zone(3).await;
        let old = leader(&nodes).await;
        let target = &nodes[(old + 1) % 3];
        let id = written(&nodes[old].raft, 1).await;
        target.applied(id).await;
        nodes[old].raft.trigger().transfer_leader(target.id).await.unwrap();
        for node in &nodes {
            node.raft.wait(Some(PATIENCE)).current_leader(target.id, "the chosen one leads").await.unwrap();
        }
    });
}

#[test]
fn strangers_are_refused_and_garbage_does_no_harm() {
    run(async {
        let nodes = zone(1).await;
        leader(&nodes).await;
        let address: SocketAddr = nodes[0].server.peer.parse().unwrap();
        for garbage in
            [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0xff; 4096], b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\xff\xff\xff\xff\xff"]
        {
            let mut stream = TcpStream::connect(address).await.unwrap();
            stream.write_all(garbage).await.unwrap();
            stream.shutdown().await.unwrap();
            // Whatever it answers: it hangs up.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        }

        let stranger =
            |cluster: &str| Links::new(Tcp, &Identity { cluster: cluster.to_owned(), node_id: 9 }, None).unwrap();
        let election = VoteRequest::new(Vote::new(1000, 9), None);
        let option = RPCOption::new(PATIENCE);
        let mut other_zone = stranger("other-zone").new_client(1, &nodes[0].server).await;
        assert!(
            other_zone.vote(election.clone(), option.clone()).await.unwrap_err().to_string().contains("another zone")
        );
        let mut other_node = stranger(ZONE).new_client(2, &nodes[0].server).await;
        assert!(other_node.vote(election, option).await.unwrap_err().to_string().contains("this is node 1"));

        // An envelope that could not be applied does not get into the log.
        let unreadable = Bytes::from("not an envelope");
        let peers = Peers::new(stranger(ZONE));
        assert_eq!(peers.propose(1, &nodes[0].server, unreadable).await, Forward::Unreachable);

        written(&nodes[0].raft, 1).await;
        assert!(nodes[0].raft.metrics().borrow_watched().current_term < 1000);
    });
}

/// Without `[peer_tls]` anybody can say so; it stopped the node.
#[test]
fn what_a_caller_says_of_databases_is_refused_and_what_a_server_says_that_is_asked_is_believed() {
    run(async {
        let nodes = zone(1).await;
        leader(&nodes).await;
        let introduced_as = |node_id, database| {
            let known = Acquaintances::open(Arc::new(MemoryEngine::new()), || database).unwrap();
            known.meet(1, 1000).unwrap();
            Links::new(Tcp, &Identity { cluster: ZONE.to_owned(), node_id }, Some(known)).unwrap()
        };
        // It claims to have met node 1 with another database.
        let mut stranger = introduced_as(9, 90).new_client(1, &nodes[0].server).await;
        let vote = stranger.vote(VoteRequest::new(Vote::new(1000, 9), None), RPCOption::new(PATIENCE)).await;
        assert!(vote.unwrap_err().to_string().contains("the database it had before"));
        written(&nodes[0].raft, 1).await;

        let peer = &nodes[0].server.peer;
        let met = Peers::new(introduced_as(3, 30));
        assert!(met.status_or_refusal(peer).await.unwrap().is_some());
        let empty = Peers::new(introduced_as(3, 31));
        let refused = empty.status_or_refusal(peer).await.unwrap_err();
        assert!(refused.contains("was in this zone with another database"), "{refused}");
        assert!(empty.status(peer).await.is_none());
        assert!(met.status_or_refusal("127.0.0.1:1").await.unwrap().is_none(), "nobody is there");
    });
}

/// It waited for ever: nobody gives it the key.
#[test]
fn a_server_that_was_removed_before_its_first_start_does_not_wait_for_the_key() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let other = TestNode::start(1, options()).await;
        let config = config_of(STRANGER, dir.path(), &other.server.peer);
        let place = KeyPlace::File(config.key_file());
        let ask = async |node_id| {
            let me = Identity { cluster: ZONE.to_owned(), node_id };
            zone_key::from_others(&place, &config, &me, &MemoryEngine::new(), Tcp).await
        };
        let refused = ask(STRANGER).await.unwrap_err();
        assert_eq!(refused.downcast_ref(), Some(&Verdict::Removed));
        assert!(refused.to_string().contains("was removed from the zone"), "{refused}");
        assert!(!config.key_file().exists());
        assert_eq!(ask(2).await.unwrap().fingerprint(), ZoneKey::for_tests().fingerprint());
    });
}

#[test]
fn a_write_without_a_majority_is_not_acknowledged() {
    run(async {
        let mut nodes = zone(2).await;
        let lead = leader(&nodes).await;
        let leader = nodes.remove(lead);
        nodes.remove(0).stop().await;
        let write = tokio::time::timeout(Duration::from_secs(1), leader.raft.client_write(stamped(report(1)))).await;
        assert!(matches!(write, Err(_) | Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(_))))));
    });
}

/// The configuration of server `me` of two, of which `other` listens at this address.
fn config_of(me: u64, dir: &Path, other: &str) -> Config {
    let server = |id: u64| {
        let peer = if id == me { "127.0.0.1:1" } else { other };
        format!(
            "[[zone.servers]]\nid = {id}\nname = 'one-{id}'\nendpoint = 'http://127.0.0.1:{id}/RPC2'\npeer = '{peer}'\n"
        )
    };
    let head =
        format!("node_id = {me}\ndata_dir = '{}'\nlisten = '127.0.0.1:2'\npeer_listen = '127.0.0.1:1'", dir.display());
    let zone = format!("[zone]\ncluster_id = '{ZONE}'\nendpoint = 'http://127.0.0.1:2/RPC2'\nauth_file = '/none'");
    toml::from_str(&format!("{head}\n{zone}\n{}{}", server(1), server(2))).unwrap()
}

/// What a server that starts empty takes for the zone's key, with what its file holds.
async fn own_key(config: &Config, held: Option<&str>) -> Result<Option<u64>, String> {
    let place = KeyPlace::File(config.key_file());
    match held {
        Some(text) => std::fs::write(config.key_file(), text).unwrap(),
        None => drop(std::fs::remove_file(config.key_file())),
    }
    let engine = MemoryEngine::new();
    let own = zone_key::own(&place, config, &engine, Tcp, &Wall::real().unwrap()).await;
    assert_eq!(meta::key_fingerprint(&engine).unwrap(), None, "the database belongs to no key yet");
    assert_eq!(meta::read_identity(&engine).unwrap(), None, "and to no node");
    own.map(|key| key.map(|key| key.fingerprint())).map_err(|e| e.to_string())
}

#[test]
fn a_key_that_is_left_over_from_another_zone_is_refused_before_anything_is_written() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let (key, left_over) = (ZoneKey::for_tests(), "k".repeat(64));
        for me in [1, 2] {
            let other = TestNode::start(3 - me, options()).await;
            let config = config_of(me, dir.path(), &other.server.peer);
            let refused = own_key(&config, Some(&left_over)).await.unwrap_err();
            let file = config.key_file().display().to_string();
            let says = [&file, &other.server.peer, &key.shown_fingerprint(), "Move it away", "copy zone.key"];
            assert!(says.iter().all(|part| refused.contains(*part)), "{refused}");
            assert_eq!(std::fs::read_to_string(config.key_file()).unwrap(), left_over, "it may be the only copy");
            assert_eq!(own_key(&config, Some(key.text())).await, Ok(Some(key.fingerprint())));
            other.stop().await;
        }
    });
}

#[test]
fn a_founder_makes_a_key_only_where_no_server_has_one() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let other = TestNode::start(2, options()).await;
        let config = config_of(1, dir.path(), &other.server.peer);
        let refused = own_key(&config, None).await.unwrap_err();
        assert!(refused.contains("the zone exists") && refused.contains("quorate zone remove"), "{refused}");
        assert!(!config.key_file().exists());
        other.stop().await;
        let made = own_key(&config, None).await.unwrap();
        assert!(made.is_some() && made != Some(ZoneKey::for_tests().fingerprint()));
        assert_eq!(own_key(&config_of(2, dir.path(), "127.0.0.1:1"), None).await, Ok(None), "the founder makes it");
    });
}

#[test]
fn whoever_asks_for_the_key_hears_why_it_is_refused_and_may_always_compare() {
    run(async {
        let node = TestNode::start(1, options()).await;
        let ask = |id| Peers::new(Links::new(Tcp, &Identity { cluster: ZONE.to_owned(), node_id: id }, None).unwrap());
        let (member, stranger) = (ask(2), ask(STRANGER));
        let (key, peer) = (ZoneKey::for_tests(), &node.server.peer);
        assert_eq!(member.zone_key(peer).await.as_deref(), Ok(key.text()));
        assert_eq!(stranger.zone_key(peer).await.unwrap_err(), "not to strangers");
        assert_eq!(stranger.key_fingerprint(peer).await, Ok(key.fingerprint()));
        node.stop().await;
    });
}
