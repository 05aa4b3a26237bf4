//! Images: body, hooks, the table of methods.
//!
//! | file | what |
//! |---|---|
//! | `states` | changes of state |
//! | `render` | the document |
//! | `create` | the one way to a new image; `allocate`, `clone` are methods that take it |
//! | `manage`, `delete`, `snapshot_calls`, `restore` | the other methods |
//! | `usage`, `files`, `store` | images as disks and files of VMs |
//! | `report` | what a datastore driver's answer does |

mod allocate;
pub mod clone;
pub mod create;
pub mod delete;
pub mod files;
pub mod manage;
mod render;
pub mod report;
mod restore;
mod snapshot_calls;
pub mod states;
pub mod store;
pub mod usage;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, write};
use crate::parts::Parts;
use crate::pools::datastore::Datastore;
use crate::quota::Charge;
use crate::records::Record;
use crate::records::datastore::types::DiskType;
use crate::records::image::increments::Increments;
use crate::records::image::snapshots::Snapshots;
use crate::records::image::states::{ImageType, State};
use crate::set::Set;
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

/// The particular part of an image.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Image {
    /// What it holds.
    pub image_type: ImageType,
    /// How a hypervisor reaches it.
    pub disk_type: DiskType,
    /// Whether VMs work on it itself, not on copies.
    pub persistent: bool,
    /// When it was made, unix seconds.
    pub regtime: i64,
    /// The driver's name for it.
    pub source: String,
    /// What it was made from.
    pub path: String,
    /// Its format.
    pub format: String,
    /// The file system to make in it.
    pub fs: String,
    /// Its size, MB.
    pub size_mb: i64,
    /// What disks of VMs have taken beyond size and snapshots at this image's cost, MB; it learns of it when they end.
    pub grown_mb: i64,
    /// Its state. Changed by [`states::set`].
    pub state: State,
    /// The state at the last change (INIT: never changed yet).
    pub prev_state: State,
    /// The VMs that use it, or whose backup it is; each in a record of its own.
    #[serde(skip)]
    pub vms: Set<i32>,
    /// The images that are being cloned from it.
    pub clones: BTreeSet<i32>,
    /// The marketplace apps that are being made from it.
    pub app_clones: BTreeSet<i32>,
    /// The image it is being cloned from.
    pub cloning_from: Option<i32>,
    /// The snapshot that a driver works on.
    pub target_snapshot: Option<i32>,
    /// Its datastore.
    pub datastore: i32,
    /// Its datastore's name.
    pub datastore_name: String,
    /// Its snapshots.
    pub snapshots: Snapshots,
    /// The increments of a backup.
    pub increments: Increments,
}

impl Image {
    /// How many copies of it are being made.
    #[must_use]
    pub fn cloning_operations(&self) -> usize {
        self.clones.len() + self.app_clones.len()
    }
}

impl Record for Image {
    const KIND: Kind = Kind::Image;
    const RESTRICTED: &'static str = "IMAGE_RESTRICTED_ATTR";
    const ONE_OF_EACH: bool = true;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        render::image(self, head, w);
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.vms)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.vms as &mut dyn Parts)
    }

    /// The image, its snapshots, and what its disks have grown.
    fn charges(&self, _head: &Head<'_>) -> Vec<Charge> {
        let size = self.size_mb.saturating_add(self.snapshots.total_mb()).saturating_add(self.grown_mb);
        vec![Charge::datastore(self.datastore, 1, size)]
    }
}

impl Pool for Image {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        touch(txn, id).map_err(|e| e.text)
    }

    fn renamed(txn: &mut Txn, id: i32, _old_name: &str) -> Result<(), ApiError> {
        touch(txn, id)
    }

    fn chowning(txn: &mut Txn, id: i32, _uid: i32, _gid: i32) -> Result<(), ApiError> {
        touch(txn, id)
    }
}

/// As in the reference, any change makes the state the previous one, too.
fn touch(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    let image = txn.body_mut::<Image>(id)?;
    image.prev_state = image.state;
    Ok(())
}

/// A datastore has another name: its images show it.
pub fn datastore_renamed(txn: &mut Txn, datastore: i32, name: &str) {
    let images = txn.find_typed::<Datastore>(datastore).map(|(_, body)| body.images.clone()).unwrap_or_default();
    for id in images {
        if let Ok(image) = txn.body_mut::<Image>(id) {
            name.clone_into(&mut image.datastore_name);
        }
    }
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.image.allocate", Kind::Image, &[req("template", Type::Str), req("datastore_id", Type::Int), opt("check_capacity", Type::Bool, Default::Bool(true))], &[], allocate::call).asking(allocate::question),
    write("one.image.chmod", Kind::Image, verbs::CHMOD, &[Need::Exists(Kind::Image, 0)], verbs::chmod),
    write("one.image.chown", Kind::Image, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Image, 0)], verbs::chown::<Image>),
    write("one.image.chtype", Kind::Image, &[ID, req("type", Type::Str)], &[Need::May(Kind::Image, 0, Op::Manage)], manage::chtype),
    write("one.image.clone", Kind::Image, &[ID, req("name", Type::Str), opt("datastore_id", Type::Int, Default::Int(-1))], &[], clone::call),
    write("one.image.delete", Kind::Image, &[ID, opt("force", Type::Bool, Default::Bool(false))], &[], delete::call),
    write("one.image.enable", Kind::Image, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::Image, 0, Op::Manage)], manage::enable),
    read("one.image.info", Kind::Image, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Image, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.image.lock", Kind::Image, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Image, 0, Op::Manage)], verbs::lock),
    write("one.image.persistent", Kind::Image, &[ID, req("persistent", Type::Bool)], &[Need::May(Kind::Image, 0, Op::Manage)], manage::persistent),
    write("one.image.rename", Kind::Image, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Image, 0)], verbs::rename::<Image>),
    write("one.image.restore", Kind::Image, &[ID, req("datastore_id", Type::Int), req("options", Type::Str)], &[Need::May(Kind::Image, 0, Op::Use)], restore::call).asking(restore::question),
    write("one.image.snapshotdelete", Kind::Image, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Image, 0, Op::Manage)], snapshot_calls::delete),
    write("one.image.snapshotflatten", Kind::Image, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Image, 0, Op::Manage)], snapshot_calls::flatten),
    write("one.image.snapshotrevert", Kind::Image, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Image, 0, Op::Manage)], snapshot_calls::revert),
    write("one.image.unlock", Kind::Image, &[ID], &[Need::MayIgnoringLock(Kind::Image, 0, Op::Manage)], verbs::unlock),
    write("one.image.update", Kind::Image, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Image, 0, Op::Manage)], verbs::update::<Image>),
    read("one.imagepool.info", Kind::Image, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
