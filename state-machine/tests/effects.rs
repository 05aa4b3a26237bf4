//! What drivers are told: for every kind of operation, what OpenNebula's protocol has for it.

use quorate_model::api::Arg;
use quorate_model::kind::Kind;
use quorate_model::pending::{
    ImageAction, MarketAction, NetworkAction, Operation, PendingOperation, TransferAction, VmmAction,
};
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::LcmState;
use quorate_model::template::Template;
use quorate_state_machine::effect::{self, DriverKind, DriverName, Effect, Hypervisor, Payload, Transfer, effect};
use quorate_state_machine::methods::Question;
use quorate_testkit::zone::{ADMIN, Zone, int, text};

/// A zone with one of everything that drivers work on: host 0 and 1, system datastore 100, image datastore 101, image 0,
/// network 0, VM 0 on host 0, marketplace 100 with app 0, hook 0.
fn zone() -> Zone {
    let mut zone = Zone::fresh();
    for (method, args) in [
        ("one.host.allocate", vec![text("one"), text("im"), text("kvm"), int(-1)]),
        ("one.host.allocate", vec![text("two"), text("im"), text("kvm"), int(-1)]),
        ("one.datastore.allocate", vec![text("NAME=s TYPE=SYSTEM_DS TM_MAD=shared"), int(-1)]),
        ("one.datastore.allocate", vec![text("NAME=i DS_MAD=dummy TM_MAD=shared"), int(-1)]),
        ("one.image.allocate", vec![text("NAME=os PATH=/os"), int(101), Arg::Bool(false)]),
        ("one.vn.allocate", vec![text("NAME=n VN_MAD=bridge BRIDGE=b AR=[TYPE=IP4,IP=10.0.0.1,SIZE=9]"), int(-1)]),
        ("one.market.allocate", vec![text("NAME=m MARKET_MAD=http BASE_URL=http://m/ PUBLIC_DIR=/m")]),
    ] {
        zone.call(ADMIN, method, &args).unwrap_or_else(|e| panic!("{method}: {e}"));
    }
    zone.report(|operation| match operation {
        Operation::Image { .. } => Some(Ok("/path raw".to_owned())),
        Operation::MonitorHost { .. } => Some(Ok("TOTALCPU=800\nTOTALMEMORY=16777216".to_owned())),
        _ => Some(Ok("LQ==".to_owned())),
    });
    for (method, args) in [
        ("one.vm.allocate", vec![text("NAME=v CPU=1 MEMORY=64 DISK=[IMAGE_ID=0]"), Arg::Bool(false)]),
        ("one.vm.deploy", vec![int(0), int(0), Arg::Bool(false), int(100), text("")]),
        ("one.marketapp.allocate", vec![text("NAME=a ORIGIN_ID=0 TYPE=IMAGE"), int(100)]),
        ("one.hook.allocate", vec![text("NAME=k TYPE=api COMMAND=/x CALL=one.zone.update")]),
    ] {
        zone.call(ADMIN, method, &args).unwrap_or_else(|e| panic!("{method}: {e}"));
    }
    zone
}

fn told(zone: &Zone, operation: Operation) -> Result<Effect, String> {
    effect(&zone.state, &PendingOperation { id: 7, attempt: 2, since: 0, operation })
}

fn document(effect: &Effect) -> String {
    match &effect.message.payload {
        Payload::Document(document) => document.xml(),
        _ => panic!("{} has a document", effect.message.action),
    }
}

fn hypervisor(effect: &Effect) -> &Hypervisor {
    match &effect.message.payload {
        Payload::Hypervisor(told) => told,
        _ => panic!("{} is for a hypervisor", effect.message.action),
    }
}

fn transfer(effect: &Effect) -> &Transfer {
    match &effect.message.payload {
        Payload::Transfer(told) => told,
        _ => panic!("{} is for a transfer driver", effect.message.action),
    }
}

/// The document of an object, as its info call shows it.
fn info(zone: &mut Zone, method: &str, id: i64) -> String {
    zone.ask(ADMIN, method, &[int(id)])
}

