//! Access control rules: body, methods, and the housekeeping other pools ask for when objects go away.
//!
//! What a rule may look like and how it reads is in [`rule`]; who asks for what is decided in [`crate::authorize`].

mod rule;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::Subject;
use crate::error::ApiError;
use crate::head::{Form, Head, Op, Standing};
use crate::kind::{Kind, LOCAL_ZONE};
use crate::methods::{Default, ID, Method, Need, Request, View, opt, read, req, write};
use crate::object::Object;
use crate::records::Record;
use crate::state::{Pooled, State};
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs::{Pool, listing};
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
fn names(component: u64, mask: u64, id: i32) -> bool {
    component & (mask | ID_MASK) == who(mask, id)
}

impl Acl {
    /// Whether this rule gives right `op` on `subject` in the local zone to those it is about (see [`rules_for`]).
    #[must_use]
    pub fn grants(&self, subject: &Subject, op: Op) -> bool {
        self.is_about(subject.kind, op) && self.reaches(subject)
    }

    /// Whether it gives right `op` on some objects of `kind` in the local zone.
    fn is_about(&self, kind: Kind, op: Op) -> bool {
        let zone = self.zone & ALL != 0 || names(self.zone, INDIVIDUAL, LOCAL_ZONE);
        zone && self.rights & op as u64 != 0 && self.resource & kind.acl_bit() != 0
    }

    /// Whether the resource component selects `subject`.
    fn reaches(&self, subject: &Subject) -> bool {
        let by_name = subject.id >= 0 && names(self.resource, INDIVIDUAL, subject.id)
            || subject.gid >= 0 && names(self.resource, GROUP, subject.gid);
        let by_place = self.resource & ALL != 0 || subject.clusters.iter().any(|c| names(self.resource, CLUSTER, *c));
        by_name || by_place && !subject.named_rules_only
    }
}

/// The rules about everyone, about a user and about its groups.
pub fn rules_for<'a>(state: &'a State, uid: i32, groups: &'a [i32]) -> impl Iterator<Item = &'a Acl> {
    let users = [ALL, who(INDIVIDUAL, uid)].into_iter().chain(groups.iter().map(|gid| who(GROUP, *gid)));
    users.flat_map(|user| state.rules_of(user))
}

/// What some rules give of one right on one kind of object, arranged by what they select.
#[derive(Default)]
pub struct Granted {
    all: bool,
    // Sorted: they are searched once for each object of a pool.
    ids: Vec<i32>,
    groups: Vec<i32>,
    clusters: Vec<i32>,
}

impl Granted {
    /// Arranges `rules` for `op` on objects of `kind`.
    pub fn new<'a>(rules: impl Iterator<Item = &'a Acl>, kind: Kind, op: Op) -> Granted {
        let mut granted = Granted::default();
        for Acl { resource, .. } in rules.filter(|rule| rule.is_about(kind, op)) {
            let id = rule::id(*resource);
            // One selector each: a malformed rule is never made.
            if resource & ALL != 0 {
                granted.all = true;
            } else if resource & INDIVIDUAL != 0 {
                granted.ids.push(id);
            } else if resource & GROUP != 0 {
                granted.groups.push(id);
            } else if resource & CLUSTER != 0 {
                granted.clusters.push(id);
            }
        }
        for selected in [&mut granted.ids, &mut granted.groups, &mut granted.clusters] {
            selected.sort_unstable();
        }
        granted
    }

    /// Whether a rule selects `object`, which has this standing; follows it only for rules that need it.
    #[must_use]
    pub fn reach(&self, standing: Standing, object: &Pooled) -> bool {
        let has = |selected: &[i32], id: i32| selected.binary_search(&id).is_ok();
        if has(&self.groups, standing.gid) || has(&self.ids, standing.id) {
            return true;
        }
        let by_cluster = || !self.clusters.is_empty() && object.body.clusters().iter().any(|c| has(&self.clusters, *c));
        (self.all || by_cluster()) && !object.body.named_rules_only()
    }
}

impl Record for Acl {
    const KIND: Kind = Kind::Acl;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("ACL", |w| {
            w.plain("ID", head.id);
            w.plain("USER", format_args!("{:x}", self.user)).plain("RESOURCE", format_args!("{:x}", self.resource));
            w.plain("RIGHTS", format_args!("{:x}", self.rights)).plain("ZONE", format_args!("{:x}", self.zone));
            w.plain("STRING", rule::text(self));
        });
    }
}

impl Pool for Acl {}

/// The rules of a fresh zone that no VDC makes.
pub fn bootstrap(txn: &mut Txn) {
    const CREATED_BY_USERS: [Kind; 6] =
        [Kind::Vm, Kind::Image, Kind::Template, Kind::Document, Kind::SecGroup, Kind::VmGroup];
    let rules = [
        (who(GROUP, 1), on(&CREATED_BY_USERS, ALL, 0), Op::Create),
        (ALL, on(&[Kind::Zone], ALL, 0), Op::Use),
        (ALL, on(&[Kind::Market, Kind::MarketApp], ALL, 0), Op::Use),
    ];
    for (id, (user, resource, op)) in (0..).zip(rules) {
        let rule = Acl { user, resource, rights: op as u64, zone: ALL };
        txn.put_with_id(id, Object::new("", Template::new(), rule));
    }
    // The default VDC makes the next ones, in the order of ids.
    txn.globals_mut().next_ids.insert(Kind::Acl, 3);
}

