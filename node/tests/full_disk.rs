//! A leader whose disk is full makes way; with room again it comes back and has everything.

mod common;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use common::{documents, plan, quorate, run};
use quorate_model::api::Arg;
use quorate_node::client::{ApiReply, Client};
use quorate_node::local_zone::{LocalZone, SESSION};
use tokio::time::Instant;

/// Bytes of the small disk: room for a database, and what is written before the disk is filled.
const DISK_BYTES: usize = 128 << 20;

/// A file system of its own in memory.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// `None` where nothing may be mounted: only root may.
    fn mount(at: &Path) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let size = format!("size={DISK_BYTES},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "quorate-test"]).arg(at).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| SmallDisk(at.to_owned()))
    }

    fn filler(&self) -> PathBuf {
        self.0.join("filler")
    }

    /// Leaves no room.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.filler()).unwrap();
        let block = [0; 64 << 10];
        while file.write_all(&block).is_ok() {}
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // A process may still use it, after a failure of the test.
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_leader_whose_disk_is_full_stops_leading_and_comes_back_when_there_is_room() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let plan = plan(3);
        let Some(disk) = SmallDisk::mount(&dir.path().join("node-0/data")) else {
            eprintln!("SKIPPED: a small tmpfs cannot be mounted here (that needs root)");
            return;
        };
        let mut zone = LocalZone::start(&plan, dir.path()).unwrap();
        zone.ready().await.unwrap();
        quorate(&plan.url(1), &["zone", "transfer", "node-0"]).unwrap();

        disk.fill();
        let mut survivor = Client::new(&plan.url(1)).unwrap();
        // What is preallocated still takes some; then the leader's disk fails, and another goes on.
        let mut acknowledged = Vec::new();
        let mut longest = Duration::ZERO;
        let started = Instant::now();
        let ended = loop {
            let began = Instant::now();
            acknowledged.push(write_large(&mut survivor).await);
            longest = longest.max(began.elapsed());
            if let Ok(ended) = tokio::time::timeout(Duration::ZERO, zone.first_exit()).await {
                break ended.unwrap();
            }
            assert!(started.elapsed() < common::PATIENCE, "the leader does not notice that its disk is full");
        };
        eprintln!("longest write while the leader's disk became full: {} ms", longest.as_millis());
        assert_eq!((ended.0, ended.1.code()), (0, Some(1)));
        let log = std::fs::read_to_string(dir.path().join("node-0/quorate.log")).unwrap();
        assert!(log.contains("this node stops taking part") && log.contains("No space left"), "{log}");
        for _ in 0..10 {
            acknowledged.push(write_large(&mut survivor).await);
        }

        std::fs::remove_file(disk.filler()).unwrap();
        zone.restart(0).unwrap().ready().await.unwrap();
        for index in 0..3 {
            let listed = documents(&mut Client::new(&plan.url(index)).unwrap()).await;
            assert!(acknowledged.iter().all(|id| listed.contains(id)), "node {index} lost a document");
        }
        zone.stop().await;
    });
}

/// Makes a document of 100 KB; the id, once it is acknowledged.
async fn write_large(client: &mut Client) -> i64 {
    let started = Instant::now();
    let args = [Arg::Str(format!("NAME=large\nBODY=\"{}\"", "x".repeat(100 << 10))), Arg::Int(100)];
    loop {
        match client.call("one.document.allocate", SESSION, &args).await {
            Ok(ApiReply::Success(id)) => return id.parse().unwrap(),
            other => assert!(started.elapsed() < common::PATIENCE, "not acknowledged in time: {other:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
