//! A node's configuration: read once at start, from a TOML file.
//!
//! Only what concerns this node: what influences a decision of apply is replicated state instead.

use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use quorate_drivers::embedded::Behaviour;
pub use quorate_raft_store::config::RaftOptions as Raft;
use quorate_xmlrpc_edge::server::Limits;
use serde::{Deserialize, Serialize};

mod check;
#[cfg(test)]
mod tests;

/// The configuration of one node.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// This node's Raft id: unique in the zone, never reused. A server that joins a zone has none here: it is given
    /// one and keeps it in its database.
    #[serde(default)]
    pub node_id: u64,
    /// Where the database lives.
    pub data_dir: PathBuf,
    /// Where the zone's key is kept; without it `zone.key` in the data directory.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_file: Option<PathBuf>,
    /// Where clients are served (`/RPC2`, `/livez`, `/readyz`, `/metrics`).
    pub listen: SocketAddr,
    /// Where the other nodes are served.
    pub peer_listen: SocketAddr,
    /// The zone.
    pub zone: Zone,
    /// For a server that is added to a running zone, in place of `zone.servers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub join: Option<Join>,
    /// Whom clients' connections come from, and how many there may be.
    #[serde(default)]
    pub clients: Clients,
    /// Raft's timing and log.
    #[serde(default)]
    pub raft: Raft,
    /// How reads are answered.
    #[serde(default)]
    pub reads: Reads,
    /// The embedded dummy drivers.
    #[serde(default)]
    pub dummy: Dummy,
    /// Mutual TLS between nodes; without it that traffic is plain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub peer_tls: Option<PeerTls>,
    /// HTTPS for clients; without it they are served plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<Tls>,
    /// What runs when this node starts or stops leading.
    #[serde(default)]
    pub raft_hooks: Hooks,
    /// The authentication driver's process; without it, users of other drivers than `core` come in by tokens only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auth_driver: Option<AuthDriver>,
}

/// Clients' connections.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Clients {
    /// How many may be open; then idle and slow ones make room.
    pub connections: usize,
    /// How many of one address (of the /48 network of an IPv6 address).
    pub connections_by_address: usize,
    /// Addresses and networks of load balancers, which connect for many clients.
    pub balancers: Vec<Network>,
    /// How those say what a client's address is.
    pub balancers_say: Told,
}

impl Default for Clients {
    fn default() -> Self {
        let Limits { connections, connections_by_address, .. } = Limits::default();
        Clients { connections, connections_by_address, balancers: Vec::new(), balancers_say: Told::Nothing }
    }
}

/// How load balancers say what a client's address is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Told {
    /// They do not: all that they send counts as theirs.
    #[default]
    Nothing,
    /// By the PROXY protocol, version 1 or 2, at the beginning of each connection.
    ProxyProtocol,
    /// By the header X-Forwarded-For of each request.
    XForwardedFor,
}

/// A network, `10.0.0.0/24`, or one address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network(pub IpNet);

impl TryFrom<String> for Network {
    type Error = String;

    fn try_from(text: String) -> Result<Network, String> {
        let network = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        network.map(Network).map_err(|_| format!("'{text}' is no address and no network like 10.0.0.0/24"))
    }
}

impl From<Network> for String {
    fn from(network: Network) -> String {
        network.0.to_string()
    }
}

impl Clients {
    fn networks(&self, told: Told) -> Arc<[IpNet]> {
        self.balancers.iter().filter(|_| self.balancers_say == told).map(|network| network.0).collect()
    }

    /// The load balancers that speak the PROXY protocol.
    #[must_use]
    pub fn proxies(&self) -> Arc<[IpNet]> {
        self.networks(Told::ProxyProtocol)
    }

    /// The edge's bounds.
    #[must_use]
    pub fn limits(&self) -> Limits {
        Limits {
            connections: self.connections,
            connections_by_address: self.connections_by_address,
            balancers: self.balancers.iter().map(|network| network.0).collect(),
            forwarders: self.networks(Told::XForwardedFor),
            ..Limits::default()
        }
    }
}

/// PEM files for traffic between nodes. Each shows its certificate to the other; its DNS names must include
/// `<cluster_id>.quorate.internal`, and it must be for servers and for clients. Files are read anew when they change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PeerTls {
    /// This node's certificate, then those that lead to its CA.
    pub cert: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
    /// The CAs of other nodes' certificates; two while one replaces the other.
    pub ca: PathBuf,
}

/// PEM files for HTTPS. Files are read anew when they change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tls {
    /// This node's certificate, then those that lead to its CA.
    pub cert: PathBuf,
    /// Its private key, not encrypted.
    pub key: PathBuf,
}

