//! `one.vrouter.allocate`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::vrouter::{VRouter, nic_charges};

use super::nics;
use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::txn::Txn;
use crate::{booking, names, verbs};

/// Parameter template.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::parse_new(request.str(0))?;
    let actor = txn.actor().clone();
    let mut wishes = vec![AuthRequest::create(Kind::VRouter, actor.uid, txn.effective_gid(&actor))];
    wishes.extend(nics::wishes(txn, &[actor.uid], &mut template));
    txn.authorize(&wishes)?;
    nics::refuse_restricted(txn, &template)?;
    let name = template.take("NAME").unwrap_or_default();
    let mut object = Object::new(name, template, VRouter::default());
    verbs::own(txn, &actor, &mut object)?;
    booking::book(txn, object.uid, object.gid, &nic_charges(object.template.vectors("NIC")))?;
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
