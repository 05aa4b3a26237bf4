//! What the configuration says of the driver of a marketplace.

use quorate_model::records::market::Market;
use quorate_model::settings::Settings;
use quorate_model::template::Template;

/// Whether its driver can do `action` (`create`, `delete`, `monitor`) with apps.
#[must_use]
pub fn supports(market: &Market, settings: &Settings, action: &str) -> bool {
    let conf = settings.driver("MARKET_MAD_CONF", &market.market_mad);
    let actions = match (conf.map(|c| c.value("APP_ACTIONS")).unwrap_or_default(), market.market_mad.as_str()) {
        ("", "http" | "s3") => "create, monitor, delete",
        ("", "one") => "create, monitor",
        (configured, _) => configured,
    };
    actions.split(',').any(|a| a.trim() == action)
}

/// Whether the marketplace is a public one, whose apps are not the zone's to delete.
#[must_use]
pub fn is_public(market: &Market, settings: &Settings) -> bool {
    settings.driver("MARKET_MAD_CONF", &market.market_mad).is_some_and(|conf| conf.is_yes("PUBLIC"))
}

/// Refuses a driver that is not configured or whose required attributes the template lacks.
///
/// # Errors
/// That there is no such driver, or the first attribute that is missing.
pub fn check(settings: &Settings, market_mad: &str, template: &Template) -> Result<(), String> {
    let conf = settings
        .driver("MARKET_MAD_CONF", market_mad)
        .ok_or_else(|| format!("MARKET_MAD_CONF named \"{market_mad}\" is not defined in oned.conf"))?;
    let required = conf.value("REQUIRED_ATTRS").split(',').map(|a| a.trim().to_ascii_uppercase());
    match required.filter(|a| !a.is_empty()).find(|a| template.value(a).is_empty()) {
        Some(missing) => Err(format!("MarketPlace template is missing the \"{missing}\" attribute or it's empty.")),
        None => Ok(()),
    }
}
