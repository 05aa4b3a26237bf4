//! What a zone on this machine is to be like: how many nodes, where, and with which options.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};

use super::{CA_FILE, config_of, data_of, node_dir};
use crate::client::Client;
use crate::config::{self, Config};
use crate::ports::{self, Ports};
use crate::wall::Wall;

/// What a local zone is to be like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The `quorate` binary.
    pub binary: PathBuf,
    /// How many nodes, 1 to 9.
    pub nodes: u16,
    /// Where they listen.
    pub ports: Ports,
    /// Raft's timing and log.
    pub raft: config::Raft,
    /// How reads are answered.
    pub reads: config::Reads,
    /// How the dummy drivers behave.
    pub dummy: config::Dummy,
    /// The process that is asked about users of other authentication drivers.
    pub auth_driver: Option<config::AuthDriver>,
    /// What identifies the zone among peers; without it, it gets an id that no other zone has, and keeps it.
    pub cluster_id: Option<String>,
    /// A directory with certificates of zone [`Plan::cluster_id`] for `node-0`, `node-1` and so on, as
    /// `deploy/test-ca.sh` makes them: traffic is then encrypted. Without it, plain.
    pub certificates: Option<PathBuf>,
    /// The network namespace of each node, where they have different ones; empty: all are on this machine's loopback.
    pub namespaces: Vec<Namespace>,
}

/// A network namespace for one node, made by whoever starts the zone.
#[derive(Clone, Debug)]
pub struct Namespace {
    /// Its file, as `nsenter --net` takes it.
    pub file: PathBuf,
    /// The address in it at which the other nodes and clients reach the node.
    pub address: Ipv4Addr,
}

impl Plan {
    /// So many nodes of this program from a port on, or on ports that the kernel gives (0), with defaults for the rest.
    ///
    /// # Errors
    /// When the operating system has no ports, or does not say where this program is.
    pub fn new(nodes: u16, base_port: u16) -> anyhow::Result<Plan> {
        let (binary, ports) = (std::env::current_exe()?, Ports::new(nodes, base_port)?);
        let (raft, dummy) = (config::Raft::default(), config::Dummy::default());
        let (reads, namespaces) = (config::Reads::default(), Vec::new());
        let (cluster_id, auth_driver, certificates) = (None, None, None);
        Ok(Plan { binary, nodes, ports, raft, reads, dummy, auth_driver, cluster_id, certificates, namespaces })
    }

    /// Encrypts by these certificates. Who gives no [`Plan::cluster_id`] names the zone after its base port, `local-PORT`,
    /// when the certificates are made.
    pub fn encrypt(&mut self, certificates: PathBuf) {
        self.certificates = Some(certificates);
        let base = self.ports.base();
        self.cluster_id.get_or_insert_with(|| format!("local-{base}"));
    }

    /// Where node `index` serves XML-RPC.
    #[must_use]
    pub fn listen(&self, index: u16) -> SocketAddr {
        match self.namespaces.get(usize::from(index)) {
            Some(own) => (own.address, self.ports.client(0)).into(),
            None => (Ipv4Addr::LOCALHOST, self.ports.client(index)).into(),
        }
    }

    /// Where node `index` serves its peers.
    #[must_use]
    pub fn peer_listen(&self, index: u16) -> SocketAddr {
        match self.namespaces.get(usize::from(index)) {
            Some(own) => (own.address, self.ports.peer(0)).into(),
            None => (Ipv4Addr::LOCALHOST, self.ports.peer(index)).into(),
        }
    }

    /// The XML-RPC endpoint of node `index`.
    #[must_use]
    pub fn url(&self, index: u16) -> String {
        let scheme = if self.certificates.is_some() { "https" } else { "http" };
        format!("{scheme}://{}/RPC2", self.listen(index))
    }

    /// A client of node `index`.
    ///
    /// # Errors
    /// When there are no certificates where they should be.
    pub fn client(&self, index: u16) -> anyhow::Result<Client> {
        let cacert = self.certificates.as_ref().map(|dir| dir.join(CA_FILE));
        Client::trusting(&self.url(index), cacert.as_deref())
    }

    /// Where node `index` of a zone in `dir` keeps its data.
    #[must_use]
    pub fn data_dir(&self, dir: &Path, index: u16) -> PathBuf {
        data_of(&node_dir(dir, index))
    }

