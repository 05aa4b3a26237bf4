//! Where this node has the zone's key from: its own file; at the zone's first start the founder makes it; who has none
//! asks the other servers.
//!
//! It goes from node to node over the same channel, and to the same peers, as the log. It must not get into the log, a
//! snapshot, a backup or this node's own log.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use quorate_raft_store::engine::Engine;
use quorate_raft_store::meta::{self, Identity};
use quorate_state_machine::login::hex;
use quorate_state_machine::zone_key::ZoneKey;
use tokio::time::timeout;

use crate::config::Config;
use crate::data_dir;
use crate::net::Net;
use crate::said::Said;
use crate::transport::Links;
use crate::transport::peers::Peers;
use crate::wall::Wall;

/// How long one server may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// Pause before all are asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// Where a node keeps the key.
#[derive(Clone, Debug)]
pub enum KeyPlace {
    /// In this file.
    File(PathBuf),
    /// Nowhere: it was given this one, as in simulation.
    Given(Arc<ZoneKey>),
}

/// The key in a file; `None` when there is no such file. Warns when others than its owner may read it.
///
/// # Errors
/// When it cannot be read, or holds no key.
pub fn read(file: &Path) -> anyhow::Result<Option<ZoneKey>> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(e).with_context(|| file.display().to_string()),
    };
    let key = ZoneKey::from_text(&text).map_err(|reason| anyhow::anyhow!("{}: {reason}", file.display()))?;
    data_dir::warn_of_readers(file, "the zone's key").with_context(|| file.display().to_string())?;
    Ok(Some(key))
}

/// Writes the key to a file that only its owner may read, durably and whole.
///
/// # Errors
/// When the disk fails.
pub fn write(file: &Path, key: &ZoneKey) -> anyhow::Result<()> {
    let shown = || file.display().to_string();
    let part = file.with_extension("part");
    // What an earlier attempt left, perhaps with another mode, which it would keep.
    match fs::remove_file(&part) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e).with_context(shown),
        _ => {}
    }
    let mut open = fs::OpenOptions::new();
    let mut writer = open.write(true).create_new(true).mode(0o600).open(&part).with_context(shown)?;
    writeln!(writer, "{}", key.text()).with_context(shown)?;
    writer.sync_all().with_context(shown)?;
    fs::rename(&part, file).with_context(shown)?;
    let dir = file.parent().filter(|dir| !dir.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::File::open(dir).and_then(|dir| dir.sync_all()).with_context(shown)
}

/// The zone's key. Waits for another server, as long as it takes, when this one has none and is not the zone's founder.
///
/// # Errors
/// When the disk fails, the file holds no key, or it is lost and there is nobody to ask.
pub async fn obtain<N: Net>(
    place: &KeyPlace,
    config: &Config,
    me: &Identity,
    engine: &dyn Engine,
    net: N,
    wall: &Wall,
) -> anyhow::Result<Arc<ZoneKey>> {
    let file = match place {
        KeyPlace::File(file) => file,
        KeyPlace::Given(key) => return Ok(key.clone()),
    };
    if let Some(key) = read(file)? {
        return Ok(Arc::new(key));
    }
    let is_new = meta::key_fingerprint(engine)?.is_none();
    let key = if is_new && config.founder() == Some(config.node_id) {
        let key = ZoneKey::from_text(&hex(&wall.entropy())).map_err(anyhow::Error::msg)?;
        tracing::info!(fingerprint = key.shown_fingerprint(), file = %file.display(), "the zone's key is made");
        key
    } else {
        ask(config, me, net, file).await?
    };
    if !is_new {
        // Before it is kept: another zone's key would stay in the way.
        meta::check_key(engine, &key)?;
    }
    write(file, &key)?;
    Ok(Arc::new(key))
}

/// Asks the other servers that this one is configured with, in turn, until one gives the key.
async fn ask<N: Net>(config: &Config, me: &Identity, net: N, file: &Path) -> anyhow::Result<ZoneKey> {
    let others = config.zone.servers.iter().filter(|server| server.id != config.node_id).map(|server| &server.peer);
    let others: Vec<&String> = config.join.iter().flat_map(|join| &join.seeds).chain(others).collect();
    anyhow::ensure!(
        !others.is_empty(),
        "{}: the zone's key is lost, and there is no other server to ask: put the file back from where it was kept beside the backups",
        file.display()
    );
    let peers = Peers::new(Links::new(net, me, None).context("zone.cluster_id")?);
    let mut said = Said::default();
    loop {
        for peer in &others {
            let reason = match timeout(ANSWER_TIME, peers.zone_key(peer)).await {
                Ok(Ok(text)) => match ZoneKey::from_text(&text) {
                    Ok(key) => {
                        tracing::info!(
                            fingerprint = key.shown_fingerprint(),
                            peer,
                            "another server gave the zone's key"
                        );
                        return Ok(key);
                    }
                    Err(reason) => reason,
                },
                Ok(Err(reason)) => reason,
                Err(_) => "no answer in time".to_owned(),
            };
            let reason = format!("{peer}: {reason}");
            if said.changes(peer, &reason) {
                let file = file.display();
                tracing::info!(reason, %file, "this node waits for the zone's key from another server; or copy it there");
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_key_is_kept_in_a_file_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("zone.key");
        assert!(read(&file).unwrap().is_none());
        let key = ZoneKey::for_tests();
        write(&file, &key).unwrap();
        assert_eq!(read(&file).unwrap().unwrap().fingerprint(), key.fingerprint());
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        // What a killed process left is not used again: it might be open to others.
        let part = file.with_extension("part");
        fs::write(&part, "half").unwrap();
        fs::set_permissions(&part, fs::Permissions::from_mode(0o644)).unwrap();
        write(&file, &key).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        fs::write(&file, "short").unwrap();
        let refused = format!("{:#}", read(&file).unwrap_err());
        assert!(refused.contains("characters"), "{refused}");
    }
}
