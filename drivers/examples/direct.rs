//! The state machine without network or log, for `tools/direct_replay.py`: JSON lines in, JSON lines out.
//!
//! `{"method": .., "session": .., "args": [..]}` answers the reply tuple; `{"drain": true}` lets the dummy
//! drivers answer everything that is pending (datastores' space they tell at once). Time stands still except for the machine's own clock.

use std::io::{BufRead, Write};
use std::time::{SystemTime, UNIX_EPOCH};

use quorate_drivers::dummy;
use quorate_state_machine::api::{ApiReply, Arg, Type, Value};
use quorate_state_machine::command::{Bootstrap, Call, Command, Envelope, RequestId};
use quorate_state_machine::login;
use quorate_state_machine::methods::{self, Handler, Request, View};
use quorate_state_machine::pending::{DriverReport, Operation};
use quorate_state_machine::pools::zone::{self, RaftStatus};
use quorate_state_machine::state::State;
use quorate_state_machine::table;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_state_machine::zone_state;
use serde_json::{Value as Json, json};

/// What a server without HA says of itself, as the recorded one did.
const NO_HA: RaftStatus =
    RaftStatus { server_id: -1, state: 0, term: 0, voted_for: -1, commit: 0, log_index: -1, log_term: -1 };

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
    let mut args = Vec::new();
    for (i, param) in method.params.iter().enumerate() {
        match (given.get(i), param.default) {
            (Some(json), _) => match argument(json, param.ty) {
                Some(arg) => args.push(arg),
                None => return json!(["fault", -501, format!("wrong type of {}", param.name)]),
            },
            (None, Some(default)) => args.push(default.to_arg()),
            (None, None) => return json!(["fault", -501, "Not enough parameters"]),
        }
    }
    if method.one_too_few == Some(given.len()) {
        return json!(["fault", -501, "Not enough parameters"]);
    }
    let reply = answer(state, seed, method, line["session"].as_str().unwrap_or_default(), args);
    match reply {
        Ok(Value::Int(n)) => json!([true, n, 0]),
        Ok(Value::Int64(n)) => json!([true, n, 0]),
        Ok(Value::Bool(b)) => json!([true, b, 0]),
        Ok(value) => json!([true, value.to_text(), 0]),
        Err(e) => json!([false, format!("[{name}] {}", e.text), e.code as i32, e.object_id, -1]),
    }
}

fn answer(
    state: &mut State,
    seed: &mut u8,
    method: &'static methods::Method,
    session: &str,
    args: Vec<Arg>,
) -> ApiReply {
    let actor = match login::authenticate(state, session, now()) {
        Ok(actor) => actor,
        Err(refusal) => {
            if let Some(call) = login::stale_token(state, session) {
                state.apply(&envelope(seed, Command::Call(call))).reply?;
            }
            return Err(refusal);
        }
    };
    let request = Request::new(method, &args)?;
    zone_state::check(state, method)?;
    methods::admit(state, &actor, &request)?;
    let view = View { state, actor: &actor, now: now() };
    match method.handler {
        Handler::Read(handler) => handler(&view, &request),
        Handler::Write(_) => {
            let question = method.question.and_then(|ask| ask(&view, &request));
            let facts = question.map(|q| q.facts(dummy::reply(state, &q))).unwrap_or_default();
            let call = Call { method: method.name.to_owned(), actor, args, facts };
            state.apply(&envelope(seed, Command::Call(call))).reply
        }
        Handler::Node => Ok(Value::Text(zone::raftstatus_xml(&NO_HA))),
    }
}

/// Looks at datastores' space at once: a recorded zone had done so before the next call.
fn measure(state: &mut State, seed: &mut u8) {
    drain(state, seed, |operation| matches!(operation, Operation::MonitorDatastore { .. }));
}

fn drain(state: &mut State, seed: &mut u8, which: fn(&Operation) -> bool) -> Json {
    let pending: Vec<_> = state.pending().values().filter(|p| which(&p.operation)).cloned().collect();
    let count = pending.len();
    for operation in pending {
        let outcome = dummy::answer(state, &operation);
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
    let bootstrap = Bootstrap {
        zone_name: "OpenNebula".to_owned(),
        endpoint: "http://localhost:2633/RPC2".to_owned(),
        oneadmin_hash: login::sha256_hex("opennebula"),
        datastore_location: "/var/lib/one//datastores".to_owned(),
        servers: Vec::new(),
    };
    if let Err(e) = state.apply(&envelope(&mut seed, Command::Bootstrap(bootstrap))).reply {
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
