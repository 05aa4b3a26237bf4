//! New documents: `one.document.allocate`, `one.document.clone`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::document::Document;
use quorate_model::template::Template;

use crate::methods::Request;
use crate::txn::Txn;
use crate::verbs;

/// Longest name of a new document, in bytes.
const MAX_NAME: usize = 128;

/// Adds a document of the caller's. Names need not be unique; an empty one becomes `document-<id>`.
fn add(txn: &mut Txn, name: String, mut template: Template, doc_type: i32) -> Result<i32, ApiError> {
    txn.begin_insert(Kind::Document);
    if name.len() > MAX_NAME {
        return Err(ApiError::internal("NAME is too long; max length is 128 chars."));
    }
    // Such a name would break the reference's XML (`Document.cc`, `insert_replace`); other characters are not refused
    // here.
    if name.contains(['<', '&']) {
        return Err(ApiError::internal("Error transforming the Document to XML."));
    }
    let actor = txn.actor().clone();
    template.drop_empty_vectors();
    #[cfg(feature = "test-next-level")]
    if txn.feature_level() >= crate::levels::MARKED_DOCUMENTS {
        template.set("FEATURE_LEVEL", txn.feature_level());
        txn.globals_mut().marked_documents += 1;
    }
    let mut object = Object::new(name, template, Document { doc_type });
    verbs::own(txn, &actor, &mut object)?;
    object.id = txn.next_id(Kind::Document);
    if object.name.is_empty() {
        object.name = format!("document-{}", object.id);
    }
    let id = object.id;
    txn.put(object);
    Ok(id)
}

/// `one.document.allocate`: parameters template, type.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, template) = verbs::template_to_create(txn, Kind::Document, request.str(0))?;
    add(txn, name, template, request.int(1)).map(Value::Int)
}

/// `one.document.clone`: parameters id, name.
pub fn clone(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = verbs::template_to_clone(txn, request)?;
    let doc_type = txn.get::<Document>(request.id())?.1.doc_type;
    let id = add(txn, request.str(1).to_owned(), template, doc_type);
    id.map(Value::Int).map_err(|refused| ApiError::allocate(Kind::Document, refused.text))
}
