//! VM groups: roles that VMs take, and which roles or hosts belong together or apart.
//!
//! Placing VMs by these rules is the scheduler's work: it reads the groups. This file must not place anything.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::Request as AuthRequest;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::ids::join_ids;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::object::Object;
use crate::records::Record;
use crate::set::Set;
use crate::state::State;
use crate::template::{Attribute, Template, VectorAttribute};
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

/// How many roles a group can have.
const MAX_ROLES: usize = 32;
/// The rule of roles whose VMs run on the same host.
const AFFINED: &str = "AFFINED";
/// The rule of roles whose VMs run on different hosts.
const ANTI_AFFINED: &str = "ANTI_AFFINED";

/// The particular part of a VM group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VmGroup {
    /// Its roles; a role's place is its id.
    pub roles: Vec<Role>,
}

/// A role of a VM group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Role {
    /// What it was made with: NAME, POLICY, HOST_AFFINED, HOST_ANTI_AFFINED and whatever else.
    pub attributes: VectorAttribute,
    /// The VMs that have it.
    pub vms: Set<i32>,
}

impl Role {
    fn name(&self) -> &str {
        self.attributes.value("NAME")
    }
}

impl Record for VmGroup {
    const KIND: Kind = Kind::VmGroup;

    fn overhead(&self) -> u64 {
        self.roles.iter().map(|role| role.attributes.overhead()).sum()
    }

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            head.permissions.render(w);
            head.render_lock(w);
            w.element("ROLES", |w| {
                for (id, role) in self.roles.iter().enumerate() {
                    let mut attributes = role.attributes.clone();
                    attributes.set("ID", id);
                    if !role.vms.is_empty() {
                        attributes.set("VMS", join_ids(&role.vms));
                    }
                    attributes.render("ROLE", w);
                }
            });
            head.template.render("TEMPLATE", w);
        });
    }
}

impl Pool for VmGroup {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        txn.object_mut(Kind::VmGroup, id).map_err(|e| e.text)?.template.remove("ROLE");
        let (object, group) = txn.get::<VmGroup>(id).map_err(|e| e.text)?;
        match group.roles.iter().map(|role| role.vms.len()).sum::<usize>() {
            0 => group.check_rules(&object.template),
            vms => Err(format!("VM Group has {vms} VMs")),
        }
    }
}

impl VmGroup {
    /// A group with the roles of `template`, which are taken out of it.
    fn with_roles(template: &mut Template) -> Result<VmGroup, String> {
        let mut group = VmGroup::default();
        let wanted = template.remove("ROLE");
        if wanted.len() > MAX_ROLES {
            return Err("Maximum number of roles in a VM Group reached".to_owned());
        }
        for attribute in wanted {
            let Attribute::Vector(mut attributes) = attribute else { continue };
            attributes.remove("ID");
            attributes.remove("VMS");
            let name = attributes.value("NAME");
            if name.is_empty() {
                return Err("Missing NAME in VM group role".to_owned());
            }
            if group.role_id(name).is_some() {
                return Err("Role NAME already exists".to_owned());
            }
            group.roles.push(Role { attributes, vms: Set::new() });
        }
        Ok(group)
    }

    fn role_id(&self, name: &str) -> Option<usize> {
        self.roles.iter().position(|role| role.name() == name)
    }

    /// The roles that a rule lists; `None` when one of them does not exist.
    fn rule_roles(&self, list: &str) -> Option<BTreeSet<usize>> {
        list.split(',').filter(|name| !name.is_empty()).map(|name| self.role_id(name.trim())).collect()
    }

    /// Refuses rules that name unknown roles, stand twice or contradict each other or a role's policy.
    fn check_rules(&self, template: &Template) -> Result<(), String> {
        for rule in [AFFINED, ANTI_AFFINED] {
            if let Some(list) = template.singles(rule).find(|list| self.rule_roles(list).is_none()) {
                return Err(format!("Some roles used in {rule} attribute ({list}) are not defined"));
            }
        }
        let together = self.rules(template, AFFINED)?;
        let apart_by_policy = |id: &&usize| {
            self.roles.get(**id).is_some_and(|r| r.attributes.value("POLICY").eq_ignore_ascii_case(ANTI_AFFINED))
        };
        if let Some(role) = together.iter().flatten().find(apart_by_policy).and_then(|id| self.roles.get(*id)) {
            let name = role.name();
            return Err(format!("Role {name} is in an AFFINED rule but the role policy is ANTI_AFFINED"));
        }
        let together: BTreeSet<usize> = together.into_iter().flatten().collect();
        let apart: BTreeSet<usize> = self.rules(template, ANTI_AFFINED)?.into_iter().flatten().collect();
        let both: Vec<&str> =
            together.intersection(&apart).filter_map(|id| self.roles.get(*id)).map(Role::name).collect();
        if both.is_empty() {
            return Ok(());
        }
        Err(format!("Roles defined in AFFINED and ANTI_AFFINED rules: {}", both.join(" ")))
    }

