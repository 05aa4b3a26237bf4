//! `one.image.allocate`: where the size comes from, room, rights and quotas; then [`create`].

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::quota::Charge;
use quorate_model::records::Record;
use quorate_model::records::datastore::Datastore;
use quorate_model::records::datastore::types::DatastoreType;
use quorate_model::records::image::Image;
use quorate_model::records::image::states::ImageType;
use quorate_model::records::market_app::MarketApp;
use quorate_model::settings::Settings;
use quorate_model::template::{Template, leading_int, parse};

use super::create::{self, NewImage};
use super::store;
use crate::authorize::Request as AuthRequest;
use crate::methods::{Ask, Question, Request, View};
use crate::pools::datastore::capacity;
use crate::state::State;
use crate::txn::Txn;
use crate::{booking, verbs};

/// Where the size of a new image comes from.
enum Size {
    /// Said in the template.
    Given(String),
    /// The driver must look at this path.
    Of(String),
}

/// Reads from a template where the size comes from.
fn size_source(settings: &Settings, template: &Template) -> Result<Size, String> {
    let type_name = match template.value("TYPE") {
        "" => settings.value("DEFAULT_IMAGE_TYPE"),
        name => name,
    };
    let given = || match template.int("SIZE") {
        Some(_) => Ok(Size::Given(template.value("SIZE").to_owned())),
        None => Err("Wrong number or missing SIZE attribute.".to_owned()),
    };
    let path = template.value("PATH").to_owned();
    match ImageType::parse(type_name).unwrap_or_default() {
        ImageType::Backup => template.get("SIZE").map(|s| Size::Given(s.to_owned())).ok_or_else(String::new),
        _ if !template.value("SOURCE").is_empty() => given(),
        kind if path.is_empty() && kind.has_snapshots() => given(),
        _ if path.is_empty() => {
            Err(format!("Either PATH or SOURCE are required for {}", type_name.to_ascii_uppercase()))
        }
        _ => Ok(Size::Of(path)),
    }
}

/// The datastore whose driver knows the path: a backup is restored from its own.
fn size_store(state: &State, template: &Template, datastore: i32) -> Result<i32, ApiError> {
    let Some(backup_store) = template.int("FROM_BACKUP_DS") else { return Ok(datastore) };
    let known = i32::try_from(backup_store).ok().filter(|id| state.find(Kind::Datastore, *id).is_some());
    known.ok_or_else(|| ApiError::internal("Could not get associated backup datastore."))
}

/// What a driver must say before the call can be decided: the size of the image at PATH.
pub fn question(view: &View<'_>, request: &Request<'_>) -> Option<Ask> {
    let template = parse::parse(request.str(0)).ok()?;
    let (store, body) = view.state.find_typed::<Datastore>(request.int(1))?;
    if !takes_images(body) || template.int("FROM_APP").is_some() {
        return None;
    }
    let datastore = size_store(view.state, &template, store.id).ok()?;
    match size_source(view.state.settings(), &template).ok()? {
        Size::Of(path) => Some(Ask::Driver(Question::ImageSize { datastore, path })),
        Size::Given(_) => None,
    }
}

fn takes_images(store: &Datastore) -> bool {
    matches!(store.ds_type, DatastoreType::Image | DatastoreType::File)
}

/// The size of the new image, as a text that begins with a number.
fn size(txn: &Txn, template: &mut Template, store: &Object) -> Result<String, ApiError> {
    if let Some(app) = template.int("FROM_APP") {
        return app_size(txn, app, template, store);
    }
    size_store(txn, template, store.id)?;
    let unknown = |reason: String| ApiError::internal(format!("Cannot parse image SIZE: {reason}"));
    match size_source(txn.settings(), template).map_err(unknown)? {
        Size::Given(size) if leading_int(&size).is_some() => Ok(size),
        Size::Given(size) => Err(unknown(size)),
        Size::Of(_) => match &txn.facts().image_size {
            Some(Ok(size)) => Ok(size.to_string()),
            Some(Err(reason)) => Err(unknown(reason.clone())),
            None => Err(unknown(String::new())),
        },
    }
}

/// The size of a marketplace app, which also says what the image is made from.
fn app_size(txn: &Txn, app: i64, template: &mut Template, store: &Object) -> Result<String, ApiError> {
    let app = i32::try_from(app).ok().and_then(|id| txn.find_typed::<MarketApp>(id));
    let Some((object, app)) = app else { return Err(ApiError::internal("Cannot determine image SIZE.")) };
    if txn.find(Kind::Market, app.market).is_none() {
        return Err(ApiError::internal("Could not get the appliance's market."));
    }
    template.set("FROM_APP_NAME", &object.name);
    template.set("PATH", &app.source);
    template.set("FORMAT", &app.format);
    template.set("FROM_APP_MD5", &app.md5);
    if !store.template.value("DRIVER").is_empty() {
        template.remove("DRIVER");
    }
    Ok(app.size_mb.to_string())
}

/// `one.image.allocate`: parameters template, datastore, whether to check the room (administrators may say no).
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::parse_new(request.str(0))?;
    template.keep_last_of_each();
    let datastore_id = request.int(1);
    let store = txn.object(Kind::Datastore, datastore_id)?.clone();
    let Some(body) = Datastore::of(&store.body) else { return Err(ApiError::no_exists(Kind::Datastore, datastore_id)) };
    if !takes_images(body) {
        let reason = "New images can only be allocated in a files or image datastore.";
        return Err(ApiError::allocate(Kind::Image, reason));
    }
    let actor = txn.actor().clone();
    let gid = txn.effective_gid(&actor);
    let admin = txn.is_admin(&actor);
    let size_text = size(txn, &mut template, &store)?;
    let size_mb = leading_int(&size_text).unwrap_or(0);
    if !admin || request.bool(2) {
        store::check_room(txn, datastore_id, size_mb)?;
    }
    template.set("SIZE", size_text);
    let restricted = txn.settings().restricted(Image::RESTRICTED);
    if !admin && let Some(name) = restricted.first_in(&template) {
        return Err(ApiError::authorization(actor.uid, format!("Template includes a restricted attribute {name}")));
    }
    txn.authorize(&[AuthRequest::create(Kind::Image, actor.uid, gid), AuthRequest::on(&store, Op::Use)])?;
    booking::book(txn, actor.uid, gid, &[Charge::datastore(datastore_id, 1, size_mb)])?;
    let persistent = create::decide_persistent(txn, actor.uid, gid, &mut template, true);
    let refused = |reason: String| ApiError::allocate(Kind::Image, reason);
    if !persistent && capacity::persistent_only(txn, body) {
        return Err(refused("This Datastore only accepts persistent images.".to_owned()));
    }
    let permissions = verbs::initial_permissions(txn, &actor);
    let new = NewImage { owner: (actor.uid, gid), permissions, template, datastore: datastore_id, cloning_from: None };
    create::create(txn, new).map(Value::Int).map_err(refused)
}
