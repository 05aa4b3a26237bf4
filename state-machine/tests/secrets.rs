//! Encrypted attributes: never in clear in the state, never twice encrypted, in clear only to administrators who ask,
//! and opened at the place only for which they were sealed.

use std::fs;
use std::path::{Path, PathBuf};

use proptest::prelude::*;
use quorate_model::api::Arg;
use quorate_model::crypto;
use quorate_model::head::Form;
use quorate_model::kind::Kind;
use quorate_model::settings::sealable::may_be_sealed;
use quorate_state_machine::store_key::StoreKey;
use quorate_state_machine::table;
use quorate_state_machine::zone_key::ZoneKey;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// Users 2 (`ann:pw`) and 3 (`mallory:pw`), who may look at each other's objects; ann has a private key.
fn zone_with_secret() -> Zone {
    let mut zone = Zone::fresh();
    for (user, id) in [("ann", "2"), ("mallory", "3")] {
        assert_eq!(zone.ask(ADMIN, "one.user.allocate", &[text(user), text("pw"), text("")]), id);
        assert_eq!(zone.ask(ADMIN, "one.user.update", &[text_id(id), text("UMASK=000"), int(1)]), id);
    }
    let template = "SSH_PRIVATE_KEY=\"key of ann\"\nSSH_PUBLIC_KEY=\"shown\"";
    assert_eq!(zone.ask("ann:pw", "one.user.update", &[int(2), text(template), int(1)]), "2");
    zone
}

fn text_id(id: &str) -> Arg {
    int(id.parse().unwrap())
}

fn stored(zone: &Zone) -> String {
    zone.state.object(Kind::User, 2).unwrap().template.value("SSH_PRIVATE_KEY").to_owned()
}

/// The value of the first element of this name.
fn element(xml: &str, name: &str) -> Option<String> {
    let (_, rest) = xml.split_once(&format!("<{name}><![CDATA["))?;
    Some(rest.split_once("]]>")?.0.to_owned())
}

#[test]
fn a_secret_is_stored_sealed_and_no_record_has_it_in_clear() {
    let mut zone = zone_with_secret();
    assert_ne!(stored(&zone), "key of ann");
    assert!(zone.ask("ann:pw", "one.user.info", &[int(2)]).contains("shown"));
    let record = zone.state.encode(&StoreKey::Object(Kind::User, 2)).unwrap();
    assert!(!record.windows(10).any(|bytes| bytes == b"key of ann"));
    // And the key that opens it is in none.
    let key = ZoneKey::for_tests();
    for record in zone.state.all_keys() {
        let bytes = zone.state.encode(&record).unwrap();
        assert!(!bytes.windows(key.text().len()).any(|bytes| bytes == key.text().as_bytes()), "{record:?}");
    }
}

#[test]
fn a_secret_that_is_stored_again_stays_as_it_is() {
    let mut zone = zone_with_secret();
    let before = stored(&zone);
    assert_eq!(zone.ask("ann:pw", "one.user.update", &[int(2), text("MORE=1"), int(1)]), "2");
    let again = format!("SSH_PRIVATE_KEY=\"{before}\"");
    assert_eq!(zone.ask("ann:pw", "one.user.update", &[int(2), text(&again), int(1)]), "2");
    assert_eq!(stored(&zone), before);
}

#[test]
fn only_an_administrator_who_asks_sees_it() {
    let mut zone = zone_with_secret();
    for (session, decrypt, sees) in [(ADMIN, true, true), (ADMIN, false, false), ("ann:pw", true, false)] {
        let shown = zone.ask(session, "one.user.info", &[int(2), Arg::Bool(decrypt)]);
        assert_eq!(shown.contains("key of ann"), sees, "{session} {decrypt}");
    }
    assert!(!zone.ask(ADMIN, "one.userpool.info", &[]).contains("key of ann"));
}

