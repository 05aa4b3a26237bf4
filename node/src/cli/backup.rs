//! `quorate backup`, `quorate restore`, `quorate recover`: what is left when servers are lost.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use quorate_raft_store::backup;
use quorate_raft_store::meta::Identity;
use quorate_raft_store::rocks::RocksEngine;
use quorate_raft_store::types::Server;
use quorate_state_machine::zone_key::ZoneKey;

use super::{Endpoint, session};
use crate::config::Config;
use crate::data_dir::{self, Restoring};
use crate::durable;
use crate::founding;
use crate::wall::Wall;
use crate::zone_key;

/// Save the zone's state as of one log index, while it runs.
#[derive(Args, Debug)]
pub struct Backup {
    /// Where to; must not exist.
    file: PathBuf,
    #[command(flatten)]
    at: Endpoint,
}

/// Make a new zone of one server from a backup.
#[derive(Args, Debug)]
pub struct Restore {
    /// The backup.
    file: PathBuf,
    /// The configuration of the new zone's first server; its data directory must be empty.
    #[arg(long)]
    config: PathBuf,
    /// The zone's key: zone.key of the backup's zone. Without it, what the configuration says.
    #[arg(long)]
    key: Option<PathBuf>,
    /// Yes: the new zone has the id of the one that was backed up. No server of that one may ever run again.
    #[arg(long)]
    keep_cluster_id: bool,
}

/// Make a zone of one server from the data directory of the last survivor.
#[derive(Args, Debug)]
pub struct Recover {
    /// The survivor's configuration, with a new zone.cluster_id.
    #[arg(long)]
    config: PathBuf,
    /// Yes: what only the lost servers had acknowledged is lost.
    #[arg(long, required = true)]
    force_new_zone: bool,
}

impl Backup {
    /// Saves, checks what was saved, and only then gives it its name.
    pub fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(!self.file.exists(), "{} exists", self.file.display());
        // A name of its own: another backup to the same file may be under way.
        let mut part = self.file.clone().into_os_string();
        part.push(format!(".{:016x}.part", Wall::real()?.random_u64()));
        let part = PathBuf::from(part);
        let saved = self.save(&part).and_then(|index| {
            durable::rename_to_new(&part, &self.file).with_context(|| self.file.display().to_string())?;
            Ok(index)
        });
        if saved.is_err() {
            remove_if_there(&part)?;
        }
        let index = saved?;
        println!(
            "{}: the zone as of log index {index}, {} bytes",
            self.file.display(),
            fs::metadata(&self.file)?.len()
        );
        Ok(())
    }

    /// Saves into `part` and checks it; the index of the last log entry in it.
    fn save(&self, part: &Path) -> anyhow::Result<u64> {
        let shown = || part.display().to_string();
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(part);
        let mut writer = BufWriter::new(file.with_context(shown)?);
        super::runtime()?.block_on(async {
            let mut client = self.at.client()?;
            let mut take = |bytes: bytes::Bytes| Ok(writer.write_all(&bytes)?);
            client.admin("backup", &session()?, None, &mut take).await
        })?;
        writer.into_inner()?.sync_all().with_context(shown)?;
        let saved = backup::check(BufReader::new(File::open(part)?)).with_context(shown)?;
        Ok(saved.map_or(0, |id| id.index))
    }
}

fn remove_if_there(file: &Path) -> anyhow::Result<()> {
    match fs::remove_file(file) {
        Err(e) if e.kind() != io::ErrorKind::NotFound => Err(e).with_context(|| file.display().to_string()),
        _ => Ok(()),
    }
}

impl Restore {
    /// Restores.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let own = config.zone.servers.iter().find(|s| s.id == config.node_id);
        let own = own.context("a restored zone begins with one server: list it in zone.servers, without [join]")?;
        lists_only_itself(&config)?;
        let key_file = config.key_file();
        let key = Arc::new(read_key(self.key.as_ref().unwrap_or(&key_file))?);
        // Before anything is written.
        let writes_key = self.key.is_some() && must_write(&key_file, &key)?;
        let shown = || self.file.display().to_string();
        let file = BufReader::new(File::open(&self.file).with_context(shown)?);
        let backup::Backup { cluster, snapshot } = backup::read(file, key.clone()).with_context(shown)?;
        anyhow::ensure!(
            cluster != config.zone.cluster_id || self.keep_cluster_id,
            "the backup is of zone {cluster} itself: a server of that zone that is left would take the restored one for \
             its own. Give zone.cluster_id a new value, or say --keep-cluster-id if none will ever run again"
        );
        let dir = config.data_dir.display().to_string();
        let restoring = Restoring::begin(&config.data_dir, &key_file)?;
        if writes_key {
            zone_key::write(&key_file, &key)?;
        }
        let engine = Arc::new(RocksEngine::open(&config.data_dir).context(dir.clone())?);
        let server = Server { name: own.name.clone(), endpoint: own.endpoint.clone(), peer: own.peer.clone() };
        let identity = Identity { cluster: config.zone.cluster_id.clone(), node_id: config.node_id };
        let restored = backup::restore(engine, snapshot, &identity, &server, founding::draw(&Wall::real()?));
        let last = super::runtime()?.block_on(restored).context(dir)?;
        restoring.end()?;
        println!("restored as of log index {}; start it: quorate serve --config {}", last.index, self.config.display());
        println!("servers that the backup declares join when they start empty with [join], or: quorate zone remove");
        Ok(())
    }
}

