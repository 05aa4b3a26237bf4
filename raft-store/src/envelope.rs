//! A log entry's content and its reply: the state machine's types to bytes and back.
//!
//! The content is sealed by the zone's key, all of it: passwords and templates stand in the arguments of calls, and what
//! is drawn from the randomness becomes tokens. So no entry has a secret in clear, wherever it goes.
//!
//! Apply must never guess: an envelope of a newer version, or one with a field, a command or a method that this version
//! does not know, is refused, and the node that meets it in its log stops.

use bytes::Bytes;
use prost::Message;
use quorate_model::api::{ApiReply, Arg, Value};
use quorate_model::command::{
    Actor, Bootstrap, Call, Command, Envelope, Facts, Observation, Power, RaiseLevel, RequestId, ZoneServer,
};
use quorate_model::error::{ApiError, ErrorCode};
use quorate_model::pending::DriverReport;
use quorate_model::settings::change::{Change, ChangeSettings};
use quorate_proto::v1;
use quorate_state_machine::table;
use quorate_state_machine::zone_key::{NONCE, Place, ZoneKey, show_fingerprint};
use sha2::{Digest as _, Sha256};

use crate::convert::Malformed;
use crate::formats;

/// The bytes of an envelope but for its time, sealed by the zone's key: made once, by its proposer. The time is the
/// leader's to say.
#[must_use]
pub fn encode(envelope: &Envelope, key: &ZoneKey) -> Bytes {
    let request = envelope.request;
    let message = v1::Envelope {
        version: formats::VERSION,
        request: Some(v1::RequestId { client: request.client, seq: request.seq, acked_below: request.acked_below }),
        entropy: Bytes::copy_from_slice(&envelope.entropy),
        command: Some(command_to_proto(&envelope.command)),
    };
    let sealed = key.seal(Place::Entry, nonce(&envelope.entropy), &message.encode_to_vec());
    v1::SealedEnvelope { key: key.fingerprint(), sealed: sealed.into() }.encode_to_vec().into()
}

/// A nonce of an entry's randomness that tells nothing of it.
fn nonce(entropy: &[u8; 32]) -> [u8; NONCE] {
    let digest = Sha256::new().chain_update(b"nonce").chain_update(entropy).finalize();
    std::array::from_fn(|i| digest[i])
}

/// What is sealed in `bytes`, by this key.
fn unseal(bytes: &Bytes, key: &ZoneKey) -> Result<Bytes, Malformed> {
    let message = v1::SealedEnvelope::decode(bytes.clone())?;
    if message.encoded_len() != bytes.len() {
        return Err(unknown_field());
    }
    if message.key != key.fingerprint() {
        let (other, own) = (show_fingerprint(message.key), key.shown_fingerprint());
        return Err(Malformed(format!("envelope of a zone with the key {other}, this node has the key {own}")));
    }
    let opened = key.open(Place::Entry, &message.sealed);
    opened.map(Bytes::from).ok_or_else(|| Malformed("envelope that is damaged: its seal is broken".to_owned()))
}

fn unknown_field() -> Malformed {
    Malformed("envelope with a field that this program does not know: upgrade this node".to_owned())
}

/// The envelope in `bytes`, as of `time` (unix seconds).
///
/// # Errors
/// When it is malformed, not sealed by this key, or contains anything that this version does not know.
pub fn decode(bytes: &Bytes, key: &ZoneKey, time: i64) -> Result<Envelope, Malformed> {
    let content = unseal(bytes, key)?;
    let message = v1::Envelope::decode(content.clone())?;
    formats::check("envelope", message.version).map_err(Malformed)?;
    // Decoding drops unknown fields; they show as a difference in length.
    if message.encoded_len() != content.len() {
        return Err(unknown_field());
    }
    let entropy = message.entropy.as_ref().try_into().map_err(|_| Malformed("entropy is not 32 bytes".to_owned()))?;
    let request = message.request.ok_or_else(|| Malformed::missing("request id"))?;
    let command = message.command.ok_or_else(|| Malformed::missing("known command"))?;
    Ok(Envelope {
        time,
        request: RequestId { client: request.client, seq: request.seq, acked_below: request.acked_below },
        entropy,
        command: command_from_proto(command)?,
    })
}

