//! Marketplaces: body, XML, methods. What a marketplace offers is in [`crate::pools::market_app`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::body::Variant;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::{Kind, LOCAL_ZONE};
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::numbered::numbered;
use crate::object::Object;
use crate::pools::market_app::{self, MarketApp};
use crate::pools::system::no_sql;
use crate::records::Record;
use crate::settings::Settings;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs;
use crate::verbs::Pool;
use crate::xml::XmlWriter;

numbered! {
    /// Whether a marketplace is looked at.
    #[derive(Default)]
    MarketState {
        /// It is.
        #[default]
        Enabled = 0 "ENABLED",
        /// It is not, and offers nothing.
        Disabled = 1 "DISABLED",
    }
}

/// The particular part of a marketplace.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Market {
    /// Its driver.
    pub market_mad: String,
    /// Its state.
    pub state: MarketState,
    /// All its space.
    pub total_mb: i64,
    /// Its free space.
    pub free_mb: i64,
    /// Its used space.
    pub used_mb: i64,
    /// What it offers.
    pub apps: BTreeSet<i32>,
}

impl Record for Market {
    const KIND: Kind = Kind::Market;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("MARKETPLACE", |w| {
            head.render_head(w);
            w.plain("STATE", self.state.number()).cdata("MARKET_MAD", &self.market_mad);
            w.cdata("ZONE_ID", &LOCAL_ZONE.to_string());
            w.plain("TOTAL_MB", self.total_mb).plain("FREE_MB", self.free_mb).plain("USED_MB", self.used_mb);
            w.ids("MARKETPLACEAPPS", &self.apps);
            head.permissions.render(w);
            head.template.render("TEMPLATE", w);
        });
    }
}

impl Pool for Market {
    /// The driver may be changed but not taken away.
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let template = &txn.object(Kind::Market, id).map_err(|e| e.text)?.template;
        let given = template.value("MARKET_MAD").to_owned();
        if !given.is_empty() {
            check_mad(txn.settings(), &given, template)?;
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
        if !market.apps.is_empty() && !market.is_public(txn.settings()) {
            return Err(ApiError::action(format!("Cannot delete marketplace. marketplace  {id} is not empty.")));
        }
        drop_apps(txn, id)
    }
}

impl Market {
    /// Whether its driver can do `action` (`create`, `delete`, `monitor`) with apps.
    #[must_use]
    pub fn supports(&self, settings: &Settings, action: &str) -> bool {
        let conf = settings.driver("MARKET_MAD_CONF", &self.market_mad);
        let actions = match (conf.map(|c| c.value("APP_ACTIONS")).unwrap_or_default(), self.market_mad.as_str()) {
            ("", "http" | "s3") => "create, monitor, delete",
            ("", "one") => "create, monitor",
            (configured, _) => configured,
        };
        actions.split(',').any(|a| a.trim() == action)
    }

    fn is_public(&self, settings: &Settings) -> bool {
        settings.driver("MARKET_MAD_CONF", &self.market_mad).is_some_and(|conf| conf.is_yes("PUBLIC"))
    }

    /// A marketplace as a template describes it; takes from the template what the marketplace itself keeps.
    fn describe(settings: &Settings, template: &mut Template) -> Result<Market, String> {
        template.remove("NAME");
        template.remove("ZONE_ID");
        let market_mad = template.value("MARKET_MAD").to_owned();
        if market_mad.is_empty() {
            return Err("No marketplace driver (MARKET_MAD) in template.".to_owned());
        }
        check_mad(settings, &market_mad, template)?;
        let given = template.value("STATE").to_ascii_uppercase();
        let state = [("ENABLED", MarketState::Enabled), ("DISABLED", MarketState::Disabled)];
        let state = state.into_iter().find(|(name, _)| *name == given).map(|(_, state)| state);
        if state.is_some() {
            template.remove("STATE");
        }
        Ok(Market { market_mad, state: state.unwrap_or_default(), ..Market::default() })
    }
}

