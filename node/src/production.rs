//! A node in production: RocksDB, TCP, the machine's clock, the embedded drivers.
//!
//! Everything that simulation swaps is chosen here and nowhere else.

use std::future::Future;
use std::sync::Arc;

use anyhow::Context as _;
use quorate_drivers::Driver;
use quorate_drivers::auth::Authenticator;
use quorate_drivers::auth::process::AuthProcess;
use quorate_drivers::embedded::{Behaviour, Embedded};
use quorate_drivers::process::Launch;
use quorate_drivers::registry::Registry;
use quorate_model::clean::is_text;
use quorate_model::crypto;
use quorate_raft_store::SyncPolicy;
use quorate_raft_store::rng::Scopes;
use quorate_raft_store::rocks::RocksEngine;
use quorate_state_machine::levels;
use tokio::signal::unix::Signal;
use tokio::task::{JoinHandle, JoinSet};

use crate::config::Config;
use crate::net::Tcp;
use crate::node::{Node, Parts};
use crate::tls::Certificates;
use crate::verdict::Verdict;
use crate::wall::Wall;
use crate::zone_key::KeyPlace;
use crate::{data_dir, descriptors};

/// How long a stop waits for the authentication driver to end.
const AUTH_STOP_TIME: std::time::Duration = std::time::Duration::from_secs(3);

/// Runs a node until `stop` is done, then stops it in order. At each `hangup` it looks at its certificates.
///
/// # Errors
/// When the node cannot start (configuration, disk or addresses), or cannot go on.
pub async fn run(mut config: Config, stop: impl Future<Output = ()>, hangup: Signal) -> anyhow::Result<()> {
    for remark in config.remarks() {
        tracing::warn!("{remark}");
    }
    let certificates = Certificates::load(&config)?;
    let auth_file = &config.zone.auth_file;
    let auth = std::fs::read_to_string(auth_file).with_context(|| auth_file.display().to_string())?;
    let password = auth
        .trim()
        .strip_prefix("oneadmin:")
        .filter(|password| !password.is_empty())
        .with_context(|| format!("{}: not of the form oneadmin:password", auth_file.display()))?;
    // XML-RPC could not carry it: nobody could log in.
    anyhow::ensure!(is_text(password), "{}: the password has a character that XML cannot carry", auth_file.display());
    data_dir::warn_of_readers(auth_file, "a password").with_context(|| auth_file.display().to_string())?;
    data_dir::prepare(&config.data_dir)?;
    let engine = RocksEngine::open(&config.data_dir).with_context(|| config.data_dir.display().to_string())?;
    config.clients.connections = descriptors::connections(config.clients.connections);
    let dummy = &config.dummy;
    let dummies: Arc<dyn Driver> = Arc::new(Embedded::new(Behaviour {
        monitor_delay: std::time::Duration::from_millis(dummy.monitor_delay_ms),
        delay: std::time::Duration::from_millis(dummy.delay_ms),
        outcomes: dummy.outcomes.clone(),
    }));
    let (authenticator, auth_ended) = auth_driver(&config).unzip();
    let parts = Parts {
        engine: Arc::new(engine),
        sync: SyncPolicy::Thread,
        net: Tcp,
        certificates: certificates.clone(),
        wall: Wall::real()?,
        scopes: Scopes::from_os()?,
        drivers: Arc::new(Registry::of_dummies(&dummies)),
        authenticator,
        zone_key: KeyPlace::File(config.key_file()),
        oneadmin_hash: crypto::sha256_hex(password),
        supports: levels::NEWEST,
        #[cfg(feature = "sabotage")]
        spoiler: None,
    };
    // Ends with this function. It begins before the node does, which may wait for others that must be believed first.
    let mut keeping = JoinSet::new();
    keeping.spawn(certificates.keep(hangup));
    let mut stop = std::pin::pin!(stop);
    // A server that joins may wait for its zone.
    let node = tokio::select! {
        node = Node::start(config, parts) => node,
        () = &mut stop => return Ok(()),
    };
    let node = match node {
        // As when it ends later: it is done, and must not be started again and again.
        Err(e) if e.downcast_ref() == Some(&Verdict::Removed) => {
            tracing::info!(reason = %e, "this node is done");
            return Ok(());
        }
        other => other?,
    };
    let verdict = tokio::select! {
        () = &mut stop => None,
        verdict = node.condemned() => Some(verdict),
        // It never ends, but it may panic; without it certificates would run out unnoticed.
        Some(ended) = keeping.join_next() => Some(Verdict::Failed(format!("certificates are not renewed: {ended:?}"))),
    };
    node.stop().await;
    if let Some(ended) = auth_ended {
        // The node has let go of it; it has a time limit of its own, which a start of the driver just now may exceed.
        let _ = tokio::time::timeout(AUTH_STOP_TIME, ended).await;
    }
    match verdict {
        Some(Verdict::Failed(reason)) => anyhow::bail!("the node stopped: {reason}"),
        // A removed server is done: whoever restarts what fails has nothing to restart.
        None | Some(Verdict::Removed) => Ok(()),
    }
}

/// The authentication driver's process, if there is to be one, and the task that keeps it running.
fn auth_driver(config: &Config) -> Option<(Arc<dyn Authenticator>, JoinHandle<()>)> {
    let driver = config.auth_driver.as_ref()?;
    let launch = Launch { command: driver.command.clone(), args: driver.args.clone() };
    let (process, task) = AuthProcess::start(launch, std::time::Duration::from_millis(driver.timeout_ms));
    Some((Arc::new(process), task))
}
