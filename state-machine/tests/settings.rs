//! The zone's settings: what is accepted is in force at once and harms nothing, what is refused changes nothing.

use proptest::prelude::*;
use quorate_model::api::{ApiReply, Arg};
use quorate_model::command::Command;
use quorate_model::records::vm::Vm;
use quorate_model::settings::change::{self, Change, ChangeSettings, Difference, Report};
use quorate_model::settings::names::{self, Shape};
use quorate_model::settings::types::Type;
use quorate_model::settings::{Settings, file};
use quorate_model::template::parse::parse;
use quorate_state_machine::{login, table};
use quorate_testkit::random::calls;
use quorate_testkit::vms::VmZone;
use quorate_testkit::zone::{ADMIN, NOW, Zone, int, text};

const SHIPPED: &str = include_str!("../../model/src/settings/shipped.conf");

fn ask(zone: &mut Zone, session: &str, change: Change) -> ApiReply {
    let actor = login::authenticate(&zone.state, session, NOW).expect("a session");
    zone.apply(Command::ChangeSettings(ChangeSettings { actor, change }))
}

fn change(zone: &mut Zone, change: Change) -> Result<Report, String> {
    let reply = ask(zone, ADMIN, change).map_err(|refusal| refusal.text)?;
    Ok(serde_json::from_str(&reply.to_text()).expect("a report"))
}

fn set(zone: &mut Zone, name: &str, value: &str) -> Result<Report, String> {
    change(zone, Change::Set { name: name.to_owned(), value: value.to_owned() })
}

fn must_set(zone: &mut Zone, name: &str, value: &str) {
    set(zone, name, value).unwrap_or_else(|refusal| panic!("{name}: {refusal}"));
}

fn apply(zone: &mut Zone, file: &str) -> Result<Report, String> {
    change(zone, Change::Apply(file.to_owned()))
}

/// What a file would change.
fn diff(zone: &Zone, file: &str) -> Report {
    change::changed(zone.state.settings(), &Change::Apply(file.to_owned())).expect("an accepted file").1
}

#[test]
fn the_shipped_settings_are_of_their_types() {
    let shipped = Settings::shipped("/var/lib/one//datastores").expect("the shipped settings");
    for (name, attribute) in shipped.all().iter() {
        let known = names::find(name).unwrap_or_else(|| panic!("{name} is in no table"));
        if known.shape != Shape::Elsewhere {
            assert_eq!(file::check(&known, attribute), Ok(()));
        }
    }
}

#[test]
fn every_name_of_the_references_file_is_known() {
    let listed = include_str!("oned_conf_names.txt").lines().filter(|line| !line.starts_with('#'));
    let listed: std::collections::BTreeSet<&str> = listed.collect();
    let known: std::collections::BTreeSet<&str> = names::all().map(|known| known.name).collect();
    assert_eq!(listed.difference(&known).collect::<Vec<_>>(), Vec::<&&str>::new(), "in no table");
    let of_the_file: Vec<&&str> = known.iter().filter(|name| names::is_of_oned_conf(name)).collect();
    let unlisted: Vec<_> = of_the_file.into_iter().filter(|name| !listed.contains(**name)).collect();
    assert_eq!(unlisted, Vec::<&&str>::new(), "no name of the reference's");
}

/// The table of `docs/settings.md`. `QUORATE_NEW_TABLE=1` writes it.
#[test]
fn the_guide_has_the_same_table() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/settings.md");
    let guide = std::fs::read_to_string(&path).expect("the guide");
    let mark = "<!-- made from model/src/settings/names.rs -->\n";
    let (before, _) = guide.split_once(mark).expect("the mark before the table");
    let shown = |known: names::Name| {
        let takes = known.shape.expected();
        let takes = if takes.is_empty() { "not settable".to_owned() } else { takes };
        format!("| `{}` | {takes} | {} |\n", known.name, known.what)
    };
    let mut all: Vec<names::Name> = names::all().collect();
    all.sort_by_key(|known| known.name);
    let rows: String = all.into_iter().map(shown).collect();
    let table =
        format!("{before}{mark}| setting | takes | what it does here, or why it does nothing |\n|---|---|---|\n{rows}");
    if std::env::var_os("QUORATE_NEW_TABLE").is_some() {
        std::fs::write(&path, &table).expect("written");
    }
    assert_eq!(std::fs::read_to_string(&path).expect("the guide"), table, "QUORATE_NEW_TABLE=1 writes the table anew");
}

