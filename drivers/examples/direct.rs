//! The state machine without network or log, for `tools/direct_replay.py`: JSON lines in, JSON lines out.
//!
//! `{"method": .., "session": .., "args": [..]}` answers the reply tuple; `{"drain": true}` lets the dummy
//! drivers answer everything that is pending (datastores' space they tell at once). Time stands still except for the machine's own clock.

use std::io::{BufRead, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use quorate_drivers::dummy;
use quorate_model::api::{ApiReply, Arg, Type, Value};
use quorate_model::command::{Call, Command, Envelope, Facts, RequestId};
use quorate_model::pending::{DriverReport, Operation};
use quorate_model::raft_status::RaftStatus;
use quorate_state_machine::effect;
use quorate_state_machine::login;
use quorate_state_machine::machine::admit::{Admitted, admit};
use quorate_state_machine::methods::{Ask, Method, View};
use quorate_state_machine::state::State;
use quorate_state_machine::table;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_testkit::zone::first_content;
use serde_json::{Value as Json, json};

fn now() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_secs()).unwrap_or(i64::MAX))
}

fn envelope(seed: &mut u8, command: Command) -> Envelope {
    *seed = seed.wrapping_add(1);
    Envelope { time: now(), request: RequestId::default(), entropy: [*seed; 32], command }
}

fn argument(json: &Json, ty: Type) -> Option<Arg> {
    Some(match ty {
        Type::Int | Type::Int64 => Arg::Int(json.as_i64()?),
        Type::Bool => Arg::Bool(json.as_bool()?),
        Type::Str => Arg::Str(json.as_str()?.to_owned()),
        Type::Ints => Arg::Ints(json.as_array()?.iter().map(Json::as_i64).collect::<Option<_>>()?),
    })
}

fn call(state: &mut State, seed: &mut u8, line: &Json) -> Json {
    let name = line["method"].as_str().unwrap_or_default();
    let Some(method) = table::find(name) else {
        return json!(["fault", -506, format!("Method '{name}' not defined")]);
    };
    let given = line["args"].as_array().cloned().unwrap_or_default();
    let typed = |json: Json, ty| argument(&json, ty).ok_or("wrong type of a parameter");
    let args = match method.arguments(given, typed, || "Not enough parameters") {
        Ok(args) => args,
        Err(fault) => return json!(["fault", -501, fault]),
    };
    let reply = answer(state, seed, method, line["session"].as_str().unwrap_or_default(), args);
    match reply {
        Ok(Value::Int(n)) => json!([true, n, 0]),
        Ok(Value::Int64(n)) => json!([true, n, 0]),
        Ok(Value::Bool(b)) => json!([true, b, 0]),
        Ok(value) => json!([true, value.to_text(), 0]),
        Err(e) => json!([false, format!("[{name}] {}", e.text), e.code as i32, e.object_id, -1]),
    }
}

fn answer(state: &mut State, seed: &mut u8, method: &'static Method, session: &str, args: Vec<Arg>) -> ApiReply {
    let actor = match login::authenticate(state, session, now()) {
        Ok(actor) => actor,
        Err(refusal) => {
            if let Some(call) = login::stale_token(state, session) {
                state.apply(&envelope(seed, Command::Call(call))).reply?;
            }
            return Err(refusal);
        }
    };
    let view = View { state, actor: &actor, now: now() };
    let facts = match admit(&view, method, &args)? {
        Admitted::Read(reading, request) => return reading(&view, &request),
        // As the server that was recorded.
        Admitted::Node(reply) => return reply(&RaftStatus::SOLO),
        Admitted::Ask(Ask::Driver(question)) => question.facts(dummy::reply(&effect::question(state, &question))),
        Admitted::Ask(Ask::Removal(_)) | Admitted::Write => Facts::default(),
    };
    let call = Call { method: method.name.to_owned(), actor, args, facts };
    state.apply(&envelope(seed, Command::Call(call))).reply
}

/// Looks at datastores' space at once: a recorded zone had done so before the next call.
fn measure(state: &mut State, seed: &mut u8) {
    drain(state, seed, |operation| matches!(operation, Operation::MonitorDatastore { .. }));
}

fn drain(state: &mut State, seed: &mut u8, which: fn(&Operation) -> bool) -> Json {
    let pending: Vec<_> = state.pending().values().filter(|p| which(&p.operation)).cloned().collect();
    let count = pending.len();
    for operation in pending {
        let outcome = dummy::outcome(state, &operation);
        let report = DriverReport { operation: operation.id, attempt: operation.attempt, outcome };
        if let Err(e) = state.apply(&envelope(seed, Command::Report(report))).reply {
            eprintln!("report on {operation:?}: {e}");
        }
    }
    json!(count)
}

fn main() -> std::io::Result<()> {
    let mut state = State::new(std::sync::Arc::new(ZoneKey::for_tests()));
    let mut seed = 0;
    if let Err(e) = state.apply(&envelope(&mut seed, Command::Bootstrap(first_content()))).reply {
        eprintln!("bootstrap: {e}");
    }
    for line in std::io::stdin().lock().lines() {
        let reply = match serde_json::from_str::<Json>(&line?) {
            Ok(json) if json["drain"] == json!(true) => drain(&mut state, &mut seed, |_| true),
            Ok(json) => {
                let reply = call(&mut state, &mut seed, &json);
                measure(&mut state, &mut seed);
                reply
            }
            Err(e) => json!(["transport", e.to_string()]),
        };
        let mut out = std::io::stdout().lock();
        writeln!(out, "{reply}")?;
        out.flush()?;
    }
    Ok(())
}