fn command_to_proto(command: &Command) -> v1::envelope::Command {
    use v1::envelope::Command as P;
    match command {
        Command::Call(call) => P::Call(call_to_proto(call)),
        Command::Report(report) => P::Report(report_to_proto(report)),
        Command::Observed(seen) => P::Observed(observed_to_proto(seen)),
        Command::Tick => P::Tick(v1::Tick {}),
        Command::Bootstrap(b) => P::Bootstrap(v1::Bootstrap {
            zone_name: b.zone_name.clone(),
            endpoint: b.endpoint.clone(),
            oneadmin_hash: b.oneadmin_hash.clone(),
            datastore_location: b.datastore_location.clone(),
            servers: servers_to_proto(&b.servers),
        }),
        Command::Servers(servers) => P::Servers(v1::Servers { servers: servers_to_proto(servers) }),
        Command::RaiseLevel(RaiseLevel { level, version }) => {
            P::RaiseLevel(v1::RaiseLevel { level: *level, version: version.clone() })
        }
        Command::ChangeSettings(asked) => P::ChangeSettings(change_to_proto(asked)),
        Command::SetTime(time) => P::SetTime(v1::SetTime { time_secs: *time }),
    }
}

fn command_from_proto(command: v1::envelope::Command) -> Result<Command, Malformed> {
    use v1::envelope::Command as P;
    Ok(match command {
        P::Call(call) => Command::Call(call_from_proto(call)?),
        P::Report(report) => Command::Report(report_from_proto(report)?),
        P::Observed(seen) => Command::Observed(observed_from_proto(seen)?),
        P::Tick(v1::Tick {}) => Command::Tick,
        P::Bootstrap(b) => Command::Bootstrap(Bootstrap {
            zone_name: b.zone_name,
            endpoint: b.endpoint,
            oneadmin_hash: b.oneadmin_hash,
            datastore_location: b.datastore_location,
            servers: servers_from_proto(b.servers),
        }),
        P::Servers(servers) => Command::Servers(servers_from_proto(servers.servers)),
        P::RaiseLevel(v1::RaiseLevel { level, version }) => Command::RaiseLevel(RaiseLevel { level, version }),
        P::ChangeSettings(asked) => Command::ChangeSettings(change_from_proto(asked)?),
        P::SetTime(v1::SetTime { time_secs }) => Command::SetTime(time_secs),
    })
}

fn change_to_proto(asked: &ChangeSettings) -> v1::ChangeSettings {
    use v1::change_settings::Change as P;
    let change = match &asked.change {
        Change::Set { name, value } => P::Set(v1::SetSetting { name: name.clone(), value: value.clone() }),
        Change::Reset(name) => P::Reset(name.clone()),
        Change::Apply(file) => P::Apply(file.clone()),
    };
    v1::ChangeSettings { actor: Some(actor_to_proto(&asked.actor)), change: Some(change) }
}

fn change_from_proto(asked: v1::ChangeSettings) -> Result<ChangeSettings, Malformed> {
    use v1::change_settings::Change as P;
    let change = match asked.change {
        Some(P::Set(v1::SetSetting { name, value })) => Change::Set { name, value },
        Some(P::Reset(name)) => Change::Reset(name),
        Some(P::Apply(file)) => Change::Apply(file),
        None => return Err(Malformed::missing("change of settings")),
    };
    Ok(ChangeSettings { actor: actor_from_proto(asked.actor)?, change })
}

fn call_to_proto(call: &Call) -> v1::Call {
    use v1::image_size::Outcome;
    let image_size = call.facts.image_size.as_ref().map(|size| v1::ImageSize {
        outcome: Some(match size {
            Ok(mb) => Outcome::Mb(*mb),
            Err(error) => Outcome::Error(error.clone()),
        }),
    });
    v1::Call {
        method: call.method.clone(),
        actor: Some(actor_to_proto(&call.actor)),
        args: call.args.iter().map(arg_to_proto).collect(),
        facts: Some(v1::Facts { image_size, restored: call.facts.restored.as_ref().map(restored_to_proto) }),
    }
}

