//! Groups: what is stored of them, and their XML.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::Parts;
use crate::quota::Quotas;
use crate::records::Record;
use crate::set::Set;
use crate::xml::XmlWriter;

/// The administrators' group.
pub const ONEADMIN: i32 = 0;

/// The group of users for whom nothing else is said.
pub const USERS: i32 = 1;

/// The particular part of a group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Its members; each in a record of its own.
    #[serde(skip)]
    pub users: Set<i32>,
    /// Those of its members that administrate it.
    pub admins: BTreeSet<i32>,
    /// Own quota limits and usage.
    pub quotas: Quotas,
}

impl Record for Group {
    const KIND: Kind = Kind::Group;
    const RESTRICTED: &'static str = "GROUP_RESTRICTED_ATTR";

    /// Full: with its quotas. Short: followed by a sibling `<QUOTAS>`, as the pool listing has it.
    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        w.element("GROUP", |w| {
            w.plain("ID", head.id).plain("NAME", head.name);
            head.template.render("TEMPLATE", w);
            w.ids("USERS", &self.users).ids("ADMINS", &self.admins);
            if form == Form::Full {
                self.quotas.render(w);
            }
        });
        if form == Form::Short {
            w.element("QUOTAS", |w| {
                w.plain("ID", head.id);
                self.quotas.render(w);
            });
        }
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.users)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.users as &mut dyn Parts)
    }
}
