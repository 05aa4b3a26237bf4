//! What a node says of its part in replication. How it is shown is the business of `one.zone.raftstatus`.

/// What a node says of itself in `one.zone.raftstatus`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RaftStatus {
    /// The label of the server; -1 without HA.
    pub server_id: i32,
    /// 0 solo, 1 candidate, 2 follower, 3 leader.
    pub state: i32,
    /// Current term.
    pub term: i64,
    /// The label of the server voted for in this term; -1 none.
    pub voted_for: i32,
    /// Index of the last committed entry.
    pub commit: i64,
    /// Index of the last entry; -1 none.
    pub log_index: i64,
    /// Term of the last entry; -1 none.
    pub log_term: i64,
}

impl RaftStatus {
    /// Of a server without HA.
    pub const SOLO: RaftStatus =
        RaftStatus { server_id: -1, state: 0, term: 0, voted_for: -1, commit: 0, log_index: -1, log_term: -1 };
}
