//! The servers of the local zone: declared, removed; the ids of their Raft nodes.

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::{Actor, ZoneServer};
use quorate_model::error::ApiError;
use quorate_model::kind::LOCAL_ZONE;
use quorate_model::raft_status::RaftStatus;
use quorate_model::records::zone::Zone;
use quorate_model::template::parse;
use quorate_model::xml::XmlWriter;

use super::local::check_local;
use crate::methods::{Ask, Request, View};
use crate::state::State;
use crate::txn::Txn;

const ADD_ELSEWHERE: &str = "Servers have to be added through the target zone endpoints";

const DELETE_ELSEWHERE: &str = "Servers have to be deleted through the target zone endpoints";

/// `one.zone.addserver`: parameters zone, template with a SERVER.
pub fn add_server(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    check_local(txn, txn.actor(), request, ADD_ELSEWHERE)?;
    let template = parse::parse(request.str(1)).map_err(ApiError::action)?;
    let Some(given) = template.vectors("SERVER").next() else {
        // The reference has no words for it.
        return Err(ApiError::action(""));
    };
    if let Some(missing) = ["NAME", "ENDPOINT"].into_iter().find(|name| given.value(name).is_empty()) {
        return Err(ApiError::action(format!("Missing {missing} in SERVER")));
    }
    let (name, endpoint) = (given.value("NAME").to_owned(), given.value("ENDPOINT").to_owned());
    let peer = given.value("PEER").to_owned();
    let zone = txn.body_mut::<Zone>(LOCAL_ZONE)?;
    if zone.servers.iter().any(|s| s.name == name) {
        // *Better* than the reference, which keeps both: members are found by the name of their server.
        return Err(ApiError::action(format!("SERVER {name} is in the zone already")));
    }
    let id = zone.servers.iter().map(|s| s.id.saturating_add(1)).max().unwrap_or(0);
    if !peer.is_empty() {
        zone.peers.insert(name.clone(), peer);
    }
    zone.servers.push(ZoneServer { id, name, endpoint });
    Ok(Value::Int(LOCAL_ZONE))
}

/// Where the server that a call deletes stands in the list of servers, if the caller may delete it.
fn position_of_deleted(state: &State, actor: &Actor, request: &Request<'_>) -> Result<usize, ApiError> {
    check_local(state, actor, request, DELETE_ELSEWHERE)?;
    let (_, zone) = state.get::<Zone>(LOCAL_ZONE)?;
    let position = zone.servers.iter().position(|s| s.id == request.int(1));
    position.ok_or_else(|| ApiError::action("SERVER not found in zone"))
}

/// What must be known before `one.zone.delserver` is proposed: the zone must not lose a server that it needs to work.
pub fn removal(view: &View<'_>, request: &Request<'_>) -> Option<Ask> {
    let position = position_of_deleted(view.state, view.actor, request).ok()?;
    let (_, zone) = view.state.find_typed::<Zone>(LOCAL_ZONE)?;
    zone.servers.get(position).map(|server| Ask::Removal(server.name.clone()))
}

/// `one.zone.delserver`: parameters zone, server.
pub fn delete_server(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let position = position_of_deleted(txn, txn.actor(), request)?;
    let zone = txn.body_mut::<Zone>(LOCAL_ZONE)?;
    let removed = zone.servers.remove(position);
    zone.peers.remove(&removed.name);
    zone.leaving.push(removed.name);
    Ok(Value::Int(LOCAL_ZONE))
}

/// `one.zone.resetserver`: parameters zone, server. Replication here needs no such help; any server is taken.
pub fn reset_server(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    check_local(txn, txn.actor(), request, DELETE_ELSEWHERE)?;
    Ok(Value::Int(LOCAL_ZONE))
}

/// The leader notes that Raft node ids up to this one are taken, and gets the next one.
pub const ALLOCATE_NODE: &str = "zone.allocatenode";

/// The leader says that no node of a removed server is a member any more.
pub const LEFT: &str = "zone.left";

/// [`ALLOCATE_NODE`]: parameter: the greatest id among the members.
pub fn allocate_node(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let taken = request.int64(0);
    let zone = txn.body_mut::<Zone>(LOCAL_ZONE)?;
    zone.highest_node = zone.highest_node.max(taken).saturating_add(1);
    Ok(Value::Int64(zone.highest_node))
}

/// [`LEFT`]: parameter: the server's name.
pub fn left(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    txn.body_mut::<Zone>(LOCAL_ZONE)?.leaving.retain(|name| name != request.str(0));
    Ok(Value::Int(LOCAL_ZONE))
}

/// The document of `one.zone.raftstatus`.
pub fn raft_status(status: &RaftStatus) -> ApiReply {
    let mut w = XmlWriter::new();
    w.element("RAFT", |w| {
        w.plain("SERVER_ID", status.server_id).plain("STATE", status.state).plain("TERM", status.term);
        w.plain("VOTEDFOR", status.voted_for).plain("COMMIT", status.commit).plain("LOG_INDEX", status.log_index);
        // There is no federation here.
        w.plain("LOG_TERM", status.log_term).plain("FEDLOG_INDEX", -1);
    });
    Ok(Value::Text(w.finish()))
}
