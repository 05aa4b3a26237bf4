//! Every method by six kinds of caller: refused or not, as the reference says what each asks for.
//!
//! The expectation is worded here, apart from the code that decides: who has which right on the objects of the test.

mod reference;

use quorate_model::api::{Arg, Type};
use quorate_model::body::Body;
use quorate_model::command::{Actor, Facts};
use quorate_model::error::ErrorCode;
use quorate_model::head::{Lock, Op, Permissions};
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::acl::{self, Acl};
use quorate_model::records::vm;
use quorate_model::template::Template;
use quorate_model::template::parse::parse;
use quorate_state_machine::methods::{Handler, Method};
use quorate_state_machine::pools::acl::changes;
use quorate_state_machine::table;
use quorate_state_machine::txn::Txn;
use quorate_testkit::zone::{ADMIN, Zone, int, text};
use reference::{assert_accepted, records};
use serde_json::Value as Json;

/// What the table alone does not tell, and why. A method whose arguments are looked at before rights either gets better
/// ones in [`arguments`] or stands here.
const EXCEPTIONS: &[(&str, &str)] = &[
    ("one.vm.backup", "the datastore's type is looked at before rights"),
    ("one.zone.allocate", "always refused before rights are looked at: there is no federation"),
];

/// The kinds of caller. All but the administrator are plain users; `Other` and `Granted` are in a group of their own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Caller {
    Administrator,
    Owner,
    Member,
    Other,
    GroupAdministrator,
    Granted,
}

use Caller::*;

const CALLERS: [Caller; 6] = [Administrator, Owner, Member, Other, GroupAdministrator, Granted];

impl Caller {
    fn session(self) -> &'static str {
        match self {
            Administrator => ADMIN,
            Owner => "owner:pw",
            Member => "member:pw",
            Other => "other:pw",
            GroupAdministrator => "chief:pw",
            Granted => "granted:pw",
        }
    }

    fn is_in_the_objects_group(self) -> bool {
        matches!(self, Owner | Member | GroupAdministrator)
    }

    /// Whether the caller has a right on the object of a kind (or, for CREATE, on the pool).
    fn has(self, kind: Kind, op: Op) -> bool {
        let everybody = match kind {
            // Rules of a fresh zone.
            Kind::Zone | Kind::Market | Kind::MarketApp => op == Op::Use,
            // Rules that a new group gets from the default VDC.
            Kind::Host => op == Op::Manage,
            Kind::Net | Kind::Datastore => op == Op::Use,
            _ => false,
        };
        // Objects have 640, users 600, groups 640.
        let by_bits = match kind {
            _ if OWNED.contains(&kind) => {
                self == Owner && matches!(op, Op::Use | Op::Manage) || self.is_in_the_objects_group() && op == Op::Use
            }
            Kind::User => self == Owner && matches!(op, Op::Use | Op::Manage),
            Kind::Group => self.is_in_the_objects_group() && op == Op::Use,
            _ => false,
        };
        everybody
            || by_bits
            || match self {
                Administrator => true,
                // Rules cannot be about hooks.
                Granted => kind != Kind::Hook,
                GroupAdministrator => match kind {
                    Kind::User => true,
                    Kind::VRouter if op == Op::Create => true,
                    Kind::Group => op == Op::Manage,
                    Kind::Vm
                    | Kind::Net
                    | Kind::Image
                    | Kind::Template
                    | Kind::Document
                    | Kind::SecGroup
                    | Kind::VRouter
                    | Kind::VmGroup => matches!(op, Op::Use | Op::Manage),
                    _ => false,
                },
                _ => false,
            }
    }
}

/// The kinds of which the owner owns an object, in group 100.
const OWNED: [Kind; 12] = [
    Kind::Vm,
    Kind::Net,
    Kind::Image,
    Kind::Template,
    Kind::Document,
    Kind::SecGroup,
    Kind::VRouter,
    Kind::Datastore,
    Kind::Market,
    Kind::MarketApp,
    Kind::VmGroup,
    Kind::VnTemplate,
];

/// The group of the objects, the user that is an object, and the object of every other kind.
const GROUP: i32 = 100;
const OWNER: i32 = 2;
const OBJECT: i32 = 200;

fn id_of(kind: Kind) -> i32 {
    match kind {
        Kind::User => OWNER,
        Kind::Group => GROUP,
        Kind::Zone => 0,
        _ => OBJECT,
    }
}

