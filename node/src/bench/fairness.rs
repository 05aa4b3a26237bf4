//! What one user's flood costs another: the other's writes, one after the other, on an idle zone and during the flood.

use std::time::Duration;

use anyhow::Context as _;
use quorate_model::api::Arg;
use serde_json::{Map, Value, json};

use super::load::{Call, Load};
use super::{map, ratio};
use crate::client::Client;

/// Connections that flood the zone.
const FLOOD: usize = 256;
/// Bytes of a large write.
const LARGE: usize = 60_000;
/// Documents in the listing that a flood of reads asks for.
const LISTED: usize = 1000;

/// Floods of writes, small and large, and of reads, spread over all nodes. What the zone refuses of a flood is counted: it is what bounds
/// are for. No call of the other user may be refused. Each flood is reported when it is over.
///
/// # Errors
/// When a call fails, or is refused for another reason than the flood.
pub async fn measure(clients: &[Client], time: Duration, report: impl Fn(Map<String, Value>)) -> anyhow::Result<()> {
    let mut admin = clients.first().context("no node")?.another();
    for name in ["flood", "other"] {
        let text = |text: &str| Arg::Str(text.to_owned());
        let args = vec![text(name), text("pw"), text("core"), Arg::Ints(Vec::new())];
        Call::new("one.user.allocate", args).run(&mut admin).await?;
    }
    let load = |connections| Load { clients: clients.iter().map(Client::another).collect(), connections, time };
    let document = || Call::document().by("flood:pw");
    load(64).run_calls(&document(), LISTED).await?;
    let listing = Call::new("one.documentpool.info", vec![-3, -1, -1, 100].into_iter().map(Arg::Int).collect());
    // Reads first: writes make the listing longer.
    let large = Call::update(clients, document(), LARGE).await?;
    for (flood, call) in [("reads", listing.by("flood:pw")), ("writes", document()), ("large writes", large)] {
        let write = Call::document().by("other:pw");
        let idle = load(1).run(&write).await?;
        let (flooded, other) = tokio::join!(load(FLOOD).flood(&call), load(1).run(&write));
        let (flooded, other) = (flooded?, other?);
        let mut figures = map([("flood", json!(flood))]);
        for (name, done) in [("flood", &flooded), ("idle", &idle), ("other", &other)] {
            figures.extend(done.figures().into_iter().map(|(figure, value)| (format!("{name}_{figure}"), value)));
        }
        figures.insert("flood_refused".to_owned(), json!(flooded.refused()));
        for percent in [50.0, 99.0] {
            let times = ratio(other.percentile(percent), idle.percentile(percent));
            figures.insert(format!("p{percent}_times_idle"), json!(times));
        }
        report(figures);
    }
    Ok(())
}
