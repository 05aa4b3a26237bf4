//! What all pool objects share: identity, ownership, permissions, locks, the template, cached XML.
//!
//! Kind-specific parts are bodies, each in its file under `pools/`.

use std::sync::OnceLock;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::kind::Kind;
use crate::pools::Body;
use crate::template::Template;
use crate::xml::{XmlWriter, escape_into};

/// Operation level of a request, with the reference's bit values.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[repr(u8)]
pub enum Op {
    /// See it, use it.
    Use = 1,
    /// Change it.
    Manage = 2,
    /// Administrate it.
    Admin = 4,
    /// Make one.
    Create = 8,
}

impl Op {
    /// The name in authorization texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Op::Use => "USE",
            Op::Manage => "MANAGE",
            Op::Admin => "ADMIN",
            Op::Create => "CREATE",
        }
    }
}

/// Permission bits as OpenNebula's octal notation: owner/group/other, each USE 4, MANAGE 2, ADMIN 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Permissions(pub u16);

impl Permissions {
    /// Whether class `shift` (6 owner, 3 group, 0 other) has `op`. CREATE is never a permission bit.
    #[must_use]
    pub fn allows(self, shift: u8, op: Op) -> bool {
        let bit = match op {
            Op::Use => 4,
            Op::Manage => 2,
            Op::Admin => 1,
            Op::Create => return false,
        };
        self.0 & (bit << shift) != 0
    }
    /// `<PERMISSIONS>`
    pub fn render(self, w: &mut XmlWriter) {
        const NAMES: [&str; 9] =
            ["OWNER_U", "OWNER_M", "OWNER_A", "GROUP_U", "GROUP_M", "GROUP_A", "OTHER_U", "OTHER_M", "OTHER_A"];
        w.element("PERMISSIONS", |w| {
            for (i, name) in NAMES.iter().enumerate() {
                w.plain(name, (self.0 >> (8 - i)) & 1);
            }
        });
    }
}

/// What an object itself says about who may do what with it, locks aside.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// The id.
    pub id: i32,
    /// The owner as authorization sees it, -1 for none.
    pub uid: i32,
    /// The group as authorization sees it, -1 for none.
    pub gid: i32,
    /// The permission bits.
    pub permissions: Permissions,
}

/// A lock on an object.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Lock {
    /// 1 USE, 2 MANAGE, 3 ADMIN: the lowest level of operation that is stopped.
    pub level: u8,
    /// The user who locked it.
    pub owner: i32,
    /// When, unix seconds.
    pub time: i64,
    /// The random request id of the lock.
    pub request: i64,
}

impl Lock {
    /// Whether this lock stops an operation.
    #[must_use]
    pub fn stops(&self, op: Op) -> bool {
        let level = match op {
            Op::Use => 1,
            Op::Manage => 2,
            Op::Admin => 3,
            Op::Create => return false,
        };
        level >= self.level
    }
}

/// Which rendering of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// As `info` shows it.
    Full,
    /// As pool listings show it.
    Short,
}

/// XML of an object, escaped for XML-RPC text, made once per version of the object.
#[derive(Debug, Default)]
struct Rendered {
    full: OnceLock<Bytes>,
    short: OnceLock<Bytes>,
}

impl Clone for Rendered {
    /// A copy is about to be changed: it starts without cached XML.
    fn clone(&self) -> Self {
        Rendered::default()
    }
}

/// How many bytes an object takes; see [`crate::sizes`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Size {
    /// Its record.
    pub record: u64,
    /// Those of its parts for which the owner answers.
    pub parts: u64,
    /// What is kept free for it.
    pub reserved: u64,
}

impl Size {
    /// What its owner has of it.
    pub fn owned(self) -> u64 {
        self.record.saturating_add(self.parts).saturating_add(self.reserved)
    }
}

