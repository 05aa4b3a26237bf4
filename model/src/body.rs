//! The part of an object that is particular to its kind: one record of a closed set of them.
//!
//! It must not know what any of them means: what differs is in [`Record`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::Parts;
use crate::quota::Charge;
use crate::records::{
    Record, acl, cluster, datastore, document, group, hook, host, image, market, market_app, secgroup, template, user,
    vdc, vm, vmgroup, vnet, vntemplate, vrouter, zone,
};
use crate::template::Template;
use crate::xml::XmlWriter;

/// A record that can be a [`Body`].
pub trait Variant: Record {
    /// This record, if the body is of its kind.
    fn of(body: &Body) -> Option<&Self>;
    /// This record to change, if the body is of its kind.
    fn of_mut(body: &mut Body) -> Option<&mut Self>;
}

/// The closed set of bodies: the enum, its dispatch and the way back to the records.
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
        }
        impl Variant for $ty {
            fn of(body: &Body) -> Option<&Self> {
                match body {
                    Body::$variant(record) => Some(record),
                    _ => None,
                }
            }
            fn of_mut(body: &mut Body) -> Option<&mut Self> {
                match body {
                    Body::$variant(record) => Some(record),
                    _ => None,
                }
            }
        })*
        impl Body {
            /// The kind.
            #[must_use]
            pub fn kind(&self) -> Kind {
                match self { $(Body::$variant(_) => <$ty>::KIND,)* }
            }
            /// Writes the object's XML.
            pub fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
                match self { $(Body::$variant(b) => b.render(head, form, w),)* }
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
            pub fn reserved(&self, head: &Head<'_>, record: u64) -> u64 {
                match self { $(Body::$variant(b) => b.reserved(head, record),)* }
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
            /// A template of the record's own whose attributes may be secret.
            #[must_use]
            pub fn template(&self) -> Option<&Template> {
                match self { $(Body::$variant(b) => b.template(),)* }
            }
            /// The same, to change.
            pub fn template_mut(&mut self) -> Option<&mut Template> {
                match self { $(Body::$variant(b) => b.template_mut(),)* }
            }
            /// The clusters the object is in.
            #[must_use]
            pub fn clusters(&self) -> Vec<i32> {
                match self { $(Body::$variant(b) => b.clusters(),)* }
            }
            /// The clusters of a kind that may be in several, to change; see [`Record::clusters_mut`].
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
            pub fn charges(&self, head: &Head<'_>) -> Vec<Charge> {
                match self { $(Body::$variant(b) => b.charges(head),)* }
            }
            /// Owner and group as authorization sees them.
            #[must_use]
            pub fn authority(&self, head: &Head<'_>) -> (i32, i32) {
                match self { $(Body::$variant(b) => b.authority(head),)* }
            }
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
