//! `one.market.enable`, and the end of what a marketplace offers.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::records::market::{Market, MarketState};

use crate::methods::Request;
use crate::pools::market_app::delete;
use crate::txn::Txn;

/// `one.market.enable`: parameters id, whether. A disabled marketplace loses its apps.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let wanted = if request.bool(1) { MarketState::Enabled } else { MarketState::Disabled };
    let market = txn.body_mut::<Market>(id)?;
    if market.state != wanted {
        market.state = wanted;
        if wanted == MarketState::Disabled {
            drop_apps(txn, id)?;
        }
    }
    Ok(Value::Int(id))
}

/// A marketplace offers nothing any more.
///
/// # Errors
/// NO_EXISTS.
pub fn drop_apps(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    for app in std::mem::take(&mut txn.body_mut::<Market>(id)?.apps) {
        delete::dropped(txn, app);
    }
    Ok(())
}
