//! Virtual machine templates: body, XML, methods.

mod disks;
mod instantiate;
mod raw;
mod sched_action;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::Request as AuthRequest;
use crate::budget::Budget;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, View, opt, read, req, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of, image, vm};
use crate::settings::Settings;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

pub use instantiate::instantiate;
pub use raw::{check_raw, check_restricted_raw};
pub use sched_action::{check_sched_action, check_sched_actions};

/// The particular part of a template.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VmTemplate {
    /// When it was made, unix seconds.
    pub registered: i64,
}

impl PoolBody for VmTemplate {
    const KIND: Kind = Kind::Template;
    const RESTRICTED: &'static str = "VM_RESTRICTED_ATTR";
    body_of!(Template);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        self.render_with(object, &object.template, w);
    }

    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let mut template = txn.object(Kind::Template, id).map_err(|e| e.text)?.template.clone();
        check_content(txn.settings(), &mut template)?;
        txn.object_mut(Kind::Template, id).map_err(|e| e.text)?.template = template;
        Ok(())
    }
}

impl VmTemplate {
    /// The XML of `object` with another template than its own.
    fn render_with(&self, object: &Object, template: &Template, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            w.plain("REGTIME", self.registered);
            template.render("TEMPLATE", w);
        });
    }
}

/// Checks what a stored template may hold, and cleans its scheduled actions of what past runs left.
///
/// # Errors
/// The reference's text.
fn check_content(settings: &Settings, template: &mut Template) -> Result<(), String> {
    check_sched_actions(template)?;
    check_raw(settings, template)
}

/// Adds a template of the caller's.
///
/// # Errors
/// The reference's text: about the name, then about the content.
fn add(txn: &mut Txn, name: &str, mut template: Template) -> Result<i32, String> {
    verbs::check_new(txn, Kind::Template, name).map_err(|e| e.text)?;
    txn.begin_insert(Kind::Template);
    check_content(txn.settings(), &mut template)?;
    let object = Object::new(name, template, VmTemplate { registered: txn.now() });
    verbs::allocate_named(txn, object).map_err(|e| e.text)
}

/// `one.template.allocate`: parameter template.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, template) = verbs::template_to_create(txn, Kind::Template, request.str(0))?;
    verbs::check_restricted(txn, txn.actor(), VmTemplate::RESTRICTED, &template)?;
    add(txn, &name, template).map(Value::Int).map_err(ApiError::internal)
}

/// `one.template.clone`: parameters id, name, whether to copy the images of its disks too.
fn clone(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = verbs::template_to_clone(txn, request)?;
    let name = request.str(1);
    let id = add(txn, name, template).map_err(|reason| ApiError::allocate(Kind::Template, reason))?;
    if request.bool(2) {
        disks::copy_images(txn, id, name, false)?;
    }
    Ok(Value::Int(id))
}

/// `one.template.chmod`: as for every pool; a last parameter whether to change the images of its disks too.
fn chmod(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let reply = verbs::chmod(txn, request)?;
    if request.bool(10) {
        disks::chmod_images(txn, request.id(), std::array::from_fn(|i| request.int(i + 1)))?;
    }
    Ok(reply)
}

/// `one.template.delete`: parameters id, whether to delete the images of its disks too.
fn delete(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = txn.object(Kind::Template, request.id())?.template.clone();
    let reply = verbs::delete(txn, request)?;
    if request.bool(1) {
        disks::delete_images(txn, &template);
    }
    Ok(reply)
}

/// `one.template.info`: parameters id, whether to show what its disks take from their images.
fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    if !request.bool(1) {
        return verbs::info(view, request);
    }
    let (object, body) = view.state.get::<VmTemplate>(request.id())?;
    let (uid, mut template) = (view.actor.uid, verbs::decrypted(view, request, object).template.clone());
    let mut wishes = vec![AuthRequest::on(object, Op::Use).ignoring_lock()];
    wishes.extend(vm::allocate::wishes(view.state, &[uid], &mut template, true));
    view.authorize(&wishes)?;
    let budget = Budget::default();
    for (id, disk) in (0..).zip(template.vectors_mut("DISK")) {
        image::usage::describe(view.state, &budget, uid, disk, id).map_err(ApiError::internal)?;
    }
    let mut w = XmlWriter::new();
    body.render_with(object, &template, &mut w);
    Ok(Value::Text(w.finish()))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.template.allocate", Kind::Template, &[req("template", Type::Str)], &[], allocate),
    write("one.template.chmod", Kind::Template, verbs::CHMOD_RECURSIVE, &[Need::Exists(Kind::Template, 0)], chmod),
    write("one.template.chown", Kind::Template, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Template, 0)], verbs::chown),
    write("one.template.clone", Kind::Template, &[ID, req("name", Type::Str), opt("recursive", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Template, 0, Op::Use), Need::Create(Kind::Template)], clone),
    write("one.template.delete", Kind::Template, &[ID, opt("recursive", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Template, 0, Op::Manage)], delete),
    read("one.template.info", Kind::Template, &[ID, opt("extended", Type::Bool, Default::Bool(false)), opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Template, 0, Op::Use)], info).while_disabled(),
    write("one.template.instantiate", Kind::Template, &[ID, req("name", Type::Str), opt("hold", Type::Bool, Default::Bool(false)), opt("extra_template", Type::Str, Default::Str("")), opt("persistent", Type::Bool, Default::Bool(false))], &[Need::Exists(Kind::Template, 0)], instantiate::call).not_with_just(3),
    write("one.template.lock", Kind::Template, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Template, 0, Op::Manage)], verbs::lock),
    write("one.template.rename", Kind::Template, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Template, 0)], verbs::rename),
    write("one.template.unlock", Kind::Template, &[ID], &[Need::MayIgnoringLock(Kind::Template, 0, Op::Manage)], verbs::unlock),
    write("one.template.update", Kind::Template, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Template, 0, Op::Manage)], verbs::update),
    read("one.templatepool.info", Kind::Template, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
