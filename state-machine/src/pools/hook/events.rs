//! What runs hooks: objects that reach a state, API calls that were answered. Events are looked for when a change is
//! complete; the runs are operations like others.
//!
//! Calls that never come to the log (reads, and those refused for rights before) run no hook.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::api::{ApiReply, Arg, Value};
use quorate_model::body::Body;
use quorate_model::head::Form;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::Operation;
use quorate_model::records::hook::{Hook, HookType, Resource};
use quorate_model::xml::XmlWriter;

use crate::methods::{Request, Shows};
use crate::state::State;
use crate::store_key::StoreKey;

/// What a hook of this kind of object waits for: the kind, the state and a VM's LCM state.
fn condition(object: &Object) -> Option<(Resource, &'static str, &'static str)> {
    match &object.body {
        Body::Vm(vm) => Some((Resource::Vm, vm.state.name(), vm.lcm_state.name())),
        Body::Host(host) => Some((Resource::Host, host.state.name(), "")),
        Body::Image(image) => Some((Resource::Image, image.state.name(), "")),
        Body::Net(net) => Some((Resource::Net, net.state.name(), "")),
        _ => None,
    }
}

/// Where an object is: a VM's present or last host, a host itself.
fn host_of(object: &Object) -> &str {
    match &object.body {
        Body::Vm(vm) => vm.record().map_or("", |record| &record.hostname),
        Body::Host(_) => &object.name,
        _ => "",
    }
}

/// The run of a hook for an event; `None` when it must run on a host and there is none.
fn run(object: &Object, subject: &str, document: &str, host: &str) -> Option<Operation> {
    let template = &object.template;
    let remote = template.is_yes("REMOTE");
    if remote && host.is_empty() {
        return None;
    }
    // `$API` is nothing to state hooks, `$TEMPLATE` nothing to API hooks.
    let fill = |word: &str| match word {
        "$API" | "$TEMPLATE" if word == subject => BASE64.encode(document),
        "$API" | "$TEMPLATE" => String::new(),
        word => word.to_owned(),
    };
    let arguments = template.value("ARGUMENTS").split_whitespace().map(fill).collect::<Vec<_>>().join(" ");
    let remote_host = if remote { host.to_owned() } else { String::new() };
    Some(Operation::Hook { hook: object.id, arguments: arguments.trim().to_owned(), remote_host, retry: false })
}

/// The runs of hooks for objects whose state is another than before a change.
#[must_use]
pub fn of_states(before: &State, after: &State, changed: &[StoreKey]) -> Vec<Operation> {
    let mut runs = Vec::new();
    for key in changed {
        let StoreKey::Object(kind @ (Kind::Vm | Kind::Host | Kind::Image | Kind::Net), id) = *key else { continue };
        let Some(object) = after.find(kind, id) else { continue };
        let reached = condition(object);
        if reached == before.find(kind, id).and_then(|object| condition(object)) {
            continue;
        }
        let Some((resource, state, lcm_state)) = reached else { continue };
        let waits = |hook: &Object, body: &Hook| {
            body.hook_type == HookType::State(resource)
                && hook.template.value("STATE") == state
                && (resource != Resource::Vm || hook.template.value("LCM_STATE") == lcm_state)
        };
        for (hook, _) in after.each::<Hook>().filter(|(hook, body)| waits(hook, body)) {
            runs.extend(run(hook, "$TEMPLATE", &object.xml(Form::Full), host_of(object)));
        }
    }
    runs
}

/// Whether any hook waits for calls of a method.
#[must_use]
pub fn awaits(state: &State, method: &str) -> bool {
    hooks_for(state, method).next().is_some()
}

fn hooks_for<'a>(state: &'a State, method: &'a str) -> impl Iterator<Item = &'a Object> {
    let waits =
        move |hook: &Object, body: &Hook| body.hook_type == HookType::Api && hook.template.value("CALL") == method;
    state.each::<Hook>().filter(move |(hook, body)| waits(hook, body)).map(|(hook, _)| hook)
}

/// The runs of hooks for an answered call; `before` and `after` are the states around it.
#[must_use]
pub fn of_call(before: &State, after: &State, request: &Request<'_>, reply: &ApiReply) -> Vec<Operation> {
    let document = call_info(before, after, request, reply);
    // A hook that deletes itself still hears of it.
    hooks_for(before, request.method.name).filter_map(|hook| run(hook, "$API", &document, "")).collect()
}

/// `<CALL_INFO>`: parameters and answer of a call, with the object that it made or deleted.
fn call_info(before: &State, after: &State, request: &Request<'_>, reply: &ApiReply) -> String {
    let name = request.method.name;
    let parameter = |w: &mut XmlWriter, position: usize, direction: &str, value: &str| {
        w.element("PARAMETER", |w| {
            w.plain("POSITION", position).plain("TYPE", direction).plain("VALUE", value);
        });
    };
    let mut w = XmlWriter::new();
    w.element("CALL_INFO", |w| {
        w.plain("RESULT", i32::from(reply.is_ok())).element("PARAMETERS", |w| {
            parameter(w, 1, "IN", "****");
            for (i, (arg, param)) in request.args().iter().zip(request.method.params).enumerate() {
                let value = if param.secret { "****".to_owned() } else { shown(arg) };
                parameter(w, i + 2, "IN", &value);
            }
            let answer = match reply {
                Ok(value) => vec!["true".to_owned(), value.to_text(), "0".to_owned()],
                Err(e) => vec![
                    "false".to_owned(),
                    format!("[{name}] {}", e.text),
                    (e.code as i32).to_string(),
                    e.object_id.to_string(),
                ],
            };
            for (i, value) in answer.iter().enumerate() {
                parameter(w, i + 1, "OUT", value);
            }
        });
        w.element("EXTRA", |w| {
            let object = match (request.method.shows, reply) {
                (Shows::Made, Ok(Value::Int(id))) => after.find(request.kind(), *id),
                (Shows::Ended, _) => before.find(request.kind(), request.id()),
                _ => None,
            };
            if let Some(object) = object {
                w.raw(&object.xml(Form::Full));
            }
        });
    });
    w.finish()
}

/// A parameter's value in a text; arrays show none (the reference: `include/Request.h`, `get_value_as_string`).
fn shown(arg: &Arg) -> String {
    match arg {
        Arg::Int(n) => n.to_string(),
        Arg::Bool(b) => i32::from(*b).to_string(),
        Arg::Str(text) => text.clone(),
        Arg::Ints(_) => String::new(),
    }
}
