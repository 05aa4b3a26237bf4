//! Zones: the local one, its servers, whether it takes calls. There is no federation: no others can be made.
//!
//! The servers here are labels that operators and clients see, and what the leader makes Raft's members follow; how,
//! and when, is not decided here.

mod local;
pub mod servers;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::zone::Zone;

use self::servers::{ALLOCATE_NODE, LEFT};
use crate::methods::{ID, Method, Need, node, read, req, write};
use crate::params;
use crate::pools::system::sql::no_sql;
use crate::txn::Txn;
use crate::verbs::{self, Pool};

/// Zones below this id are the system's own.
const FIRST_DELETABLE: i32 = 100;

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

/// Calls that clients cannot name (see [`crate::pools::INTERNAL`]).
pub static INTERNAL: &[Method] = &[
    write(ALLOCATE_NODE, Kind::Zone, &[req("taken", Type::Int64)], &[], servers::allocate_node),
    write(LEFT, Kind::Zone, &[params::NAME], &[], servers::left),
];

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write("one.zone.addserver", Kind::Zone, &[ID, params::TEMPLATE], &[], servers::add_server),
    write("one.zone.allocate", Kind::Zone, params::CREATE, &[], local::allocate).makes_object().parameters_unread(),
    write("one.zone.delete", Kind::Zone, params::OBJECT, &[Need::May(Kind::Zone, 0, Op::Admin)], verbs::delete::<Zone>)
        .ends_object(),
    write("one.zone.delserver", Kind::Zone, &[ID, req("server_id", Type::Int)], &[], servers::delete_server)
        .asking(servers::removal),
    write("one.zone.enable", Kind::Zone, &[ID, req("enable", Type::Bool)], &[], local::enable).while_disabled(),
    read(
        "one.zone.fedreplicate",
        Kind::Zone,
        &[req("index", Type::Int64), req("prev_index", Type::Int64), req("sql", Type::Str)],
        &[Need::Oneadmin],
        no_sql,
    )
    .while_disabled(),
    read("one.zone.info", Kind::Zone, params::INFO, &[Need::MayIgnoringLock(Kind::Zone, 0, Op::Use)], verbs::info)
        .while_disabled(),
    node("one.zone.raftstatus", Kind::Zone, &[], &[Need::MayLocalZone(Op::Admin)], servers::raft_status)
        .while_disabled(),
    write("one.zone.rename", Kind::Zone, params::RENAME, &[Need::Exists(Kind::Zone, 0)], verbs::rename::<Zone>),
    read(
        "one.zone.replicate",
        Kind::Zone,
        &[
            req("leader_id", Type::Int),
            req("leader_commit", Type::Int64),
            req("leader_term", Type::Int),
            req("index", Type::Int64),
            req("term", Type::Int),
            req("prev_index", Type::Int64),
            req("prev_term", Type::Int),
            req("fed_index", Type::Int64),
            req("sql", Type::Str),
        ],
        &[Need::Oneadmin],
        no_sql,
    )
    .while_disabled(),
    write("one.zone.resetserver", Kind::Zone, &[ID, req("server_id", Type::Int)], &[], servers::reset_server),
    write(
        "one.zone.update",
        Kind::Zone,
        params::UPDATE,
        &[Need::May(Kind::Zone, 0, Op::Manage)],
        verbs::update::<Zone>,
    ),
    read("one.zone.updatedb", Kind::Zone, &[ID, req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    read(
        "one.zone.voterequest",
        Kind::Zone,
        &[
            req("term", Type::Int),
            req("candidate_id", Type::Int),
            req("log_index", Type::Int64),
            req("log_term", Type::Int),
        ],
        &[Need::Oneadmin],
        no_sql,
    )
    .while_disabled(),
    read("one.zonepool.info", Kind::Zone, &[], &[], verbs::pool_all).while_disabled(),
];
