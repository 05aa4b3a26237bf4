//! The end of a run, when all is well again: every node tells the same, and the oracle judges what clients were told.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::Context as _;
use quorate_model::api::Arg;
use quorate_node::client::{Client, records};
use quorate_node::local_zone::SESSION;
use quorate_oracle::{Action, Call, Outcome};
use tokio::time::{Instant, sleep, timeout};

use crate::clock::Clock;
use crate::workload::Workload;

/// How long a node may take to list everything.
const LISTING_TIME: Duration = Duration::from_secs(60);
/// How long nodes may take to be at the same entry when nobody writes.
const SETTLING_TIME: Duration = Duration::from_secs(30);

/// The client that lists everything.
const AUDITOR: usize = usize::MAX;

/// A document's name and value.
type Document = (String, String);

/// What is wrong, after clients have ended: the history with a last look through every node.
///
/// # Errors
/// When a node does not answer.
pub async fn judge(workload: &Workload, urls: &[String], clock: Clock) -> anyhow::Result<Vec<String>> {
    let mut anomalies = Vec::new();
    let created: BTreeSet<i32> = workload.history.calls().iter().filter_map(created).collect();
    let mut first: Option<BTreeMap<i32, Document>> = None;
    for (node, url) in (1..).zip(urls) {
        let from = clock.now();
        let documents = list(url).await.with_context(|| url.clone())?;
        let to = clock.now();
        for id in &created {
            let outcome = documents.get(id).map_or(Outcome::Missing, |(_, value)| Outcome::Done(value.clone()));
            workload.history.record(Call { client: AUDITOR, node, from, to, action: Action::Read(*id), outcome });
        }
        let first = first.get_or_insert_with(|| documents.clone());
        if *first != documents {
            let differing = first.keys().chain(documents.keys()).filter(|id| first.get(id) != documents.get(id));
            let differing: BTreeSet<&i32> = differing.collect();
            anomalies.push(format!("nodes 1 and {node} list different documents: {differing:?}"));
        }
    }
    let names = first.unwrap_or_default().into_iter().map(|(id, (name, _))| (id, name)).collect();
    anomalies.extend(quorate_oracle::anomalies(&workload.history.calls(), &names));
    anomalies.extend(states_differ(&urls[0]).await?);
    Ok(anomalies)
}

fn created(call: &Call) -> Option<i32> {
    match (&call.action, &call.outcome) {
        (Action::Create(_), Outcome::Done(id)) => id.parse().ok(),
        _ => None,
    }
}

/// All documents through one node, by a linearizable read.
async fn list(url: &str) -> anyhow::Result<BTreeMap<i32, Document>> {
    let mut client = Client::new(url)?;
    let args = [Arg::Int(-2), Arg::Int(-1), Arg::Int(-1), Arg::Int(0)];
    let listing = client.call("one.documentpool.info", SESSION, &args);
    let xml = timeout(LISTING_TIME, listing).await.context("no listing in time")??.into_value()?;
    let mut documents = BTreeMap::new();
    for mut record in records(&xml, "DOCUMENT")? {
        let mut take = |name: &str| record.remove(name).with_context(|| format!("a document without {name}"));
        documents.insert(take("ID")?.parse()?, (take("NAME")?, take("VALUE")?));
    }
    Ok(documents)
}

/// What is wrong with the hashes of the nodes' states, once all are at the same entry.
async fn states_differ(url: &str) -> anyhow::Result<Option<String>> {
    let deadline = Instant::now() + SETTLING_TIME;
    loop {
        let rows = status(url).await?;
        let column = |name: &str| rows.iter().map(|row| row[name].to_string()).collect::<BTreeSet<String>>();
        if column("applied").len() == 1 && column("hashed_at").len() == 1 {
            let hashes = column("state_hash");
            let differ = || format!("states differ at entry {:?}: {hashes:?}", column("hashed_at"));
            return Ok((hashes.len() != 1 || hashes.contains("null")).then(differ));
        }
        if Instant::now() > deadline {
            return Ok(Some(format!("the nodes do not reach the same entry: {rows:?}")));
        }
        sleep(Duration::from_millis(50)).await;
    }
}

/// The rows of `quorate zone status --json`.
async fn status(url: &str) -> anyhow::Result<Vec<serde_json::Value>> {
    let mut json = Vec::new();
    let mut take = |part: bytes::Bytes| {
        json.extend_from_slice(&part);
        Ok(())
    };
    let mut client = Client::new(url)?;
    timeout(LISTING_TIME, client.admin("status", SESSION, None, &mut take)).await.context("no status in time")??;
    Ok(serde_json::from_slice(&json)?)
}
