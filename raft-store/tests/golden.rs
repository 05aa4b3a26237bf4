//! The bytes of every release stay readable: each is compared with a file in `proto/golden`.
//!
//! `make golden` writes the files anew: until the release that begins these formats is made, and never after it.

mod common;

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use prost::Message;
use quorate_model::api::Arg;
use quorate_model::command::{
    Actor, Bootstrap, Call, Command, Envelope, Facts, Observation, Power, RaiseLevel, RequestId, ZoneServer,
};
use quorate_model::kind::Kind;
use quorate_model::pending::DriverReport;
use quorate_model::settings::change::{Change, ChangeSettings};
use quorate_proto::v1;
use quorate_raft_store::convert::{entry_from_proto, entry_to_proto};
use quorate_raft_store::engine::{Batch, Column, Engine as _};
use quorate_raft_store::memory::MemoryEngine;
use quorate_raft_store::meta::{self, Identity};
use quorate_raft_store::types::{Entry, EntryPayload, Membership, Payload, Server, log_id};
use quorate_raft_store::{Published, backup, envelope};
use quorate_state_machine::zone_key::{NONCE, Place};
use quorate_state_machine::zone_time::Stamp;
use quorate_testkit::everything;

fn golden(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/golden/v2").join(name);
    if std::env::var_os("QUORATE_NEW_GOLDEN").is_some() {
        std::fs::write(&path, bytes).unwrap();
    }
    let frozen = std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    assert!(bytes == frozen, "{} changed: nodes of the last release cannot read it (docs/formats.md)", path.display());
}

fn unmeasured_facts() -> Facts {
    Facts { image_size: Some(Err("no such file".into())), ..Facts::default() }
}

fn vm_seen() -> Observation {
    Observation::Vm { host: 4, vm: 5, deploy_id: "one-5".into(), power: Power::Poweroff }
}

fn envelopes() -> Vec<(&'static str, Envelope)> {
    let servers = vec![ZoneServer { id: 0, name: "one-0".into(), endpoint: "http://one-0:2633/RPC2".into() }];
    let call = Call {
        method: "one.image.allocate".into(),
        actor: Actor { uid: 3, token_gid: -1, credential: 0x0123_4567_89ab_cdef },
        args: vec![Arg::Str("NAME=x".into()), Arg::Int(-1), Arg::Bool(true), Arg::Ints(vec![1, -2, 3])],
        facts: Facts { image_size: Some(Ok(2048)), ..Facts::default() },
    };
    let unmeasured = Call { facts: unmeasured_facts(), args: vec![], ..call.clone() };
    let plain = Call { facts: Facts::default(), ..unmeasured.clone() };
    let change = |change| {
        Command::ChangeSettings(ChangeSettings { actor: Actor { uid: 0, token_gid: -1, credential: 7 }, change })
    };
    let report = DriverReport { operation: 12, attempt: 2, outcome: Ok("SOURCE".into()) };
    let commands = vec![
        ("call", Command::Call(call)),
        ("call_unmeasured", Command::Call(unmeasured)),
        ("call_plain", Command::Call(plain)),
        ("report", Command::Report(report.clone())),
        ("report_failed", Command::Report(DriverReport { outcome: Err("boom".into()), ..report })),
        ("observed_vm", Command::Observed(vm_seen())),
        ("observed_host", Command::Observed(Observation::Host { host: 4, outcome: Ok("TOTALCPU=800".into()) })),
        ("observed_host_lost", Command::Observed(Observation::Host { host: 4, outcome: Err("no route".into()) })),
        ("tick", Command::Tick),
        (
            "bootstrap",
            Command::Bootstrap(Bootstrap {
                zone_name: "OpenNebula".into(),
                endpoint: "http://localhost:2633/RPC2".into(),
                oneadmin_hash: "5e88".into(),
                datastore_location: "/var/lib/one//datastores".into(),
                servers: servers.clone(),
            }),
        ),
        ("servers", Command::Servers(servers)),
        ("raise_level", Command::RaiseLevel(RaiseLevel { level: 3, version: "0.3.0".into() })),
        ("set_time", Command::SetTime(1_800_000_000)),
        ("settings_set", change(Change::Set { name: "VNC_PORTS/START".into(), value: "6000".into() })),
        ("settings_reset", change(Change::Reset("VNC_PORTS".into()))),
        ("settings_apply", change(Change::Apply("MAC_PREFIX = \"02:01\"\n".into()))),
    ];
    let request = RequestId { client: 0xfeed, seq: 42, acked_below: 40 };
    let envelope = |command| Envelope { time: 1_700_000_000, request, entropy: [9; 32], command };
    commands.into_iter().map(|(name, command)| (name, envelope(command))).collect()
}

