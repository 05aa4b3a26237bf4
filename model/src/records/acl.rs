//! Access control rules: the four components as the reference encodes them, and how a rule reads.
//!
//! It must not know what a rule gives to whom: that is `rules`.

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::records::Record;
use crate::xml::XmlWriter;

/// The particular part of a rule: the four components as the reference encodes them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
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

/// The id in a component.
const ID_MASK: u64 = 0xffff_ffff;

/// A component of selector and id.
#[must_use]
pub fn who(selector: u64, id: i32) -> u64 {
    selector | u64::from(id.cast_unsigned())
}

/// A resource component.
#[must_use]
pub fn on(kinds: &[Kind], selector: u64, id: i32) -> u64 {
    kinds.iter().fold(who(selector, id), |bits, kind| bits | kind.acl_bit())
}

/// A rights component.
#[must_use]
pub fn rights(ops: &[Op]) -> u64 {
    ops.iter().fold(0, |bits, op| bits | *op as u64)
}

/// Whether a component has selector `mask` and names `id`.
#[must_use]
pub fn names(component: u64, mask: u64, id: i32) -> bool {
    component & (mask | ID_MASK) == who(mask, id)
}

impl Record for Acl {
    const KIND: Kind = Kind::Acl;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("ACL", |w| {
            w.plain("ID", head.id);
            w.plain("USER", format_args!("{:x}", self.user)).plain("RESOURCE", format_args!("{:x}", self.resource));
            w.plain("RIGHTS", format_args!("{:x}", self.rights)).plain("ZONE", format_args!("{:x}", self.zone));
            w.plain("STRING", text(self));
        });
    }
}

/// The id of a component, as the reference's 32-bit integer.
#[must_use]
pub fn id(component: u64) -> i32 {
    #[expect(clippy::cast_possible_truncation)]
    let low = component as u32;
    low.cast_signed()
}

/// The rule in the words of `oneacl`: `@1 VM+IMAGE/* CREATE *`.
#[must_use]
pub fn text(rule: &Acl) -> String {
    let selected = |component: u64, known: &[(u64, char)]| {
        let found = known.iter().find(|(bit, _)| component & bit != 0);
        match found {
            Some((_, '*')) => "*".to_owned(),
            Some((_, sign)) => format!("{sign}{}", id(component)),
            None => "??".to_owned(),
        }
    };
    let user = selected(rule.user, &[(GROUP, '@'), (INDIVIDUAL, '#'), (ALL, '*')]);
    let resource = selected(rule.resource, &[(GROUP, '@'), (INDIVIDUAL, '#'), (CLUSTER, '%'), (ALL, '*')]);
    let zone = selected(rule.zone, &[(INDIVIDUAL, '#'), (ALL, '*')]);
    // The reference has no name for rules and hooks here.
    let named = Kind::ALL.into_iter().filter(|k| !matches!(k, Kind::Acl | Kind::Hook));
    let kinds: Vec<&str> = named.filter(|k| rule.resource & k.acl_bit() != 0).map(|k| k.info().auth_name).collect();
    let ops = [Op::Use, Op::Manage, Op::Admin, Op::Create];
    let rights: Vec<&str> = ops.into_iter().filter(|op| rule.rights & *op as u64 != 0).map(Op::name).collect();
    format!("{user} {}/{resource} {} {zone}", kinds.join("+"), rights.join("+"))
}
