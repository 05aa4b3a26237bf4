//! Restricted attributes: what only administrators may set in a template.
//!
//! The rule, for every pool and every way to store a template: what a plain user brings must not have a restricted
//! attribute, unless what it joins or replaces has it already, with the same value. So [`Restricted::first_in`] looks at
//! what is new as a whole (`allocate`, attaching, resizing), and [`Restricted::changed`] at what meets an older template
//! (`update`, instantiation, `updateconf`). What the system itself adds (from images, networks and datastores, and what
//! it counts) is added after these checks and is never refused. So code that adds attributes after the checks must never
//! take the *name* of an attribute from a value that a caller gave.
//!
//! A configuration list holds names (`CPU_COST`) and parts of vectors (`NIC/MAC`). A bare name restricts all
//! attributes of that name. The reference (`Template.cc`, `check_restricted`) lets vectors pass (`RAW`, `PCI`), looks
//! only at the first value of a name, and compares a part and its value joined together.
//!
//! As in the reference (`Template.cc`, `restricted_values`), vectors have no identity: of a name's vectors the
//! restricted values are compared all together. No value comes in and none is lost, but a user may exchange those of
//! two vectors: where two interfaces have a MAC each, the first may get the second's and the second the first's.

use std::collections::{BTreeMap, BTreeSet};

use super::{Attribute, Template};
use crate::clean::Name;

/// What the list says of a name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Rule<'a> {
    /// Every attribute of the name is restricted.
    whole: bool,
    /// Parts of its vectors.
    parts: BTreeSet<&'a str>,
}

/// A list of restricted attributes, by name.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Restricted<'a>(BTreeMap<&'a str, Rule<'a>>);

impl<'a> FromIterator<&'a str> for Restricted<'a> {
    fn from_iter<T: IntoIterator<Item = &'a str>>(entries: T) -> Self {
        let mut list = Restricted::default();
        for entry in entries {
            match entry.split_once('/') {
                Some((vector, part)) => list.add_part(vector, part),
                None => list.add(entry),
            }
        }
        list
    }
}

impl<'a> Restricted<'a> {
    /// A name is restricted as well.
    pub fn add(&mut self, name: &'a str) {
        self.0.entry(name).or_default().whole = true;
    }

    /// A part of the vectors of a name is restricted as well.
    pub fn add_part(&mut self, vector: &'a str, part: &'a str) {
        self.0.entry(vector).or_default().parts.insert(part);
    }

    /// What is said of `from` becomes a part of each vector `to`: it is restricted in the same way.
    pub fn follow(&mut self, from: &'a str, to: &str) {
        let Some(rule) = self.0.get(to).cloned() else { return };
        let same = self.0.entry(from).or_default();
        same.whole |= rule.whole;
        same.parts.extend(rule.parts);
    }

    /// Whether a part of the vectors of a name is restricted.
    #[must_use]
    pub fn has_part(&self, vector: &str, part: &str) -> bool {
        self.0.get(vector).is_some_and(|rule| rule.whole || rule.parts.contains(part))
    }

    /// The restricted parts of the vectors of a name.
    pub fn parts_of(&self, vector: &str) -> impl Iterator<Item = &str> {
        self.0.get(vector).into_iter().flat_map(|rule| rule.parts.iter().copied())
    }

    /// The first restricted attribute that `template` has: the name, or the part of a vector.
    #[must_use]
    pub fn first_in(&self, template: &Template) -> Option<String> {
        self.0.iter().find_map(|(name, rule)| {
            if rule.whole && template.contains(name) {
                return Some((*name).to_owned());
            }
            let mut found = template.vectors(name).flat_map(|v| rule.parts.iter().find(|part| v.get(part).is_some()));
            found.next().map(|part| (*part).to_owned())
        })
    }

    /// The name of the first restricted attribute to which `new` gives another value than `old` has. Single values that
    /// `old` has and `new` leaves out stay: they are added to `new`.
    pub fn changed(&self, new: &mut Template, old: &Template) -> Option<String> {
        for (name, rule) in &self.0 {
            if rule.whole {
                if !new.contains(name) {
                    let kept: Vec<Attribute> = old.all(name).filter(|a| is_single(a)).cloned().collect();
                    if let Some(name) = Name::new(*name) {
                        kept.into_iter().for_each(|single| new.push(&name, single));
                    }
                } else if !said(new, name).eq(said(old, name)) {
                    return Some((*name).to_owned());
                }
            }
            let parts = &rule.parts;
            if new.vector(name).is_some() && part_values(new, name, parts) != part_values(old, name, parts) {
                return Some((*name).to_owned());
            }
        }
        None
    }
}

fn is_single(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::Single(_))
}

