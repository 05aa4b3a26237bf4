//! The machines of a simulated zone: their nodes die, stop and start; machines come into service and leave it.

use super::Zone;
use crate::host::{Host, name};

/// How a node dies.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Crash {
    /// Its process is killed: the system closes its connections. The disk keeps everything written.
    Process,
    /// Its machine loses power: nobody is told, and so many of the writes that were not synced survive.
    Power {
        /// The surviving writes.
        keep: usize,
    },
}

impl Zone {
    /// Kills a node.
    pub fn crash(&mut self, node: u64, how: Crash) {
        let host = self.host(node).clone();
        host.killed();
        let me = name(node);
        match how {
            Crash::Process => self.sim.crash(me.as_str()),
            Crash::Power { keep } => {
                // Cut first, so that nobody hears of it.
                let all: Vec<String> =
                    self.others(node).into_iter().chain(self.consoles.iter().map(|c| c.name.clone())).collect();
                for other in &all {
                    self.sim.partition(me.as_str(), other.as_str());
                }
                self.sim.crash(me.as_str());
                for other in &all {
                    self.sim.repair(me.as_str(), other.as_str());
                }
                for (from, to) in self.cut.iter().filter(|(from, to)| *from == me || *to == me) {
                    self.sim.partition_oneway(from.as_str(), to.as_str());
                }
                host.engine.crash_keeping(keep);
                host.loses_power(self.sim.elapsed());
            }
        }
        if let Err(broken) = self.invariants.reopened(&host) {
            panic!("{:?}, {me}: {broken}", self.elapsed());
        }
    }

    /// Stops a node in order, as SIGTERM does.
    pub fn stop(&mut self, node: u64) {
        self.host(node).ask_to_stop();
        self.wait("the node stops", |zone| zone.is_down(node));
    }

    /// Whether a node's process is gone.
    #[must_use]
    pub fn is_down(&self, node: u64) -> bool {
        !self.host(node).is_alive()
    }

    /// Whether a node's process runs and waits for the zone to take it in.
    #[must_use]
    pub fn is_joining(&self, node: u64) -> bool {
        let host = self.host(node);
        host.is_alive() && host.node_id().is_none()
    }

    /// Whether a node serves.
    #[must_use]
    pub fn is_up(&self, node: u64) -> bool {
        self.host(node).running().is_some()
    }

    /// Starts a node's process, and waits until it serves, unless it has to be taken in by the zone first.
    ///
    /// # Panics
    /// When the process exists, or does not come up.
    pub fn start(&mut self, node: u64) {
        assert!(self.is_down(node), "node {node} is still there");
        let host = self.host(node).clone();
        host.killed();
        host.seeds.replace(self.ids().into_iter().filter(|id| *id != node).collect());
        self.sim.bounce(name(node));
        match host.node_id() {
            Some(id) => {
                self.invariants.restarted(id);
                self.wait("the node starts", |zone| zone.is_up(node) || zone.is_down(node) && host.failure().is_some());
            }
            None => self.wait("the process starts", |_| host.is_alive()),
        }
    }

    /// Puts a machine with an empty disk into service: its node asks the zone to be taken in. Its number.
    pub fn add_machine(&mut self) -> u64 {
        let id = self.hosts.len() as u64 + 1;
        let host = Host::new(id, self.common.clone());
        host.seeds.replace(self.ids());
        self.hosts.push(host.clone());
        self.in_service.borrow_mut().push(id);
        self.sim.host(name(id), move || host.clone().run());
        id
    }

    /// Takes a machine out of service for good.
    pub fn retire(&mut self, node: u64) {
        if !self.is_down(node) {
            self.crash(node, Crash::Process);
        }
        self.host(node).retired.set(true);
        self.in_service.borrow_mut().retain(|id| *id != node);
    }
}
