//! `one.marketapp.allocate`: from a template to an app, whose image a driver copies to the marketplace.

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::{MarketAction, Operation};
use quorate_model::records::market::Market;
use quorate_model::records::market_app::{AppState, AppType, MarketApp};
use quorate_model::template::Template;

use crate::methods::Request;
use crate::pools::image::copies::{self, Copy};
use crate::pools::market::drivers;
use crate::txn::Txn;
use crate::{ctime, verbs};

/// Attributes that only the marketplace's driver tells.
pub const TOLD_BY_DRIVER: [&str; 5] = ["SOURCE", "SIZE", "MD5", "FORMAT", "REGTIME"];

/// `one.marketapp.allocate`: parameters template, marketplace. An image's copy to the marketplace is on its way when
/// this answers. As in the reference (`MarketPlaceAppAllocate::pool_allocate`), an app that cannot be copied stays in
/// state ERROR, though the call is refused.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::MarketApp, request.str(0))?;
    let market_id = request.int(1);
    let Some((market_object, market)) = txn.find_typed::<Market>(market_id) else {
        return Err(ApiError::internal("Cannot find associated MARKETPLACE"));
    };
    let market_name = market_object.name.clone();
    if !drivers::supports(market, txn.settings(), "create") {
        return Err(ApiError::action(format!("Create disabled for market: {market_name}")));
    }
    verbs::check_new(txn, Kind::MarketApp, &name)?;
    let app = describe(txn.now(), &mut template).map_err(ApiError::internal)?;
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

/// Has an app's content copied to its marketplace.
fn start_import(txn: &mut Txn, id: i32, app_type: AppType, origin: i64) -> Result<(), String> {
    match app_type {
        AppType::Image => {
            let image = i32::try_from(origin).ok().filter(|image| txn.find(Kind::Image, *image).is_some());
            let image = image.ok_or("Image does not exist.")?;
            copies::begin(txn, image, Copy::App(id))?;
            txn.start(Operation::MarketApp { app: id, action: MarketAction::Import });
            Ok(())
        }
        // Their content is in the app itself: there is nothing to copy.
        AppType::VmTemplate | AppType::ServiceTemplate => Ok(()),
        AppType::Unknown => Err("Marketplace app type not supported.".to_owned()),
    }
}