fn is_for(effect: &Effect, kind: DriverKind, name: &str, target: (Kind, i32)) {
    assert_eq!(effect.message.driver, DriverName::new(kind, name), "{}", effect.message.action);
    assert_eq!(effect.target, Some(target), "{}", effect.message.action);
    assert_eq!((effect.operation, effect.attempt, effect.message.object), (7, 2, target.1));
}

#[test]
fn a_monitoring_driver_is_told_the_host() {
    let zone = zone();
    let effect = told(&zone, Operation::MonitorHost { host: 1 }).unwrap();
    is_for(&effect, DriverKind::Monitor, "im", (Kind::Host, 1));
    assert_eq!(effect.message.action, "START_MONITOR");
    assert!(matches!(&effect.message.payload, Payload::Host(host) if host.name == "two"));
}

#[test]
fn a_datastore_driver_is_told_image_and_datastore_and_what_else_the_action_needs() {
    let mut zone = zone();
    let (image, store) = (info(&mut zone, "one.image.info", 0), info(&mut zone, "one.datastore.info", 101));
    for action in ImageAction::ALL {
        let effect = told(&zone, Operation::Image { image: 0, action: *action }).unwrap();
        is_for(&effect, DriverKind::Datastore, "dummy", (Kind::Image, 0));
        assert_eq!(effect.message.action, action.name());
        let extra = match action {
            ImageAction::IncrementFlatten => "<EXTRA_DATA><KEEP_LAST>0</KEEP_LAST></EXTRA_DATA>",
            _ => "",
        };
        let expected = format!("<DS_DRIVER_ACTION_DATA>{image}{store}{extra}</DS_DRIVER_ACTION_DATA>");
        assert_eq!(document(&effect), expected, "{action:?}");
    }
    let effect = told(&zone, Operation::MonitorDatastore { datastore: 101 }).unwrap();
    is_for(&effect, DriverKind::Datastore, "dummy", (Kind::Datastore, 101));
    assert_eq!(document(&effect), format!("<DS_DRIVER_ACTION_DATA>{store}</DS_DRIVER_ACTION_DATA>"));
    let effect = told(&zone, Operation::MonitorDatastore { datastore: 100 }).unwrap();
    is_for(&effect, DriverKind::SystemDatastore, "shared", (Kind::Datastore, 100));
    let location = "<DATASTORE_LOCATION>/var/lib/one//datastores</DATASTORE_LOCATION>";
    let store = info(&mut zone, "one.datastore.info", 100);
    assert_eq!(document(&effect), format!("<DS_DRIVER_ACTION_DATA>{store}{location}</DS_DRIVER_ACTION_DATA>"));
}

#[test]
fn a_datastore_driver_reads_what_is_encrypted_in_clear() {
    let mut zone = zone();
    zone.ask(ADMIN, "one.datastore.update", &[int(101), text("RESTIC_PASSWORD=\"hush\""), int(1)]);
    assert!(!info(&mut zone, "one.datastore.info", 101).contains("hush"), "the attribute is not encrypted");
    let effect = told(&zone, Operation::MonitorDatastore { datastore: 101 }).unwrap();
    assert!(document(&effect).contains("hush"));
    assert!(!format!("{effect:?}").contains("hush"), "an effect must not print secrets");
}

#[test]
fn a_marketplace_driver_is_told_app_market_and_when_it_imports_the_image() {
    let mut zone = zone();
    let (app, market) = (info(&mut zone, "one.marketapp.info", 0), info(&mut zone, "one.market.info", 100));
    let (image, store) = (info(&mut zone, "one.image.info", 0), info(&mut zone, "one.datastore.info", 101));
    for (action, more) in [(MarketAction::Import, format!("{image}{store}")), (MarketAction::Delete, String::new())] {
        let effect = told(&zone, Operation::MarketApp { app: 0, action }).unwrap();
        is_for(&effect, DriverKind::Market, "http", (Kind::MarketApp, 0));
        assert_eq!(effect.message.action, action.name());
        let expected = format!("<MARKET_DRIVER_ACTION_DATA>{app}{market}{more}</MARKET_DRIVER_ACTION_DATA>");
        assert_eq!(document(&effect), expected);
    }
}

