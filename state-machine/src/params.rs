//! Parameters that the methods of many pools have alike, each list under one name.

use quorate_model::api::Type;

use crate::methods::{Default, ID, Param, opt, req};

/// An object.
pub const OBJECT: &[Param] = &[ID];
/// What an object is made of.
pub const CREATE: &[Param] = &[TEMPLATE];
/// Of `info`: an object, and whether what is encrypted is shown in clear to whoever may see it.
pub const INFO: &[Param] = &[ID, opt("decrypt", Type::Bool, Default::Bool(false))];
/// Of `rename`.
pub const RENAME: &[Param] = &[ID, NAME];
/// Of `update`: an object, a template, 0 to replace the old one or 1 to join it.
pub const UPDATE: &[Param] = &[ID, TEMPLATE, APPEND];
/// Of `chown`: an object, its new owner and group (-1 keeps).
pub const CHOWN: &[Param] = &[ID, req("uid", Type::Int), req("gid", Type::Int)];
/// Of `lock`: an object, the level of the lock, whether only to try.
pub const LOCK: &[Param] = &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))];
/// Of pools' `info`: whose objects, the first and the last one.
pub const LISTING: &[Param] = &[FILTER, req("start", Type::Int), req("end", Type::Int)];
/// Of `chmod` where objects that belong to the object may follow.
pub const CHMOD_RECURSIVE: &[Param] = &[
    ID,
    req("owner_u", Type::Int),
    req("owner_m", Type::Int),
    req("owner_a", Type::Int),
    req("group_u", Type::Int),
    req("group_m", Type::Int),
    req("group_a", Type::Int),
    req("other_u", Type::Int),
    req("other_m", Type::Int),
    req("other_a", Type::Int),
    opt("recursive", Type::Bool, Default::Bool(false)),
];
/// Of `chmod`: all but the last of [`CHMOD_RECURSIVE`].
pub const CHMOD: &[Param] = CHMOD_RECURSIVE.split_at(10).0;

/// A template's text.
pub const TEMPLATE: Param = req("template", Type::Str);
/// A name.
pub const NAME: Param = req("name", Type::Str);
/// Whether a template replaces the old one (0) or joins it (1).
pub const APPEND: Param = opt("append", Type::Int, Default::Int(0));
/// Whose objects are listed.
pub const FILTER: Param = req("filter_flag", Type::Int);
