//! Faults of a simulated zone's network: links that are cut, slow, or lose messages.

use std::time::Duration;

use super::Zone;
use crate::host::name;

impl Zone {
    pub(super) fn others(&self, node: u64) -> Vec<String> {
        self.hosts.iter().map(|host| host.id).filter(|id| *id != node).map(name).collect()
    }

    /// Whether any link is cut.
    #[must_use]
    pub fn is_cut(&self) -> bool {
        !self.cut.is_empty()
    }

    /// Cuts the way from one machine to another: what is under way is lost, too.
    pub fn cut_oneway(&mut self, from: &str, to: &str) {
        self.sim.partition_oneway(from, to);
        self.cut.insert((from.to_owned(), to.to_owned()));
    }

    /// Cuts both ways between two machines.
    pub fn cut(&mut self, a: &str, b: &str) {
        self.cut_oneway(a, b);
        self.cut_oneway(b, a);
    }

    /// Cuts a node off from all other nodes; clients still reach it.
    pub fn isolate(&mut self, node: u64) {
        for other in self.others(node) {
            self.cut(&name(node), &other);
        }
    }

    /// Mends all links.
    pub fn mend(&mut self) {
        for (from, to) in std::mem::take(&mut self.cut) {
            self.sim.repair_oneway(from, to);
        }
    }

    /// Holds back what two machines send to each other, until [`Zone::release`].
    pub fn hold(&mut self, a: &str, b: &str) {
        self.sim.hold(a, b);
    }

    /// Delivers what was held back between two machines.
    pub fn release(&mut self, a: &str, b: &str) {
        self.sim.release(a, b);
    }

    /// Sets how long a message may be under way at most, everywhere.
    pub fn set_latency(&mut self, longest: Duration) {
        self.sim.set_max_message_latency(longest);
    }

    /// Sets how often a message breaks its link, which the next message mends again; what is under way is lost.
    pub fn set_loss(&mut self, rate: f64) {
        self.sim.set_fail_rate(rate);
    }
}