/// What runs when this node starts or stops leading: OpenNebula's RAFT_LEADER_HOOK and RAFT_FOLLOWER_HOOK.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Hooks {
    /// When it starts leading.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<Hook>,
    /// When it stops leading, and when it starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follower: Option<Hook>,
}

/// A command.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hook {
    /// The program.
    pub command: PathBuf,
    /// Its arguments, separated by white space.
    #[serde(default)]
    pub arguments: String,
    /// After how long it is killed.
    #[serde(default = "default_hook_timeout")]
    pub timeout_seconds: u64,
}

/// The zone as its first start needs it; afterwards the replicated state decides.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Zone {
    /// Identifies the zone among peers; nodes of another zone are refused.
    pub cluster_id: String,
    /// The zone's name.
    #[serde(default = "default_zone_name")]
    pub name: String,
    /// The XML-RPC endpoint that `one.zone.info` shows.
    pub endpoint: String,
    /// A file with `oneadmin:password`. Must be there at every start; what it says counts at the zone's first only.
    pub auth_file: PathBuf,
    /// Where datastores keep their data on hosts.
    #[serde(default = "default_datastore_location")]
    pub datastore_location: String,
    /// The servers of the zone at its first start. One server: the API looks like OpenNebula without HA.
    #[serde(default)]
    pub servers: Vec<Server>,
}

/// How a server that was declared (`quorate zone add`) finds its zone when it starts empty.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Join {
    /// Its name, as declared.
    pub name: String,
    /// `host:port` of its peer listener, as other nodes reach it.
    pub peer: String,
    /// `host:port` of the peer listeners of some servers of the zone.
    pub seeds: Vec<String>,
}

/// A server of the zone.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its Raft node id.
    pub id: u64,
    /// Its name.
    pub name: String,
    /// The XML-RPC URL that clients can reach.
    pub endpoint: String,
    /// `host:port` of its peer listener.
    pub peer: String,
}

/// How reads are answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reads {
    /// Every read sees every write acknowledged before it, on every node.
    #[default]
    Linearizable,
    /// A node answers from what it has applied so far.
    Stale,
}

/// The embedded dummy drivers.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Dummy {
    /// Milliseconds from a host's allocation to its first monitoring data.
    pub monitor_delay_ms: u64,
    /// Milliseconds of any other operation.
    pub delay_ms: u64,
    /// Per action in lower case: outcomes in turn, cyclic; true succeeds.
    pub outcomes: std::collections::BTreeMap<String, Vec<bool>>,
}

impl Default for Dummy {
    fn default() -> Self {
        let Behaviour { monitor_delay, delay, outcomes } = Behaviour::default();
        let milliseconds = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Dummy { monitor_delay_ms: milliseconds(monitor_delay), delay_ms: milliseconds(delay), outcomes }
    }
}

fn default_hook_timeout() -> u64 {
    10
}

/// The process that is asked about users of `ssh`, `x509`, `ldap` and other authentication drivers.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthDriver {
    /// The program.
    pub command: PathBuf,
    /// Its arguments.
    #[serde(default)]
    pub args: Vec<String>,
    /// Milliseconds that an answer may take.
    #[serde(default = "default_auth_timeout_ms")]
    pub timeout_ms: u64,
}

/// As long as in the reference (`SyncRequest.h`, `wait`).
fn default_auth_timeout_ms() -> u64 {
    90_000
}

fn default_zone_name() -> String {
    "OpenNebula".to_owned()
}

fn default_datastore_location() -> String {
    "/var/lib/one//datastores".to_owned()
}

impl Config {
    /// Where the zone's key is kept.
    #[must_use]
    pub fn key_file(&self) -> PathBuf {
        self.key_file.clone().unwrap_or_else(|| self.data_dir.join("zone.key"))
    }

    /// The node that founds the zone: the first of its configured servers; none where this one joins a zone.
    #[must_use]
    pub fn founder(&self) -> Option<u64> {
        self.zone.servers.iter().map(|server| server.id).min()
    }

    /// The peer addresses of other servers that it names.
    #[must_use]
    pub fn others(&self) -> Vec<String> {
        let servers = self.zone.servers.iter().filter(|server| server.id != self.node_id).map(|server| &server.peer);
        self.join.iter().flat_map(|join| &join.seeds).chain(servers).cloned().collect()
    }

    /// What of it is seldom meant so, though a node can work by it.
    #[must_use]
    pub fn remarks(&self) -> Vec<String> {
        check::remarks(self)
    }

    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// When the file cannot be read, is not TOML of this form, contradicts itself, or no node could work by it.
    pub fn read(path: &Path) -> anyhow::Result<Config> {
        let text = std::fs::read_to_string(path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        let mut config: Config = toml::from_str(&text).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        check::check(&mut config).map_err(|e| anyhow::anyhow!("{}: {e:#}", path.display()))?;
        Ok(config)
    }
}
