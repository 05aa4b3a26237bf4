//! Marketplaces. What one offers is in [`crate::records::market_app`].

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::{Kind, LOCAL_ZONE};
use crate::numbered::numbered;
use crate::records::Record;
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
