//! What came of hooks' runs: `one.hooklog.info`, `one.hook.retry`, and the drivers' answers.
//!
//! The log holds the latest runs of each hook. Which events run a hook is not decided here.

use quick_xml::events::Event;
use quick_xml::reader::Reader;
use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::pending::{self, Operation};
use quorate_model::records::hook::{Execution, Hook};
use quorate_model::settings::Settings;
use quorate_model::template::{Template, parse};
use quorate_model::xml::XmlWriter;

use crate::methods::{Request, View};
use crate::txn::Txn;

/// How many runs are kept when nothing is configured.
const RETENTION: usize = 20;

/// The attributes of a result; `None` when it is not XML that can stand in a document of ours.
fn read(result: &str) -> Option<Template> {
    let document = format!("<RESULT>{result}</RESULT>");
    if holds_elements_and_text_only(&document) { parse::read_written(&document) } else { None }
}

/// Whether there are no attributes (which could have prefixes that nothing declares), instructions or the like.
fn holds_elements_and_text_only(xml: &str) -> bool {
    let mut reader = Reader::from_str(xml);
    loop {
        match reader.read_event() {
            Ok(Event::Start(e) | Event::Empty(e)) if e.attributes_raw().trim().is_empty() => {}
            Ok(Event::End(_) | Event::Text(_) | Event::CData(_) | Event::GeneralRef(_)) => {}
            Ok(Event::Eof) => return true,
            _ => return false,
        }
    }
}

fn retention(settings: &Settings) -> usize {
    let configured = settings.all().vector("HOOK_LOG_CONF").and_then(|conf| conf.int("LOG_RETENTION"));
    configured.and_then(|n| usize::try_from(n).ok()).unwrap_or(RETENTION)
}

/// Applies a hook driver's answer: the exit code and the result in base64. Answers that cannot be read are dropped.
///
/// # Errors
/// None that refuses the report: a hook that is gone is ignored.
pub fn executed(txn: &mut Txn, hook: i32, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    // A failed command answers in the same form.
    let payload = outcome.unwrap_or_else(|failure| failure);
    let (code, encoded) = payload.split_once(' ').unwrap_or((payload, ""));
    let (Ok(code), Some(result)) = (code.parse(), pending::decoded(encoded)) else { return Ok(()) };
    let (time, keep) = (txn.now(), retention(txn.settings()));
    if read(&result).is_none() {
        return Ok(());
    }
    let Ok(hook) = txn.body_mut::<Hook>(hook) else { return Ok(()) };
    let id = hook.next_execution;
    hook.log.insert(u64::from(id.cast_unsigned()), Execution { id, time, code, result });
    hook.next_execution = id.saturating_add(1);
    while hook.log.len() > keep && hook.log.remove_first() {}
    Ok(())
}

/// `one.hooklog.info`: parameters after when, before when, hook, result (-1 failures, 1 successes, else all); negative
/// times and hooks limit nothing.
pub fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let (after, before) = (i64::from(request.int(0)), i64::from(request.int(1)));
    let (hook, result) = (request.int(2), request.int(3));
    let wanted = |run: &Execution| {
        (after < 0 || run.time > after)
            && (before < 0 || run.time < before)
            && match result {
                -1 => run.code != 0,
                1 => run.code == 0,
                _ => true,
            }
    };
    let mut w = XmlWriter::new();
    w.element("HOOKLOG", |w| {
        for (object, body) in view.state.each::<Hook>().rev().filter(|(object, _)| hook < 0 || object.id == hook) {
            for run in body.log.values().filter(|run| wanted(run)) {
                run.render(object.id, w);
            }
        }
    });
    Ok(Value::Text(w.finish()))
}

/// `one.hook.retry`: parameters hook, run (-1: the oldest known one).
pub fn retry(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, run) = (request.id(), request.int(1));
    let (_, hook) = txn.get::<Hook>(id)?;
    let known = hook.log.values().find(|known| run == -1 || known.id == run);
    let result = known.and_then(|known| read(&known.result)).filter(|result| result.contains("ARGUMENTS"));
    let Some(result) = result else {
        return Err(ApiError::internal("Invalid HookLog body. Arguments not found."));
    };
    txn.start(Operation::Hook {
        hook: id,
        arguments: result.value("ARGUMENTS").to_owned(),
        remote_host: result.value("REMOTE_HOST").to_owned(),
        retry: true,
    });
    Ok(Value::Int(id))
}
