//! What a marketplace driver's answer does to an app.

use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::pending;
use quorate_model::pending::MarketAction;
use quorate_model::records::market_app::{AppState, MarketApp};
use quorate_model::template::parse;

use crate::ctime;
use crate::pools::market_app::delete;
use crate::txn::Txn;

/// What a copy to the marketplace gave.
struct Imported {
    source: String,
    md5: String,
    format: String,
    size_mb: i64,
}

/// Applies a marketplace driver's answer.
///
/// # Errors
/// None that refuses the report: an app that is gone is ignored.
pub fn market_app(txn: &mut Txn, app: i32, action: MarketAction, outcome: Result<&str, &str>) -> Result<(), ApiError> {
    if txn.find(Kind::MarketApp, app).is_none() {
        return Ok(());
    }
    if action == MarketAction::Delete {
        // As in the reference (`MarketPlaceManagerProtocol.cc`, `_delete`), an app that the driver could not remove is
        // forgotten as well.
        txn.remove(Kind::MarketApp, app);
        return Ok(());
    }
    delete::release_origin(txn, app);
    let imported = match outcome {
        Ok(payload) => read(payload).map_err(|reason| format!("Error importing app into marketplace. {reason}")),
        Err(reason) => Err(format!("Error importing app into marketplace: {reason}")),
    };
    let now = txn.time_in_words();
    let object = txn.object_mut(Kind::MarketApp, app)?;
    let Some(body) = MarketApp::of_mut(&mut object.body) else { return Ok(()) };
    match imported {
        Ok(Imported { source, md5, format, size_mb }) => {
            (body.source, body.md5, body.format, body.size_mb) = (source, md5, format, size_mb);
            body.state = AppState::Ready;
        }
        Err(text) => {
            body.state = AppState::Error;
            ctime::set_error(&mut object.template, ctime::ERROR, &now, &text);
        }
    }
    Ok(())
}

/// Base64 of SOURCE, MD5, FORMAT and SIZE.
fn read(payload: &str) -> Result<Imported, String> {
    let text = pending::decoded(payload).unwrap_or_default();
    let found = parse::parse(&text).map_err(|e| format!("Parse error: {e}"))?;
    let value = |name: &str| {
        let value = found.value(name);
        (!value.is_empty()).then(|| value.to_owned()).ok_or("Missing app attributes.")
    };
    Ok(Imported {
        source: value("SOURCE")?,
        md5: value("MD5")?,
        format: value("FORMAT")?,
        size_mb: found.int("SIZE").ok_or("Missing app attributes.")?,
    })
}
