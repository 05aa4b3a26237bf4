//! Zones: the local one, its servers, whether it takes calls. There is no federation: no others can be made.
//!
//! The servers here are labels that operators and clients see, and what the leader makes Raft's members follow; how,
//! and when, is not decided here.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::{Request as AuthRequest, authorize};
use crate::command::{Actor, ZoneServer};
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::{Kind, LOCAL_ZONE};
use crate::methods::{Ask, Default, ID, Method, Need, Request, View, node, opt, read, req, write};
use crate::pools::system::no_sql;
use crate::raft_status::RaftStatus;
use crate::records::Record;
use crate::state::State;
use crate::template::{VectorAttribute, parse};
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

/// Zones below this id are the system's own.
const FIRST_DELETABLE: i32 = 100;

/// The particular part of a zone.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Zone {
    /// Whether the zone takes calls.
    pub enabled: bool,
    /// The servers, when there are several.
    pub servers: Vec<ZoneServer>,
    /// Where declared servers must serve their peers (`host:port`), by name, where that was said.
    pub peers: BTreeMap<String, String>,
    /// Names of servers that were removed while the nodes behind them may still replicate.
    pub leaving: Vec<String>,
    /// The greatest Raft node id ever used: ids are never given twice.
    pub highest_node: i64,
}

impl Record for Zone {
    const KIND: Kind = Kind::Zone;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("ZONE", |w| {
            w.plain("ID", head.id).plain("NAME", &head.name).plain("STATE", i32::from(!self.enabled));
            head.template.render("TEMPLATE", w);
            w.element("SERVER_POOL", |w| {
                for server in &self.servers {
                    let ZoneServer { id, name, endpoint } = server;
                    let fields = [("ENDPOINT", endpoint.clone()), ("ID", id.to_string()), ("NAME", name.clone())];
                    VectorAttribute::from_iter(fields).render("SERVER", w);
                }
            });
        });
    }
}

impl Pool for Zone {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let template = &mut txn.object_mut(Kind::Zone, id).map_err(|e| e.text)?.template;
        if template.value("ENDPOINT").is_empty() {
            template.set("ENDPOINT", "-");
        }
        template.remove("SERVER");
        Ok(())
    }

    fn deleting(_txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        if id < FIRST_DELETABLE {
            return Err(ApiError::action("Cannot delete zone. System Zones (ID < 100) cannot be deleted."));
        }
        Ok(())
    }
}

/// `one.zone.allocate`: there is no federation that a zone could join. As in the reference (`RequestManagerAllocate.cc`,
/// `ZoneAllocate::request_execute`) this is said before any parameter is read.
fn allocate(_txn: &mut Txn, _request: &Request<'_>) -> ApiReply {
    Err(ApiError::allocate(Kind::Zone, "New zones can only be created at federation master"))
}

/// Refuses calls about other zones than the local one before it looks at rights, as the reference does.
fn check_local(state: &State, actor: &Actor, request: &Request<'_>, refusal: &str) -> Result<(), ApiError> {
    if request.id() != LOCAL_ZONE {
        return Err(ApiError::action(refusal));
    }
    authorize(state, actor, &[AuthRequest::on(state.object(Kind::Zone, LOCAL_ZONE)?, Op::Admin)])
}

const ADD_ELSEWHERE: &str = "Servers have to be added through the target zone endpoints";
const DELETE_ELSEWHERE: &str = "Servers have to be deleted through the target zone endpoints";
const ENABLE_ELSEWHERE: &str = "Enable/disable mode have to be set through the target zone endpoints";

/// `one.zone.enable`: parameters zone, whether.
fn enable(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    check_local(txn, txn.actor(), request, ENABLE_ELSEWHERE)?;
    txn.body_mut::<Zone>(LOCAL_ZONE)?.enabled = request.bool(1);
    Ok(Value::Int(LOCAL_ZONE))
}

