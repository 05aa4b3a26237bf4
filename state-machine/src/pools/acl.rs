//! Acl: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::authorize::Subject;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, req, unwritten};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::txn::Txn;
use crate::xml::XmlWriter;
use crate::zone_state::LOCAL_ZONE;

/// The particular part of a acl.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Acl {
    /// Who: an id with one of the bits INDIVIDUAL, GROUP, ALL.
    pub user: u64,
    /// On what: resource type bits, an id and one of INDIVIDUAL, GROUP, CLUSTER, ALL.
    pub resource: u64,
    /// Bits of [`Op`].
    pub rights: u64,
    /// Where: a zone id with INDIVIDUAL, or ALL.
    pub zone: u64,
}

/// `#`: the component's id names one object.
pub const INDIVIDUAL: u64 = 0x1_0000_0000;
/// `@`: the component's id names a group.
pub const GROUP: u64 = 0x2_0000_0000;
/// `*`: everything.
pub const ALL: u64 = 0x4_0000_0000;
/// `%`: the component's id names a cluster.
pub const CLUSTER: u64 = 0x8_0000_0000;

/// Whether a component has selector `mask` and names `id`.
fn names(component: u64, mask: u64, id: i32) -> bool {
    component & mask != 0 && component & 0xffff_ffff == u64::from(id.cast_unsigned())
}

impl Acl {
    /// Whether this rule gives user `uid`, in `groups`, right `op` on `subject` in the local zone.
    #[must_use]
    pub fn grants(&self, uid: i32, groups: &[i32], subject: &Subject, op: Op) -> bool {
        let user = self.user & ALL != 0
            || names(self.user, INDIVIDUAL, uid)
            || groups.iter().any(|g| names(self.user, GROUP, *g));
        let zone = self.zone & ALL != 0 || names(self.zone, INDIVIDUAL, LOCAL_ZONE);
        user && zone
            && self.rights & op as u64 != 0
            && self.resource & subject.kind.acl_bit() != 0
            && (self.resource & ALL != 0
                || subject.id >= 0 && names(self.resource, INDIVIDUAL, subject.id)
                || subject.gid >= 0 && names(self.resource, GROUP, subject.gid)
                || subject.clusters.iter().any(|c| names(self.resource, CLUSTER, *c)))
    }
}

impl PoolBody for Acl {
    const KIND: Kind = Kind::Acl;
    body_of!(Acl);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// The objects of this pool in a fresh zone.
pub fn bootstrap(_txn: &mut Txn) {}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.acl.addrule", Kind::Acl, &[req("user", Type::Str), req("resource", Type::Str), req("rights", Type::Str), opt("zone", Type::Str, Default::Str(""))], &[Need::Pool(Kind::Acl, Op::Manage)]),
    unwritten("one.acl.delrule", Kind::Acl, &[ID], &[Need::Pool(Kind::Acl, Op::Manage)]),
    unwritten("one.acl.info", Kind::Acl, &[], &[Need::Pool(Kind::Acl, Op::Manage)]),
];
