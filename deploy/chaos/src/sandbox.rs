//! A machine of its own for a run: namespaces for network, mounts and processes.
//!
//! This program is the first process in it. When it ends, however it ends, the kernel kills the others and takes
//! back networks and mounts: there is nothing to clean up and no name on the machine that could be left behind.

use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// What `unshare` makes. Without privileges a user namespace gives them, where that is allowed.
fn unshare(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    if !rustix::process::geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "--"]);
    command.arg(program);
    command
}

/// Tries whether a sandbox with a network can be made.
///
/// # Errors
/// Says why this program or `unshare` cannot be run, or is the last line that the try wrote on standard error.
pub fn try_out() -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| e.to_string())?;
    let mut command = unshare(&program);
    let output = command.args(["--inside", "--probe", "--binary", "none"]).output();
    let output = output.map_err(|e| format!("unshare: {e}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    let reason = said.lines().last().unwrap_or("it does not say why");
    Err(reason.trim_start_matches("chaos: ").to_owned())
}

/// Becomes this program in the sandbox, with the same arguments. Only returns when that fails.
pub fn enter() -> std::io::Error {
    match std::env::current_exe() {
        Ok(program) => unshare(&program).args(std::env::args_os().skip(1)).arg("--inside").exec(),
        Err(e) => e,
    }
}