#[test]
fn a_zone_with_a_onegate_server_accepts_vms_with_a_token() {
    let mut zone = Zone::fresh();
    let template = "CPU=1 MEMORY=64 CONTEXT=[NETWORK=YES,TOKEN=YES]";
    let allocate = |zone: &mut Zone| zone.ask(ADMIN, "one.vm.allocate", &[text(template)]);
    assert!(allocate(&mut zone).contains("onegate endpoint was not defined"));
    must_set(&mut zone, "ONEGATE_ENDPOINT", "http://169.254.16.9:5030");
    assert_eq!(allocate(&mut zone), "1", "the refusal took the first id, as in the reference");
    let config = zone.ask(ADMIN, "one.system.config", &[]);
    assert!(config.contains("<ONEGATE_ENDPOINT><![CDATA[http://169.254.16.9:5030]]></ONEGATE_ENDPOINT>"), "{config}");
    change(&mut zone, Change::Reset("ONEGATE_ENDPOINT".to_owned())).expect("a reset");
    assert!(allocate(&mut zone).contains("onegate endpoint was not defined"));
}

#[test]
fn only_oneadmin_with_a_credential_that_still_holds_may_change_settings() {
    let mut zone = Zone::fresh();
    for (name, groups) in [("ann", vec![1]), ("root", vec![0])] {
        let args = [text(name), text("pw"), text(""), Arg::Ints(groups)];
        zone.call(ADMIN, "one.user.allocate", &args).expect("a user");
    }
    let wanted = || Change::Set { name: "MAC_PREFIX".to_owned(), value: "02:01".to_owned() };
    for session in ["ann:pw", "root:pw"] {
        let refusal = ask(&mut zone, session, wanted()).expect_err("not oneadmin");
        assert!(refusal.text.contains("Only oneadmin"), "{}", refusal.text);
    }
    let actor = login::authenticate(&zone.state, ADMIN, NOW).expect("a session");
    zone.call(ADMIN, "one.user.passwd", &[int(0), text("another")]).expect("a new password");
    let late = zone.apply(Command::ChangeSettings(ChangeSettings { actor, change: wanted() }));
    assert!(late.is_err(), "the password was changed meanwhile");
    assert_eq!(zone.state.settings().value("MAC_PREFIX"), "02:00");
}

/// It would give every setting its shipped value.
#[test]
fn a_file_that_names_no_setting_is_refused() {
    let mut zone = Zone::fresh();
    must_set(&mut zone, "MAC_PREFIX", "02:01");
    let before = zone.state.settings().clone();
    for file in ["", "\n\n", "# MAC_PREFIX = \"02:02\"\n", "NOBODY_KNOWS = 1\n"] {
        let refusal = apply(&mut zone, file).expect_err(file);
        assert!(refusal.contains("names no setting"), "{file}: {refusal}");
        assert_eq!(*zone.state.settings(), before, "{file}");
    }
}