/// Adds a rule; returns its id.
///
/// # Errors
/// That it exists or is malformed, in the reference's words.
pub fn add(txn: &mut Txn, new: Acl) -> Result<i32, String> {
    if txn.rules_of(new.user).any(|rule| *rule == new) {
        return Err(format!("Rule {} already exists", rule::text(&new)));
    }
    let faults = rule::faults(&new);
    if !faults.is_empty() {
        return Err(format!("Rule {} is malformed: {faults}", rule::text(&new)));
    }
    Ok(txn.insert(Object::new("", Template::new(), new)))
}

/// Removes the rule that is exactly this, if there is one.
pub fn remove(txn: &mut Txn, gone: &Acl) {
    remove_where(txn, |rule| rule == gone);
}

/// Removes the rules about a user that is deleted.
pub fn forget_user(txn: &mut Txn, uid: i32) {
    remove_where(txn, |rule| rule.user == who(INDIVIDUAL, uid));
}

/// Removes the rules about a group that is deleted.
pub fn forget_group(txn: &mut Txn, gid: i32) {
    remove_where(txn, |rule| rule.user == who(GROUP, gid) || names(rule.resource, GROUP, gid));
}

/// Removes the rules about what is in a cluster that is deleted.
pub fn forget_cluster(txn: &mut Txn, cluster: i32) {
    remove_where(txn, |rule| names(rule.resource, CLUSTER, cluster));
}

/// Removes the rules about one deleted object of one kind (not those that name its id for several kinds).
pub fn forget_object(txn: &mut Txn, kind: Kind, id: i32) {
    let exactly = on(&[kind], INDIVIDUAL, id);
    remove_where(txn, |rule| rule.resource == exactly);
}

fn remove_where(txn: &mut Txn, gone: impl Fn(&Acl) -> bool) {
    let ids: Vec<i32> = txn.each::<Acl>().filter(|(_, rule)| gone(rule)).map(|(object, _)| object.id).collect();
    for id in ids {
        txn.remove(Kind::Acl, id);
    }
}

/// `one.acl.addrule`: parameters user, resource, rights, zone, all in hex.
fn add_rule(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let zone = match request.str(3) {
        "" => who(INDIVIDUAL, LOCAL_ZONE),
        text => rule::parse_hex(text),
    };
    let rule = Acl {
        user: rule::parse_hex(request.str(0)),
        resource: rule::parse_hex(request.str(1)),
        rights: rule::parse_hex(request.str(2)),
        zone,
    };
    add(txn, rule).map(Value::Int).map_err(ApiError::internal)
}

/// `one.acl.delrule`: parameter id.
fn delete_rule(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    if txn.remove(Kind::Acl, id).is_none() {
        return Err(ApiError::internal(format!("Rule {id} does not exist")));
    }
    Ok(Value::Int(id))
}

/// `one.acl.info`: all rules, by user component and then in the order they were made.
fn info(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    let mut rules: Vec<(&Object, &Acl)> = view.state.each::<Acl>().collect();
    rules.sort_by_key(|(_, rule)| rule.user);
    let objects = rules.into_iter().map(|(object, _)| object).collect();
    Ok(listing::document("ACL_POOL", objects, Form::Full))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.acl.addrule", Kind::Acl, &[req("user", Type::Str), req("resource", Type::Str), req("rights", Type::Str), opt("zone", Type::Str, Default::Str(""))], &[Need::Pool(Kind::Acl, Op::Manage)], add_rule),
    write("one.acl.delrule", Kind::Acl, &[ID], &[Need::Pool(Kind::Acl, Op::Manage)], delete_rule),
    read("one.acl.info", Kind::Acl, &[], &[Need::Pool(Kind::Acl, Op::Manage)], info),
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Actor, Facts};
    use crate::head::Permissions;

    fn network(named_rules_only: bool) -> Subject {
        Subject {
            kind: Kind::Net,
            id: 3,
            uid: 5,
            gid: 100,
            permissions: Permissions(0),
            clusters: vec![7],
            named_rules_only,
            lock: None,
        }
    }

    /// Whether a rule lets user 2 in groups 1 and 101 use the subject.
    fn lets_use(user: u64, resource: u64, subject: &Subject) -> bool {
        let rule = Acl { user, resource, rights: Op::Use as u64, zone: ALL };
        let mut txn = Txn::new(State::default(), Actor::default(), Facts::default(), [0; 32]);
        txn.insert(Object::new("", Template::new(), rule));
        rules_for(&txn, 2, &[1, 101]).any(|rule| rule.grants(subject, Op::Use))
    }

    #[test]
    fn rules_select_objects_by_name_group_cluster_or_all() {
        let net = network(false);
        for (selector, id) in [(INDIVIDUAL, 3), (GROUP, 100), (CLUSTER, 7), (ALL, 0)] {
            assert!(lets_use(who(GROUP, 101), on(&[Kind::Net, Kind::Host], selector, id), &net));
            assert!(!lets_use(who(GROUP, 101), on(&[Kind::Host], selector, id), &net));
        }
        assert!(!lets_use(ALL, on(&[Kind::Net], INDIVIDUAL, 4), &net));
        assert!(!lets_use(who(INDIVIDUAL, 1), on(&[Kind::Net], ALL, 0), &net));
    }

    #[test]
    fn rules_about_everything_pass_reservations_by() {
        let reserved = network(true);
        assert!(lets_use(ALL, on(&[Kind::Net], GROUP, 100), &reserved));
        assert!(!lets_use(ALL, on(&[Kind::Net], ALL, 0), &reserved));
        assert!(!lets_use(ALL, on(&[Kind::Net], CLUSTER, 7), &reserved));
    }
}
