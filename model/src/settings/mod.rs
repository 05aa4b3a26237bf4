//! Replicated configuration: what influences a decision of apply is itself state.
//!
//! A fresh zone takes the defaults OpenNebula ships (`shipped.conf`, in the template language) and the limits of [`limits`].
//! [`names`] has every name with the [`types`] of its values, [`change`] changes them, [`file`] reads an `oned.conf`.

pub mod change;
pub mod file;
pub mod limits;
pub mod local_time;
pub mod names;
pub mod sealable;
pub mod types;

use serde::{Deserialize, Serialize};

use crate::clean::Name;
use crate::template::restricted::Restricted;
use crate::template::{Template, VectorAttribute, parse};
use limits::OWNED_SIZE_MAX;

/// The list of what is restricted in templates of VMs.
pub const VM_RESTRICTED: &str = "VM_RESTRICTED_ATTR";

/// The configuration of a zone, as the reference's `oned.conf` names things.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Settings {
    conf: Template,
    /// The place of datastores on hosts that the zone began with: the shipped value of its setting.
    #[serde(skip_serializing_if = "String::is_empty")]
    datastore_location: String,
}

impl Settings {
    /// The defaults, with the place of datastores on hosts.
    ///
    /// # Errors
    /// The parser's text, if `shipped.conf` were wrong (a test reads it).
    pub fn shipped(datastore_location: &str) -> Result<Settings, String> {
        let mut settings = Settings { conf: Template::new(), datastore_location: datastore_location.to_owned() };
        settings.conf = settings.shipped_conf()?;
        Ok(settings)
    }

    /// What a fresh zone with this place of datastores has.
    fn shipped_conf(&self) -> Result<Template, String> {
        let mut conf = parse::parse(include_str!("shipped.conf"))?;
        conf.set("DATASTORE_LOCATION", &self.datastore_location);
        for row in limits::Limit::ALL.map(limits::Limit::row) {
            conf.set(row.name, row.default);
        }
        Ok(conf)
    }

    /// Sets a single value, unchecked: for what the zone begins with.
    pub fn set(&mut self, name: impl Into<Name>, value: &str) {
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

    /// The values of a list that are names of attributes; what else it holds names none.
    pub fn names(&self, list: &str) -> impl Iterator<Item = Name> {
        self.list(list).filter_map(Name::new)
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

    /// The restricted attributes of list `list` (`VM_RESTRICTED_ATTR`, ...), and what would become one of a VM: what
    /// NICs take from NIC_DEFAULT, or inherit from their network, and what disks inherit from their image.
    #[must_use]
    pub fn restricted(&self, list: &str) -> Restricted<'_> {
        let mut restricted: Restricted<'_> = self.list(list).collect();
        let of_vms = || self.list(VM_RESTRICTED).collect::<Restricted<'_>>();
        match list {
            VM_RESTRICTED => {
                restricted.follow("NIC_DEFAULT", "NIC");
                restricted.follow("REQUIREMENTS", "SCHED_REQUIREMENTS");
            }
            "VNET_RESTRICTED_ATTR" => {
                let of_vms = of_vms();
                let inherited = self.list("INHERIT_VNET_ATTR");
                for name in inherited.filter(|name| ["NIC", "NIC_ALIAS"].iter().any(|nic| of_vms.has_part(nic, name))) {
                    restricted.add(name);
                    restricted.add_part("AR", name);
                }
            }
            "IMAGE_RESTRICTED_ATTR" => {
                let of_vms = of_vms();
                self.list("INHERIT_IMAGE_ATTR")
                    .filter(|name| of_vms.has_part("DISK", name))
                    .for_each(|name| restricted.add(name));
            }
            // What bounds a user.
            "USER_RESTRICTED_ATTR" => restricted.add(OWNED_SIZE_MAX),
            _ => {}
        }
        restricted
    }
}
