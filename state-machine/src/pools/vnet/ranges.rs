//! The address ranges of one network: adding and removing them, and finding addresses in them.
//!
//! It must not know networks, VMs or quotas: it is told who takes an address.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::range::{Address, AddressRange, Holder};

/// The address ranges of a network, by id.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct AddressRanges(BTreeMap<u32, AddressRange>);

/// A lease that was just taken: the range and the place in it.
pub type Place = (u32, u32);

impl AddressRanges {
    /// The id that the next range gets.
    #[must_use]
    pub fn next_id(&self) -> u32 {
        self.0.keys().next_back().map_or(0, |last| last.saturating_add(1))
    }

    /// A range; ids below 0 are no range's.
    #[must_use]
    pub fn get(&self, id: i32) -> Option<&AddressRange> {
        self.0.get(&u32::try_from(id).ok()?)
    }

    /// A range to change.
    pub fn get_mut(&mut self, id: i32) -> Option<&mut AddressRange> {
        self.0.get_mut(&u32::try_from(id).ok()?)
    }

    /// Every range, by id.
    pub fn iter(&self) -> impl Iterator<Item = &AddressRange> {
        self.0.values()
    }

    /// Adds a range.
    pub fn insert(&mut self, range: AddressRange) {
        self.0.insert(range.id, range);
    }

    /// Removes a range.
    pub fn remove(&mut self, id: i32) -> Option<AddressRange> {
        self.0.remove(&u32::try_from(id).ok()?)
    }

    /// Removes every range.
    pub fn clear(&mut self) {
        self.0.clear();
    }

    /// How many addresses are taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.iter().map(AddressRange::used).sum()
    }

    /// The security groups of all ranges.
    #[must_use]
    pub fn security_groups(&self) -> BTreeSet<i32> {
        self.iter().flat_map(AddressRange::security_groups).collect()
    }

    /// An attribute of a range, `None` when there is no such range or attribute.
    #[must_use]
    pub fn attribute(&self, id: i32, name: &str) -> Option<&str> {
        self.get(id)?.attributes.get(name)
    }

    /// Gives away the wanted address, or the first free one of the first range that has one.
    pub fn take(&mut self, wanted: Option<Address<'_>>, holder: Holder) -> Option<Place> {
        for range in self.0.values_mut() {
            let index = match wanted {
                Some(address) => range.place(address),
                None => range.first_free(1),
            };
            if let Some(index) = index.filter(|index| range.take(*index, holder)) {
                return Some((range.id, index));
            }
        }
        None
    }

    /// Keeps an address from being used, in one range or in every range that has it.
    pub fn hold(&mut self, only: Option<i32>, address: Address<'_>) -> bool {
        self.each(only, |range| range.place(address).is_some_and(|index| range.take(index, Holder::NOBODY)))
    }

    /// Takes an address back, in one range or in every range that has it, if `holder` has it there.
    pub fn give_back(&mut self, only: Option<i32>, address: Address<'_>, holder: Holder) -> bool {
        self.each(only, |range| range.place_to_free(address).is_some_and(|index| range.give_back(index, holder)))
    }

    /// Takes back everything that `holder` has; returns how many addresses that were.
    pub fn give_back_all(&mut self, holder: Holder) -> u64 {
        self.0.values_mut().map(|range| range.give_back_all(holder)).sum()
    }

    /// Does something with one range or with all; whether it did anything in any.
    fn each(&mut self, only: Option<i32>, mut action: impl FnMut(&mut AddressRange) -> bool) -> bool {
        match only {
            Some(id) => self.get_mut(id).is_some_and(action),
            None => self.0.values_mut().fold(false, |done, range| action(range) | done),
        }
    }
}
