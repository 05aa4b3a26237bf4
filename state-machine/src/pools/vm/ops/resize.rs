//! `one.vm.resize`: another capacity, of running VMs too where the hypervisor can.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::VmmAction;
use quorate_model::quota;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::{LcmState, State, VmAction};
use quorate_model::template::{Template, VectorAttribute, float_text, whole_float, whole_int};

use super::common;
use crate::methods::Request;
use crate::pools::host::capacity;
use crate::pools::vm::attributes::topology;
use crate::pools::vm::{drivers, release, rights};
use crate::txn::Txn;
use crate::{booking, verbs};

/// CPU, MEMORY and VCPU of a VM; 0 stands for what is not set. As in the reference (`VirtualMachine::resize`), VCPU is
/// a 32-bit integer.
#[derive(Clone, Copy, PartialEq, Debug)]
struct Size {
    cpu: f32,
    memory: i64,
    vcpu: i64,
}

impl Size {
    fn of(template: &Template) -> Size {
        Size::read(|name| template.get(name))
    }

    fn read<'a>(value: impl Fn(&str) -> Option<&'a str>) -> Size {
        // As in the reference (`VirtualMachine::resize`), CPU is a 32-bit float.
        #[expect(clippy::cast_possible_truncation)]
        let cpu = value("CPU").and_then(whole_float).unwrap_or(0.0) as f32;
        let number = |name| value(name).and_then(whole_int).unwrap_or(0);
        Size { cpu, memory: number("MEMORY"), vcpu: number("VCPU") }
    }

    /// What is not given is as before.
    fn or(self, old: Size) -> Size {
        Size {
            cpu: if self.cpu == 0.0 { old.cpu } else { self.cpu },
            memory: if self.memory == 0 { old.memory } else { self.memory },
            vcpu: if self.vcpu == 0 { old.vcpu } else { self.vcpu },
        }
    }

    /// Writes it into a VM's template, and the topology that follows from it.
    fn write(self, template: &mut Template) -> Result<(), String> {
        if self.cpu > 0.0 {
            template.set("CPU", float_text(self.cpu));
        }
        if self.memory > 0 {
            template.set("MEMORY", self.memory);
        }
        if self.vcpu > 0 {
            template.set("VCPU", self.vcpu);
        }
        let vcpu = template.int("VCPU").unwrap_or(0);
        let Some(topology) = template.vectors_mut("TOPOLOGY").next() else { return Ok(()) };
        let number = |name| topology.int(name).filter(|n| *n > 0).unwrap_or(0);
        let (sockets, cores, threads) = (number("SOCKETS"), number("CORES"), number("THREADS"));
        let per_core = sockets.saturating_mul(threads);
        if per_core != 0 && cores != 0 && per_core.saturating_mul(cores) != vcpu {
            if vcpu % per_core != 0 {
                return Err("new VCPU is not multiple of the total number of threads".to_owned());
            }
            topology.set("CORES", vcpu / per_core);
        }
        template.remove("NUMA_NODE");
        topology::parse(template)
    }
}

