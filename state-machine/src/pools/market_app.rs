//! MarketApp: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a marketapp.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MarketApp {}

impl PoolBody for MarketApp {
    const KIND: Kind = Kind::MarketApp;
    body_of!(MarketApp);
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
    unwritten("one.marketapp.allocate", Kind::MarketApp, &[req("template", Type::Str), req("market_id", Type::Int)], &[Need::Create(Kind::MarketApp)]),
    unwritten("one.marketapp.allocatedb", Kind::MarketApp, &[req("xml", Type::Str)], &[Need::Oneadmin]),
    write("one.marketapp.chmod", Kind::MarketApp, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::MarketApp, 0)], verbs::chmod),
    write("one.marketapp.chown", Kind::MarketApp, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::MarketApp, 0)], verbs::chown),
    write("one.marketapp.delete", Kind::MarketApp, &[ID], &[Need::May(Kind::MarketApp, 0, Op::Manage)], verbs::delete),
    unwritten("one.marketapp.dropdb", Kind::MarketApp, &[ID], &[Need::Oneadmin]),
    unwritten("one.marketapp.enable", Kind::MarketApp, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::MarketApp, 0, Op::Manage)]),
    read("one.marketapp.info", Kind::MarketApp, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::MarketApp, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.marketapp.lock", Kind::MarketApp, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::MarketApp, 0, Op::Manage)], verbs::lock),
    write("one.marketapp.rename", Kind::MarketApp, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::MarketApp, 0)], verbs::rename),
    write("one.marketapp.unlock", Kind::MarketApp, &[ID], &[Need::MayIgnoringLock(Kind::MarketApp, 0, Op::Manage)], verbs::unlock),
    write("one.marketapp.update", Kind::MarketApp, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::MarketApp, 0, Op::Manage)], verbs::update),
    unwritten("one.marketapp.updatedb", Kind::MarketApp, &[ID, req("xml", Type::Str)], &[Need::Oneadmin]),
    read("one.marketapppool.info", Kind::MarketApp, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
