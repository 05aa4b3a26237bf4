//! Marketplace apps: body, XML, methods. An image, VM template or service template that a marketplace offers.
//!
//! Images are copied to and removed from marketplaces by drivers; their answers are in [`report`].

pub mod report;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::body::Variant;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::{Kind, LOCAL_ZONE};
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::numbered::numbered;
use crate::object::Object;
use crate::pending::{MarketAction, Operation};
use crate::pools::acl;
use crate::pools::image::clone::{self, Copy};
use crate::pools::market::Market;
use crate::pools::system::no_sql;
use crate::records::Record;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::xml::XmlWriter;
use crate::{ctime, verbs};

numbered! {
    /// The state of an app.
    #[derive(Default)]
    AppState {
        /// Just made.
        #[default]
        Init = 0 "INIT",
        /// On offer.
        Ready = 1 "READY",
        /// Being copied to the marketplace.
        Locked = 2 "LOCKED",
        /// The copy failed.
        Error = 3 "ERROR",
        /// Not on offer.
        Disabled = 4 "DISABLED",
    }
}

numbered! {
    /// What an app is.
    #[derive(Default)]
    AppType {
        /// Nothing known.
        Unknown = 0 "UNKNOWN",
        /// An image.
        #[default]
        Image = 1 "IMAGE",
        /// A VM template.
        VmTemplate = 2 "VMTEMPLATE",
        /// A service template.
        ServiceTemplate = 3 "SERVICE_TEMPLATE",
    }
}

impl AppType {
    /// The type of this name, in any case; an image when nothing is said.
    #[must_use]
    pub fn assume(name: &str) -> AppType {
        if name.is_empty() { AppType::Image } else { AppType::parse(name).unwrap_or(AppType::Unknown) }
    }
}

/// The particular part of a marketplace app.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MarketApp {
    /// What it was made from: an image's or template's id.
    pub origin: i64,
    /// When it was made.
    pub regtime: i64,
    /// Where the marketplace keeps it.
    pub source: String,
    /// Its checksum.
    pub md5: String,
    /// Its size.
    pub size_mb: i64,
    /// Words about it.
    pub description: String,
    /// Its version.
    pub version: String,
    /// The format of its image.
    pub format: String,
    /// A template for what is made from it, in base64.
    pub apptemplate64: String,
    /// The marketplace.
    pub market: i32,
    /// The marketplace's name.
    pub market_name: String,
    /// Its state.
    pub state: AppState,
    /// What it is.
    pub app_type: AppType,
}

/// Attributes that only the marketplace's driver tells.
const TOLD_BY_DRIVER: [&str; 5] = ["SOURCE", "SIZE", "MD5", "FORMAT", "REGTIME"];

impl Record for MarketApp {
    const KIND: Kind = Kind::MarketApp;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("MARKETPLACEAPP", |w| {
            w.plain("ID", head.id).plain("UID", head.uid).plain("GID", head.gid);
            w.plain("UNAME", &head.uname).plain("GNAME", &head.gname);
            head.render_lock(w);
            w.plain("REGTIME", self.regtime).plain("NAME", &head.name);
            w.cdata("ZONE_ID", &LOCAL_ZONE.to_string()).cdata("ORIGIN_ID", &self.origin.to_string());
            w.cdata("SOURCE", &self.source).cdata("MD5", &self.md5).plain("SIZE", self.size_mb);
            w.cdata("DESCRIPTION", &self.description).cdata("VERSION", &self.version);
            w.cdata("FORMAT", &self.format).cdata("APPTEMPLATE64", &self.apptemplate64);
            w.plain("MARKETPLACE_ID", self.market).plain("MARKETPLACE", &self.market_name);
            w.plain("STATE", self.state.number()).plain("TYPE", self.app_type.number());
            head.permissions.render(w);
            head.template.render("TEMPLATE", w);
        });
    }
}

