//! OpenNebula's template type: a sorted multimap of attributes, each a value or a vector of values.
//!
//! Parsing (attribute = value text and XML) is in [`parse`]. Semantics of attributes belong to the pools.

pub mod parse;
pub mod restricted;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::clean::{Name, Text};
use crate::xml::{ElementName, XmlWriter};

/// Bytes of memory that a value takes besides those of its name and itself: two strings and their share of a tree.
const VALUE_OVERHEAD: u64 = 96;

/// Bytes of memory that an attribute takes besides its values: the smallest tree of a vector, or the list of a name.
const ATTRIBUTE_OVERHEAD: u64 = 560;

/// The value of an attribute.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Attribute {
    /// `NAME = value`
    Single(Text),
    /// `NAME = [ KEY = value, ... ]`
    Vector(VectorAttribute),
}

/// A vector attribute: sub-attributes sorted by name, as the reference keeps them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct VectorAttribute(BTreeMap<Name, Text>);

impl VectorAttribute {
    /// An empty vector.
    #[must_use]
    pub fn new() -> VectorAttribute {
        VectorAttribute::default()
    }
    /// The value of a sub-attribute; `None` when absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(Text::as_str)
    }
    /// The value of a sub-attribute, to change in place.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut Text> {
        self.0.get_mut(name)
    }
    /// The value of a sub-attribute, empty when absent.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }
    /// A sub-attribute that is an integer, whole: as in the reference (`Attribute.h`, `vector_value`), `64MB` is none.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(whole_int)
    }
    /// A sub-attribute read as a non-negative object id.
    #[must_use]
    pub fn id(&self, name: &str) -> Option<i32> {
        self.int(name).and_then(|n| i32::try_from(n).ok()).filter(|n| *n >= 0)
    }
    /// Whether a sub-attribute is YES (in any case).
    #[must_use]
    pub fn is_yes(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v.eq_ignore_ascii_case("YES"))
    }
    /// Sets (replaces) a sub-attribute.
    pub fn set(&mut self, name: impl Into<Name>, value: impl ToString) -> &mut Self {
        self.0.insert(name.into(), Text::from(value.to_string()));
        self
    }
    /// Removes a sub-attribute and returns its value.
    pub fn remove(&mut self, name: &str) -> Option<String> {
        self.0.remove(name).map(String::from)
    }
    /// All pairs by name.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &str)> {
        self.0.iter().map(|(k, v)| (k, v.as_str()))
    }
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// About how many bytes of memory it takes, rather more than less.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.overhead() + self.0.iter().map(|(name, value)| (name.len() + value.len()) as u64).sum::<u64>()
    }
    /// How many bytes of that are not those of names and values.
    #[must_use]
    pub fn overhead(&self) -> u64 {
        ATTRIBUTE_OVERHEAD + VALUE_OVERHEAD * self.0.len() as u64
    }
    /// Adds what `other` has; `replace` decides who wins.
    pub fn merge(&mut self, other: &VectorAttribute, replace: bool) {
        for (k, v) in &other.0 {
            if replace || !self.0.contains_key(k) {
                self.0.insert(k.clone(), v.clone());
            }
        }
    }
    /// `<name>` with every pair in CDATA.
    pub fn render(&self, name: impl ElementName, w: &mut XmlWriter) {
        w.element(name, |w| {
            for (k, v) in self.iter() {
                w.cdata(k, v);
            }
        });
    }
}

impl<K: Into<Name>, V: ToString> FromIterator<(K, V)> for VectorAttribute {
    fn from_iter<T: IntoIterator<Item = (K, V)>>(iter: T) -> Self {
        VectorAttribute(iter.into_iter().map(|(k, v)| (k.into(), Text::from(v.to_string()))).collect())
    }
}

/// A template: attributes sorted by name; attributes of one name keep their order of insertion.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Template(BTreeMap<Name, Vec<Attribute>>);