fn empty_body(kind: Kind) -> Option<Body> {
    use quorate_model::records as p;
    Some(match kind {
        Kind::Vm => {
            let devices = "DISK=[DISK_ID=0,SIZE=1,IMAGE_ID=200,DATASTORE_ID=200] NIC=[NIC_ID=0,NETWORK_ID=200]";
            let template = parse(devices).expect("a template");
            let (state, mut history) = (vm::state::State::Poweroff, vm::history_records::Records::default());
            history.push(vm::history::History::default());
            quorate_model::records::vm::Vm { state, history, template, ..quorate_model::records::vm::Vm::default() }
                .into()
        }
        Kind::Host => p::host::Host::default().into(),
        Kind::Net => p::vnet::Vnet::default().into(),
        Kind::Image => p::image::Image { datastore: OBJECT, ..p::image::Image::default() }.into(),
        Kind::Template => quorate_model::records::template::VmTemplate::default().into(),
        Kind::Datastore => {
            p::datastore::Datastore { total_mb: 9000, free_mb: 9000, ..p::datastore::Datastore::default() }.into()
        }
        Kind::Cluster => p::cluster::Cluster::default().into(),
        Kind::Document => p::document::Document::default().into(),
        Kind::SecGroup => p::secgroup::SecGroup::default().into(),
        Kind::Vdc => p::vdc::Vdc::default().into(),
        Kind::VRouter => quorate_model::records::vrouter::VRouter::default().into(),
        Kind::Market => p::market::Market::default().into(),
        Kind::MarketApp => p::market_app::MarketApp::default().into(),
        Kind::VmGroup => quorate_model::records::vmgroup::VmGroup::default().into(),
        Kind::VnTemplate => p::vntemplate::VnTemplate::default().into(),
        Kind::Hook => p::hook::Hook::default().into(),
        Kind::User | Kind::Group | Kind::Acl | Kind::Zone => return None,
    })
}

/// A zone with the callers and one object of every kind.
fn zone() -> Zone {
    let mut zone = Zone::fresh();
    for group in ["objects", "others"] {
        zone.ask(ADMIN, "one.group.allocate", &[text(group)]);
    }
    for (name, gid) in [("owner", 100), ("member", 100), ("other", 101), ("chief", 100), ("granted", 101)] {
        let args = [text(name), text("pw"), text(""), Arg::Ints(vec![gid])];
        zone.call(ADMIN, "one.user.allocate", &args).expect("a user");
    }
    assert_eq!(zone.ask(ADMIN, "one.group.addadmin", &[int(100), int(5)]), "100");
    let mut txn = Txn::new(zone.state.clone(), Actor::default(), Facts::default(), [0; 32]);
    for kind in Kind::ALL {
        let Some(body) = empty_body(kind) else { continue };
        let mut capacity = Template::new();
        capacity.set("CPU", 1);
        capacity.set("MEMORY", 64);
        let mut object = Object::new("it", capacity, body);
        object.id = OBJECT;
        if OWNED.contains(&kind) {
            (object.uid, object.gid) = (OWNER, GROUP);
            object.permissions = Permissions(0o640);
        }
        txn.put(object);
    }
    let all = [Op::Use, Op::Manage, Op::Admin, Op::Create];
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Hook).collect();
    let (user, resource) = (acl::who(acl::INDIVIDUAL, 6), acl::on(&kinds, acl::ALL, 0));
    let everything = Acl { user, resource, rights: acl::rights(&all), zone: acl::ALL };
    changes::add(&mut txn, everything).expect("a rule");
    zone.state = txn.commit().0;
    zone
}

/// Arguments that make sense and change as little as possible, so that only what is always asked is asked.
fn arguments(method: &Method) -> Vec<Arg> {
    let chown = method.name.ends_with(".chown");
    let argument = |name: &str, ty: Type| match (name, ty) {
        ("id", _) => int(id_of(method.kind).into()),
        ("uid" | "gid", _) if chown => int(-1),
        ("uid", _) => int(OWNER.into()),
        ("gid", _) => int(GROUP.into()),
        ("zone_id", _) => int(0),
        ("owner_u", _) => int(0),
        ("snapshot_id", _) => int(-1),
        // The default one.
        ("datastore_id", _) if method.kind == Kind::Vm && method.name != "one.vm.backup" => int(-1),
        (name, Type::Int) if name.ends_with("_id") => int(match name {
            "cluster_id" | "host_id" | "datastore_id" | "vnet_id" | "market_id" | "template_id" | "sg_id" => {
                OBJECT.into()
            }
            _ => 0,
        }),
        ("filter_flag", _) => int(-2),
        ("operation" | "append", _) => int(0),
        ("size", _) => text("2"),
        (_, Type::Int | Type::Int64) => int(-1),
        (_, Type::Bool) => Arg::Bool(false),
        (_, Type::Ints) => Arg::Ints(Vec::new()),
        ("username", _) if method.name == "one.user.login" => text("owner"),
        ("template", _) => text("NAME=\"another\"\nSIZE=1\nCPU=1\nMEMORY=64"),
        ("extra_template", _) => text(""),
        ("action", _) => text("hold"),
        (_, Type::Str) => text("another"),
    };
    method.params.iter().map(|param| argument(param.name, param.ty)).collect()
}

fn kind_named(name: &str) -> Kind {
    Kind::ALL.into_iter().find(|kind| kind.info().auth_name == name).unwrap_or_else(|| panic!("no kind {name}"))
}

fn op_named(name: &str) -> Op {
    [Op::Use, Op::Manage, Op::Admin, Op::Create].into_iter().find(|op| op.name() == name).unwrap_or(Op::Manage)
}