/// Refuses a driver that is not configured or whose required attributes the template lacks.
fn check_mad(settings: &Settings, market_mad: &str, template: &Template) -> Result<(), String> {
    let conf = settings
        .driver("MARKET_MAD_CONF", market_mad)
        .ok_or_else(|| format!("MARKET_MAD_CONF named \"{market_mad}\" is not defined in oned.conf"))?;
    let required = conf.value("REQUIRED_ATTRS").split(',').map(|a| a.trim().to_ascii_uppercase());
    match required.filter(|a| !a.is_empty()).find(|a| template.value(a).is_empty()) {
        Some(missing) => Err(format!("MarketPlace template is missing the \"{missing}\" attribute or it's empty.")),
        None => Ok(()),
    }
}

/// A marketplace offers nothing any more.
fn drop_apps(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
    for app in std::mem::take(&mut txn.body_mut::<Market>(id)?.apps) {
        market_app::dropped(txn, app);
    }
    Ok(())
}

/// The marketplaces of a fresh zone: the public ones.
pub fn bootstrap(txn: &mut Txn) -> Result<(), ApiError> {
    let all = [
        ("OpenNebula Public", "one", "", "OpenNebula Systems MarketPlace"),
        (
            "Linux Containers",
            "linuxcontainers",
            "DISABLED",
            "MarketPlace for the public image server fo LXC & LXD hosted at linuxcontainers.org",
        ),
        (
            "TurnKey Linux Containers",
            "turnkeylinux",
            "DISABLED",
            "TurnKey linux is a free software repository based on Debian images hosted at turnkeylinux.org",
        ),
        (
            "DockerHub",
            "dockerhub",
            "DISABLED",
            "DockerHub is the world's largest library and  community for container images hosted at hub.docker.com/",
        ),
    ];
    for (id, (name, market_mad, state, description)) in (0..).zip(all) {
        let mut template = Template::new();
        template.set("MARKET_MAD", market_mad);
        template.set("DESCRIPTION", description);
        if !state.is_empty() {
            template.set("STATE", state);
        }
        let market = Market::describe(txn.settings(), &mut template).map_err(ApiError::internal)?;
        txn.put_with_id(id, Object::new(name, template, market).owned_by_oneadmin(0o744));
    }
    Ok(())
}

/// `one.market.allocate`: parameter template.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::Market, request.str(0))?;
    verbs::check_new(txn, Kind::Market, &name)?;
    let market = Market::describe(txn.settings(), &mut template).map_err(ApiError::internal)?;
    Ok(Value::Int(verbs::allocate_named(txn, Object::new(name, template, market))?))
}

/// `one.market.enable`: parameters id, whether. A disabled marketplace loses its apps.
fn enable(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
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

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.market.allocate", Kind::Market, &[req("template", Type::Str)], &[], allocate),
    read("one.market.allocatedb", Kind::Market, &[req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    write("one.market.chmod", Kind::Market, verbs::CHMOD, &[Need::Exists(Kind::Market, 0)], verbs::chmod),
    write("one.market.chown", Kind::Market, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Market, 0)], verbs::chown::<Market>),
    write("one.market.delete", Kind::Market, &[ID], &[Need::May(Kind::Market, 0, Op::Manage)], verbs::delete::<Market>),
    write("one.market.enable", Kind::Market, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::Market, 0, Op::Manage)], enable),
    read("one.market.info", Kind::Market, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Market, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.market.rename", Kind::Market, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Market, 0)], verbs::rename::<Market>),
    write("one.market.update", Kind::Market, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Market, 0, Op::Manage)], verbs::update::<Market>),
    read("one.market.updatedb", Kind::Market, &[ID, req("xml", Type::Str)], &[Need::Oneadmin], no_sql),
    read("one.marketpool.info", Kind::Market, &[], &[], verbs::pool_all).while_disabled(),
];
