//! `one.market.allocate`, and the marketplaces of a fresh zone.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::market::{Market, MarketState};
use quorate_model::settings::Settings;
use quorate_model::template::Template;

use crate::methods::Request;
use crate::pools::market::drivers;
use crate::txn::Txn;
use crate::verbs;

/// `one.market.allocate`: parameter template.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, mut template) = verbs::template_to_create(txn, Kind::Market, request.str(0))?;
    verbs::check_new(txn, Kind::Market, &name)?;
    let market = describe(txn.settings(), &mut template).map_err(ApiError::internal)?;
    Ok(Value::Int(verbs::allocate_named(txn, Object::new(name, template, market))?))
}

/// A marketplace as a template describes it; takes from the template what the marketplace itself keeps.
fn describe(settings: &Settings, template: &mut Template) -> Result<Market, String> {
    template.remove("NAME");
    template.remove("ZONE_ID");
    let market_mad = template.value("MARKET_MAD").to_owned();
    if market_mad.is_empty() {
        return Err("No marketplace driver (MARKET_MAD) in template.".to_owned());
    }
    drivers::check(settings, &market_mad, template)?;
    let given = template.value("STATE").to_ascii_uppercase();
    let state = [("ENABLED", MarketState::Enabled), ("DISABLED", MarketState::Disabled)];
    let state = state.into_iter().find(|(name, _)| *name == given).map(|(_, state)| state);
    if state.is_some() {
        template.remove("STATE");
    }
    Ok(Market { market_mad, state: state.unwrap_or_default(), ..Market::default() })
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
        let market = describe(txn.settings(), &mut template).map_err(ApiError::internal)?;
        txn.put_with_id(id, Object::new(name, template, market).owned_by_oneadmin(0o744));
    }
    Ok(())
}
