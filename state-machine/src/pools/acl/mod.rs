//! Access control rules: methods. What a rule gives is [`crate::rules`], who asks for what [`crate::authorize`].

pub mod changes;
mod faults;

use quorate_model::api::Type;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::acl::Acl;

use self::changes::{add_rule, delete_rule, info};
use crate::methods::{Default, Method, Need, opt, read, req, write};
use crate::params;
use crate::verbs::Pool;

impl Pool for Acl {}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write(
        "one.acl.addrule",
        Kind::Acl,
        &[
            req("user", Type::Str),
            req("resource", Type::Str),
            req("rights", Type::Str),
            opt("zone", Type::Str, Default::Str("")),
        ],
        &[Need::Pool(Kind::Acl, Op::Manage)],
        add_rule,
    ),
    write("one.acl.delrule", Kind::Acl, params::OBJECT, &[Need::Pool(Kind::Acl, Op::Manage)], delete_rule),
    read("one.acl.info", Kind::Acl, &[], &[Need::Pool(Kind::Acl, Op::Manage)], info),
];
