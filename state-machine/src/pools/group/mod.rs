//! Groups: methods. Who administrates one is in [`admins`].

pub mod admins;
pub mod allocate;
mod info;
mod quotas;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::group::Group;
use quorate_model::vm_operations;

use crate::methods::{ID, Method, Need, read, req, write};
use crate::params;
use crate::pools::acl;
use crate::pools::vdc::groups;
use crate::txn::Txn;
use crate::verbs::{self, Pool};

/// Groups below this id are the system's own.
const FIRST_DELETABLE: i32 = 100;

impl Pool for Group {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        vm_operations::check(&txn.object(Kind::Group, id).map_err(|e| e.text)?.template)
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        let refused = |reason: String| Err(ApiError::action(format!("Cannot delete group. {reason}")));
        if id < FIRST_DELETABLE {
            return refused("System Groups (ID < 100) cannot be deleted.".to_owned());
        }
        if !txn.get::<Group>(id)?.1.users.is_empty() {
            return refused(format!("Group {id} is not empty."));
        }
        acl::changes::forget_group(txn, id);
        groups::forget(txn, id);
        Ok(())
    }
}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write(
        "one.group.addadmin",
        Kind::Group,
        &[ID, req("uid", Type::Int)],
        &[Need::May(Kind::Group, 0, Op::Admin), Need::May(Kind::User, 1, Op::Admin)],
        admins::add_admin,
    ),
    write("one.group.allocate", Kind::Group, &[params::NAME], &[Need::Create(Kind::Group)], allocate::allocate)
        .makes_object(),
    write(
        "one.group.deladmin",
        Kind::Group,
        &[ID, req("uid", Type::Int)],
        &[Need::May(Kind::Group, 0, Op::Admin), Need::May(Kind::User, 1, Op::Admin)],
        admins::remove_admin,
    ),
    write(
        "one.group.delete",
        Kind::Group,
        params::OBJECT,
        &[Need::May(Kind::Group, 0, Op::Admin)],
        verbs::delete::<Group>,
    )
    .ends_object(),
    read("one.group.info", Kind::Group, params::INFO, &[], info::info).while_disabled(),
    write("one.group.quota", Kind::Group, &[ID, params::TEMPLATE], &[], quotas::set),
    write(
        "one.group.update",
        Kind::Group,
        params::UPDATE,
        &[Need::May(Kind::Group, 0, Op::Manage)],
        verbs::update::<Group>,
    ),
    read("one.grouppool.info", Kind::Group, &[], &[], info::pool_info).while_disabled(),
    read("one.groupquota.info", Kind::Group, &[], &[], quotas::default_quotas).while_disabled(),
    write("one.groupquota.update", Kind::Group, params::CREATE, &[], quotas::update_default_quotas),
];
