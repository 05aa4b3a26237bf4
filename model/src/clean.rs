//! What may stand in the XML of objects: names of attributes and texts that every XML 1.0 parser reads.
//!
//! Whatever comes from outside becomes a [`Name`] or a [`Text`] here, and [`crate::xml::XmlWriter`] takes names of no
//! other origin but the program itself. This module must not know any attribute.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::ops::Deref;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The longest name, in bytes. libxml2, with which OpenNebula's Ruby clients read, gives up at 50,000.
pub const MAX_NAME: usize = 1024;

/// What is shown in place of a character that XML cannot carry.
const REPLACEMENT: char = '\u{fffd}';

/// Letters outside ASCII that are letters of names in every edition of XML 1.0: Latin, Greek, Cyrillic, Hebrew, Arabic,
/// kana, Han, Hangul. The fifth edition allows many more characters, but expat and Go's decoder keep to the fourth.
const LETTERS: [(char, char); 30] = [
    ('\u{c0}', '\u{d6}'),
    ('\u{d8}', '\u{f6}'),
    ('\u{f8}', '\u{131}'),
    ('\u{134}', '\u{13e}'),
    ('\u{141}', '\u{148}'),
    ('\u{14a}', '\u{17e}'),
    ('\u{180}', '\u{1c3}'),
    ('\u{1cd}', '\u{1f0}'),
    ('\u{1fa}', '\u{217}'),
    ('\u{386}', '\u{386}'),
    ('\u{388}', '\u{38a}'),
    ('\u{38c}', '\u{38c}'),
    ('\u{38e}', '\u{3a1}'),
    ('\u{3a3}', '\u{3ce}'),
    ('\u{401}', '\u{40c}'),
    ('\u{40e}', '\u{44f}'),
    ('\u{451}', '\u{45c}'),
    ('\u{45e}', '\u{481}'),
    ('\u{490}', '\u{4c4}'),
    ('\u{531}', '\u{556}'),
    ('\u{561}', '\u{586}'),
    ('\u{5d0}', '\u{5ea}'),
    ('\u{621}', '\u{63a}'),
    ('\u{641}', '\u{64a}'),
    ('\u{1e00}', '\u{1e9b}'),
    ('\u{1ea0}', '\u{1ef9}'),
    ('\u{3041}', '\u{3094}'),
    ('\u{30a1}', '\u{30fa}'),
    ('\u{4e00}', '\u{9fa5}'),
    ('\u{ac00}', '\u{d7a3}'),
];

/// Whether a name may begin with this character.
fn begins_name(c: char) -> bool {
    c.is_ascii_alphabetic() || c == '_' || !c.is_ascii() && LETTERS.iter().any(|(from, to)| (*from..=*to).contains(&c))
}

/// Whether a text is the name of an attribute: an XML 1.0 name without a colon, at most [`MAX_NAME`] bytes long.
#[must_use]
pub fn is_name(text: &str) -> bool {
    let goes_on = |c: char| begins_name(c) || c.is_ascii_digit() || matches!(c, '-' | '.' | '\u{b7}');
    text.len() <= MAX_NAME && text.starts_with(begins_name) && text.chars().all(goes_on)
}

/// Whether XML 1.0 can carry this character (`Char` in its grammar).
#[must_use]
pub fn is_char(c: char) -> bool {
    (c >= ' ' || matches!(c, '\t' | '\n' | '\r')) && !matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// Whether XML 1.0 can carry every character of a text.
#[must_use]
pub fn is_text(text: &str) -> bool {
    // Almost no text has one of these bytes (EF begins U+F000 and above), and this loop looks at many bytes at once.
    let suspect = |b: u8| (b < b' ') & (b != b'\t') & (b != b'\n') & (b != b'\r') | (b == 0xef);
    !text.bytes().fold(false, |found, b| found | suspect(b)) || text.chars().all(is_char)
}

/// A text in which characters that XML cannot carry are replaced by U+FFFD.
#[must_use]
pub fn cleaned(text: &str) -> Cow<'_, str> {
    if is_text(text) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.chars().map(|c| if is_char(c) { c } else { REPLACEMENT }).collect())
}

