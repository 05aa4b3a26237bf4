//! Reads on real processes: whatever node is asked, a read sees every write that was acknowledged before it began.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use common::{PATIENCE, TestZone, run, write};
use quorate_model::api::Arg;
use quorate_node::client::{ApiReply, Client};
use quorate_node::local_zone::SESSION;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// OpenNebula's code for an object that does not exist.
const NO_EXISTS: i64 = 0x400;

/// What writers and readers know of each other.
#[derive(Default)]
struct Shared {
    /// The newest document whose creation was acknowledged to anybody, by id: ids grow with the order of writes.
    newest: AtomicI64,
    over: AtomicBool,
}

#[test]
fn a_read_through_any_node_sees_what_was_acknowledged_before_it_while_leaders_are_killed() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let first = write(&mut zone.client(0), "first").await;
        let shared = Arc::new(Shared { newest: AtomicI64::new(first), ..Shared::default() });
        let (mut writers, mut readers) = (JoinSet::new(), JoinSet::new());
        for index in 0..3 {
            writers.spawn(keep_writing(zone.client(index), shared.clone()));
            readers.spawn(keep_reading(zone.client(index), index, shared.clone()));
        }
        for _ in 0..4 {
            let leader = zone.leader(&[0, 1, 2]).await;
            zone.zone.kill(leader).await.unwrap();
            // The others go on, and are read, before it is back.
            let survivors = [(leader + 1) % 3, (leader + 2) % 3];
            zone.leader(&survivors).await;
            let before = shared.newest.load(Ordering::SeqCst);
            let began = Instant::now();
            while shared.newest.load(Ordering::SeqCst) < before + 20 {
                assert!(began.elapsed() < PATIENCE, "writes stopped at document {before}");
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            zone.zone.restart(leader).unwrap().ready().await.unwrap();
        }
        shared.over.store(true, Ordering::SeqCst);
        let written: usize = writers.join_all().await.into_iter().sum();
        let read = readers.join_all().await;
        eprintln!("{written} writes, {read:?} reads through the three nodes");
        assert!(read.iter().all(|count| *count > 50), "too few reads to say anything: {read:?}");
    });
}

async fn keep_writing(mut client: Client, shared: Arc<Shared>) -> usize {
    let mut written = 0;
    while !shared.over.load(Ordering::SeqCst) {
        let id = write(&mut client, "more").await;
        shared.newest.fetch_max(id, Ordering::SeqCst);
        written += 1;
    }
    written
}

/// Reads the newest document that is acknowledged, again and again; how often there was an answer.
async fn keep_reading(mut client: Client, node: u16, shared: Arc<Shared>) -> usize {
    let mut read = 0;
    while !shared.over.load(Ordering::SeqCst) {
        let id = shared.newest.load(Ordering::SeqCst);
        match client.call("one.document.info", SESSION, &[Arg::Int(id)]).await {
            Ok(ApiReply::Success(_)) => read += 1,
            Ok(ApiReply::Refused(text, NO_EXISTS)) => panic!("node {node} did not see document {id}: {text}"),
            // Without a leader, or dead just now.
            Ok(ApiReply::Refused(..)) | Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
    read
}
