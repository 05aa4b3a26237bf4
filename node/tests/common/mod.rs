//! Zones of real processes for tests: the binary under test, data in a temporary directory, loopback only.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use quorate_model::api::Arg;
use quorate_node::client::{ApiReply, Client, records};
use quorate_node::config;
use quorate_node::local_zone::{LocalZone, Plan, SESSION};
use quorate_node::ports::Pair;
use tokio::time::Instant;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A zone and where it lives.
pub struct TestZone {
    /// Its processes.
    pub zone: LocalZone,
    /// What it was started as.
    pub plan: Plan,
    /// Its directory.
    pub dir: tempfile::TempDir,
}

/// Runs a test on a runtime of its own.
pub fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

/// A zone of the binary under test, on ports that the kernel gives.
pub fn plan(nodes: u16) -> Plan {
    Plan { binary: PathBuf::from(env!("CARGO_BIN_EXE_quorate")), ..Plan::new(nodes, 0).unwrap() }
}

impl TestZone {
    /// A ready zone.
    pub async fn start(nodes: u16) -> TestZone {
        TestZone::start_with(nodes, config::Raft::default()).await
    }

    /// The same with other Raft options.
    pub async fn start_with(nodes: u16, raft: config::Raft) -> TestZone {
        TestZone::start_plan(Plan { raft, ..plan(nodes) }).await
    }

    /// The same with all traffic encrypted, by certificates that are made in `certificates`.
    pub async fn start_encrypted(nodes: u16, certificates: &Path) -> TestZone {
        let mut plan = plan(nodes);
        plan.encrypt(certificates.to_owned());
        issue(certificates, plan.cluster_id.as_deref().unwrap(), nodes);
        TestZone::start_plan(plan).await
    }

    /// The same as planned.
    pub async fn start_plan(plan: Plan) -> TestZone {
        let dir = tempfile::tempdir().unwrap();
        let zone = LocalZone::start(&plan, dir.path()).unwrap();
        zone.ready().await.unwrap();
        TestZone { zone, plan, dir }
    }

    /// Stops all nodes and starts them again over the same data.
    pub async fn restart(self) -> TestZone {
        let TestZone { zone, plan, dir } = self;
        zone.stop().await;
        let zone = LocalZone::start(&plan, dir.path()).unwrap();
        zone.ready().await.unwrap();
        TestZone { zone, plan, dir }
    }

    /// A client of node `index`.
    pub fn client(&self, index: u16) -> Client {
        self.plan.client(index).unwrap()
    }