/// What the fault script does: a datastore's ciphertext, which everybody sees, in a VM of one's own.
#[test]
fn a_ciphertext_of_another_stays_closed_in_ones_own_context() {
    let mut zone = zone_with_secret();
    zone.call(ADMIN, "one.datastore.update", &[int(1), text("RESTIC_PASSWORD=\"s3cret\""), int(1)]).unwrap();
    let seen = element(&zone.ask("mallory:pw", "one.datastore.info", &[int(1)]), "RESTIC_PASSWORD").unwrap();
    assert_ne!(seen, "s3cret");
    let template = format!("CPU=1\nMEMORY=16\nCONTEXT=[PASSWORD=\"{seen}\",Z=\"$CONTEXT[PASSWORD]\"]");
    let vm = zone.ask("mallory:pw", "one.vm.allocate", &[text(&template)]);
    let shown = zone.ask("mallory:pw", "one.vm.info", &[text_id(&vm)]);
    assert_eq!(element(&shown, "Z"), Some(seen.clone()));
    // Neither for whoever may open what is sealed in that VM, nor behind a template that is instantiated.
    let opened = zone.ask(ADMIN, "one.vm.info", &[text_id(&vm), Arg::Bool(true)]);
    assert_eq!(element(&opened, "PASSWORD"), Some(seen));
    assert!(!opened.contains("s3cret"));
}

/// The reference's format names no place: a plain user's text of that form is text.
#[test]
fn the_references_format_opens_for_administrators_only() {
    let mut zone = zone_with_secret();
    let key = ZoneKey::for_tests();
    let legacy = crypto::encrypt("of the old zone", key.text());
    let template = format!("CPU=1\nMEMORY=16\nCONTEXT=[PASSWORD=\"{legacy}\",Z=\"$CONTEXT[PASSWORD]\"]");
    for (session, opens) in [("mallory:pw", false), (ADMIN, true)] {
        let vm = zone.ask(session, "one.vm.allocate", &[text(&template)]);
        let opened = zone.ask(ADMIN, "one.vm.info", &[text_id(&vm), Arg::Bool(true)]);
        let expected = if opens { "of the old zone" } else { &legacy };
        assert_eq!(element(&opened, "PASSWORD").as_deref(), Some(expected));
        assert_eq!(element(&opened, "Z").as_deref(), Some(legacy.as_str()), "a variable opens nothing of it");
    }
}

/// What came with a zone of the reference stays as it is, and readable, whatever else is changed.
#[test]
fn an_imported_value_of_the_references_format_is_read_where_it_is_and_copied_sealed() {
    let mut zone = zone_with_secret();
    let legacy = crypto::encrypt("imported", ZoneKey::for_tests().text());
    let template = "NAME=t\nCPU=1\nMEMORY=16\nCONTEXT=[PASSWORD=\"x\"]";
    let id = zone.ask("ann:pw", "one.template.allocate", &[text(template)]);
    // As an import puts it there.
    let mut object = (**zone.state.object(Kind::Template, 0).unwrap()).clone();
    object.template.vectors_mut("CONTEXT").next().unwrap().set("PASSWORD", &legacy);
    let record = rmp_serde::to_vec_named(&object).unwrap();
    zone.state.decode(&StoreKey::Object(Kind::Template, 0).to_bytes(), &record).unwrap();
    zone.state.finish_loading().unwrap();

    zone.call("ann:pw", "one.template.update", &[text_id(&id), text("MORE=1"), int(1)]).unwrap();
    let shown = zone.ask("ann:pw", "one.template.info", &[text_id(&id)]);
    assert_eq!(element(&shown, "PASSWORD"), Some(legacy.clone()));
    let opened = zone.ask(ADMIN, "one.template.info", &[text_id(&id), Arg::Bool(false), Arg::Bool(true)]);
    assert_eq!(element(&opened, "PASSWORD").as_deref(), Some("imported"));
    let vm = zone.ask("mallory:pw", "one.template.instantiate", &[text_id(&id), text("")]);
    let opened = zone.ask(ADMIN, "one.vm.info", &[text_id(&vm), Arg::Bool(true)]);
    assert_eq!(element(&opened, "PASSWORD").as_deref(), Some("imported"));
    let shown = zone.ask("mallory:pw", "one.vm.info", &[text_id(&vm)]);
    assert_ne!(element(&shown, "PASSWORD"), Some(legacy));
    // Nobody knows who gave it: a variable does not open it, not even for the owner.
    let extra = "SCHED_REQUIREMENTS=\"A=\\\"$CONTEXT[PASSWORD]\\\"\"";
    let vm = zone.ask("ann:pw", "one.template.instantiate", &[text_id(&id), text(""), Arg::Bool(false), text(extra)]);
    let shown = zone.ask("ann:pw", "one.vm.info", &[text_id(&vm)]);
    assert!(!shown.contains("imported"), "{shown}");
    let opened = zone.ask(ADMIN, "one.vm.info", &[text_id(&vm), Arg::Bool(true)]);
    assert_eq!(element(&opened, "PASSWORD").as_deref(), Some("imported"));
}