    /// The rules of one sort, none of which may stand twice.
    fn rules(&self, template: &Template, rule: &str) -> Result<Vec<BTreeSet<usize>>, String> {
        let mut rules = Vec::new();
        let mut known = BTreeSet::new();
        for list in template.singles(rule) {
            let roles = self.rule_roles(list).unwrap_or_default();
            if !known.insert(roles.clone()) {
                return Err(format!("Duplicated {rule} rule ({list}) detected."));
            }
            rules.push(roles);
        }
        Ok(rules)
    }
}

/// The group that a VM's VMGROUP attribute means: by VMGROUP_NAME of VMGROUP_UID or else of `uid`, or by VMGROUP_ID.
#[must_use]
pub fn find(state: &State, attribute: &VectorAttribute, uid: i32) -> Option<i32> {
    match attribute.value("VMGROUP_NAME") {
        "" => attribute.id("VMGROUP_ID").filter(|id| state.find(Kind::VmGroup, *id).is_some()),
        name => state.id_of(Kind::VmGroup, attribute.id("VMGROUP_UID").unwrap_or(uid), name),
    }
}

/// The right that a VM with this VMGROUP attribute takes; none when there is no such group ([`add_vm`] refuses).
#[must_use]
pub fn authorization(state: &State, attribute: &VectorAttribute, uid: i32) -> Option<AuthRequest> {
    let id = find(state, attribute, uid)?;
    state.find(Kind::VmGroup, id).map(|group| AuthRequest::on(group, Op::Use))
}

/// Gives a VM of `uid` the role that its VMGROUP attribute asks for; the attribute gets the group's id.
///
/// # Errors
/// No role is asked for, or there is no such group or role.
pub fn add_vm(txn: &mut Txn, attribute: &mut VectorAttribute, uid: i32, vm: i32) -> Result<(), String> {
    let role = attribute.value("ROLE").to_owned();
    if role.is_empty() {
        return Err("Missing role name in VM Group definition".to_owned());
    }
    let id = find(txn, attribute, uid).ok_or("Cannot find VM Group to associate the VM")?;
    attribute.set("VMGROUP_ID", id);
    let group = txn.body_mut::<VmGroup>(id).map_err(|e| e.text)?;
    let role = group.role_id(&role).and_then(|place| group.roles.get_mut(place));
    role.ok_or("Role does not exist in VM Group")?.vms.insert(vm);
    Ok(())
}

/// Takes its role from a VM, as its VMGROUP attribute names it. The group may be gone.
pub fn remove_vm(txn: &mut Txn, attribute: &VectorAttribute, vm: i32) {
    let Some(id) = attribute.id("VMGROUP_ID") else { return };
    if txn.find(Kind::VmGroup, id).is_none() {
        return;
    }
    if let Ok(group) = txn.body_mut::<VmGroup>(id)
        && let Some(role) = group.role_id(attribute.value("ROLE")).and_then(|place| group.roles.get_mut(place))
    {
        role.vms.remove(&vm);
    }
}

/// `one.vmgroup.allocate`: parameter template.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::VmGroup, request.str(0))?;
    verbs::check_new(txn, Kind::VmGroup, &name)?;
    txn.begin_insert(Kind::VmGroup);
    let group = VmGroup::with_roles(&mut template).map_err(ApiError::internal)?;
    group.check_rules(&template).map_err(ApiError::internal)?;
    verbs::allocate_named(txn, Object::new(name, template, group)).map(Value::Int)
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.vmgroup.allocate", Kind::VmGroup, &[req("template", Type::Str)], &[], allocate),
    write("one.vmgroup.chmod", Kind::VmGroup, verbs::CHMOD, &[Need::Exists(Kind::VmGroup, 0)], verbs::chmod),
    write("one.vmgroup.chown", Kind::VmGroup, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::VmGroup, 0)], verbs::chown::<VmGroup>),
    write("one.vmgroup.delete", Kind::VmGroup, &[ID], &[Need::May(Kind::VmGroup, 0, Op::Manage)], verbs::delete::<VmGroup>),
    read("one.vmgroup.info", Kind::VmGroup, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VmGroup, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vmgroup.lock", Kind::VmGroup, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VmGroup, 0, Op::Manage)], verbs::lock),
    write("one.vmgroup.rename", Kind::VmGroup, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::VmGroup, 0)], verbs::rename::<VmGroup>),
    write("one.vmgroup.unlock", Kind::VmGroup, &[ID], &[Need::MayIgnoringLock(Kind::VmGroup, 0, Op::Manage)], verbs::unlock),
    write("one.vmgroup.update", Kind::VmGroup, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::VmGroup, 0, Op::Manage)], verbs::update::<VmGroup>),
    read("one.vmgrouppool.info", Kind::VmGroup, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
