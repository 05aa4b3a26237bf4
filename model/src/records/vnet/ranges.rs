//! The address ranges of one network: adding and removing them, and finding addresses in them.
//!
//! It must not know networks, VMs or quotas: it is told who takes an address.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::holder::Holder;
use super::range::{Address, AddressRange};

/// The address ranges of a network.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct AddressRanges {
    by_id: BTreeMap<u32, AddressRange>,
    /// Leases of a range removed by force that listings still count: see [`AddressRanges::listed_as_used`].
    dropped: u64,
}

/// A lease that was just taken: the range and the place in it.
pub type Place = (u32, u32);

impl AddressRanges {
    /// The id that the next range gets.
    #[must_use]
    pub fn next_id(&self) -> u32 {
        self.by_id.keys().next_back().map_or(0, |last| last.saturating_add(1))
    }

    /// A range; ids below 0 are no range's.
    #[must_use]
    pub fn get(&self, id: i32) -> Option<&AddressRange> {
        self.by_id.get(&u32::try_from(id).ok()?)
    }

    /// A range to change.
    pub fn get_mut(&mut self, id: i32) -> Option<&mut AddressRange> {
        self.by_id.get_mut(&u32::try_from(id).ok()?)
    }

    /// Every range, by id.
    pub fn iter(&self) -> impl Iterator<Item = &AddressRange> {
        self.by_id.values()
    }

    /// Adds a range.
    pub fn insert(&mut self, range: AddressRange) {
        self.forget_dropped();
        self.by_id.insert(range.id, range);
    }

    /// Removes a range.
    pub fn remove(&mut self, id: i32) -> Option<AddressRange> {
        let range = self.by_id.remove(&u32::try_from(id).ok()?)?;
        self.dropped = range.used();
        Some(range)
    }

    /// Removes every range.
    pub fn clear(&mut self) {
        self.by_id.clear();
    }

    /// How many addresses are taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.iter().map(AddressRange::used).sum()
    }

    /// How many addresses listings count as taken. Those of a removed range stay in the count until the network changes
    /// again (the reference: `AddressRangePool.cc`, `rm_ar` leaves `used_addr` as it was).
    #[must_use]
    pub fn listed_as_used(&self) -> u64 {
        self.used().saturating_add(self.dropped)
    }

    /// The network changes: listings count right again.
    pub fn forget_dropped(&mut self) {
        self.dropped = 0;
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
        self.forget_dropped();
        for range in self.by_id.values_mut() {
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
        self.by_id.values_mut().map(|range| range.give_back_all(holder)).sum()
    }

    /// Does something with one range or with all; whether it did anything in any.
    fn each(&mut self, only: Option<i32>, mut action: impl FnMut(&mut AddressRange) -> bool) -> bool {
        self.forget_dropped();
        match only {
            Some(id) => self.get_mut(id).is_some_and(action),
            None => self.by_id.values_mut().fold(false, |done, range| action(range) | done),
        }
    }
}
