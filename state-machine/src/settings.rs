//! Replicated configuration: what influences a decision of apply is itself state.
//!
//! A fresh zone takes the defaults OpenNebula ships (`settings.conf`, in the template language).

use serde::{Deserialize, Serialize};

use crate::template::{Attribute, Template, VectorAttribute, parse};

/// The configuration of a zone, as the reference's `oned.conf` names things.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Settings {
    conf: Template,
}

impl Settings {
    /// The defaults, with the place of datastores on hosts.
    ///
    /// # Errors
    /// The parser's text, if `settings.conf` were wrong (a test reads it).
    pub fn shipped(datastore_location: &str) -> Result<Settings, String> {
        let mut conf = parse::parse(include_str!("settings.conf"))?;
        conf.set("DATASTORE_LOCATION", datastore_location);
        Ok(Settings { conf })
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

    /// The first attribute of restricted list `list` that `new` sets to something else than `old` has;
    /// `NAME` or `VECTOR/NAME`.
    #[must_use]
    pub fn changed_restricted(&self, list: &str, new: &Template, old: Option<&Template>) -> Option<String> {
        self.list(list)
            .find(|entry| {
                let was = old.map(|t| restricted_values(t, entry)).unwrap_or_default();
                restricted_values(new, entry).into_iter().any(|v| !was.contains(&v))
            })
            .map(str::to_owned)
    }
}

/// The values that a template gives to a restricted attribute (`NAME` or `VECTOR/NAME`).
fn restricted_values(template: &Template, entry: &str) -> Vec<String> {
    match entry.split_once('/') {
        Some((vector, name)) => template.vectors(vector).filter_map(|v| v.get(name)).map(str::to_owned).collect(),
        None => template
            .all(entry)
            .map(|a| match a {
                Attribute::Single(v) => v.clone(),
                Attribute::Vector(v) => format!("{v:?}"),
            })
            .collect(),
    }
}
