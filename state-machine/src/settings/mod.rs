//! Replicated configuration: what influences a decision of apply is itself state.
//!
//! A fresh zone takes the defaults OpenNebula ships (`shipped.conf`, in the template language) and the limits of [`own`].

pub mod own;

use serde::{Deserialize, Serialize};

use crate::template::restricted::Restricted;
use crate::template::{Template, VectorAttribute, parse};

/// The configuration of a zone, as the reference's `oned.conf` names things.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    conf: Template,
}

impl Settings {
    /// The defaults, with the place of datastores on hosts.
    ///
    /// # Errors
    /// The parser's text, if `shipped.conf` were wrong (a test reads it).
    pub fn shipped(datastore_location: &str) -> Result<Settings, String> {
        let mut conf = parse::parse(include_str!("shipped.conf"))?;
        conf.set("DATASTORE_LOCATION", datastore_location);
        for row in own::Own::ALL.map(own::Own::row) {
            conf.set(row.name, row.default);
        }
        Ok(Settings { conf })
    }

    /// Sets a single value.
    pub fn set(&mut self, name: &str, value: &str) {
        self.conf.set(name, value);
    }

    /// A single value, empty when absent.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.conf.value(name)
    }

    /// Whether a single value is YES.
    #[must_use]
    pub fn is_yes(&self, name: &str) -> bool {
        self.conf.is_yes(name)
    }

    /// All values of a list (`INHERIT_IMAGE_ATTR`, ...).
    pub fn list(&self, name: &str) -> impl Iterator<Item = &str> {
        self.conf.singles(name)
    }

    /// The section `name` whose NAME is `driver`, in any case.
    #[must_use]
    pub fn driver(&self, name: &str, driver: &str) -> Option<&VectorAttribute> {
        self.conf.vectors(name).find(|v| v.value("NAME").eq_ignore_ascii_case(driver))
    }

    /// Everything.
    #[must_use]
    pub fn all(&self) -> &Template {
        &self.conf
    }

    /// The restricted attributes of list `list` (`VM_RESTRICTED_ATTR`, ...).
    #[must_use]
    pub fn restricted(&self, list: &str) -> Restricted<'_> {
        self.list(list).collect()
    }
}
