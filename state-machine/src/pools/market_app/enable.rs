//! `one.marketapp.enable`.

use crate::api::{ApiReply, Value};
use crate::methods::Request;
use crate::records::market_app::{AppState, MarketApp};
use crate::txn::Txn;

/// `one.marketapp.enable`: parameters id, whether. Apps that are not on offer yet stay as they are.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let app = txn.body_mut::<MarketApp>(request.id())?;
    if matches!(app.state, AppState::Ready | AppState::Disabled) {
        app.state = if request.bool(1) { AppState::Ready } else { AppState::Disabled };
    }
    Ok(Value::Int(request.id()))
}
