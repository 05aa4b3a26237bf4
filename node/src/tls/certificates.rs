//! A node's certificates, kept as fresh as their files: new handshakes use new files, without a restart.
//!
//! Files that are wrong change nothing: what was read before stays in use. Production only: it reads files, and the
//! machine's clock.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Context as _;
use tokio::signal::unix::Signal;
use tokio::time::{Instant, sleep};
use tokio_rustls::rustls::pki_types::UnixTime;

use super::keys::{self, Keys};
use super::pem;
use crate::config::Config;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(10);
/// How often somebody is reminded that a certificate ends soon.
const REMIND: Duration = Duration::from_secs(24 * 3600);
/// What soon means, in seconds.
const SOON: u64 = 14 * 24 * 3600;

/// The certificates of a node; none of a kind: that traffic is plain.
#[derive(Clone, Default)]
pub struct Certificates {
    /// Between nodes.
    pub peers: Option<Arc<Store>>,
    /// For clients.
    pub edge: Option<Arc<Store>>,
}

/// The files of one listener and the keys that were made of them.
pub struct Store {
    /// Its section of the configuration.
    section: &'static str,
    files: Vec<PathBuf>,
    make: Box<Make>,
    held: Mutex<Held>,
}

/// Makes keys of the contents of the files, in their order.
type Make = dyn Fn(&[Vec<u8>]) -> anyhow::Result<Keys> + Send + Sync;
/// Contents of files, or why they cannot be read.
type Contents = Result<Vec<Vec<u8>>, String>;

struct Held {
    keys: Arc<Keys>,
    /// What the files said when they were looked at last, right or wrong.
    seen: Contents,
}

impl Store {
    fn load(section: &'static str, files: Vec<PathBuf>, make: Box<Make>) -> anyhow::Result<Arc<Store>> {
        let contents = read(&files).map_err(|e| anyhow::anyhow!("[{section}] {e}"))?;
        let keys = make(&contents).with_context(|| format!("[{section}]"))?;
        Ok(Arc::new(Store {
            section,
            files,
            make,
            held: Mutex::new(Held { keys: Arc::new(keys), seen: Ok(contents) }),
        }))
    }

    /// What the newest good files say.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner).keys.clone()
    }

    /// Looks at the files; when they say something new, uses it. Whether they did.
    ///
    /// # Errors
    /// When what they say newly cannot be used: what was said before stays in use.
    pub fn look(&self) -> anyhow::Result<bool> {
        let contents = read(&self.files);
        {
            let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
            if held.seen == contents {
                return Ok(false);
            }
            held.seen = contents.clone();
        }
        let keys = (self.make)(&contents.map_err(anyhow::Error::msg)?)?;
        self.held.lock().unwrap_or_else(PoisonError::into_inner).keys = Arc::new(keys);
        Ok(true)
    }
}

fn read(files: &[PathBuf]) -> Contents {
    files.iter().map(|file| std::fs::read(file).map_err(|e| format!("{}: {e}", file.display()))).collect()
}

impl Certificates {
    /// Reads and checks what a configuration names.
    ///
    /// # Errors
    /// When a file is missing, does not fit the others, has expired or is not for this zone.
    pub fn load(config: &Config) -> anyhow::Result<Certificates> {
        let peers = config.peer_tls.as_ref().map(|tls| {
            let name = keys::zone_name(&config.zone.cluster_id)?;
            let files = vec![tls.cert.clone(), tls.key.clone(), tls.ca.clone()];
            let make = move |files: &[Vec<u8>]| match files {
                [cert, key, ca] => keys::peers(cert, key, ca, &name),
                _ => anyhow::bail!("three files are needed"),
            };
            Store::load("peer_tls", files, Box::new(make))
        });
        let edge = config.tls.as_ref().map(|tls| {
            let files = vec![tls.cert.clone(), tls.key.clone()];
            let make = |files: &[Vec<u8>]| match files {
                [cert, key] => keys::edge(cert, key),
                _ => anyhow::bail!("two files are needed"),
            };
            Store::load("tls", files, Box::new(make))
        });
        Ok(Certificates { peers: peers.transpose()?, edge: edge.transpose()? })
    }

    fn all(&self) -> impl Iterator<Item = &Arc<Store>> {
        self.peers.iter().chain(&self.edge)
    }

    /// Per section of the configuration, when its certificates end, in Unix seconds.
    pub fn ends(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.all().map(|store| (store.section, store.keys().expires))
    }

    /// Keeps them fresh, for ever: looks at the files every ten seconds and at each SIGHUP, and says what came of it.
    pub async fn keep(self, mut hangup: Signal) {
        let mut reminded: Option<Instant> = None;
        loop {
            if reminded.is_none_or(|at| at.elapsed() >= REMIND) {
                self.remind();
                reminded = Some(Instant::now());
            }
            let asked = tokio::select! {
                Some(()) = hangup.recv() => true,
                () = sleep(LOOK) => false,
            };
            let these = self.clone();
            // Files may be on a disk that hangs.
            if let Err(e) = tokio::task::spawn_blocking(move || these.look(asked)).await {
                tracing::error!(error = %e, "looking at the certificates failed");
            }
        }
    }

    fn look(&self, asked: bool) {
        for store in self.all() {
            let section = store.section;
            match store.look() {
                Ok(true) => {
                    let until = pem::shown(store.keys().expires);
                    tracing::info!(section, until, "new certificates: new connections use them");
                }
                Ok(false) if asked => tracing::info!(section, "the certificates are what they were"),
                Ok(false) => {}
                Err(e) => {
                    tracing::error!(
                        section,
                        error = format!("{e:#}"),
                        "certificates not used, the old ones stay in use"
                    );
                }
            }
        }
        if asked && self.all().next().is_none() {
            tracing::info!("there are no certificates to look at");
        }
    }

    fn remind(&self) {
        let now = UnixTime::now().as_secs();
        for (section, end) in self.ends().filter(|(_, end)| *end < now.saturating_add(SOON)) {
            tracing::warn!(section, until = pem::shown(end), "a certificate ends soon: renew it");
        }
    }
}
