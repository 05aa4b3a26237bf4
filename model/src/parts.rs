//! Parts: some objects collect very many things (leases, history records, members). Each of these things has a record of
//! its own, so that a change writes only what it changes, however many there are.
//!
//! In memory a part is a value in a persistent map of its object's body; the body's own record leaves these maps out. A
//! body lists its maps ([`crate::records::Record::parts`]), and a commit compares them with what they were, so that no
//! pool can forget to say what it changed. It must not know what any part means.

use std::any::Any;
use std::io;
use std::sync::Arc;

use imbl::OrdMap;
use imbl::ordmap::DiffItem;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Which of an object's maps, and which of its values. The numbers are on disk: never changed, never given twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct PartKey {
    /// The map, by a number of the body's own.
    pub map: u64,
    /// The value's place in the map.
    pub index: u64,
}

/// A map whose values are stored one by one.
pub trait Parts: Any {
    /// Calls `visit` with the index of every value, ascending.
    fn each(&self, visit: &mut dyn FnMut(u64));

    /// The stored form of a value; `None` when there is none.
    fn encode(&self, index: u64) -> Option<Vec<u8>>;

    /// How many bytes a value counts for where an owner answers for it (`sizes`); 0 when there is none.
    fn size(&self, index: u64) -> u64 {
        self.encode(index).map_or(0, |value| value.len() as u64)
    }

    /// Takes in a stored value.
    ///
    /// # Errors
    /// When it cannot be read.
    fn decode(&mut self, index: u64, value: &[u8]) -> Result<(), String>;

    /// Whether everything is there that its values name, once all are taken in.
    ///
    /// # Errors
    /// What is missing.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }

    /// Calls `changed` with the index of every value that is not what it was in `before`, the same map of an older state;
    /// with that of every value when there was none. What the two share is not looked at.
    fn changes(&self, before: Option<&dyn Parts>, changed: &mut dyn FnMut(u64));
}

/// The stored form of a value.
///
/// # Panics
/// When it has none, which plain data always has. The node stops then: no form would mean that the value was removed, on
/// the disk and to other nodes.
pub fn stored<T: Serialize>(value: &T) -> Vec<u8> {
    // Most records are smaller, and all begin larger than what a vector begins with.
    let mut record = Vec::with_capacity(2048);
    // Maps by field name.
    rmp_serde::encode::write_named(&mut record, value).unwrap_or_else(|e| panic!("a record cannot be encoded: {e}"));
    record
}

/// Counts bytes in place of writing them.
struct Count(u64);

impl io::Write for Count {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0 = self.0.saturating_add(bytes.len() as u64);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// How many bytes a value has when it is stored.
#[must_use]
pub fn stored_size(value: &impl Serialize) -> u64 {
    let mut count = Count(0);
    // Encoding plain data cannot fail.
    let _ = rmp_serde::encode::write_named(&mut count, value);
    count.0
}

/// The map behind a trait object, when it is of the type that is expected.
pub fn of_same_type<T: Parts>(parts: Option<&dyn Parts>) -> Option<&T> {
    let any: &dyn Any = parts?;
    any.downcast_ref()
}

/// Calls `changed` with every key of `after` and `before` whose values differ.
pub fn differing<K: Ord + Copy, V: PartialEq>(before: &OrdMap<K, V>, after: &OrdMap<K, V>, mut changed: impl FnMut(K)) {
    for item in before.diff(after) {
        match item {
            DiffItem::Add(key, _) | DiffItem::Remove(key, _) | DiffItem::Update { old: (key, _), .. } => changed(*key),
        }
    }
}

/// Values by number, each in a record of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct Table<V>(OrdMap<u64, Arc<V>>);

impl<V> Default for Table<V> {
    fn default() -> Self {
        Table(OrdMap::new())
    }
}

impl<V: Clone> Table<V> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A value.
    #[must_use]
    pub fn get(&self, index: u64) -> Option<&V> {
        self.0.get(&index).map(|value| &**value)
    }

    /// A value to change.
    pub fn get_mut(&mut self, index: u64) -> Option<&mut V> {
        self.0.get_mut(&index).map(Arc::make_mut)
    }

    /// The value with the highest number, and that.
    #[must_use]
    pub fn last(&self) -> Option<(u64, &V)> {
        self.0.get_max().map(|(index, value)| (*index, &**value))
    }

    /// Sets a value.
    pub fn insert(&mut self, index: u64, value: V) {
        self.0.insert(index, Arc::new(value));
    }

    /// Removes a value; whether there was one.
    pub fn remove(&mut self, index: u64) -> bool {
        self.0.remove(&index).is_some()
    }

    /// Removes the value with the lowest number; whether there was one.
    pub fn remove_first(&mut self) -> bool {
        let first = self.0.get_min().map(|(index, _)| *index);
        first.is_some_and(|index| self.remove(index))
    }

    /// The values, by number.
    pub fn values(&self) -> impl DoubleEndedIterator<Item = &V> {
        self.0.values().map(|value| &**value)
    }
}

impl<V: Serialize + DeserializeOwned + Clone + PartialEq + 'static> Parts for Table<V> {
    fn each(&self, visit: &mut dyn FnMut(u64)) {
        self.0.keys().for_each(|index| visit(*index));
    }

    fn encode(&self, index: u64) -> Option<Vec<u8>> {
        self.get(index).map(stored)
    }

    fn size(&self, index: u64) -> u64 {
        self.get(index).map_or(0, stored_size)
    }

    fn decode(&mut self, index: u64, value: &[u8]) -> Result<(), String> {
        self.insert(index, rmp_serde::from_slice(value).map_err(|e| e.to_string())?);
        Ok(())
    }

    fn changes(&self, before: Option<&dyn Parts>, changed: &mut dyn FnMut(u64)) {
        match of_same_type::<Self>(before) {
            Some(before) => differing(&before.0, &self.0, changed),
            None => self.each(changed),
        }
    }
}

impl Parts for crate::set::Set<i32> {
    fn each(&self, visit: &mut dyn FnMut(u64)) {
        self.iter().for_each(|member| visit(index_of(*member)));
    }

    fn encode(&self, index: u64) -> Option<Vec<u8>> {
        let member = member_of(index)?;
        self.contains(&member).then(Vec::new)
    }

    fn decode(&mut self, index: u64, value: &[u8]) -> Result<(), String> {
        let member = member_of(index).filter(|_| value.is_empty()).ok_or("no member of a set")?;
        self.insert(member);
        Ok(())
    }

    fn changes(&self, before: Option<&dyn Parts>, changed: &mut dyn FnMut(u64)) {
        match of_same_type::<Self>(before) {
            Some(before) => self.differences(before, |member| changed(index_of(*member))),
            None => self.each(changed),
        }
    }
}

fn index_of(member: i32) -> u64 {
    u64::from(member.cast_unsigned())
}

fn member_of(index: u64) -> Option<i32> {
    u32::try_from(index).ok().map(u32::cast_signed)
}