/// Clones and instances have the secret, under a text of their own; variables open what the caller sealed, nothing else.
#[test]
fn the_system_copies_a_secret_and_variables_open_only_what_the_caller_sealed() {
    let mut zone = zone_with_secret();
    let template = "NAME=t\nCPU=1\nMEMORY=16\nCONTEXT=[PASSWORD=\"s3cret\",Z=\"$CONTEXT[PASSWORD]\"]";
    let id = zone.ask("ann:pw", "one.template.allocate", &[text(template)]);
    let clone = zone.ask("mallory:pw", "one.template.clone", &[text_id(&id), text("mine")]);
    let sealed =
        |zone: &mut Zone, id: &str| element(&zone.ask(ADMIN, "one.template.info", &[text_id(id)]), "PASSWORD").unwrap();
    assert_ne!(sealed(&mut zone, &id), sealed(&mut zone, &clone));
    // A write-back with another variable is how its new owner might try to open it.
    let again = format!("CONTEXT=[PASSWORD=\"{}\",Z=\"$CONTEXT[PASSWORD]\"]", sealed(&mut zone, &clone));
    zone.call("mallory:pw", "one.template.update", &[text_id(&clone), text(&again), int(1)]).unwrap();
    for (session, template, opens) in
        [("ann:pw", &id, true), ("mallory:pw", &id, false), ("mallory:pw", &clone, false), (ADMIN, &id, false)]
    {
        for extra in ["", "SCHED_REQUIREMENTS=\"A=\\\"$CONTEXT[PASSWORD]\\\"\""] {
            let args = [text_id(template), text(""), Arg::Bool(false), text(extra)];
            let vm = zone.ask(session, "one.template.instantiate", &args);
            let shown = zone.ask(session, "one.vm.info", &[text_id(&vm)]);
            assert_eq!(shown.contains("s3cret"), opens, "{session} {template} {extra}: {shown}");
            let opened = zone.ask(ADMIN, "one.vm.info", &[text_id(&vm), Arg::Bool(true)]);
            assert_eq!(element(&opened, "PASSWORD").as_deref(), Some("s3cret"), "{session} {template}");
        }
    }
}

/// An object with a listed attribute: how a user makes one with this value, and how it is shown.
type Place = (fn(&mut Zone, &str, &str) -> Arg, &'static str, &'static str, Kind);

/// Every way to give a listed attribute that a plain user has.
const PLACES: [Place; 4] = [
    (
        |zone, who, value| {
            let n = zone.state.pool(Kind::Template).len();
            let template = format!("NAME=t{n}\nCPU=1\nMEMORY=16\nCONTEXT=[PASSWORD=\"{value}\"]");
            text_id(&zone.ask(who, "one.template.allocate", &[text(&template)]))
        },
        "one.template.info",
        "PASSWORD",
        Kind::Template,
    ),
    (
        |zone, who, value| {
            // A variable shows what its VM's user has typed; ann does not want that.
            let shown = if who == "ann:pw" { "" } else { ",Z=\"$CONTEXT[PASSWORD]\"" };
            let template = format!("CPU=1\nMEMORY=16\nCONTEXT=[PASSWORD=\"{value}\"{shown}]");
            text_id(&zone.ask(who, "one.vm.allocate", &[text(&template)]))
        },
        "one.vm.info",
        "PASSWORD",
        Kind::Vm,
    ),
    (
        |zone, who, value| {
            let n = zone.state.pool(Kind::Document).len();
            let template = format!("NAME=d{n}\nPROVISION_BODY=\"{value}\"");
            text_id(&zone.ask(who, "one.document.allocate", &[text(&template), int(7)]))
        },
        "one.document.info",
        "PROVISION_BODY",
        Kind::Document,
    ),
    (
        |zone, who, value| {
            let id = int(if who == "ann:pw" { 2 } else { 3 });
            let template = text(&format!("SSH_PASSPHRASE=\"{value}\""));
            text_id(&zone.ask(who, "one.user.update", &[id, template, int(1)]))
        },
        "one.user.info",
        "SSH_PASSPHRASE",
        Kind::User,
    ),
];

