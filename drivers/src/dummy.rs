//! What OpenNebula's dummy drivers answer, as pure functions of state and operation.
//!
//! Times and failures are not decided here; see [`crate::embedded`].

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::body::Variant;
use quorate_model::kind::Kind;
use quorate_model::pending::{ImageAction, MarketAction, Operation, PendingOperation, VmmAction};
use quorate_state_machine::methods::Question;

use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::host::Host;
use quorate_model::records::image::Image;
use quorate_model::records::market_app::MarketApp;
use quorate_model::records::vm::Vm;
use quorate_model::records::vnet::Vnet;
use quorate_state_machine::state::State;

use crate::Outcome;

/// The answer of a driver that has nothing to say.
const NOTHING: &str = "-";

/// The answer of the dummy driver to `pending`.
///
/// # Errors
/// The failure message of the driver, where the dummy drivers of the reference fail as well.
pub fn answer(state: &State, pending: &PendingOperation) -> Outcome {
    match &pending.operation {
        Operation::MonitorHost { host } => monitor_host(state, *host),
        Operation::Vmm { vm, action } => vmm(state, *vm, *action),
        Operation::Transfer { vm, .. } => exists::<Vm>(state, *vm).map(|()| NOTHING.to_owned()),
        Operation::Image { image, action } => {
            exists::<Image>(state, *image)?;
            match action {
                ImageAction::Copy => Ok("dummy_path dummy_format".to_owned()),
                ImageAction::Make | ImageAction::Clone => Ok("dummy_path".to_owned()),
                ImageAction::IncrementFlatten => {
                    Err("Internal error No such file or directory - increment_flatten".to_owned())
                }
                _ => Ok(NOTHING.to_owned()),
            }
        }
        Operation::MonitorDatastore { datastore } => {
            let body = state.find_typed::<Datastore>(*datastore).map(|(_, body)| body);
            match body.map(|body| body.ds_type) {
                None => Err(format!("DATASTORE {datastore} no longer exists")),
                // The reference's stock configuration knows no dummy driver for system datastores.
                Some(DatastoreType::System) => Err("System datastore driver 'dummy' not available".to_owned()),
                Some(_) => Ok(BASE64.encode("USED_MB=9720\nTOTAL_MB=20480\nFREE_MB=20480\n")),
            }
        }
        Operation::Network { network, action, .. } => network_script(state, *network, action.name()),
        Operation::UpdateNic { vm, network } => exists::<Vm>(state, *vm).map(|()| network.to_string()),
        Operation::UpdateSecurityGroup { vm, group } => exists::<Vm>(state, *vm).map(|()| group.to_string()),
        Operation::MarketApp { app, action } => {
            exists::<MarketApp>(state, *app)?;
            // The reference has no dummy marketplace: this one takes everything.
            Ok(match action {
                MarketAction::Import => {
                    BASE64.encode("SOURCE=dummy_path\nMD5=dummy_md5\nFORMAT=dummy_format\nSIZE=1024\n")
                }
                MarketAction::Delete => NOTHING.to_owned(),
            })
        }
        // Nobody runs hooks here, as in a reference without its hook execution manager: nothing is logged.
        Operation::Hook { .. } => Err("No hook execution manager".to_owned()),
    }
}

/// The answer of the dummy driver to `question`.
///
/// # Errors
/// The dummy datastore knows every path and every backup; datastores of other drivers (a fresh zone's own are `fs`) have
/// no files to look at here.
pub fn reply(state: &State, question: &Question) -> Outcome {
    match question {
        Question::ImageSize { datastore, .. } => {
            let store = state.find_typed::<Datastore>(*datastore);
            let known = store.is_some_and(|(_, store)| store.ds_mad == "dummy");
            if known { Ok("1024".to_owned()) } else { Err("File not found".to_owned()) }
        }
        Question::RestoreBackup { .. } => Ok("0 dummy_image".to_owned()),
    }
}

fn exists<B: Variant>(state: &State, id: i32) -> Result<(), String> {
    let known = state.find_typed::<B>(id).is_some();
    known.then_some(()).ok_or_else(|| format!("{} {id} no longer exists", B::KIND.info().auth_name))
}

/// The scripts of the network driver that the network names: those of OpenNebula have nothing to say, others are not
/// there. A network that an administrator deleted is gone already.
fn network_script(state: &State, network: i32, action: &str) -> Outcome {
    const DRIVERS: [&str; 11] = [
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
    let Some((_, body)) = state.find_typed::<Vnet>(network) else { return Ok(BASE64.encode(NOTHING)) };
    let driver = body.vn_mad.as_str();
    if driver.is_empty() {
        return Err(format!("Cannot perform {}, cannot find VN driver", action.to_lowercase()));
    }
    if DRIVERS.contains(&driver) { Ok(BASE64.encode(NOTHING)) } else { Err(BASE64.encode(NOTHING)) }
}

fn vmm(state: &State, vm: i32, action: VmmAction) -> Outcome {
    let object = state.find(Kind::Vm, vm).ok_or_else(|| format!("VM {vm} no longer exists"))?;
    Ok(match action {
        VmmAction::Deploy => {
            let host = Vm::of(&object.body).and_then(Vm::host_name).unwrap_or_default();
            format!("{host}:{}:dummy", object.name)
        }
        VmmAction::SnapshotCreate | VmmAction::DiskSnapshotCreate => "dummy-snap".to_owned(),
        VmmAction::Backup => "dummy-backup-id 1024".to_owned(),
        _ => NOTHING.to_owned(),
    })
}

/// A host as `one_im_sh dummy` describes it: the attributes of a SYSTEM_HOST message.
fn monitor_host(state: &State, host: i32) -> Outcome {
    use std::fmt::Write as _;
    let (object, body) = state.find_typed::<Host>(host).ok_or_else(|| format!("HOST {host} no longer exists"))?;
    if body.im_mad != "dummy" {
        // Nobody monitors it; an empty failure changes nothing.
        return Err(String::new());
    }
    let name = &object.name;
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
    Ok(text)
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