impl Template {
    /// An empty template.
    #[must_use]
    pub fn new() -> Template {
        Template::default()
    }
    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
    /// The first single value of a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.iter().find_map(|a| match a {
            Attribute::Single(v) => Some(v.as_str()),
            Attribute::Vector(_) => None,
        })
    }
    /// The first single value of a name, empty when absent.
    #[must_use]
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }
    /// The first single value of a name that is an integer, whole: as in the reference (`Template.h`, `get`), `64MB` is
    /// none.
    #[must_use]
    pub fn int(&self, name: &str) -> Option<i64> {
        self.get(name).and_then(whole_int)
    }
    /// The first single value of a name that is a number, whole.
    #[must_use]
    pub fn float(&self, name: &str) -> Option<f64> {
        self.get(name).and_then(whole_float)
    }
    /// Whether the first single value of a name is YES (in any case).
    #[must_use]
    pub fn is_yes(&self, name: &str) -> bool {
        self.get(name).is_some_and(|v| v.eq_ignore_ascii_case("YES"))
    }
    /// Whether any attribute has this name.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }
    /// All attributes of a name.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &Attribute> {
        self.0.get(name).into_iter().flatten()
    }
    /// The vector attributes of a name, in order.
    pub fn vectors(&self, name: &str) -> impl Iterator<Item = &VectorAttribute> {
        self.all(name).filter_map(|a| match a {
            Attribute::Vector(v) => Some(v),
            Attribute::Single(_) => None,
        })
    }
    /// The vector attributes of a name, in order, to change in place.
    pub fn vectors_mut(&mut self, name: &str) -> impl Iterator<Item = &mut VectorAttribute> {
        self.0.get_mut(name).into_iter().flatten().filter_map(|a| match a {
            Attribute::Vector(v) => Some(v),
            Attribute::Single(_) => None,
        })
    }
    /// The first vector attribute of a name.
    #[must_use]
    pub fn vector(&self, name: &str) -> Option<&VectorAttribute> {
        self.vectors(name).next()
    }
    /// The single values of a name, in order.
    pub fn singles(&self, name: &str) -> impl Iterator<Item = &str> {
        self.all(name).filter_map(|a| match a {
            Attribute::Single(v) => Some(v.as_str()),
            Attribute::Vector(_) => None,
        })
    }
    /// The single values of a name, in order, to change in place.
    pub fn singles_mut(&mut self, name: &str) -> impl Iterator<Item = &mut Text> {
        self.0.get_mut(name).into_iter().flatten().filter_map(|a| match a {
            Attribute::Single(v) => Some(v),
            Attribute::Vector(_) => None,
        })
    }
    /// Adds an attribute after those of the same name.
    pub fn push(&mut self, name: impl Into<Name>, attribute: Attribute) {
        self.0.entry(name.into()).or_default().push(attribute);
    }
    /// Adds a single value after those of the same name.
    pub fn add(&mut self, name: impl Into<Name>, value: impl ToString) {
        self.push(name, Attribute::Single(Text::from(value.to_string())));
    }
    /// Adds a vector after those of the same name.
    pub fn add_vector(&mut self, name: impl Into<Name>, vector: VectorAttribute) {
        self.push(name, Attribute::Vector(vector));
    }
    /// Replaces all attributes of a name by one single value.
    pub fn set(&mut self, name: impl Into<Name>, value: impl ToString) {
        self.0.insert(name.into(), vec![Attribute::Single(Text::from(value.to_string()))]);
    }
    /// Replaces all attributes of a name by these vectors.
    pub fn set_vectors(&mut self, name: impl Into<Name>, vectors: impl IntoIterator<Item = VectorAttribute>) {
        let name = name.into();
        let all: Vec<_> = vectors.into_iter().map(Attribute::Vector).collect();
        if all.is_empty() {
            self.0.remove(&name);
        } else {
            self.0.insert(name, all);
        }
    }
    /// Removes all attributes of a name; returns them.
    pub fn remove(&mut self, name: &str) -> Vec<Attribute> {
        self.0.remove(name).unwrap_or_default()
    }
    /// Removes all attributes of a name; returns the first single value, empty when there was none.
    pub fn take(&mut self, name: &str) -> Option<String> {
        self.remove(name).into_iter().find_map(|a| match a {
            Attribute::Single(v) => Some(String::from(v)),
            Attribute::Vector(_) => None,
        })
    }
    /// Keeps the attributes for which `keep(name, attribute)` holds.
    pub fn retain(&mut self, mut keep: impl FnMut(&str, &Attribute) -> bool) {
        self.0.retain(|name, all| {
            all.retain(|a| keep(name, a));
            !all.is_empty()
        });
    }
    /// How many bytes of its memory are not those of names and values.
    #[must_use]
    pub fn overhead(&self) -> u64 {
        let attributes = self.0.values().flatten().map(|attribute| match attribute {
            Attribute::Single(_) => VALUE_OVERHEAD,
            Attribute::Vector(vector) => vector.overhead(),
        });
        attributes.sum()
    }
    /// About how many bytes of memory it takes, rather more than less.
    #[must_use]
    pub fn memory(&self) -> u64 {
        let attributes = self.iter().map(|(name, attribute)| match attribute {
            Attribute::Single(value) => VALUE_OVERHEAD + (name.len() + value.len()) as u64,
            Attribute::Vector(vector) => vector.memory(),
        });
        attributes.sum()
    }
    /// Every attribute in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Name, &Attribute)> {
        self.0.iter().flat_map(|(name, all)| all.iter().map(move |a| (name, a)))
    }
    /// Replaces, name by name, with the attributes of `other` (the reference's `Template::merge`). An empty vector only
    /// removes.
    pub fn merge(&mut self, other: &Template) {
        for (name, all) in &other.0 {
            self.0.insert(name.clone(), all.clone());
        }
        self.drop_empty_vectors();
    }
    /// Keeps the last attribute of each name: the templates of users and images hold one of each.
    pub fn keep_last_of_each(&mut self) {
        for all in self.0.values_mut() {
            all.drain(..all.len().saturating_sub(1));
        }
    }
    /// Forgets vectors with nothing in them, which XML does not keep: what a stored object's template needs.
    pub fn drop_empty_vectors(&mut self) {
        self.retain(|_, attribute| !matches!(attribute, Attribute::Vector(v) if v.is_empty()));
    }
    /// `<root>` with everything in it.
    pub fn render(&self, root: impl ElementName, w: &mut XmlWriter) {
        w.element(root, |w| {
            for (name, attribute) in self.iter() {
                match attribute {
                    Attribute::Single(v) => {
                        w.cdata(name, v);
                    }
                    Attribute::Vector(v) => v.render(name, w),
                }
            }
        });
    }
}