/// The attributes of a name. An empty value is none: the reference compares values that it reads as empty when absent (src/template/Template.cc, check_restricted).
fn said<'a>(template: &'a Template, name: &str) -> impl Iterator<Item = &'a Attribute> {
    template.all(name).filter(|a| !matches!(a, Attribute::Single(value) if value.is_empty()))
}

/// What the vectors of a name give to restricted parts, sorted: vectors may change places.
fn part_values<'a>(template: &'a Template, name: &str, parts: &BTreeSet<&'a str>) -> Vec<(&'a str, &'a str)> {
    let values = template.vectors(name).flat_map(|v| parts.iter().filter_map(|part| Some((*part, v.get(part)?))));
    let mut values: Vec<_> = values.collect();
    values.sort_unstable();
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::template::parse::parse;

    fn list() -> Restricted<'static> {
        ["CPU_COST", "RAW", "NIC/MAC", "NIC/MA", "DISK", "DISK/SIZE"].into_iter().collect()
    }

    #[test]
    fn a_bare_name_restricts_vectors_and_values() -> Result<(), String> {
        for (text, found) in [
            ("RAW=[TYPE=kvm,DATA=x]", Some("RAW")),
            ("RAW=x", Some("RAW")),
            ("CPU_COST=[A=1]", Some("CPU_COST")),
            ("NIC=[NETWORK_ID=1] NIC=[MAC=x]", Some("MAC")),
            ("NIC=MAC", None),
            ("DISK=[IMAGE_ID=1]", Some("DISK")),
            ("NIC_ALIAS=[MAC=x]", None),
        ] {
            assert_eq!(list().first_in(&parse(text)?).as_deref(), found, "{text}");
        }
        Ok(())
    }

    #[test]
    fn what_stands_already_may_stand_and_nothing_else() -> Result<(), String> {
        for (old, new, changed) in [
            ("CPU_COST=1", "CPU_COST=1", None),
            ("CPU_COST=1", "CPU_COST=1 CPU_COST=0", Some("CPU_COST")),
            ("CPU_COST=1", "CPU_COST=[A=1]", Some("CPU_COST")),
            ("A=1", "CPU_COST=\"\"", None),
            ("RAW=[TYPE=kvm,DATA=x]", "RAW=[TYPE=kvm,DATA=x]", None),
            ("RAW=[TYPE=kvm,DATA=x]", "RAW=[TYPE=kvm,DATA=y]", Some("RAW")),
            ("RAW=[TYPE=kvm,DATA=x]", "A=1", None),
            ("A=1", "RAW=[TYPE=kvm]", Some("RAW")),
            ("NIC=[MAC=1] NIC=[MAC=2]", "NIC=[MAC=2] NIC=[MAC=1]", None),
            ("NIC=[MAC=1]", "NIC=[MAC=1] NIC=[MAC=1]", Some("NIC")),
            ("NIC=[MAC=x]", "NIC=[MA=Cx]", Some("NIC")),
            ("NIC=[MAC=x]", "NIC=[NETWORK_ID=1]", Some("NIC")),
            ("NIC=[N=0] NIC=[MAC=x,N=1]", "NIC=[MAC=x,N=1]", None),
            ("NIC=[MAC=x,N=1]", "NIC=[N=0] NIC=[MAC=x,N=1]", None),
            ("NIC=[MAC=x,N=1]", "NIC=[MAC=x,N=2]", None),
            // The limit: the vectors exchange what they have.
            ("NIC=[MAC=x,N=1] NIC=[MAC=y,N=2]", "NIC=[MAC=y,N=1] NIC=[MAC=x,N=2]", None),
            ("NIC=[MAC=x,N=1] NIC=[MAC=y,N=2]", "NIC=[MAC=x,N=2] NIC=[MAC=y,N=1]", None),
            ("NIC=[MAC=x,N=1] NIC=[MAC=y,N=2]", "NIC=[MAC=x,N=1] NIC=[MAC=x,N=2]", Some("NIC")),
        ] {
            assert_eq!(list().changed(&mut parse(new)?, &parse(old)?).as_deref(), changed, "{old} -> {new}");
        }
        Ok(())
    }

    #[test]
    fn single_values_that_are_left_out_stay() -> Result<(), String> {
        let mut new = parse("A=1")?;
        assert_eq!(list().changed(&mut new, &parse("CPU_COST=1 RAW=[TYPE=kvm]")?), None);
        assert_eq!(new, parse("A=1 CPU_COST=1")?);
        Ok(())
    }

    #[test]
    fn what_becomes_part_of_a_restricted_vector_is_restricted_too() -> Result<(), String> {
        let mut list = list();
        list.follow("NIC_DEFAULT", "NIC");
        assert_eq!(list.first_in(&parse("NIC_DEFAULT=[MAC=x]")?).as_deref(), Some("MAC"));
        assert!(list.has_part("DISK", "ANY") && list.has_part("NIC", "MAC") && !list.has_part("NIC", "IP"));
        Ok(())
    }
}
