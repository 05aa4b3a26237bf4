//! Zones of real processes for tests: the binary under test, data in a temporary directory, loopback only.

// Each test file uses its own part of this.
#![allow(dead_code)]

use std::path::PathBuf;
use std::time::Duration;

use quorate_node::client::{ApiReply, Client, records};
use quorate_node::config;
use quorate_node::local_zone::{LocalZone, Plan, SESSION};
use quorate_state_machine::api::Arg;
use tokio::time::Instant;

/// How long anything may take before a test fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A zone and where it lives.
pub struct TestZone {
    /// Its processes.
    pub zone: LocalZone,
    /// What it was started as.
    pub plan: Plan,
    dir: tempfile::TempDir,
}

/// Runs a test on a runtime of its own.
pub fn run<F: Future>(test: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap().block_on(test)
}

impl TestZone {
    /// A ready zone; each test has its own ports.
    pub async fn start(nodes: u16, base_port: u16) -> TestZone {
        TestZone::start_with(nodes, base_port, config::Raft::default()).await
    }

    /// The same with other Raft options.
    pub async fn start_with(nodes: u16, base_port: u16, raft: config::Raft) -> TestZone {
        let binary = PathBuf::from(env!("CARGO_BIN_EXE_quorate"));
        let plan = Plan { binary, raft, ..Plan::new(nodes, base_port).unwrap() };
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
        Client::new(&self.plan.url(index)).unwrap()
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
