//! `one.marketapp.enable`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::records::market_app::{AppState, MarketApp};

use crate::methods::Request;
use crate::txn::Txn;

/// `one.marketapp.enable`: parameters id, whether. Apps that are not on offer yet stay as they are.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let app = txn.body_mut::<MarketApp>(request.id())?;
    if matches!(app.state, AppState::Ready | AppState::Disabled) {
        app.state = if request.bool(1) { AppState::Ready } else { AppState::Disabled };
    }
    Ok(Value::Int(request.id()))
}
