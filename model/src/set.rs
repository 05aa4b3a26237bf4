//! A sorted set that costs nothing to copy: for members of objects that many others belong to, since every change of
//! an object begins with a copy of it. The interface is that of `BTreeSet`.

use imbl::OrdSet;
use imbl::ordset::DiffItem;
use serde::{Deserialize, Serialize};

/// A sorted set.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent, bound = "T: Ord + Clone + Serialize + serde::de::DeserializeOwned")]
pub struct Set<T: Ord + Clone>(OrdSet<T>);

impl<T: Ord + Clone> Set<T> {
    /// An empty set.
    #[must_use]
    pub fn new() -> Set<T> {
        Set(OrdSet::new())
    }
    /// Adds a member; whether it was none before.
    pub fn insert(&mut self, member: T) -> bool {
        self.0.insert(member).is_none()
    }
    /// Removes a member; whether it was one.
    pub fn remove(&mut self, member: &T) -> bool {
        self.0.remove(member).is_some()
    }
    /// Whether it has a member.
    #[must_use]
    pub fn contains(&self, member: &T) -> bool {
        self.0.contains(member)
    }
    /// How many members it has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }
    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The lowest member.
    #[must_use]
    pub fn first(&self) -> Option<&T> {
        self.0.get_min()
    }
    /// Removes the lowest member.
    pub fn pop_first(&mut self) -> Option<T> {
        self.0.remove_min()
    }
    /// Takes all members of another set.
    pub fn append(&mut self, other: &mut Set<T>) {
        let other = std::mem::take(&mut other.0);
        self.0 = std::mem::take(&mut self.0).union(other);
    }
    /// Calls `differs` with every member that only one of both has; what they share is not looked at.
    pub fn differences(&self, before: &Set<T>, mut differs: impl FnMut(&T)) {
        for item in before.0.diff(&self.0) {
            match item {
                DiffItem::Add(member) | DiffItem::Remove(member) => differs(member),
            }
        }
    }
    /// The members in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &T> {
        self.0.iter()
    }
}

impl<T: Ord + Clone> Default for Set<T> {
    fn default() -> Self {
        Set::new()
    }
}

impl<T: Ord + Clone> FromIterator<T> for Set<T> {
    fn from_iter<I: IntoIterator<Item = T>>(members: I) -> Self {
        Set(members.into_iter().collect())
    }
}

impl<T: Ord + Clone, const N: usize> From<[T; N]> for Set<T> {
    fn from(members: [T; N]) -> Self {
        members.into_iter().collect()
    }
}

impl<T: Ord + Clone> Extend<T> for Set<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, members: I) {
        self.0.extend(members);
    }
}

impl<'a, T: Ord + Copy + 'a> Extend<&'a T> for Set<T> {
    fn extend<I: IntoIterator<Item = &'a T>>(&mut self, members: I) {
        self.0.extend(members.into_iter().copied());
    }
}

impl<T: Ord + Clone> IntoIterator for Set<T> {
    type Item = T;
    type IntoIter = <OrdSet<T> as IntoIterator>::IntoIter;
    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a, T: Ord + Clone> IntoIterator for &'a Set<T> {
    type Item = &'a T;
    type IntoIter = <&'a OrdSet<T> as IntoIterator>::IntoIter;
    fn into_iter(self) -> Self::IntoIter {
        (&self.0).into_iter()
    }
}

impl<T: Ord + Clone> PartialEq<std::collections::BTreeSet<T>> for Set<T> {
    fn eq(&self, other: &std::collections::BTreeSet<T>) -> bool {
        self.len() == other.len() && self.iter().eq(other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::Set;

    #[test]
    fn it_is_stored_as_other_sets_are() {
        let members = [3, 1, 2];
        let (set, other): (Set<i32>, BTreeSet<i32>) = (members.into(), members.into());
        assert_eq!(set, other);
        let stored = serde_json::to_string(&set).expect("it can be stored");
        assert_eq!(stored, serde_json::to_string(&other).expect("it can be stored"));
        assert_eq!(serde_json::from_str::<Set<i32>>(&stored).expect("it can be read"), set);
        assert!(set.iter().eq(&[1, 2, 3]));
    }

    #[test]
    fn members_come_and_go() {
        let mut set = Set::from([2, 5]);
        assert!(set.insert(1) && !set.insert(2));
        assert!(set.remove(&5) && !set.remove(&5));
        let mut more = Set::from([7]);
        set.append(&mut more);
        assert_eq!((set.first(), set.len(), more.is_empty()), (Some(&1), 3, true));
        assert_eq!((set.pop_first(), set.contains(&1)), (Some(1), false));
    }
}
