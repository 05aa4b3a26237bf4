//! `quorate bench`: measures a zone of its own, one JSON line per figure.

use std::path::PathBuf;

use clap::Args;

use crate::bench::{self, Effort};
use crate::local_zone::Plan;

/// Measure a zone of its own: one JSON line per figure.
#[derive(Args, Debug)]
pub struct Bench {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// Node i serves XML-RPC at this port + i.
    #[arg(long, default_value_t = 4633, value_parser = clap::value_parser!(u16).range(1..=65000))]
    base_port: u16,
    /// Where the temporary data goes: the disk that is measured.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Seconds of load per figure.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// VMs in the large zone.
    #[arg(long, default_value_t = 10_000)]
    vms: usize,
    /// How often the leader is killed.
    #[arg(long, default_value_t = 10)]
    kills: usize,
    /// Encrypt all traffic with the certificates in this directory, as for `quorate dev`.
    #[arg(long)]
    certificates: Option<PathBuf>,
}

impl Bench {
    /// Measures and prints.
    pub fn run(self) -> anyhow::Result<()> {
        let temporary = tempfile::Builder::new().prefix("quorate-bench-").tempdir_in(&self.dir)?;
        let plan = Plan { certificates: self.certificates, ..Plan::new(self.nodes, self.base_port)? };
        let effort = Effort { seconds: self.seconds, vms: self.vms, kills: self.kills };
        super::runtime()?.block_on(bench::run(&plan, effort, temporary.path()))
    }
}
