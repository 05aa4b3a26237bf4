//! The records: one file (or folder) per kind of object with what is stored of it beside [`Head`], its XML, what it uses
//! of quotas.
//!
//! Pure data: a record knows what all objects share and what it holds itself. It must not know other objects, the
//! state, transactions or methods: those are the business of `pools/`.

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

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::Parts;
use crate::quota::Charge;
use crate::template::Template;
use crate::xml::XmlWriter;

/// What is particular to a kind of object.
pub trait Record: Sized + 'static {
    /// The kind.
    const KIND: Kind;
    /// The configuration list of attributes that only administrators may set in the object's template.
    const RESTRICTED: &'static str = "";
    /// Whether its template holds one attribute of each name, the last one given.
    const ONE_OF_EACH: bool = false;
    /// Writes the object's XML.
    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter);
    /// The maps whose values are stored in records of their own, by the numbers that [`crate::parts::PartKey`] has.
    /// Their fields are `#[serde(skip)]`.
    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        Vec::new()
    }
    /// One of these maps, to change; `None` for a number that none has.
    fn part_mut(&mut self, _map: u64) -> Option<&mut dyn Parts> {
        None
    }
    /// Whether the owner answers for the bytes of these parts (`sizes`): where they are the owner's doing.
    const OWNS_PARTS: bool = false;
    /// Bytes that a driver's report may add later: they are kept free for the object among those that its owner may have.
    /// `record`: the size of its record.
    fn reserved(&self, _head: &Head<'_>, _record: u64) -> u64 {
        0
    }
    /// How many bytes of memory the attributes in it take besides names and values: see [`Template::overhead`].
    fn overhead(&self) -> u64 {
        0
    }
    /// A template of the record's own whose attributes may be secret, as those of the object's template may.
    fn template(&self) -> Option<&Template> {
        None
    }
    /// The same, to change.
    fn template_mut(&mut self) -> Option<&mut Template> {
        None
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
    fn authority(&self, head: &Head<'_>) -> (i32, i32) {
        (head.uid, head.gid)
    }
    /// What the object uses of the quotas of its owner and group, as it is now. `chown` and `delete` move and give
    /// back exactly this; whoever makes or changes an object books it (see [`crate::quota`]).
    fn charges(&self, _head: &Head<'_>) -> Vec<Charge> {
        Vec::new()
    }
    /// Before a transaction that has changed the object (not just added it) is committed.
    fn before_commit(&mut self) {}
}