/// The name of an attribute: see [`is_name`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Name(Cow<'static, str>);

impl Name {
    /// A name that comes from outside; `None` when it is none.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Name> {
        let text = text.into();
        is_name(&text).then_some(Name(Cow::Owned(text)))
    }
    /// A name of the program that is made of parts.
    #[must_use]
    pub fn of_parts(parts: &[&'static str]) -> Name {
        let name = parts.concat();
        debug_assert!(is_name(&name), "{name} is no name");
        Name(Cow::Owned(name))
    }
    /// This name and an end of letters, digits and `_`.
    #[must_use]
    pub fn with(&self, end: &'static str) -> Name {
        let name = format!("{self}{end}");
        debug_assert!(is_name(&name), "{name} is no name");
        Name(Cow::Owned(name))
    }
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&'static str> for Name {
    /// A name of the program.
    fn from(name: &'static str) -> Name {
        debug_assert!(is_name(name), "{name} is no name");
        Name(Cow::Borrowed(name))
    }
}

impl From<&&'static str> for Name {
    fn from(name: &&'static str) -> Name {
        Name::from(*name)
    }
}

impl From<&Name> for Name {
    fn from(name: &Name) -> Name {
        name.clone()
    }
}

impl Deref for Name {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Name {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Name {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Name {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Name::new(text).ok_or_else(|| serde::de::Error::custom("a stored attribute has a name that is none"))
    }
}

/// A text that XML can carry: see [`is_text`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub struct Text(String);

impl Text {
    /// A text that comes from outside; `None` when XML cannot carry it.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Option<Text> {
        let text = text.into();
        is_text(&text).then_some(Text(text))
    }
    /// The text as a string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<String> for Text {
    /// [`cleaned`]: for what cannot be refused any more, or was checked where it entered.
    fn from(text: String) -> Text {
        match cleaned(&text) {
            Cow::Borrowed(_) => Text(text),
            Cow::Owned(cleaned) => Text(cleaned),
        }
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Text {
        Text(cleaned(text).into_owned())
    }
}

impl From<Text> for String {
    fn from(text: Text) -> String {
        text.0
    }
}

impl Deref for Text {
    type Target = str;
    fn deref(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Text {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Text::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_every_edition_of_xml() {
        for name in ["A", "_", "a1", "DASH-ED", "DOT.TED", "\u{e4}", "\u{43c}\u{430}", "\u{540d}\u{524d}"] {
            assert!(is_name(name), "{name}");
        }
        for name in ["", "1", "-a", ".a", "a b", "a:b", "xml:x", ":", "\u{aa}", "\u{b2}", "\u{2460}", "a\u{2460}", "<a"]
        {
            assert!(!is_name(name), "{name}");
        }
        // In the fifth edition only.
        assert!(!is_name("\u{10000}") && !is_name("\u{37f}") && !is_name("a\u{1f600}"));
        assert!(is_name(&"a".repeat(MAX_NAME)) && !is_name(&"a".repeat(MAX_NAME + 1)));
    }

    #[test]
    fn texts_are_what_xml_carries() {
        for c in '\u{0}'..=char::MAX {
            let text = format!("a{c}");
            assert_eq!(is_text(&text), is_char(c), "{c:?}");
            assert_eq!(Text::new(text.as_str()).is_some(), is_char(c), "{c:?}");
            let want = if is_char(c) { text.clone() } else { "a\u{fffd}".to_owned() };
            assert_eq!(Text::from(text).as_str(), want, "{c:?}");
        }
        assert!(
            !is_char('\0') && !is_char('\u{1f}') && !is_char('\u{ffff}') && is_char('\u{7f}') && is_char('\u{fffd}')
        );
    }
}
