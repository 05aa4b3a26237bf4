//! A zone with a VM, and short words for what is done to it.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::api::{ApiReply, Arg};
use quorate_model::command::{Actor, Command, Facts};
use quorate_model::kind::Kind;
use quorate_model::pending::{DriverReport, Operation, PendingOperation, VmmAction};
use quorate_model::records::image::snapshots::{Orphans, Snapshots};
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State;
use quorate_model::template::VectorAttribute;
use quorate_state_machine::pools::host::report;
use quorate_state_machine::reactions;
use quorate_state_machine::txn::Txn;

use crate::zone::{ADMIN, NOW, Zone, int, text};

/// Host of the first deployment.
pub const HOST: i32 = 0;
/// Another host of the cluster.
pub const OTHER_HOST: i32 = 1;
/// A backup datastore.
pub const VAULT: i32 = 101;
/// The VM.
pub const VM: i32 = 0;

const SYSTEM_HOST: &str = "HYPERVISOR=dummy TOTALCPU=800 TOTALMEMORY=8388608";

/// A VM with two disks and a NIC.
pub const TEMPLATE: &str = r#"
    NAME=it CPU=1 VCPU=1 MEMORY=64 MEMORY_MAX=256 VCPU_MAX=4
    DISK=[IMAGE_ID=0]
    DISK=[TYPE=fs,SIZE=10]
    NIC=[NETWORK_ID=0,SECURITY_GROUPS="100"]
    GRAPHICS=[TYPE=VNC,LISTEN=0.0.0.0]
    CONTEXT=[NETWORK=YES]
"#;

/// How a driver fails in these tests.
pub const FAILURE: &str = "it did not work";

/// A zone for VMs.
pub struct VmZone {
    /// The zone.
    pub zone: Zone,
}

impl Default for VmZone {
    fn default() -> VmZone {
        VmZone::new()
    }
}

impl VmZone {
    /// Two hosts (of a driver that can do everything that some cannot), datastores, an image, a network, two security groups; no VM.
    pub fn new() -> VmZone {
        let mut lab = VmZone::with_new_image();
        lab.settle();
        lab
    }

    /// The same; the image is not there yet.
    pub fn with_new_image() -> VmZone {
        let mut lab = VmZone { zone: Zone::fresh() };
        lab.must("one.datastore.update", &[int(0), text("TM_MAD=dummy"), int(1)]);
        lab.must("one.datastore.allocate", &[text("NAME=images DS_MAD=dummy TM_MAD=dummy"), int(-1)]);
        let vault = "NAME=vault TYPE=BACKUP_DS DS_MAD=dummy TM_MAD=\"-\"";
        lab.must("one.datastore.allocate", &[text(vault), int(-1)]);
        for name in ["one", "two"] {
            lab.must("one.host.allocate", &[text(name), text("dummy"), text("kvm"), int(-1)]);
        }
        for name in ["one", "two"] {
            lab.must("one.secgroup.allocate", &[text(&format!("NAME={name} RULE=[PROTOCOL=TCP,RULE_TYPE=inbound]"))]);
        }
        let network = "NAME=net VN_MAD=dummy BRIDGE=br AR=[TYPE=IP4,IP=10.0.0.1,SIZE=100]";
        lab.must("one.vn.allocate", &[text(network), int(-1)]);
        lab.settle();
        lab.must("one.image.allocate", &[text("NAME=os TYPE=OS SIZE=20"), int(100), Arg::Bool(false)]);
        lab
    }

    /// A second lab in the same state.
    pub fn copy(&self) -> VmZone {
        VmZone { zone: self.zone.copy() }
    }

    /// A call by the administrator.
    pub fn call(&mut self, method: &str, args: &[Arg]) -> ApiReply {
        self.zone.call(ADMIN, method, args)
    }

    /// A call that is accepted.
    pub fn must(&mut self, method: &str, args: &[Arg]) -> String {
        let reply = self.call(method, args);
        reply.map(|value| value.to_text()).unwrap_or_else(|refusal| panic!("{method}: {}", refusal.text))
    }

    /// What the drivers are asked about the VM, the oldest first, or about anything else.
    pub fn pending(&self, about_vm: bool) -> Vec<PendingOperation> {
        let of_vm = |p: &&std::sync::Arc<PendingOperation>| {
            matches!(
                p.operation,
                Operation::Vmm { .. }
                    | Operation::Transfer { .. }
                    | Operation::UpdateNic { .. }
                    | Operation::UpdateSecurityGroup { .. }
            ) == about_vm
        };
        self.zone.state.pending().values().filter(of_vm).map(|p| (**p).clone()).collect()
    }

