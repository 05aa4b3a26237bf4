//! The record of a VM group: its roles, and the rules about them in its template.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::ids::join_ids;
use crate::kind::Kind;
use crate::records::Record;
use crate::set::Set;
use crate::template::{Attribute, Template, VectorAttribute};
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

impl VmGroup {
    /// A group with the roles of `template`, which are taken out of it.
    ///
    /// # Errors
    /// Too many roles, one without name, two of one name.
    pub fn with_roles(template: &mut Template) -> Result<VmGroup, String> {
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

    /// The id of a role.
    #[must_use]
    pub fn role_id(&self, name: &str) -> Option<usize> {
        self.roles.iter().position(|role| role.name() == name)
    }

    /// The roles that a rule lists; `None` when one of them does not exist.
    fn rule_roles(&self, list: &str) -> Option<BTreeSet<usize>> {
        list.split(',').filter(|name| !name.is_empty()).map(|name| self.role_id(name.trim())).collect()
    }

    /// Refuses rules that name unknown roles, stand twice or contradict each other or a role's policy.
    ///
    /// # Errors
    /// The first such rule.
    pub fn check_rules(&self, template: &Template) -> Result<(), String> {
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
