//! The VMs of a virtual router: made together, changed and ended along with it.
//!
//! It must not know how VMs do what is asked of them.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::{ApiError, ErrorCode};
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::vm::state::VmAction;
use quorate_model::records::vrouter::VRouter;
use quorate_model::settings::Settings;
use quorate_model::template::Template;

use super::nics;
use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::template::instantiate;
use crate::pools::vm::{actions, recover};
use crate::txn::Txn;

/// More VMs than this are not made at once: one call must not stop the zone.
const MOST_VMS: i32 = 1000;

/// The number of ids that keepalived has for instances.
const KEEPALIVED_IDS: i32 = 255;

/// `one.vrouter.instantiate`: parameters id, number of VMs, template (-1: that of the last time), name (`%i` is the
/// VM's number), whether the VMs are held, further attributes.
pub fn instantiate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let router = txn.object(Kind::VRouter, id)?;
    let template_id = match request.int(2) {
        -1 => router.template.int("TEMPLATE_ID").and_then(|id| i32::try_from(id).ok()).unwrap_or(-1),
        given => given,
    };
    if template_id == -1 {
        let text = "A template ID was not provided, and the virtual router does not have a default one";
        return Err(ApiError::action(text));
    }
    txn.authorize(&[AuthRequest::on(router, Op::Manage)])?;
    if !txn.object(Kind::Template, template_id)?.template.is_yes("VROUTER") {
        return Err(ApiError::action("Only virtual router templates are allowed"));
    }
    if request.int(1) > MOST_VMS {
        return Err(ApiError::action(format!("At most {MOST_VMS} virtual machines can be instantiated at once")));
    }
    let name = match request.str(3) {
        "" => format!("vr-{}-%i", router.name),
        given => given.to_owned(),
    };
    let extra = for_vms(txn.settings(), router);
    let made = make(txn, request, template_id, &name, &extra)?;
    let object = txn.object_mut(Kind::VRouter, id)?;
    object.template.set("TEMPLATE_ID", template_id);
    txn.body_mut::<VRouter>(id)?.vms.extend(&made);
    if !request.bool(4) {
        for vm in made {
            release(txn, vm);
        }
    }
    Ok(Value::Int(id))
}

/// Makes the VMs, held until all are there. When one is refused, those before it end; as in the reference
/// (`VirtualRouterInstantiate::request_execute`) they stay known as ended VMs.
fn make(
    txn: &mut Txn,
    request: &Request<'_>,
    template: i32,
    name: &str,
    extra: &Template,
) -> Result<Vec<i32>, ApiError> {
    let mut made = Vec::new();
    for number in 0..request.int(1) {
        let name = name.replace("%i", &number.to_string());
        match txn.attempt(|txn| instantiate::instantiate(txn, template, &name, true, request.str(5), Some(extra))) {
            Ok(vm) => made.push(vm),
            Err(refusal) => {
                for vm in made {
                    end(txn, vm);
                }
                txn.keep_although_refused();
                return Err(match refusal.code {
                    ErrorCode::Allocate => ApiError::allocate(Kind::VRouter, refusal.reason()),
                    _ => refusal,
                });
            }
        }
    }
    Ok(made)
}

/// What a router adds to the templates of its VMs: its NICs, and who it is for keepalived.
fn for_vms(settings: &Settings, router: &Object) -> Template {
    let mut template = Template::new();
    let nics = router.template.vectors("NIC").cloned().map(|mut nic| {
        nics::separate_floating(settings, &mut nic);
        nic
    });
    template.set_vectors("NIC", nics);
    template.set("VROUTER_ID", router.id);
    let keepalived = router.template.get("KEEPALIVED_ID").and_then(quorate_model::template::whole_int);
    template.set("VROUTER_KEEPALIVED_ID", keepalived.unwrap_or(i64::from(router.id % KEEPALIVED_IDS) + 1));
    let password = router.template.value("KEEPALIVED_PASSWORD");
    if !password.is_empty() {
        template.set("VROUTER_KEEPALIVED_PASSWORD", password);
    }
    template
}

/// Ends all VMs of a router that is deleted.
///
/// # Errors
/// NO_EXISTS.
pub fn end_all(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    for vm in txn.get::<VRouter>(id)?.1.vms.clone() {
        end(txn, vm);
    }
    Ok(())
}

/// Ends a VM, whatever it is doing. One that cannot be ended stays as it is, without router.
fn end(txn: &mut Txn, vm: i32) {
    let ended = txn.attempt(|txn| actions::perform(txn, vm, VmAction::TerminateHard));
    if !matches!(ended, Ok(true)) {
        let _ = txn.attempt(|txn| recover::delete(txn, vm));
    }
}

/// Lets a held VM start. One that is not held stays as it is.
fn release(txn: &mut Txn, vm: i32) {
    let _ = txn.attempt(|txn| actions::perform(txn, vm, VmAction::Release));
}
