//! User: body, XML, methods.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a user.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct User {
    /// The groups it is in, the primary one (the object's gid) included.
    pub groups: BTreeSet<i32>,
    /// Hash of the password; what it is of depends on the authentication driver.
    pub password: String,
    /// The authentication driver (`core`, `public`, ...).
    pub auth_driver: String,
    /// Whether it may log in.
    pub enabled: bool,
    /// Login tokens.
    pub tokens: Vec<LoginToken>,
    /// Own quota limits and usage.
    pub quotas: Template,
}

/// A login token.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct LoginToken {
    /// The secret itself.
    pub token: String,
    /// When it ends, unix seconds; -1 never.
    pub expires: i64,
    /// The group it is bound to; -1 all groups of the user.
    pub egid: i32,
}

impl PoolBody for User {
    const KIND: Kind = Kind::User;
    body_of!(User);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// The objects of this pool in a fresh zone.
pub fn bootstrap(_txn: &mut Txn, _oneadmin_hash: &str, _serveradmin_secret: &str) {}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.user.addgroup", Kind::User, &[ID, req("gid", Type::Int)], &[Need::May(Kind::User, 0, Op::Manage), Need::May(Kind::Group, 1, Op::Manage)]),
    unwritten("one.user.allocate", Kind::User, &[req("username", Type::Str), req("password", Type::Str), req("auth_driver", Type::Str), opt("group_ids", Type::Ints, Default::NoInts)], &[Need::Create(Kind::User)]),
    unwritten("one.user.chauth", Kind::User, &[ID, req("auth_driver", Type::Str), req("password", Type::Str)], &[Need::May(Kind::User, 0, Op::Admin)]),
    unwritten("one.user.chgrp", Kind::User, &[ID, req("gid", Type::Int)], &[Need::May(Kind::User, 0, Op::Manage)]),
    unwritten("one.user.delete", Kind::User, &[ID], &[Need::May(Kind::User, 0, Op::Admin)]),
    unwritten("one.user.delgroup", Kind::User, &[ID, req("gid", Type::Int)], &[Need::May(Kind::User, 0, Op::Manage), Need::May(Kind::Group, 1, Op::Manage)]),
    unwritten("one.user.enable", Kind::User, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::User, 0, Op::Admin)]),
    read("one.user.info", Kind::User, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::User, 0, Op::Use)], verbs::info).while_disabled(),
    unwritten("one.user.login", Kind::User, &[req("username", Type::Str), req("token", Type::Str), req("period", Type::Int), opt("egid", Type::Int, Default::Int(-1))], &[]),
    unwritten("one.user.passwd", Kind::User, &[ID, req("password", Type::Str)], &[Need::May(Kind::User, 0, Op::Manage)]),
    unwritten("one.user.quota", Kind::User, &[ID, req("template", Type::Str)], &[Need::May(Kind::User, 0, Op::Admin)]),
    write("one.user.update", Kind::User, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::User, 0, Op::Manage)], verbs::update),
    read("one.userpool.info", Kind::User, &[], &[], verbs::pool_all).while_disabled(),
    unwritten("one.userquota.info", Kind::User, &[], &[]).while_disabled(),
    unwritten("one.userquota.update", Kind::User, &[req("template", Type::Str)], &[Need::AdminGroup]),
];
