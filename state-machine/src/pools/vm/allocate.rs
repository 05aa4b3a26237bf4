//! From a template to a VM: `one.vm.allocate`, and the same for instantiated templates and virtual routers.
//!
//! The order of the steps is the reference's: it decides which of several faults of a template is reported.

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::Actor;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::quota;
use quorate_model::records::vm::Vm;
use quorate_model::records::vm::state::State;
use quorate_model::template::{Attribute, Template, VectorAttribute};

use crate::authorize::{self, Request as AuthRequest};
use crate::methods::Request;
use crate::pools::image::{files, usage};
use crate::pools::template::raw::{check_raw, check_restricted_raw};
use crate::pools::template::sched_action::check_sched_action;
use crate::pools::vm::attributes::disks::take_vectors;
use crate::pools::vm::attributes::scope::Scope;
use crate::pools::vm::attributes::{
    boot, capacity, context, disks, graphics, nics, pci, requirements, topology, variables,
};
use crate::pools::vm::wishes;
use crate::pools::vmgroup;
use crate::txn::Txn;
use crate::{booking, names, verbs};

/// Attributes that move from the user's template as they are.
const MOVED: [&str; 8] =
    ["INPUT", "FEATURES", "RAW", "CLONING_TEMPLATE_ID", "TOPOLOGY", "NUMA_NODE", "HYPERV_OPTIONS", "SPICE_OPTIONS"];

/// `one.vm.allocate`: parameters template, whether to hold the VM.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = verbs::parse_new(request.str(0))?;
    let actor = txn.actor().clone();
    if !txn.is_admin(&actor)
        && let Some(name) = txn.settings().restricted("VM_RESTRICTED_ATTR").first_in(&template)
    {
        check_restricted_raw(txn.settings(), &template, &name)?;
        let reason = format!("VM Template includes a restricted attribute {name}");
        return Err(ApiError::authorization(actor.uid, reason));
    }
    let wish = AuthRequest::create(Kind::Vm, actor.uid, txn.effective_gid(&actor));
    from_template(txn, template, request.bool(1), &actor, vec![wish], None).map(Value::Int)
}

/// Makes a VM of a template for `owner`.
///
/// `rights` is what the caller needs besides the template's images, networks and VM group, all authorized at once
/// and `rights` first; `instantiates` is the kind of what is instantiated, `None` for `one.vm.allocate`: it decides
/// code and text of a refusal for the template's sake. Restricted attributes are the caller's to check.
///
/// # Errors
/// AUTHORIZATION (rights, quotas), ALLOCATE (topology), INTERNAL or ALLOCATE (everything else).
pub fn from_template(
    txn: &mut Txn,
    mut template: Template,
    hold: bool,
    owner: &Actor,
    mut rights: Vec<AuthRequest>,
    instantiates: Option<Kind>,
) -> Result<i32, ApiError> {
    // Some calls make many VMs.
    let refuse = |reason: String| {
        instantiates.map_or_else(|| ApiError::internal(&reason), |kind| ApiError::allocate(kind, &reason))
    };
    txn.budget().bytes(template.memory()).map_err(refuse)?;
    // What only snapshots make does not come from a caller: it would count against quotas.
    template.remove("SNAPSHOT");
    template.vectors_mut("DISK").for_each(|disk| drop(disk.remove("DISK_SNAPSHOT_TOTAL_SIZE")));
    rights.extend(wishes::of(txn, &[owner.uid], &mut template, false));
    authorize::authorize(txn, owner, &rights)?;
    topology::parse(&mut template).map_err(|reason| ApiError::allocate(instantiates.unwrap_or(Kind::Vm), reason))?;
    book(txn, owner, &template)?;
    insert(txn, template, hold, owner).map_err(refuse)
}

/// Books what the VM will use on its owner.
fn book(txn: &mut Txn, owner: &Actor, template: &Template) -> Result<(), ApiError> {
    let gid = txn.effective_gid(owner);
    if owner.uid == 0 && gid == 0 {
        return Ok(());
    }
    let mut complete = template.clone();
    for (id, disk) in (0..).zip(complete.vectors_mut("DISK")) {
        usage::describe(txn, txn.budget(), owner.uid, disk, id).map_err(ApiError::internal)?;
    }
    booking::try_book(txn, owner.uid, gid, &quota::vm::whole(&complete, true))
        .map_err(|reason| ApiError::authorization(owner.uid, reason))
}

/// A VM in the making.
struct Draft {
    /// Identity and ownership; its template and body are set at the end.
    head: Object,
    /// USER_TEMPLATE, from which attributes move to the VM's own template.
    user: Template,
    vm: Vm,
}

impl Draft {
    fn scope(&self) -> Scope<'_> {
        Scope { head: &self.head, user: &self.user, vm: &self.vm }
    }

    /// Moves the attributes of a name.
    fn move_all(&mut self, name: &'static str) {
        for attribute in self.user.remove(name) {
            self.vm.template.push(name, attribute);
        }
    }
}

