//! An object of any pool: what all share, the body that is particular to its kind, and its XML, made once.
//!
//! It must not know what any kind means: that is the record's business (`records/`), behind [`Body`].

use std::sync::OnceLock;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::body::Body;
use crate::head::{Form, Head, Lock, Permissions, Standing};
use crate::kind::Kind;
use crate::quota::Charge;
use crate::template::Template;
use crate::xml::{XmlWriter, escape_into};

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

/// How many bytes an object takes; see `sizes`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Size {
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
    /// How large it is (`sizes`); kept by `state::State`.
    #[serde(skip)]
    pub size: Size,
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
    /// An object without owner (uid and gid -1), owner USE and MANAGE; `txn::Txn::insert` gives the id.
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

    /// What it shares with objects of every kind.
    #[must_use]
    pub fn head(&self) -> Head<'_> {
        Head {
            id: self.id,
            name: &self.name,
            uid: self.uid,
            gid: self.gid,
            uname: &self.uname,
            gname: &self.gname,
            permissions: self.permissions,
            lock: self.lock.as_ref(),
            template: &self.template,
        }
    }

    /// What the object uses of the quotas of its owner and group, as it is now.
    #[must_use]
    pub fn charges(&self) -> Vec<Charge> {
        self.body.charges(&self.head())
    }

    /// What it says about who may do what with it.
    #[must_use]
    pub fn standing(&self) -> Standing {
        let (uid, gid) = self.body.authority(&self.head());
        Standing { id: self.id, uid, gid, permissions: self.permissions }
    }

    /// The object's XML in one form, not escaped.
    #[must_use]
    pub fn xml(&self, form: Form) -> String {
        let mut w = XmlWriter::new();
        self.body.render(&self.head(), form, &mut w);
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
}

/// XML escaped once more, as the text of an XML-RPC string.
#[must_use]
pub fn escape_document(xml: &str) -> Bytes {
    let mut out = String::with_capacity(xml.len() + xml.len() / 4);
    escape_into(xml, &mut out);
    Bytes::from(out)
}
