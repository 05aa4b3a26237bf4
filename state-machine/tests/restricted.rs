//! Restricted attributes: whatever a plain user sends, in whatever syntax and by whatever call, nothing that is stored
//! in the end has one with a value of the user's.

use quorate_model::api::Arg;
use quorate_model::body::Variant as _;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::LcmState;
use quorate_model::template::{Attribute, Template};
use quorate_testkit::tenant::{self, ANN, UID};
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// What the user writes everywhere; a number where one is needed, and nothing that the zone writes by itself.
const MINE: &str = "31337";

/// Ann may do with everything what no administrator must do; she has a VM that runs, a template, an image, a reservation,
/// a router, and may use the administrator's template, which has restricted attributes.
fn zone() -> Zone {
    let kinds = [
        Kind::Vm,
        Kind::Image,
        Kind::Net,
        Kind::Datastore,
        Kind::SecGroup,
        Kind::Template,
        Kind::VRouter,
        Kind::VnTemplate,
        Kind::Host,
    ];
    let mut zone = tenant::zone(&kinds, &[Op::Use, Op::Manage, Op::Admin, Op::Create]);
    let no = || Arg::Bool(false);
    let admins = "NAME=admins CPU=1 MEMORY=8 CPU_COST=3 NIC=[NETWORK_ID=0,MAC=02:00:0a:00:00:32] RAW=[TYPE=kvm]";
    for (session, method, args) in [
        (ADMIN, "one.template.allocate", vec![text(admins)]),
        (ANN, "one.template.allocate", vec![text("NAME=own CPU=1 MEMORY=8")]),
        (ANN, "one.image.allocate", vec![text("NAME=own TYPE=DATABLOCK SIZE=1"), int(100), no()]),
        (ANN, "one.vn.reserve", vec![int(0), text("NAME=own SIZE=4")]),
        (ANN, "one.vm.allocate", vec![text("NAME=own CPU=1 MEMORY=8 NIC=[NETWORK_ID=0] CONTEXT=[A=B]"), no()]),
        (ANN, "one.vrouter.allocate", vec![text("NAME=own NIC=[NETWORK_ID=0]")]),
        (ANN, "one.vntemplate.allocate", vec![text("NAME=own")]),
        (ADMIN, "one.template.allocate", vec![text("NAME=router VROUTER=YES CPU=1 MEMORY=8")]),
        (ADMIN, "one.vm.deploy", vec![int(0), int(0), no(), int(-1), text("")]),
    ] {
        // A network template needs VN_MAD, which is restricted: only administrators have some.
        let needed = method != "one.vntemplate.allocate";
        zone.call(session, method, &args).map(|_| ()).unwrap_or_else(|e| assert!(!needed, "{method}: {e}"));
    }
    tenant::drain(&mut zone);
    assert!(zone.state.get::<Vm>(0).is_ok_and(|(_, vm)| vm.is_doing(LcmState::Running)));
    zone
}

/// The ways in, with what is to be stored (`given`: in the text syntax or as elements).
fn calls(vector: &str, given: &str) -> Vec<(&'static str, Vec<Arg>)> {
    let xml = given.starts_with('<');
    let with = |base: &str| {
        let base_xml: String = base
            .split_whitespace()
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| format!("<{name}>{value}</{name}>"))
            .collect();
        text(&if xml { format!("<TEMPLATE>{base_xml}{given}</TEMPLATE>") } else { format!("{base}\n{given}") })
    };
    let no = || Arg::Bool(false);
    let mut calls = vec![
        ("one.vm.allocate", vec![with("NAME=x CPU=1 MEMORY=8"), no()]),
        ("one.template.allocate", vec![with("NAME=x CPU=1 MEMORY=8")]),
        ("one.template.instantiate", vec![int(0), text("x"), no(), with(""), no()]),
        ("one.template.instantiate", vec![int(1), text("x"), no(), with(""), Arg::Bool(true)]),
        ("one.vm.resize", vec![int(0), with("MEMORY=16"), no()]),
        ("one.vm.attach", vec![int(0), with("")]),
        ("one.vm.attachnic", vec![int(0), with("")]),
        ("one.vm.updatenic", vec![int(0), int(0), with(""), int(1)]),
        ("one.vm.deploy", vec![int(0), int(0), no(), int(-1), with("")]),
        ("one.image.allocate", vec![with("NAME=x TYPE=DATABLOCK SIZE=1"), int(100), no()]),
        ("one.vrouter.allocate", vec![with("NAME=x")]),
        ("one.vrouter.attachnic", vec![int(0), with("")]),
        ("one.vrouter.instantiate", vec![int(0), int(1), int(2), text("x"), no(), with("")]),
        ("one.vntemplate.allocate", vec![with("NAME=x VN_MAD=dummy")]),
        ("one.vn.reserve", vec![int(0), with("NAME=x SIZE=1")]),
    ];
    for how in [0, 1] {
        calls.extend([
            ("one.vm.update", vec![int(0), with(""), int(how)]),
            ("one.vm.updateconf", vec![int(0), with(""), int(how)]),
            ("one.template.update", vec![int(1), with(""), int(how)]),
            ("one.image.update", vec![int(0), with(""), int(how)]),
            ("one.vn.update", vec![int(1), with(""), int(how)]),
            ("one.vrouter.update", vec![int(0), with(""), int(how)]),
            ("one.user.update", vec![int(i64::from(UID)), with(""), int(how)]),
        ]);
    }
    if vector == "AR" {
        calls.push(("one.vn.update_ar", vec![int(1), with("")]));
    }
    calls
}

