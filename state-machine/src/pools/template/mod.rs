//! The methods of virtual machine templates.

mod calls;
mod content;
mod disks;
pub mod instantiate;
pub mod raw;
pub mod sched_action;

use quorate_model::api::Type;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::template::VmTemplate;

use crate::methods::{Default, ID, Method, Need, opt, read, write};
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for VmTemplate {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let mut template = txn.object(Kind::Template, id).map_err(|e| e.text)?.template.clone();
        content::check(txn.settings(), &mut template)?;
        txn.object_mut(Kind::Template, id).map_err(|e| e.text)?.template = template;
        Ok(())
    }
}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write("one.template.allocate", Kind::Template, params::CREATE, &[], calls::allocate).makes_object(),
    write(
        "one.template.chmod",
        Kind::Template,
        params::CHMOD_RECURSIVE,
        &[Need::Exists(Kind::Template, 0)],
        calls::chmod,
    ),
    write(
        "one.template.chown",
        Kind::Template,
        params::CHOWN,
        &[Need::Exists(Kind::Template, 0)],
        verbs::chown::<VmTemplate>,
    ),
    write(
        "one.template.clone",
        Kind::Template,
        &[ID, params::NAME, opt("recursive", Type::Bool, Default::Bool(false))],
        &[Need::May(Kind::Template, 0, Op::Use), Need::Create(Kind::Template)],
        calls::clone,
    ),
    write(
        "one.template.delete",
        Kind::Template,
        &[ID, opt("recursive", Type::Bool, Default::Bool(false))],
        &[Need::May(Kind::Template, 0, Op::Manage)],
        calls::delete,
    )
    .ends_object(),
    read(
        "one.template.info",
        Kind::Template,
        &[ID, opt("extended", Type::Bool, Default::Bool(false)), opt("decrypt", Type::Bool, Default::Bool(false))],
        &[Need::MayIgnoringLock(Kind::Template, 0, Op::Use)],
        calls::info,
    )
    .while_disabled(),
    write(
        "one.template.instantiate",
        Kind::Template,
        &[
            ID,
            params::NAME,
            opt("hold", Type::Bool, Default::Bool(false)),
            opt("extra_template", Type::Str, Default::Str("")),
            opt("persistent", Type::Bool, Default::Bool(false)),
        ],
        &[Need::Exists(Kind::Template, 0)],
        instantiate::call,
    )
    .not_with_just(3),
    write(
        "one.template.lock",
        Kind::Template,
        params::LOCK,
        &[Need::MayIgnoringLock(Kind::Template, 0, Op::Manage)],
        verbs::lock,
    ),
    write(
        "one.template.rename",
        Kind::Template,
        params::RENAME,
        &[Need::Exists(Kind::Template, 0)],
        verbs::rename::<VmTemplate>,
    ),
    write(
        "one.template.unlock",
        Kind::Template,
        params::OBJECT,
        &[Need::MayIgnoringLock(Kind::Template, 0, Op::Manage)],
        verbs::unlock,
    ),
    write(
        "one.template.update",
        Kind::Template,
        params::UPDATE,
        &[Need::May(Kind::Template, 0, Op::Manage)],
        verbs::update::<VmTemplate>,
    ),
    read("one.templatepool.info", Kind::Template, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
