//! Virtual routers: body, XML, methods. A router is a set of VMs with the same NICs, and floating addresses they share.
//!
//! NICs and their leases are in [`nics`]; what happens to the VMs along with the router is in `vms`.

pub mod nics;
mod vms;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::{self, Request as AuthRequest};
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::names;
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::quota::{self, Charge};
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::xml::XmlWriter;

pub use self::vms::forget_vm;

/// The particular part of a virtual router. Its NICs are in the object's template.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VRouter {
    /// Its VMs.
    pub vms: BTreeSet<i32>,
}

impl PoolBody for VRouter {
    const KIND: Kind = Kind::VRouter;
    body_of!(VRouter);

    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.permissions.render(w);
            object.render_lock(w);
            w.ids("VMS", &self.vms);
            object.template.render("TEMPLATE", w);
        });
    }

    fn charges(&self, object: &Object) -> Vec<Charge> {
        nics::charges(object.template.vectors("NIC"))
    }

    /// NICs change by attaching and detaching only.
    fn updating(txn: &Txn, id: i32, new: &mut Template, replaces: bool) {
        new.remove("NIC");
        if let Ok(object) = txn.object(Kind::VRouter, id)
            && replaces
        {
            new.set_vectors("NIC", object.template.vectors("NIC").cloned());
        }
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        nics::release_all(txn, id)?;
        vms::end_all(txn, id)
    }
}

/// `one.vrouter.allocate`: parameter template.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::parse_new(request.str(0))?;
    let actor = txn.actor().clone();
    let mut wishes = vec![AuthRequest::create(Kind::VRouter, actor.uid, authorize::effective_gid(txn, &actor))];
    wishes.extend(nics::wishes(txn, &[actor.uid], &mut template));
    txn.authorize(&wishes)?;
    nics::refuse_restricted(txn, &template)?;
    let name = template.take("NAME").unwrap_or_default();
    let mut object = Object::new(name, template, VRouter::default());
    verbs::own(txn, &actor, &mut object)?;
    quota::book(txn, object.uid, object.gid, &nics::charges(object.template.vectors("NIC")))?;
    txn.begin_insert(Kind::VRouter);
    if let Some(reason) = names::invalid(&object.name, "") {
        return Err(ApiError::internal(reason));
    }
    object.id = txn.next_id(Kind::VRouter);
    nics::lease_all(txn, &mut object).map_err(ApiError::internal)?;
    object.template.drop_empty_vectors();
    let id = object.id;
    txn.put(object);
    Ok(Value::Int(id))
}

/// `one.vrouter.chown`: parameters id, user, group. The router's VMs go with it, as far as quotas let them.
fn chown(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let reply = verbs::chown(txn, request)?;
    let (uid, gid) = (request.int(1), request.int(2));
    let mut refused = None;
    for vm in txn.get::<VRouter>(request.id())?.1.vms.clone() {
        if let Err(refusal) = txn.attempt(|txn| vms::chown(txn, vm, uid, gid)) {
            refused = Some(refusal);
        }
    }
    // As in the reference, those that could change stay changed.
    refused.map_or(Ok(reply), |refusal| {
        txn.keep_although_refused();
        Err(refusal)
    })
}

/// `one.vrouter.chmod`: parameters id and nine bits. The router's VMs change with it, as far as rights let them.
fn chmod(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let wanted: [i32; 9] = std::array::from_fn(|i| request.int(i + 1));
    verbs::chmod_object(txn, Kind::VRouter, request.id(), wanted)?;
    let mut refused = None;
    for vm in txn.get::<VRouter>(request.id())?.1.vms.clone() {
        if let Err(refusal) = txn.attempt(|txn| verbs::chmod_object(txn, Kind::Vm, vm, wanted)) {
            refused = Some(refusal);
        }
    }
    refused.map_or(Ok(Value::Int(request.id())), |refusal| {
        txn.keep_although_refused();
        Err(refusal)
    })
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.vrouter.allocate", Kind::VRouter, &[req("template", Type::Str)], &[], allocate),
    write("one.vrouter.attachnic", Kind::VRouter, &[ID, req("template", Type::Str)], &[], nics::attach),
    write("one.vrouter.chmod", Kind::VRouter, verbs::CHMOD, &[Need::Exists(Kind::VRouter, 0)], chmod),
    write("one.vrouter.chown", Kind::VRouter, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::VRouter, 0)], chown),
    write("one.vrouter.delete", Kind::VRouter, &[ID, opt("ignored", Type::Bool, Default::Bool(false))], &[Need::May(Kind::VRouter, 0, Op::Manage)], verbs::delete),
    write("one.vrouter.detachnic", Kind::VRouter, &[ID, req("nic_id", Type::Int)], &[Need::May(Kind::VRouter, 0, Op::Manage)], nics::detach),
    read("one.vrouter.info", Kind::VRouter, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VRouter, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vrouter.instantiate", Kind::VRouter, &[ID, req("number", Type::Int), req("template_id", Type::Int), req("name", Type::Str), req("hold", Type::Bool), req("extra_template", Type::Str)], &[], vms::instantiate),
    write("one.vrouter.lock", Kind::VRouter, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VRouter, 0, Op::Manage)], verbs::lock),
    write("one.vrouter.rename", Kind::VRouter, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::VRouter, 0)], verbs::rename),
    write("one.vrouter.unlock", Kind::VRouter, &[ID], &[Need::MayIgnoringLock(Kind::VRouter, 0, Op::Manage)], verbs::unlock),
    write("one.vrouter.update", Kind::VRouter, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::VRouter, 0, Op::Manage)], verbs::update),
    read("one.vrouterpool.info", Kind::VRouter, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
