//! Marketplace apps: hooks, the table of methods. Images are copied to and removed from marketplaces by drivers; their
//! answers are in [`report`].

mod allocate;
pub mod delete;
mod enable;
pub mod report;

use quorate_model::api::Type;
use quorate_model::body::Variant;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::market_app::MarketApp;

use crate::methods::{ID, Method, Need, Param, read, req, write};
use crate::pools::system::sql::no_sql;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::{params, verbs};

impl Pool for MarketApp {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let object = txn.object_mut(Kind::MarketApp, id).map_err(|e| e.text)?;
        let Some(app) = MarketApp::of_mut(&mut object.body) else { return Ok(()) };
        app.follow(&object.template);
        for name in allocate::TOLD_BY_DRIVER.into_iter().chain(["ORIGIN_ID"]) {
            object.template.remove(name);
        }
        Ok(())
    }
}

const EXISTS: &[Need] = &[Need::Exists(Kind::MarketApp, 0)];
const MANAGE: &[Need] = &[Need::May(Kind::MarketApp, 0, Op::Manage)];
const SEE: &[Need] = &[Need::MayIgnoringLock(Kind::MarketApp, 0, Op::Use)];
const LOCKING: &[Need] = &[Need::MayIgnoringLock(Kind::MarketApp, 0, Op::Manage)];
const ALLOCATE: &[Param] = &[req("template", Type::Str), req("market_id", Type::Int)];

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.marketapp.allocate", Kind::MarketApp, ALLOCATE, &[], allocate::call).makes_object(),
    read("one.marketapp.allocatedb", Kind::MarketApp, &[req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    write("one.marketapp.chmod", Kind::MarketApp, params::CHMOD, EXISTS, verbs::chmod),
    write("one.marketapp.chown", Kind::MarketApp, params::CHOWN, EXISTS, verbs::chown::<MarketApp>),
    write("one.marketapp.delete", Kind::MarketApp, &[ID], MANAGE, delete::call).ends_object(),
    read("one.marketapp.dropdb", Kind::MarketApp, &[ID], &[Need::Oneadmin], no_sql),
    write("one.marketapp.enable", Kind::MarketApp, &[ID, req("enable", Type::Bool)], MANAGE, enable::call),
    read("one.marketapp.info", Kind::MarketApp, params::INFO, SEE, verbs::info).while_disabled(),
    write("one.marketapp.lock", Kind::MarketApp, params::LOCK, LOCKING, verbs::lock),
    write("one.marketapp.rename", Kind::MarketApp, params::RENAME, EXISTS, verbs::rename::<MarketApp>),
    write("one.marketapp.unlock", Kind::MarketApp, &[ID], LOCKING, verbs::unlock),
    write("one.marketapp.update", Kind::MarketApp, params::UPDATE, MANAGE, verbs::update::<MarketApp>),
    read("one.marketapp.updatedb", Kind::MarketApp, &[ID, req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    read("one.marketapppool.info", Kind::MarketApp, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