/// The integer a text begins with, as C++ `stringstream >> int` reads it; `None` when it begins with none.
#[must_use]
pub fn leading_int(text: &str) -> Option<i64> {
    let t = text.trim_start();
    let digits = t.strip_prefix(['-', '+']).unwrap_or(t);
    let end = digits.find(|c: char| !c.is_ascii_digit()).unwrap_or(digits.len());
    if end == 0 {
        return None;
    }
    let (sign, number) = (t.starts_with('-'), &digits[..end]);
    number.parse::<i64>().ok().map(|n| if sign { -n } else { n })
}

/// The integer that a text is, as the reference's typed attributes are read: blanks may stand before it, nothing after.
#[must_use]
pub fn whole_int(text: &str) -> Option<i64> {
    text.trim_start().parse().ok()
}

/// The same for numbers that cannot be negative.
#[must_use]
pub fn whole_u64(text: &str) -> Option<u64> {
    text.trim_start().parse().ok()
}

/// The number a text begins with, as C++ `stringstream >> float` reads it.
#[must_use]
pub fn leading_float(text: &str) -> Option<f64> {
    let t = text.trim_start();
    let mut end = 0;
    let (mut dot, mut digits) = (false, false);
    for (i, c) in t.char_indices() {
        match c {
            '0'..='9' => digits = true,
            '-' | '+' if i == 0 => {}
            '.' if !dot => dot = true,
            _ => break,
        }
        end = i + 1;
    }
    if digits { t[..end].parse().ok() } else { None }
}

/// The number that a text is, whole, as C++ `stringstream >> float` followed by `eof` accepts it.
#[must_use]
pub fn whole_float(text: &str) -> Option<f64> {
    let t = text.trim_start();
    // Unlike Rust, C++ streams know no infinity and no NaN.
    let known = |b: u8| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E');
    if t.bytes().all(known) { t.parse().ok() } else { None }
}

/// A float as C++ streams write it: six significant digits, no trailing zeros.
#[must_use]
pub fn float_text(number: f32) -> String {
    if number == 0.0 || !number.is_finite() {
        return "0".to_owned();
    }
    let scientific = format!("{number:.5e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    if (-4..6).contains(&exponent) {
        let decimals = usize::try_from(5 - exponent).unwrap_or(0);
        let text = format!("{number:.decimals$}");
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    } else {
        let mantissa = mantissa.trim_end_matches('0').trim_end_matches('.');
        let sign = if exponent < 0 { '-' } else { '+' };
        format!("{mantissa}e{sign}{:02}", exponent.abs())
    }
}

#[cfg(test)]
mod tests {
    use super::float_text;

    #[test]
    fn floats_print_as_streams_print_them() {
        let cases = [(0.5, "0.5"), (1.0, "1"), (0.1, "0.1"), (1.25, "1.25"), (1e6, "1e+06"), (123456.0, "123456")];
        for (number, text) in cases {
            assert_eq!(float_text(number), text);
        }
        assert_eq!(float_text(0.333_333_34), "0.333333");
        assert_eq!(float_text(0.00001), "1e-05");
        assert_eq!(float_text(0.0001), "0.0001");
    }
}
