//! What OpenNebula's dummy drivers answer, as pure functions of what they are told.
//!
//! Times and failures are not decided here; see [`crate::embedded`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::object::Object;
use quorate_model::pending::{ImageAction, MarketAction, PendingOperation, VmmAction};
use quorate_state_machine::effect::{DriverKind, Effect, Hypervisor, Message, Payload, effect};
use quorate_state_machine::state::State;

use crate::Outcome;
use crate::registry::{self, Names};

/// The answer of a driver that has nothing to say.
const NOTHING: &str = "-";

/// Whom the dummy drivers answer for: the objects of a zone may name any driver, since there are no others yet. Only
/// where it shows in the reference that a driver is not there, it is not there here either.
pub const NAMES: &[(DriverKind, Names)] = &[
    (DriverKind::Monitor, Names::These(&["dummy"])),
    (DriverKind::Hypervisor, Names::Any),
    (DriverKind::Transfer, Names::Any),
    (DriverKind::Datastore, Names::Any),
    (DriverKind::Market, Names::Any),
    (DriverKind::Network, Names::These(NETWORK_DRIVERS)),
];

/// The network drivers of OpenNebula.
const NETWORK_DRIVERS: &[&str] = &[
    "802.1Q",
    "bridge",
    "dummy",
    "ebtables",
    "elastic",
    "fw",
    "nodeport",
    "ovswitch",
    "ovswitch_vxlan",
    "vcenter",
    "vxlan",
];

/// How many operations each dummy driver may have under way: they cost nothing.
pub const WIDTH: usize = 1024;

/// The answer of the dummy driver to a pending operation of `state`.
///
/// # Errors
/// The failure of the operation: that of the driver, where the dummy drivers of the reference fail as well; that there
/// is no driver; that what it is about is gone.
pub fn outcome(state: &State, pending: &PendingOperation) -> Outcome {
    let effect = effect(state, pending)?;
    registry::check(NAMES, &effect.message)?;
    answer(&effect)
}

/// The answer of the dummy driver to an operation.
///
/// # Errors
/// The failure message of the driver, where the dummy drivers of the reference fail as well.
pub fn answer(effect: &Effect) -> Outcome {
    let action = effect.message.action;
    match &effect.message.payload {
        Payload::Host(host) => Ok(monitor_host(host)),
        Payload::Hypervisor(told) => Ok(hypervisor(action, told)),
        Payload::Transfer(_) => Ok(NOTHING.to_owned()),
        Payload::Hook(_) => Err("No hook execution manager".to_owned()),
        Payload::Document(_) => document(effect.message.driver.kind, action),
    }
}

fn document(kind: DriverKind, action: &str) -> Outcome {
    let is = |image: ImageAction| action == image.name();
    match kind {
        DriverKind::Datastore if is(ImageAction::Copy) => Ok("dummy_path dummy_format".to_owned()),
        DriverKind::Datastore if is(ImageAction::Make) || is(ImageAction::Clone) => Ok("dummy_path".to_owned()),
        DriverKind::Datastore if is(ImageAction::IncrementFlatten) => {
            Err("Internal error No such file or directory - increment_flatten".to_owned())
        }
        DriverKind::Datastore if action == "MONITOR" => {
            Ok(BASE64.encode("USED_MB=9720\nTOTAL_MB=20480\nFREE_MB=20480\n"))
        }
        // The reference has no dummy marketplace: this one takes everything.
        DriverKind::Market if action == MarketAction::Import.name() => {
            Ok(BASE64.encode("SOURCE=dummy_path\nMD5=dummy_md5\nFORMAT=dummy_format\nSIZE=1024\n"))
        }
        DriverKind::Network => Ok(nothing_in_base64()),
        _ => Ok(NOTHING.to_owned()),
    }
}

/// What scripts of networks say that have nothing to say.
#[must_use]
pub fn nothing_in_base64() -> String {
    BASE64.encode(NOTHING)
}

/// The answer of the dummy driver to what a call asks before it is proposed.
///
/// # Errors
/// The dummy datastore knows every path and every backup; datastores of other drivers (a fresh zone's own are `fs`)
/// have no files to look at here.
pub fn reply(message: &Message) -> Outcome {
    match message.action {
        "RESTORE" => Ok("0 dummy_image".to_owned()),
        _ if message.driver.name == "dummy" => Ok("1024".to_owned()),
        _ => Err("File not found".to_owned()),
    }
}