#[test]
fn what_is_malformed_is_refused_with_its_line_and_changes_nothing() {
    let mut zone = Zone::fresh();
    let good = "# A comment\nONEGATE_ENDPOINT = \"http://a:1\"\nMAC_PREFIX = \"02:01\"\n";
    for (line, bad, expected) in [
        ("line 4: ", "VNC_PORTS = [ START = 70000 ]", "START: '70000' is not a whole number from 1 to 65534"),
        ("line 4: ", "VNC_PORTS = [ RESERVED = \"1\" ]", "START is missing"),
        ("line 4: ", "VNC_PORTS = [ START = 1,\n# why\n RESERVED = \"9:1\" ]", "RESERVED: '9:1' is not"),
        ("line 5: ", "\nDEFAULT_UMASK = 888", "three octal digits"),
        ("line 4: ", "MAC_PREFIX = \"02:02\"", "it is there twice, first in line 3"),
        ("line 4: ", "TIMEZONE = \"Europe/Nowhere\"", "time zone database"),
        ("line 4: ", "VM_RESTRICTED_ATTR = \"NIC/MAC/X\"", "the name of an attribute"),
        ("line 4: ", "VM_MAD = [ NAME = \"a\" ]\nVM_MAD = [ NAME = \"A\" ]", "VM_MAD"),
        ("line 4: ", "VM_MAD = \"kvm\"", "a vector is expected"),
        ("line 4: ", "API_LIST_ORDER = [ A = 1 ]", "a value is expected"),
        ("line 4: ", "SESSION_EXPIRATION_TIME = -1", "from 0 to"),
        ("line 4: ", "VM_USE_OPERATIONS = \"migrate, fly\"", "a list of VM operations"),
        ("line 4: ", "VLAN_IDS = [ START = 5, RESERVED = \"5:4096\" ]", "all numbers from START on are RESERVED"),
        ("line 4: ", "OBJECT_SIZE_MAX = 20000000", "above OBJECT_SIZE_MAX_ADMIN"),
        ("line 4: ", "MESSAGE_SIZE = 1073741824", "from 65536 to 16777216"),
        ("at line 6", "VNC_PORTS = [ START", "syntax error"),
    ] {
        let before = zone.state.settings().clone();
        let refusal = apply(&mut zone, &format!("{good}{bad}\n")).expect_err(bad);
        let line = if bad.contains("\"A\"") { "line 5: " } else { line };
        assert!(refusal.contains(line) && refusal.contains(expected), "{bad}: {refusal}");
        assert_eq!(*zone.state.settings(), before, "{bad}");
    }
    assert_eq!(apply(&mut zone, good).map(|report| report.changes.len()), Ok(2));
}

#[test]
fn what_is_not_the_zones_is_listed_and_left_out() {
    let mut zone = Zone::fresh();
    let file = "PORT = 2634\nONE_KEY = \"0000\"\nDB = [ BACKEND = \"mysql\", PASSWD = \"secret\" ]\n\nMY_OWN = 1\nMAC_PREFIX = \"02:07\"";
    let report = apply(&mut zone, file).expect("an accepted file");
    let left_out: Vec<(usize, &str)> = report.left_out.iter().map(|one| (one.line, one.name.as_str())).collect();
    assert_eq!(left_out, [(1, "PORT"), (2, "ONE_KEY"), (3, "DB"), (5, "MY_OWN")]);
    assert_eq!(report.changes.iter().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["MAC_PREFIX"]);
    assert!(!format!("{:?}", zone.state.settings()).contains("secret"));
    for name in ["ONE_KEY", "DB", "PORT", "MY_OWN", "DB/PASSWD"] {
        set(&mut zone, name, "1").expect_err(name);
        change(&mut zone, Change::Reset(name.to_owned())).expect_err(name);
    }
    assert!(!change::shown().iter().any(|known| known.name == "ONE_KEY"));
}