    /// The id of the zone in a directory: the one that it has, or a new zone's. Refuses the data of another zone.
    pub(super) fn zone_in(&self, dir: &Path) -> anyhow::Result<String> {
        let path = config_of(&node_dir(dir, 0));
        if !path.exists() {
            // Two zones on one machine must not take each other's nodes for their own.
            let drawn = format!("local-{:016x}", Wall::real()?.random_u64());
            return Ok(self.cluster_id.clone().unwrap_or(drawn));
        }
        let old = Config::read(&path)?;
        let (nodes, port) = (old.zone.servers.len(), old.listen.port());
        anyhow::ensure!(
            nodes == usize::from(self.nodes) && port == self.listen(0).port(),
            "{} holds a zone of {nodes} nodes from port {port} on: start it so, or take another directory",
            dir.display()
        );
        let id = old.zone.cluster_id;
        let same = self.cluster_id.as_ref().is_none_or(|given| *given == id);
        anyhow::ensure!(same, "{} holds the zone {id}: start it so, or take another directory", dir.display());
        Ok(id)
    }

    /// Refuses ports that somebody listens on: another zone would answer in this one's place.
    pub(super) fn check_ports(&self) -> anyhow::Result<()> {
        // In a namespace of its own a node meets nobody.
        let shared = (0..self.nodes).filter(|index| self.namespaces.get(usize::from(*index)).is_none());
        for index in shared {
            for address in [self.listen(index), self.peer_listen(index)] {
                TcpListener::bind(address).map_err(|e| ports::explain(address, &e))?;
            }
        }
        Ok(())
    }

    /// The configuration of node `index` of a zone with this id that lives in `dir`.
    pub(super) fn config(&self, dir: &Path, cluster_id: &str, index: u16) -> Config {
        let server = |i: u16| config::Server {
            id: u64::from(i) + 1,
            name: format!("node-{i}"),
            endpoint: self.url(i),
            peer: self.peer_listen(i).to_string(),
        };
        let cert = |dir: &Path| dir.join(format!("node-{index}.crt"));
        let key = |dir: &Path| dir.join(format!("node-{index}.key"));
        Config {
            node_id: u64::from(index) + 1,
            data_dir: self.data_dir(dir, index),
            key_file: None,
            listen: self.listen(index),
            peer_listen: self.peer_listen(index),
            zone: config::Zone {
                cluster_id: cluster_id.to_owned(),
                name: "OpenNebula".to_owned(),
                endpoint: self.url(0),
                auth_file: dir.join("one_auth"),
                datastore_location: "/var/lib/one//datastores".to_owned(),
                servers: (0..self.nodes).map(server).collect(),
            },
            join: None,
            clients: config::Clients::default(),
            raft: self.raft,
            reads: self.reads,
            dummy: self.dummy.clone(),
            raft_hooks: config::Hooks::default(),
            peer_tls: self.certificates.as_deref().map(|dir| config::PeerTls {
                cert: cert(dir),
                key: key(dir),
                ca: dir.join(CA_FILE),
            }),
            tls: self.certificates.as_deref().map(|dir| config::Tls { cert: cert(dir), key: key(dir) }),
            auth_driver: self.auth_driver.clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::write;
    use super::*;

    #[test]
    fn a_zone_has_an_id_of_its_own_and_keeps_it() {
        let dirs = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let plan = Plan::new(1, 0).unwrap();
        let ids = dirs.each_ref().map(|dir| plan.zone_in(dir.path()).unwrap());
        assert_ne!(ids[0], ids[1], "two zones on one machine");
        let (dir, id) = (dirs[0].path(), &ids[0]);
        let first = node_dir(dir, 0);
        fs::create_dir_all(&first).unwrap();
        write(&config_of(&first), &toml::to_string(&plan.config(dir, id, 0)).unwrap()).unwrap();
        assert_eq!(plan.zone_in(dir).unwrap(), *id, "as it was");
        let given = |id: &str| Plan { cluster_id: Some(id.to_owned()), ..plan.clone() };
        assert_eq!(given(id).zone_in(dir).unwrap(), *id);
        assert!(given("another").zone_in(dir).unwrap_err().to_string().contains(id));
        assert_eq!(given("another").zone_in(dirs[1].path()).unwrap(), "another");
    }
}
