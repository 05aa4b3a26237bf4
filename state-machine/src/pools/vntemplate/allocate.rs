//! New virtual network templates: `one.vntemplate.allocate`, `one.vntemplate.clone`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::Record;
use quorate_model::records::vntemplate::VnTemplate;
use quorate_model::template::Template;

use crate::methods::Request;
use crate::pools::vnet::driver;
use crate::txn::Txn;
use crate::verbs;

/// A new template object whose network driver has what it needs.
fn new_object(txn: &Txn, name: String, template: Template) -> Result<Object, String> {
    if template.value("VN_MAD").is_empty() {
        return Err("Error inserting Template in DB. VN_MAD is mandatory".to_owned());
    }
    driver::check(&template)?;
    Ok(Object::new(name, template, VnTemplate { registered: txn.now() }))
}

/// `one.vntemplate.allocate`: parameter template.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, template) = verbs::template_to_create(txn, Kind::VnTemplate, request.str(0))?;
    verbs::check_restricted(txn, txn.actor(), VnTemplate::RESTRICTED, &template)?;
    verbs::check_new(txn, Kind::VnTemplate, &name)?;
    txn.begin_insert(Kind::VnTemplate);
    let object = new_object(txn, name, template).map_err(ApiError::internal)?;
    verbs::allocate_named(txn, object).map(Value::Int)
}

/// `one.vntemplate.clone`: parameters id, name.
pub fn clone(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = verbs::template_to_clone(txn, request)?;
    let refuse = |reason: String| ApiError::allocate(Kind::VnTemplate, reason);
    verbs::check_new(txn, Kind::VnTemplate, request.str(1)).map_err(|e| refuse(e.text))?;
    txn.begin_insert(Kind::VnTemplate);
    let object = new_object(txn, request.str(1).to_owned(), template).map_err(refuse)?;
    verbs::allocate_clone(txn, object).map(Value::Int)
}