#[test]
fn a_file_means_shipped_values_where_it_says_nothing_but_not_for_quorates_own() {
    let mut zone = Zone::fresh();
    must_set(&mut zone, "ONEGATE_ENDPOINT", "http://a:1");
    must_set(&mut zone, "OBJECT_SIZE_MAX", "65536");
    must_set(&mut zone, "TIMEZONE", "Europe/Berlin");
    must_set(&mut zone, "VM_RESTRICTED_ATTR", "-NIC/MAC");
    let shipped = zone.state.settings().as_shipped().expect("the shipped settings");
    let before = zone.state.settings().value("ONE_KEY").to_owned();
    let report = apply(&mut zone, SHIPPED).expect("an accepted file");
    assert_eq!(report.changes.len(), 3, "TIMEZONE stands in the file: {report:?}");
    let settings = zone.state.settings();
    assert_eq!(settings.value("OBJECT_SIZE_MAX"), "65536");
    assert_eq!(settings.value("ONE_KEY"), before);
    for known in names::all().filter(|known| names::is_of_oned_conf(known.name) && known.name != "ONE_KEY") {
        assert_eq!(settings.text_of(known.name), shipped.text_of(known.name), "{}", known.name);
    }
    assert_eq!(diff(&zone, SHIPPED).changes, []);
    // A zone that lost its built-in drivers' descriptions gets them back with any file (OpenNebulaTemplate::register_multiple_conf_default).
    must_set(&mut zone, "AUTH_MAD_CONF", "-public");
    apply(&mut zone, "AUTH_MAD_CONF = [ NAME = \"mine\", PASSWORD_CHANGE = \"NO\" ]").expect("an accepted file");
    let drivers: Vec<&str> =
        zone.state.settings().all().vectors("AUTH_MAD_CONF").map(|section| section.value("NAME")).collect();
    assert!(drivers.contains(&"mine") && drivers.contains(&"public"), "{drivers:?}");
}

#[test]
fn lists_vectors_and_sections_have_a_syntax_of_their_own() {
    let mut zone = Zone::fresh();
    let shown = |zone: &Zone, name: &str| zone.state.settings().text_of(name);
    must_set(&mut zone, "IMAGE_RESTRICTED_ATTR", "A, B");
    must_set(&mut zone, "IMAGE_RESTRICTED_ATTR", "+C,A");
    assert_eq!(shown(&zone, "IMAGE_RESTRICTED_ATTR"), "A,B,C");
    must_set(&mut zone, "IMAGE_RESTRICTED_ATTR", "-A,C");
    assert_eq!(shown(&zone, "IMAGE_RESTRICTED_ATTR"), "B");
    must_set(&mut zone, "IMAGE_RESTRICTED_ATTR", "");
    assert_eq!(shown(&zone, "IMAGE_RESTRICTED_ATTR"), "");
    must_set(&mut zone, "VNC_PORTS/START", "6000");
    assert_eq!(shown(&zone, "VNC_PORTS"), "[ RESERVED = \"32768:65536\", START = \"6000\" ]");
    must_set(&mut zone, "VNC_PORTS", "[ START = 6001 ]");
    assert_eq!(shown(&zone, "VNC_PORTS"), "[ START = \"6001\" ]");
    must_set(&mut zone, "VM_MAD", "-LXD");
    must_set(&mut zone, "VM_MAD", "[ NAME = \"kvm\", LIVE_RESIZE = \"no\" ]");
    let drivers = shown(&zone, "VM_MAD");
    assert!(!drivers.contains("lxd") && drivers.contains("[ LIVE_RESIZE = \"no\", NAME = \"kvm\" ]"), "{drivers}");
    for (name, value) in [
        ("VM_MAD", "-lxd"),
        ("VM_MAD", "kvm"),
        ("VM_MAD", "[ NAME = \"\" ]"),
        ("VNC_PORTS", "[ START = 1 ] MAC_PREFIX = \"02:05\""),
        ("VNC_PORTS", "5900"),
        ("VNC_PORTS/START", "x"),
        ("VNC_PORTS/start", "1"),
        ("MAC_PREFIX/START", "1"),
        ("NOTHING", "1"),
    ] {
        set(&mut zone, name, value).expect_err(name);
    }
}

