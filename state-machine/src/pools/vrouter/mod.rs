//! The methods of virtual routers. A router is a set of VMs with the same NICs, and floating addresses they share.
//!
//! NICs and their leases are in [`nics`]; what happens to the VMs along with the router is in `access` and `vms`.

mod access;
mod allocate;
pub mod members;
pub mod nics;
mod vms;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::vrouter::VRouter;
use quorate_model::template::Template;

use crate::methods::{Default, ID, Method, Need, opt, read, req, write};
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for VRouter {
    /// NICs change by attaching and detaching only.
    fn updating(txn: &Txn, id: i32, new: &mut Template, replaces: bool) {
        new.remove("NIC");
        if let Ok(object) = txn.object(Kind::VRouter, id)
            && replaces
        {
            new.set_vectors("NIC", object.template.vectors("NIC").cloned());
        }
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        nics::release_all(txn, id)?;
        vms::end_all(txn, id)
    }
}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write("one.vrouter.allocate", Kind::VRouter, params::CREATE, &[], allocate::allocate).makes_object(),
    write("one.vrouter.attachnic", Kind::VRouter, &[ID, params::TEMPLATE], &[], nics::attach),
    write("one.vrouter.chmod", Kind::VRouter, params::CHMOD, &[Need::Exists(Kind::VRouter, 0)], access::chmod),
    write("one.vrouter.chown", Kind::VRouter, params::CHOWN, &[Need::Exists(Kind::VRouter, 0)], access::chown),
    write(
        "one.vrouter.delete",
        Kind::VRouter,
        &[ID, opt("ignored", Type::Bool, Default::Bool(false))],
        &[Need::May(Kind::VRouter, 0, Op::Manage)],
        verbs::delete::<VRouter>,
    )
    .ends_object(),
    write(
        "one.vrouter.detachnic",
        Kind::VRouter,
        &[ID, req("nic_id", Type::Int)],
        &[Need::May(Kind::VRouter, 0, Op::Manage)],
        nics::detach,
    ),
    read(
        "one.vrouter.info",
        Kind::VRouter,
        params::INFO,
        &[Need::MayIgnoringLock(Kind::VRouter, 0, Op::Use)],
        verbs::info,
    )
    .while_disabled(),
    write(
        "one.vrouter.instantiate",
        Kind::VRouter,
        &[
            ID,
            req("number", Type::Int),
            req("template_id", Type::Int),
            params::NAME,
            req("hold", Type::Bool),
            req("extra_template", Type::Str),
        ],
        &[],
        vms::instantiate,
    ),
    write(
        "one.vrouter.lock",
        Kind::VRouter,
        params::LOCK,
        &[Need::MayIgnoringLock(Kind::VRouter, 0, Op::Manage)],
        verbs::lock,
    ),
    write(
        "one.vrouter.rename",
        Kind::VRouter,
        params::RENAME,
        &[Need::Exists(Kind::VRouter, 0)],
        verbs::rename::<VRouter>,
    ),
    write(
        "one.vrouter.unlock",
        Kind::VRouter,
        params::OBJECT,
        &[Need::MayIgnoringLock(Kind::VRouter, 0, Op::Manage)],
        verbs::unlock,
    ),
    write(
        "one.vrouter.update",
        Kind::VRouter,
        params::UPDATE,
        &[Need::May(Kind::VRouter, 0, Op::Manage)],
        verbs::update::<VRouter>,
    ),
    read("one.vrouterpool.info", Kind::VRouter, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