    /// A driver's answer.
    pub fn report(&mut self, operation: &PendingOperation, outcome: Result<&str, &str>) {
        let outcome = outcome.map(str::to_owned).map_err(str::to_owned);
        let report = DriverReport { operation: operation.id, attempt: operation.attempt, outcome };
        self.zone.apply(Command::Report(report)).expect("reports are accepted");
    }

    /// The answer of a driver that always works.
    pub fn success(operation: &Operation) -> String {
        match operation {
            Operation::MonitorHost { .. } => SYSTEM_HOST,
            Operation::Vmm { action, .. } => match action {
                VmmAction::Deploy => "one-0",
                VmmAction::SnapshotCreate | VmmAction::DiskSnapshotCreate => "snap",
                VmmAction::Backup => "backup 1024",
                _ => "-",
            },
            Operation::Image { .. } => "source raw",
            Operation::MonitorDatastore { .. } => return BASE64.encode("USED_MB=1\nTOTAL_MB=20480\nFREE_MB=20479\n"),
            Operation::Hook { .. } => return format!("0 {}", BASE64.encode("<ARGUMENTS>a</ARGUMENTS>")),
            Operation::UpdateNic { network, .. } => return network.to_string(),
            Operation::UpdateSecurityGroup { group, .. } => return group.to_string(),
            _ => "-",
        }
        .to_owned()
    }

    /// The driver that was asked first about the VM answers; what it was asked.
    pub fn answer(&mut self, success: bool) -> Option<Operation> {
        let operation = self.pending(true).into_iter().next()?;
        let answer = VmZone::success(&operation.operation);
        self.report(&operation, if success { Ok(&answer) } else { Err(FAILURE) });
        Some(operation.operation)
    }

    /// Whatever does not concern the VM succeeds.
    pub fn settle(&mut self) {
        for _ in 0..10 {
            for operation in self.pending(false) {
                let answer = VmZone::success(&operation.operation);
                self.report(&operation, Ok(&answer));
            }
        }
    }

    /// Changes the zone as a call's handler would.
    pub fn change<T>(&mut self, change: impl FnOnce(&mut Txn) -> T) -> T {
        let mut txn = Txn::new(self.zone.state.clone(), Actor::default(), Facts::default(), [0; 32]);
        let result = change(&mut txn);
        reactions::carry_out(&mut txn).expect("the pools react");
        self.zone.state = txn.commit().0;
        result
    }

    /// The VM.
    pub fn vm(&self) -> &Vm {
        self.zone.state.get::<Vm>(VM).expect("the VM").1
    }

    /// The name of its state, as refusals have it.
    pub fn state(&self) -> &'static str {
        self.vm().state_name()
    }

    /// A VM of [`TEMPLATE`]; its disks have snapshots, and so has the VM.
    pub fn allocate(&mut self) {
        assert_eq!(self.must("one.vm.allocate", &[text(TEMPLATE)]), "0");
        self.change(|txn| {
            let vm = txn.body_mut::<Vm>(VM).expect("the VM");
            let mut tree = Snapshots::new(Some(0), Orphans::Deny);
            tree.create("first", 20, NOW);
            tree.create("second", 20, NOW);
            tree.activate(0, true);
            vm.snapshots.insert(0, tree);
            let snapshot = [("HYPERVISOR_ID", "snap"), ("NAME", "it"), ("SNAPSHOT_ID", "0"), ("TIME", "1")];
            vm.template.add_vector("SNAPSHOT", VectorAttribute::from_iter(snapshot));
        });
    }

    /// Does what comma-separated words say: actions of `vm_fsm.json` (see [`arguments`]), `ok` and `fail` for drivers'
    /// answers, `lost` when its host could not be seen for a moment.
    pub fn walk(&mut self, words: &str) {
        for word in words.split(", ").filter(|word| !word.is_empty()) {
            match word {
                "ok" | "fail" => {
                    self.answer(word == "ok").unwrap_or_else(|| panic!("{words}: nobody is asked"));
                }
                "lost" => self.change(|txn| {
                    for outcome in [Err(FAILURE), Ok(SYSTEM_HOST)] {
                        report::monitored(txn, HOST, outcome).expect("a report about a host");
                    }
                }),
                "cannot clone" => self.change(|txn| {
                    txn.body_mut::<Vm>(VM).expect("the VM").set_state(State::CloningFailure);
                }),
                _ => {
                    let (method, args) = arguments(word).unwrap_or_else(|| panic!("{word} is no action"));
                    let reply = self.call(method, &args);
                    assert!(reply.is_ok(), "{words}: {word}: {reply:?}");
                }
            }
        }
    }

    /// Whether the object of a kind exists.
    pub fn has(&self, kind: Kind, id: i32) -> bool {
        self.zone.state.find(kind, id).is_some()
    }
}