/// Each setting is read from the state when it is needed: a change is in force with the next call.
#[test]
fn a_change_is_in_force_at_once() {
    let mut lab = VmZone::new();
    let zone = &mut lab.zone;
    must_set(zone, "DATASTORE_LOCATION", "/srv/one");
    for id in [0, 1, 2, 100] {
        let shown = zone.ask(ADMIN, "one.datastore.info", &[int(id)]);
        assert!(shown.contains(&format!("<BASE_PATH><![CDATA[/srv/one/{id}]]></BASE_PATH>")), "{shown}");
    }
    must_set(zone, "MAC_PREFIX", "02:ab");
    let network = "NAME=n2 VN_MAD=dummy BRIDGE=br AR=[TYPE=ETHER,SIZE=5]";
    let id: i64 = zone.ask(ADMIN, "one.vn.allocate", &[text(network), int(-1)]).parse().expect("an id");
    lab.settle();
    assert!(lab.must("one.vn.info", &[int(id)]).contains("<MAC><![CDATA[02:ab:"));
    let zone = &mut lab.zone;
    must_set(zone, "DEFAULT_UMASK", "077");
    zone.call(ADMIN, "one.document.allocate", &[text("NAME=d"), int(100)]).expect("a document");
    let shown = zone.ask(ADMIN, "one.document.info", &[int(0)]);
    assert!(shown.contains("<OWNER_A>1</OWNER_A>") && shown.contains("<GROUP_U>0</GROUP_U>"), "{shown}");
    must_set(zone, "API_LIST_ORDER", "ASC");
    let hosts = zone.ask(ADMIN, "one.hostpool.info", &[]);
    assert!(hosts.find("<NAME>one<").zip(hosts.find("<NAME>two<")).is_some_and(|(one, two)| one < two), "{hosts}");
    must_set(zone, "VNC_PORTS", "[ START = 7000 ]");
    must_set(zone, "VM_SUBMIT_ON_HOLD", "YES");
    must_set(zone, "DEFAULT_COST", "[ CPU_COST = 2.5 ]");
    lab.allocate();
    assert!(lab.must("one.vm.info", &[int(0)]).contains("<STATE>2</STATE>"), "on hold");
    lab.must("one.vm.deploy", &[int(0), int(0)]);
    assert!(lab.must("one.vm.info", &[int(0)]).contains("<PORT><![CDATA[7000]]></PORT>"));
    must_set(&mut lab.zone, "VM_MAD", "-kvm");
    lab.must("one.vm.allocate", &[text("CPU=1 MEMORY=64")]);
    let refusal = lab.call("one.vm.deploy", &[int(1), int(0)]).expect_err("no driver");
    assert!(refusal.text.contains("Cannot find vmm driver"), "{}", refusal.text);
}

#[test]
fn texts_names_and_months_follow_the_time_zone() {
    let mut lab = VmZone::with_new_image();
    // 1_700_000_000 is Tue Nov 14 22:13:20 2023 in Greenwich, and the next day in Tokyo.
    must_set(&mut lab.zone, "TIMEZONE", "Asia/Tokyo");
    lab.zone.report(|_| Some(Err("it did not work".to_owned())));
    let shown = lab.must("one.image.info", &[int(0)]);
    assert!(shown.contains("<ERROR><![CDATA[Wed Nov 15 07:13:20 2023 : "), "{shown}");
    let mut lab = VmZone::new();
    must_set(&mut lab.zone, "TIMEZONE", "Asia/Tokyo");
    lab.allocate();
    lab.must("one.vm.deploy", &[int(0), int(0)]);
    // On the host since the last hour of October in Greenwich: eight hours of it are November's in Tokyo.
    let november = 1_698_796_800;
    lab.change(|txn| {
        let record = txn.body_mut::<Vm>(0).expect("the VM").record_mut().expect("it is on a host");
        (record.stime, record.etime, record.rstime, record.retime) = (november - 3600, november + 3600, 0, 0);
    });
    let months = |lab: &mut VmZone| {
        lab.must("one.vmpool.calculateshowback", &[int(-1), int(-1), int(-1), int(-1)]);
        lab.must("one.vmpool.showback", &[int(-2), int(-1), int(-1), int(-1), int(-1)])
    };
    let tokyo = months(&mut lab);
    assert!(tokyo.contains("<MONTH>11</MONTH>") && !tokyo.contains("<MONTH>10</MONTH>"), "{tokyo}");
    must_set(&mut lab.zone, "TIMEZONE", "UTC");
    let greenwich = months(&mut lab);
    assert!(greenwich.contains("<MONTH>10</MONTH>") && greenwich.contains("<MONTH>11</MONTH>"), "{greenwich}");
}