/// A restricted entry (`NAME` or `VECTOR/PART`) in every way to write it.
fn writings(entry: &str) -> Vec<String> {
    let vectors: Vec<(String, &str)> = match entry.split_once('/') {
        None => {
            return vec![
                format!("{entry}={MINE}"),
                format!("{entry}=\"{MINE}\"\n{entry}={MINE}"),
                format!("{entry}=[A={MINE}]"),
                format!("{entry}=[TYPE=kvm,NETWORK_ID=0,VENDOR={MINE},DATA=\"<devices>{MINE}</devices>\"]"),
                format!("<{entry}>{MINE}</{entry}>"),
                format!("<{0}>{MINE}</{0}>", entry.to_lowercase()),
                format!("<{entry}><A>{MINE}</A></{entry}>"),
            ];
        }
        Some(("NIC", part)) => vec![("NIC".to_owned(), part), ("NIC_DEFAULT".to_owned(), part)],
        Some((vector, part)) => vec![(vector.to_owned(), part)],
    };
    // What makes the vector one that is taken at all.
    let needs = |vector: &str| match vector {
        "NIC" => "NETWORK_ID=0",
        "NIC_ALIAS" => "NETWORK_ID=0,PARENT=NIC0",
        "DISK" => "TYPE=fs,SIZE=1",
        "AR" => "AR_ID=0",
        _ => "B=C",
    };
    let mut all = Vec::new();
    for (vector, part) in vectors {
        let needs = needs(&vector);
        let plain = if vector == "NIC_DEFAULT" { "NIC=[NETWORK_ID=0]\n" } else { "" };
        let elements: String = needs
            .split(',')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| format!("<{name}>{value}</{name}>"))
            .collect();
        all.push(format!("{plain}{vector}=[{needs},{part}={MINE}]"));
        all.push(format!("{plain}{vector}=[{needs}]\n{vector}=[{needs},{part}=\"{MINE}\"]"));
        // What stands between the pairs of a vector in the reference's internal form.
        all.push(format!("{plain}{vector}=[{needs},A=\"x@^_^@{part}={MINE}\"]"));
        if plain.is_empty() {
            all.push(format!("<{vector}>{elements}<{part}>{MINE}</{part}></{vector}>"));
        }
    }
    all
}

/// Where a template has the user's value for a restricted entry.
fn found(template: &Template, entries: &[String]) -> Option<String> {
    let mine = |value: &str| value.contains(MINE);
    entries
        .iter()
        .find(|entry| match entry.split_once('/') {
            Some((vector, part)) => template.vectors(vector).any(|v| v.get(part).is_some_and(mine)),
            None => template.all(entry).any(|attribute| match attribute {
                Attribute::Single(value) => mine(value),
                Attribute::Vector(vector) => vector.iter().any(|(_, value)| mine(value)),
            }),
        })
        .cloned()
}

fn list(zone: &Zone, kind: Kind) -> Vec<String> {
    let name = match kind {
        Kind::Vm | Kind::Template | Kind::VRouter => "VM_RESTRICTED_ATTR",
        Kind::Image => "IMAGE_RESTRICTED_ATTR",
        Kind::Net | Kind::VnTemplate => "VNET_RESTRICTED_ATTR",
        Kind::User => "USER_RESTRICTED_ATTR",
        _ => return Vec::new(),
    };
    let mut entries: Vec<String> = zone.state.settings().list(name).map(str::to_owned).collect();
    if kind == Kind::VRouter {
        // Only its NICs become something else.
        entries.retain(|entry| entry.starts_with("NIC/"));
    }
    entries
}

/// Objects with a restricted attribute of the user's.
fn tainted(zone: &Zone) -> Vec<String> {
    let mut all = Vec::new();
    for kind in Kind::ALL {
        let entries = list(zone, kind);
        for object in zone.state.pool(kind).values() {
            let object: &Object = object;
            let derived = Vm::of(&object.body).map(|vm| &vm.template);
            let seen = [Some(&object.template), derived].into_iter().flatten().find_map(|t| found(t, &entries));
            all.extend(seen.map(|entry| format!("{kind:?} {} has {entry}", object.id)));
        }
    }
    all
}

