//! Restricted attributes: what only administrators may set in a template.
//!
//! A configuration list holds names (`CPU_COST`) and parts of vectors (`NIC/MAC`). As in the reference, a bare name
//! restricts single values only: a vector of that name passes.

use std::collections::{BTreeMap, BTreeSet};

use super::{Attribute, Template};

/// A list of restricted attributes, by name; an empty set stands for the single value of that name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restricted<'a>(BTreeMap<&'a str, BTreeSet<&'a str>>);

impl<'a> FromIterator<&'a str> for Restricted<'a> {
    fn from_iter<T: IntoIterator<Item = &'a str>>(entries: T) -> Self {
        let mut names: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
        for entry in entries {
            match entry.split_once('/') {
                Some((vector, part)) => {
                    names.entry(vector).or_default().insert(part);
                }
                None => {
                    names.entry(entry).or_default();
                }
            }
        }
        Restricted(names)
    }
}

impl Restricted<'_> {
    /// The first restricted attribute that `template` has: the name, or the part of a vector.
    #[must_use]
    pub fn first_in(&self, template: &Template) -> Option<String> {
        self.0.iter().find_map(|(name, parts)| {
            if parts.is_empty() {
                return template.get(name).map(|_| (*name).to_owned());
            }
            let mut found = template.vectors(name).flat_map(|v| parts.iter().find(|part| v.get(part).is_some()));
            found.next().map(|part| (*part).to_owned())
        })
    }

    /// The name of the first restricted attribute to which `new` gives another value than `old` has. A single value
    /// that `old` has and `new` leaves out stays: it is added to `new`.
    pub fn changed(&self, new: &mut Template, old: &Template) -> Option<String> {
        for (name, parts) in &self.0 {
            if parts.is_empty() {
                match (new.get(name), old.get(name)) {
                    (Some(wanted), is) if wanted != is.unwrap_or_default() => return Some((*name).to_owned()),
                    (None, Some(is)) => {
                        let is = is.to_owned();
                        new.push(name, Attribute::Single(is));
                    }
                    _ => {}
                }
            } else if new.vector(name).is_some() && part_values(new, name, parts) != part_values(old, name, parts) {
                return Some((*name).to_owned());
            }
        }
        None
    }

    /// The restricted parts of the vectors of a name.
    pub fn parts_of(&self, vector: &str) -> impl Iterator<Item = &str> {
        self.0.get(vector).into_iter().flatten().copied()
    }
}

/// What the vectors of a name give to restricted parts, sorted: vectors may change places.
fn part_values(template: &Template, name: &str, parts: &BTreeSet<&str>) -> Vec<String> {
    let values = template.vectors(name).flat_map(|v| parts.iter().filter_map(|p| v.get(p).map(|v| format!("{p}{v}"))));
    let mut values: Vec<String> = values.collect();
    values.sort();
    values
}