/// Values near what a form takes, good and bad ones.
fn values(form: Type) -> Vec<String> {
    let near: &[&str] = match form {
        Type::Number(min, max, _) => {
            return [min - 1, min, min + 1, max - 1, max, max + 1].map(|n| n.to_string()).to_vec();
        }
        Type::OneOf(words) => return words.iter().map(|word| (*word).to_owned()).chain(["x".to_owned()]).collect(),
        Type::Ranges(limit) => return vec![String::new(), "1".to_owned(), format!("0:{limit}"), "2:1".to_owned()],
        Type::Decimal => &["0", "0.5", "3", "1e300", "-1", "nan"],
        Type::Flag => &["YES", "no", "maybe"],
        Type::Text => &["", "a", "a, b", "<&>", "ü ]] >", "\u{1}"],
        Type::Word => &["sd", "default", "a b", ""],
        Type::Path => &["/a", "/", "a"],
        Type::Url => &["", "http://a:1", "a"],
        Type::Umask => &["000", "777", "9"],
        Type::MacPrefix => &["fe:ff", "00:00", "01:00", "0"],
        Type::Byte => &["0x00", "0xff", "1"],
        Type::TimeZone => &["UTC", "America/St_Johns", "Pacific/Apia", "Mars"],
        Type::VmOperations => &["", "migrate", "update, rename,", "fly"],
        Type::Rights => &["-", "USE", "USE+ADMIN+CREATE", "ALL"],
        Type::Sealable => &["SECRET", "CONTEXT/PASSWORD", "MEMORY"],
        Type::Attribute => &["NAME", "ID", "TEMPLATE/NAME", "NIC/IP", "A-B"],
    };
    near.iter().map(|value| (*value).to_owned()).collect()
}

/// A line of a file: any setting with values that are mostly right.
fn lines() -> impl Strategy<Value = String> {
    let all: Vec<names::Name> = names::all().collect();
    let quoted = |value: &str| format!("\"{}\"", value.replace('"', "\\\""));
    let one = move |form: Type| prop::sample::select(values(form)).prop_map(move |value| quoted(&value));
    prop::sample::select(all).prop_flat_map(move |known| match known.shape {
        Shape::One(form) | Shape::List(form) => {
            one(form).prop_map(move |value| format!("{} = {value}\n", known.name)).boxed()
        }
        Shape::Vector(parts) | Shape::Sections(parts) => {
            let part = |(name, form, needed): &names::Part| {
                let (name, needed) = (*name, *needed);
                (one(*form), prop::bool::weighted(if needed { 0.95 } else { 0.5 }))
                    .prop_map(move |(value, there)| there.then(|| format!("{name} = {value}")))
            };
            let parts: Vec<_> = parts.iter().map(part).collect();
            parts
                .prop_map(move |parts| {
                    let parts: Vec<String> = parts.into_iter().flatten().collect();
                    format!("{} = [ {} ]\n", known.name, parts.join(", "))
                })
                .boxed()
        }
        Shape::Elsewhere | Shape::Secret => Just(format!("{} = \"1\"\n", known.name)).boxed(),
    })
}

