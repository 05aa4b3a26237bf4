//! Security groups: body, XML, methods, and the rules that VMs get from them.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::rollout::Rollout;
use crate::pools::vnet::Vnet;
use crate::pools::vnet::range::id_list;
use crate::pools::{PoolBody, body_of};
use crate::state::State;
use crate::template::VectorAttribute;
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a security group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecGroup {
    /// The VMs with these rules, by how far its last change has come to them.
    pub vms: Rollout,
}

impl PoolBody for SecGroup {
    const KIND: Kind = Kind::SecGroup;
    body_of!(SecGroup);

    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.permissions.render(w);
            self.vms.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// The SECURITY_GROUP_RULE vectors of groups, as a VM's template holds them: each rule with SECURITY_GROUP_ID and
/// SECURITY_GROUP_NAME; one that is about a network once for each of the network's ranges. Groups that are gone have no
/// rules.
#[must_use]
pub fn rules_for<'a>(state: &State, groups: impl IntoIterator<Item = &'a i32>) -> Vec<VectorAttribute> {
    let objects = groups.into_iter().filter_map(|id| state.find(Kind::SecGroup, *id));
    objects.flat_map(|object| rules_of(state, object)).collect()
}

fn rules_of(state: &State, object: &Object) -> Vec<VectorAttribute> {
    let mut rules = Vec::new();
    for rule in object.template.vectors("RULE") {
        let mut rule = rule.clone();
        rule.set("SECURITY_GROUP_ID", object.id).set("SECURITY_GROUP_NAME", &object.name);
        match rule.int("NETWORK_ID") {
            None => rules.push(rule),
            Some(network) => {
                let network = i32::try_from(network).ok().and_then(|id| state.find_typed::<Vnet>(id));
                let ranges = network.into_iter().flat_map(|(_, network)| network.ranges.iter());
                rules.extend(ranges.map(|range| range.security_rule(&rule)));
            }
        }
    }
    rules
}

/// A VM gets the rules of these groups: it is on their lists from now on. The rules themselves are [`rules_for`].
pub fn add_vm<'a>(txn: &mut Txn, vm: i32, groups: impl IntoIterator<Item = &'a i32>) {
    for group in groups {
        if txn.find(Kind::SecGroup, *group).is_some()
            && let Ok(body) = txn.body_mut::<SecGroup>(*group)
        {
            body.vms.updated.insert(vm);
        }
    }
}

/// A VM no longer has the rules of these groups.
pub fn remove_vm<'a>(txn: &mut Txn, vm: i32, groups: impl IntoIterator<Item = &'a i32>) {
    for group in groups {
        if txn.find(Kind::SecGroup, *group).is_some()
            && let Ok(body) = txn.body_mut::<SecGroup>(*group)
        {
            body.vms.forget(vm);
        }
    }
}

/// The groups of a NIC, or of all NICs of a VM.
#[must_use]
pub fn groups_of<'a>(nics: impl IntoIterator<Item = &'a VectorAttribute>) -> BTreeSet<i32> {
    nics.into_iter().flat_map(|nic| id_list(nic.value("SECURITY_GROUPS"))).collect()
}

/// The objects of this pool in a fresh zone.
pub fn bootstrap(_txn: &mut Txn) {}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.secgroup.allocate", Kind::SecGroup, &[req("template", Type::Str)], &[Need::Create(Kind::SecGroup)]),
    write("one.secgroup.chmod", Kind::SecGroup, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::SecGroup, 0)], verbs::chmod),
    write("one.secgroup.chown", Kind::SecGroup, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::SecGroup, 0)], verbs::chown),
    unwritten("one.secgroup.clone", Kind::SecGroup, &[ID, req("name", Type::Str)], &[Need::Create(Kind::SecGroup), Need::May(Kind::SecGroup, 0, Op::Use)]),
    unwritten("one.secgroup.commit", Kind::SecGroup, &[ID, req("recover", Type::Bool)], &[Need::May(Kind::SecGroup, 0, Op::Manage)]),
    write("one.secgroup.delete", Kind::SecGroup, &[ID], &[Need::May(Kind::SecGroup, 0, Op::Manage)], verbs::delete),
    read("one.secgroup.info", Kind::SecGroup, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::SecGroup, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.secgroup.rename", Kind::SecGroup, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::SecGroup, 0)], verbs::rename),
    write("one.secgroup.update", Kind::SecGroup, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::SecGroup, 0, Op::Manage)], verbs::update),
    read("one.secgrouppool.info", Kind::SecGroup, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
