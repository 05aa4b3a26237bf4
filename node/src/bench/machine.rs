//! What the machine itself does, to compare with; and what a process uses of it.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::{Map, Value, json};
use tokio::time::Instant;

use super::{map, millis};

/// Syncs per measurement.
const SYNCS: usize = 500;
/// Bytes per write, about those of a log entry.
const WRITE: [u8; 512] = [0x5a; 512];

/// The latencies of a write and its sync, sorted.
pub struct SyncLatency(Vec<Duration>);

/// Appends and syncs in `dir`, as a log does.
///
/// # Errors
/// When the disk fails.
pub fn sync_latency(dir: &Path) -> anyhow::Result<SyncLatency> {
    fs::create_dir_all(dir)?;
    let path = dir.join("sync-latency");
    let mut file = File::create(&path)?;
    let mut times = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let began = Instant::now();
        file.write_all(&WRITE)?;
        file.sync_data()?;
        times.push(began.elapsed());
    }
    fs::remove_file(&path)?;
    times.sort_unstable();
    Ok(SyncLatency(times))
}

impl SyncLatency {
    fn at(&self, percent: usize) -> Duration {
        self.0.get(self.0.len() * percent / 100).copied().unwrap_or_default()
    }

    /// The median.
    pub fn median(&self) -> Duration {
        self.at(50)
    }

    /// The figures to report.
    pub fn figures(&self) -> Map<String, Value> {
        map([
            ("bytes", json!(WRITE.len())),
            ("p50_ms", json!(millis(self.at(50)))),
            ("p99_ms", json!(millis(self.at(99)))),
        ])
    }
}

/// Resident memory of a process.
///
/// # Errors
/// When the process is gone.
pub fn resident_bytes(pid: u32) -> anyhow::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS in /proc")?;
    let kilobytes: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kilobytes * 1024)
}

/// Bytes of the files below `dir`.
///
/// # Errors
/// When a directory in it cannot be read.
pub fn disk_bytes(dir: &Path) -> anyhow::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let entry = entry?;
        // A file may vanish while the database tidies up.
        let Ok(meta) = entry.metadata() else { continue };
        bytes += if meta.is_dir() { disk_bytes(&entry.path())? } else { meta.len() };
    }
    Ok(bytes)
}
