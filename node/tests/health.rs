//! A node that must not go on says why and ends; commands that run on a change of role cannot harm it.

mod common;

use common::{TestZone, documents, run, single, write};
use quorate_node::client::Client;
use quorate_raft_store::engine::{Batch, Column, Engine as _};
use quorate_raft_store::rocks::RocksEngine;

#[test]
fn a_node_whose_state_lost_a_record_does_not_start_and_says_so() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let leader = zone.leader(&[0, 1, 2]).await;
        let damaged = (leader + 1) % 3;
        let mut client = zone.client(leader);
        write(&mut client, "untouched").await;
        // A majority has it; this node has it in its state once it has answered a read.
        documents(&mut zone.client(damaged)).await;
        zone.zone.kill(damaged).await.unwrap();
        {
            let data = zone.dir.path().join(format!("node-{damaged}/data"));
            let engine = RocksEngine::open(&data).unwrap();
            let (lost, _) = engine.last(Column::State).unwrap().unwrap();
            let mut batch = Batch::default();
            batch.delete(Column::State, lost);
            engine.write(batch, true).unwrap();
        }
        zone.zone.restart(damaged).unwrap();
        let (ended, status) = tokio::time::timeout(common::PATIENCE, zone.zone.first_exit()).await.unwrap().unwrap();
        assert_eq!((ended, status.code()), (damaged, Some(1)));
        let log = std::fs::read_to_string(zone.dir.path().join(format!("node-{damaged}/quorate.log"))).unwrap();
        assert!(log.contains("the records of the state are not those that this node has written"), "{log}");
        write(&mut client, "the-others-go-on").await;
    });
}

#[test]
fn role_hooks_run_in_order_and_may_fail_or_hang() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let shown = dir.path().display();
        let script = format!(
            "echo $1 >> {shown}/roles\n[ $1 = leader ] && {{ sleep 100 & echo $! > {shown}/child; wait; }}\nexit 3\n"
        );
        std::fs::write(dir.path().join("hook.sh"), script).unwrap();
        let hook = |role: &str| {
            format!(
                "[raft_hooks.{role}]\ncommand = \"/bin/sh\"\narguments = \"{shown}/hook.sh {role}\"\ntimeout_seconds = 1\n"
            )
        };
        let hooks = [hook("leader"), hook("follower")].concat();
        let mut server = single(dir.path().join("one"), "one", "hooks", &hooks);
        server.start();
        server.ready().await;
        write(&mut Client::new(&server.url).unwrap(), "while-the-hook-hangs").await;
        let started = tokio::time::Instant::now();
        while !server.log().contains("took too long") {
            assert!(started.elapsed() < common::PATIENCE, "{}", server.log());
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        let child = std::fs::read_to_string(dir.path().join("child")).unwrap();
        let proc = std::path::Path::new("/proc").join(child.trim()).join("cmdline");
        // A killed process without a parent may be there for a moment, but has no command line any more.
        while std::fs::read_to_string(&proc).is_ok_and(|line| line.contains("sleep")) {
            assert!(started.elapsed() < common::PATIENCE, "what the hook has started outlives it");
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        server.stop();
        let roles = std::fs::read_to_string(dir.path().join("roles")).unwrap();
        assert_eq!(roles, "follower\nleader\nfollower\n");
    });
}
