//! What all objects share: identity, ownership, permissions, lock, the template.
//!
//! A record sees its object through [`Head`] when it renders or counts itself, and so needs not know what an object is.

use serde::{Deserialize, Serialize};

use crate::template::Template;
use crate::xml::XmlWriter;

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

/// What an object shares with objects of every kind, borrowed from it; its fields are those of
/// [`crate::object::Object`].
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Its id.
    pub id: i32,
    /// Its name.
    pub name: &'a str,
    /// The owner, -1 for none.
    pub uid: i32,
    /// The group, -1 for none.
    pub gid: i32,
    /// The owner's name.
    pub uname: &'a str,
    /// The group's name.
    pub gname: &'a str,
    /// The permission bits.
    pub permissions: Permissions,
    /// The lock, when locked.
    pub lock: Option<&'a Lock>,
    /// TEMPLATE, or USER_TEMPLATE for VMs.
    pub template: &'a Template,
}

impl Head<'_> {
    /// `<ID>`, `<UID>`, `<GID>`, `<UNAME>`, `<GNAME>`, `<NAME>`: the head of most owned objects.
    pub fn render_head(&self, w: &mut XmlWriter) {
        w.plain("ID", self.id).plain("UID", self.uid).plain("GID", self.gid);
        w.plain("UNAME", self.uname).plain("GNAME", self.gname).plain("NAME", self.name);
    }

    /// `<LOCK>`, when locked.
    pub fn render_lock(&self, w: &mut XmlWriter) {
        if let Some(lock) = self.lock {
            w.element("LOCK", |w| {
                w.plain("LOCKED", lock.level).plain("OWNER", lock.owner);
                w.plain("TIME", lock.time).plain("REQ_ID", lock.request);
            });
        }
    }
}