fn insert(txn: &mut Txn, mut user: Template, hold: bool, owner: &Actor) -> Result<i32, String> {
    // What the caller itself has sealed in a stored template its variables may name; the transaction's end seals it
    // again, along with what others have sealed there.
    txn.open_own_secrets(Kind::Vm, &mut user);
    let id = txn.next_id(Kind::Vm);
    let mut draft = Draft { head: Object::new("", Template::new(), Vm::default()), user, vm: Vm::default() };
    draft.head.id = id;
    verbs::own(txn, owner, &mut draft.head).map_err(|e| e.text)?;
    draft.head.permissions = verbs::initial_permissions(txn, txn.actor());
    draft.vm.stime = txn.now();
    begin(txn, &mut draft, hold)?;
    name(&mut draft)?;
    MOVED.iter().for_each(|name| draft.move_all(name));
    expand_clouds(txn, &mut draft)?;
    if !draft.user.value("EMULATOR").is_empty() {
        let emulator = draft.user.take("EMULATOR").unwrap_or_default();
        draft.vm.template.add("EMULATOR", emulator);
    }
    capacity::take(&mut draft.user, &mut draft.vm.template)?;
    take_os(txn, &mut draft)?;
    if let Some(model) = take_vectors(&mut draft.user, "CPU_MODEL").into_iter().next() {
        draft.vm.template.add_vector("CPU_MODEL", model);
    }
    check_raw(txn.settings(), &draft.vm.template)?;
    pci::take(txn.settings().value("PCI_PASSTHROUGH_BUS"), &mut draft.user, &mut draft.vm.template)?;
    nics::take_defaults(&mut draft.user, &mut draft.vm.template)?;
    for name in context::VROUTER {
        let value = draft.user.value(name).to_owned();
        draft.user.remove(name);
        if !value.is_empty() {
            draft.vm.template.set(name, value);
        }
    }
    let uid = draft.head.uid;
    nics::take(txn, id, uid, &mut draft.user, &mut draft.vm.template)?;
    draft.vm.snapshots = disks::take(txn, id, uid, &mut draft.user, &mut draft.vm.template)?;
    if draft.user.get("SUBMIT_ON_HOLD").is_some() {
        let on_hold = if draft.user.is_yes("SUBMIT_ON_HOLD") { "YES" } else { "NO" };
        draft.user.remove("SUBMIT_ON_HOLD");
        draft.vm.template.set("SUBMIT_ON_HOLD", on_hold);
    }
    if draft.vm.template.vectors("DISK").any(|disk| disk.is_yes("CLONING")) {
        draft.vm.state = State::Cloning;
    }
    boot::set_order(&mut draft.vm.template)?;
    // As in the reference (`VirtualMachine::insert`), volatile disks are thought to take part.
    draft.vm.configure_backups(&mut draft.user, true, false)?;
    take_context(txn, &mut draft)?;
    expand_requirements(txn, &mut draft)?;
    requirements::automatic(txn, &mut draft.vm.template, &draft.user)?;
    graphics::take(txn, &mut draft.user, &mut draft.vm.template)?;
    import(&mut draft)?;
    if let Some(mut group) = take_vectors(&mut draft.user, "VMGROUP").into_iter().next() {
        vmgroup::add_vm(txn, &mut group, uid, id)?;
        draft.vm.template.add_vector("VMGROUP", group);
    }
    take_scheduled_actions(&mut draft)?;
    let Draft { mut head, user, vm } = draft;
    head.template = user;
    head.body = vm.into();
    txn.put(head);
    Ok(id)
}

/// The state it begins in.
fn begin(txn: &Txn, draft: &mut Draft, hold: bool) -> Result<(), String> {
    let hold = hold || txn.settings().is_yes("VM_SUBMIT_ON_HOLD");
    if hold {
        draft.user.set("SUBMIT_ON_HOLD", "YES");
    }
    draft.vm.set_state(if hold { State::Hold } else { State::Pending });
    draft.vm.prev_state = draft.vm.state;
    let deploy_id = draft.user.value("DEPLOY_ID");
    if !deploy_id.is_empty() {
        let imported = |vm: &Vm| vm.state != State::Done && vm.deploy_id == deploy_id && vm.template.is_yes("IMPORTED");
        if txn.each::<Vm>().any(|(_, vm)| imported(vm)) {
            return Err(format!("Virtual Machine {deploy_id} already imported."));
        }
        draft.vm.state = State::Hold;
    }
    Ok(())
}

