//! A node's certificates, kept as fresh as their files: new handshakes use new files, without a restart.
//!
//! Files that are wrong change nothing: what was read before stays in use. Production only: it reads files, and the
//! machine's clock.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
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

struct Held {
    keys: Arc<Keys>,
    /// The contents of the files that they were made of.
    contents: Vec<Vec<u8>>,
    /// What was wrong with the files at the last look.
    wrong: Option<String>,
}

/// What came of a look at files.
#[derive(PartialEq, Eq, Debug)]
pub enum Look {
    /// They say what they said.
    Same,
    /// They say something new, which is in use now.
    New,
    /// They cannot be used, and this was said before; what they said earlier stays in use.
    StillWrong(String),
    /// They cannot be used; what they said earlier stays in use.
    Wrong(String),
}

impl Store {
    fn load(section: &'static str, files: Vec<PathBuf>, make: Box<Make>) -> anyhow::Result<Arc<Store>> {
        let contents = read(&files).with_context(|| format!("[{section}]"))?;
        let keys = make(&contents).with_context(|| format!("[{section}]"))?;
        let held = Mutex::new(Held { keys: Arc::new(keys), contents, wrong: None });
        Ok(Arc::new(Store { section, files, make, held }))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the newest good files say.
    #[must_use]
    pub fn keys(&self) -> Arc<Keys> {
        self.held().keys.clone()
    }

    /// Looks at the files; when they say something new that can be used, uses it. Wrong ones are tried again at each
    /// look: a certificate may become valid.
    pub fn look(&self) -> Look {
        let contents = read(&self.files);
        if contents.as_ref().is_ok_and(|contents| *contents == self.held().contents) {
            self.held().wrong = None;
            return Look::Same;
        }
        let made = contents.and_then(|contents| Ok(((self.make)(&contents)?, contents)));
        let mut held = self.held();
        match made {
            Ok((keys, contents)) => {
                *held = Held { keys: Arc::new(keys), contents, wrong: None };
                Look::New
            }
            Err(e) => {
                let wrong = format!("{e:#}");
                match held.wrong.replace(wrong.clone()) == Some(wrong.clone()) {
                    true => Look::StillWrong(wrong),
                    false => Look::Wrong(wrong),
                }
            }
        }
    }
}

fn read(files: &[PathBuf]) -> anyhow::Result<Vec<Vec<u8>>> {
    files.iter().map(|file| std::fs::read(file).with_context(|| file.display().to_string())).collect()
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
                Look::New => {
                    let until = pem::shown(store.keys().expires);
                    tracing::info!(section, until, "new certificates: new connections use them");
                }
                Look::Same if asked => tracing::info!(section, "the certificates are what they were"),
                Look::StillWrong(error) if asked => say_wrong(section, &error),
                Look::Wrong(error) => say_wrong(section, &error),
                Look::Same | Look::StillWrong(_) => {}
            }
        }
        if asked && self.all().next().is_none() {
            tracing::info!("there are no certificates to look at");
        }
    }

    fn remind(&self) {
        let now = UnixTime::now().as_secs();
        for (section, end) in self.ends() {
            let until = pem::shown(end);
            if end <= now {
                tracing::error!(section, until, "a certificate has ended: new connections are refused");
            } else if end < now.saturating_add(SOON) {
                tracing::warn!(section, until, "a certificate ends soon: renew it");
            }
        }
    }
}

fn say_wrong(section: &str, error: &str) {
    tracing::error!(section, error, "certificates that cannot be used: the old ones stay in use");
}
