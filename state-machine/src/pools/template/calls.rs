//! The methods of templates but instantiation: with the images of their disks where the caller wants that.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::Record;
use quorate_model::records::template::VmTemplate;
use quorate_model::xml::XmlWriter;

use super::{content, disks};
use crate::authorize::Request as AuthRequest;
use crate::budget::Budget;
use crate::methods::{Request, View};
use crate::pools::image::usage;
use crate::pools::vm::wishes;
use crate::txn::Txn;
use crate::verbs;

/// `one.template.allocate`: parameter template.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, template) = verbs::template_to_create(txn, Kind::Template, request.str(0))?;
    verbs::check_restricted(txn, txn.actor(), VmTemplate::RESTRICTED, &template)?;
    content::add(txn, &name, template).map(Value::Int).map_err(ApiError::internal)
}

/// `one.template.clone`: parameters id, name, whether to copy the images of its disks too.
pub fn clone(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = verbs::template_to_clone(txn, request)?;
    let name = request.str(1);
    let id = content::add(txn, name, template).map_err(|reason| ApiError::allocate(Kind::Template, reason))?;
    if request.bool(2) {
        disks::copy_images(txn, id, name, false)?;
    }
    Ok(Value::Int(id))
}

/// `one.template.chmod`: as for every pool; a last parameter whether to change the images of its disks too.
pub fn chmod(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let reply = verbs::chmod(txn, request)?;
    if request.bool(10) {
        disks::chmod_images(txn, request.id(), std::array::from_fn(|i| request.int(i + 1)))?;
    }
    Ok(reply)
}

/// `one.template.delete`: parameters id, whether to delete the images of its disks too.
pub fn delete(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = txn.object(Kind::Template, request.id())?.template.clone();
    let reply = verbs::delete::<VmTemplate>(txn, request)?;
    if request.bool(1) {
        disks::delete_images(txn, &template);
    }
    Ok(reply)
}

/// `one.template.info`: parameters id, whether to show what its disks take from their images.
pub fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    if !request.bool(1) {
        return verbs::info(view, request);
    }
    let (object, body) = view.state.get::<VmTemplate>(request.id())?;
    let (uid, mut template) = (view.actor.uid, verbs::decrypted(view, request, object).template.clone());
    let mut wishes = vec![AuthRequest::on(object, Op::Use).ignoring_lock()];
    wishes.extend(wishes::of(view.state, &[uid], &mut template, true));
    view.authorize(&wishes)?;
    let budget = Budget::default();
    for (id, disk) in (0..).zip(template.vectors_mut("DISK")) {
        usage::describe(view.state, &budget, uid, disk, id).map_err(ApiError::internal)?;
    }
    let mut w = XmlWriter::new();
    body.render_with(&object.head(), &template, &mut w);
    Ok(Value::Text(w.finish()))
}
