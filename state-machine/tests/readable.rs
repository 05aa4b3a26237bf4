//! What is stored can always be read back by everybody: whatever strings calls and drivers bring, every document is XML
//! to two strict parsers, and shows what was accepted and nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use proptest::prelude::*;
use quorate_model::api::{Arg, Type};
use quorate_model::clean::{Name, is_name};
use quorate_model::command::Actor;
use quorate_model::head::Form;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::Operation;
use quorate_model::records::vm::Vm;
use quorate_model::template::parse::parse;
use quorate_model::template::{Attribute, Template};
use quorate_state_machine::methods::{self, Handler, Request, View};
use quorate_state_machine::state::State;
use quorate_state_machine::table;
use quorate_testkit::vms::VmZone;
use quorate_testkit::zone::{ADMIN, NOW, int, text};

/// Pieces of hostile strings that a call may bring: characters that XML can carry.
const PIECES: [&str; 36] = [
    "]]>",
    "]]",
    "]",
    ">",
    "<",
    "&",
    "&amp;",
    "&#2;",
    "&lt;",
    "<b>",
    "</A>",
    "</TEMPLATE>",
    "</VM_POOL>",
    "<![CDATA[",
    "<!--",
    "-->",
    "<?pi?>",
    "@^_^@",
    "@^_^@FILES=/etc/passwd",
    "@^_^@<bad name=y",
    "=",
    "$NAME",
    "$A",
    "$CONTEXT[A]",
    "$USER[TEMPLATE]",
    "\\",
    "\\\"",
    "\"",
    "'",
    "\r",
    "\n",
    "\t ",
    "ä",
    "🚀",
    "\u{fffd}",
    "x",
];

/// Characters that XML cannot carry.
const FORBIDDEN: [&str; 5] = ["\u{0}", "\u{1}", "\u{1f}", "\u{fffe}", "\u{ffff}"];

/// Names, some of them names of attributes.
const NAMES: [&str; 28] = [
    "A",
    "B",
    "a",
    "FILES",
    "xml",
    "xmlish",
    "XMLNS",
    "_",
    "a-b",
    "a.b",
    "9a",
    "-a",
    ".",
    "a b",
    "a:b",
    "xml:x",
    ":",
    "a:b:c",
    "ª",
    "a²",
    "①",
    "ä",
    "名前",
    "\u{37f}",
    "\u{10000}",
    "<bad name",
    "a/",
    "🚀",
];

fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![60 => prop::sample::select(&PIECES[..]), 1 => prop::sample::select(&FORBIDDEN[..])];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| pieces.concat())
}

fn name() -> impl Strategy<Value = String> {
    prop_oneof![4 => prop::sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => hostile()]
}

/// What a template needs so that objects of a kind are made of it.
fn needed(kind: Kind) -> &'static str {
    match kind {
        Kind::Vm | Kind::Template => "CPU=1\nMEMORY=64\nDISK=[TYPE=fs,SIZE=10]\nNIC=[NETWORK_ID=0]\n",
        Kind::Image => "TYPE=DATABLOCK\nSIZE=10\n",
        Kind::Net => "VN_MAD=dummy\nBRIDGE=br\nAR=[TYPE=IP4,IP=10.0.0.1,SIZE=9]\nSIZE=1\nLEASES=[IP=10.0.0.7]\n",
        Kind::VnTemplate => "VN_MAD=dummy\nAR=[TYPE=ETHER,SIZE=9]\n",
        Kind::Datastore => "DS_MAD=dummy\nTM_MAD=dummy\n",
        Kind::SecGroup => "RULE=[PROTOCOL=TCP,RULE_TYPE=inbound]\n",
        Kind::Hook => "TYPE=api\nCALL=one.vm.allocate\nCOMMAND=c\nARGUMENTS=\"$API\"\n",
        Kind::Market => "MARKET_MAD=dummy\n",
        Kind::MarketApp => "TYPE=IMAGE\nORIGIN_ID=0\n",
        Kind::VmGroup => "ROLE=[NAME=r]\n",
        _ => "",
    }
}

/// Vectors whose values are taken apart or shown elsewhere.
const VECTORS: [&str; 7] = ["CONTEXT", "PUBLIC_CLOUD", "SCHED_ACTION", "AR", "DISK", "RAW", "ANY"];

