//! The methods of VM groups: roles that VMs take, and which roles or hosts belong together or apart.
//!
//! Placing VMs by these rules is the scheduler's work: it reads the groups. This file must not place anything.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::vmgroup::VmGroup;
use quorate_model::template::VectorAttribute;

use crate::authorize::Request as AuthRequest;
use crate::methods::{Method, Need, Request, read, write};
use crate::state::State;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for VmGroup {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        txn.object_mut(Kind::VmGroup, id).map_err(|e| e.text)?.template.remove("ROLE");
        let (object, group) = txn.get::<VmGroup>(id).map_err(|e| e.text)?;
        match group.roles.iter().map(|role| role.vms.len()).sum::<usize>() {
            0 => group.check_rules(&object.template),
            vms => Err(format!("VM Group has {vms} VMs")),
        }
    }
}

/// The group that a VM's VMGROUP attribute means: by VMGROUP_NAME of VMGROUP_UID or else of `uid`, or by VMGROUP_ID.
#[must_use]
pub fn find(state: &State, attribute: &VectorAttribute, uid: i32) -> Option<i32> {
    match attribute.value("VMGROUP_NAME") {
        "" => attribute.id("VMGROUP_ID").filter(|id| state.find(Kind::VmGroup, *id).is_some()),
        name => state.id_of(Kind::VmGroup, attribute.id("VMGROUP_UID").unwrap_or(uid), name),
    }
}

/// The right that a VM with this VMGROUP attribute takes; none when there is no such group ([`add_vm`] refuses).
#[must_use]
pub fn authorization(state: &State, attribute: &VectorAttribute, uid: i32) -> Option<AuthRequest> {
    let id = find(state, attribute, uid)?;
    state.find(Kind::VmGroup, id).map(|group| AuthRequest::on(group, Op::Use))
}

/// Gives a VM of `uid` the role that its VMGROUP attribute asks for; the attribute gets the group's id.
///
/// # Errors
/// No role is asked for, or there is no such group or role.
pub fn add_vm(txn: &mut Txn, attribute: &mut VectorAttribute, uid: i32, vm: i32) -> Result<(), String> {
    let role = attribute.value("ROLE").to_owned();
    if role.is_empty() {
        return Err("Missing role name in VM Group definition".to_owned());
    }
    let id = find(txn, attribute, uid).ok_or("Cannot find VM Group to associate the VM")?;
    attribute.set("VMGROUP_ID", id);
    let group = txn.body_mut::<VmGroup>(id).map_err(|e| e.text)?;
    let role = group.role_id(&role).and_then(|place| group.roles.get_mut(place));
    role.ok_or("Role does not exist in VM Group")?.vms.insert(vm);
    Ok(())
}

/// Takes its role from a VM, as its VMGROUP attribute names it. The group may be gone.
pub fn remove_vm(txn: &mut Txn, attribute: &VectorAttribute, vm: i32) {
    let Some(id) = attribute.id("VMGROUP_ID") else { return };
    if txn.find(Kind::VmGroup, id).is_none() {
        return;
    }
    if let Ok(group) = txn.body_mut::<VmGroup>(id)
        && let Some(role) = group.role_id(attribute.value("ROLE")).and_then(|place| group.roles.get_mut(place))
    {
        role.vms.remove(&vm);
    }
}

/// `one.vmgroup.allocate`: parameter template.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::VmGroup, request.str(0))?;
    verbs::check_new(txn, Kind::VmGroup, &name)?;
    txn.begin_insert(Kind::VmGroup);
    let group = VmGroup::with_roles(&mut template).map_err(ApiError::internal)?;
    group.check_rules(&template).map_err(ApiError::internal)?;
    verbs::allocate_named(txn, Object::new(name, template, group)).map(Value::Int)
}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write("one.vmgroup.allocate", Kind::VmGroup, params::CREATE, &[], allocate).makes_object(),
    write("one.vmgroup.chmod", Kind::VmGroup, params::CHMOD, &[Need::Exists(Kind::VmGroup, 0)], verbs::chmod),
    write(
        "one.vmgroup.chown",
        Kind::VmGroup,
        params::CHOWN,
        &[Need::Exists(Kind::VmGroup, 0)],
        verbs::chown::<VmGroup>,
    ),
    write(
        "one.vmgroup.delete",
        Kind::VmGroup,
        params::OBJECT,
        &[Need::May(Kind::VmGroup, 0, Op::Manage)],
        verbs::delete::<VmGroup>,
    )
    .ends_object(),
    read(
        "one.vmgroup.info",
        Kind::VmGroup,
        params::INFO,
        &[Need::MayIgnoringLock(Kind::VmGroup, 0, Op::Use)],
        verbs::info,
    )
    .while_disabled(),
    write(
        "one.vmgroup.lock",
        Kind::VmGroup,
        params::LOCK,
        &[Need::MayIgnoringLock(Kind::VmGroup, 0, Op::Manage)],
        verbs::lock,
    ),
    write(
        "one.vmgroup.rename",
        Kind::VmGroup,
        params::RENAME,
        &[Need::Exists(Kind::VmGroup, 0)],
        verbs::rename::<VmGroup>,
    ),
    write(
        "one.vmgroup.unlock",
        Kind::VmGroup,
        params::OBJECT,
        &[Need::MayIgnoringLock(Kind::VmGroup, 0, Op::Manage)],
        verbs::unlock,
    ),
    write(
        "one.vmgroup.update",
        Kind::VmGroup,
        params::UPDATE,
        &[Need::May(Kind::VmGroup, 0, Op::Manage)],
        verbs::update::<VmGroup>,
    ),
    read("one.vmgrouppool.info", Kind::VmGroup, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
