//! A VM's history records, and the texts that they share: each in a record of its own, so that closing a history record
//! costs the same whether the VM has been here for a day or for years.
//!
//! A history record keeps the VM's document. Most of it comes from templates and is the same in one record and the
//! next. Such pieces are kept apart, as texts with numbers: neighbouring records that have the same piece name the same
//! number.

use std::collections::BTreeMap;

use imbl::OrdMap;

use super::history::{History, Info};
use crate::parts::{Parts, Table, of_same_type, stored_size};

/// The numbers of texts among a VM's parts begin here; below are the history records.
const TEXTS: u64 = 1 << 32;

/// The history records of a VM, by number from 0, and their texts.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Records {
    all: Table<History>,
    texts: Table<String>,
    /// How many times each text is named; not stored.
    named: OrdMap<u64, u32>,
}

impl Records {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them, oldest first.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &History> {
        self.all.values()
    }

    /// The current one.
    #[must_use]
    pub fn current(&self) -> Option<&History> {
        self.back(0)
    }

    /// The number of the record that many before the current one.
    fn number(&self, back: u64) -> Option<u64> {
        self.all.last()?.0.checked_sub(back)
    }

    /// The record that many before the current one.
    #[must_use]
    pub fn back(&self, back: u64) -> Option<&History> {
        self.all.get(self.number(back)?)
    }

    /// The record that many before the current one, to change.
    pub fn back_mut(&mut self, back: u64) -> Option<&mut History> {
        self.all.get_mut(self.number(back)?)
    }

    /// Appends a record that knows nothing of the VM yet; its number is set here.
    pub fn push(&mut self, record: History) {
        let number = self.all.last().map_or(0, |(last, _)| last + 1);
        let seq = i32::try_from(number).unwrap_or(i32::MAX);
        self.all.insert(number, History { seq, info: Info::default(), ..record });
    }

    /// What a record knows of the VM: its document without history.
    #[must_use]
    pub fn info(&self, record: &History) -> String {
        let texts = record.info.texts.iter().filter_map(|number| self.texts.get(*number));
        std::iter::once(&record.info.head).chain(texts).map(String::as_str).collect()
    }

    /// Renews what the record that many before the current one knows of the VM.
    pub fn set_info(&mut self, back: u64, [head, texts @ ..]: [String; 4]) {
        let Some(number) = self.number(back) else { return };
        let around = number.saturating_sub(1)..=number.saturating_add(1);
        let near: Vec<u64> =
            around.filter_map(|number| self.all.get(number)).flat_map(|record| record.info.texts.clone()).collect();
        let texts: Vec<u64> = texts.into_iter().map(|text| self.keep(&near, text)).collect();
        let Some(record) = self.all.get_mut(number) else { return };
        let before = std::mem::replace(&mut record.info, Info { head, texts });
        before.texts.iter().for_each(|number| self.drop_text(*number));
    }

    /// The numbers of the texts of the current record and the one before it.
    fn last_texts(&self) -> impl Iterator<Item = u64> {
        [0, 1].into_iter().filter_map(|back| self.back(back)).flat_map(|record| record.info.texts.iter().copied())
    }

    /// How many bytes of texts come in when the current record is renewed with this document: none for a piece that it
    /// or the record before it has. The head, which is short and in the record itself, is left out.
    #[must_use]
    pub fn growth(&self, [_, texts @ ..]: &[String; 4]) -> u64 {
        let known = |text: &String| self.last_texts().any(|number| self.texts.get(number) == Some(text));
        texts.iter().filter(|text| !known(text)).map(stored_size).sum()
    }

    /// The number of a text, which is named once more; one of those `near` when it is among them.
    fn keep(&mut self, near: &[u64], text: String) -> u64 {
        let known = near.iter().copied().find(|number| self.texts.get(*number) == Some(&text));
        let number = known.unwrap_or_else(|| self.texts.last().map_or(0, |(last, _)| last + 1));
        if known.is_none() {
            self.texts.insert(number, text);
        }
        *self.named.entry(number).or_insert(0) += 1;
        number
    }

    /// A text is named once less; one that nobody names is forgotten.
    fn drop_text(&mut self, number: u64) {
        match self.named.get_mut(&number) {
            Some(count) if *count > 1 => *count -= 1,
            _ => {
                self.named.remove(&number);
                self.texts.remove(number);
            }
        }
    }

    /// How many times history records name each text; for tests.
    #[must_use]
    pub fn recount(&self) -> BTreeMap<u64, u32> {
        self.iter().flat_map(|record| &record.info.texts).fold(BTreeMap::new(), |mut count, number| {
            *count.entry(*number).or_insert(0) += 1;
            count
        })
    }

    /// Whether exactly the texts are there that history records name, and are counted right; for tests.
    #[must_use]
    pub fn is_consistent(&self) -> bool {
        let mut texts = Vec::new();
        self.texts.each(&mut |number| texts.push(number));
        let counted = self.recount();
        texts.iter().eq(counted.keys()) && self.named.iter().eq(counted.iter())
    }
}

impl Parts for Records {
    fn each(&self, visit: &mut dyn FnMut(u64)) {
        self.all.each(visit);
        self.texts.each(&mut |number| visit(TEXTS | number));
    }

    fn encode(&self, index: u64) -> Option<Vec<u8>> {
        if index < TEXTS { self.all.encode(index) } else { self.texts.encode(index ^ TEXTS) }
    }

    fn size(&self, index: u64) -> u64 {
        if index < TEXTS { self.all.size(index) } else { self.texts.size(index ^ TEXTS) }
    }

    fn decode(&mut self, index: u64, value: &[u8]) -> Result<(), String> {
        if index >= TEXTS {
            return self.texts.decode(index ^ TEXTS, value);
        }
        self.all.decode(index, value)?;
        let named = self.all.get(index).map_or(Vec::new(), |record| record.info.texts.clone());
        for number in named {
            *self.named.entry(number).or_insert(0) += 1;
        }
        Ok(())
    }

    fn check(&self) -> Result<(), String> {
        if let Some(number) = self.named.keys().find(|number| self.texts.get(**number).is_none()) {
            return Err(format!("text {number} of its history is missing"));
        }
        let mut unnamed = None;
        self.texts.each(&mut |number| unnamed = unnamed.or((!self.named.contains_key(&number)).then_some(number)));
        unnamed.map_or(Ok(()), |number| Err(format!("the history record of text {number} is missing")))
    }

    fn changes(&self, before: Option<&dyn Parts>, changed: &mut dyn FnMut(u64)) {
        let before = of_same_type::<Records>(before);
        self.all.changes(before.map(|before| &before.all as &dyn Parts), changed);
        let texts = before.map(|before| &before.texts as &dyn Parts);
        self.texts.changes(texts, &mut |number| changed(TEXTS | number));
    }
}
