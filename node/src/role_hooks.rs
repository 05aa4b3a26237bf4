//! Commands that run when this node starts or stops leading, as RAFT_LEADER_HOOK and RAFT_FOLLOWER_HOOK of OpenNebula
//! do: operators move a virtual IP with them.
//!
//! One at a time and in order; a command that fails or hangs costs a line in the log and nothing else.

use std::process::Stdio;
use std::time::Duration;

use openraft::ServerState;
use openraft::async_runtime::watch::WatchReceiver as _;
use quorate_raft_store::Raft;
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Command;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::config::{Hook, Hooks};

/// Runs until the node stops. The follower's command also runs at the start, and at the end of a leader.
pub async fn run(raft: Raft, hooks: Hooks, mut stopping: watch::Receiver<bool>) {
    if hooks == Hooks::default() {
        return;
    }
    let mut metrics = raft.server_metrics();
    let mut told = None;
    loop {
        let leads = metrics.borrow_watched().state == ServerState::Leader;
        if told != Some(leads) {
            told = Some(leads);
            change(&hooks, leads).await;
            // It may have changed again meanwhile.
            continue;
        }
        let stopped = tokio::select! {
            changed = metrics.changed() => changed.is_err(),
            // An error means that the node itself is gone.
            _ = stopping.wait_for(|stop| *stop) => true,
        };
        if stopped {
            break;
        }
    }
    if told == Some(true) {
        change(&hooks, false).await;
    }
}

async fn change(hooks: &Hooks, leads: bool) {
    let (role, hook) = if leads { ("leader", &hooks.leader) } else { ("follower", &hooks.follower) };
    let Some(hook) = hook else { return };
    match timeout(Duration::from_secs(hook.timeout_seconds), execute(hook)).await {
        Ok(Ok(())) => tracing::info!(role, command = %hook.command.display(), "hook done"),
        Ok(Err(reason)) => tracing::error!(role, command = %hook.command.display(), reason, "hook failed"),
        Err(_) => tracing::error!(role, command = %hook.command.display(), "hook took too long and was killed"),
    }
}

/// A command and what it has started: killed together when it is given up.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        // An error means that it is gone already: as wanted.
        let _ = self.0.map(|group| kill_process_group(group, Signal::KILL));
    }
}

async fn execute(hook: &Hook) -> Result<(), String> {
    let child = Command::new(&hook.command)
        .args(hook.arguments.split_whitespace())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .process_group(0)
        .spawn();
    let mut child = child.map_err(|e| e.to_string())?;
    let mut group = Group(child.id().and_then(|pid| Pid::from_raw(pid.cast_signed())));
    let status = child.wait().await.map_err(|e| e.to_string())?;
    // What it has left running on purpose may go on.
    group.0 = None;
    if status.success() { Ok(()) } else { Err(status.to_string()) }
}