#[test]
fn envelopes_have_the_frozen_form() {
    for (name, envelope) in envelopes() {
        let bytes = envelope::encode(&envelope, &common::key());
        golden(&format!("envelope_{name}.bin"), &bytes);
        assert_eq!(envelope::decode(&bytes, &common::key(), envelope.time).unwrap(), envelope);
    }
}

#[test]
fn log_entries_have_the_frozen_form() {
    let server = |name: &str| Server {
        name: name.into(),
        endpoint: format!("http://{name}:2633/RPC2"),
        peer: format!("{name}:2635"),
    };
    let nodes = [(1, server("one-0")), (2, server("one-1")), (9, server("one-2"))];
    let configs = vec![[1, 2].into(), [2, 9].into()];
    let membership = Membership::new(configs, std::collections::BTreeMap::from(nodes)).unwrap();
    let opaque = Payload { stamp: Stamp { era: 2, time: 1_700_000_000 }, envelope: "opaque".into() };
    let payloads = [
        ("blank", EntryPayload::Blank),
        ("envelope", EntryPayload::Normal(opaque)),
        ("membership", EntryPayload::Membership(membership)),
    ];
    for (name, payload) in payloads {
        let entry = Entry { log_id: log_id(4, 1234), payload };
        let bytes = entry_to_proto(&entry).encode_to_vec();
        golden(&format!("entry_{name}.bin"), &bytes);
        let decoded = entry_from_proto(v1::LogEntry::decode(bytes.as_slice()).unwrap()).unwrap();
        assert_eq!(decoded, entry);
    }
}

#[test]
fn what_this_version_does_not_know_is_refused() {
    let (_, envelope) = envelopes().remove(0);
    let bytes = envelope::encode(&envelope, &common::key());
    let outer = v1::SealedEnvelope::decode(bytes.clone()).unwrap();
    let content = common::key().open(Place::Entry, &outer.sealed).unwrap();
    let sealed = |content: &[u8]| -> Bytes {
        let sealed = common::key().seal(Place::Entry, [0; NONCE], content).into();
        v1::SealedEnvelope { sealed, ..outer.clone() }.encode_to_vec().into()
    };
    let refusal = |bytes: &Bytes| envelope::decode(bytes, &common::key(), 0).unwrap_err().to_string();
    assert_eq!(envelope::decode(&sealed(&content), &common::key(), envelope.time).unwrap(), envelope);

    let mut newer = v1::Envelope::decode(content.as_slice()).unwrap();
    newer.version += 1;
    let error = refusal(&sealed(&newer.encode_to_vec()));
    assert!(error.contains("upgrade this node"), "{error}");
    newer.version = 1;
    let error = refusal(&sealed(&newer.encode_to_vec()));
    assert!(error.contains("quorate 0.1 and 0.2 wrote"), "{error}");

    // Field 99, a varint; inside the seal and outside.
    let extended = [content.as_slice(), &[0x98, 0x06, 0x01]].concat();
    let error = refusal(&sealed(&extended));
    assert!(error.contains("does not know"), "{error}");
    let error = refusal(&[bytes.as_ref(), &[0x98, 0x06, 0x01]].concat().into());
    assert!(error.contains("does not know"), "{error}");

    let mut call = v1::Envelope::decode(content.as_slice()).unwrap();
    let Some(v1::envelope::Command::Call(named)) = &mut call.command else { panic!("a call") };
    named.method = "one.image.teleport".to_owned();
    let error = refusal(&sealed(&call.encode_to_vec()));
    assert!(error.contains("one.image.teleport"), "{error}");

    // A command of kind 99 in place of the one that is known: an empty message.
    let mut without = v1::Envelope::decode(content.as_slice()).unwrap();
    without.command = None;
    let unknown = [without.encode_to_vec().as_slice(), &[0x9a, 0x06, 0x00]].concat();
    let error = refusal(&sealed(&unknown));
    assert!(error.contains("does not know"), "{error}");

    // A power state of a later version, and an observation of a later kind.
    let seen = |power| v1::observed::What::Vm(v1::ObservedVm { host: 4, vm: 5, deploy_id: String::new(), power });
    for what in [Some(seen(0)), Some(seen(99)), None] {
        let command = Some(v1::envelope::Command::Observed(v1::Observed { what }));
        let error = refusal(&sealed(&v1::Envelope { command, ..without.clone() }.encode_to_vec()));
        assert!(error.contains("missing"), "{error}");
    }

    // In clear, of a zone with another key, cut off.
    refusal(&content.clone().into());
    let other = v1::SealedEnvelope { key: 1, ..outer.clone() };
    let error = refusal(&other.encode_to_vec().into());
    assert!(error.contains("with the key 0000000000000001"), "{error}");
    refusal(&bytes.slice(..bytes.len() - 3));

    let entry = v1::LogEntry { log_id: Some(v1::LogId { term: 1, index: 7 }), payload: None, stamp: None };
    let error = entry_from_proto(entry).unwrap_err();
    assert!(error.to_string().contains("does not know"), "{error}");
    let envelope = Some(v1::log_entry::Payload::Envelope("opaque".into()));
    let entry = v1::LogEntry { log_id: Some(v1::LogId { term: 1, index: 7 }), payload: envelope, stamp: None };
    let error = entry_from_proto(entry).unwrap_err();
    assert!(error.to_string().contains("stamp is missing"), "{error}");
}