#[test]
fn a_network_driver_is_told_the_network_or_what_is_kept_of_it() {
    let mut zone = zone();
    let network = info(&mut zone, "one.vn.info", 0);
    for action in NetworkAction::ALL {
        let effect = told(&zone, Operation::Network { network: 0, action: *action, document: None }).unwrap();
        is_for(&effect, DriverKind::Network, "bridge", (Kind::Net, 0));
        assert_eq!((effect.message.action, document(&effect)), (action.name(), network.clone()));
    }
    let kept = Operation::Network { network: 9, action: NetworkAction::Delete, document: Some(network.clone()) };
    let effect = told(&zone, kept).unwrap();
    is_for(&effect, DriverKind::Network, "bridge", (Kind::Net, 9));
    assert_eq!(document(&effect), network);
}

#[test]
fn a_hypervisor_driver_is_told_vm_host_and_datastore() {
    let mut zone = zone();
    let store = zone.state.find(Kind::Datastore, 100).cloned();
    for action in VmmAction::ALL {
        let effect = told(&zone, Operation::Vmm { vm: 0, action: *action }).unwrap();
        let told = hypervisor(&effect);
        assert_eq!(effect.message.driver.kind, DriverKind::Hypervisor);
        // It ends another operation of the VM, so it cannot wait for that.
        let target = (*action != VmmAction::BackupCancel).then_some((Kind::Vm, 0));
        assert_eq!((effect.target, effect.message.object, told.vm.id), (target, 0, 0));
        let elsewhere = matches!(action, VmmAction::Migrate | VmmAction::CleanupPrevious);
        assert_eq!(told.host, if elsewhere { "" } else { "one" }, "{action:?}: it has been on no other host");
        let backup = matches!(action, VmmAction::Backup | VmmAction::BackupCancel);
        assert_eq!(told.datastore.is_some(), !elsewhere && !backup, "{action:?}");
        assert_eq!(effect.files.len(), usize::from(*action == VmmAction::Deploy), "{action:?}");
    }
    let effect = told(&zone, Operation::Vmm { vm: 0, action: VmmAction::Deploy }).unwrap();
    is_for(&effect, DriverKind::Hypervisor, "kvm", (Kind::Vm, 0));
    assert_eq!(hypervisor(&effect).directory, "/var/lib/one//datastores/100/0");
    assert_eq!(hypervisor(&effect).datastore, store);
    let file = &effect.files[0];
    assert_eq!((file.name.as_str(), file.content.xml()), ("deployment.0", info(&mut zone, "one.vm.info", 0)));
    let effect = told(&zone, Operation::UpdateNic { vm: 0, network: 3 }).unwrap();
    assert_eq!((effect.message.action, hypervisor(&effect).network), ("UPDATENIC", Some(3)));
    let effect = told(&zone, Operation::UpdateSecurityGroup { vm: 0, group: 4 }).unwrap();
    assert_eq!((effect.message.action, hypervisor(&effect).security_group), ("UPDATESG", Some(4)));
}

#[test]
fn a_vm_that_moves_is_told_of_with_both_its_hosts() {
    let mut zone = zone();
    while zone.state.find_typed::<Vm>(0).is_some_and(|(_, vm)| vm.lcm_state != LcmState::Running) {
        zone.report(|operation| match operation {
            Operation::Transfer { .. } => Some(Ok("-".to_owned())),
            Operation::Vmm { .. } => Some(Ok("one-0".to_owned())),
            _ => None,
        });
    }
    let live = [int(0), int(1), Arg::Bool(true), Arg::Bool(false), int(-1), int(0)];
    zone.call(ADMIN, "one.vm.migrate", &live).expect("it migrates");
    let hosts = |action| {
        let effect = told(&zone, Operation::Vmm { vm: 0, action }).unwrap();
        let told = hypervisor(&effect);
        (effect.message.action, told.host.clone(), told.other_host.clone())
    };
    let (one, two) = ("one".to_owned(), "two".to_owned());
    assert_eq!(hosts(VmmAction::Migrate), ("MIGRATE", one.clone(), Some(two.clone())));
    assert_eq!(hosts(VmmAction::Cleanup), ("CLEANUP", two.clone(), None));
    assert_eq!(hosts(VmmAction::CleanupBoth), ("CLEANUP", two.clone(), Some(one.clone())));
    assert_eq!(hosts(VmmAction::CleanupPrevious), ("CLEANUP", one.clone(), None));
    assert_eq!(hosts(VmmAction::Save), ("SAVE", two.clone(), None));
    for action in TransferAction::ALL {
        let effect = told(&zone, Operation::Transfer { vm: 0, action: *action }).unwrap();
        is_for(&effect, DriverKind::Transfer, "shared", (Kind::Vm, 0));
        let told = transfer(&effect);
        let stays = [&told.at, &told.before].map(|stay| stay.as_ref().map(|stay| (stay.seq, stay.host.as_str())));
        assert_eq!((told.action, stays), (*action, [Some((1, "two")), Some((0, "one"))]));
    }
    // It is saved on the host that it leaves.
    zone.change(|txn| txn.body_mut::<Vm>(0).expect("a VM").lcm_state = LcmState::SaveMigrate);
    let effect = told(&zone, Operation::Vmm { vm: 0, action: VmmAction::Save }).unwrap();
    assert_eq!(hypervisor(&effect).host, one);
}