/// A template in one of both forms, with hostile names and values.
fn template(kind: Kind) -> BoxedStrategy<String> {
    let parts = (name(), hostile(), name(), hostile(), prop::sample::select(&VECTORS[..]), "[a-z]{1,9}");
    let needed = needed(kind);
    let made = move |(n, v, key, value, vector, own): (String, String, String, String, &str, String), form: u8| {
        let quoted = |text: &str| text.replace('"', "\\\"");
        let plain = format!("{needed}NAME=\"{own}\"\nB=\"{}\"\n", quoted(&v));
        match form {
            0 => format!("{plain}{n}=\"{}\"\n{vector}=[A=\"{}\",{key}=\"{}\"]", quoted(&v), quoted(&v), quoted(&value)),
            1 => format!("{plain}{vector}=[A=\"{}\",B=\"{}\"]", quoted(&v), quoted(&value)),
            2 => {
                let [v, value] =
                    [v, value].map(|text| text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;"));
                format!("<T><NAME>{own}</NAME><{n}>{v}</{n}><{vector}><A>{v}</A><{key}>{value}</{key}></{vector}></T>")
            }
            _ => {
                format!("<T><NAME>{v}</NAME><{n}><![CDATA[{v}]]></{n}><{vector}><{key}>{value}</{key}></{vector}></T>")
            }
        }
    };
    (parts, 0..4u8).prop_map(move |(parts, form)| made(parts, form)).boxed()
}

/// An argument of any method, by the table alone.
fn argument(kind: Kind, parameter: &str, ty: Type) -> BoxedStrategy<Arg> {
    let id = prop_oneof![6 => 0i64..3, 3 => 99i64..104, 1 => -2i64..0];
    match ty {
        Type::Int | Type::Int64 => id.prop_map(Arg::Int).boxed(),
        Type::Bool => any::<bool>().prop_map(Arg::Bool).boxed(),
        Type::Ints => prop::collection::vec(id, 0..2).prop_map(Arg::Ints).boxed(),
        Type::Str if parameter.contains("template") => template(kind).prop_map(Arg::Str).boxed(),
        Type::Str => prop_oneof![3 => hostile(), 1 => name(), 1 => template(kind), 1 => Just(String::new())]
            .prop_map(Arg::Str)
            .boxed(),
    }
}

/// A step of a history.
#[derive(Clone, Debug)]
enum Step {
    /// A call: whether by the administrator, what, with which arguments.
    Call(bool, &'static str, Vec<Arg>),
    /// Every driver answers: as it would, or with this text, encoded or not, as a success or a failure.
    Drivers(Option<(String, bool, bool)>),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let writing = table::all().filter(|m| matches!(m.handler, Handler::Write(_))).map(|m| m.name).collect::<Vec<_>>();
    let call = (any::<bool>(), prop::sample::select(writing)).prop_flat_map(|(admin, name)| {
        let method = table::find(name).expect("a row");
        let args: Vec<_> = method.params.iter().map(|param| argument(method.kind, param.name, param.ty)).collect();
        args.prop_map(move |args| Step::Call(admin, method.name, args))
    });
    let broken = prop::sample::select(vec!["]]\u{1}>", "A=\"]]\u{fffe}>\"", "<b\u{0}>", "source raw\u{1}", "\u{ffff}"]);
    let said = prop_oneof![template(Kind::Net), hostile(), broken.prop_map(str::to_owned)];
    let answers = (said, any::<bool>(), any::<bool>());
    let drivers = prop_oneof![Just(None), answers.prop_map(Some)].prop_map(Step::Drivers);
    prop::collection::vec(prop_oneof![8 => call, 1 => drivers], 1..40)
}

fn take(lab: &mut VmZone, step: &Step) {
    match step {
        Step::Call(admin, method, args) => {
            let refused = args.iter().any(|arg| matches!(arg, Arg::Str(s) if FORBIDDEN.iter().any(|f| s.contains(f))));
            let reply = lab.zone.call(if *admin { ADMIN } else { "ann:pw" }, method, args);
            assert!(!refused || reply.is_err(), "{method} took {args:?}");
        }
        Step::Drivers(said) => {
            lab.zone.report(|operation| {
                let Some((said, encoded, success)) = said else { return Some(Ok(VmZone::success(operation))) };
                let code = if matches!(operation, Operation::Hook { .. }) { "0 " } else { "" };
                let said = if *encoded { format!("{code}{}", BASE64.encode(said)) } else { said.clone() };
                Some(if *success { Ok(said) } else { Err(said) })
            });
        }
    }
}

/// A document that two strict parsers take; `None`: it is none.
fn read<'a>(what: &str, xml: &'a str) -> roxmltree::Document<'a> {
    for event in xml::EventReader::from_str(xml) {
        event.unwrap_or_else(|e| panic!("{what} is no XML: {e}: {xml}"));
    }
    roxmltree::Document::parse(xml).unwrap_or_else(|e| panic!("{what} is no XML: {e}: {xml}"))
}

