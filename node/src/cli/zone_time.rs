//! `quorate zone settings set-time`: the zone's time, where it went wrong.

use clap::Args;
use serde::Deserialize;

use super::Endpoint;
use super::zone::ask;

/// Set the zone's time: all new times and what ends when follow it at once. For a zone whose time has gone wrong, once its
/// servers' clocks are right.
#[derive(Args, Debug)]
pub struct SetTime {
    /// `now`: what most servers' clocks say; or unix seconds.
    time: String,
    /// Needed: times already recorded stay as they are, so that some may lie in the future or out of order.
    #[arg(long)]
    yes_i_mean_it: bool,
    #[command(flatten)]
    at: Endpoint,
}

/// What the server answers, unix seconds.
#[derive(Deserialize)]
struct Answer {
    before: i64,
    time: i64,
}

impl SetTime {
    /// Sets it.
    pub async fn run(self) -> anyhow::Result<()> {
        anyhow::ensure!(
            self.yes_i_mean_it,
            "times already recorded stay as they are, and sessions of services end by their own clocks: say --yes-i-mean-it"
        );
        let answer: Answer = serde_json::from_slice(&ask(&self.at.client()?, "set-time", Some(&self.time)).await?)?;
        println!("the zone's time was {} and is {} now", answer.before, answer.time);
        Ok(())
    }
}
