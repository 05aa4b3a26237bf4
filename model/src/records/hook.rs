//! Hooks: what is stored of them, what they wait for, the log of their runs, their XML.

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::Kind;
use crate::parts::{Parts, Table};
use crate::records::Record;
use crate::xml::XmlWriter;

/// The particular part of a hook.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {
    /// What it waits for.
    pub hook_type: HookType,
    /// What came of its latest runs, by their ids; in records of their own.
    #[serde(skip)]
    pub log: Table<Execution>,
    /// The next run's id.
    pub next_execution: i32,
}

impl Default for Hook {
    fn default() -> Hook {
        Hook { hook_type: HookType::Api, log: Table::default(), next_execution: 0 }
    }
}

impl Record for Hook {
    const KIND: Kind = Kind::Hook;

    /// Full: with the log of its runs.
    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        w.element("HOOK", |w| {
            w.plain("ID", head.id).plain("NAME", head.name).plain("TYPE", self.hook_type.name());
            head.render_lock(w);
            head.template.render("TEMPLATE", w);
            if form == Form::Full {
                w.element("HOOKLOG", |w| {
                    for execution in self.log.values() {
                        execution.render(head.id, w);
                    }
                });
            }
        });
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.log)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.log as &mut dyn Parts)
    }
}

/// What a hook waits for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum HookType {
    /// A call of the API.
    Api,
    /// A state of an object of this kind.
    State(Resource),
}

/// The kinds of object whose states hooks can wait for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Resource {
    /// Virtual machines.
    Vm,
    /// Hosts.
    Host,
    /// Images.
    Image,
    /// Virtual networks.
    Net,
}

impl HookType {
    /// TYPE in documents.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            HookType::Api => "api",
            HookType::State(_) => "state",
        }
    }
}

impl Resource {
    /// The kind of object that RESOURCE names.
    #[must_use]
    pub fn named(name: &str) -> Option<Resource> {
        match name {
            "VM" => Some(Resource::Vm),
            "HOST" => Some(Resource::Host),
            "IMAGE" => Some(Resource::Image),
            "NET" => Some(Resource::Net),
            _ => None,
        }
    }
}

/// A run of a hook.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Execution {
    /// Its id, from 0 for each hook.
    pub id: i32,
    /// When its result came, unix seconds.
    pub time: i64,
    /// The command's exit code.
    pub code: i32,
    /// ARGUMENTS, EXECUTION_RESULT and what else the driver told, in XML.
    pub result: String,
}

impl Execution {
    /// `<HOOK_EXECUTION_RECORD>`
    pub fn render(&self, hook: i32, w: &mut XmlWriter) {
        w.element("HOOK_EXECUTION_RECORD", |w| {
            w.plain("HOOK_ID", hook).plain("EXECUTION_ID", self.id).plain("TIMESTAMP", self.time);
            w.raw(&self.result);
        });
    }
}
