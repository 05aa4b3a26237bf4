//! What is under way outside when the leader dies goes on under the next one, and is done once.

mod common;

use std::time::Duration;

use common::{PATIENCE, TestZone, plan, run};
use quorate_model::api::Arg;
use quorate_node::client::{Client, Record, records};
use quorate_node::config;
use quorate_node::local_zone::{Plan, SESSION};
use tokio::time::Instant;

/// VMs that are being deployed when the leader dies.
const VMS: i64 = 8;
/// How long each of the drivers' operations takes: much longer than eight VMs take to be made, on any machine.
const DELAY: Duration = Duration::from_secs(10);
/// OpenNebula's LCM_STATE of a running VM.
const RUNNING: &str = "3";

async fn value(client: &mut Client, method: &str, args: &[Arg]) -> String {
    client.call(method, SESSION, args).await.unwrap().into_value().unwrap()
}

async fn vms(client: &mut Client) -> Vec<Record> {
    let xml = value(client, "one.vmpool.info", &[-2, -1, -1, -1].map(Arg::Int)).await;
    records(&xml, "VM").unwrap()
}

/// A number of `/metrics`.
async fn metric(client: &mut Client, name: &str) -> u64 {
    let (_, text) = client.get("/metrics").await.unwrap();
    let text = String::from_utf8(text.to_vec()).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(&format!("quorate_{name} "))).unwrap();
    line.parse().unwrap()
}

/// Waits until `done` says so of the number called `name`.
async fn until(client: &mut Client, name: &str, done: impl Fn(u64) -> bool) {
    let started = Instant::now();
    while !done(metric(client, name).await) {
        assert!(started.elapsed() < PATIENCE, "{name} is {}", metric(client, name).await);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[test]
fn deployments_under_way_finish_once_under_the_new_leader() {
    run(async {
        let dummy = config::Dummy { delay_ms: DELAY.as_millis() as u64, ..config::Dummy::default() };
        let mut zone = TestZone::start_plan(Plan { dummy, ..plan(3) }).await;
        let old = zone.leader(&[0, 1, 2]).await;
        let mut client = zone.client((old + 1) % 3);
        let text = |text: &str| Arg::Str(text.to_owned());
        let args = [text("h"), text("dummy"), text("dummy"), Arg::Int(-1)];
        let host: i64 = value(&mut client, "one.host.allocate", &args).await.parse().unwrap();
        until(&mut client, "pending_operations", |pending| pending == 0).await;
        for _ in 0..VMS {
            let made = value(&mut client, "one.vm.allocate", &[text("CPU=0.1\nMEMORY=64"), Arg::Bool(false)]).await;
            let args = [Arg::Int(made.parse().unwrap()), Arg::Int(host), Arg::Bool(false), Arg::Int(-1), text("")];
            value(&mut client, "one.vm.deploy", &args).await;
        }
        until(&mut client, "pending_operations", |pending| pending > 0).await;
        assert!(vms(&mut client).await.iter().all(|vm| vm["LCM_STATE"] != RUNNING), "nothing is under way any more");
        zone.zone.kill(old).await.unwrap();

        until(&mut client, "pending_operations", |pending| pending == 0).await;
        let running = vms(&mut client).await;
        let states: Vec<_> = running.iter().map(|vm| (&vm["STATE"], &vm["LCM_STATE"])).collect();
        assert!(running.len() == VMS as usize && running.iter().all(|vm| vm["LCM_STATE"] == RUNNING), "{states:?}");

        // The old leader does not do or report any of it again: no VM changes.
        zone.zone.restart(old).unwrap().ready().await.unwrap();
        let mut listing = [0, 1, 2].map(|index| zone.client(index));
        let before = value(&mut listing[0], "one.vmpool.info", &[-2, -1, -1, -1].map(Arg::Int)).await;
        // Longer than an operation that it took up again would need.
        tokio::time::sleep(DELAY * 3 / 2).await;
        for client in &mut listing {
            assert_eq!(value(client, "one.vmpool.info", &[-2, -1, -1, -1].map(Arg::Int)).await, before);
        }
        let host = value(&mut listing[0], "one.host.info", &[Arg::Int(host)]).await;
        assert_eq!(host.matches("<RUNNING_VMS>").count(), 1);
        assert!(host.contains(&format!("<RUNNING_VMS>{VMS}</RUNNING_VMS>")), "{host}");
    });
}

#[test]
fn time_passes_under_the_new_leader() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let old = zone.leader(&[0, 1, 2]).await;
        zone.zone.kill(old).await.unwrap();
        let new = zone.leader(&[(old + 1) % 3, (old + 2) % 3]).await;
        let mut client = zone.client(new);
        // Its own first entry is there once it answers a read; after that only ticks make any.
        vms(&mut client).await;
        let first = metric(&mut client, "raft_applied_index").await;
        until(&mut client, "raft_applied_index", |applied| applied > first).await;
    });
}
