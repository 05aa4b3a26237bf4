//! Hooks: body, XML, methods. A hook is a command to run when an API call is made or an object reaches a state.
//!
//! What hooks may wait for is in [`rules`], what runs them in [`events`], what came of their runs in [`log`].

pub mod events;
pub mod log;
pub mod rules;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::body::Variant;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::object::Object;
use crate::parts::{Parts, Table};
use crate::records::Record;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::xml::XmlWriter;
use crate::{names, verbs};
use log::Execution;
use rules::HookType;

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

impl std::default::Default for Hook {
    fn default() -> Hook {
        Hook { hook_type: HookType::Api, log: Table::default(), next_execution: 0 }
    }
}

impl Record for Hook {
    const KIND: Kind = Kind::Hook;

    /// Full: with the log of its runs.
    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        w.element("HOOK", |w| {
            w.plain("ID", head.id).plain("NAME", &head.name).plain("TYPE", self.hook_type.name());
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

impl Pool for Hook {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let methods = txn.methods();
        let object = txn.object_mut(Kind::Hook, id).map_err(|e| e.text)?;
        let template = &mut object.template;
        if template.value("COMMAND").is_empty() {
            return Err("The COMMAND attribute is not defined.".to_owned());
        }
        if !template.value("REMOTE").is_empty() {
            let remote = yes_no(template.is_yes("REMOTE"));
            template.set("REMOTE", remote);
        }
        if let Some(hook) = Hook::of_mut(&mut object.body) {
            hook.hook_type = rules::check_updated(methods, hook.hook_type, template)?;
        }
        Ok(())
    }
}

fn yes_no(yes: bool) -> &'static str {
    if yes { "YES" } else { "NO" }
}

/// `one.hook.allocate`: parameter template.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::Hook, request.str(0))?;
    let type_name = template.value("TYPE").to_ascii_lowercase();
    let hook_type = HookType::of(&template, &type_name)
        .ok_or_else(|| ApiError::internal(format!("Invalid Hook type: {type_name}")))?;
    if names::invalid(&name, "").is_some() {
        return Err(ApiError::internal("Invalid name."));
    }
    names::check_new(txn, Kind::Hook, -1, &name)?;
    txn.begin_insert(Kind::Hook);
    let command = template.value("COMMAND").to_owned();
    if command.is_empty() {
        return Err(ApiError::internal("No COMMAND in template for Hook."));
    }
    let remote = yes_no(template.is_yes("REMOTE"));
    template.remove("TYPE");
    template.set("COMMAND", command);
    template.set("REMOTE", remote);
    let hook_type = hook_type.map_err(ApiError::internal)?;
    rules::check_new(txn.methods(), hook_type, &mut template).map_err(ApiError::internal)?;
    template.drop_empty_vectors();
    let hook = Hook { hook_type, ..Hook::default() };
    Ok(Value::Int(txn.insert(Object::new(name, template, hook).owned_by_oneadmin(0o600))))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.hook.allocate", Kind::Hook, &[req("template", Type::Str)], &[], allocate),
    write("one.hook.delete", Kind::Hook, &[ID], &[Need::May(Kind::Hook, 0, Op::Manage)], verbs::delete::<Hook>),
    read("one.hook.info", Kind::Hook, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Hook, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.hook.lock", Kind::Hook, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Hook, 0, Op::Manage)], verbs::lock),
    write("one.hook.rename", Kind::Hook, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Hook, 0)], verbs::rename::<Hook>),
    write("one.hook.retry", Kind::Hook, &[ID, req("execution_id", Type::Int)], &[Need::Exists(Kind::Hook, 0), Need::May(Kind::Hook, 0, Op::Manage)], log::retry),
    write("one.hook.unlock", Kind::Hook, &[ID], &[Need::MayIgnoringLock(Kind::Hook, 0, Op::Manage)], verbs::unlock),
    write("one.hook.update", Kind::Hook, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Hook, 0, Op::Manage)], verbs::update::<Hook>),
    read("one.hooklog.info", Kind::Hook, &[req("min_ts", Type::Int), req("max_ts", Type::Int), req("hook_id", Type::Int), req("rc", Type::Int)], &[Need::AdminGroup], log::info).while_disabled(),
    read("one.hookpool.info", Kind::Hook, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