fn hypervisor(action: &str, told: &Hypervisor) -> String {
    let is = |vmm: VmmAction| action == vmm.name();
    if is(VmmAction::Deploy) {
        return format!("{}:{}:dummy", told.host, told.vm.name);
    }
    if is(VmmAction::SnapshotCreate) || is(VmmAction::DiskSnapshotCreate) {
        return "dummy-snap".to_owned();
    }
    if is(VmmAction::Backup) {
        return "dummy-backup-id 1024".to_owned();
    }
    // UPDATENIC and UPDATESG say what has been updated.
    told.network.or(told.security_group).map_or_else(|| NOTHING.to_owned(), |id| id.to_string())
}

/// A host as `one_im_sh dummy` describes it: the attributes of a SYSTEM_HOST message.
fn monitor_host(host: &Object) -> String {
    use std::fmt::Write as _;
    let name = &host.name;
    let mut text = format!(
        "ARCH=x86_64\nHYPERVISOR=dummy\nMODELNAME=\"Dummy(R) Core @ 3.2GHz\"\nCPUSPEED=3200\n\
         TOTALMEMORY=16777216\nTOTALCPU=800\nDS_LOCATION_USED_MB=9720\nDS_LOCATION_TOTAL_MB=20480\n\
         DS_LOCATION_FREE_MB=20480\nHOSTNAME=\"{name}\"\n"
    );
    for node in 0..2 {
        for core in node * 8..node * 8 + 8 {
            let cpus = [core, core + 16, core + 32, core + 48].map(|c| c.to_string()).join(",");
            let _ = writeln!(text, "CORE = [ NODE_ID = \"{node}\", ID = \"{core}\", CPUS = \"{cpus}\" ]");
        }
        for size in [2048, 1_048_576] {
            let _ = writeln!(text, "HUGEPAGE = [ NODE_ID = \"{node}\", SIZE = \"{size}\", PAGES = \"1024\" ]");
        }
        let distance = if node == 0 { "0 1 " } else { "1 0 " };
        let _ =
            writeln!(text, "MEMORY_NODE = [ NODE_ID = \"{node}\", TOTAL = \"8388608\", DISTANCE = \"{distance}\" ]");
    }
    for device in PCI_DEVICES {
        text.push_str(&device.to_attribute());
    }
    text
}

/// A PCI device of a dummy host.
struct PciDevice {
    address: (&'static str, &'static str, &'static str),
    ids: (&'static str, &'static str),
    numa: u8,
    class_name: &'static str,
    device_name: &'static str,
}

const PCI_DEVICES: [PciDevice; 3] = [
    PciDevice {
        address: ("02", "00", "0"),
        ids: ("0863", "0300"),
        numa: 1,
        class_name: "VGA compatible controller",
        device_name: "C79 [GeForce 9400M]",
    },
    PciDevice {
        address: ("00", "06", "0"),
        ids: ("0aa7", "0c03"),
        numa: 1,
        class_name: "USB controller",
        device_name: "MCP79 OHCI USB 1.1 Controller",
    },
    PciDevice {
        address: ("00", "06", "1"),
        ids: ("0aa9", "0c03"),
        numa: 0,
        class_name: "USB controller",
        device_name: "MCP79 EHCI USB 2.0 Controller",
    },
];

impl PciDevice {
    fn to_attribute(&self) -> String {
        let (bus, slot, function) = self.address;
        let (device, class) = self.ids;
        format!(
            "PCI = [ ADDRESS = \"0000:{bus}:{slot}:{function}\", BUS = \"{bus}\", CLASS = \"{class}\", \
             CLASS_NAME = \"{}\", DEVICE = \"{device}\", DEVICE_NAME = \"{}\", DOMAIN = \"0000\", \
             FUNCTION = \"{function}\", NUMA_NODE = \"{}\", SHORT_ADDRESS = \"{bus}:{slot}.{function}\", \
             SLOT = \"{slot}\", TYPE = \"10de:{device}:{class}\", VENDOR = \"10de\", \
             VENDOR_NAME = \"NVIDIA Corporation\" ]\n",
            self.class_name, self.device_name, self.numa
        )
    }
}
