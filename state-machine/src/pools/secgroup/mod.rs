//! Security groups: methods. The rules that VMs get from them are in [`vms`], bringing them there in [`rollout`].

pub mod allocate;
pub mod rollout;
mod rules;
pub mod vms;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::secgroup::{DEFAULT, SecGroup};

use crate::methods::{ID, Method, Need, read, req, write};
use crate::params;
use crate::txn::Txn;
use crate::verbs::{self, Pool};

impl Pool for SecGroup {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let template = &mut txn.object_mut(Kind::SecGroup, id).map_err(|e| e.text)?.template;
        rules::normalize(template)?;
        rollout::refuse_growth(txn, id)?;
        rollout::start(txn, id, false);
        Ok(())
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        let refuse = |reason: &str| Err(ApiError::action(format!("Cannot delete security group. {reason}")));
        if id == DEFAULT {
            return refuse("The default security group (ID 0) cannot be deleted.");
        }
        if !txn.get::<SecGroup>(id)?.1.vms.is_empty() {
            return refuse("The security group has VMs using it");
        }
        Ok(())
    }
}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write("one.secgroup.allocate", Kind::SecGroup, params::CREATE, &[], allocate::allocate).makes_object(),
    write("one.secgroup.chmod", Kind::SecGroup, params::CHMOD, &[Need::Exists(Kind::SecGroup, 0)], verbs::chmod),
    write(
        "one.secgroup.chown",
        Kind::SecGroup,
        params::CHOWN,
        &[Need::Exists(Kind::SecGroup, 0)],
        verbs::chown::<SecGroup>,
    ),
    write(
        "one.secgroup.clone",
        Kind::SecGroup,
        &[ID, params::NAME],
        &[Need::May(Kind::SecGroup, 0, Op::Use), Need::Create(Kind::SecGroup)],
        allocate::clone,
    ),
    write(
        "one.secgroup.commit",
        Kind::SecGroup,
        &[ID, req("recover", Type::Bool)],
        &[Need::May(Kind::SecGroup, 0, Op::Manage)],
        rollout::commit,
    ),
    write(
        "one.secgroup.delete",
        Kind::SecGroup,
        params::OBJECT,
        &[Need::May(Kind::SecGroup, 0, Op::Manage)],
        verbs::delete::<SecGroup>,
    )
    .ends_object(),
    read(
        "one.secgroup.info",
        Kind::SecGroup,
        params::INFO,
        &[Need::MayIgnoringLock(Kind::SecGroup, 0, Op::Use)],
        verbs::info,
    )
    .while_disabled(),
    write(
        "one.secgroup.rename",
        Kind::SecGroup,
        params::RENAME,
        &[Need::Exists(Kind::SecGroup, 0)],
        verbs::rename::<SecGroup>,
    ),
    write(
        "one.secgroup.update",
        Kind::SecGroup,
        params::UPDATE,
        &[Need::May(Kind::SecGroup, 0, Op::Manage)],
        verbs::update::<SecGroup>,
    ),
    read("one.secgrouppool.info", Kind::SecGroup, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