/// VMID, TEMPLATE_ID and the name.
fn name(draft: &mut Draft) -> Result<(), String> {
    let Draft { head, user, vm } = draft;
    user.remove("VMID");
    vm.template.add("VMID", head.id);
    let template_id = user.take("TEMPLATE_ID").unwrap_or_default();
    if !template_id.is_empty() {
        vm.template.add("TEMPLATE_ID", template_id);
    }
    let given = user.take("NAME").unwrap_or_default();
    let prefix = user.take("TEMPLATE_NAME").filter(|prefix| !prefix.is_empty());
    head.name = if given.is_empty() { format!("{}-{}", prefix.as_deref().unwrap_or("one"), head.id) } else { given };
    names::invalid(&head.name, "").map_or(Ok(()), Err)
}

fn expand_clouds(txn: &Txn, draft: &mut Draft) -> Result<(), String> {
    for name in ["PUBLIC_CLOUD", "EC2"] {
        let given = take_vectors(&mut draft.user, name);
        for cloud in given {
            let cloud = variables::expand_vector(txn, draft.scope(), &cloud)?;
            draft.user.add_vector(name, cloud);
        }
    }
    Ok(())
}

/// OS: one vector at most, with kernel and initrd looked up and an UUID.
fn take_os(txn: &mut Txn, draft: &mut Draft) -> Result<(), String> {
    let mut given = draft.user.remove("OS");
    if given.len() > 1 {
        return Err("Only one OS attribute can be defined.".to_owned());
    }
    let mut os = match given.pop() {
        None => VectorAttribute::new(),
        Some(Attribute::Vector(os)) => os,
        Some(Attribute::Single(_)) => return Err("Internal error parsing OS attribute.".to_owned()),
    };
    files::os_file(txn, draft.head.uid, &mut os, "KERNEL")?;
    files::os_file(txn, draft.head.uid, &mut os, "INITRD")?;
    if os.value("UUID").is_empty() {
        os.set("UUID", uuid(txn));
    }
    draft.vm.template.add_vector("OS", os);
    Ok(())
}

/// A random UUID (version 4).
fn uuid(txn: &mut Txn) -> String {
    let mut bytes = txn.random();
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex: String = bytes[..16].iter().map(|byte| format!("{byte:02x}")).collect();
    [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..]].join("-")
}

fn take_context(txn: &Txn, draft: &mut Draft) -> Result<(), String> {
    let Some(given) = draft.vm.template.vector("CONTEXT").cloned() else { return Ok(()) };
    let built = context::build(txn, draft.scope(), &given, context::Nics::Fixed)?;
    if built.is_yes("TOKEN") {
        draft.vm.template.set("CREATED_BY", draft.head.uid);
    }
    draft.vm.template.set_vectors("CONTEXT", [built]);
    Ok(())
}

/// SCHED_REQUIREMENTS (or the old REQUIREMENTS), with its variables replaced.
fn expand_requirements(txn: &Txn, draft: &mut Draft) -> Result<(), String> {
    let mut given = draft.user.remove("SCHED_REQUIREMENTS");
    let old = draft.user.remove("REQUIREMENTS");
    if given.is_empty() {
        given = old;
    }
    if given.len() > 1 {
        return Err("Only one SCHED_REQUIREMENTS attribute can be defined.".to_owned());
    }
    match given.pop() {
        None => Ok(()),
        Some(Attribute::Vector(_)) => Err("Wrong format for SCHED_REQUIREMENTS attribute.".to_owned()),
        Some(Attribute::Single(text)) => {
            let parsed = variables::expand(txn, draft.scope(), &text)?;
            draft.user.add("SCHED_REQUIREMENTS", parsed);
            Ok(())
        }
    }
}

/// DEPLOY_ID: a VM that runs already, under a name that is not one of ours.
fn import(draft: &mut Draft) -> Result<(), String> {
    let deploy_id = draft.user.take("DEPLOY_ID").unwrap_or_default();
    if deploy_id.is_empty() {
        return Ok(());
    }
    let number = deploy_id.strip_prefix("one-").unwrap_or_default();
    if !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit()) {
        return Err("Trying to import an OpenNebula VM: 'one-*'.".to_owned());
    }
    draft.vm.template.add("IMPORTED", "YES");
    draft.vm.deploy_id = deploy_id;
    Ok(())
}

fn take_scheduled_actions(draft: &mut Draft) -> Result<(), String> {
    let mut refusals = String::new();
    for (id, mut action) in take_vectors(&mut draft.user, "SCHED_ACTION").into_iter().enumerate() {
        action.set("ID", id);
        match check_sched_action(&action) {
            Ok(()) => {
                action.remove("DONE");
                action.remove("MESSAGE");
            }
            Err(reason) => refusals.push_str(&format!(" SCHED_ACTION: {}. Parse error: {reason}", id + 1)),
        }
        draft.vm.template.add_vector("SCHED_ACTION", action);
    }
    if refusals.is_empty() { Ok(()) } else { Err(refusals) }
}
