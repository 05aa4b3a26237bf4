//! Security groups: body, XML, methods, and the rules that VMs get from them.

pub mod rollout;
mod rules;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::ids::id_list;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::object::Object;
use crate::parts::Parts;
use crate::pools::rollout::Rollout;
use crate::pools::vnet::Vnet;
use crate::records::Record;
use crate::template::{Template, VectorAttribute};
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

/// The group that networks get by themselves.
const DEFAULT: i32 = 0;

/// The particular part of a security group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct SecGroup {
    /// The VMs with these rules, by how far its last change has come to them; in records of their own.
    #[serde(skip)]
    pub vms: Rollout,
}

impl Record for SecGroup {
    const KIND: Kind = Kind::SecGroup;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            head.permissions.render(w);
            self.vms.render(w);
            head.template.render("TEMPLATE", w);
        });
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        self.vms.parts()
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        self.vms.part_mut(map)
    }
}

impl Pool for SecGroup {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let template = &mut txn.object_mut(Kind::SecGroup, id).map_err(|e| e.text)?.template;
        rules::normalize(template)?;
        rollout::refuse_growth(txn, id)?;
        rollout::start(txn, id, false);
        Ok(())
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        let refuse = |reason: &str| Err(ApiError::action(format!("Cannot delete security group. {reason}")));
        if id == DEFAULT {
            return refuse("The default security group (ID 0) cannot be deleted.");
        }
        if !txn.get::<SecGroup>(id)?.1.vms.is_empty() {
            return refuse("The security group has VMs using it");
        }
        Ok(())
    }
}

/// The SECURITY_GROUP_RULE vectors of groups, as a VM's template holds them: each rule with SECURITY_GROUP_ID and
/// SECURITY_GROUP_NAME; one that is about a network once for each of the network's ranges. Groups that are gone have no
/// rules.
///
/// # Errors
/// That the budget is used up.
pub fn rules_for<'a>(txn: &Txn, groups: impl IntoIterator<Item = &'a i32>) -> Result<Vec<VectorAttribute>, String> {
    let mut rules = Vec::new();
    for object in groups.into_iter().filter_map(|id| txn.find(Kind::SecGroup, *id)) {
        add_rules_of(txn, object, &mut rules)?;
    }
    Ok(rules)
}

fn add_rules_of(txn: &Txn, object: &Object, rules: &mut Vec<VectorAttribute>) -> Result<(), String> {
    let mut add = |rule: VectorAttribute| -> Result<(), String> {
        txn.budget().bytes(rule.memory())?;
        rules.push(rule);
        Ok(())
    };
    for rule in object.template.vectors("RULE") {
        let mut rule = rule.clone();
        rule.set("SECURITY_GROUP_ID", object.id).set("SECURITY_GROUP_NAME", &object.name);
        match rule.int("NETWORK_ID") {
            None => add(rule)?,
            Some(network) => {
                let network = i32::try_from(network).ok().and_then(|id| txn.find_typed::<Vnet>(id));
                let mut ranges = network.into_iter().flat_map(|(_, network)| network.ranges.iter());
                ranges.try_for_each(|range| add(range.security_rule(&rule)))?;
            }
        }
    }
    Ok(())
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

/// The group of a fresh zone: it lets everything pass.
pub fn bootstrap(txn: &mut Txn) {
    const DESCRIPTION: &str = "The default security group is added to every network. Use it to add default filter rules \
        for your networks. You may remove this security group from any network by updating its properties.";
    let mut template = Template::new();
    template.set("DESCRIPTION", DESCRIPTION);
    for direction in ["OUTBOUND", "INBOUND"] {
        template.add_vector("RULE", VectorAttribute::from_iter([("RULE_TYPE", direction), ("PROTOCOL", "ALL")]));
    }
    txn.put_with_id(DEFAULT, Object::new("default", template, SecGroup::default()).owned_by_oneadmin(0o744));
}

/// `one.secgroup.allocate`: parameter template.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::SecGroup, request.str(0))?;
    verbs::check_new(txn, Kind::SecGroup, &name)?;
    rules::normalize(&mut template).map_err(ApiError::internal)?;
    verbs::allocate_named(txn, Object::new(name, template, SecGroup::default())).map(Value::Int)
}

/// `one.secgroup.clone`: parameters id, name.
fn clone(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::template_to_clone(txn, request)?;
    let refuse = |reason: String| ApiError::allocate(Kind::SecGroup, reason);
    verbs::check_new(txn, Kind::SecGroup, request.str(1)).map_err(|e| refuse(e.text))?;
    rules::normalize(&mut template).map_err(refuse)?;
    verbs::allocate_clone(txn, Object::new(request.str(1), template, SecGroup::default())).map(Value::Int)
}

/// `one.secgroup.commit`: parameters id, and whether only VMs without the newest rules get them.
fn commit(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    rollout::start(txn, request.id(), request.bool(1));
    Ok(Value::Int(request.id()))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.secgroup.allocate", Kind::SecGroup, &[req("template", Type::Str)], &[], allocate),
    write("one.secgroup.chmod", Kind::SecGroup, verbs::CHMOD, &[Need::Exists(Kind::SecGroup, 0)], verbs::chmod),
    write("one.secgroup.chown", Kind::SecGroup, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::SecGroup, 0)], verbs::chown::<SecGroup>),
    write("one.secgroup.clone", Kind::SecGroup, &[ID, req("name", Type::Str)], &[Need::May(Kind::SecGroup, 0, Op::Use), Need::Create(Kind::SecGroup)], clone),
    write("one.secgroup.commit", Kind::SecGroup, &[ID, req("recover", Type::Bool)], &[Need::May(Kind::SecGroup, 0, Op::Manage)], commit),
    write("one.secgroup.delete", Kind::SecGroup, &[ID], &[Need::May(Kind::SecGroup, 0, Op::Manage)], verbs::delete::<SecGroup>),
    read("one.secgroup.info", Kind::SecGroup, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::SecGroup, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.secgroup.rename", Kind::SecGroup, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::SecGroup, 0)], verbs::rename::<SecGroup>),
    write("one.secgroup.update", Kind::SecGroup, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::SecGroup, 0, Op::Manage)], verbs::update::<SecGroup>),
    read("one.secgrouppool.info", Kind::SecGroup, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