/// Refuses a configuration that names other servers: with the same one and an empty data directory, those would found
/// another zone with this one's id.
fn lists_only_itself(config: &Config) -> anyhow::Result<()> {
    let others = config.zone.servers.iter().filter(|server| server.id != config.node_id);
    let others: Vec<&str> = others.map(|server| server.name.as_str()).collect();
    anyhow::ensure!(
        others.is_empty(),
        "zone.servers names {}, too: the new zone begins with this server alone. Leave only this server (id {}) there; \
         each other one joins later, with an empty data directory and [join] in place of node_id and zone.servers",
        others.join(", "),
        config.node_id
    );
    Ok(())
}

/// Whether the key is still to be written to `file`; not when it has it already.
///
/// # Errors
/// When the file cannot be read, or holds something else than this key.
fn must_write(file: &Path, key: &ZoneKey) -> anyhow::Result<bool> {
    let Some(found) = zone_key::read(file)? else { return Ok(true) };
    let shown = file.display();
    anyhow::ensure!(
        found.fingerprint() == key.fingerprint(),
        "{shown} holds another key, perhaps the only copy of it: move it away, then restore again"
    );
    Ok(false)
}

/// The zone's key in a file that must be there.
fn read_key(file: &Path) -> anyhow::Result<ZoneKey> {
    let shown = file.display();
    zone_key::read(file)?
        .with_context(|| format!("{shown}: the zone's key is not there; put zone.key of the zone in its place"))
}

impl Recover {
    /// Recovers.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        lists_only_itself(&config)?;
        let dir = config.data_dir.display().to_string();
        anyhow::ensure!(config.data_dir.is_dir(), "{dir}: there is no data directory");
        data_dir::prepare(&config.data_dir)?;
        let key = read_key(&config.key_file())?;
        // What the zone has lost is lost: here what is left counts, whatever is missing.
        let engine = Arc::new(RocksEngine::open_survivor(&config.data_dir).context(dir.clone())?);
        let forced =
            backup::force_new_zone(engine, &config.zone.cluster_id, Arc::new(key), founding::draw(&Wall::real()?));
        let recovered = super::runtime()?.block_on(forced).context(dir)?;
        let backup::Recovered { server, node_id, others, last, acknowledged } = recovered;
        println!("{} (node {node_id}) is now the only server of zone {}.", server.name, config.zone.cluster_id);
        println!("It has everything up to log index {}. What others acknowledged without it is LOST.", last.index);
        if let Some(acknowledged) = acknowledged {
            println!(
                "Its own disk has lost entries up to log index {}, which it had acknowledged.",
                acknowledged.index
            );
        }
        for (id, other) in others {
            println!(
                "{} (node {id}) must not be started with its old data: empty its data directory, then [join].",
                other.name
            );
        }
        println!("Start it: quorate serve --config {}", self.config.display());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_zone_is_made_anew_of_one_server_only() {
        let text = include_str!("../../../deploy/quorate.toml");
        let mut config: Config = toml::from_str(text).unwrap();
        let refused = lists_only_itself(&config).unwrap_err().to_string();
        assert!(refused.contains("zone.servers names one-2, one-3, too"), "{refused}");
        config.zone.servers.retain(|server| server.id == config.node_id);
        lists_only_itself(&config).unwrap();
    }

    #[test]
    fn a_restored_key_replaces_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("zone.key");
        let key = ZoneKey::for_tests();
        assert!(must_write(&file, &key).unwrap(), "there is none");
        zone_key::write(&file, &key).unwrap();
        assert!(!must_write(&file, &key).unwrap(), "it is there already");
        let other = "a".repeat(64);
        fs::write(&file, &other).unwrap();
        let refused = must_write(&file, &key).unwrap_err().to_string();
        assert!(refused.contains(&file.display().to_string()) && refused.contains("another key"), "{refused}");
        assert_eq!(fs::read_to_string(&file).unwrap(), other);
    }
}