/// An element's name, its text, its child elements.
type Shown = (String, String, Vec<(String, String)>);

fn shown(parent: roxmltree::Node<'_, '_>) -> Vec<Shown> {
    let text = |node: roxmltree::Node<'_, '_>| -> String { node.children().filter_map(|n| n.text()).collect() };
    let name = |node: roxmltree::Node<'_, '_>| node.tag_name().name().to_owned();
    let of = |node: roxmltree::Node<'_, '_>| {
        let inner: Vec<_> = node.children().filter(|n| n.is_element()).map(|n| (name(n), text(n))).collect();
        let single = if inner.is_empty() { text(node) } else { String::new() };
        (name(node), single, inner)
    };
    parent.children().filter(|n| n.is_element()).map(of).collect()
}

/// What a template must show.
fn stored(template: &Template) -> Vec<Shown> {
    let of = |(name, attribute): (&Name, &Attribute)| match attribute {
        Attribute::Single(value) => (name.to_string(), value.to_string(), Vec::new()),
        Attribute::Vector(v) => {
            (name.to_string(), String::new(), v.iter().map(|(n, v)| (n.to_string(), v.to_owned())).collect())
        }
    };
    template.iter().map(of).collect()
}

/// Every object's own documents.
fn check_object(object: &Object) {
    let what = format!("{:?} {}", object.kind(), object.id);
    // In a listing: users have two elements there.
    read(&what, &format!("<POOL>{}</POOL>", object.xml(Form::Short)));
    let xml = object.xml(Form::Full);
    let document = read(&what, &xml);
    let child = |name: &str| document.root_element().children().find(|node| node.has_tag_name(name));
    if let Some(name) = child("NAME") {
        assert_eq!(name.text().unwrap_or_default(), object.name, "{what}");
    }
    let vm = object.kind() == Kind::Vm;
    if let Some(template) = child(if vm { "USER_TEMPLATE" } else { "TEMPLATE" }) {
        assert_eq!(shown(template), stored(&object.template), "{what}");
    }
}

fn check_vms(state: &State) {
    for (object, vm) in state.each::<Vm>() {
        let xml = object.xml(Form::Full);
        let document = read("a VM", &xml);
        let template =
            document.root_element().children().find(|node| node.has_tag_name("TEMPLATE")).expect("a template");
        assert_eq!(shown(template), stored(&vm.template), "VM {}", object.id);
    }
}

/// What runs of hooks are given.
fn check_hooks(state: &State) {
    for operation in state.pending().values() {
        let Operation::Hook { arguments, .. } = &operation.operation else { continue };
        for word in arguments.split(' ').filter_map(|word| BASE64.decode(word).ok()) {
            let document = String::from_utf8(word).expect("text");
            if document.starts_with('<') {
                read("a hook's document", &document);
            }
        }
    }
}

/// Every document that a reading method gives: of single objects for the ids there are, of pools with every filter.
fn check_answers(state: &State) {
    // Not by a session, which a history may have taken away.
    let view = View { state, actor: &Actor::default(), now: NOW };
    for method in table::all() {
        let Handler::Read(handler) = method.handler else { continue };
        let ids = state.pool(method.kind).keys().copied().take(4).map(i64::from).chain([-2, -1]);
        for id in ids.collect::<Vec<i64>>() {
            let argument = |(i, param): (usize, &methods::Param)| match param.ty {
                Type::Int | Type::Int64 => int(if i == 0 { id } else { -1 }),
                Type::Bool => Arg::Bool(true),
                Type::Str => text(""),
                Type::Ints => Arg::Ints(Vec::new()),
            };
            let args: Vec<Arg> = method.params.iter().enumerate().map(argument).collect();
            let request = Request::new(method, &args).expect("arguments of the row");
            let answer = handler(&view, &request).map(|value| value.to_text()).unwrap_or_default();
            if answer.starts_with('<') {
                read(method.name, &answer);
            }
        }
    }
}

fn check(lab: &VmZone) {
    let state = &lab.zone.state;
    Kind::ALL.into_iter().flat_map(|kind| state.pool(kind).values()).for_each(|object| check_object(object));
    check_vms(state);
    check_hooks(state);
    check_answers(state);
}