/// Conditions that the arguments of this test meet.
const THE_CASE: [&str; 4] = ["always checked", "local zone", "parent network", "id != -10 and zone is the local one"];

/// What the table says is asked with the arguments of this test.
fn asked(record: &Json) -> impl Iterator<Item = (Kind, Op)> {
    let verb = record["name"].as_str().unwrap_or_default();
    let requests = record["auth"].as_array().expect("a record says what is authorized").iter();
    let always = requests.filter(move |request| {
        // One of these is always asked: which one depends on what changes.
        request["cond"].is_null()
            || verb.ends_with(".chmod") && request["op"] == "MANAGE"
            || verb == "one.vm.action" && request["op"] == "MANAGE"
            || request["cond"].as_str().is_some_and(|cond| THE_CASE.iter().any(|case| cond.starts_with(case)))
    });
    always.map(|request| {
        let word = |name: &str| request[name].as_str().unwrap_or_default();
        (kind_named(word("object")), op_named(word("op")))
    })
}

/// Whether the table lets a caller.
fn allowed(record: &Json, caller: Caller) -> bool {
    let by_rule = !record["admin_rule"].is_string() || caller == Administrator;
    by_rule && asked(record).all(|(kind, op)| caller.has(kind, op))
}

/// Where callers are refused against `expected`, or let against it.
fn differences(zone: &Zone, callers: &[Caller], expected: impl Fn(&Json, Caller) -> bool) -> Vec<String> {
    let mut wrong = Vec::new();
    for record in &records() {
        let name = record["name"].as_str().expect("a record has a name");
        let method = table::find(name).unwrap_or_else(|| panic!("{name} has no row"));
        let excepted = EXCEPTIONS.iter().any(|(exception, _)| *exception == name);
        let mut differs = false;
        for caller in callers {
            let mut zone = zone.copy();
            let reply = zone.call(caller.session(), name, &arguments(method));
            let refused = reply.as_ref().is_err_and(|e| e.code == ErrorCode::Authorization);
            let answered_by_node = matches!(method.handler, Handler::Node(_)) && !refused;
            if refused == expected(record, *caller) && !answered_by_node {
                differs = true;
                if !excepted {
                    wrong.push(format!("{name} by {caller:?}: {:?}", reply.map(|_| "allowed").map_err(|e| e.text)));
                }
            }
        }
        if excepted && !differs {
            wrong.push(format!("{name} is no exception any more"));
        }
    }
    wrong
}

#[test]
fn every_method_lets_whom_the_table_lets() {
    let wrong = differences(&zone(), &CALLERS, allowed);
    assert!(wrong.is_empty(), "{} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn a_lock_stops_everybody_from_its_level_on() {
    const LOCKABLE: [Kind; 10] = [
        Kind::Vm,
        Kind::Net,
        Kind::Image,
        Kind::Template,
        Kind::Document,
        Kind::VRouter,
        Kind::MarketApp,
        Kind::VmGroup,
        Kind::VnTemplate,
        Kind::Hook,
    ];
    for level in 1..=3 {
        let zone = zone();
        let mut txn = Txn::new(zone.state.clone(), Actor::default(), Facts::default(), [0; 32]);
        for kind in LOCKABLE {
            txn.object_mut(kind, OBJECT).expect("an object").lock = Some(Lock { level, owner: 0, time: 1, request: 1 });
        }
        let mut locked = zone.copy();
        locked.state = txn.commit().0;
        let stopped = |kind: Kind, op: Op| {
            let number = [Op::Use, Op::Manage, Op::Admin].iter().position(|o| *o == op).map(|i| i + 1);
            LOCKABLE.contains(&kind) && number.is_some_and(|number| number >= usize::from(level))
        };
        let wrong = differences(&locked, &[Administrator, Owner], |record, caller| {
            let free = record["looks_over_locks"] == true || !asked(record).any(|(kind, op)| stopped(kind, op));
            free && allowed(record, caller)
        });
        assert!(wrong.is_empty(), "level {level}: {} differ:\n{}", wrong.len(), wrong.join("\n"));
    }
}

/// What the matrix says of itself.
const HEAD: &str = "\
# Who may call each method, with arguments that make sense (tests/matrix.rs): the kinds of caller that are not refused.
# The administrator may call all but a few; the objects are the owner's, in the member's and the group administrator's
# group, with permissions 640; a rule grants the last one everything.
";

/// Rights do not change unseen, whatever they are said to be: also those of methods that the reference does not have.
#[test]
fn who_may_call_what_is_written_down() {
    let zone = zone();
    let line = |method: &Method| {
        let let_in = |caller: &&Caller| {
            let reply = zone.copy().call(caller.session(), method.name, &arguments(method));
            !reply.is_err_and(|e| e.code == ErrorCode::Authorization)
        };
        let callers = CALLERS.iter().filter(let_in).map(|caller| format!(" {caller:?}"));
        format!("{}{}", method.name, callers.collect::<String>())
    };
    let mut lines: Vec<String> = table::all().map(line).collect();
    lines.sort();
    assert_accepted("rights-matrix.txt", HEAD, &lines);
}