#[test]
fn a_payload_never_shows_its_content() {
    let payload = Payload { stamp: Stamp::default(), envelope: "secret".into() };
    assert!(!format!("{payload} {payload:?}").contains("secret"));
}

#[test]
fn what_versions_before_0_3_wrote_is_refused_and_called_old() {
    let old = |refusal: String| assert!(refusal.contains("quorate 0.1 and 0.2 wrote"), "{refusal}");
    old(backup::check(b"quorate backup 1\n\x00".as_slice()).unwrap_err().to_string());
    for no_backup in [&b"quorate backup"[..], b"quorate backup \n", b"quorate backup 2", b"a letter from somebody\n"] {
        let refusal = backup::check(no_backup).unwrap_err().to_string();
        assert!(refusal.contains("no backup"), "{refusal}");
    }

    let engine = MemoryEngine::new();
    let mut batch = Batch::default();
    let identity = v1::Identity { cluster: "zone".into(), node_id: 1, format: 0 };
    batch.put(Column::Meta, b"identity", identity.encode_to_vec());
    engine.write(batch, true).unwrap();
    old(meta::read_identity(&engine).unwrap_err().to_string());
    let fresh = MemoryEngine::new();
    let identity = Identity { cluster: "zone".into(), node_id: 1 };
    meta::write_identity(&fresh, &identity).unwrap();
    assert_eq!(meta::read_identity(&fresh).unwrap(), Some(identity));
}

/// A zone with an object of most kinds, in the form that the first version with these formats gave its backup.
#[test]
fn records_are_read_and_written_in_the_frozen_form() {
    let published =
        Published { state: Arc::new(everything::zone()), applied: Some(log_id(1, 99)), ..Published::default() };
    let bytes: Vec<u8> = backup::encode(&published, "").flatten().collect();
    if std::env::var_os("QUORATE_NEW_GOLDEN").is_some() {
        golden("backup.bin", &bytes);
    }
    // What is frozen is the form of records: what calls make of them may change with a level.
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/golden/v2/backup.bin");
    let frozen = std::fs::read(path).unwrap();
    let read = backup::read(frozen.as_slice(), common::key()).unwrap().snapshot;
    let state = read.snapshot.state.clone();
    for kind in Kind::ALL {
        assert!(!state.pool(kind).is_empty(), "{kind:?}");
    }
    let membership = Arc::new(read.meta.last_membership.clone());
    let published =
        Published { state: state.clone(), applied: read.meta.last_log_id, membership, ..Published::default() };
    let again: Vec<u8> = backup::encode(&published, "").flatten().collect();
    assert!(again == frozen, "a record is written in another way than the last release writes it: see docs/formats.md");

    common::run(async {
        let engine = MemoryEngine::new();
        let identity = Identity { cluster: "zone".into(), node_id: 1 };
        backup::restore(Arc::new(engine.clone()), read, &identity, &Server::default(), 7).await.unwrap();
        let restored = common::open_inline(&engine).state.published().borrow().state.clone();
        assert_eq!(restored, state);
    });
}