/// Parameters VM, template with CPU, MEMORY, VCPU. The third one is not looked at: capacity is always enforced.
pub fn resize(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let template = verbs::parse_new(request.str(1))?;
    rights::authorize_with(txn, id, VmAction::Resize, Vec::new())?;
    rights::refuse_restricted(txn, &template, "Template")?;
    let mut new = Size::of(&template);
    if new.cpu < 0.0 || !new.cpu.is_finite() {
        return Err(ApiError::internal("CPU must be a positive float or integer value."));
    }
    if new.memory < 0 {
        return Err(ApiError::internal("MEMORY must be a positive integer value."));
    }
    if !(0..=i64::from(i32::MAX)).contains(&new.vcpu) {
        return Err(ApiError::internal("VCPU must be a positive integer value."));
    }
    rights::refuse_imported(txn, id, VmAction::Resize)?;
    let (object, vm) = txn.get::<Vm>(id)?;
    let (owner, old) = ((object.uid, object.gid), Size::of(&vm.template));
    if topology::is_pinned(&vm.template) {
        // A pinned VM has its virtual CPUs for itself.
        #[expect(clippy::cast_precision_loss)]
        let cpu = new.vcpu as f32;
        new.cpu = cpu;
    }
    let new = new.or(old);
    let as_stored = |size: Size| (float_text(size.cpu), size.memory.to_string());
    let ((old_cpu, old_memory), (new_cpu, new_memory)) = (as_stored(old), as_stored(new));
    let more = quota::vm::resize((&old_cpu, &old_memory), (&new_cpu, &new_memory), counts_as_running(vm));
    rights::check_quota(txn, owner, txn.actor().uid, &[more])?;
    let running = check_state(txn, id)?;
    if running && new == old {
        return Ok(Value::Int(id));
    }
    booking::following(txn, Kind::Vm, id, |txn| set(txn, id, new, true)).map_err(ApiError::action)?;
    if running {
        let vm = txn.body_mut::<Vm>(id)?;
        vm.set_lcm(LcmState::HotplugResize);
        vm.resched = false;
        let before = VectorAttribute::from_iter([
            ("CPU", float_text(old.cpu)),
            ("MEMORY", old.memory.to_string()),
            ("VCPU", old.vcpu.to_string()),
        ]);
        vm.template.set_vectors("RESIZE", [before]);
        drivers::vmm(txn, id, VmmAction::Resize)?;
    }
    Ok(Value::Int(id))
}

/// As in the reference (`VirtualMachineResize::request_execute`): whether the quotas of running VMs are asked too.
fn counts_as_running(vm: &Vm) -> bool {
    matches!(vm.state, State::Pending | State::Hold) || common::is_running(vm)
}

/// Whether it runs.
fn check_state(txn: &Txn, id: i32) -> Result<bool, ApiError> {
    let vm = txn.get::<Vm>(id)?.1;
    let wrong = || ApiError::action(format!("Cannot resize a VM in state {}", vm.state_name()));
    match vm.state {
        State::Active if !common::is_running(vm) => Err(wrong()),
        State::Active if topology::is_pinned(&vm.template) => Err(ApiError::action("Cannot resize a pinned VM")),
        State::Active => {
            let driver = vm.record().map_or("", |r| r.vm_mad.as_str());
            let can = txn.settings().driver("VM_MAD", driver).is_some_and(|driver| driver.is_yes("LIVE_RESIZE"));
            let refusal = || ApiError::action(format!("Hotplug resize not supported by driver {driver}"));
            can.then_some(true).ok_or_else(refusal)
        }
        State::Stopped | State::Done | State::Suspended => Err(wrong()),
        _ => Ok(false),
    }
}

/// Gives the VM another size, in its template and on the host that it takes capacity of.
fn set(txn: &mut Txn, id: i32, size: Size, enforce: bool) -> Result<(), String> {
    let vm = txn.body_mut::<Vm>(id).map_err(|e| e.text)?;
    let on_host = vm.state == State::Poweroff || vm.state == State::Active;
    let Some(host) = vm.record().map(|r| r.hid).filter(|_| on_host) else { return size.write(&mut vm.template) };
    if txn.find(Kind::Host, host).is_none() {
        return Err("Could not update host".to_owned());
    }
    release::remove_capacity(txn, id, Vm::record).map_err(|e| e.text)?;
    let vm = txn.body_mut::<Vm>(id).map_err(|e| e.text)?;
    size.write(&mut vm.template)?;
    let wanted = release::capacity_of(&vm.template);
    capacity::fits(txn, host, &wanted, enforce)?;
    release::add_capacity(txn, id).map_err(|e| e.text)
}

/// The hypervisor has resized the VM, or not: then it has its old capacity.
///
/// # Errors
/// NO_EXISTS.
pub fn answered(txn: &mut Txn, id: i32, done: bool) -> Result<(), ApiError> {
    let before = txn.get::<Vm>(id)?.1.template.vector("RESIZE").cloned();
    if let Some(before) = before.filter(|_| !done) {
        let size = Size::read(|name| before.get(name));
        // What it had before it may have again, whatever the host has taken on since.
        booking::following(txn, Kind::Vm, id, |txn| set(txn, id, size, false)).map_err(ApiError::internal)?;
    }
    txn.body_mut::<Vm>(id)?.template.remove("RESIZE");
    common::finish_operation(txn, id)
}
