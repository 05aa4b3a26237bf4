//! How many files and connections this process may have open: asked for at start, so that a node does not find out when
//! it has too many clients.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::proxy_protocol::MAX_HEADERS;
use crate::tls::MAX_HANDSHAKES;
use crate::transport::incoming;

/// What is kept for what must never fail: the database's files (when it cannot open its next log the node ends), drivers,
/// connections to other nodes.
const RESERVED: usize = 512;
/// What a node needs beside its clients' connections. Each other part is bounded where it is accepted: peers, what has
/// not proved yet who it is on both ports, and load balancers that have not said yet for whom they connect.
const OWN: usize = RESERVED + incoming::MAX_CONNECTIONS + 2 * MAX_HANDSHAKES + MAX_HEADERS;
/// Connections that a node serves however few it may have.
const FEWEST: usize = 64;

/// Asks for as many file descriptors as `connections` need; the connections that there are descriptors for.
#[must_use]
pub fn connections(connections: usize) -> usize {
    let wanted = u64::try_from(connections.saturating_add(OWN)).unwrap_or(u64::MAX);
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let possible = maximum.map_or(wanted, |maximum| wanted.min(maximum));
    // `None`: as many as it likes.
    if current.is_some_and(|current| current < possible)
        && let Err(e) = setrlimit(Resource::Nofile, Rlimit { current: Some(possible), maximum })
    {
        tracing::warn!(error = %e, possible, "the limit of open files cannot be raised");
    }
    let granted = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if granted >= wanted {
        return connections;
    }
    let possible = fitting(usize::try_from(granted).unwrap_or(usize::MAX), connections);
    tracing::warn!(
        granted,
        wanted,
        connections = possible,
        "too few open files are allowed (ulimit -n, LimitNOFILE): fewer connections are"
    );
    possible
}

/// The connections that so many descriptors are enough for.
fn fitting(descriptors: usize, connections: usize) -> usize {
    descriptors.saturating_sub(OWN).clamp(FEWEST.min(connections), connections)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_descriptors_are_few_connections() {
        assert_eq!(fitting(65_536, 4096), 4096);
        assert_eq!(fitting(4096, 4096), 4096 - OWN);
        assert_eq!(fitting(256, 4096), FEWEST);
        assert_eq!(fitting(256, 10), 10);
    }
}
