//! `quorate zone`: the zone's servers, asked over the API as any client asks.

use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use quorate_state_machine::api::Arg;
use serde::Serialize;

use crate::client::{Client, Record, records};

/// How long a server may take to answer for itself.
const STATUS_TIMEOUT: Duration = Duration::from_secs(5);

/// The zone's servers.
#[derive(Subcommand, Debug)]
pub enum Zone {
    /// Servers, role, term, indexes, lag, health.
    Status(Status),
}

/// Servers, role, term, indexes, lag, health.
#[derive(Args, Debug)]
pub struct Status {
    /// The endpoint of any server.
    #[arg(long, env = "ONE_XMLRPC", default_value = "http://127.0.0.1:2633/RPC2")]
    endpoint: String,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// A server as it is printed.
#[derive(Serialize, Debug)]
struct Row {
    id: i64,
    name: String,
    endpoint: String,
    health: &'static str,
    state: &'static str,
    term: Option<i64>,
    commit: Option<i64>,
    log_index: Option<i64>,
    lag: Option<i64>,
    reason: Option<String>,
}

impl Zone {
    /// Does what the arguments say.
    pub fn run(self) -> anyhow::Result<()> {
        match self {
            Zone::Status(status) => super::runtime()?.block_on(status.run()),
        }
    }
}

impl Status {
    async fn run(self) -> anyhow::Result<()> {
        let session = session()?;
        let info = call(&self.endpoint, "one.zone.info", &session, &[Arg::Int(0)]).await?;
        let mut rows = Vec::new();
        for (id, name, endpoint) in servers(&info, &self.endpoint)? {
            rows.push(row(id, name, endpoint, &session).await);
        }
        let newest = rows.iter().filter_map(|r| r.commit).max();
        for row in &mut rows {
            row.lag = newest.zip(row.commit).map(|(newest, commit)| newest - commit);
        }
        if self.json {
            println!("{}", serde_json::to_string_pretty(&rows)?);
        } else {
            print(&rows);
        }
        Ok(())
    }
}

/// `user:password` from the file that ONE_AUTH names, or the development default.
fn session() -> anyhow::Result<String> {
    match std::env::var_os("ONE_AUTH") {
        Some(path) => {
            let text = std::fs::read_to_string(&path).with_context(|| path.to_string_lossy().into_owned())?;
            Ok(text.trim().to_owned())
        }
        None => Ok("oneadmin:opennebula".to_owned()),
    }
}

async fn call(endpoint: &str, method: &str, session: &str, args: &[Arg]) -> anyhow::Result<String> {
    let mut client = Client::new(endpoint)?;
    let reply = tokio::time::timeout(STATUS_TIMEOUT, client.call(method, session, args));
    reply.await.context("no answer in time")??.into_value()
}

/// The declared servers, or the endpoint itself where there are none.
fn servers(info: &str, endpoint: &str) -> anyhow::Result<Vec<(i64, String, String)>> {
    let declared = records(info, "SERVER")?;
    if declared.is_empty() {
        return Ok(vec![(-1, "-".to_owned(), endpoint.to_owned())]);
    }
    let text = |server: &Record, name: &str| server.get(name).cloned().unwrap_or_default();
    Ok(declared.iter().map(|s| (number(s, "ID").unwrap_or(-1), text(s, "NAME"), text(s, "ENDPOINT"))).collect())
}

fn number(record: &Record, name: &str) -> Option<i64> {
    record.get(name)?.parse().ok()
}

async fn row(id: i64, name: String, endpoint: String, session: &str) -> Row {
    let status = call(&endpoint, "one.zone.raftstatus", session, &[]).await;
    let status = status.and_then(|xml| records(&xml, "RAFT")?.pop().context("the reply is no Raft status"));
    let mut row = Row {
        id,
        name,
        endpoint,
        health: "down",
        state: "-",
        term: None,
        commit: None,
        log_index: None,
        lag: None,
        reason: None,
    };
    match status {
        Ok(status) => {
            row.health = "ok";
            row.state = match number(&status, "STATE") {
                Some(0) => "solo",
                Some(1) => "candidate",
                Some(2) => "follower",
                Some(3) => "leader",
                _ => "unknown",
            };
            row.term = number(&status, "TERM");
            row.commit = number(&status, "COMMIT");
            row.log_index = number(&status, "LOG_INDEX");
        }
        Err(e) => row.reason = Some(format!("{e:#}")),
    }
    row
}

fn print(rows: &[Row]) {
    println!(
        "{:>3} {:<12} {:<9} {:<6} {:>6} {:>9} {:>9} {:>6}  ENDPOINT",
        "ID", "NAME", "STATE", "HEALTH", "TERM", "COMMIT", "INDEX", "LAG"
    );
    let shown = |n: Option<i64>| n.map_or("-".to_owned(), |n| n.to_string());
    for r in rows {
        println!(
            "{:>3} {:<12} {:<9} {:<6} {:>6} {:>9} {:>9} {:>6}  {}{}",
            r.id,
            r.name,
            r.state,
            r.health,
            shown(r.term),
            shown(r.commit),
            shown(r.log_index),
            shown(r.lag),
            r.endpoint,
            r.reason.as_ref().map_or(String::new(), |e| format!("  ({e})"))
        );
    }
}
