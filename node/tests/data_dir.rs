//! A node's data directory: nobody else can look into it, and what was lost in it is noticed.

mod common;

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use common::{TestZone, quorate, run, write};

/// Files and directories under `dir` that others than their owner can read.
fn open_to_others(dir: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap().map(Result::unwrap) {
        let meta = entry.metadata().unwrap();
        if meta.mode() & 0o077 != 0 {
            found.push(format!("{} {:o}", entry.path().display(), meta.mode()));
        }
        if meta.is_dir() {
            found.extend(open_to_others(&entry.path()));
        }
    }
    found
}

#[test]
fn nothing_that_a_zone_writes_can_be_read_by_others_and_an_open_directory_ends_the_start() {
    run(async {
        let mut zone = TestZone::start(1).await;
        write(&mut zone.client(0), "secret").await;
        let backup = zone.dir.path().join("backup").display().to_string();
        quorate(&zone.plan.url(0), &["backup", &backup]).unwrap();
        zone.zone.kill(0).await.unwrap();
        zone.zone.restart(0).unwrap().ready().await.unwrap();
        let data = zone.zone.nodes()[0].data_dir();
        assert_eq!(open_to_others(&data), Vec::<String>::new());
        for file in ["backup", "one_auth", "node-0/quorate.toml", "node-0/quorate.log", "node-0/data"] {
            assert_eq!(zone.dir.path().join(file).metadata().unwrap().mode() & 0o077, 0, "{file}");
        }

        zone.zone.kill(0).await.unwrap();
        fs::set_permissions(&data, Permissions::from_mode(0o755)).unwrap();
        zone.zone.restart(0).unwrap();
        let (_, status) = zone.zone.first_exit().await.unwrap();
        let said = zone.zone.nodes()[0].last_words();
        assert_eq!(status.code(), Some(1), "{said}");
        let (_, command) = said.split_once("Close it: ").unwrap_or_else(|| panic!("{said}"));
        assert!(std::process::Command::new("sh").args(["-c", command]).status().unwrap().success(), "{command}");
        zone.zone.restart(0).unwrap().ready().await.unwrap();
    });
}

#[test]
fn a_node_without_its_write_ahead_log_does_not_start_and_says_how_to_go_on() {
    run(async {
        let mut zone = TestZone::start(1).await;
        for round in 0..2 {
            for n in 0..20 {
                write(&mut zone.client(0), &format!("{round}-{n}")).await;
            }
            zone.zone.kill(0).await.unwrap();
            if round == 0 {
                zone.zone.restart(0).unwrap().ready().await.unwrap();
            }
        }
        for file in fs::read_dir(zone.zone.nodes()[0].data_dir()).unwrap() {
            let path = file.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "log") {
                fs::remove_file(path).unwrap();
            }
        }
        zone.zone.restart(0).unwrap();
        let (_, status) = zone.zone.first_exit().await.unwrap();
        let said = zone.zone.nodes()[0].last_words();
        assert_eq!(status.code(), Some(1), "{said}");
        assert!(said.contains("has acknowledged entry") && said.contains("quorate zone remove"), "{said}");
    });
}
