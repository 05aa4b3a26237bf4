//! From a template to a VM: extra attributes, other owners, private copies with persistent images.

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::Actor;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::Record;
use quorate_model::records::template::VmTemplate;
use quorate_model::template::Template;

use super::{content, disks};
use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::vm::allocate;
use crate::txn::Txn;
use crate::verbs;

/// `one.template.instantiate`: parameters template, name, hold, extra attributes, persistent.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, name) = (request.id(), request.str(1));
    let original = txn.object(Kind::Template, id)?;
    if original.template.is_yes("VROUTER") {
        return Err(ApiError::action("Virtual router templates cannot be instantiated"));
    }
    let (hold, extra) = (request.bool(2), request.str(3));
    if !request.bool(4) {
        return instantiate(txn, id, name, hold, extra, None).map(Value::Int);
    }
    let copy_name = if name.is_empty() { format!("{}-copy", original.name) } else { name.to_owned() };
    let copy = private_copy(txn, id, &copy_name, extra)?;
    instantiate(txn, copy, name, hold, &format!("CLONING_TEMPLATE_ID={id}"), None).map(Value::Int)
}

/// A copy of a template with extra attributes, its images copied too and persistent.
fn private_copy(txn: &mut Txn, id: i32, name: &str, extra: &str) -> Result<i32, ApiError> {
    let mut template = txn.object(Kind::Template, id)?.template.clone();
    verbs::merge_extra(txn, VmTemplate::RESTRICTED, &mut template, extra)?;
    template.remove("NAME");
    let mut wishes = vec![AuthRequest::on(txn.object(Kind::Template, id)?, Op::Use)];
    wishes.push(may_create(txn, txn.actor()));
    txn.authorize(&wishes)?;
    txn.inherit_secrets(Kind::Template, id);
    let copy = content::add(txn, name, template).map_err(|reason| ApiError::allocate(Kind::Template, reason))?;
    disks::copy_images(txn, copy, name, true)?;
    Ok(copy)
}

/// Makes a VM of a template for the caller, or for whom AS_UID and AS_GID of the attributes say. Extra attributes
/// (`extra`) take the right to create templates; `also` come from virtual routers and are not the caller's.
///
/// # Errors
/// NO_EXISTS, INTERNAL, AUTHORIZATION, ALLOCATE as the reference words them.
pub fn instantiate(
    txn: &mut Txn,
    id: i32,
    name: &str,
    hold: bool,
    extra: &str,
    also: Option<&Template>,
) -> Result<i32, ApiError> {
    let object = txn.object(Kind::Template, id)?;
    let (template_name, mut template) = (object.name.clone(), object.template.clone());
    let mut wishes = vec![AuthRequest::on(object, Op::Use)];
    verbs::merge_extra(txn, VmTemplate::RESTRICTED, &mut template, extra)?;
    if let Some(also) = also {
        template.merge(also);
    }
    let owner = verbs::owner_asked_for(txn, &mut template)?;
    template.remove("NAME");
    template.set("TEMPLATE_NAME", template_name);
    template.set("TEMPLATE_ID", id);
    if !name.is_empty() {
        template.set("NAME", name);
    }
    if !extra.is_empty() {
        wishes.push(may_create(txn, &owner));
    }
    txn.inherit_secrets(Kind::Template, id);
    allocate::from_template(txn, template, hold, &owner, wishes, Some(Kind::Template))
}

fn may_create(txn: &Txn, owner: &Actor) -> AuthRequest {
    AuthRequest::create(Kind::Template, owner.uid, txn.effective_gid(owner))
}
