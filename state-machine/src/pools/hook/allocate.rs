//! `one.hook.allocate`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::hook::Hook;

use super::rules::{self, yes_no};
use crate::methods::Request;
use crate::txn::Txn;
use crate::{names, verbs};

/// `one.hook.allocate`: parameter template.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::Hook, request.str(0))?;
    let type_name = template.value("TYPE").to_ascii_lowercase();
    let hook_type = rules::type_of(&template, &type_name)
        .ok_or_else(|| ApiError::internal(format!("Invalid Hook type: {type_name}")))?;
    if names::invalid(&name, "").is_some() {
        return Err(ApiError::internal("Invalid name."));
    }
    names::check_new(txn, Kind::Hook, -1, &name)?;
    txn.begin_insert(Kind::Hook);
    let command = template.value("COMMAND").to_owned();
    if command.is_empty() {
        return Err(ApiError::internal("No COMMAND in template for Hook."));
    }
    let remote = yes_no(template.is_yes("REMOTE"));
    template.remove("TYPE");
    template.set("COMMAND", command);
    template.set("REMOTE", remote);
    let hook_type = hook_type.map_err(ApiError::internal)?;
    rules::check_new(txn.methods(), hook_type, &mut template).map_err(ApiError::internal)?;
    template.drop_empty_vectors();
    let hook = Hook { hook_type, ..Hook::default() };
    Ok(Value::Int(txn.insert(Object::new(name, template, hook).owned_by_oneadmin(0o600))))
}