/// A lab with a VM that runs, a plain user that owns things, and an object of most kinds.
fn lab() -> VmZone {
    let mut lab = VmZone::new();
    lab.allocate();
    lab.must("one.user.allocate", &[text("ann"), text("pw"), text("core"), Arg::Ints(Vec::new())]);
    lab
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn every_document_is_read_by_strict_parsers_and_shows_what_was_accepted(steps in steps()) {
        let mut lab = lab();
        steps.iter().for_each(|step| take(&mut lab, step));
        check(&lab);
        lab.settle();
        while lab.answer(true).is_some() {}
        check(&lab);
    }

    /// A name is accepted by XML templates exactly if it is one, and is what both parsers read then.
    #[test]
    fn names_in_xml_are_names_to_everybody(name in name()) {
        let xml = format!("<T><A><{name}>1</{name}></A></T>");
        let parsed = parse(&xml).ok().and_then(|t| t.vector("A")?.iter().next().map(|(name, _)| name.to_string()));
        if is_name(&name) {
            read("a template", &xml);
            prop_assert_eq!(parsed.as_deref(), Some(name.as_str()));
        } else {
            prop_assert!(parsed.as_deref().is_none_or(is_name), "{:?} as {:?}", name, parsed);
        }
    }

    /// Whatever the values of a context are, it has the names that it was given.
    #[test]
    fn values_make_no_attributes(values in prop::collection::vec(hostile(), 1..4)) {
        let mut lab = lab();
        let quoted = |v: &String| v.replace('"', "\\\"");
        let parts: Vec<String> = values.iter().enumerate().map(|(i, v)| format!("K{i}=\"{}\"", quoted(v))).collect();
        let vm = format!("CPU=1 MEMORY=64\nCONTEXT=[{}]", parts.join(","));
        if let Ok(id) = lab.zone.ask("ann:pw", "one.vm.allocate", &[text(&vm)]).parse::<i32>() {
            let vm = lab.zone.state.get::<Vm>(id).expect("the VM").1;
            let context = vm.template.vector("CONTEXT").expect("a context");
            let known = |name: &str| name == "DISK_ID" || name == "TARGET" || name.starts_with('K');
            for (name, _) in context.iter() {
                prop_assert!(known(name), "{} out of {:?}", name, values);
            }
        }
    }
}

const PLAIN: &str = "CPU=0.1\nMEMORY=16\n";

fn vector_of(lab: &VmZone, vm: i32, place: &str) -> Vec<(String, String)> {
    let (object, vm) = lab.zone.state.get::<Vm>(vm).expect("the VM");
    let vector = vm.template.vector(place).or_else(|| object.template.vector(place)).expect("the vector");
    vector.iter().map(|(name, value)| (name.to_string(), value.to_owned())).collect()
}

#[test]
fn the_separator_in_a_value_is_a_value() {
    let mut lab = lab();
    let mut allocate = |what: &str| {
        let id = lab.zone.ask("ann:pw", "one.vm.allocate", &[text(&format!("{PLAIN}{what}"))]);
        id.parse::<i32>().unwrap_or_else(|_| panic!("{what}: {id}"))
    };
    let forged = allocate("CONTEXT=[A=\"x@^_^@FILES=/etc/passwd\"]");
    let updated = allocate("CONTEXT=[A=\"1\",Z=C:\\,ZZ=\"$UNAME\"]");
    let cloud = allocate("PUBLIC_CLOUD=[TYPE=ec2,A=\"x@^_^@<bad name=y\"]");
    let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert!(vector_of(&lab, forged, "CONTEXT").contains(&pair("A", "x@^_^@FILES=/etc/passwd")));
    let context = vector_of(&lab, updated, "CONTEXT");
    assert!(context.contains(&pair("Z", "C:\\")) && context.contains(&pair("ZZ", "ann")), "{context:?}");
    assert!(vector_of(&lab, cloud, "PUBLIC_CLOUD").contains(&pair("A", "x@^_^@<bad name=y")));
    let args = [int(updated.into()), text("CONTEXT=[B=\"x@^_^@FILES=/etc/passwd\"]"), int(1)];
    lab.zone.call("ann:pw", "one.vm.updateconf", &args).expect("accepted");
    assert!(vector_of(&lab, updated, "CONTEXT").contains(&pair("B", "x@^_^@FILES=/etc/passwd")));
    for vm in [forged, updated] {
        assert!(vector_of(&lab, vm, "CONTEXT").iter().all(|(name, _)| name != "FILES"));
    }
    check(&lab);
}

