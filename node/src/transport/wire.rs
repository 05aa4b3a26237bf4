//! Raft's messages to their wire form and back. A received message that is incomplete is refused.

use openraft::raft::{
    AppendEntriesRequest, StreamAppendError, TransferLeaderError, TransferLeaderRequest, TransferLeaderResponse,
    VoteRequest, VoteResponse,
};
use quorate_proto::v1;
use quorate_raft_store::convert::{
    Malformed, entry_from_proto, entry_to_proto, log_id_from_proto, log_id_to_proto, vote_from_proto, vote_to_proto,
};
use quorate_raft_store::types::{LogId, TypeConfig};

/// What a follower answers to an append.
pub type AppendResult = Result<Option<LogId>, StreamAppendError<TypeConfig>>;

fn id_to(id: Option<LogId>) -> Option<v1::LogId> {
    id.as_ref().map(log_id_to_proto)
}

fn id_from(id: Option<v1::LogId>) -> Option<LogId> {
    id.as_ref().map(log_id_from_proto)
}

pub fn vote_request_to(request: &VoteRequest<TypeConfig>) -> v1::VoteRequest {
    v1::VoteRequest {
        vote: Some(vote_to_proto(&request.vote)),
        last_log_id: id_to(request.last_log_id),
        leadership_transfer: request.leadership_transfer,
    }
}

pub fn vote_request_from(request: v1::VoteRequest) -> Result<VoteRequest<TypeConfig>, Malformed> {
    let mut result = VoteRequest::new(vote_from_proto(request.vote)?, id_from(request.last_log_id));
    result.leadership_transfer = request.leadership_transfer;
    Ok(result)
}

pub fn vote_reply_to(reply: &VoteResponse<TypeConfig>) -> v1::VoteReply {
    v1::VoteReply {
        vote: Some(vote_to_proto(&reply.vote)),
        granted: reply.vote_granted,
        last_log_id: id_to(reply.last_log_id),
    }
}

pub fn vote_reply_from(reply: v1::VoteReply) -> Result<VoteResponse<TypeConfig>, Malformed> {
    Ok(VoteResponse::new(vote_from_proto(reply.vote)?, id_from(reply.last_log_id), reply.granted))
}

pub fn append_to(request: &AppendEntriesRequest<TypeConfig>) -> v1::AppendRequest {
    v1::AppendRequest {
        vote: Some(vote_to_proto(&request.vote)),
        prev_log_id: id_to(request.prev_log_id),
        entries: request.entries.iter().map(entry_to_proto).collect(),
        leader_commit: id_to(request.leader_commit),
    }
}

/// Refuses entries that do not follow each other, which would leave a hole in the log.
pub fn append_from(request: v1::AppendRequest) -> Result<AppendEntriesRequest<TypeConfig>, Malformed> {
    let prev_log_id = id_from(request.prev_log_id);
    let mut next = prev_log_id.map_or(0, |id| id.index.saturating_add(1));
    let mut entries = Vec::with_capacity(request.entries.len());
    for entry in request.entries {
        let entry = entry_from_proto(entry)?;
        if entry.log_id.index != next {
            return Err(Malformed(format!("entry {} instead of {next}", entry.log_id.index)));
        }
        next = next.saturating_add(1);
        entries.push(entry);
    }
    let vote = vote_from_proto(request.vote)?;
    Ok(AppendEntriesRequest { vote, prev_log_id, entries, leader_commit: id_from(request.leader_commit) })
}

pub fn append_reply_to(result: AppendResult) -> v1::AppendReply {
    use v1::append_reply::Result as R;
    let result = match result {
        Ok(matched) => R::Matched(v1::Matched { log_id: id_to(matched) }),
        Err(StreamAppendError::Conflict(id)) => R::Conflict(log_id_to_proto(&id)),
        Err(StreamAppendError::HigherVote(vote)) => R::HigherVote(vote_to_proto(&vote)),
    };
    v1::AppendReply { result: Some(result) }
}

pub fn append_reply_from(reply: v1::AppendReply) -> Result<AppendResult, Malformed> {
    use v1::append_reply::Result as R;
    Ok(match reply.result.ok_or_else(|| Malformed::missing("result of an append"))? {
        R::Matched(matched) => Ok(id_from(matched.log_id)),
        R::Conflict(id) => Err(StreamAppendError::Conflict(log_id_from_proto(&id))),
        R::HigherVote(vote) => Err(StreamAppendError::HigherVote(vote_from_proto(Some(vote))?)),
    })
}

pub fn transfer_to(request: &TransferLeaderRequest<TypeConfig>) -> v1::TransferLeaderRequest {
    v1::TransferLeaderRequest {
        from_leader: Some(vote_to_proto(request.from_leader())),
        to: *request.to_node_id(),
        last_log_id: id_to(request.last_log_id().copied()),
    }
}

pub fn transfer_from(request: v1::TransferLeaderRequest) -> Result<TransferLeaderRequest<TypeConfig>, Malformed> {
    let from = vote_from_proto(request.from_leader)?;
    Ok(TransferLeaderRequest::new(from, request.to, id_from(request.last_log_id)))
}

pub fn transfer_reply_to(reply: TransferLeaderResponse<TypeConfig>) -> v1::TransferLeaderReply {
    use v1::transfer_leader_reply::Result as R;
    let result = match reply {
        Ok(()) => R::Accepted(v1::Accepted {}),
        Err(TransferLeaderError::VoteChanged { expected, actual }) => R::VoteChanged(v1::VoteChanged {
            expected: Some(vote_to_proto(&expected)),
            actual: Some(vote_to_proto(&actual)),
        }),
        Err(TransferLeaderError::LogNotFlushed { expected, actual }) => {
            R::LogNotFlushed(v1::LogNotFlushed { expected: id_to(expected), actual: id_to(actual) })
        }
    };
    v1::TransferLeaderReply { result: Some(result) }
}

pub fn transfer_reply_from(reply: v1::TransferLeaderReply) -> Result<TransferLeaderResponse<TypeConfig>, Malformed> {
    use v1::transfer_leader_reply::Result as R;
    Ok(match reply.result.ok_or_else(|| Malformed::missing("result of a transfer"))? {
        R::Accepted(v1::Accepted {}) => Ok(()),
        R::VoteChanged(changed) => Err(TransferLeaderError::VoteChanged {
            expected: vote_from_proto(changed.expected)?,
            actual: vote_from_proto(changed.actual)?,
        }),
        R::LogNotFlushed(log) => {
            Err(TransferLeaderError::LogNotFlushed { expected: id_from(log.expected), actual: id_from(log.actual) })
        }
    })
}
