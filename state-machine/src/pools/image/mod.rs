//! Images: hooks, the table of methods.
//!
//! | file | what |
//! |---|---|
//! | `states` | changes of state |
//! | `create` | the one way to a new image; `allocate`, `clone` are methods that take it |
//! | `copies` | how what is made from an image holds it |
//! | `manage`, `delete`, `snapshot_calls`, `restore` | the other methods |
//! | `usage`, `files`, `store` | images as disks and files of VMs |
//! | `report` | what a datastore driver's answer does |

mod allocate;
pub mod clone;
pub mod copies;
pub mod create;
pub mod delete;
pub mod files;
pub mod manage;
pub mod report;
mod restore;
mod snapshot_calls;
pub mod states;
pub mod store;
pub mod usage;

use quorate_model::api::Type;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::image::Image;

use crate::methods::{Default, ID, Method, Need, Param, opt, read, req, write};
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for Image {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        states::touch(txn, id).map_err(|e| e.text)
    }

    fn renamed(txn: &mut Txn, id: i32, _old_name: &str) -> Result<(), ApiError> {
        states::touch(txn, id)
    }

    fn chowning(txn: &mut Txn, id: i32, _uid: i32, _gid: i32) -> Result<(), ApiError> {
        states::touch(txn, id)
    }
}

const EXISTS: &[Need] = &[Need::Exists(Kind::Image, 0)];
const MANAGE: &[Need] = &[Need::May(Kind::Image, 0, Op::Manage)];
const SEE: &[Need] = &[Need::MayIgnoringLock(Kind::Image, 0, Op::Use)];
const LOCKING: &[Need] = &[Need::MayIgnoringLock(Kind::Image, 0, Op::Manage)];
const USE: &[Need] = &[Need::May(Kind::Image, 0, Op::Use)];
const ALLOCATE: &[Param] = &[
    req("template", Type::Str),
    req("datastore_id", Type::Int),
    opt("check_capacity", Type::Bool, Default::Bool(true)),
];
const CLONE: &[Param] = &[ID, req("name", Type::Str), opt("datastore_id", Type::Int, Default::Int(-1))];
const RESTORE: &[Param] = &[ID, req("datastore_id", Type::Int), req("options", Type::Str)];
const SNAPSHOT: &[Param] = &[ID, req("snapshot_id", Type::Int)];

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.image.allocate", Kind::Image, ALLOCATE, &[], allocate::call).makes_object().asking(allocate::question),
    write("one.image.chmod", Kind::Image, params::CHMOD, EXISTS, verbs::chmod),
    write("one.image.chown", Kind::Image, params::CHOWN, EXISTS, verbs::chown::<Image>),
    write("one.image.chtype", Kind::Image, &[ID, req("type", Type::Str)], MANAGE, manage::chtype),
    write("one.image.clone", Kind::Image, CLONE, &[], clone::call),
    write("one.image.delete", Kind::Image, &[ID, opt("force", Type::Bool, Default::Bool(false))], &[], delete::call).ends_object(),
    write("one.image.enable", Kind::Image, &[ID, req("enable", Type::Bool)], MANAGE, manage::enable),
    read("one.image.info", Kind::Image, params::INFO, SEE, verbs::info).while_disabled(),
    write("one.image.lock", Kind::Image, params::LOCK, LOCKING, verbs::lock),
    write("one.image.persistent", Kind::Image, &[ID, req("persistent", Type::Bool)], MANAGE, manage::persistent),
    write("one.image.rename", Kind::Image, params::RENAME, EXISTS, verbs::rename::<Image>),
    write("one.image.restore", Kind::Image, RESTORE, USE, restore::call).asking(restore::question),
    write("one.image.snapshotdelete", Kind::Image, SNAPSHOT, MANAGE, snapshot_calls::delete),
    write("one.image.snapshotflatten", Kind::Image, SNAPSHOT, MANAGE, snapshot_calls::flatten),
    write("one.image.snapshotrevert", Kind::Image, SNAPSHOT, MANAGE, snapshot_calls::revert),
    write("one.image.unlock", Kind::Image, &[ID], LOCKING, verbs::unlock),
    write("one.image.update", Kind::Image, params::UPDATE, MANAGE, verbs::update::<Image>),
    read("one.imagepool.info", Kind::Image, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
