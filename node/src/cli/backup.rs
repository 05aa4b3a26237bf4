//! `quorate backup`, `quorate restore`, `quorate recover`: what is left when servers are lost.

use std::fs::{self, File};
use std::io::{BufReader, BufWriter, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::PathBuf;
use std::sync::Arc;

use anyhow::Context as _;
use clap::Args;
use quorate_raft_store::backup;
use quorate_raft_store::meta::Identity;
use quorate_raft_store::rocks::RocksEngine;
use quorate_raft_store::types::Server;

use super::{Endpoint, session};
use crate::config::Config;

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
        let mut part = self.file.clone().into_os_string();
        part.push(".part");
        let part = PathBuf::from(part);
        let shown = part.display().to_string();
        let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part);
        let mut writer = BufWriter::new(file.context(shown.clone())?);
        super::runtime()?.block_on(async {
            let mut client = self.at.client()?;
            let mut take = |bytes: bytes::Bytes| Ok(writer.write_all(&bytes)?);
            client.admin("backup", &session()?, None, &mut take).await
        })?;
        writer.into_inner()?.sync_all().context(shown.clone())?;
        let saved = backup::read(BufReader::new(File::open(&part)?)).context(shown)?;
        fs::rename(&part, &self.file).with_context(|| self.file.display().to_string())?;
        let index = saved.meta.last_log_id.map_or(0, |id| id.index);
        println!(
            "{}: the zone as of log index {index}, {} bytes",
            self.file.display(),
            fs::metadata(&self.file)?.len()
        );
        Ok(())
    }
}

impl Restore {
    /// Restores.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let own = config.zone.servers.iter().find(|s| s.id == config.node_id);
        let own = own.context("a restored zone begins with one server: list it in zone.servers, without [join]")?;
        let snapshot = backup::read(BufReader::new(File::open(&self.file).context(self.file.display().to_string())?))
            .with_context(|| self.file.display().to_string())?;
        let dir = config.data_dir.display().to_string();
        fs::create_dir_all(&config.data_dir).context(dir.clone())?;
        let used = fs::read_dir(&config.data_dir).context(dir.clone())?.next().is_some();
        anyhow::ensure!(!used, "{dir} is not empty");
        let engine = Arc::new(RocksEngine::open(&config.data_dir).context(dir.clone())?);
        let server = Server { name: own.name.clone(), endpoint: own.endpoint.clone(), peer: own.peer.clone() };
        let identity = Identity { cluster: config.zone.cluster_id.clone(), node_id: config.node_id };
        let last = super::runtime()?.block_on(backup::restore(engine, snapshot, &identity, &server)).context(dir)?;
        println!("restored as of log index {}; start it: quorate serve --config {}", last.index, self.config.display());
        println!("servers that the backup declares join when they start empty with [join], or: quorate zone remove");
        Ok(())
    }
}

impl Recover {
    /// Recovers.
    pub fn run(self) -> anyhow::Result<()> {
        let config = Config::read(&self.config)?;
        let dir = config.data_dir.display().to_string();
        anyhow::ensure!(config.data_dir.is_dir(), "{dir}: there is no data directory");
        let engine = Arc::new(RocksEngine::open(&config.data_dir).context(dir.clone())?);
        let forced = backup::force_new_zone(engine, &config.zone.cluster_id);
        let recovered = super::runtime()?.block_on(forced).context(dir)?;
        let backup::Recovered { server, node_id, others, last } = recovered;
        println!("{} (node {node_id}) is now the only server of zone {}.", server.name, config.zone.cluster_id);
        println!("It has everything up to log index {}. What others acknowledged without it is LOST.", last.index);
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
