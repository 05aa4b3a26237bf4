//! Virtual network templates: methods.

mod allocate;
mod instantiate;

use quorate_model::api::Type;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::vntemplate::VnTemplate;

use crate::methods::{ID, Method, Need, read, req, write};
use crate::params;
use crate::verbs::{self, Pool};

impl Pool for VnTemplate {}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write("one.vntemplate.allocate", Kind::VnTemplate, params::CREATE, &[], allocate::allocate).makes_object(),
    write("one.vntemplate.chmod", Kind::VnTemplate, params::CHMOD, &[Need::Exists(Kind::VnTemplate, 0)], verbs::chmod),
    write(
        "one.vntemplate.chown",
        Kind::VnTemplate,
        params::CHOWN,
        &[Need::Exists(Kind::VnTemplate, 0)],
        verbs::chown::<VnTemplate>,
    ),
    write(
        "one.vntemplate.clone",
        Kind::VnTemplate,
        &[ID, params::NAME],
        &[Need::May(Kind::VnTemplate, 0, Op::Use), Need::Create(Kind::VnTemplate)],
        allocate::clone,
    ),
    write(
        "one.vntemplate.delete",
        Kind::VnTemplate,
        params::OBJECT,
        &[Need::May(Kind::VnTemplate, 0, Op::Manage)],
        verbs::delete::<VnTemplate>,
    )
    .ends_object(),
    read(
        "one.vntemplate.info",
        Kind::VnTemplate,
        params::INFO,
        &[Need::MayIgnoringLock(Kind::VnTemplate, 0, Op::Use)],
        verbs::info,
    )
    .while_disabled(),
    write(
        "one.vntemplate.instantiate",
        Kind::VnTemplate,
        &[ID, params::NAME, req("extra_template", Type::Str)],
        &[Need::Exists(Kind::VnTemplate, 0)],
        instantiate::instantiate,
    ),
    write(
        "one.vntemplate.lock",
        Kind::VnTemplate,
        params::LOCK,
        &[Need::MayIgnoringLock(Kind::VnTemplate, 0, Op::Manage)],
        verbs::lock,
    ),
    write(
        "one.vntemplate.rename",
        Kind::VnTemplate,
        params::RENAME,
        &[Need::Exists(Kind::VnTemplate, 0)],
        verbs::rename::<VnTemplate>,
    ),
    write(
        "one.vntemplate.unlock",
        Kind::VnTemplate,
        params::OBJECT,
        &[Need::MayIgnoringLock(Kind::VnTemplate, 0, Op::Manage)],
        verbs::unlock,
    ),
    write(
        "one.vntemplate.update",
        Kind::VnTemplate,
        params::UPDATE,
        &[Need::May(Kind::VnTemplate, 0, Op::Manage)],
        verbs::update::<VnTemplate>,
    ),
    read("one.vntemplatepool.info", Kind::VnTemplate, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
