//! No secret is in clear in anything that leaves the memory: every method is called with a marked text in every string
//! argument, and in every encrypted attribute, over a real database; then its files, a snapshot and a backup are
//! searched.

mod common;

use std::path::Path;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use common::{append, apply, bootstrap, entry, key, run};
use openraft::storage::RaftStateMachine as _;
use prost::Message as _;
use quorate_model::api::{Arg, Type};
use quorate_model::command::{Actor, Call, Command, Facts};
use quorate_model::crypto;
use quorate_model::kind::Kind;
use quorate_model::records::user::User;
use quorate_model::settings::Settings;
use quorate_raft_store::rocks::RocksEngine;
use quorate_raft_store::snapshot::Encoder;
use quorate_raft_store::types::Vote;
use quorate_raft_store::{SyncPolicy, backup, open};
use quorate_state_machine::methods::Method;
use quorate_state_machine::state::State;
use quorate_state_machine::{secrets, table};

/// What nobody may find.
const MARK: &str = "Zq7-marked-secret-9xK";

/// The mark as it might be found: in clear, in hex, in base64 at any position.
fn forms() -> Vec<Vec<u8>> {
    let hex = crypto::hex(MARK.as_bytes());
    let mut forms = vec![MARK.to_owned(), hex.to_uppercase(), hex];
    for shift in 0..3 {
        let text = BASE64.encode("-".repeat(shift) + MARK);
        forms.push(text[4..text.len() - 4].to_owned());
    }
    forms.into_iter().map(String::into_bytes).collect()
}

fn assert_clean(what: &str, bytes: &[u8]) {
    for form in forms() {
        let found = bytes.windows(form.len()).position(|window| window == form);
        assert_eq!(found, None, "{what} has {}", String::from_utf8_lossy(&form));
    }
}

/// A template with the mark in every encrypted attribute of a kind, and where every kind may have one.
fn template(settings: &Settings, kind: Kind, n: usize) -> String {
    let mut text =
        format!("NAME=\"marked{n}\"\nTYPE=DATABLOCK\nSIZE=1\nCPU=1\nMEMORY=1\nVN_MAD=dummy\nTEXT=\"{MARK}\"\n");
    for name in secrets::names(settings, kind) {
        match name.split_once('/') {
            Some((vector, part)) => {
                text.push_str(&format!("{vector}=[{part}=\"{MARK}\",COPY=\"${vector}[{part}]\"]\n"))
            }
            None => text.push_str(&format!("{name}=\"{MARK}\"\n")),
        }
    }
    text
}

/// A call by oneadmin with the mark wherever there is room for a text.
fn marked(state: &State, method: &'static Method, n: usize, id: i64) -> Command {
    let (_, oneadmin) = state.find_typed::<User>(0).unwrap();
    let actor = Actor { uid: 0, token_gid: -1, credential: crypto::fingerprint(&oneadmin.password) };
    let args = method.params.iter().map(|param| match (param.ty, param.name) {
        (Type::Int | Type::Int64, "id") => Arg::Int(id),
        (Type::Int | Type::Int64, "append") => Arg::Int(1),
        (Type::Int | Type::Int64, "period") => Arg::Int(3600),
        (Type::Int | Type::Int64, _) => Arg::Int(-1),
        (Type::Bool, _) => Arg::Bool(false),
        (Type::Ints, _) => Arg::Ints(Vec::new()),
        (Type::Str, "template" | "extra_template") => Arg::Str(template(state.settings(), method.kind, n)),
        (Type::Str, "auth_driver") => Arg::Str("custom".to_owned()),
        (Type::Str, "username") if method.name == "one.user.login" => Arg::Str("oneadmin".to_owned()),
        (Type::Str, _) => Arg::Str(MARK.to_owned()),
    });
    Command::Call(Call { method: method.name.to_owned(), actor, args: args.collect(), facts: Facts::default() })
}

fn search(dir: &Path) -> usize {
    let mut searched = 0;
    for file in std::fs::read_dir(dir).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        searched += bytes.len();
        assert_clean(&path.display().to_string(), &bytes);
    }
    searched
}

