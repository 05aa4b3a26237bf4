//! Datastores: body, XML, methods. What their drivers' configuration demands is in [`drivers`], their space in
//! [`capacity`] and [`monitor`].

pub mod capacity;
pub mod drivers;
pub mod monitor;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::{Request as AuthRequest, effective_gid};
use crate::body::Variant;
use crate::error::ApiError;
use crate::head::{Form, Head, Op, Permissions};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::object::Object;
use crate::parts::Parts;
use crate::pools::cluster::members;
use crate::pools::{image, vdc};
use crate::records::Record;
use crate::records::datastore::types::{DatastoreState, DatastoreType, DiskType};
use crate::set::Set;
use crate::settings::Settings;
use crate::state::State;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::xml::XmlWriter;
use crate::{names, verbs};

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

impl Pool for Datastore {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let object = txn.object(Kind::Datastore, id).map_err(|e| e.text)?;
        let mut template = object.template.clone();
        let Some(mut datastore) = Datastore::of(&object.body).cloned() else { return Ok(()) };
        datastore.update(txn.settings(), id, &mut template)?;
        let object = txn.object_mut(Kind::Datastore, id).map_err(|e| e.text)?;
        object.template = template;
        object.body = datastore.into();
        Ok(())
    }

    fn renamed(txn: &mut Txn, id: i32, _old_name: &str) -> Result<(), ApiError> {
        let name = txn.object(Kind::Datastore, id)?.name.clone();
        image::datastore_renamed(txn, id, &name);
        Ok(())
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        if !txn.get::<Datastore>(id)?.1.images.is_empty() {
            return Err(ApiError::action(format!("Cannot delete datastore. Datastore {id} is not empty.")));
        }
        members::forget(txn, Kind::Datastore, id);
        vdc::forget_resource(txn, Kind::Datastore, id);
        Ok(())
    }
}

impl Datastore {
    /// A datastore as a template describes it; takes from the template what the datastore itself keeps.
    fn describe(settings: &Settings, template: &mut Template) -> Result<Datastore, String> {
        template.remove("NAME");
        let mut datastore = Datastore {
            ds_mad: template.value("DS_MAD").to_owned(),
            tm_mad: template.value("TM_MAD").to_owned(),
            ds_type: DatastoreType::assume(template.value("TYPE")),
            ..Datastore::default()
        };
        match (datastore.ds_type, datastore.ds_mad.is_empty()) {
            (DatastoreType::System, true) => drivers::NO_DRIVER.clone_into(&mut datastore.ds_mad),
            (DatastoreType::System, false) => {
                return Err("SYSTEM datastores cannot have DS_MAD defined.".to_owned());
            }
            (_, true) => return Err("No DS_MAD in template.".to_owned()),
            (_, false) => {}
        }
        drivers::check_ds_mad(settings, &datastore, template)?;
        if datastore.ds_type == DatastoreType::Backup {
            drivers::NO_DRIVER.clone_into(&mut datastore.tm_mad);
        } else {
            drivers::apply_tm_mad(settings, datastore.ds_type, &datastore.tm_mad, template)?;
        }
        template.remove("BASE_PATH");
        let disk_type = template.take("DISK_TYPE").unwrap_or_default();
        datastore.disk_type = drivers::apply_disk_type(datastore.ds_type, &disk_type, template)?;
        if template.value("SAFE_DIRS").is_empty() && template.value("RESTRICTED_DIRS").is_empty() {
            template.set("SAFE_DIRS", "/var/tmp");
            template.set("RESTRICTED_DIRS", "/");
        }
        Ok(datastore)
    }

    /// Follows a new template. The type of backup datastores and of the first system datastore stays.
    fn update(&mut self, settings: &Settings, id: i32, template: &mut Template) -> Result<(), String> {
        let given = template.value("TYPE").to_owned();
        if id == SYSTEM {
            self.ds_type = DatastoreType::System;
        } else if self.ds_type != DatastoreType::Backup && !given.is_empty() {
            self.ds_type = DatastoreType::assume(&given);
        }
        template.set("TYPE", self.ds_type.name());
        let disk_type = template.take("DISK_TYPE").unwrap_or_default();
        if !disk_type.is_empty() {
            self.disk_type = drivers::apply_disk_type(self.ds_type, &disk_type, template)?;
        }
        let tm_mad = template.value("TM_MAD").to_owned();
        if tm_mad.is_empty() || self.ds_type == DatastoreType::Backup {
            template.set("TM_MAD", &self.tm_mad);
        } else {
            if self.ds_type == DatastoreType::System && tm_mad != self.tm_mad {
                self.forget_space();
            }
            drivers::apply_tm_mad(settings, self.ds_type, &tm_mad, template)?;
            self.tm_mad = tm_mad;
        }
        let ds_mad = template.value("DS_MAD").to_owned();
        if self.ds_type == DatastoreType::System {
            drivers::NO_DRIVER.clone_into(&mut self.ds_mad);
            template.remove("DS_MAD");
        } else if ds_mad.is_empty() {
            template.set("DS_MAD", &self.ds_mad);
        } else if ds_mad != self.ds_mad {
            self.ds_mad = ds_mad;
            self.forget_space();
        }
        drivers::check_ds_mad(settings, self, template)
    }

