//! New security groups: the one of a fresh zone, `one.secgroup.allocate`, `one.secgroup.clone`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::secgroup::{DEFAULT, SecGroup};
use quorate_model::template::{Template, VectorAttribute};

use super::rules;
use crate::methods::Request;
use crate::txn::Txn;
use crate::verbs;

/// The group of a fresh zone: it lets everything pass.
pub fn bootstrap(txn: &mut Txn) {
    const DESCRIPTION: &str = "The default security group is added to every network. Use it to add default filter \
        rules for your networks. You may remove this security group from any network by updating its properties.";
    let mut template = Template::new();
    template.set("DESCRIPTION", DESCRIPTION);
    for direction in ["OUTBOUND", "INBOUND"] {
        template.add_vector("RULE", VectorAttribute::from_iter([("RULE_TYPE", direction), ("PROTOCOL", "ALL")]));
    }
    txn.put_with_id(DEFAULT, Object::new("default", template, SecGroup::default()).owned_by_oneadmin(0o744));
}

/// `one.secgroup.allocate`: parameter template.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::SecGroup, request.str(0))?;
    verbs::check_new(txn, Kind::SecGroup, &name)?;
    rules::normalize(&mut template).map_err(ApiError::internal)?;
    verbs::allocate_named(txn, Object::new(name, template, SecGroup::default())).map(Value::Int)
}

/// `one.secgroup.clone`: parameters id, name.
pub fn clone(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::template_to_clone(txn, request)?;
    let refuse = |reason: String| ApiError::allocate(Kind::SecGroup, reason);
    verbs::check_new(txn, Kind::SecGroup, request.str(1)).map_err(|e| refuse(e.text))?;
    rules::normalize(&mut template).map_err(refuse)?;
    verbs::allocate_clone(txn, Object::new(request.str(1), template, SecGroup::default())).map(Value::Int)
}
