//! The pools: one file (or folder) per kind of object with its body, its XML, its methods and their handlers.
//!
//! This file only binds them together: the closed set of bodies, the hooks that generic verbs call, the table.

pub mod acl;
pub mod cluster;
pub mod datastore;
pub mod document;
pub mod group;
pub mod hook;
pub mod host;
pub mod image;
pub mod market;
pub mod market_app;
pub mod rollout;
pub mod secgroup;
pub mod system;
pub mod template;
pub mod user;
pub mod vdc;
pub mod vm;
pub mod vmgroup;
pub mod vnet;
pub mod vntemplate;
pub mod vrouter;
pub mod zone;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::Method;
use crate::object::{Form, Object};
use crate::parts::Parts;
use crate::quota::Charge;
use crate::template::Template;
use crate::txn::Txn;
use crate::xml::XmlWriter;

/// Every pool's rows.
pub static METHODS: &[&[Method]] = &[
    acl::METHODS,
    cluster::METHODS,
    datastore::METHODS,
    document::METHODS,
    group::METHODS,
    hook::METHODS,
    host::METHODS,
    image::METHODS,
    market::METHODS,
    market_app::METHODS,
    secgroup::METHODS,
    system::METHODS,
    template::METHODS,
    user::METHODS,
    vdc::METHODS,
    vm::METHODS,
    vm::ops::METHODS,
    vmgroup::METHODS,
    vnet::METHODS,
    vntemplate::METHODS,
    vrouter::METHODS,
    zone::METHODS,
];

/// Rows of calls that only nodes propose, as [`crate::command::SYSTEM`]: clients cannot name them.
pub static INTERNAL: &[&[Method]] = &[user::INTERNAL, zone::INTERNAL];

/// What is particular to a kind of object. Hooks have defaults that do nothing.
pub trait PoolBody: Sized + 'static {
    /// The kind.
    const KIND: Kind;
    /// The configuration list of attributes that only administrators may set in the object's template.
    const RESTRICTED: &'static str = "";
    /// Whether its template holds one attribute of each name, the last one given.
    const ONE_OF_EACH: bool = false;
    /// This body, if it is of this kind.
    fn of(body: &Body) -> Option<&Self>;
    /// This body to change, if it is of this kind.
    fn of_mut(body: &mut Body) -> Option<&mut Self>;
    /// Writes the object's XML.
    fn render(&self, object: &Object, form: Form, w: &mut XmlWriter);
    /// The maps whose values are stored in records of their own, by the numbers that [`crate::parts::PartKey`] has.
    /// Their fields are `#[serde(skip)]`.
    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        Vec::new()
    }
    /// One of these maps, to change; `None` for a number that none has.
    fn part_mut(&mut self, _map: u64) -> Option<&mut dyn Parts> {
        None
    }
    /// Whether the owner answers for the bytes of these parts ([`crate::sizes`]): where they are the owner's doing.
    const OWNS_PARTS: bool = false;
    /// Bytes that a driver's report may add later: they are kept free for the object among those that its owner may have.
    /// `record`: the size of its record.
    fn reserved(&self, _object: &Object, _record: u64) -> u64 {
        0
    }
    /// How many bytes of memory the attributes in it take besides names and values: see [`Template::overhead`].
    fn overhead(&self) -> u64 {
        0
    }
    /// The clusters the object is in, for rules by cluster.
    fn clusters(&self) -> Vec<i32> {
        Vec::new()
    }
    /// The clusters of a kind that may be in several (datastores, virtual networks), to change.
    fn clusters_mut(&mut self) -> Option<&mut BTreeSet<i32>> {
        None
    }
    /// Whether rules about all objects of the kind, or about a cluster, pass it by (reservations of networks).
    fn named_rules_only(&self) -> bool {
        false
    }
    /// Owner and group as authorization sees them.
    fn authority(&self, object: &Object) -> (i32, i32) {
        (object.uid, object.gid)
    }
    /// What the object uses of the quotas of its owner and group, as it is now. `chown` and `delete` move and give
    /// back exactly this; whoever makes or changes an object books it (see [`crate::quota`]).
    fn charges(&self, _object: &Object) -> Vec<Charge> {
        Vec::new()
    }
    /// Before `update` stores a template that replaces the old one or joins it: may change it.
    fn updating(_txn: &Txn, _id: i32, _new: &mut Template, _replaces: bool) {}
    /// Before a transaction that has changed the object (not just added it) is committed.
    fn before_commit(&mut self) {}
    /// After `update` has stored the new template; an error's text follows "Cannot update template. ".
    fn updated(_txn: &mut Txn, _id: i32) -> Result<(), String> {
        Ok(())
    }
    /// After `rename`.
    fn renamed(_txn: &mut Txn, _id: i32, _old_name: &str) -> Result<(), ApiError> {
        Ok(())
    }
    /// Before `chown` gives the object to `uid` and `gid` (-1 keeps).
    fn chowning(_txn: &mut Txn, _id: i32, _uid: i32, _gid: i32) -> Result<(), ApiError> {
        Ok(())
    }
    /// After `chown`.
    fn chowned(_txn: &mut Txn, _id: i32) -> Result<(), ApiError> {
        Ok(())
    }
    /// Before `delete` removes the object: refuses, or lets go of what it holds.
    fn deleting(_txn: &mut Txn, _id: i32) -> Result<(), ApiError> {
        Ok(())
    }
}