/// A zone with something in every pool that matters here; made once.
fn furnished() -> Zone {
    static LAB: std::sync::OnceLock<VmZone> = std::sync::OnceLock::new();
    LAB.get_or_init(VmZone::new).copy().zone
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(48) })]

    #[test]
    fn an_accepted_file_leaves_a_zone_that_answers_and_a_refused_one_leaves_it_as_it_was(
        lines in prop::collection::vec(lines(), 1..8),
        calls in calls(1, 0..25),
    ) {
        let mut zone = furnished();
        let before = zone.state.settings().clone();
        // One line at a time into the file, so that a bad one does not hide what the good ones do.
        let mut file = String::new();
        for line in lines {
            let longer = format!("{file}{line}");
            match apply(&mut zone, &longer) {
                Ok(_) => file = longer,
                Err(refusal) => {
                    let why = ["line ", "names no setting"];
                    prop_assert!(why.iter().any(|why| refusal.contains(why)), "{refusal}");
                }
            }
        }
        if file.is_empty() {
            prop_assert_eq!(zone.state.settings(), &before);
            return Ok(());
        }
        prop_assert_eq!(diff(&zone, &file).changes, vec![], "{}", file);
        let config = zone.ask(ADMIN, "one.system.config", &[]);
        prop_assert!(parse(&config).is_ok(), "{config}");
        for method in table::all().filter(|method| method.name.ends_with("pool.info")) {
            let args = [int(-2), int(-1), int(-1), int(-2)];
            let reply = zone.call(ADMIN, method.name, args.get(..method.params.len()).unwrap_or(&args));
            prop_assert!(reply.is_ok(), "{}: {reply:?}", method.name);
        }
        // Whatever they say: they answer. Those about users could end the session that leads back.
        for call in calls.iter().filter(|call| !call.method.starts_with("one.user.")) {
            let _ = zone.call(ADMIN, call.method, &call.args);
        }
        zone.drain();
        // And the way back is open.
        apply(&mut zone, SHIPPED).expect("the shipped file");
    }

    #[test]
    fn what_is_shown_is_what_set_takes(lines in prop::collection::vec(lines(), 1..6)) {
        let mut zone = furnished();
        let shipped = zone.state.settings().as_shipped().expect("the shipped settings");
        for line in lines {
            let Ok(report) = apply(&mut zone, &line) else { continue };
            for Difference { name, after, .. } in report.changes {
                prop_assert_eq!(set(&mut zone, &name, &after).map(|report| report.changes), Ok(vec![]));
                // Alone, one of two settings that belong together may not go back.
                if change(&mut zone, Change::Reset(name.clone())).is_ok() {
                    prop_assert_eq!(zone.state.settings().text_of(&name), shipped.text_of(&name));
                }
            }
        }
    }
}

#[test]
fn every_setting_as_it_is_shown_can_be_set() {
    let mut zone = Zone::fresh();
    let hostile = r#"[ EXECUTABLE = "C:\\one \"two\" \\\", [x], #y", A = "" , B = "line 1
        line 2" ]"#;
    must_set(&mut zone, "HM_MAD", hostile);
    must_set(&mut zone, "CONTEXT_SAFE_DIRS", "a\\ \"b\" ]\\");
    must_set(&mut zone, "VM_MAD", "[ NAME = \"a\" ] [ NAME = \"b\\\"c\" ]");
    let refusal = set(&mut zone, "HM_MAD/A", "ends\\").expect_err("it could not be written");
    assert!(refusal.contains("must not end with a backslash"), "{refusal}");
    for known in change::shown().into_iter().filter(|known| known.shape != Shape::Elsewhere) {
        let shown = zone.state.settings().text_of(known.name);
        let changes = set(&mut zone, known.name, &shown).map(|report| report.changes);
        assert_eq!(changes, Ok(vec![]), "{} = {shown}", known.name);
    }
    set(&mut zone, "VM_MAD", "").expect_err("nothing is no section");
    set(&mut zone, "VNC_PORTS", "").expect_err("nothing is no vector");
    set(&mut zone, "VNC_PORTS", "[ START = \"1\" ] [ START = \"2\" ]").expect_err("one only");
}

#[test]
fn a_long_list_of_reserved_ports_is_looked_at_once() {
    let mut zone = Zone::fresh();
    let odd: Vec<String> = (0..1300).map(|n| (5901 + 2 * n).to_string()).collect();
    let all_but = |free: i64| format!("{}, 0:{}, {}:65536", odd.join(","), free - 1, free + 1);
    must_set(&mut zone, "VNC_PORTS", &format!("[ START = \"5900\", RESERVED = \"{}\" ]", all_but(65_534)));
    let refusal = set(&mut zone, "VNC_PORTS/RESERVED", &format!("{},65534", all_but(65_534)));
    assert!(refusal.expect_err("none is left").contains("all numbers from START on are RESERVED"));
}