#[test]
fn a_hook_driver_is_told_hook_and_arguments() {
    let zone = zone();
    for (retry, action) in [(false, "EXECUTE"), (true, "RETRY")] {
        let operation = Operation::Hook { hook: 0, arguments: "a b".to_owned(), remote_host: "one".to_owned(), retry };
        let effect = told(&zone, operation).unwrap();
        assert_eq!((effect.message.driver, effect.target), (DriverName::new(DriverKind::Hook, ""), None));
        let Payload::Hook(run) = &effect.message.payload else { panic!("a hook") };
        assert_eq!((effect.message.action, run.hook.name.as_str()), (action, "k"));
        assert_eq!((run.arguments.as_str(), run.remote_host.as_str(), run.retry), ("a b", "one", retry));
    }
}

#[test]
fn questions_are_told_to_the_datastores_driver() {
    let mut zone = zone();
    let store = info(&mut zone, "one.datastore.info", 101);
    let asked = effect::question(&zone.state, &Question::ImageSize { datastore: 101, path: "/a<b".to_owned() });
    assert_eq!((asked.driver, asked.action), (DriverName::new(DriverKind::Datastore, "dummy"), "STAT"));
    let Payload::Document(document) = asked.payload else { panic!("a document") };
    let image = "<IMAGE><PATH>/a&lt;b</PATH></IMAGE>";
    assert_eq!(document.xml(), format!("<DS_DRIVER_ACTION_DATA>{image}{store}</DS_DRIVER_ACTION_DATA>"));
    let mut options = Template::new();
    options.set("USERNAME", "ann");
    let image = info(&mut zone, "one.image.info", 0);
    let asked = effect::question(&zone.state, &Question::RestoreBackup { image: 0, datastore: 1, options });
    assert_eq!((asked.driver.name.as_str(), asked.action), ("dummy", "RESTORE"));
    let Payload::Document(document) = asked.payload else { panic!("a document") };
    let rest = "<DESTINATION_DS_ID>1</DESTINATION_DS_ID><TEMPLATE><USERNAME><![CDATA[ann]]></USERNAME></TEMPLATE>";
    assert_eq!(document.xml(), format!("<DS_DRIVER_ACTION_DATA>{image}{store}{rest}</DS_DRIVER_ACTION_DATA>"));
}

#[test]
fn what_is_gone_fails_before_a_driver_is_told() {
    let zone = Zone::fresh();
    for (operation, failure) in [
        (Operation::MonitorHost { host: 9 }, "HOST 9 no longer exists"),
        (Operation::MonitorDatastore { datastore: 9 }, "DATASTORE 9 no longer exists"),
        (Operation::Vmm { vm: 9, action: VmmAction::Deploy }, "VM 9 no longer exists"),
        (Operation::Transfer { vm: 9, action: TransferAction::Epilog }, "VM 9 no longer exists"),
        (Operation::Image { image: 9, action: ImageAction::Remove }, "IMAGE 9 no longer exists"),
        (Operation::MarketApp { app: 9, action: MarketAction::Delete }, "MARKETPLACEAPP 9 no longer exists"),
        (Operation::UpdateNic { vm: 9, network: 0 }, "VM 9 no longer exists"),
    ] {
        assert_eq!(told(&zone, operation).unwrap_err(), failure);
    }
}
