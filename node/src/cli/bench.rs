//! `quorate bench`: measures a zone of its own, one JSON line per figure.

use std::path::PathBuf;

use clap::Args;

use crate::bench::{self, Effort, Part};
use crate::local_zone::Plan;

/// Measure a zone of its own: one JSON line per figure.
#[derive(Args, Debug)]
pub struct Bench {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    nodes: u16,
    /// Node i serves XML-RPC at this port + i; 0: at ports that the kernel gives.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=65000))]
    base_port: u16,
    /// Where the temporary data goes: the disk that is measured.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// What is measured, in this order.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Part::Calls, Part::Pools, Part::Failover])]
    only: Vec<Part>,
    /// Seconds of load per figure.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// VMs in the large zone, and in that of a follower that was away.
    #[arg(long, default_value_t = 10_000)]
    vms: usize,
    /// How often the leader is killed, stopped, and hands over.
    #[arg(long, default_value_t = 10)]
    kills: usize,
    /// Writes while a follower is away, and while disk use is watched.
    #[arg(long, default_value_t = 200_000)]
    writes: usize,
    /// Bytes of such a write, beside the call itself, while disk use is watched.
    #[arg(long, default_value_t = 100)]
    bytes: usize,
    /// Encrypt all traffic with the certificates in this directory, as for `quorate dev`.
    #[arg(long)]
    certificates: Option<PathBuf>,
}

impl Bench {
    /// Measures and prints.
    pub fn run(self) -> anyhow::Result<()> {
        let temporary = tempfile::Builder::new().prefix("quorate-bench-").tempdir_in(&self.dir)?;
        let mut plan = Plan::new(self.nodes, self.base_port)?;
        if let Some(certificates) = self.certificates {
            plan.encrypt(certificates);
        }
        let effort = Effort {
            parts: self.only,
            seconds: self.seconds,
            vms: self.vms,
            kills: self.kills,
            writes: self.writes,
            bytes: self.bytes,
        };
        super::runtime()?.block_on(bench::run(&plan, effort, temporary.path()))
    }
}
