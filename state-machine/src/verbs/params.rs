//! The parameters of the verbs that many pools have, for their rows.

use quorate_model::api::Type;

use crate::methods::{Default, ID, Param, opt, req};

/// Of `chown`: id, owner, group (-1 keeps).
pub const CHOWN: &[Param] = &[ID, req("uid", Type::Int), req("gid", Type::Int)];
/// Of `info`: id, whether to show secrets in clear.
pub const INFO: &[Param] = &[ID, opt("decrypt", Type::Bool, Default::Bool(false))];
/// Of `lock`: id, level, whether only to test.
pub const LOCK: &[Param] = &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))];
/// Of listings: whose objects, the first and the last id (or page).
pub const POOL: &[Param] = &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)];
/// Of `rename`: id, new name.
pub const RENAME: &[Param] = &[ID, req("name", Type::Str)];
/// Of `update`: id, template, 0 to replace the old one or 1 to merge.
pub const UPDATE: &[Param] = &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))];
