//! Documents: templates of any type that other services keep in the zone (OneFlow's services, for one).

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::body::Variant;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, View, opt, read, req, write};
use crate::object::Object;
use crate::records::Record;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::verbs::listing::{self, Range};
use crate::xml::XmlWriter;

/// Longest name of a new document, in bytes.
const MAX_NAME: usize = 128;

/// The particular part of a document.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Document {
    /// What its service tells kinds of documents apart by.
    pub doc_type: i32,
}

impl Record for Document {
    const KIND: Kind = Kind::Document;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            w.plain("TYPE", self.doc_type);
            head.permissions.render(w);
            head.render_lock(w);
            head.template.render("TEMPLATE", w);
        });
    }
}

impl Pool for Document {}

/// Adds a document of the caller's. Names need not be unique; an empty one becomes `document-<id>`.
fn add(txn: &mut Txn, name: String, mut template: Template, doc_type: i32) -> Result<i32, ApiError> {
    txn.begin_insert(Kind::Document);
    if name.len() > MAX_NAME {
        return Err(ApiError::internal("NAME is too long; max length is 128 chars."));
    }
    // As in the reference, whose XML such a name would break; other characters are not refused here.
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
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, template) = verbs::template_to_create(txn, Kind::Document, request.str(0))?;
    add(txn, name, template, request.int(1)).map(Value::Int)
}

/// `one.document.clone`: parameters id, name.
fn clone(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = verbs::template_to_clone(txn, request)?;
    let doc_type = txn.get::<Document>(request.id())?.1.doc_type;
    let id = add(txn, request.str(1).to_owned(), template, doc_type);
    id.map(Value::Int).map_err(|refused| ApiError::allocate(Kind::Document, refused.text))
}

/// `one.documentpool.info`: parameters filter flag, start, end, type.
fn pool_info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let range = Range { start: request.int(1), end: request.int(2) };
    let doc_type = request.int(3);
    let of_type = |object: &Object| Document::of(&object.body).is_some_and(|d| d.doc_type == doc_type);
    let objects = listing::select(view, Kind::Document, request.int(0), range, of_type)?;
    Ok(listing::document(Kind::Document.info().pool_element, objects, Form::Short))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.document.allocate", Kind::Document, &[req("template", Type::Str), req("type", Type::Int)], &[], allocate),
    write("one.document.chmod", Kind::Document, verbs::CHMOD, &[Need::Exists(Kind::Document, 0)], verbs::chmod),
    write("one.document.chown", Kind::Document, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Document, 0)], verbs::chown::<Document>),
    write("one.document.clone", Kind::Document, &[ID, req("name", Type::Str)], &[Need::May(Kind::Document, 0, Op::Use), Need::Create(Kind::Document)], clone),
    write("one.document.delete", Kind::Document, &[ID], &[Need::May(Kind::Document, 0, Op::Manage)], verbs::delete::<Document>),
    read("one.document.info", Kind::Document, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Document, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.document.lock", Kind::Document, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Document, 0, Op::Manage)], verbs::lock),
    write("one.document.rename", Kind::Document, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Document, 0)], verbs::rename::<Document>),
    write("one.document.unlock", Kind::Document, &[ID], &[Need::MayIgnoringLock(Kind::Document, 0, Op::Manage)], verbs::unlock),
    write("one.document.update", Kind::Document, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Document, 0, Op::Manage)], verbs::update::<Document>),
    read("one.documentpool.info", Kind::Document, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int), req("type", Type::Int)], &[], pool_info).while_disabled(),
];
