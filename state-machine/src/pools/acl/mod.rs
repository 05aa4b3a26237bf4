//! Access control rules: methods. What a rule gives is [`crate::rules`], who asks for what [`crate::authorize`].

pub mod changes;
mod faults;

use self::changes::{add_rule, delete_rule, info};
use crate::api::Type;
use crate::head::Op;
use crate::kind::Kind;
use crate::methods::{Default, Method, Need, opt, read, req, write};
use crate::params;
use crate::records::acl::Acl;
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