/// `one.zone.addserver`: parameters zone, template with a SERVER.
fn add_server(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
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
fn removal(view: &View<'_>, request: &Request<'_>) -> Option<Ask> {
    let position = position_of_deleted(view.state, view.actor, request).ok()?;
    let (_, zone) = view.state.find_typed::<Zone>(LOCAL_ZONE)?;
    zone.servers.get(position).map(|server| Ask::Removal(server.name.clone()))
}

/// `one.zone.delserver`: parameters zone, server.
fn delete_server(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let position = position_of_deleted(txn, txn.actor(), request)?;
    let zone = txn.body_mut::<Zone>(LOCAL_ZONE)?;
    let removed = zone.servers.remove(position);
    zone.peers.remove(&removed.name);
    zone.leaving.push(removed.name);
    Ok(Value::Int(LOCAL_ZONE))
}

/// `one.zone.resetserver`: parameters zone, server. Replication here needs no such help; any server is taken.
fn reset_server(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    check_local(txn, txn.actor(), request, DELETE_ELSEWHERE)?;
    Ok(Value::Int(LOCAL_ZONE))
}

/// The leader notes that Raft node ids up to this one are taken, and gets the next one.
pub const ALLOCATE_NODE: &str = "zone.allocatenode";
/// The leader says that no node of a removed server is a member any more.
pub const LEFT: &str = "zone.left";

/// [`ALLOCATE_NODE`]: parameter: the greatest id among the members.
fn allocate_node(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let taken = request.int64(0);
    let zone = txn.body_mut::<Zone>(LOCAL_ZONE)?;
    zone.highest_node = zone.highest_node.max(taken).saturating_add(1);
    Ok(Value::Int64(zone.highest_node))
}

/// [`LEFT`]: parameter: the server's name.
fn left(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    txn.body_mut::<Zone>(LOCAL_ZONE)?.leaving.retain(|name| name != request.str(0));
    Ok(Value::Int(LOCAL_ZONE))
}

/// Calls that clients cannot name (see [`crate::pools::INTERNAL`]).
#[rustfmt::skip]
pub static INTERNAL: &[Method] = &[
    write(ALLOCATE_NODE, Kind::Zone, &[req("taken", Type::Int64)], &[], allocate_node),
    write(LEFT, Kind::Zone, &[req("name", Type::Str)], &[], left),
];

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.zone.addserver", Kind::Zone, &[ID, req("template", Type::Str)], &[], add_server),
    write("one.zone.allocate", Kind::Zone, &[req("template", Type::Str)], &[], allocate).parameters_unread(),
    write("one.zone.delete", Kind::Zone, &[ID], &[Need::May(Kind::Zone, 0, Op::Admin)], verbs::delete::<Zone>),
    write("one.zone.delserver", Kind::Zone, &[ID, req("server_id", Type::Int)], &[], delete_server).asking(removal),
    write("one.zone.enable", Kind::Zone, &[ID, req("enable", Type::Bool)], &[], enable).while_disabled(),
    read("one.zone.fedreplicate", Kind::Zone, &[req("index", Type::Int64), req("prev_index", Type::Int64), req("sql", Type::Str)], &[Need::Oneadmin], no_sql).while_disabled(),
    read("one.zone.info", Kind::Zone, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Zone, 0, Op::Use)], verbs::info).while_disabled(),
    node("one.zone.raftstatus", Kind::Zone, &[], &[Need::MayLocalZone(Op::Admin)], raft_status).while_disabled(),
    write("one.zone.rename", Kind::Zone, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Zone, 0)], verbs::rename::<Zone>),
    read("one.zone.replicate", Kind::Zone, &[req("leader_id", Type::Int), req("leader_commit", Type::Int64), req("leader_term", Type::Int), req("index", Type::Int64), req("term", Type::Int), req("prev_index", Type::Int64), req("prev_term", Type::Int), req("fed_index", Type::Int64), req("sql", Type::Str)], &[Need::Oneadmin], no_sql).while_disabled(),
    write("one.zone.resetserver", Kind::Zone, &[ID, req("server_id", Type::Int)], &[], reset_server),
    write("one.zone.update", Kind::Zone, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Zone, 0, Op::Manage)], verbs::update::<Zone>),
    read("one.zone.updatedb", Kind::Zone, &[ID, req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    read("one.zone.voterequest", Kind::Zone, &[req("term", Type::Int), req("candidate_id", Type::Int), req("log_index", Type::Int64), req("log_term", Type::Int)], &[Need::Oneadmin], no_sql).while_disabled(),
    read("one.zonepool.info", Kind::Zone, &[], &[], verbs::pool_all).while_disabled(),
];

/// The document of `one.zone.raftstatus`.
fn raft_status(status: &RaftStatus) -> ApiReply {
    let mut w = XmlWriter::new();
    w.element("RAFT", |w| {
        w.plain("SERVER_ID", status.server_id).plain("STATE", status.state).plain("TERM", status.term);
        w.plain("VOTEDFOR", status.voted_for).plain("COMMIT", status.commit).plain("LOG_INDEX", status.log_index);
        // There is no federation here.
        w.plain("LOG_TERM", status.log_term).plain("FEDLOG_INDEX", -1);
    });
    Ok(Value::Text(w.finish()))
}
