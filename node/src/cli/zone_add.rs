//! `quorate zone add`: declares a server and, if asked to, follows it until it votes.
//!
//! The zone decides whether it may join and when it votes; this only asks and watches.

use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use quorate_model::api::Arg;
use quorate_model::kind::LOCAL_ZONE;
use tokio::time::{sleep, timeout};

use super::Trust;
use super::zone::{call, declared, rows};
use crate::address::{host_and_port, is_same_url, url};
use crate::admin::ServerRow;
use crate::client::Client;

/// How often a server that joins is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// Declare a server.
#[derive(Args, Debug)]
pub struct Add {
    /// Its name: `join.name` in its configuration.
    name: String,
    /// The XML-RPC URL at which clients reach the new server.
    #[arg(long, value_parser = url)]
    endpoint: String,
    /// `host:port` at which other servers reach it: `join.peer` in its configuration.
    #[arg(long, value_parser = host_and_port)]
    peer: String,
    /// The endpoint of any server of the zone.
    #[arg(long, env = "ONE_XMLRPC", default_value = super::DEFAULT_ENDPOINT)]
    via: String,
    /// Show how the server joins, until it votes, for so many seconds at most.
    #[arg(long, value_name = "SECONDS")]
    wait: Option<u64>,
    #[command(flatten)]
    trust: Trust,
}

impl Add {
    /// Does what the arguments say.
    pub(super) async fn run(self) -> anyhow::Result<()> {
        let via = self.trust.client(&self.via)?;
        if declared(&via).await?.is_empty() {
            // A zone of one server declares none; now it becomes one of several.
            for row in rows(&via).await? {
                declare(&via, &row.name, &row.endpoint, &row.peer).await?;
            }
        }
        let at = |row: &&ServerRow| {
            row.name != self.name && (is_same_url(&row.endpoint, &self.endpoint) || row.peer == self.peer)
        };
        if let Some(other) = rows(&via).await?.iter().find(at) {
            anyhow::bail!(
                "{} is at {}, peer {}: two servers cannot share an address",
                other.name,
                other.endpoint,
                other.peer
            );
        }
        declare(&via, &self.name, &self.endpoint, &self.peer).await?;
        println!("{} is declared; it joins when it starts with an empty data directory and [join]", self.name);
        match self.wait {
            None => Ok(()),
            Some(seconds) => {
                timeout(Duration::from_secs(seconds), follow(&via, &self.name)).await.with_context(|| {
                    format!(
                        "{} does not vote after {seconds} s, but it is declared: see quorate zone status",
                        self.name
                    )
                })?
            }
        }
    }
}

async fn declare(via: &Client, name: &str, endpoint: &str, peer: &str) -> anyhow::Result<()> {
    let quoted = |text: &str| {
        anyhow::ensure!(!text.contains(['"', '\\', '\n']), "'{text}' has characters that no server may have");
        Ok(format!("\"{text}\""))
    };
    let server = format!("SERVER=[NAME={},ENDPOINT={},PEER={}]", quoted(name)?, quoted(endpoint)?, quoted(peer)?);
    call(via, "one.zone.addserver", &[Arg::Int(LOCAL_ZONE.into()), Arg::Str(server)]).await.map(drop)
}

/// Prints what becomes of a declared server until it votes.
///
/// # Errors
/// When the server has been removed meanwhile.
async fn follow(via: &Client, name: &str) -> anyhow::Result<()> {
    let mut shown = String::new();
    loop {
        // A server that does not answer now, or has not heard of the new one yet, may know more the next time.
        let rows = rows(via).await.ok();
        let row = rows.as_ref().and_then(|rows| rows.iter().find(|row| row.name == name));
        anyhow::ensure!(row.is_some() || rows.is_none() || shown.is_empty(), "{name} was removed");
        if let Some(row) = row {
            let news = progress(row);
            if news != shown {
                println!("{name} {news}");
                shown = news;
            }
            if row.voter {
                return Ok(());
            }
        }
        sleep(LOOK).await;
    }
}

/// Where a server is on its way to voting.
fn progress(row: &ServerRow) -> String {
    match (row.voter, row.node_id, row.lag) {
        (true, ..) => "votes".to_owned(),
        (false, None, _) => "has not joined yet: waiting for it to start".to_owned(),
        (false, Some(node), Some(lag)) => format!("is learner {node}, {lag} entries behind"),
        (false, Some(node), None) => format!("is learner {node}, and does not answer"),
    }
}