/// An object of any pool.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Object {
    /// Its id, never reused within its kind.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Owner (-1 for kinds without owner).
    pub uid: i32,
    /// Group (-1 for kinds without group).
    pub gid: i32,
    /// The owner's name, as the reference shows it.
    pub uname: String,
    /// The group's name.
    pub gname: String,
    /// Permission bits.
    pub permissions: Permissions,
    /// The lock, when locked.
    #[serde(default)]
    pub lock: Option<Lock>,
    /// TEMPLATE, or USER_TEMPLATE for VMs: what `update` changes.
    pub template: Template,
    /// What is particular to the kind.
    pub body: Body,
    /// How large it is ([`crate::sizes`]); kept by [`crate::state::State`].
    #[serde(skip)]
    pub(crate) size: Size,
    #[serde(skip)]
    rendered: Rendered,
}

impl PartialEq for Object {
    fn eq(&self, other: &Self) -> bool {
        (self.id, &self.name, self.uid, self.gid, &self.uname, &self.gname, self.permissions, &self.lock)
            == (other.id, &other.name, other.uid, other.gid, &other.uname, &other.gname, other.permissions, &other.lock)
            && self.template == other.template
            && self.body == other.body
    }
}

impl Object {
    /// An object without owner (uid and gid -1), owner USE and MANAGE; [`crate::txn::Txn::insert`] gives the id.
    pub fn new(name: impl Into<String>, template: Template, body: impl Into<Body>) -> Object {
        Object {
            id: -1,
            name: name.into(),
            uid: -1,
            gid: -1,
            uname: String::new(),
            gname: String::new(),
            permissions: Permissions(0o600),
            lock: None,
            template,
            body: body.into(),
            size: Size::default(),
            rendered: Rendered::default(),
        }
    }

    /// The same object as oneadmin's, with these permissions.
    #[must_use]
    pub fn owned_by_oneadmin(mut self, permissions: u16) -> Object {
        self.uid = 0;
        self.gid = 0;
        "oneadmin".clone_into(&mut self.uname);
        "oneadmin".clone_into(&mut self.gname);
        self.permissions = Permissions(permissions);
        self
    }

    /// The object's kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.body.kind()
    }

    /// What it says about who may do what with it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (uid, gid) = self.body.authority(self);
        Standing { id: self.id, uid, gid, permissions: self.permissions }
    }

    /// The object's XML in one form, not escaped.
    #[must_use]
    pub fn xml(&self, form: Form) -> String {
        let mut w = XmlWriter::new();
        self.body.render(self, form, &mut w);
        w.finish()
    }

    /// The object's XML in one form, escaped for XML-RPC text; made once, then shared.
    #[must_use]
    pub fn rendered(&self, form: Form) -> Bytes {
        let cell = match form {
            Form::Full => &self.rendered.full,
            Form::Short => &self.rendered.short,
        };
        cell.get_or_init(|| escape_document(&self.xml(form))).clone()
    }

    /// `<ID>`, `<UID>`, `<GID>`, `<UNAME>`, `<GNAME>`, `<NAME>`: the head of most owned objects.
    pub fn render_head(&self, w: &mut XmlWriter) {
        w.plain("ID", self.id).plain("UID", self.uid).plain("GID", self.gid);
        w.plain("UNAME", &self.uname).plain("GNAME", &self.gname).plain("NAME", &self.name);
    }

    /// `<LOCK>`, when locked.
    pub fn render_lock(&self, w: &mut XmlWriter) {
        if let Some(lock) = &self.lock {
            w.element("LOCK", |w| {
                w.plain("LOCKED", lock.level).plain("OWNER", lock.owner);
                w.plain("TIME", lock.time).plain("REQ_ID", lock.request);
            });
        }
    }
}

/// XML escaped once more, as the text of an XML-RPC string.
#[must_use]
pub fn escape_document(xml: &str) -> Bytes {
    let mut out = String::with_capacity(xml.len() + xml.len() / 4);
    escape_into(xml, &mut out);
    Bytes::from(out)
}
