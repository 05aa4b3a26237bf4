//! `one.vntemplate.instantiate`: a virtual network made of a template.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::ids::id_list;
use quorate_model::kind::Kind;
use quorate_model::records::Record;
use quorate_model::records::cluster::DEFAULT;
use quorate_model::records::vntemplate::VnTemplate;

use crate::authorize::{self, Request as AuthRequest};
use crate::methods::Request;
use crate::pools::vnet;
use crate::state::State;
use crate::txn::Txn;
use crate::verbs;

/// `one.vntemplate.instantiate`: parameters id, name, extra attributes.
pub fn instantiate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let object = txn.object(Kind::VnTemplate, request.id())?;
    let wish = AuthRequest::on(object, Op::Use);
    let (template_name, mut template) = (object.name.clone(), object.template.clone());
    // Extra attributes do not move the network to other clusters (the reference: `RequestManagerVNTemplate.cc`,
    // `VNTemplateInstantiate::request_execute`).
    let clusters = clusters_for(txn, template.value("CLUSTER_IDS"));
    verbs::merge_extra(txn, VnTemplate::RESTRICTED, &mut template, request.str(2))?;
    let owner = verbs::owner_asked_for(txn, &mut template)?;
    template.set("NAME", request.str(1));
    template.set("TEMPLATE_NAME", template_name);
    template.set("TEMPLATE_ID", request.id());
    authorize::authorize(txn, &owner, &[wish])?;
    txn.inherit_secrets(Kind::VnTemplate, request.id());
    let id = vnet::allocate::from_template(txn, &owner, template, &clusters, None);
    id.map(Value::Int).map_err(|refused| ApiError::allocate(Kind::VnTemplate, refused.text))
}

/// The clusters of a list that exist; the default one when the list is empty.
fn clusters_for(state: &State, list: &str) -> BTreeSet<i32> {
    if list.is_empty() {
        return BTreeSet::from([DEFAULT]);
    }
    let mut ids = id_list(list);
    ids.retain(|id| state.find(Kind::Cluster, *id).is_some());
    ids
}