    /// Another driver will tell other figures.
    fn forget_space(&mut self) {
        (self.total_mb, self.free_mb, self.used_mb) = (0, 0, 0);
    }
}

/// Adds a datastore with the next id, or the given one, to the pool and a cluster.
fn add(txn: &mut Txn, id: Option<i32>, mut object: Object, cluster: i32) -> Result<i32, ApiError> {
    let id = id.unwrap_or_else(|| txn.next_id(Kind::Datastore));
    let base_path = base_path(txn, id);
    if let Some(datastore) = Datastore::of_mut(&mut object.body) {
        datastore.base_path = base_path;
    }
    object.template.drop_empty_vectors();
    txn.put_with_id(id, object);
    members::add(txn, cluster, Kind::Datastore, id)?;
    monitor::start(txn, id);
    Ok(id)
}

/// Where a datastore is on hosts.
fn base_path(state: &State, id: i32) -> String {
    let location = state.settings().value("DATASTORE_LOCATION");
    let slash = if location.ends_with('/') { "" } else { "/" };
    format!("{location}{slash}{id}")
}

/// Moves all datastores to where the settings say they are (the reference does it when it starts:
/// `src/datastore/Datastore.cc`, `Datastore::from_xml`).
///
/// # Errors
/// None: the datastores exist.
pub fn relocate(txn: &mut Txn) -> Result<(), ApiError> {
    let moved: Vec<(i32, String)> = txn
        .each::<Datastore>()
        .map(|(object, datastore)| (object.id, base_path(txn, object.id), &datastore.base_path))
        .filter(|(_, new, old)| new != *old)
        .map(|(id, new, _)| (id, new))
        .collect();
    for (id, base_path) in moved {
        txn.body_mut::<Datastore>(id)?.base_path = base_path;
    }
    Ok(())
}

/// The datastores of a fresh zone: for disks, images and files.
///
/// # Errors
/// INTERNAL if the shipped configuration lacked their drivers.
pub fn bootstrap(txn: &mut Txn) -> Result<(), ApiError> {
    let all = [(SYSTEM, "system", "SYSTEM_DS"), (DEFAULT, "default", "IMAGE_DS"), (FILES, "files", "FILE_DS")];
    for (id, name, ds_type) in all {
        let mut template = Template::new();
        template.set("TYPE", ds_type);
        template.set("TM_MAD", "ssh");
        if id != SYSTEM {
            template.set("DS_MAD", "fs");
        }
        let datastore = Datastore::describe(txn.settings(), &mut template).map_err(ApiError::internal)?;
        add(txn, Some(id), Object::new(name, template, datastore).owned_by_oneadmin(0o640), members::DEFAULT)?;
    }
    Ok(())
}

/// `one.datastore.allocate`: parameters template, cluster (-1: the default one). Its group may always use it.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::parse_new(request.str(0))?;
    let cluster = members::named(request.int(1));
    let cluster_object = txn.object(Kind::Cluster, cluster)?;
    let actor = txn.actor().clone();
    let create = AuthRequest::create(Kind::Datastore, actor.uid, effective_gid(txn, &actor));
    txn.authorize(&[create, AuthRequest::on(cluster_object, Op::Admin)])?;
    let name = template.value("NAME").to_owned();
    names::check_new(txn, Kind::Datastore, -1, &name)?;
    let datastore = Datastore::describe(txn.settings(), &mut template).map_err(ApiError::internal)?;
    let mut object = Object::new(name, template, datastore);
    verbs::own(txn, &actor, &mut object)?;
    object.permissions = Permissions(object.permissions.0 | 0o040);
    Ok(Value::Int(add(txn, None, object, cluster)?))
}

/// `one.datastore.enable`: parameters id, whether.
fn enable(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let datastore = txn.body_mut::<Datastore>(request.id())?;
    if datastore.ds_type != DatastoreType::System {
        return Err(ApiError::internal("Only SYSTEM_DS can be disabled or enabled"));
    }
    datastore.state = if request.bool(1) { DatastoreState::Ready } else { DatastoreState::Disabled };
    Ok(Value::Int(request.id()))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.datastore.allocate", Kind::Datastore, &[req("template", Type::Str), req("cluster_id", Type::Int)], &[], allocate),
    write("one.datastore.chmod", Kind::Datastore, verbs::CHMOD, &[Need::Exists(Kind::Datastore, 0)], verbs::chmod),
    write("one.datastore.chown", Kind::Datastore, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Datastore, 0)], verbs::chown::<Datastore>),
    write("one.datastore.delete", Kind::Datastore, &[ID], &[Need::May(Kind::Datastore, 0, Op::Admin)], verbs::delete::<Datastore>),
    write("one.datastore.enable", Kind::Datastore, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::Datastore, 0, Op::Manage)], enable),
    read("one.datastore.info", Kind::Datastore, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Datastore, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.datastore.rename", Kind::Datastore, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Datastore, 0)], verbs::rename::<Datastore>),
    write("one.datastore.update", Kind::Datastore, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Datastore, 0, Op::Manage)], verbs::update::<Datastore>),
    read("one.datastorepool.info", Kind::Datastore, &[], &[], verbs::pool_all).while_disabled(),
];
