//! Datastores: where images, files, backups and the disks of running VMs are.

pub mod types;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use self::types::{DatastoreState, DatastoreType, DiskType};
use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::Parts;
use crate::records::Record;
use crate::set::Set;
use crate::xml::XmlWriter;

/// The system datastore of a fresh zone: always one of that type.
pub const SYSTEM: i32 = 0;
/// The image datastore of a fresh zone.
pub const DEFAULT: i32 = 1;
/// The file datastore of a fresh zone.
pub const FILES: i32 = 2;

/// The particular part of a datastore.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Datastore {
    /// The driver for its images; `-` for system datastores.
    pub ds_mad: String,
    /// The driver that brings disks to hosts; `-` for backup datastores.
    pub tm_mad: String,
    /// Where it is on hosts.
    pub base_path: String,
    /// What it holds.
    pub ds_type: DatastoreType,
    /// How its disks are reached.
    pub disk_type: DiskType,
    /// Whether it may be used.
    pub state: DatastoreState,
    /// The clusters it is in.
    pub clusters: BTreeSet<i32>,
    /// All its space.
    pub total_mb: i64,
    /// Its free space.
    pub free_mb: i64,
    /// Its used space.
    pub used_mb: i64,
    /// Its images; each in a record of its own.
    #[serde(skip)]
    pub images: Set<i32>,
    /// When its space was last asked for, unix seconds.
    pub monitored_at: i64,
    /// The operation that asks.
    pub look: Option<u64>,
}

impl Record for Datastore {
    const KIND: Kind = Kind::Datastore;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("DATASTORE", |w| {
            head.render_head(w);
            head.permissions.render(w);
            w.cdata("DS_MAD", &self.ds_mad).cdata("TM_MAD", &self.tm_mad).cdata("BASE_PATH", &self.base_path);
            w.plain("TYPE", self.ds_type.number()).plain("DISK_TYPE", self.disk_type.number());
            w.plain("STATE", self.state.number()).ids("CLUSTERS", &self.clusters);
            w.plain("TOTAL_MB", self.total_mb).plain("FREE_MB", self.free_mb).plain("USED_MB", self.used_mb);
            w.ids("IMAGES", &self.images);
            head.template.render("TEMPLATE", w);
        });
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.images)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.images as &mut dyn Parts)
    }

    fn clusters(&self) -> Vec<i32> {
        self.clusters.iter().copied().collect()
    }

    fn clusters_mut(&mut self) -> Option<&mut BTreeSet<i32>> {
        Some(&mut self.clusters)
    }
}

impl Datastore {
    /// Another driver will tell other figures.
    pub fn forget_space(&mut self) {
        (self.total_mb, self.free_mb, self.used_mb) = (0, 0, 0);
    }
}
