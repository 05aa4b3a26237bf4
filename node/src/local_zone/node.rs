//! A node of a local zone: its process, which is started, watched and stopped here.

use std::fs;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::Context as _;
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid};
use tokio::process::{Child, ChildStdin, Command};

use super::{config_of, data_of, log_of};
use crate::client::Client;

/// How long the nodes may take until every one of them answers.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// Pause between two looks at a node that does not answer yet.
const POLL: Duration = Duration::from_millis(10);
/// How long a node may take to stop after SIGTERM.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);

/// A node of the zone and its process.
pub struct Node {
    /// Its number, from 0.
    pub index: u16,
    /// Its XML-RPC endpoint.
    pub url: String,
    pub(super) client: Client,
    pub(super) dir: PathBuf,
    pub(super) namespace: Option<PathBuf>,
    /// The program that its next start runs.
    pub(super) binary: PathBuf,
    pub(super) process: Process,
}

/// A node's process and the pipe that keeps it running.
pub(super) struct Process {
    pub(super) child: Child,
    /// Kept apart from `child`, whose `wait` would close it.
    lifeline: Option<ChildStdin>,
}

impl Node {
    /// The process; `None` when it has ended.
    #[must_use]
    pub fn pid(&self) -> Option<u32> {
        self.process.child.id()
    }

    /// A client of it.
    #[must_use]
    pub fn client(&self) -> Client {
        self.client.another()
    }

    /// Everything that it has logged.
    ///
    /// # Errors
    /// When its log cannot be read.
    pub fn log(&self) -> anyhow::Result<String> {
        let path = log_of(&self.dir);
        fs::read_to_string(&path).with_context(|| path.display().to_string())
    }

    /// Where the node keeps its data.
    #[must_use]
    pub fn data_dir(&self) -> PathBuf {
        data_of(&self.dir)
    }

    pub(super) fn tell_to_stop(&self) {
        // A node that has ended already has no id; one that ends just now is no error.
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(Err(e)) = pid.map(|pid| kill_process(pid, Signal::TERM)) {
            eprintln!("node {} could not be told to stop: {e}", self.index);
        }
    }

    /// Waits until its process has ended; kills it after a while.
    pub(super) async fn stopped(&mut self) -> anyhow::Result<ExitStatus> {
        let Process { child, lifeline } = &mut self.process;
        if let Ok(status) = tokio::time::timeout(STOP_TIMEOUT, child.wait()).await {
            return Ok(status?);
        }
        drop(lifeline.take());
        child.kill().await.with_context(|| format!("node {}", self.index))?;
        anyhow::bail!("node {} did not stop in time and was killed", self.index)
    }

    /// Waits until it says that it is ready.
    ///
    /// # Errors
    /// When it ends, or does not in time; the text says why, or where its log is.
    pub async fn ready(&self) -> anyhow::Result<()> {
        let ready = async {
            while !self.client.ready().await {
                anyhow::ensure!(!self.has_ended(), "node {} ended: {}", self.index, self.last_words());
                tokio::time::sleep(POLL).await;
            }
            Ok(())
        };
        tokio::time::timeout(START_TIMEOUT, ready).await.with_context(|| {
            format!("node {} did not become ready in time, see {}", self.index, log_of(&self.dir).display())
        })?
    }

    /// Whether its process has ended, though perhaps nobody has waited for it yet.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        let Some(pid) = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed())) else { return true };
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        matches!(waitid(WaitId::Pid(pid), options), Ok(Some(_)))
    }

    /// The last line of its log.
    #[must_use]
    pub fn last_words(&self) -> String {
        let log = self.log().unwrap_or_default();
        log.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("its log is empty").to_owned()
    }
}

impl Process {
    pub(super) fn spawn(binary: &Path, dir: &Path, namespace: Option<&Path>) -> anyhow::Result<Process> {
        let path = log_of(dir);
        let log = fs::OpenOptions::new().create(true).append(true).mode(0o600).open(&path);
        let mut command = match namespace {
            None => Command::new(binary),
            Some(namespace) => {
                // It becomes the node: the process that is killed and stopped is the node's.
                let mut command = Command::new("nsenter");
                command.arg(format!("--net={}", namespace.display())).arg("--").arg(binary);
                command
            }
        };
        let mut child = command
            .args(["serve", "--stop-with-stdin", "--config"])
            .arg(config_of(dir))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log.with_context(|| path.display().to_string())?)
            // A node must not get the terminal's SIGINT: it is stopped in order, by us.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("a node could not be started")?;
        let lifeline = child.stdin.take();
        Ok(Process { child, lifeline })
    }
}
