//! A node that must not go on says why and ends; commands that run on a change of role cannot harm it.

mod common;

use std::ops::ControlFlow;

use common::{Server, TestZone, documents, run, write};
use quorate_node::client::Client;
use quorate_raft_store::engine::{Batch, Column, Engine as _};
use quorate_raft_store::rocks::RocksEngine;

#[test]
fn a_node_whose_state_was_damaged_stops_and_says_so() {
    run(async {
        let mut zone = TestZone::start(3, 22500).await;
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
            let mut batch = Batch::default();
            let (old, new) = (b"untouched", b"tampered!");
            let visit = &mut |key: &[u8], value: &[u8]| {
                if let Some(at) = value.windows(old.len()).position(|bytes| bytes == old) {
                    let mut value = value.to_vec();
                    value[at..at + new.len()].copy_from_slice(new);
                    batch.put(Column::State, key, value);
                }
                Ok(ControlFlow::Continue(()))
            };
            engine.scan(Column::State, &[], None, visit).unwrap();
            assert!(!batch.is_empty());
            engine.write(batch, true).unwrap();
        }
        zone.zone.restart(damaged).unwrap().ready().await.unwrap();
        for n in 0..200 {
            write(&mut client, &format!("more-{n}")).await;
        }
        let (ended, status) = tokio::time::timeout(common::PATIENCE, zone.zone.first_exit()).await.unwrap().unwrap();
        assert_eq!((ended, status.code()), (damaged, Some(1)));
        let log = std::fs::read_to_string(zone.dir.path().join(format!("node-{damaged}/quorate.log"))).unwrap();
        assert!(log.contains("differs from the other nodes"), "{log}");
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
        let rest = format!(
            "servers = [{{ id = 1, name = \"one\", endpoint = \"http://127.0.0.1:22600/RPC2\", peer = \"127.0.0.1:22650\" }}]\n{}{}",
            hook("leader"),
            hook("follower")
        );
        let mut server = Server::new(dir.path().join("one"), 22600, "hooks", &rest);
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
