//! Where this node has the zone's key from: its own file; at the zone's first start the founder makes it; who has none
//! asks the other servers.
//!
//! Who is given it decides [`crate::key_giver`]. It must not get into the log, a snapshot, a backup or this node's own log.

use std::fs;
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use futures::future::join_all;
use quorate_model::crypto::hex;
use quorate_raft_store::engine::Engine;
use quorate_raft_store::meta::{self, Identity};
use quorate_state_machine::zone_key::{ZoneKey, show_fingerprint};
use tokio::time::timeout;

use crate::config::Config;
use crate::net::Net;
use crate::said::Said;
use crate::transport::Links;
use crate::transport::peers::Peers;
use crate::verdict::Verdict;
use crate::wall::Wall;
use crate::{bounded, data_dir, durable, founding, join};

/// Bytes of a key's file at most: far more than a key with blanks around it.
const LONGEST_FILE: u64 = 64 << 10;
/// How long one server may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(5);
/// How long the founder waits for each server; one that is not running refuses at once.
const FOUNDER_TIME: Duration = Duration::from_secs(2);
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
/// When the file cannot be read, or holds no key.
pub fn read(file: &Path) -> anyhow::Result<Option<ZoneKey>> {
    let text = match bounded::read_text(file, LONGEST_FILE) {
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
    durable::rename(&part, file).with_context(shown)
}

/// The key that this node has before it asks anybody for one: its file's; at the zone's first start its founder makes one.
/// Where there is no database that says which key it is sealed by, the other servers are asked whether they have the
/// same: a file that is left over from another zone must not be taken for this one's. Waits until another server answers;
/// the founder does not, because the others may be waiting for its key.
///
/// # Errors
/// When the disk fails, the file holds no key, or another than the database or the other servers have.
pub async fn own<N: Net>(
    place: &KeyPlace,
    config: &Config,
    engine: &dyn Engine,
    net: N,
    wall: &Wall,
) -> anyhow::Result<Option<Arc<ZoneKey>>> {
    let file = match place {
        KeyPlace::File(file) => file,
        KeyPlace::Given(key) => return Ok(Some(key.clone())),
    };
    let found = read(file)?.map(Arc::new);
    if meta::key_fingerprint(engine)?.is_some() {
        if let Some(key) = &found {
            meta::check_key(engine, key)?;
        }
        return Ok(found);
    }
    let founds = founding::founds(config);
    if found.is_none() && !founds {
        return Ok(None);
    }
    // Who joins has no id yet.
    let me = Identity { cluster: config.zone.cluster_id.clone(), node_id: config.node_id };
    let others = Others::of(config, &me, net)?;
    let zone = if founds { others.fingerprint_now().await } else { Some(others.fingerprint().await) };
    match (found, zone) {
        (Some(key), zone) => {
            if let Some((peer, known)) = zone.filter(|(_, known)| *known != key.fingerprint()) {
                anyhow::bail!(left_over(file, &key, &peer, known));
            }
            Ok(Some(key))
        }
        (None, Some((peer, known))) => anyhow::bail!(
            "{peer} has the zone's key {} already, and this server has neither that nor a database: the zone exists. If \
             this server has lost its data directory, replace it as a dead server: quorate zone remove, quorate zone add, \
             then start it with [join]. If the zone was never started, copy zone.key from {peer} to {}",
            show_fingerprint(known),
            file.display()
        ),
        (None, None) => {
            let key = ZoneKey::from_text(&hex(&wall.entropy())).map_err(anyhow::Error::msg)?;
            tracing::info!(fingerprint = key.shown_fingerprint(), file = %file.display(), "the zone's key is made");
            write(file, &key)?;
            Ok(Some(Arc::new(key)))
        }
    }
}

/// A file holds another key than the server at `peer` has.
fn left_over(file: &Path, key: &ZoneKey, peer: &str, known: u64) -> String {
    format!(
        "{} holds the key {}, but {peer} has the zone's key {}: the file is another zone's. Move it away (it may be the \
         only copy of that zone's key); started again, this server asks the others for the key, or copy zone.key from one \
         of them",
        file.display(),
        key.shown_fingerprint(),
        show_fingerprint(known)
    )
}

/// The zone's key from another server, for a node that has none: waits as long as it takes, and keeps it in its file.
///
/// # Errors
/// [`Verdict::Removed`] when the zone has removed this node: nobody will give it the key. Otherwise when the disk fails,
/// there is nobody to ask, or the key is another than the database is sealed by.
pub async fn from_others<N: Net>(
    place: &KeyPlace,
    config: &Config,
    me: &Identity,
    engine: &dyn Engine,
    net: N,
) -> anyhow::Result<Arc<ZoneKey>> {
    let file = match place {
        KeyPlace::File(file) => file,
        KeyPlace::Given(key) => return Ok(key.clone()),
    };
    let others = Others::of(config, me, net)?;
    anyhow::ensure!(
        !others.peers.is_empty(),
        "{}: the zone's key is lost, and there is no other server to ask: put the file back from where it was kept beside the backups",
        file.display()
    );
    let key = tokio::select! {
        biased;
        key = others.key(file) => key,
        () = others.removed(me.node_id) => return Err(Verdict::Removed.into()),
    };
    if meta::key_fingerprint(engine)?.is_some() {
        // Before it is kept: another zone's key would stay in the way.
        meta::check_key(engine, &key)?;
    }
    write(file, &key)?;
    Ok(Arc::new(key))
}

/// The other servers that this one is configured with.
struct Others {
    asking: Peers,
    peers: Vec<String>,
}

impl Others {
    fn of<N: Net>(config: &Config, me: &Identity, net: N) -> anyhow::Result<Others> {
        let asking = Peers::new(Links::new(net, me, None).context("zone.cluster_id")?);
        Ok(Others { asking, peers: config.others() })
    }

    /// The key.
    async fn key(&self, file: &Path) -> ZoneKey {
        let file = file.display();
        let (peer, key) = self
            .answer(
                async |peer| self.asking.zone_key(peer).await.and_then(|text| ZoneKey::from_text(&text)),
                |reason| {
                    tracing::info!(reason, %file, "this node waits for the zone's key from another server; or copy it there");
                },
            )
            .await;
        tracing::info!(fingerprint = key.shown_fingerprint(), peer, "another server gave the zone's key");
        key
    }

    /// Waits until one of them finds out that the zone has removed this node: before its first start, too.
    async fn removed(&self, node: u64) {
        while !join::is_removed(self.peers.iter(), node, &self.asking, ANSWER_TIME).await {
            tokio::time::sleep(ANSWER_TIME).await;
        }
    }

    /// The fingerprint of the key that one of them has, and which one.
    async fn fingerprint(&self) -> (String, u64) {
        self.answer(
            async |peer| self.asking.key_fingerprint(peer).await,
            |reason| tracing::info!(reason, "this node waits to compare its zone.key with another server's"),
        )
        .await
    }

    /// The same from whoever answers at once.
    async fn fingerprint_now(&self) -> Option<(String, u64)> {
        let asked = self.peers.iter().map(async |peer| {
            let fingerprint = timeout(FOUNDER_TIME, self.asking.key_fingerprint(peer)).await.ok()?.ok()?;
            Some((peer.clone(), fingerprint))
        });
        join_all(asked).await.into_iter().flatten().next()
    }

    /// Asks one after the other until one answers, and says of each when what keeps it from that changes.
    async fn answer<T>(&self, ask: impl AsyncFn(&str) -> Result<T, String>, say: impl Fn(&str)) -> (String, T) {
        let mut said = Said::default();
        loop {
            for peer in &self.peers {
                let answer =
                    timeout(ANSWER_TIME, ask(peer)).await.unwrap_or_else(|_| Err("no answer in time".to_owned()));
                match answer {
                    Ok(answer) => return (peer.clone(), answer),
                    Err(reason) => {
                        let reason = format!("{peer}: {reason}");
                        if said.changes(peer, &reason) {
                            say(&reason);
                        }
                    }
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
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