#[test]
fn no_value_ends_its_section_whoever_brings_it() {
    let mut lab = lab();
    let forged =
        "NAME=n\nA=\"]]\u{1}></A></TEMPLATE></VMTEMPLATE><VMTEMPLATE><ID>4711</ID><UID>0</UID><TEMPLATE><A><![CDATA[\"";
    for hostile in ["NAME=n\nA=\"]]\u{1}>&<\"", "NAME=n\nA=\"]]\u{fffe}>&<\"", "NAME=n\nA=\"]\u{2}]>&<\"", forged] {
        assert!(lab.zone.call("ann:pw", "one.template.allocate", &[text(hostile)]).is_err(), "{hostile:?}");
        assert!(parse(hostile).is_err(), "{hostile:?}");
    }
    // What a driver says cannot be refused.
    lab.must("one.vm.deploy", &[int(0), int(0)]);
    let prolog = lab.pending(true).remove(0);
    lab.report(&prolog, Err("]]\u{1}></ERROR><b>\u{fffe}"));
    let error = lab.zone.state.find(Kind::Vm, 0).expect("the VM").template.value("ERROR").to_owned();
    assert!(error.ends_with("]]\u{fffd}></ERROR><b>\u{fffd}"), "{error:?}");
    lab.must("one.host.allocate", &[text("third"), text("dummy"), text("kvm"), int(-1)]);
    let monitor = lab.pending(false).into_iter().find(|p| matches!(p.operation, Operation::MonitorHost { .. }));
    lab.report(&monitor.expect("the host is looked at"), Ok("A=\"]]\u{1}>\" TOTALCPU=100"));
    // Joined by variables.
    let user = format!("{PLAIN}E=\"]\"\nCONTEXT=[A=\"]$E>\"]");
    let vm: i32 = lab.zone.ask(ADMIN, "one.vm.allocate", &[text(&user)]).parse().expect("a VM");
    assert!(vector_of(&lab, vm, "CONTEXT").contains(&("A".to_owned(), "]]>".to_owned())));
    check(&lab);
}

/// Elements and ends of elements in a VM's values, which stand in the document that its history keeps.
#[test]
fn no_value_hides_a_vm_from_showback() {
    let cost = |extra: &str| {
        let mut lab = VmZone::new();
        let vm = format!("CPU=1 MEMORY=1024 CPU_COST=2\n{extra}");
        lab.must("one.vm.allocate", &[text(&vm)]);
        lab.must("one.vm.deploy", &[int(0), int(0)]);
        lab.change(|txn| {
            let record = txn.body_mut::<Vm>(0).expect("the VM").record_mut().expect("it is on a host");
            record.stime = NOW - 3600;
        });
        lab.must("one.vmpool.calculateshowback", &[int(-1), int(-1), int(-1), int(-1)]);
        lab.must("one.vmpool.showback", &[int(-2), int(-1), int(-1), int(-1), int(-1)])
    };
    let plain = cost("");
    assert!(plain.contains("<CPU_COST>2</CPU_COST>"), "{plain}");
    for hostile in [
        "CONTEXT=[A=\"</TEMPLATE><USER_TEMPLATE>\"]",
        "CONTEXT=[TEMPLATE=1,USER_TEMPLATE=2]",
        "E=\"]\"\nCONTEXT=[A=\"]$E>\"]",
        "CONTEXT=[A=\"<TEMPLATE><CPU>0</CPU></TEMPLATE>\"]",
    ] {
        assert_eq!(cost(hostile), plain, "{hostile}");
    }
}

#[test]
fn names_that_xml_does_not_know_are_refused() {
    let mut lab = lab();
    for name in ["ª", "a²", "①", "a:b", "xml:x", ":", "a①", "\u{37f}", "\u{10000}"] {
        for xml in [format!("<T><{name}>1</{name}></T>"), format!("<T><A><{name}>1</{name}></A></T>")] {
            let refusal = lab.zone.ask("ann:pw", "one.template.allocate", &[text(&xml)]);
            assert_eq!(refusal, "Parse error: XML Template malformed.", "{xml}");
        }
    }
    let accepted = "<T xmlns:x='u'><NAME>n</NAME><DASH-ED>1</DASH-ED><DOT.TED>2</DOT.TED><A><ä>3</ä><名>4</名></A></T>";
    let id: i32 = lab.zone.ask("ann:pw", "one.template.allocate", &[text(accepted)]).parse().expect("a template");
    let template = &lab.zone.state.find(Kind::Template, id).expect("the template").template;
    assert_eq!((template.value("DASH-ED"), template.value("DOT.TED")), ("1", "2"));
    let vector = template.vector("A").expect("the vector");
    assert_eq!((vector.value("ä"), vector.value("名")), ("3", "4"));
    check(&lab);
}
