//! A zone of real processes loses nodes: what was acknowledged stays, what was away catches up by itself.

mod common;

use std::time::Duration;

use common::{TestZone, documents, run, write};
use quorate_node::config;
use tokio::time::Instant;

#[test]
fn nothing_acknowledged_is_lost_when_leaders_are_killed() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let mut acknowledged = Vec::new();
        for round in 0..3 {
            let leader = zone.leader(&[0, 1, 2]).await;
            let mut survivor = zone.client((leader + 1) % 3);
            for n in 0..20 {
                acknowledged.push(write(&mut survivor, &format!("before-{round}-{n}")).await);
            }
            zone.zone.kill(leader).await.unwrap();
            let killed = Instant::now();
            acknowledged.push(write(&mut survivor, "after").await);
            eprintln!("write pause after kill -9 of the leader: {} ms", killed.elapsed().as_millis());
            zone.zone.restart(leader).unwrap().ready().await.unwrap();
        }
        for index in 0..3 {
            let listed = documents(&mut zone.client(index)).await;
            assert!(acknowledged.iter().all(|id| listed.contains(id)), "node {index} lost a document");
        }
        let mut ids = acknowledged.clone();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), acknowledged.len(), "an id was given twice");
    });
}

#[test]
fn a_node_that_was_away_catches_up_though_the_log_it_needs_is_purged() {
    run(async {
        let raft = config::Raft { snapshot_every: 100, keep_entries: 20, ..config::Raft::default() };
        let mut zone = TestZone::start_with(3, raft).await;
        let leader = zone.leader(&[0, 1, 2]).await;
        let away = (leader + 1) % 3;
        zone.zone.kill(away).await.unwrap();
        let mut client = zone.client(leader);
        let mut last = 0;
        for n in 0..500 {
            last = write(&mut client, &format!("while-away-{n}")).await;
        }
        zone.zone.restart(away).unwrap().ready().await.unwrap();
        let listed = documents(&mut zone.client(away)).await;
        assert_eq!(listed.last(), Some(&last));
        assert_eq!(listed, documents(&mut client).await);
    });
}

#[test]
fn a_planned_stop_hands_leadership_over() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let leader = zone.leader(&[0, 1, 2]).await;
        let others = [(leader + 1) % 3, (leader + 2) % 3];
        let mut client = zone.client(others[0]);
        write(&mut client, "before").await;
        let stopping = zone.zone.stop_node(leader);
        let writing = async {
            let mut longest = Duration::ZERO;
            let started = Instant::now();
            while started.elapsed() < Duration::from_secs(2) {
                let began = Instant::now();
                write(&mut client, "meanwhile").await;
                longest = longest.max(began.elapsed());
            }
            longest
        };
        let (stopped, longest) = tokio::join!(stopping, writing);
        stopped.unwrap();
        eprintln!("longest write during a planned stop of the leader: {} ms", longest.as_millis());
        let heir = zone.leader(&others).await;
        assert!(others.contains(&heir));
    });
}

#[test]
fn a_zone_continues_with_its_data_after_a_full_stop() {
    run(async {
        let zone = TestZone::start(3).await;
        let mut written = Vec::new();
        for index in 0..3 {
            written.push(write(&mut zone.client(index), "kept").await);
        }
        let zone = zone.restart().await;
        for index in 0..3 {
            assert_eq!(documents(&mut zone.client(index)).await, written);
        }
    });
}

#[test]
fn a_node_without_a_majority_says_that_it_is_not_ready() {
    run(async {
        let mut zone = TestZone::start(3).await;
        assert!(zone.client(0).ready().await);
        zone.zone.kill(1).await.unwrap();
        zone.zone.kill(2).await.unwrap();
        let started = Instant::now();
        while zone.client(0).ready().await {
            assert!(started.elapsed() < common::PATIENCE, "still ready without a majority");
        }
        zone.zone.restart(1).unwrap();
        zone.zone.nodes()[0].ready().await.unwrap();
    });
}
