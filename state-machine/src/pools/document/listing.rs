//! `one.documentpool.info`: the documents of one type.

use quorate_model::api::ApiReply;
use quorate_model::body::Variant;
use quorate_model::head::Form;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::document::Document;

use crate::methods::{Request, View};
use crate::verbs::listing::{self, Range};

/// `one.documentpool.info`: parameters filter flag, start, end, type.
pub fn pool_info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let range = Range { start: request.int(1), end: request.int(2) };
    let doc_type = request.int(3);
    let of_type = |object: &Object| Document::of(&object.body).is_some_and(|d| d.doc_type == doc_type);
    let objects = listing::select(view, Kind::Document, request.int(0), range, of_type)?;
    Ok(listing::document(Kind::Document.info().pool_element, objects, Form::Short))
}
