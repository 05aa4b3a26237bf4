//! Servers are added and removed while the zone works, by the commands of the operator's guide.

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{TestZone, add, documents, joining, quorate, row, run, silent, votes, write};

#[test]
fn a_server_joins_under_writes_and_a_dead_one_is_replaced() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let via = zone.plan.url(0);
        let (mut writer, stop) = (zone.client(1), Arc::new(AtomicBool::new(false)));
        let writing = tokio::spawn({
            let stop = stop.clone();
            async move {
                let mut ids = Vec::new();
                while !stop.load(Ordering::Relaxed) {
                    ids.push(write(&mut writer, "meanwhile").await);
                }
                ids
            }
        });
        let mut new = joining(&zone, "one-3");
        new.start();
        let said = add(&zone, &new, "one-3", &["--wait", "60"]);
        let told: Vec<&str> = said.lines().collect();
        assert!(told.len() >= 2 && told[0].contains("is declared") && told[told.len() - 1] == "one-3 votes", "{said}");
        assert_eq!(row(&via, "one-3").unwrap()["id"], 3, "declared at once");
        let joined = votes(&via, "one-3").await;
        assert_eq!(joined["node_id"], 4);

        // Dead, and removed while it is dead.
        zone.zone.kill(2).await.unwrap();
        quorate(&via, &["zone", "remove", "node-2"]).unwrap();
        assert!(row(&via, "node-2").is_none());
        let mut replacement = joining(&zone, "node-2");
        add(&zone, &replacement, "node-2", &[]);
        replacement.start();
        let joined = votes(&via, "node-2").await;
        assert_eq!(joined["node_id"], 5, "a node id is never given twice");

        stop.store(true, Ordering::Relaxed);
        let written = writing.await.unwrap();
        replacement.ready().await;
        for url in [&new.url, &replacement.url, &via] {
            let mut client = quorate_node::client::Client::new(url).unwrap();
            assert_eq!(documents(&mut client).await, written, "{url}");
        }
    });
}

#[test]
fn a_removal_that_would_lose_the_quorum_is_refused_and_the_last_server_stays() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let via = zone.plan.url(0);
        zone.zone.kill(2).await.unwrap();
        zone.leader(&[0, 1]).await;
        silent(&via, "node-2").await;
        let refusal = quorate(&via, &["zone", "remove", "node-1"]).unwrap_err();
        assert!(refusal.contains("would lose its quorum"), "{refusal}");
        assert!(row(&via, "node-1").is_some_and(|row| row["voter"] == true), "a refusal changes nothing");

        quorate(&via, &["zone", "remove", "node-2"]).unwrap();
        // Also the one that leads.
        quorate(&via, &["zone", "transfer", "node-1"]).unwrap();
        quorate(&via, &["zone", "remove", "node-1"]).unwrap();
        let (ended, status) = zone.zone.first_exit().await.unwrap();
        assert_eq!(ended, 1, "a removed server ends by itself");
        assert!(status.success(), "nothing has failed: nobody must start it again");
        let refusal = quorate(&via, &["zone", "remove", "node-0"]).unwrap_err();
        assert!(refusal.contains("is the last server"), "{refusal}");
        write(&mut zone.client(0), "still-works").await;
    });
}

#[test]
fn leadership_goes_where_the_operator_says() {
    run(async {
        let zone = TestZone::start(3).await;
        let leader = zone.leader(&[0, 1, 2]).await;
        let next = (leader + 1) % 3;
        let said = quorate(&zone.plan.url((leader + 2) % 3), &["zone", "transfer", &format!("node-{next}")]).unwrap();
        assert_eq!(said, format!("node-{next} leads"));
        assert_eq!(zone.leader(&[0, 1, 2]).await, next);
        let refusal = quorate(&zone.plan.url(0), &["zone", "transfer", "nobody"]).unwrap_err();
        assert!(refusal.contains("nobody is no other server"), "{refusal}");
        quorate(&zone.plan.url(0), &["zone", "snapshot"]).unwrap();
    });
}

#[test]
fn a_server_that_lost_its_data_does_not_vote_as_who_it_was_and_can_be_replaced() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let leader = zone.leader(&[0, 1, 2]).await;
        let (lost, other) = ((leader + 1) % 3, (leader + 2) % 3);
        // By way of it, so that the leader has met it.
        write(&mut zone.client(lost), "acknowledged").await;
        zone.zone.kill(lost).await.unwrap();
        let node = &zone.zone.nodes()[usize::from(lost)];
        for file in std::fs::read_dir(node.data_dir()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        zone.zone.restart(lost).unwrap();
        let (ended, status) = zone.zone.first_exit().await.unwrap();
        assert_eq!((ended, status.code()), (lost, Some(1)));
        let log = zone.zone.nodes()[usize::from(lost)].log().unwrap();
        // The first server would found the zone anew: it asks the others whether there is one.
        let reason = if lost == 0 { "the zone exists" } else { "was in this zone with another database" };
        assert!(log.contains(reason), "{log}");

        let (via, name) = (zone.plan.url(other), format!("node-{lost}"));
        quorate(&via, &["zone", "remove", &name]).unwrap();
        let peer = zone.plan.peer_listen(lost).to_string();
        quorate(&via, &["zone", "add", &name, "--endpoint", &zone.plan.url(lost), "--peer", &peer]).unwrap();
        zone.zone.rejoin(lost).unwrap();
        let node = votes(&via, &name).await["node_id"].as_u64();
        assert!(node > Some(3), "it is somebody new: {node:?}");
    });
}
