//! Users: body, methods. Their accounts are made in [`allocate`], their groups changed in [`membership`],
//! their credentials in [`credentials`]; who a session belongs to is decided in [`crate::login`].

mod allocate;
mod credentials;
mod enrol;
mod membership;
mod xml;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::{self, Request as AuthRequest};
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, View, opt, read, req, write};
use crate::pools::{acl, group};
use crate::quota::Quotas;
use crate::records::Record;
use crate::txn::Txn;
use crate::verbs::{Pool, listing};
use crate::xml::XmlWriter;
use crate::{sizes, verbs, vm_operations};

pub use allocate::bootstrap;
pub use credentials::{FORGET_TOKEN, hashed, is_credential, without_credentials};
pub use enrol::ENROL;

/// The administrator.
pub const ONEADMIN: i32 = 0;

/// Characters that neither names nor passwords of users may have; names may not have a colon either.
pub const SPACES: &str = " \t\n\u{b}\u{c}\r";

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
    /// Login tokens, sorted by the secret.
    pub tokens: Vec<LoginToken>,
    /// Own quota limits and usage.
    pub quotas: Quotas,
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

impl Record for User {
    const KIND: Kind = Kind::User;
    const RESTRICTED: &'static str = "USER_RESTRICTED_ATTR";
    const ONE_OF_EACH: bool = true;

    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        xml::render(self, head, form, w);
    }
}

impl Pool for User {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let template = &txn.object(Kind::User, id).map_err(|e| e.text)?.template;
        if authorize::is_admin(txn, txn.actor()) {
            // Only administrators set it, so it is they who hear that it is wrong.
            sizes::check_own_limit(template)?;
        }
        vm_operations::check(template)
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        if id == ONEADMIN {
            return Err(ApiError::action("Cannot delete user. oneadmin cannot be deleted."));
        }
        let groups = txn.get::<User>(id)?.1.groups.clone();
        for gid in groups {
            group::forget_user(txn, gid, id);
        }
        acl::forget_user(txn, id);
        Ok(())
    }
}

/// `one.user.info`: parameter id, -1 for the caller itself.
fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let id = if request.id() == -1 { view.actor.uid } else { request.id() };
    let object = view.state.object(Kind::User, id)?;
    view.authorize(&[AuthRequest::on(object, Op::Use).ignoring_lock()])?;
    let defaults = view.state.globals().default_user_quotas.document(xml::DEFAULT_QUOTAS);
    Ok(listing::with_appendix(&verbs::decrypted(view, request, object), &defaults))
}

/// `one.userpool.info`: the users, each followed by its quotas; then the default quotas.
fn pool_info(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    let defaults = view.state.globals().default_user_quotas.document(xml::DEFAULT_QUOTAS);
    listing::pool_with_appendix(view, Kind::User, &defaults)
}

/// `one.user.enable`: parameters id, whether.
fn enable(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    if request.id() == ONEADMIN {
        return Err(ApiError::action("Cannot enable/disable oneadmin user"));
    }
    txn.body_mut::<User>(request.id())?.enabled = request.bool(1);
    Ok(Value::Int(request.id()))
}

/// `one.user.quota`: parameters id, quota template.
fn quota(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    if request.id() == ONEADMIN {
        return Err(ApiError::action("Cannot set quotas for oneadmin user"));
    }
    let limits = crate::quota::parse(request.str(1))?;
    let user = txn.body_mut::<User>(request.id())?;
    user.quotas.set(&limits, crate::quota::Scope::Own).map_err(ApiError::action)?;
    Ok(Value::Int(request.id()))
}

/// `one.userquota.info`
fn default_quotas(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    Ok(Value::Text(view.state.globals().default_user_quotas.document(xml::DEFAULT_QUOTAS)))
}

/// `one.userquota.update`: parameter quota template.
fn update_default_quotas(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let limits = crate::quota::parse_defaults(txn, request.str(0))?;
    let defaults = &mut txn.globals_mut().default_user_quotas;
    defaults.set(&limits, crate::quota::Scope::Defaults).map_err(ApiError::action)?;
    Ok(Value::Text(defaults.document(xml::DEFAULT_QUOTAS)))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.user.addgroup", Kind::User, &[ID, req("gid", Type::Int)], &[Need::Exists(Kind::User, 0)], membership::add),
    write("one.user.allocate", Kind::User, &[req("username", Type::Str), req("password", Type::Str).secret(), req("auth_driver", Type::Str), opt("group_ids", Type::Ints, Default::NoInts)], &[], allocate::allocate),
    write("one.user.chauth", Kind::User, &[ID, req("auth_driver", Type::Str), req("password", Type::Str).secret()], &[Need::May(Kind::User, 0, Op::Admin)], credentials::change_driver),
    write("one.user.chgrp", Kind::User, &[ID, req("gid", Type::Int)], &[], membership::change_primary),
    write("one.user.delete", Kind::User, &[ID], &[Need::May(Kind::User, 0, Op::Admin)], verbs::delete::<User>),
    write("one.user.delgroup", Kind::User, &[ID, req("gid", Type::Int)], &[Need::Exists(Kind::User, 0)], membership::remove),
    write("one.user.enable", Kind::User, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::User, 0, Op::Admin)], enable),
    read("one.user.info", Kind::User, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[], info).while_disabled(),
    write("one.user.login", Kind::User, &[req("username", Type::Str), req("token", Type::Str).secret(), req("period", Type::Int), opt("egid", Type::Int, Default::Int(-1))], &[], credentials::login),
    write("one.user.passwd", Kind::User, &[ID, req("password", Type::Str).secret()], &[Need::May(Kind::User, 0, Op::Manage)], credentials::change_password),
    write("one.user.quota", Kind::User, &[ID, req("template", Type::Str)], &[Need::May(Kind::User, 0, Op::Admin)], quota),
    write("one.user.update", Kind::User, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::User, 0, Op::Manage)], verbs::update::<User>),
    read("one.userpool.info", Kind::User, &[], &[], pool_info).while_disabled(),
    read("one.userquota.info", Kind::User, &[], &[], default_quotas).while_disabled(),
    write("one.userquota.update", Kind::User, &[req("template", Type::Str)], &[], update_default_quotas),
];

/// Calls that clients cannot name (see [`crate::pools::INTERNAL`]).
#[rustfmt::skip]
pub static INTERNAL: &[Method] = &[
    write(ENROL, Kind::User, &[req("username", Type::Str), req("password", Type::Str).secret(), req("auth_driver", Type::Str), req("group_ids", Type::Ints), req("admin_group_ids", Type::Ints)], &[], enrol::enrol),
    write(FORGET_TOKEN, Kind::User, &[ID, req("fingerprint", Type::Int64)], &[], credentials::forget_token),
];
