//! Images: disks, files and backups in datastores, and what VMs and copies hold them.

pub mod increments;
pub mod snapshots;
pub mod states;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::increments::Increments;
use self::snapshots::Snapshots;
use self::states::{ImageType, State};
use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::Parts;
use crate::quota::Charge;
use crate::records::Record;
use crate::records::datastore::types::DiskType;
use crate::set::Set;
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
    /// Its state. Changed by `states::set` of the pool only.
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
        w.element("IMAGE", |w| {
            head.render_head(w);
            head.render_lock(w);
            head.permissions.render(w);
            w.plain("TYPE", self.image_type.number()).plain("DISK_TYPE", self.disk_type.number());
            w.plain("PERSISTENT", u8::from(self.persistent)).plain("REGTIME", self.regtime);
            w.cdata("SOURCE", &self.source).cdata("PATH", &self.path);
            w.cdata("FORMAT", &self.format).cdata("FS", &self.fs).plain("SIZE", self.size_mb);
            w.plain("STATE", self.state.number()).plain("PREV_STATE", self.prev_state.number());
            w.plain("RUNNING_VMS", self.vms.len()).plain("CLONING_OPS", self.cloning_operations());
            w.plain("CLONING_ID", self.cloning_from.unwrap_or(-1));
            w.plain("TARGET_SNAPSHOT", self.target_snapshot.unwrap_or(-1));
            w.plain("DATASTORE_ID", self.datastore).plain("DATASTORE", &self.datastore_name);
            w.ids("VMS", &self.vms).ids("CLONES", &self.clones).ids("APP_CLONES", &self.app_clones);
            head.template.render("TEMPLATE", w);
            self.snapshots.render(w);
            self.increments.render(w);
        });
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
