//! placeholder
use clap::Args;

/// Measure a zone of its own.
#[derive(Args, Debug)]
pub struct Bench {}

impl Bench {
    /// Runs.
    pub fn run(self) -> anyhow::Result<()> {
        anyhow::bail!("not written yet")
    }
}