#[test]
fn settings_are_bounded() {
    let mut zone = Zone::fresh();
    let list = |count: usize| -> String { (0..count).map(|n| format!("VM_RESTRICTED_ATTR = \"A{n}\"\n")).collect() };
    apply(&mut zone, &list(1000)).expect("a long list");
    let refusal = apply(&mut zone, &list(2000)).expect_err("too long a list");
    assert_eq!(refusal, "line 1001: VM_RESTRICTED_ATTR: it has more than 1000 values");
    assert!(set(&mut zone, "VM_RESTRICTED_ATTR", "+ONE_MORE").is_err());
    set(&mut zone, "CONTEXT_SAFE_DIRS", &"a".repeat(8193)).expect_err("too long a value");
    let section = |n: usize| format!("VM_MAD = [ NAME = \"{n}\", ARGUMENTS = \"{}\" ]\n", "a".repeat(8000));
    let sections: String = (0..200).map(section).collect();
    let refusal = apply(&mut zone, &sections).expect_err("too much");
    assert!(refusal.contains("the settings take more than"), "{refusal}");
}

/// An `oned.conf` of a real front-end, where one is named: nothing in it is unknown, and it is taken over.
#[test]
fn a_real_file_is_taken_over() {
    let Some(path) = std::env::var_os("QUORATE_ONED_CONF") else {
        eprintln!("skipped: QUORATE_ONED_CONF names no oned.conf");
        return;
    };
    let text = std::fs::read_to_string(path).expect("the file that QUORATE_ONED_CONF names");
    let mut zone = Zone::fresh();
    let report = apply(&mut zone, &text).expect("an accepted file");
    let unknown: Vec<_> = report.left_out.iter().filter(|one| one.why == "is unknown").collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    assert_eq!(diff(&zone, &text).changes, []);
}

#[test]
fn what_would_spoil_the_zone_is_no_value() {
    let zone = Zone::fresh();
    let mut settings = zone.state.settings().clone();
    let before = settings.clone();
    for (name, value, refusal) in [
        ("VM_ENCRYPTED_ATTR", "+MEMORY,CPU,DISK/SIZE", "'MEMORY' is not"),
        ("USER_ENCRYPTED_ATTR", "+OWNED_SIZE_MAX", "'OWNED_SIZE_MAX' is not"),
        ("VNC_PORTS/FOO", "1", "VNC_PORTS has no part FOO"),
        ("CONTEXT_SAFE_DIRS", "a\u{1}b", "characters that XML cannot carry"),
        ("MAC_PREFIX", "01:00", "the first of them even"),
        ("MAC_PREFIX", "ff:ff", "the first of them even"),
        ("ONEGATE_ENDPOINT", "http://$USER[X]", "is not a URL"),
    ] {
        let refused = settings.set_to(name, value).expect_err(name);
        assert!(refused.contains(refusal), "{name}: {refused}");
    }
    assert_eq!(settings, before);
    assert_eq!(settings.set_to("VNC_PORTS/RESERVED", "1"), Ok(()));
    assert_eq!(settings.set_to("VM_ENCRYPTED_ATTR", "+CONTEXT/SECRET"), Ok(()));
}

#[test]
fn the_driver_by_which_the_zones_users_log_in_stays() {
    let zone = Zone::fresh();
    for value in ["-core", "-CORE", "- Core", "[ NAME = \"CORE\", PASSWORD_CHANGE = \"YES\" ]"] {
        let set = Change::Set { name: "AUTH_MAD_CONF".to_owned(), value: value.to_owned() };
        let refused = change::changed(zone.state.settings(), &set).expect_err(value);
        assert!(refused.contains("AUTH_MAD_CONF must have core"), "{value}: {refused}");
    }
    let other = Change::Set { name: "AUTH_MAD_CONF".to_owned(), value: "-ldap".to_owned() };
    change::changed(zone.state.settings(), &other).expect("another goes");
}
