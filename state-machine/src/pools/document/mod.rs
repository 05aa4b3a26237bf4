//! Documents: templates of any type that other services keep in the zone (OneFlow's services, for one).

mod allocate;
mod listing;

use quorate_model::api::Type;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::document::Document;

use crate::methods::{ID, Method, Need, read, req, write};
use crate::params;
use crate::verbs::{self, Pool};

impl Pool for Document {}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write(
        "one.document.allocate",
        Kind::Document,
        &[params::TEMPLATE, req("type", Type::Int)],
        &[],
        allocate::allocate,
    )
    .makes_object(),
    write("one.document.chmod", Kind::Document, params::CHMOD, &[Need::Exists(Kind::Document, 0)], verbs::chmod),
    write(
        "one.document.chown",
        Kind::Document,
        params::CHOWN,
        &[Need::Exists(Kind::Document, 0)],
        verbs::chown::<Document>,
    ),
    write(
        "one.document.clone",
        Kind::Document,
        &[ID, params::NAME],
        &[Need::May(Kind::Document, 0, Op::Use), Need::Create(Kind::Document)],
        allocate::clone,
    ),
    write(
        "one.document.delete",
        Kind::Document,
        params::OBJECT,
        &[Need::May(Kind::Document, 0, Op::Manage)],
        verbs::delete::<Document>,
    )
    .ends_object(),
    read(
        "one.document.info",
        Kind::Document,
        params::INFO,
        &[Need::MayIgnoringLock(Kind::Document, 0, Op::Use)],
        verbs::info,
    )
    .while_disabled(),
    write(
        "one.document.lock",
        Kind::Document,
        params::LOCK,
        &[Need::MayIgnoringLock(Kind::Document, 0, Op::Manage)],
        verbs::lock,
    ),
    write(
        "one.document.rename",
        Kind::Document,
        params::RENAME,
        &[Need::Exists(Kind::Document, 0)],
        verbs::rename::<Document>,
    ),
    write(
        "one.document.unlock",
        Kind::Document,
        params::OBJECT,
        &[Need::MayIgnoringLock(Kind::Document, 0, Op::Manage)],
        verbs::unlock,
    ),
    write(
        "one.document.update",
        Kind::Document,
        params::UPDATE,
        &[Need::May(Kind::Document, 0, Op::Manage)],
        verbs::update::<Document>,
    ),
    read(
        "one.documentpool.info",
        Kind::Document,
        &[params::FILTER, req("start", Type::Int), req("end", Type::Int), req("type", Type::Int)],
        &[],
        listing::pool_info,
    )
    .while_disabled(),
];