#[test]
fn no_call_stores_a_restricted_attribute_of_a_plain_user() {
    let zone = zone();
    let mut entries: Vec<String> =
        [Kind::Vm, Kind::Image, Kind::Net, Kind::User].into_iter().flat_map(|kind| list(&zone, kind)).collect();
    entries.sort();
    entries.dedup();
    assert!(entries.len() > 100, "the shipped lists: {entries:?}");
    let mut wrong = Vec::new();
    for entry in &entries {
        let vector = entry.split('/').next().unwrap_or_default();
        for given in writings(entry) {
            for (method, args) in calls(vector, &given) {
                let mut zone = zone.copy();
                let refused = zone.call(ANN, method, &args).is_err();
                // Of what is refused, only these keep something.
                if refused && !method.starts_with("one.vrouter.") && method != "one.vn.reserve" {
                    continue;
                }
                wrong.extend(tainted(&zone).into_iter().map(|what| format!("{what} after {method} {given}")));
            }
        }
    }
    assert!(wrong.is_empty(), "{} ways in:\n{}", wrong.len(), wrong.join("\n"));
}

/// The calls above do store what is not restricted: otherwise they would prove nothing.
#[test]
fn the_ways_in_are_open_for_what_is_not_restricted() {
    let zone = zone();
    let stored = |given: &str, methods: &[&str]| {
        for method in methods {
            let ways: Vec<_> = calls("AR", given).into_iter().filter(|(name, _)| name == method).collect();
            assert!(!ways.is_empty(), "{method}");
            let mut said = Vec::new();
            let kept = ways.into_iter().any(|(name, args)| {
                let mut zone = zone.copy();
                said.push(zone.ask(ANN, name, &args));
                let objects =
                    Kind::ALL.into_iter().flat_map(|kind| zone.state.pool(kind).values().cloned().collect::<Vec<_>>());
                objects.into_iter().any(|object| {
                    let derived = Vm::of(&object.body).map(|vm| &vm.template);
                    let open = ["OPEN", "NIC/OPEN", "DISK/OPEN", "CONTEXT/OPEN"].map(str::to_owned);
                    [Some(&object.template), derived].into_iter().flatten().any(|t| found(t, &open).is_some())
                })
            });
            assert!(kept, "{method} {given}: {said:?}");
        }
    };
    let anywhere = [
        "one.vm.allocate",
        "one.template.allocate",
        "one.template.instantiate",
        "one.image.allocate",
        "one.vrouter.allocate",
        "one.vm.update",
        "one.template.update",
        "one.image.update",
        "one.vn.update",
        "one.vrouter.update",
        "one.user.update",
    ];
    stored(&format!("OPEN={MINE}"), &anywhere);
    stored(&format!("<OPEN>{MINE}</OPEN>"), &anywhere);
    stored(&format!("NIC=[NETWORK_ID=0,OPEN={MINE}]"), &["one.vm.allocate", "one.vrouter.attachnic"]);
    stored(&format!("CONTEXT=[OPEN={MINE}]"), &["one.vm.allocate", "one.vm.updateconf"]);
    stored(&format!("DISK=[TYPE=fs,SIZE=1,OPEN={MINE}]"), &["one.vm.allocate", "one.template.allocate"]);
}

#[test]
fn what_stands_in_the_administrators_template_comes_along() {
    let mut zone = zone();
    let vm = zone.ask(ANN, "one.template.instantiate", &[int(0), text("x"), Arg::Bool(false), text("MEMORY=16")]);
    let shown = zone.ask(ANN, "one.vm.info", &[int(vm.parse().unwrap_or_else(|_| panic!("{vm}")))]);
    for kept in ["<CPU_COST><![CDATA[3]]>", "<MAC><![CDATA[02:00:0a:00:00:32]]>", "<RAW><TYPE><![CDATA[kvm]]>"] {
        assert!(shown.contains(kept), "{kept}: {shown}");
    }
    // And into a copy, which its owner may change otherwise.
    let copy = zone.ask(ANN, "one.template.clone", &[int(0), text("copy")]);
    let id = int(copy.parse().unwrap_or_else(|_| panic!("{copy}")));
    assert_eq!(zone.ask(ANN, "one.template.update", &[id.clone(), text("MEMORY=32"), int(1)]), copy);
    let refused = zone.ask(ANN, "one.template.update", &[id, text("RAW=[TYPE=qemu]"), int(1)]);
    assert_eq!(refused, "Cannot update template. User Template includes a restricted attribute RAW");
}

#[test]
fn a_network_of_ones_own_does_not_give_nics_what_only_administrators_may() {
    let mut zone = zone();
    let refused = zone.ask(ANN, "one.vn.update", &[int(1), text("INBOUND_AVG_BW=31337"), int(1)]);
    assert_eq!(refused, "Cannot update template. User Template includes a restricted attribute INBOUND_AVG_BW");
}
