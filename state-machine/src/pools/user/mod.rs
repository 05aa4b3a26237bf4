//! Users: methods. Their accounts are made in [`allocate`], their groups changed in [`membership`], their credentials in
//! [`credentials`]; who a session belongs to is decided in [`crate::login`].

pub mod allocate;
pub mod credentials;
pub mod enrol;
mod info;
mod membership;
mod quotas;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::user::{ONEADMIN, User};
use quorate_model::vm_operations;

use self::credentials::FORGET_TOKEN;
use self::enrol::ENROL;
use crate::methods::{Default, ID, Method, Need, opt, read, req, write};
use crate::pools::acl::changes;
use crate::pools::group::admins;
use crate::txn::Txn;
use crate::verbs::{self, Pool};
use crate::{params, sizes};

impl Pool for User {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let template = &txn.object(Kind::User, id).map_err(|e| e.text)?.template;
        if txn.is_admin(txn.actor()) {
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
            admins::forget_user(txn, gid, id);
        }
        changes::forget_user(txn, id);
        Ok(())
    }
}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write(
        "one.user.addgroup",
        Kind::User,
        &[ID, req("gid", Type::Int)],
        &[Need::Exists(Kind::User, 0)],
        membership::add,
    ),
    write(
        "one.user.allocate",
        Kind::User,
        &[
            req("username", Type::Str),
            req("password", Type::Str).secret(),
            req("auth_driver", Type::Str),
            opt("group_ids", Type::Ints, Default::NoInts),
        ],
        &[],
        allocate::allocate,
    )
    .makes_object(),
    write(
        "one.user.chauth",
        Kind::User,
        &[ID, req("auth_driver", Type::Str), req("password", Type::Str).secret()],
        &[Need::May(Kind::User, 0, Op::Admin)],
        credentials::change_driver,
    ),
    write("one.user.chgrp", Kind::User, &[ID, req("gid", Type::Int)], &[], membership::change_primary),
    write("one.user.delete", Kind::User, params::OBJECT, &[Need::May(Kind::User, 0, Op::Admin)], verbs::delete::<User>)
        .ends_object(),
    write(
        "one.user.delgroup",
        Kind::User,
        &[ID, req("gid", Type::Int)],
        &[Need::Exists(Kind::User, 0)],
        membership::remove,
    ),
    write(
        "one.user.enable",
        Kind::User,
        &[ID, req("enable", Type::Bool)],
        &[Need::May(Kind::User, 0, Op::Admin)],
        credentials::enable,
    ),
    read("one.user.info", Kind::User, params::INFO, &[], info::info).while_disabled(),
    write(
        "one.user.login",
        Kind::User,
        &[
            req("username", Type::Str),
            req("token", Type::Str).secret(),
            req("period", Type::Int),
            opt("egid", Type::Int, Default::Int(-1)),
        ],
        &[],
        credentials::login,
    ),
    write(
        "one.user.passwd",
        Kind::User,
        &[ID, req("password", Type::Str).secret()],
        &[Need::May(Kind::User, 0, Op::Manage)],
        credentials::change_password,
    ),
    write("one.user.quota", Kind::User, &[ID, params::TEMPLATE], &[Need::May(Kind::User, 0, Op::Admin)], quotas::set),
    write(
        "one.user.update",
        Kind::User,
        params::UPDATE,
        &[Need::May(Kind::User, 0, Op::Manage)],
        verbs::update::<User>,
    ),
    read("one.userpool.info", Kind::User, &[], &[], info::pool_info).while_disabled(),
    read("one.userquota.info", Kind::User, &[], &[], quotas::default_quotas).while_disabled(),
    write("one.userquota.update", Kind::User, params::CREATE, &[], quotas::update_default_quotas),
];

/// Calls that clients cannot name (see [`crate::pools::INTERNAL`]).
pub static INTERNAL: &[Method] = &[
    write(
        ENROL,
        Kind::User,
        &[
            req("username", Type::Str),
            req("password", Type::Str).secret(),
            req("auth_driver", Type::Str),
            req("group_ids", Type::Ints),
            req("admin_group_ids", Type::Ints),
        ],
        &[],
        enrol::enrol,
    ),
    write(FORGET_TOKEN, Kind::User, &[ID, req("fingerprint", Type::Int64)], &[], credentials::forget_token),
];
