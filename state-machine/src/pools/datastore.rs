//! Datastore: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a datastore.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Datastore {}

impl PoolBody for Datastore {
    const KIND: Kind = Kind::Datastore;
    body_of!(Datastore);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// What a capacity report does to a datastore.
///
/// # Errors
/// None that refuses the report: a datastore that is gone is ignored.
#[allow(unused_variables, clippy::unnecessary_wraps)]
pub fn monitored(txn: &mut Txn, datastore: i32, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    Ok(())
}

/// The objects of this pool in a fresh zone.
pub fn bootstrap(_txn: &mut Txn) -> Result<(), ApiError> {
    Ok(())
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.datastore.allocate", Kind::Datastore, &[req("template", Type::Str), req("cluster_id", Type::Int)], &[Need::Create(Kind::Datastore)]),
    write("one.datastore.chmod", Kind::Datastore, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::Datastore, 0)], verbs::chmod),
    write("one.datastore.chown", Kind::Datastore, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Datastore, 0)], verbs::chown),
    write("one.datastore.delete", Kind::Datastore, &[ID], &[Need::May(Kind::Datastore, 0, Op::Admin)], verbs::delete),
    unwritten("one.datastore.enable", Kind::Datastore, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::Datastore, 0, Op::Manage)]),
    read("one.datastore.info", Kind::Datastore, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Datastore, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.datastore.rename", Kind::Datastore, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Datastore, 0)], verbs::rename),
    write("one.datastore.update", Kind::Datastore, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Datastore, 0, Op::Manage)], verbs::update),
    read("one.datastorepool.info", Kind::Datastore, &[], &[], verbs::pool_all).while_disabled(),
];
