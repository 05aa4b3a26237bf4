//! Marketplaces: hooks, the table of methods. What a marketplace offers is in [`crate::pools::market_app`].

pub mod allocate;
pub mod drivers;
mod enable;

use quorate_model::api::Type;
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::market::Market;
use quorate_model::records::market_app::MarketApp;

use crate::methods::{ID, Method, Need, read, req, write};
use crate::pools::system::sql::no_sql;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for Market {
    /// The driver may be changed but not taken away.
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let template = &txn.object(Kind::Market, id).map_err(|e| e.text)?.template;
        let given = template.value("MARKET_MAD").to_owned();
        if !given.is_empty() {
            drivers::check(txn.settings(), &given, template)?;
        }
        let object = txn.object_mut(Kind::Market, id).map_err(|e| e.text)?;
        let Some(market) = Market::of_mut(&mut object.body) else { return Ok(()) };
        if !given.is_empty() {
            market.market_mad = given;
        }
        object.template.set("MARKET_MAD", &market.market_mad);
        Ok(())
    }

    fn renamed(txn: &mut Txn, id: i32, _old_name: &str) -> Result<(), ApiError> {
        let (object, market) = txn.get::<Market>(id)?;
        let (name, apps) = (object.name.clone(), market.apps.clone());
        for app in apps {
            if let Ok(app) = txn.body_mut::<MarketApp>(app) {
                app.market_name.clone_from(&name);
            }
        }
        Ok(())
    }

    /// Public marketplaces take what they offer with them, others must be empty.
    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        let (_, market) = txn.get::<Market>(id)?;
        if !market.apps.is_empty() && !drivers::is_public(market, txn.settings()) {
            return Err(ApiError::action(format!("Cannot delete marketplace. marketplace  {id} is not empty.")));
        }
        enable::drop_apps(txn, id)
    }
}

const EXISTS: &[Need] = &[Need::Exists(Kind::Market, 0)];
const MANAGE: &[Need] = &[Need::May(Kind::Market, 0, Op::Manage)];
const SEE: &[Need] = &[Need::MayIgnoringLock(Kind::Market, 0, Op::Use)];

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.market.allocate", Kind::Market, &[req("template", Type::Str)], &[], allocate::call).makes_object(),
    read("one.market.allocatedb", Kind::Market, &[req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    write("one.market.chmod", Kind::Market, params::CHMOD, EXISTS, verbs::chmod),
    write("one.market.chown", Kind::Market, params::CHOWN, EXISTS, verbs::chown::<Market>),
    write("one.market.delete", Kind::Market, &[ID], MANAGE, verbs::delete::<Market>).ends_object(),
    write("one.market.enable", Kind::Market, &[ID, req("enable", Type::Bool)], MANAGE, enable::call),
    read("one.market.info", Kind::Market, params::INFO, SEE, verbs::info).while_disabled(),
    write("one.market.rename", Kind::Market, params::RENAME, EXISTS, verbs::rename::<Market>),
    write("one.market.update", Kind::Market, params::UPDATE, MANAGE, verbs::update::<Market>),
    read("one.market.updatedb", Kind::Market, &[ID, req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    read("one.marketpool.info", Kind::Market, &[], &[], verbs::pool_all).while_disabled(),
];