impl Pool for MarketApp {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let object = txn.object_mut(Kind::MarketApp, id).map_err(|e| e.text)?;
        let Some(app) = MarketApp::of_mut(&mut object.body) else { return Ok(()) };
        app.follow(&object.template);
        for name in TOLD_BY_DRIVER.into_iter().chain(["ORIGIN_ID"]) {
            object.template.remove(name);
        }
        Ok(())
    }
}

impl MarketApp {
    /// An app as a template describes it; takes from the template what the app itself keeps.
    fn describe(now: i64, template: &mut Template) -> Result<MarketApp, String> {
        for name in TOLD_BY_DRIVER.into_iter().chain(["NAME", "ZONE_ID"]) {
            template.remove(name);
        }
        let app_type = AppType::assume(template.value("TYPE"));
        let origin = template.int("ORIGIN_ID").ok_or("Missing ORIGIN_ID for the MARKETPLACEAPP")?;
        template.remove("ORIGIN_ID");
        let state = match app_type {
            AppType::VmTemplate | AppType::ServiceTemplate => AppState::Ready,
            AppType::Image | AppType::Unknown => AppState::Locked,
        };
        let mut app = MarketApp { origin, regtime: now, state, app_type, ..MarketApp::default() };
        app.follow(template);
        if app.version.is_empty() {
            "0.0".clone_into(&mut app.version);
        }
        Ok(app)
    }

    /// Takes over what the template says of it, also that it says nothing.
    fn follow(&mut self, template: &Template) {
        template.value("DESCRIPTION").clone_into(&mut self.description);
        template.value("APPTEMPLATE64").clone_into(&mut self.apptemplate64);
        template.value("VERSION").clone_into(&mut self.version);
    }
}

fn operation(app: i32, action: MarketAction) -> Operation {
    Operation::MarketApp { app, action }
}

/// `one.marketapp.allocate`: parameters template, marketplace. An image's copy to the marketplace is on its way when
/// this answers. As in the reference, an app that cannot be copied stays in state ERROR, though the call is refused.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::MarketApp, request.str(0))?;
    let market_id = request.int(1);
    let Some((market_object, market)) = txn.find_typed::<Market>(market_id) else {
        return Err(ApiError::internal("Cannot find associated MARKETPLACE"));
    };
    let market_name = market_object.name.clone();
    if !market.supports(txn.settings(), "create") {
        return Err(ApiError::action(format!("Create disabled for market: {market_name}")));
    }
    verbs::check_new(txn, Kind::MarketApp, &name)?;
    let app = MarketApp::describe(txn.now(), &mut template).map_err(ApiError::internal)?;
    let (app_type, origin) = (app.app_type, app.origin);
    let app = MarketApp { market: market_id, market_name, ..app };
    let id = verbs::allocate_named(txn, Object::new(name, template, app))?;
    txn.body_mut::<Market>(market_id)?.apps.insert(id);
    if let Err(reason) = start_import(txn, id, app_type, origin) {
        let now = txn.time_in_words();
        let object = txn.object_mut(Kind::MarketApp, id)?;
        ctime::set_error(&mut object.template, ctime::ERROR, &now, &reason);
        if let Some(app) = MarketApp::of_mut(&mut object.body) {
            app.state = AppState::Error;
        }
        txn.keep_although_refused();
        return Err(ApiError::internal(reason));
    }
    Ok(Value::Int(id))
}

/// Has an app's content copied to its marketplace.
fn start_import(txn: &mut Txn, id: i32, app_type: AppType, origin: i64) -> Result<(), String> {
    match app_type {
        AppType::Image => {
            let image = i32::try_from(origin).ok().filter(|image| txn.find(Kind::Image, *image).is_some());
            let image = image.ok_or("Image does not exist.")?;
            clone::begin(txn, image, Copy::App(id))?;
            txn.start(operation(id, MarketAction::Import));
            Ok(())
        }
        // Their content is in the app itself: there is nothing to copy.
        AppType::VmTemplate | AppType::ServiceTemplate => Ok(()),
        AppType::Unknown => Err("Marketplace app type not supported.".to_owned()),
    }
}