fn restored_to_proto(restored: &Result<String, String>) -> v1::Restored {
    use v1::restored::Outcome;
    v1::Restored {
        outcome: Some(match restored {
            Ok(payload) => Outcome::Payload(payload.clone()),
            Err(error) => Outcome::Error(error.clone()),
        }),
    }
}

fn restored_from_proto(restored: v1::Restored) -> Result<Result<String, String>, Malformed> {
    use v1::restored::Outcome;
    match restored.outcome {
        Some(Outcome::Payload(payload)) => Ok(Ok(payload)),
        Some(Outcome::Error(error)) => Ok(Err(error)),
        None => Err(Malformed::missing("known outcome of restored")),
    }
}

fn call_from_proto(call: v1::Call) -> Result<Call, Malformed> {
    use v1::image_size::Outcome;
    if !table::is_known(&call.method) {
        return Err(Malformed(format!("call of {}, which this program does not know: upgrade this node", call.method)));
    }
    let facts = call.facts.ok_or_else(|| Malformed::missing("facts"))?;
    let image_size = match facts.image_size.map(|size| size.outcome) {
        None => None,
        Some(Some(Outcome::Mb(mb))) => Some(Ok(mb)),
        Some(Some(Outcome::Error(error))) => Some(Err(error)),
        Some(None) => return Err(Malformed::missing("known outcome of image size")),
    };
    Ok(Call {
        method: call.method,
        actor: actor_from_proto(call.actor)?,
        args: call.args.into_iter().map(arg_from_proto).collect::<Result<_, _>>()?,
        facts: Facts { image_size, restored: facts.restored.map(restored_from_proto).transpose()? },
    })
}

fn actor_to_proto(actor: &Actor) -> v1::Actor {
    v1::Actor { uid: actor.uid, token_gid: actor.token_gid, credential: actor.credential }
}

fn actor_from_proto(actor: Option<v1::Actor>) -> Result<Actor, Malformed> {
    let actor = actor.ok_or_else(|| Malformed::missing("actor"))?;
    Ok(Actor { uid: actor.uid, token_gid: actor.token_gid, credential: actor.credential })
}

fn arg_to_proto(arg: &Arg) -> v1::Arg {
    use v1::arg::Kind;
    let kind = match arg {
        Arg::Int(n) => Kind::Int(*n),
        Arg::Bool(b) => Kind::Bool(*b),
        Arg::Str(s) => Kind::Str(s.clone()),
        Arg::Ints(values) => Kind::Ints(v1::Ints { values: values.clone() }),
    };
    v1::Arg { kind: Some(kind) }
}

fn arg_from_proto(arg: v1::Arg) -> Result<Arg, Malformed> {
    use v1::arg::Kind;
    Ok(match arg.kind.ok_or_else(|| Malformed::missing("known kind of argument"))? {
        Kind::Int(n) => Arg::Int(n),
        Kind::Bool(b) => Arg::Bool(b),
        Kind::Str(s) => Arg::Str(s),
        Kind::Ints(ints) => Arg::Ints(ints.values),
    })
}

fn report_to_proto(report: &DriverReport) -> v1::DriverReport {
    use v1::driver_report::Outcome;
    let outcome = match &report.outcome {
        Ok(payload) => Outcome::Payload(payload.clone()),
        Err(error) => Outcome::Error(error.clone()),
    };
    v1::DriverReport { operation: report.operation, attempt: report.attempt, outcome: Some(outcome) }
}

fn report_from_proto(report: v1::DriverReport) -> Result<DriverReport, Malformed> {
    use v1::driver_report::Outcome;
    let outcome = match report.outcome.ok_or_else(|| Malformed::missing("outcome of a driver report"))? {
        Outcome::Payload(payload) => Ok(payload),
        Outcome::Error(error) => Err(error),
    };
    Ok(DriverReport { operation: report.operation, attempt: report.attempt, outcome })
}

