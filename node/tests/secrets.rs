//! Secrets of a running zone: in clear nowhere on its disks or in what it writes; and its key, which every server has in
//! a file of its own and hands to those that join.

mod common;

use std::path::{Path, PathBuf};

use common::{TestZone, add, joining, quorate, run, votes};
use quorate_model::api::Arg;
use quorate_model::crypto::hex;
use quorate_node::client::Client;
use quorate_node::local_zone::SESSION;

/// What nobody may find.
const MARK: &str = "Zq7-marked-secret-9xK";

fn text(text: &str) -> Arg {
    Arg::Str(text.to_owned())
}

async fn value(client: &mut Client, session: &str, method: &str, args: &[Arg]) -> String {
    client.call(method, session, args).await.unwrap().into_value().unwrap()
}

fn key_of(zone: &TestZone, index: u16) -> PathBuf {
    zone.plan.data_dir(zone.dir.path(), index).join("zone.key")
}

/// Every file below `dir`, but keys.
fn search(dir: &Path, wanted: &[&str]) {
    for entry in std::fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, wanted);
        } else if !path.ends_with("zone.key") {
            let bytes = std::fs::read(&path).unwrap();
            for text in wanted {
                let found = bytes.windows(text.len()).any(|window| window == text.as_bytes());
                assert!(!found, "{} has {text}", path.display());
            }
        }
    }
}

#[test]
fn no_secret_is_in_clear_on_disk_in_backups_logs_or_metrics() {
    run(async {
        let zone = TestZone::start(3).await;
        let mut client = zone.client(1);
        let args = [text("ann"), text(MARK), text(""), Arg::Ints(Vec::new())];
        let ann = value(&mut client, SESSION, "one.user.allocate", &args).await;
        let ann: i64 = ann.parse().unwrap();
        let session = format!("ann:{MARK}");
        let given = format!("token-{MARK}");
        let login = [text("ann"), text(&given), Arg::Int(3600), Arg::Int(-1)];
        assert_eq!(value(&mut client, &session, "one.user.login", &login).await, given);
        let made = [text("ann"), text(""), Arg::Int(3600), Arg::Int(-1)];
        let token = value(&mut client, &session, "one.user.login", &made).await;
        let template = format!("SSH_PRIVATE_KEY=\"{MARK}\"");
        value(&mut client, &session, "one.user.update", &[Arg::Int(ann), text(&template), Arg::Int(1)]).await;
        let template = format!("RESTIC_PASSWORD=\"{MARK}\"");
        value(&mut client, SESSION, "one.datastore.update", &[Arg::Int(1), text(&template), Arg::Int(1)]).await;
        let template = format!("NAME=t\nCPU=1\nMEMORY=1\nCONTEXT=[PASSWORD=\"{MARK}\",COPY=\"$CONTEXT[PASSWORD]\"]");
        value(&mut client, &session, "one.template.allocate", &[text(&template)]).await;
        value(&mut client, &session, "one.vm.allocate", &[text(&template), Arg::Bool(false)]).await;
        // A mistyped one is refused, and a custom driver's password is kept as it is.
        let mistyped = format!("CONTEXT=[PASSWORD=\"{MARK}\"");
        client.call("one.vm.allocate", &session, &[text(&mistyped), Arg::Bool(false)]).await.unwrap();
        let tokens = value(&mut client, SESSION, "one.user.info", &[Arg::Int(ann), Arg::Bool(true)]).await;
        assert!(tokens.contains(&token) && tokens.contains(&given), "{tokens}");
        let args = [Arg::Int(ann), text("custom"), text(MARK)];
        value(&mut client, SESSION, "one.user.chauth", &args).await;

        let file = zone.dir.path().join("zone.backup").display().to_string();
        quorate(&zone.plan.url(0), &["backup", &file]).unwrap();
        let metrics = client.get("/metrics").await.unwrap().1;
        std::fs::write(zone.dir.path().join("metrics"), &metrics).unwrap();
        // Everybody has it, in memory and on disk.
        for index in 0..3 {
            let info =
                value(&mut zone.client(index), SESSION, "one.user.info", &[Arg::Int(ann), Arg::Bool(true)]).await;
            assert!(info.contains(MARK), "{info}");
        }
        let key = std::fs::read_to_string(key_of(&zone, 0)).unwrap();
        let encoded = hex(MARK.as_bytes());
        let wanted = [MARK, encoded.as_str(), token.as_str(), key.trim()];
        search(zone.dir.path(), &wanted);
        let TestZone { zone, dir, .. } = zone;
        zone.stop().await;
        search(dir.path(), &wanted);
    });
}

#[test]
fn every_server_has_the_zones_key_and_none_serves_without_it() {
    run(async {
        let mut zone = TestZone::start(3).await;
        let keys = [0, 1, 2].map(|index| std::fs::read_to_string(key_of(&zone, index)).unwrap());
        assert!(keys[0].trim().len() == 64 && keys.iter().all(|key| *key == keys[0]), "{keys:?}");

        // One that joins is given it.
        let mut joins = joining(&zone, "node-3");
        add(&zone, &joins, "node-3", &[]);
        joins.start();
        votes(&zone.plan.url(0), "node-3").await;
        assert_eq!(std::fs::read_to_string(joins.dir.join("data/zone.key")).unwrap(), keys[0]);

        // One that has lost it asks the others.
        zone.zone.kill(2).await.unwrap();
        std::fs::remove_file(key_of(&zone, 2)).unwrap();
        zone.zone.restart(2).unwrap().ready().await.unwrap();
        assert_eq!(std::fs::read_to_string(key_of(&zone, 2)).unwrap(), keys[0]);

        // One that has another says so, and does not serve.
        zone.zone.kill(2).await.unwrap();
        std::fs::write(key_of(&zone, 2), "k".repeat(64)).unwrap();
        let config = zone.dir.path().join("node-2/quorate.toml").display().to_string();
        let refusal = quorate("", &["serve", "--config", &config]).unwrap_err();
        assert!(refusal.contains("copy zone.key from another server"), "{refusal}");
    });
}

#[test]
fn a_server_alone_that_has_lost_the_key_says_what_to_do() {
    run(async {
        let mut zone = TestZone::start(1).await;
        let key = std::fs::read_to_string(key_of(&zone, 0)).unwrap();
        zone.zone.kill(0).await.unwrap();
        std::fs::remove_file(key_of(&zone, 0)).unwrap();
        let config = zone.dir.path().join("node-0/quorate.toml").display().to_string();
        let refusal = quorate("", &["serve", "--config", &config]).unwrap_err();
        assert!(refusal.contains("the zone's key is lost") && refusal.contains("beside the backups"), "{refusal}");
        assert!(!key_of(&zone, 0).exists(), "and makes no other");
        std::fs::write(key_of(&zone, 0), key).unwrap();
        zone.zone.restart(0).unwrap().ready().await.unwrap();
    });
}