    /// The node that leads, among `nodes`.
    pub async fn leader(&self, nodes: &[u16]) -> u16 {
        let started = Instant::now();
        while started.elapsed() < PATIENCE {
            for index in nodes {
                let Ok(reply) = self.client(*index).call("one.zone.raftstatus", SESSION, &[]).await else { continue };
                let status = records(&reply.into_value().unwrap(), "RAFT").unwrap();
                if status[0]["STATE"] == "3" {
                    return *index;
                }
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("nobody leads");
    }
}

/// Makes, or renews, certificates for `node-0` and so on, and a CA if there is none in `dir`.
pub fn issue(dir: &Path, cluster: &str, nodes: u16) {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/test-ca.sh");
    let servers = (0..nodes).map(|index| format!("node-{index}=127.0.0.1"));
    let output = std::process::Command::new(script).arg(dir).arg(cluster).args(servers).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Runs the binary as an operator does; what it printed, or its one line of error.
pub fn quorate(via: &str, args: &[&str]) -> Result<String, String> {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_quorate"))
        .args(args)
        .env("ONE_XMLRPC", via)
        .env_remove("ONE_AUTH")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// A server beside those that a zone was started with: its configuration is the test's.
pub struct Server {
    /// Where it lives.
    pub dir: PathBuf,
    /// Its XML-RPC endpoint.
    pub url: String,
    /// Where it listens.
    ports: Pair,
    process: Option<std::process::Child>,
}

impl Server {
    /// A server that is not started yet; what `rest` says of it, with its endpoint and its peer address.
    pub fn new(dir: PathBuf, cluster: &str, rest: impl FnOnce(&str, &str) -> String) -> Server {
        std::fs::create_dir_all(&dir).unwrap();
        std::fs::write(dir.join("one_auth"), SESSION).unwrap();
        let ports = Pair::new().unwrap();
        let (listen, peer) = (ports.client.address(), ports.peer.address());
        let url = format!("http://{listen}/RPC2");
        let (rest, shown) = (rest(&url, &peer.to_string()), dir.display());
        let text = format!(
            "node_id = 1\ndata_dir = \"{shown}/data\"\nlisten = \"{listen}\"\npeer_listen = \"{peer}\"\n\
             [zone]\ncluster_id = \"{cluster}\"\nendpoint = \"{url}\"\nauth_file = \"{shown}/one_auth\"\n{rest}\n"
        );
        std::fs::write(dir.join("quorate.toml"), text).unwrap();
        Server { dir, url, ports, process: None }
    }

    /// `host:port` of its peer listener.
    pub fn peer(&self) -> String {
        self.ports.peer.address().to_string()
    }

    /// Its configuration.
    pub fn config(&self) -> String {
        self.dir.join("quorate.toml").display().to_string()
    }

    /// Starts it; its log goes into its directory.
    pub fn start(&mut self) {
        let log = std::fs::OpenOptions::new().create(true).append(true).open(self.dir.join("log")).unwrap();
        let process = std::process::Command::new(env!("CARGO_BIN_EXE_quorate"))
            .args(["serve", "--stop-with-stdin", "--config", &self.config()])
            .stdin(std::process::Stdio::piped())
            .stderr(log)
            .spawn();
        self.process = Some(process.unwrap());
    }

    /// Waits until it ends by itself; what it logged.
    pub async fn ended(&mut self) -> String {
        let started = Instant::now();
        while self.process.as_mut().unwrap().try_wait().unwrap().is_none() {
            assert!(started.elapsed() < PATIENCE, "{} still runs", self.url);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        self.log()
    }

    /// What it logged.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.dir.join("log")).unwrap()
    }

    /// Stops it in order.
    pub fn stop(&mut self) {
        let mut process = self.process.take().unwrap();
        drop(process.stdin.take());
        assert!(process.wait().unwrap().success(), "{}", self.log());
    }

    /// Kills it.
    pub fn kill(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            process.wait().unwrap();
        }
    }

    /// Waits until it is ready.
    pub async fn ready(&self) {
        let started = Instant::now();
        while !Client::new(&self.url).unwrap().ready().await {
            assert!(started.elapsed() < PATIENCE, "{} is not ready: {}", self.url, self.log());
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A server that joins a zone, not started yet.
pub fn joining(zone: &TestZone, name: &str) -> Server {
    let seeds = [zone.plan.peer_listen(0), zone.plan.peer_listen(1)].map(|seed| seed.to_string());
    joining_by(&zone.dir.path().join(format!("added-{name}")), name, zone.zone.cluster_id(), &seeds)
}

/// A server that joins the zone of these seeds, not started yet.
pub fn joining_by(dir: &Path, name: &str, cluster: &str, seeds: &[String]) -> Server {
    let rest = |_: &str, peer: &str| format!("[join]\nname = \"{name}\"\npeer = \"{peer}\"\nseeds = {seeds:?}");
    let server = Server::new(dir.to_owned(), cluster, rest);
    // It is given its id.
    let text = std::fs::read_to_string(server.config()).unwrap().replace("node_id = 1\n", "");
    std::fs::write(server.config(), text).unwrap();
    server
}

/// A server on its own, not started yet.
pub fn single(dir: PathBuf, name: &str, cluster: &str, more: &str) -> Server {
    Server::new(dir, cluster, |url, peer| {
        format!("servers = [{{ id = 1, name = \"{name}\", endpoint = \"{url}\", peer = \"{peer}\" }}]\n{more}")
    })
}

/// Declares a server; what was said.
pub fn add(zone: &TestZone, server: &Server, name: &str, more: &[&str]) -> String {
    let peer = server.peer();
    let args = ["zone", "add", name, "--endpoint", &server.url, "--peer", &peer];
    quorate(&zone.plan.url(0), &[&args, more].concat()).unwrap()
}

/// A row of `quorate zone status --json`.
pub fn row(via: &str, name: &str) -> Option<serde_json::Value> {
    rows(via)?.into_iter().find(|row| row["name"] == name)
}

/// The rows of `quorate zone status --json`.
pub fn rows(via: &str) -> Option<Vec<serde_json::Value>> {
    let json = quorate(via, &["zone", "status", "--json"]).ok()?;
    Some(serde_json::from_str(&json).unwrap())
}

/// Waits until the leader has not heard of a server for so long that it counts as gone.
pub async fn silent(via: &str, name: &str) {
    let started = Instant::now();
    loop {
        let row = row(via, name);
        let silence = row.as_ref().and_then(|row| row["last_contact_ms"].as_u64());
        if silence.is_some_and(|ms| ms > 3000) {
            return;
        }
        assert!(started.elapsed() < PATIENCE, "{name} is still heard: {row:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Waits until a server votes; its row.
pub async fn votes(via: &str, name: &str) -> serde_json::Value {
    let started = Instant::now();
    loop {
        match row(via, name) {
            Some(row) if row["voter"] == true && row["state"] == "follower" => return row,
            other => assert!(started.elapsed() < PATIENCE, "{name} does not vote: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Makes a document; the id, once it is acknowledged. Tries again while it is refused or fails.
pub async fn write(client: &mut Client, name: &str) -> i64 {
    let started = Instant::now();
    let args = [Arg::Str(format!("NAME={name}")), Arg::Int(100)];
    loop {
        match client.call("one.document.allocate", SESSION, &args).await {
            Ok(ApiReply::Success(id)) => return id.parse().unwrap(),
            other => assert!(started.elapsed() < PATIENCE, "not acknowledged in time: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The ids of all documents, as this node lists them.
pub async fn documents(client: &mut Client) -> Vec<i64> {
    let args = [Arg::Int(-2), Arg::Int(-1), Arg::Int(-1), Arg::Int(100)];
    let xml = client.call("one.documentpool.info", SESSION, &args).await.unwrap().into_value().unwrap();
    let mut ids: Vec<i64> = records(&xml, "DOCUMENT").unwrap().iter().map(|d| d["ID"].parse().unwrap()).collect();
    ids.sort_unstable();
    ids
}
