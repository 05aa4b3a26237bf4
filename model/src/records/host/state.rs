//! The states of hosts.

use crate::numbered::numbered;

numbered! {
    /// A host's state, with the reference's numbers.
    #[derive(Default)]
    HostState {
        /// Not monitored yet.
        #[default]
        Init = 0 "INIT",
        /// Monitored: VMs may be scheduled on it.
        Monitored = 2 "MONITORED",
        /// Monitoring failed.
        Error = 3 "ERROR",
        /// Monitored, but only by hand VMs get there.
        Disabled = 4 "DISABLED",
        /// Neither monitored nor used.
        Offline = 8 "OFFLINE",
    }
}

impl HostState {
    /// The state of this name, in upper case.
    #[must_use]
    pub fn named(name: &str) -> Option<HostState> {
        HostState::ALL.iter().copied().find(|state| state.name() == name)
    }
}
