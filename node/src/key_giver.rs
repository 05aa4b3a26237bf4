//! Who is given the zone's key: a server of the zone that has none, and nobody else.
//!
//! Members are whom the zone has declared and taken in. With `[peer_tls]` every peer has proved by its certificate to be
//! of the zone. Without it, the key goes only to a call from the declared member's own address. Any process on that machine
//! can make such a call, and whoever can take over the address, or listen on the way, gets the key: such a network must be
//! trusted.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_raft_store::Raft;
use quorate_raft_store::types::{Server, StoredMembership};
use quorate_state_machine::zone_key::ZoneKey;
use tokio::time::timeout;

use crate::net::Net;
use crate::refusals::Refusals;

/// How long a member's name may take to be looked up: anybody can ask for that.
const ANSWER_TIME: Duration = Duration::from_secs(2);

/// Gives the zone's key away.
#[derive(Clone)]
pub struct KeyGiver<N> {
    raft: Raft,
    key: Arc<ZoneKey>,
    net: N,
    /// Whether every peer has proved to be of the zone before it could ask.
    proved: bool,
    refusals: Refusals,
}

impl<N: Net> KeyGiver<N> {
    /// Of a node with this key; `proved`: its peers show certificates.
    pub fn new(raft: Raft, key: Arc<ZoneKey>, net: N, proved: bool) -> KeyGiver<N> {
        KeyGiver { raft, key, net, proved, refusals: Refusals::new("a peer was refused the zone's key") }
    }

    /// The key's fingerprint; not secret.
    pub fn fingerprint(&self) -> u64 {
        self.key.fingerprint()
    }

    /// The key, for a peer at `from` that says to be `node`.
    ///
    /// # Errors
    /// When the key is not given; the text says why, and is for the operator of the other side.
    pub async fn give(&self, node: Option<u64>, from: SocketAddr) -> Result<String, String> {
        // The newest members in the log: at the zone's first start none are applied before a second server has the key.
        let members = self.raft.metrics().borrow_watched().membership_config.clone();
        match may_have(&self.net, self.proved, &members, node, from.ip()).await {
            Ok(server) => {
                tracing::info!(node, server = server.name, %from, "a server that has no key yet was given the zone's");
                Ok(self.key.text().to_owned())
            }
            Err(Refused { kind, reason }) => {
                self.refusals.say_as(kind, from.ip(), reason.clone());
                Err(reason)
            }
        }
    }
}

/// Why somebody does not get the key.
#[derive(Debug)]
struct Refused {
    kind: &'static str,
    reason: String,
}

impl Refused {
    fn new(kind: &'static str, reason: impl Into<String>) -> Refused {
        Refused { kind, reason: reason.into() }
    }
}

/// The member that a peer at `from` is, if it may have the key.
async fn may_have<N: Net>(
    net: &N,
    proved: bool,
    members: &StoredMembership,
    node: Option<u64>,
    from: IpAddr,
) -> Result<Server, Refused> {
    let node = node.ok_or_else(|| Refused::new("no node", "it does not say which node it is"))?;
    let server = members.membership().get_node(&node);
    let server = server.ok_or_else(|| Refused::new("no server", format!("node {node} is no server of this zone")))?;
    if proved {
        return Ok(server.clone());
    }
    let Server { name, peer, .. } = server;
    let declared = match timeout(ANSWER_TIME, net.resolve(peer)).await {
        Ok(resolved) => resolved.map_err(|e| e.to_string()),
        Err(_) => Err("no answer in time".to_owned()),
    };
    let declared =
        declared.map_err(|e| Refused::new("not found", format!("the address of {name}, {peer}, is not found: {e}")))?;
    if declared.iter().any(|declared| is_same(*declared, from)) {
        return Ok(server.clone());
    }
    let reason = format!(
        "without [peer_tls] the zone's key goes to the declared address of {name} only, {peer}, and this call comes from \
         {from}: use [peer_tls], or copy zone.key by hand"
    );
    Err(Refused::new("another address", reason))
}

/// Whether two addresses are the same host's.
fn is_same(one: IpAddr, other: IpAddr) -> bool {
    let (one, other) = (one.to_canonical(), other.to_canonical());
    one == other || (one.is_loopback() && other.is_loopback())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use quorate_raft_store::types::{Membership, log_id};

    use super::*;
    use crate::net::Tcp;

    /// Voters 1 and 2, and learner 5, which has just been taken in.
    fn members() -> StoredMembership {
        let at = |name: &str, peer: &str| Server { name: name.to_owned(), peer: peer.to_owned(), ..Server::default() };
        let nodes = [(1, at("one", "10.0.0.1:2683")), (2, at("two", "[fd00::2]:2683")), (5, at("five", "127.0.0.5:7"))];
        let membership = Membership::new(vec![BTreeSet::from([1, 2])], BTreeMap::from(nodes)).unwrap();
        StoredMembership::new(Some(log_id(1, 1)), membership)
    }

    async fn given(proved: bool, node: Option<u64>, from: &str) -> Result<String, String> {
        may_have(&Tcp, proved, &members(), node, from.parse().unwrap())
            .await
            .map(|server| server.name)
            .map_err(|refused| refused.reason)
    }

    #[tokio::test]
    async fn a_plain_peer_has_the_key_only_as_a_member_and_only_at_its_declared_address() {
        let mapped = "::ffff:10.0.0.1";
        for (node, from, name) in
            [(1, "10.0.0.1", "one"), (1, mapped, "one"), (2, "fd00::2", "two"), (5, "127.0.0.1", "five")]
        {
            assert_eq!(given(false, Some(node), from).await.as_deref(), Ok(name), "{node} at {from}");
        }
        for (node, from) in [(1, "10.0.0.2"), (1, "fd00::2"), (2, "10.0.0.1"), (5, "10.0.0.1"), (1, "127.0.0.1")] {
            let refused = given(false, Some(node), from).await.unwrap_err();
            assert!(refused.contains(from) && refused.contains("[peer_tls]"), "{node} at {from}: {refused}");
        }
        assert!(given(false, None, "10.0.0.1").await.unwrap_err().contains("which node"));
        assert!(given(false, Some(3), "10.0.0.1").await.unwrap_err().contains("no server of this zone"));
    }

    #[tokio::test]
    async fn a_peer_with_a_certificate_has_the_key_from_anywhere_but_only_as_a_member() {
        assert_eq!(given(true, Some(1), "192.0.2.9").await.as_deref(), Ok("one"));
        assert!(given(true, Some(3), "10.0.0.1").await.is_err());
    }
}
