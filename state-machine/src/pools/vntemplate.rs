//! Virtual network templates: body, XML, methods.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::{self, Request as AuthRequest};
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::ids::id_list;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::object::Object;
use crate::pools::vnet;
use crate::records::Record;
use crate::records::cluster::DEFAULT;
use crate::state::State;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

/// The particular part of a virtual network template.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct VnTemplate {
    /// When it was made, unix seconds.
    pub registered: i64,
}

impl Record for VnTemplate {
    const KIND: Kind = Kind::VnTemplate;
    const RESTRICTED: &'static str = "VNET_RESTRICTED_ATTR";

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            head.render_head(w);
            head.render_lock(w);
            head.permissions.render(w);
            w.plain("REGTIME", self.registered);
            head.template.render("TEMPLATE", w);
        });
    }
}

impl Pool for VnTemplate {}

/// A new template object whose network driver has what it needs.
fn new_object(txn: &Txn, name: String, template: Template) -> Result<Object, String> {
    if template.value("VN_MAD").is_empty() {
        return Err("Error inserting Template in DB. VN_MAD is mandatory".to_owned());
    }
    vnet::driver::check(&template)?;
    Ok(Object::new(name, template, VnTemplate { registered: txn.now() }))
}

/// `one.vntemplate.allocate`: parameter template.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, template) = verbs::template_to_create(txn, Kind::VnTemplate, request.str(0))?;
    verbs::check_restricted(txn, txn.actor(), VnTemplate::RESTRICTED, &template)?;
    verbs::check_new(txn, Kind::VnTemplate, &name)?;
    txn.begin_insert(Kind::VnTemplate);
    let object = new_object(txn, name, template).map_err(ApiError::internal)?;
    verbs::allocate_named(txn, object).map(Value::Int)
}

/// `one.vntemplate.clone`: parameters id, name.
fn clone(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = verbs::template_to_clone(txn, request)?;
    let refuse = |reason: String| ApiError::allocate(Kind::VnTemplate, reason);
    verbs::check_new(txn, Kind::VnTemplate, request.str(1)).map_err(|e| refuse(e.text))?;
    txn.begin_insert(Kind::VnTemplate);
    let object = new_object(txn, request.str(1).to_owned(), template).map_err(refuse)?;
    verbs::allocate_clone(txn, object).map(Value::Int)
}

/// `one.vntemplate.instantiate`: parameters id, name, extra attributes.
fn instantiate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let object = txn.object(Kind::VnTemplate, request.id())?;
    let wish = AuthRequest::on(object, Op::Use);
    let (template_name, mut template) = (object.name.clone(), object.template.clone());
    // As in the reference, extra attributes do not move the network to other clusters.
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

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.vntemplate.allocate", Kind::VnTemplate, &[req("template", Type::Str)], &[], allocate),
    write("one.vntemplate.chmod", Kind::VnTemplate, verbs::CHMOD, &[Need::Exists(Kind::VnTemplate, 0)], verbs::chmod),
    write("one.vntemplate.chown", Kind::VnTemplate, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::VnTemplate, 0)], verbs::chown::<VnTemplate>),
    write("one.vntemplate.clone", Kind::VnTemplate, &[ID, req("name", Type::Str)], &[Need::May(Kind::VnTemplate, 0, Op::Use), Need::Create(Kind::VnTemplate)], clone),
    write("one.vntemplate.delete", Kind::VnTemplate, &[ID], &[Need::May(Kind::VnTemplate, 0, Op::Manage)], verbs::delete::<VnTemplate>),
    read("one.vntemplate.info", Kind::VnTemplate, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VnTemplate, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vntemplate.instantiate", Kind::VnTemplate, &[ID, req("name", Type::Str), req("extra_template", Type::Str)], &[Need::Exists(Kind::VnTemplate, 0)], instantiate),
    write("one.vntemplate.lock", Kind::VnTemplate, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::VnTemplate, 0, Op::Manage)], verbs::lock),
    write("one.vntemplate.rename", Kind::VnTemplate, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::VnTemplate, 0)], verbs::rename::<VnTemplate>),
    write("one.vntemplate.unlock", Kind::VnTemplate, &[ID], &[Need::MayIgnoringLock(Kind::VnTemplate, 0, Op::Manage)], verbs::unlock),
    write("one.vntemplate.update", Kind::VnTemplate, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::VnTemplate, 0, Op::Manage)], verbs::update::<VnTemplate>),
    read("one.vntemplatepool.info", Kind::VnTemplate, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