fn observed_to_proto(seen: &Observation) -> v1::Observed {
    use v1::observed::What;
    use v1::observed_host::Outcome;
    let what = match seen {
        Observation::Vm { host, vm, deploy_id, power } => {
            let power = match power {
                Power::Running => v1::Power::Running,
                Power::Suspended => v1::Power::Suspended,
                Power::Poweroff => v1::Power::Poweroff,
                Power::Failure => v1::Power::Failure,
            };
            What::Vm(v1::ObservedVm { host: *host, vm: *vm, deploy_id: deploy_id.clone(), power: power.into() })
        }
        Observation::Host { host, outcome } => {
            let outcome = match outcome {
                Ok(system) => Outcome::System(system.clone()),
                Err(error) => Outcome::Error(error.clone()),
            };
            What::Host(v1::ObservedHost { host: *host, outcome: Some(outcome) })
        }
    };
    v1::Observed { what: Some(what) }
}

fn observed_from_proto(seen: v1::Observed) -> Result<Observation, Malformed> {
    use v1::observed::What;
    use v1::observed_host::Outcome;
    Ok(match seen.what.ok_or_else(|| Malformed::missing("known observation"))? {
        What::Vm(seen) => {
            let power = match v1::Power::try_from(seen.power) {
                Ok(v1::Power::Running) => Power::Running,
                Ok(v1::Power::Suspended) => Power::Suspended,
                Ok(v1::Power::Poweroff) => Power::Poweroff,
                Ok(v1::Power::Failure) => Power::Failure,
                Ok(v1::Power::Unspecified) | Err(_) => return Err(Malformed::missing("known power state")),
            };
            Observation::Vm { host: seen.host, vm: seen.vm, deploy_id: seen.deploy_id, power }
        }
        What::Host(seen) => {
            let outcome = match seen.outcome.ok_or_else(|| Malformed::missing("outcome of monitoring"))? {
                Outcome::System(system) => Ok(system),
                Outcome::Error(error) => Err(error),
            };
            Observation::Host { host: seen.host, outcome }
        }
    })
}

fn servers_to_proto(servers: &[ZoneServer]) -> Vec<v1::ZoneServer> {
    let server = |s: &ZoneServer| v1::ZoneServer { id: s.id, name: s.name.clone(), endpoint: s.endpoint.clone() };
    servers.iter().map(server).collect()
}

fn servers_from_proto(servers: Vec<v1::ZoneServer>) -> Vec<ZoneServer> {
    servers.into_iter().map(|s| ZoneServer { id: s.id, name: s.name, endpoint: s.endpoint }).collect()
}

/// A reply as it travels to the node that forwarded the proposal.
#[must_use]
pub fn reply_to_proto(reply: &ApiReply) -> v1::ApiReply {
    use v1::api_reply::Reply;
    use v1::value::Kind;
    let reply = match reply {
        Ok(value) => {
            let kind = match value {
                Value::Int(n) => Kind::Int(*n),
                Value::Int64(n) => Kind::Int64(*n),
                Value::Bool(b) => Kind::Bool(*b),
                Value::Text(text) => Kind::Text(text.clone()),
                Value::Xml(segments) => Kind::Xml(v1::Xml { segments: segments.clone() }),
            };
            Reply::Value(v1::Value { kind: Some(kind) })
        }
        Err(e) => Reply::Error(v1::ApiError { code: e.code as i32, text: e.text.clone(), object_id: e.object_id }),
    };
    v1::ApiReply { reply: Some(reply) }
}

/// A reply that has travelled.
///
/// # Errors
/// When it is of a kind that this version does not know.
pub fn reply_from_proto(reply: v1::ApiReply) -> Result<ApiReply, Malformed> {
    use v1::api_reply::Reply;
    use v1::value::Kind;
    match reply.reply.ok_or_else(|| Malformed::missing("reply"))? {
        Reply::Value(value) => Ok(Ok(match value.kind.ok_or_else(|| Malformed::missing("known value"))? {
            Kind::Int(n) => Value::Int(n),
            Kind::Int64(n) => Value::Int64(n),
            Kind::Bool(b) => Value::Bool(b),
            Kind::Text(text) => Value::Text(text),
            Kind::Xml(xml) => Value::Xml(xml.segments),
        })),
        Reply::Error(e) => {
            let code =
                ErrorCode::from_i32(e.code).ok_or_else(|| Malformed(format!("unknown error code {}", e.code)))?;
            Ok(Err(ApiError { code, text: e.text, object_id: e.object_id }))
        }
    }
}
