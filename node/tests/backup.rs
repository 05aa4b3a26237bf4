//! A zone survives the loss of its servers: from a backup, and from the last survivor.

mod common;

use common::{Server, TestZone, documents, joining_by, quorate, row, run, votes, write};
use quorate_node::client::Client;

/// A server on its own.
fn single(zone: &TestZone, name: &str, cluster: &str) -> Server {
    common::single(zone.dir.path().join(format!("single-{name}")), name, cluster, "")
}

#[test]
fn a_backup_taken_under_writes_is_restored_as_a_new_zone() {
    run(async {
        let zone = TestZone::start(3).await;
        let leader = zone.leader(&[0, 1, 2]).await;
        let mut writer = zone.client(0);
        let mut written = Vec::new();
        for _ in 0..50 {
            written.push(write(&mut writer, "before").await);
        }
        let writing = tokio::spawn(async move {
            for _ in 0..200 {
                write(&mut writer, "meanwhile").await;
            }
        });
        let file = zone.dir.path().join("zone.backup").display().to_string();
        let said = quorate(&zone.plan.url((leader + 1) % 3), &["backup", &file]).unwrap();
        assert!(said.contains("as of log index"), "{said}");
        writing.await.unwrap();

        let key = zone.plan.data_dir(zone.dir.path(), 0).join("zone.key").display().to_string();
        let restore = |to: &Server, more: &[&str]| {
            quorate("", &[&["restore", &file, "--config", &to.config(), "--key", &key], more].concat())
        };
        let same = single(&zone, "same", zone.zone.cluster_id());
        let refusal = restore(&same, &[]).unwrap_err();
        let itself = format!("is of zone {} itself", zone.zone.cluster_id());
        assert!(refusal.contains(&itself) && refusal.contains("--keep-cluster-id"), "{refusal}");
        restore(&same, &["--keep-cluster-id"]).unwrap();

        let mut new = single(&zone, "fresh", "restored");
        let keyless = quorate("", &["restore", &file, "--config", &new.config()]).unwrap_err();
        assert!(keyless.contains("zone.key"), "{keyless}");
        restore(&new, &[]).unwrap();
        let again = restore(&new, &[]).unwrap_err();
        assert!(again.contains("is not empty"), "{again}");
        new.start();
        new.ready().await;
        let mut client = Client::new(&new.url).unwrap();
        let restored = documents(&mut client).await;
        assert!(restored.starts_with(&written), "what was acknowledged before is in it: {restored:?}");
        let next = write(&mut client, "after").await;
        assert_eq!(Some(next), restored.last().map(|last| last + 1), "ids continue");

        let mut bytes = std::fs::read(&file).unwrap();
        std::fs::write(&file, [&bytes[..], b"x"].concat()).unwrap();
        let longer = single(&zone, "longer", "restored");
        let refusal = restore(&longer, &[]).unwrap_err();
        assert!(refusal.contains("something follows"), "{refusal}");
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        std::fs::write(&file, &bytes).unwrap();
        let other = single(&zone, "other", "restored");
        let refusal = restore(&other, &[]).unwrap_err();
        assert!(["checksum", "malformed", "damaged"].iter().any(|word| refusal.contains(word)), "{refusal}");
    });
}

#[test]
fn a_backup_that_is_refused_leaves_nothing() {
    run(async {
        let zone = TestZone::start(1).await;
        let auth = zone.dir.path().join("wrong_auth");
        std::fs::write(&auth, "oneadmin:wrong").unwrap();
        let file = zone.dir.path().join("zone.backup");
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_quorate"))
            .arg("backup")
            .arg(&file)
            .env("ONE_XMLRPC", zone.plan.url(0))
            .env("ONE_AUTH", &auth)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        let left = std::fs::read_dir(zone.dir.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().starts_with("zone.backup")).collect();
        assert!(left.is_empty(), "{left:?}");
    });
}

#[test]
fn the_last_survivor_becomes_a_new_zone_and_others_join_it() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let mut written = Vec::new();
        for _ in 0..20 {
            written.push(write(&mut zone.client(2), "kept").await);
        }
        let survivor = zone.dir.path().join("node-2/quorate.toml");
        // All have everything before all are killed.
        for index in 0..3 {
            documents(&mut zone.client(index)).await;
        }
        for index in 0..3 {
            zone.zone.kill(index).await.unwrap();
        }
        let config = survivor.display().to_string();
        let refusal = quorate("", &["recover", "--force-new-zone", "--config", &config]).unwrap_err();
        assert!(refusal.contains("zone.servers names node-0, node-1, too"), "{refusal}");
        let mut alone: toml::Table = std::fs::read_to_string(&survivor).unwrap().parse().unwrap();
        let own = alone["node_id"].clone();
        alone["zone"]["servers"].as_array_mut().unwrap().retain(|server| server["id"] == own);
        std::fs::write(&survivor, toml::to_string(&alone).unwrap()).unwrap();
        let refusal = quorate("", &["recover", "--force-new-zone", "--config", &config]).unwrap_err();
        assert!(refusal.contains("zone.cluster_id"), "{refusal}");
        let text = std::fs::read_to_string(&survivor).unwrap().replace(zone.zone.cluster_id(), "local-new");
        std::fs::write(&survivor, text).unwrap();
        let said = quorate("", &["recover", "--force-new-zone", "--config", &config]).unwrap();
        assert!(said.contains("is now the only server") && said.contains("LOST"), "{said}");
        zone.zone.restart(2).unwrap().ready().await.unwrap();
        let mut client = zone.client(2);
        assert_eq!(documents(&mut client).await, written);
        write(&mut client, "after").await;

        // node-0 is still declared: empty, it comes back by itself.
        let seeds = [zone.plan.peer_listen(2).to_string()];
        let mut back = joining_by(&zone.dir.path().join("back"), "node-0", "local-new", &seeds);
        back.start();
        let via = zone.plan.url(2);
        let joined = votes(&via, "node-0").await;
        assert!(joined["node_id"].as_u64() > Some(3), "{joined}");
        quorate(&via, &["zone", "remove", "node-1"]).unwrap();
        assert!(row(&via, "node-1").is_none());
    });
}