#[test]
fn every_method_with_a_marked_secret_leaves_none_in_clear() {
    run(async {
        let dir = tempfile::tempdir().unwrap();
        let engine = Arc::new(RocksEngine::open(dir.path()).unwrap());
        let mut stores = open(engine.clone(), SyncPolicy::Inline, key()).unwrap();
        let mut index = 0;
        let mut next = |command| {
            let at = index;
            index += 1;
            // A client of its own each: replies are kept.
            entry(at, index, command)
        };
        // Rows that end what others need come last; those that make something come first.
        let mut rows: Vec<&'static Method> = table::all().filter(|method| method.is_write()).collect();
        let rank = |name: &str| match name.rsplit('.').next() {
            Some("allocate" | "login") => 0,
            Some("delete" | "enable" | "passwd" | "chauth") => 2,
            _ => 1,
        };
        rows.sort_by_key(|method| rank(method.name));
        let (mut accepted, mut kept) = (0, false);
        let first = next(bootstrap());
        append(&mut stores.log, vec![first.clone()]).await.await.unwrap();
        apply(&mut stores.state, vec![first]).await.unwrap();
        for (n, method) in rows.iter().enumerate() {
            // Once on an object that everybody knows, once on the newest one: one of them is likely to be there.
            let newest = stores.state.published().borrow().state.pool(method.kind).keys().next_back().copied();
            for id in [0, newest.unwrap_or(0)] {
                let state = stores.state.published().borrow().state.clone();
                let entry = next(marked(&state, method, n, i64::from(id)));
                append(&mut stores.log, vec![entry.clone()]).await.await.unwrap();
                apply(&mut stores.state, vec![entry]).await.unwrap();
                let state = stores.state.published().borrow().state.clone();
                accepted += usize::from(state.find(method.kind, id).is_some());
                // Later calls end it.
                let oneadmin = state.find_typed::<User>(0).unwrap().1;
                kept |= oneadmin.tokens.iter().any(|token| token.token == MARK);
            }
        }
        assert!(rows.len() > 150 && accepted > 100, "{} rows, {accepted} of them on objects", rows.len());
        let published = stores.state.published().borrow().clone();
        assert!(kept, "it is in the state");
        let snapshot = stores.state.get_current_snapshot().await.unwrap().unwrap();
        for message in Encoder::new(&Vote::new(1, 1), &snapshot) {
            assert_clean("a snapshot", &message.unwrap().encode_to_vec());
        }
        let saved: Vec<u8> = backup::encode(&published, "zone").flatten().collect();
        assert_clean("a backup", &saved);
        assert!(saved.windows(16).all(|window| window != &key().text().as_bytes()[..16]), "nor has it the key");
        // What is in the write-ahead log only, and then what is in tables.
        assert!(search(dir.path()) > 100_000);
        drop(stores);
        drop(engine);
        let engine = Arc::new(RocksEngine::open(dir.path()).unwrap());
        let stores = open(engine, SyncPolicy::Inline, key()).unwrap();
        assert_eq!(stores.state.published().borrow().state, published.state, "and all of it is read again");
        assert!(search(dir.path()) > 100_000);
    });
}

#[test]
fn another_key_opens_neither_a_database_nor_a_backup() {
    run(async {
        let other = Arc::new(quorate_state_machine::zone_key::ZoneKey::from_text(&"k".repeat(64)).unwrap());
        let engine = quorate_raft_store::memory::MemoryEngine::new();
        let mut stores = common::open_inline(&engine);
        apply(&mut stores.state, vec![entry(1, 0, bootstrap())]).await.unwrap();
        let saved: Vec<u8> = backup::encode(&stores.state.published().borrow(), "zone").flatten().collect();
        let refused = open(Arc::new(engine.clone()), SyncPolicy::Inline, other.clone()).err().unwrap().to_string();
        assert!(refused.contains("copy zone.key from another server"), "{refused}");
        let refused = backup::read(saved.as_slice(), other.clone()).unwrap_err().to_string();
        assert!(refused.contains(&other.shown_fingerprint()), "{refused}");
        assert_eq!(
            backup::check(saved.as_slice()).unwrap().map(|last| last.index),
            Some(1),
            "whole it is all the same"
        );
        assert!(backup::check(&saved[..saved.len() - 1]).is_err());
    });
}