/// The document of an object, with everything in clear or as everybody sees it.
fn document(zone: &mut Zone, place: &Place, id: &Arg, decrypt: bool) -> String {
    let row = table::find(place.1).unwrap();
    let args = row.params.iter().map(|param| match param.name {
        "id" => id.clone(),
        "decrypt" => Arg::Bool(decrypt),
        _ => param.default.unwrap().to_arg(),
    });
    let args: Vec<Arg> = args.collect();
    zone.ask(ADMIN, place.1, &args)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Whatever is sealed anywhere opens there for an administrator, and typed at any other place it is the text that
    /// was typed.
    #[test]
    fn a_sealed_value_opens_at_no_other_place(
        secret in "[A-Za-z0-9 +/=.-]{1,40}",
        from in 0..PLACES.len(),
        to in 0..PLACES.len(),
    ) {
        let mut zone = zone_with_secret();
        let (source, target) = (&PLACES[from], &PLACES[to]);
        let id = source.0(&mut zone, "ann:pw", &secret);
        prop_assert_eq!(element(&document(&mut zone, source, &id, true), source.2), Some(secret.clone()));
        let sealed = element(&document(&mut zone, source, &id, false), source.2).unwrap();
        prop_assert_ne!(&sealed, &secret);
        for thief in ["mallory:pw", "ann:pw"] {
            if source.1 == target.1 && source.3 == Kind::User && thief == "ann:pw" {
                continue; // That is its own place.
            }
            let other = target.0(&mut zone, thief, &sealed);
            let opened = element(&document(&mut zone, target, &other, true), target.2);
            prop_assert_eq!(opened.as_deref(), Some(sealed.as_str()));
        }
        for kind in Kind::ALL {
            for object in zone.state.pool(kind).values() {
                let shown = object.xml(Form::Full);
                prop_assert!(secret.len() < 8 || !shown.contains(&secret), "{}", shown);
            }
        }
    }
}

/// Pools whose objects have nothing sealed (see `secrets.rs`).
const NEVER_SEALED: [&str; 5] = ["hook", "market", "vrouter", "vdc", "zone"];

/// Whether a source, by its name below `src`, is about objects that have nothing sealed.
fn is_never_sealed(name: &str) -> bool {
    let pool = name.strip_prefix("pools/").or_else(|| name.strip_prefix("records/"));
    pool.is_some_and(|pool| NEVER_SEALED.iter().any(|never| pool.starts_with(never)))
}

/// The Rust files below a folder, with their names in it.
fn sources(root: &Path) -> Vec<(String, PathBuf)> {
    let (mut folders, mut found) = (vec![root.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("a folder of sources") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(root).expect("below the root").to_string_lossy().into_owned();
                found.push((name, path));
            }
        }
    }
    found
}

/// The names in `source` that a template is asked for: `template.value("NAME")` and the like.
fn read_in(source: &str) -> impl Iterator<Item = &str> {
    const ASKED: [&str; 6] = ["value", "get", "int", "float", "is_yes", "id"];
    source.split("template.").filter_map(|rest| {
        let (method, rest) = rest.split_once("(\"")?;
        let (name, _) = rest.split_once("\")")?;
        ASKED.contains(&method).then_some(name)
    })
}

/// Keeps the lists of `settings/sealable.rs`: what the code is seen to read of a template (not what it reads in other
/// ways) is in them, whichever crate reads it.
#[test]
fn what_the_code_reads_of_templates_stays_in_clear() {
    let crates = ["../model/src", "src"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let (mut seen, mut wrong) = (Vec::new(), Vec::new());
    for root in crates {
        let mut here = 0;
        for (name, path) in sources(&root).into_iter().filter(|(name, _)| !is_never_sealed(name)) {
            let source = fs::read_to_string(path).expect("a source");
            for attribute in read_in(&source) {
                here += 1;
                if may_be_sealed(attribute) {
                    wrong.push(format!("{attribute} in {name}"));
                }
            }
        }
        seen.push(here);
    }
    assert!(matches!(seen[..], [model, pools] if model > 0 && pools > 50), "only {seen:?} readings are seen");
    assert_eq!(wrong, Vec::<String>::new(), "add them to READ");
}
