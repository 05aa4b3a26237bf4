//! `quorate zone`: the zone's servers. Membership goes over the API as any client's calls do.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use quorate_model::api::Arg;
use quorate_model::kind::LOCAL_ZONE;

use super::settings::Settings;
use super::zone_add::Add;
use super::{Endpoint, session};
use crate::admin::ServerRow;
use crate::client::{Client, Record, records};

/// How long a server may take to answer.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// The zone's servers.
#[derive(Subcommand, Debug)]
pub enum Zone {
    /// Servers, role, term, indexes, lag, health, last contact, disk.
    Status(Status),
    /// Declare a server; it joins when it starts empty with a [join] section in its configuration.
    Add(Add),
    /// Remove a server, alive or dead.
    Remove(Remove),
    /// Let another server lead.
    Transfer(Transfer),
    /// The zone's settings: show, set, reset, apply a file, compare with a file.
    #[command(subcommand)]
    Settings(Settings),
    /// Let the server asked take a snapshot now, and purge its log by its policy.
    Snapshot(Snapshot),
}

/// Servers, role, term, indexes, lag, health, last contact, disk.
#[derive(Args, Debug)]
pub struct Status {
    #[command(flatten)]
    at: Endpoint,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// Remove a server, alive or dead.
#[derive(Args, Debug)]
pub struct Remove {
    /// Its name, or its SERVER_ID.
    server: String,
    #[command(flatten)]
    at: Endpoint,
}

/// Let another server lead.
#[derive(Args, Debug)]
pub struct Transfer {
    /// Its name; without one, the server that is best prepared.
    name: Option<String>,
    #[command(flatten)]
    at: Endpoint,
}

/// Let the server asked take a snapshot.
#[derive(Args, Debug)]
pub struct Snapshot {
    #[command(flatten)]
    at: Endpoint,
}

impl Zone {
    /// Does what the arguments say.
    pub fn run(self) -> anyhow::Result<()> {
        super::runtime()?.block_on(async {
            match self {
                Zone::Status(status) => status.run().await,
                Zone::Add(add) => add.run().await,
                Zone::Remove(remove) => remove.run().await,
                Zone::Transfer(transfer) => transfer.run().await,
                Zone::Settings(settings) => settings.run().await,
                Zone::Snapshot(snapshot) => ask(&snapshot.at.client()?, "snapshot", Some("")).await.map(drop),
            }
        })
    }
}

/// Asks a server beside the API; its JSON.
pub(super) async fn ask(server: &Client, name: &str, argument: Option<&str>) -> anyhow::Result<Vec<u8>> {
    let mut client = server.another();
    let session = session()?;
    let mut json = Vec::new();
    let mut take = |part: bytes::Bytes| {
        json.extend_from_slice(&part);
        Ok(())
    };
    let reply = client.admin(name, &session, argument, &mut take);
    tokio::time::timeout(ANSWER_TIME, reply).await.context("no answer in time")??;
    Ok(json)
}

pub(super) async fn call(server: &Client, method: &str, args: &[Arg]) -> anyhow::Result<String> {
    let mut client = server.another();
    let session = session()?;
    let reply = tokio::time::timeout(ANSWER_TIME, client.call(method, &session, args));
    reply.await.context("no answer in time")??.into_value()
}

pub(super) async fn rows(server: &Client) -> anyhow::Result<Vec<ServerRow>> {
    serde_json::from_slice(&ask(server, "status", None).await?).context("the status cannot be read")
}

/// The declared servers: SERVER_ID and name.
pub(super) async fn declared(server: &Client) -> anyhow::Result<Vec<(i64, String)>> {
    let info = call(server, "one.zone.info", &[Arg::Int(LOCAL_ZONE.into()), Arg::Bool(false)]).await?;
    let text = |server: &Record, name: &str| server.get(name).cloned().unwrap_or_default();
    records(&info, "SERVER")?.iter().map(|s| Ok((text(s, "ID").parse()?, text(s, "NAME")))).collect()
}

impl Remove {
    async fn run(self) -> anyhow::Result<()> {
        let asked = self.at.client()?;
        let servers = declared(&asked).await?;
        let named = servers.iter().find(|(_, name)| *name == self.server);
        let found = named.or_else(|| servers.iter().find(|(id, _)| self.server.parse() == Ok(*id)));
        let (id, name) = found.with_context(|| format!("the zone has no server {}", self.server))?;
        let before = rows(&asked).await?;
        call(&asked, "one.zone.delserver", &[Arg::Int(LOCAL_ZONE.into()), Arg::Int(*id)]).await?;
        // The removed server itself does not hear of the end of it.
        let witness = before.iter().find(|row| row.name != *name && row.health == "ok");
        let witness = witness.map_or(Ok(asked), |row| self.at.trust.client(&row.endpoint))?;
        let gone = async {
            while rows(&witness).await.is_ok_and(|rows| rows.iter().any(|row| row.name == *name)) {
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        if tokio::time::timeout(ANSWER_TIME, gone).await.is_err() {
            anyhow::bail!("{name} is no longer declared, but still a member: see quorate zone status");
        }
        println!("{name} is removed");
        Ok(())
    }
}

impl Transfer {
    async fn run(self) -> anyhow::Result<()> {
        let asked = self.at.client()?;
        ask(&asked, "transfer", Some(self.name.as_deref().unwrap_or_default())).await?;
        let rows = rows(&asked).await?;
        let leader = rows.iter().find(|row| row.state == "leader");
        println!("{} leads", leader.map_or("nobody known", |row| row.name.as_str()));
        Ok(())
    }
}

impl Status {
    async fn run(self) -> anyhow::Result<()> {
        let rows = rows(&self.at.client()?).await?;
        if self.json {
            println!("{}", serde_json::to_string_pretty(&rows)?);
        } else {
            print(&rows);
        }
        Ok(())
    }
}

fn print(rows: &[ServerRow]) {
    println!(
        "{:>3} {:>5} {:<12} {:<9} {:>6} {:>9} {:>9} {:>6} {:>8} {:>8} {:>8} {:>9} {:>5} {:>8}  {:<28} HEALTH",
        "ID",
        "NODE",
        "NAME",
        "STATE",
        "TERM",
        "COMMIT",
        "INDEX",
        "LAG",
        "CONTACT",
        "DISK",
        "FREE",
        "VERSION",
        "LEVEL",
        "CLOCK",
        "ENDPOINT"
    );
    let shown = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
    let size = |n: Option<u64>| n.map_or("-".to_owned(), |n| format!("{}M", n >> 20));
    // The zone's of what its program supports: `1/2` waits for the others.
    let level = |r: &ServerRow| match (r.feature_level, r.supported_level) {
        (Some(level), Some(supported)) => format!("{level}/{supported}"),
        _ => "-".to_owned(),
    };
    // Ahead of the others, or behind.
    let clock = |r: &ServerRow| r.clock_ahead_ms.map_or("-".to_owned(), |ms| format!("{:+}s", ms / 1000));
    for r in rows {
        println!(
            "{:>3} {:>5} {:<12} {:<9} {:>6} {:>9} {:>9} {:>6} {:>8} {:>8} {:>8} {:>9} {:>5} {:>8}  {:<28} {}",
            r.id,
            shown(r.node_id),
            r.name,
            r.state,
            shown(r.term),
            shown(r.commit),
            shown(r.log_index),
            shown(r.lag),
            r.last_contact_ms.map_or("-".to_owned(), |ms| format!("{ms}ms")),
            size(r.disk_used),
            size(r.disk_free),
            r.version.as_deref().unwrap_or("-"),
            level(r),
            clock(r),
            r.endpoint,
            r.health
        );
    }
}
