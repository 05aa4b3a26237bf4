//! How an app ends: `one.marketapp.delete`, and with its marketplace.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending::{MarketAction, Operation};
use quorate_model::records::market::Market;
use quorate_model::records::market_app::{AppState, AppType, MarketApp};

use crate::methods::Request;
use crate::pools::image::copies::{self, Copy};
use crate::pools::market::drivers;
use crate::rules;
use crate::txn::Txn;

/// `one.marketapp.delete`: parameter id. It leaves its marketplace at once and the pool when the driver has answered.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    txn.exempt_from_limits();
    let refused = |reason: String| ApiError::action(format!("Cannot delete marketplaceapp. {reason}"));
    let market_id = txn.get::<MarketApp>(id)?.1.market;
    let Some((object, market)) = txn.find_typed::<Market>(market_id) else {
        return Err(refused("Cannot find associated MARKETPLACE".to_owned()));
    };
    if !drivers::supports(market, txn.settings(), "delete") {
        return Err(refused(format!("Delete disabled for market: {}", object.name)));
    }
    release_origin(txn, id);
    txn.body_mut::<Market>(market_id)?.apps.remove(&id);
    txn.cancel(|pending| *pending == operation(id, MarketAction::Import));
    let deleting = operation(id, MarketAction::Delete);
    if !txn.pending().values().any(|p| p.operation == deleting) {
        txn.start(deleting);
    }
    rules::forget_object(txn, Kind::MarketApp, id);
    Ok(Value::Int(id))
}

fn operation(app: i32, action: MarketAction) -> Operation {
    Operation::MarketApp { app, action }
}

/// The image of an app that is being copied is no longer needed for that.
pub fn release_origin(txn: &mut Txn, id: i32) {
    let Some((_, app)) = txn.find_typed::<MarketApp>(id) else { return };
    if (app.app_type, app.state) == (AppType::Image, AppState::Locked)
        && let Ok(image) = i32::try_from(app.origin)
    {
        // An image that is gone is held by nobody.
        let _ = copies::end(txn, image, Copy::App(id));
    }
}

/// An app goes with its marketplace.
pub fn dropped(txn: &mut Txn, id: i32) {
    release_origin(txn, id);
    txn.cancel(|pending| matches!(pending, Operation::MarketApp { app, .. } if *app == id));
    txn.remove(Kind::MarketApp, id);
}
