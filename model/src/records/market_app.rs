//! Apps: images, VM templates and service templates that a marketplace offers.

use serde::{Deserialize, Serialize};

use crate::head::{Form, Head};
use crate::kind::{Kind, LOCAL_ZONE};
use crate::numbered::numbered;
use crate::records::Record;
use crate::template::Template;
use crate::xml::XmlWriter;

numbered! {
    /// The state of an app.
    #[derive(Default)]
    AppState {
        /// Just made.
        #[default]
        Init = 0 "INIT",
        /// On offer.
        Ready = 1 "READY",
        /// Being copied to the marketplace.
        Locked = 2 "LOCKED",
        /// The copy failed.
        Error = 3 "ERROR",
        /// Not on offer.
        Disabled = 4 "DISABLED",
    }
}

numbered! {
    /// What an app is.
    #[derive(Default)]
    AppType {
        /// Nothing known.
        Unknown = 0 "UNKNOWN",
        /// An image.
        #[default]
        Image = 1 "IMAGE",
        /// A VM template.
        VmTemplate = 2 "VMTEMPLATE",
        /// A service template.
        ServiceTemplate = 3 "SERVICE_TEMPLATE",
    }
}

impl AppType {
    /// The type of this name, in any case; an image when nothing is said.
    #[must_use]
    pub fn assume(name: &str) -> AppType {
        if name.is_empty() { AppType::Image } else { AppType::parse(name).unwrap_or(AppType::Unknown) }
    }
}

/// The particular part of a marketplace app.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct MarketApp {
    /// What it was made from: an image's or template's id.
    pub origin: i64,
    /// When it was made.
    pub regtime: i64,
    /// Where the marketplace keeps it.
    pub source: String,
    /// Its checksum.
    pub md5: String,
    /// Its size.
    pub size_mb: i64,
    /// Words about it.
    pub description: String,
    /// Its version.
    pub version: String,
    /// The format of its image.
    pub format: String,
    /// A template for what is made from it, in base64.
    pub apptemplate64: String,
    /// The marketplace.
    pub market: i32,
    /// The marketplace's name.
    pub market_name: String,
    /// Its state.
    pub state: AppState,
    /// What it is.
    pub app_type: AppType,
}

impl Record for MarketApp {
    const KIND: Kind = Kind::MarketApp;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("MARKETPLACEAPP", |w| {
            w.plain("ID", head.id).plain("UID", head.uid).plain("GID", head.gid);
            w.plain("UNAME", head.uname).plain("GNAME", head.gname);
            head.render_lock(w);
            w.plain("REGTIME", self.regtime).plain("NAME", head.name);
            w.cdata("ZONE_ID", &LOCAL_ZONE.to_string()).cdata("ORIGIN_ID", &self.origin.to_string());
            w.cdata("SOURCE", &self.source).cdata("MD5", &self.md5).plain("SIZE", self.size_mb);
            w.cdata("DESCRIPTION", &self.description).cdata("VERSION", &self.version);
            w.cdata("FORMAT", &self.format).cdata("APPTEMPLATE64", &self.apptemplate64);
            w.plain("MARKETPLACE_ID", self.market).plain("MARKETPLACE", &self.market_name);
            w.plain("STATE", self.state.number()).plain("TYPE", self.app_type.number());
            head.permissions.render(w);
            head.template.render("TEMPLATE", w);
        });
    }
}

impl MarketApp {
    /// Takes over what the template says of it, also that it says nothing.
    pub fn follow(&mut self, template: &Template) {
        template.value("DESCRIPTION").clone_into(&mut self.description);
        template.value("APPTEMPLATE64").clone_into(&mut self.apptemplate64);
        template.value("VERSION").clone_into(&mut self.version);
    }
}