/// A kind's hooks as functions, so that generic verbs need no type parameter.
pub struct Hooks {
    /// See [`PoolBody::RESTRICTED`].
    pub restricted: &'static str,
    /// See [`PoolBody::ONE_OF_EACH`].
    pub one_of_each: bool,
    /// See [`PoolBody::updating`].
    pub updating: fn(&Txn, i32, &mut Template, bool),
    /// See [`PoolBody::updated`].
    pub updated: fn(&mut Txn, i32) -> Result<(), String>,
    /// See [`PoolBody::renamed`].
    pub renamed: fn(&mut Txn, i32, &str) -> Result<(), ApiError>,
    /// See [`PoolBody::chowning`].
    pub chowning: fn(&mut Txn, i32, i32, i32) -> Result<(), ApiError>,
    /// See [`PoolBody::chowned`].
    pub chowned: fn(&mut Txn, i32) -> Result<(), ApiError>,
    /// See [`PoolBody::deleting`].
    pub deleting: fn(&mut Txn, i32) -> Result<(), ApiError>,
}

impl Hooks {
    const fn of<B: PoolBody>() -> Hooks {
        Hooks {
            restricted: B::RESTRICTED,
            one_of_each: B::ONE_OF_EACH,
            updating: B::updating,
            updated: B::updated,
            renamed: B::renamed,
            chowning: B::chowning,
            chowned: B::chowned,
            deleting: B::deleting,
        }
    }
}

/// Implements the two conversions between [`Body`] and a body type.
macro_rules! body_of {
    ($variant:ident) => {
        fn of(body: &crate::pools::Body) -> Option<&Self> {
            match body {
                crate::pools::Body::$variant(b) => Some(b),
                _ => None,
            }
        }
        fn of_mut(body: &mut crate::pools::Body) -> Option<&mut Self> {
            match body {
                crate::pools::Body::$variant(b) => Some(b),
                _ => None,
            }
        }
    };
}
pub(crate) use body_of;

/// The closed set of bodies: the enum, its dispatch and the hooks by kind.
macro_rules! bodies {
    ($($variant:ident: $ty:ty),* $(,)?) => {
        /// The part of an object that is particular to its kind.
        #[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
        pub enum Body {
            $(#[doc = concat!("See [`", stringify!($ty), "`].")] $variant(Box<$ty>),)*
        }
        $(impl From<$ty> for Body {
            fn from(body: $ty) -> Body {
                Body::$variant(Box::new(body))
            }
        })*
        impl Body {
            /// The kind.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Body::$variant(_) => <$ty>::KIND,)* }
            }
            /// Writes the object's XML.
            pub fn render(&self, object: &Object, form: Form, w: &mut XmlWriter) {
                match self { $(Body::$variant(b) => b.render(object, form, w),)* }
            }
            /// The maps whose values are stored in records of their own.
            #[must_use]
            pub fn parts(&self) -> Vec<(u64, &dyn Parts)> {
                match self { $(Body::$variant(b) => b.parts(),)* }
            }
            /// One of these maps, to change.
            pub fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
                match self { $(Body::$variant(b) => b.part_mut(map),)* }
            }
            /// Whether the owner answers for the bytes of the parts.
            #[must_use]
            pub fn owns_parts(&self) -> bool {
                match self { $(Body::$variant(_) => <$ty>::OWNS_PARTS,)* }
            }
            /// Bytes that are kept free for the object.
            #[must_use]
            pub fn reserved(&self, object: &Object, record: u64) -> u64 {
                match self { $(Body::$variant(b) => b.reserved(object, record),)* }
            }
            /// Before a transaction that has changed the object is committed.
            pub fn before_commit(&mut self) {
                match self { $(Body::$variant(b) => b.before_commit(),)* }
            }
            /// How many bytes of memory the attributes in it take besides names and values.
            #[must_use]
            pub fn overhead(&self) -> u64 {
                match self { $(Body::$variant(b) => b.overhead(),)* }
            }
            /// The clusters the object is in.
            #[must_use]
            pub fn clusters(&self) -> Vec<i32> {
                match self { $(Body::$variant(b) => b.clusters(),)* }
            }
            /// The clusters of a kind that may be in several, to change; see [`cluster::members`].
            pub fn clusters_mut(&mut self) -> Option<&mut BTreeSet<i32>> {
                match self { $(Body::$variant(b) => b.clusters_mut(),)* }
            }
            /// Whether rules about all objects of the kind, or about a cluster, pass it by.
            #[must_use]
            pub fn named_rules_only(&self) -> bool {
                match self { $(Body::$variant(b) => b.named_rules_only(),)* }
            }
            /// What the object uses of the quotas of its owner and group.
            #[must_use]
            pub fn charges(&self, object: &Object) -> Vec<Charge> {
                match self { $(Body::$variant(b) => b.charges(object),)* }
            }
            /// Owner and group as authorization sees them.
            #[must_use]
            pub fn authority(&self, object: &Object) -> (i32, i32) {
                match self { $(Body::$variant(b) => b.authority(object),)* }
            }
        }
        /// The hooks of a kind.
        #[must_use]
        pub fn hooks(kind: Kind) -> &'static Hooks {
            match kind { $(<$ty>::KIND => const { &Hooks::of::<$ty>() },)* }
        }
    };
}

bodies! {
    Vm: vm::Vm,
    Host: host::Host,
    Net: vnet::Vnet,
    Image: image::Image,
    User: user::User,
    Template: template::VmTemplate,
    Group: group::Group,
    Acl: acl::Acl,
    Datastore: datastore::Datastore,
    Cluster: cluster::Cluster,
    Document: document::Document,
    Zone: zone::Zone,
    SecGroup: secgroup::SecGroup,
    Vdc: vdc::Vdc,
    VRouter: vrouter::VRouter,
    Market: market::Market,
    MarketApp: market_app::MarketApp,
    VmGroup: vmgroup::VmGroup,
    VnTemplate: vntemplate::VnTemplate,
    Hook: hook::Hook,
}