/// `one.marketapp.delete`: parameter id. It leaves its marketplace at once and the pool when the driver has answered.
fn delete(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    txn.exempt_from_limits();
    let refused = |reason: String| ApiError::action(format!("Cannot delete marketplaceapp. {reason}"));
    let market_id = txn.get::<MarketApp>(id)?.1.market;
    let Some((object, market)) = txn.find_typed::<Market>(market_id) else {
        return Err(refused("Cannot find associated MARKETPLACE".to_owned()));
    };
    if !market.supports(txn.settings(), "delete") {
        return Err(refused(format!("Delete disabled for market: {}", object.name)));
    }
    release_origin(txn, id);
    txn.body_mut::<Market>(market_id)?.apps.remove(&id);
    txn.cancel(|pending| *pending == operation(id, MarketAction::Import));
    let deleting = operation(id, MarketAction::Delete);
    if !txn.pending().values().any(|p| p.operation == deleting) {
        txn.start(deleting);
    }
    acl::forget_object(txn, Kind::MarketApp, id);
    Ok(Value::Int(id))
}

/// The image of an app that is being copied is no longer needed for that.
fn release_origin(txn: &mut Txn, id: i32) {
    let Some((_, app)) = txn.find_typed::<MarketApp>(id) else { return };
    if (app.app_type, app.state) == (AppType::Image, AppState::Locked)
        && let Ok(image) = i32::try_from(app.origin)
    {
        // An image that is gone is held by nobody.
        let _ = clone::end(txn, image, Copy::App(id));
    }
}

/// An app goes with its marketplace.
pub fn dropped(txn: &mut Txn, id: i32) {
    release_origin(txn, id);
    txn.cancel(|pending| matches!(pending, Operation::MarketApp { app, .. } if *app == id));
    txn.remove(Kind::MarketApp, id);
}

/// `one.marketapp.enable`: parameters id, whether. Apps that are not on offer yet stay as they are.
fn enable(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let app = txn.body_mut::<MarketApp>(request.id())?;
    if matches!(app.state, AppState::Ready | AppState::Disabled) {
        app.state = if request.bool(1) { AppState::Ready } else { AppState::Disabled };
    }
    Ok(Value::Int(request.id()))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.marketapp.allocate", Kind::MarketApp, &[req("template", Type::Str), req("market_id", Type::Int)], &[], allocate),
    read("one.marketapp.allocatedb", Kind::MarketApp, &[req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    write("one.marketapp.chmod", Kind::MarketApp, verbs::CHMOD, &[Need::Exists(Kind::MarketApp, 0)], verbs::chmod),
    write("one.marketapp.chown", Kind::MarketApp, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::MarketApp, 0)], verbs::chown::<MarketApp>),
    write("one.marketapp.delete", Kind::MarketApp, &[ID], &[Need::May(Kind::MarketApp, 0, Op::Manage)], delete),
    read("one.marketapp.dropdb", Kind::MarketApp, &[ID], &[Need::Oneadmin], no_sql),
    write("one.marketapp.enable", Kind::MarketApp, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::MarketApp, 0, Op::Manage)], enable),
    read("one.marketapp.info", Kind::MarketApp, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::MarketApp, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.marketapp.lock", Kind::MarketApp, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::MarketApp, 0, Op::Manage)], verbs::lock),
    write("one.marketapp.rename", Kind::MarketApp, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::MarketApp, 0)], verbs::rename::<MarketApp>),
    write("one.marketapp.unlock", Kind::MarketApp, &[ID], &[Need::MayIgnoringLock(Kind::MarketApp, 0, Op::Manage)], verbs::unlock),
    write("one.marketapp.update", Kind::MarketApp, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::MarketApp, 0, Op::Manage)], verbs::update::<MarketApp>),
    read("one.marketapp.updatedb", Kind::MarketApp, &[ID, req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    read("one.marketapppool.info", Kind::MarketApp, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
