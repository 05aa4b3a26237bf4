//! A zone in which the parts of VMs are changed: hosts, datastores, images, a network, and user 2, who may use them all.

use quorate_model::api::Arg;
use quorate_model::pending::{ImageAction, Operation, VmmAction};
use quorate_model::records::image::Image;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State};
use quorate_model::template::VectorAttribute;

use crate::zone::{ADMIN, Zone, int, text};

/// The session of user 2.
pub const ANN: &str = "ann:pw";
/// A system datastore.
pub const SYSTEM: i64 = 100;
/// A datastore for images.
pub const IMAGES: i64 = 101;
/// A datastore for backups.
pub const VAULT: i64 = 102;
/// A host with one device.
pub const HOST: &str = "TOTALCPU=800 TOTALMEMORY=16777216 PCI=[ADDRESS=\"0000:02:00:0\",BUS=\"02\",SLOT=\"00\",FUNCTION=\"0\",\
    DOMAIN=\"0000\",SHORT_ADDRESS=\"02:00.0\",VENDOR=\"10de\",DEVICE=\"0863\",CLASS=\"0300\",TYPE=\"10de:0863:0300\",NUMA_NODE=\"-\"]";
/// `USED_MB=0`, `TOTAL_MB=20480`, `FREE_MB=20480`
pub const FREE_SPACE: &str = "VVNFRF9NQj0wClRPVEFMX01CPTIwNDgwCkZSRUVfTUI9MjA0ODAK";

/// What drivers answer when nothing goes wrong.
pub fn success(operation: &Operation) -> String {
    match operation {
        Operation::Vmm { action, .. } => match action {
            VmmAction::Deploy => "deployed",
            VmmAction::SnapshotCreate => "of-hypervisor",
            VmmAction::Backup => "backup 7",
            _ => "-",
        },
        Operation::Image { action, .. } if *action == ImageAction::Copy => "source raw",
        Operation::Image { .. } => "source",
        Operation::MonitorHost { .. } => HOST,
        Operation::Network { .. } => "LQ==",
        Operation::MonitorDatastore { .. } => FREE_SPACE,
        _ => "-",
    }
    .to_owned()
}

/// A zone with a host for each hypervisor driver (0 `dummy`, 1 `kvm`), datastores, a network, and user 2, who may use
/// them all.
pub fn zone() -> Zone {
    let mut zone = Zone::fresh();
    for hypervisor in ["dummy", "kvm"] {
        ok(&mut zone, "one.host.allocate", &[text(hypervisor), text("dummy"), text(hypervisor), int(-1)]);
    }
    for store in [
        "NAME=sys TYPE=SYSTEM_DS TM_MAD=dummy",
        "NAME=img DS_MAD=dummy TM_MAD=dummy",
        "NAME=vault TYPE=BACKUP_DS DS_MAD=dummy TM_MAD=\"-\"",
    ] {
        ok(&mut zone, "one.datastore.allocate", &[text(store), int(-1)]);
    }
    let network = "NAME=net VN_MAD=dummy BRIDGE=br0 AR=[TYPE=IP4,IP=\"10.0.0.1\",SIZE=9]";
    ok(&mut zone, "one.vn.allocate", &[text(network), int(-1)]);
    ok(&mut zone, "one.user.allocate", &[text("ann"), text("pw"), text(""), Arg::Ints(Vec::new())]);
    ok(
        &mut zone,
        "one.vn.chmod",
        &[int(0), int(-1), int(-1), int(-1), int(-1), int(-1), int(-1), int(1), int(-1), int(-1)],
    );
    drain(&mut zone);
    zone
}

/// A call by the administrator that is accepted.
pub fn ok(zone: &mut Zone, method: &str, args: &[Arg]) -> String {
    call(zone, ADMIN, method, args)
}

/// A call that is accepted; what it answers.
pub fn call(zone: &mut Zone, session: &str, method: &str, args: &[Arg]) -> String {
    match zone.call(session, method, args) {
        Ok(value) => value.to_text(),
        Err(refusal) => panic!("{method}: {}", refusal.text),
    }
}

/// A call that is refused; the reason.
pub fn refused(zone: &mut Zone, session: &str, method: &str, args: &[Arg]) -> String {
    match zone.call(session, method, args) {
        Ok(value) => panic!("{method} is not refused: {}", value.to_text()),
        Err(refusal) => refusal.text,
    }
}

/// Every driver succeeds until nobody waits any more.
pub fn drain(zone: &mut Zone) {
    while zone.report(|operation| Some(Ok(success(operation)))) > 0 {}
}

/// The one driver that is asked fails.
pub fn fail(zone: &mut Zone) {
    assert_eq!(zone.report(|_| Some(Err("broken".to_owned()))), 1);
}

/// A VM.
pub fn vm(zone: &Zone, id: i32) -> &Vm {
    zone.state.find_typed::<Vm>(id).expect("the VM exists").1
}

/// An image.
pub fn image(zone: &Zone, id: i32) -> &Image {
    zone.state.find_typed::<Image>(id).expect("the image exists").1
}

/// A disk of a VM.
pub fn disk(zone: &Zone, id: i32, disk: i32) -> Option<&VectorAttribute> {
    vm(zone, id).disk(disk)
}

/// A new image that is ready.
pub fn new_image(zone: &mut Zone, session: &str, template: &str) -> i64 {
    let id = call(zone, session, "one.image.allocate", &[text(template), int(IMAGES), Arg::Bool(false)]);
    drain(zone);
    id.parse().expect("an id")
}

/// A VM of the caller's that runs on a host.
pub fn running_on(zone: &mut Zone, session: &str, host: i64, template: &str) -> i32 {
    let template = format!("CPU=1 MEMORY=64 {template}");
    let id: i64 = call(zone, session, "one.vm.allocate", &[text(&template)]).parse().expect("an id");
    ok(zone, "one.vm.deploy", &[int(id), int(host), Arg::Bool(false), int(SYSTEM)]);
    drain(zone);
    let id = i32::try_from(id).expect("a small id");
    assert!(vm(zone, id).is_doing(LcmState::Running), "it runs");
    id
}

/// A VM of the caller's that runs on host 0.
pub fn running(zone: &mut Zone, session: &str, template: &str) -> i32 {
    running_on(zone, session, 0, template)
}

/// The VM is powered off.
pub fn power_off(zone: &mut Zone, id: i32) {
    ok(zone, "one.vm.action", &[text("poweroff"), int(id.into())]);
    drain(zone);
    assert_eq!(vm(zone, id).state, State::Poweroff);
}

/// Something that user 2 uses, as the user's document shows it; 0 when it shows nothing.
pub fn used(zone: &mut Zone, name: &str) -> String {
    let document = zone.ask(ADMIN, "one.user.info", &[int(2)]);
    let start = document.find(&format!("<{name}_USED><![CDATA["));
    let value = start.and_then(|at| document[at..].split("CDATA[").nth(1)?.split(']').next());
    value.unwrap_or("0").to_owned()
}
