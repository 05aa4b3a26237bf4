//! Zone: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::command::ZoneServer;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, node, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a zone.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Zone {
    /// Whether the zone takes calls.
    pub enabled: bool,
    /// The servers, when there are several.
    pub servers: Vec<ZoneServer>,
}

impl PoolBody for Zone {
    const KIND: Kind = Kind::Zone;
    body_of!(Zone);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.zone.addserver", Kind::Zone, &[ID, req("template", Type::Str)], &[Need::May(Kind::Zone, 0, Op::Admin)]),
    unwritten("one.zone.allocate", Kind::Zone, &[req("template", Type::Str)], &[Need::Create(Kind::Zone)]),
    write("one.zone.delete", Kind::Zone, &[ID], &[Need::May(Kind::Zone, 0, Op::Admin)], verbs::delete),
    unwritten("one.zone.delserver", Kind::Zone, &[ID, req("server_id", Type::Int)], &[Need::May(Kind::Zone, 0, Op::Admin)]),
    unwritten("one.zone.enable", Kind::Zone, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::Zone, 0, Op::Admin)]).while_disabled(),
    unwritten("one.zone.fedreplicate", Kind::Zone, &[req("index", Type::Int64), req("prev_index", Type::Int64), req("sql", Type::Str)], &[Need::Oneadmin]).while_disabled(),
    read("one.zone.info", Kind::Zone, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Zone, 0, Op::Use)], verbs::info).while_disabled(),
    node("one.zone.raftstatus", Kind::Zone, &[], &[Need::MayLocalZone(Op::Admin)]).while_disabled(),
    write("one.zone.rename", Kind::Zone, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Zone, 0)], verbs::rename),
    unwritten("one.zone.replicate", Kind::Zone, &[req("leader_id", Type::Int), req("leader_commit", Type::Int64), req("leader_term", Type::Int), req("index", Type::Int64), req("term", Type::Int), req("prev_index", Type::Int64), req("prev_term", Type::Int), req("fed_index", Type::Int64), req("sql", Type::Str)], &[Need::Oneadmin]).while_disabled(),
    unwritten("one.zone.resetserver", Kind::Zone, &[ID, req("server_id", Type::Int)], &[Need::May(Kind::Zone, 0, Op::Admin)]),
    write("one.zone.update", Kind::Zone, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Zone, 0, Op::Manage)], verbs::update),
    unwritten("one.zone.updatedb", Kind::Zone, &[ID, req("xml", Type::Str)], &[Need::Oneadmin]),
    unwritten("one.zone.voterequest", Kind::Zone, &[req("term", Type::Int), req("candidate_id", Type::Int), req("log_index", Type::Int64), req("log_term", Type::Int)], &[Need::Oneadmin]).while_disabled(),
    read("one.zonepool.info", Kind::Zone, &[], &[], verbs::pool_all).while_disabled(),
];