/// The call that an action of `vm_fsm.json` on [`VM`] is.
pub fn arguments(action: &str) -> Option<(&'static str, Vec<Arg>)> {
    arguments_for(action, VM)
}

/// The same for any VM.
pub fn arguments_for(action: &str, vm: i32) -> Option<(&'static str, Vec<Arg>)> {
    let id = int(vm.into());
    let no = Arg::Bool(false);
    let host = |id: i32| int(id.into());
    let migrate = |live: bool, how: i64| {
        vec![int(vm.into()), host(OTHER_HOST), Arg::Bool(live), Arg::Bool(false), int(-1), int(how)]
    };
    Some(match action {
        "deploy" => ("one.vm.deploy", vec![id, host(HOST), no, int(-1), text("")]),
        "migrate (cold, type 0 save)" | "migrate" => ("one.vm.migrate", migrate(false, 0)),
        "migrate (type 1 poweroff)" | "migrate off" => ("one.vm.migrate", migrate(false, 1)),
        "migrate (type 2 poweroff-hard)" => ("one.vm.migrate", migrate(false, 2)),
        "migrate (live=true)" | "migrate live" => ("one.vm.migrate", migrate(true, 0)),
        "attach disk" => ("one.vm.attach", vec![id, text("DISK=[TYPE=fs,SIZE=10]")]),
        "detach disk" => ("one.vm.detach", vec![id, int(1)]),
        "attach NIC" => ("one.vm.attachnic", vec![id, text("NIC=[NETWORK_ID=0]")]),
        "detach NIC" => ("one.vm.detachnic", vec![id, int(0)]),
        "update NIC" => ("one.vm.updatenic", vec![id, int(0), text("NIC=[INBOUND_AVG_BW=10]")]),
        "snapshot create" => ("one.vm.snapshotcreate", vec![id, text("another")]),
        "snapshot revert" => ("one.vm.snapshotrevert", vec![id, int(0)]),
        "snapshot delete" => ("one.vm.snapshotdelete", vec![id, int(0)]),
        "disk snapshot create" => ("one.vm.disksnapshotcreate", vec![id, int(0), text("another")]),
        "disk snapshot revert" => ("one.vm.disksnapshotrevert", vec![id, int(0), int(1)]),
        "disk snapshot delete" => ("one.vm.disksnapshotdelete", vec![id, int(0), int(1)]),
        "disk snapshot rename" => ("one.vm.disksnapshotrename", vec![id, int(0), int(1), text("renamed")]),
        "resize" => ("one.vm.resize", vec![id, text("CPU=2\nVCPU=2\nMEMORY=128"), no]),
        "disk resize" => ("one.vm.diskresize", vec![id, int(1), text("100")]),
        "grow disk" => ("one.vm.diskresize", vec![id, int(1), text("50")]),
        "disk save-as" => ("one.vm.disksaveas", vec![id, int(0), text("saved"), text(""), int(-1)]),
        "update configuration" => ("one.vm.updateconf", vec![id, text("CONTEXT=[A=B]")]),
        "update user template" => ("one.vm.update", vec![id, text("A=B"), int(1)]),
        "rename" => ("one.vm.rename", vec![id, text("another")]),
        "chown" => ("one.vm.chown", vec![id, int(1), int(1)]),
        "chmod" => ("one.vm.chmod", std::iter::once(id).chain((0..9).map(|_| int(1))).collect()),
        "lock / unlock" => ("one.vm.lock", vec![id, int(1), no]),
        "backup" => ("one.vm.backup", vec![id, host(VAULT), no]),
        "backup cancel" => ("one.vm.backupcancel", vec![id]),
        "attach security group" => ("one.vm.attachsg", vec![id, int(0), int(101)]),
        "detach security group" => ("one.vm.detachsg", vec![id, int(0), int(100)]),
        "scheduled actions add/update/delete" => {
            ("one.vm.schedadd", vec![id, text("SCHED_ACTION=[ACTION=poweroff,TIME=2000000000]")])
        }
        "monitoring" => ("one.vm.monitoring", vec![id]),
        _ => {
            if let Some(operation) = action.strip_prefix("recover ") {
                let code = operation.get(..1)?.parse().ok()?;
                return Some(("one.vm.recover", vec![id, int(code)]));
            }
            ("one.vm.action", vec![text(action), id])
        }
    })
}
