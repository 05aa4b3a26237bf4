//! What values a setting takes: one type per form, with the check and the words for a refusal.
//!
//! It must not know any setting by name: those are in [`super::names`].

use crate::template::{whole_float, whole_int};
use crate::vm_operations;

use super::{local_time, sealable};

/// The form of a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// A whole number of a range; what is counted.
    Number(i64, i64, &'static str),
    /// A number that is not negative.
    Decimal,
    /// YES or NO, in any case.
    Flag,
    /// One of these words, in any case.
    OneOf(&'static [&'static str]),
    /// Any text.
    Text,
    /// Letters, digits, `-` and `_`.
    Word,
    /// A path from the root.
    Path,
    /// `http://` or `https://` and a host; or nothing.
    Url,
    /// Three octal digits.
    Umask,
    /// Two bytes in hexadecimal digits: `02:00`. The first is even: odd ones begin the addresses of groups.
    MacPrefix,
    /// A byte in hexadecimal digits: `0x01`.
    Byte,
    /// A name of the time zone database: `Europe/Berlin`.
    TimeZone,
    /// VM operations, separated by commas.
    VmOperations,
    /// Rights, joined by `+`; `-` is none.
    Rights,
    /// The name of an attribute, or of a part of one: `NIC/MAC`.
    Attribute,
    /// The same, of what may be kept encrypted.
    Sealable,
    /// Numbers from 0 to the limit and ranges of them: `0, 1, 6800:6810`.
    Ranges(i64),
}

/// Bytes of a value.
const MAX_LENGTH: usize = 8192;

impl Type {
    /// Refuses a value that is not of this form.
    ///
    /// # Errors
    /// What was expected, to be read behind the value.
    pub fn check(self, value: &str) -> Result<(), String> {
        if self.fits(value) { Ok(()) } else { Err(format!("'{}' is not {}", shortened(value), self.expected())) }
    }

    fn fits(self, value: &str) -> bool {
        if value.len() > MAX_LENGTH || !value.chars().all(is_shown) || value.contains("]]>") {
            return false;
        }
        match self {
            Type::Number(min, max, _) => whole_int(value).is_some_and(|n| (min..=max).contains(&n)),
            Type::Decimal => whole_float(value).is_some_and(|n| n.is_finite() && n >= 0.0),
            Type::Flag => ["YES", "NO"].iter().any(|word| word.eq_ignore_ascii_case(value)),
            Type::OneOf(words) => words.iter().any(|word| word.eq_ignore_ascii_case(value)),
            Type::Text => true,
            Type::Word => !value.is_empty() && value.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'),
            Type::Path => value.starts_with('/') && !value.contains(char::is_whitespace),
            Type::Url => value.is_empty() || is_url(value),
            Type::Umask => value.len() == 3 && value.chars().all(|c| ('0'..='7').contains(&c)),
            Type::MacPrefix => {
                let bytes = value.split(':').map(|part| hex(part).filter(|_| part.len() == 2));
                let bytes: Option<Vec<u32>> = bytes.collect();
                bytes.is_some_and(|bytes| bytes.len() == 2 && bytes.first().is_some_and(|first| first % 2 == 0))
            }
            Type::Byte => value.strip_prefix("0x").and_then(hex).is_some_and(|n| n < 0x100),
            Type::TimeZone => local_time::find(value).is_some(),
            Type::VmOperations => vm_operations::unknown_in(value).is_none(),
            Type::Rights => {
                value.split('+').all(|word| ["", "-", "USE", "MANAGE", "ADMIN", "CREATE"].contains(&word.trim()))
            }
            Type::Attribute => is_attribute(value),
            Type::Sealable => is_attribute(value) && sealable::may_be_sealed(value),
            Type::Ranges(limit) => value.trim().is_empty() || value.split(',').all(|part| is_range(part, limit)),
        }
    }

    /// The form in words, to be read behind "is" and "is not".
    #[must_use]
    pub fn expected(self) -> String {
        let fixed = match self {
            Type::Number(min, max, unit) => {
                let unit = if unit.is_empty() { String::new() } else { format!(" ({unit})") };
                return format!("a whole number from {min} to {max}{unit}");
            }
            Type::OneOf(words) => {
                let shown = |word: &&str| if word.is_empty() { "empty".to_owned() } else { (*word).to_owned() };
                return format!("one of: {}", words.iter().map(shown).collect::<Vec<_>>().join(", "));
            }
            Type::Ranges(limit) => {
                return format!("numbers from 0 to {limit} and ranges of them, separated by commas (0, 1, 20:30)");
            }
            Type::Decimal => "a number that is not negative",
            Type::Flag => "YES or NO",
            Type::Text => "text of at most 8192 bytes that XML can carry",
            Type::Word => "a word of letters, digits, - and _",
            Type::Path => "a path from the root",
            Type::Url => "a URL: http://HOST:PORT or https://HOST:PORT",
            Type::Umask => "a umask of three octal digits (177)",
            Type::MacPrefix => "two bytes in hexadecimal digits, the first of them even (02:00)",
            Type::Byte => "a byte in hexadecimal digits (0x01)",
            Type::TimeZone => "a name of the time zone database (Europe/Berlin)",
            Type::VmOperations => "a list of VM operations, separated by commas",
            Type::Rights => "USE, MANAGE, ADMIN and CREATE joined by + (- for none)",
            Type::Attribute => "the name of an attribute, or VECTOR/NAME",
            Type::Sealable => "the name of an attribute, or VECTOR/NAME, that the zone itself never reads",
        };
        fixed.to_owned()
    }
}

/// Whether XML 1.0 carries a character as it is.
fn is_shown(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\u{20}'..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether a text is the name of an attribute: upper case, as templates keep names.
#[must_use]
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_uppercase() || c == '_')
        && text.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_')
}

fn is_attribute(text: &str) -> bool {
    text.split('/').count() <= 2 && text.split('/').all(is_name)
}

fn is_url(text: &str) -> bool {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        !rest.is_empty() && !rest.starts_with('/') && rest.chars().all(|c| c.is_ascii_graphic() && !"\"<>$".contains(c))
    })
}

fn hex(digits: &str) -> Option<u32> {
    digits.chars().all(|c| c.is_ascii_hexdigit()).then(|| u32::from_str_radix(digits, 16).ok()).flatten()
}

fn is_range(part: &str, limit: i64) -> bool {
    let number = |text: &str| text.trim().parse::<i64>().ok().filter(|n| (0..=limit).contains(n));
    match part.split_once(':') {
        None => number(part).is_some(),
        Some((from, to)) => number(from).zip(number(to)).is_some_and(|(from, to)| from <= to),
    }
}

/// The beginning of a value, for a message.
fn shortened(value: &str) -> String {
    const SHOWN: usize = 60;
    let clean: String = value.chars().take(SHOWN).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if value.chars().nth(SHOWN).is_some() { format!("{clean}...") } else { clean }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_form_takes_its_own_and_refuses_the_rest() {
        let cases: [(Type, &[&str], &[&str]); 15] = [
            (Type::Number(1, 65_534, ""), &["1", "5900", "65534"], &["", "0", "65535", "5900 ", "x", "1e3", "0x10"]),
            (Type::Decimal, &["0", "0.1", "12"], &["", "-1", "a", "1,5", "inf"]),
            (Type::Flag, &["yes", "NO"], &["", "true", "1"]),
            (Type::OneOf(&["", "ASC", "DESC"]), &["", "asc", "DESC"], &["UP"]),
            (Type::Text, &["", "a <b> & ü", "two\nlines"], &["a\u{1}", "\u{fffe}", "]]>", "\r"]),
            (Type::Path, &["/var/lib/one"], &["", "var", "/a b"]),
            (
                Type::Url,
                &["", "http://10.0.0.1:5030", "https://a.b/c"],
                &["http://", "ftp://a", "http:///x", "http://a b", "http://$USER[X]"],
            ),
            (Type::Umask, &["177", "000"], &["", "77", "178", "0177"]),
            (
                Type::MacPrefix,
                &["02:00", "aA:fF"],
                &["", "02", "02:00:00", "2:0", "0g:00", "02-00", "+1:00", "01:00", "ff:ff"],
            ),
            (Type::Byte, &["0x01", "0xff"], &["", "1", "0x100", "0xg", "0x"]),
            (Type::TimeZone, &["UTC", "Europe/Berlin"], &["", "Europe/Nowhere", "../etc/passwd", "UTC0"]),
            (Type::Rights, &["USE", "USE+MANAGE", "-", ""], &["READ", "use"]),
            (Type::Attribute, &["RAW", "NIC/MAC"], &["", "nic", "A/B/C", "A/", "A B", "1A"]),
            (Type::Sealable, &["CONTEXT/PASSWORD", "SECRET"], &["MEMORY", "DISK/SIZE", "OWNED_SIZE_MAX", "a"]),
            (Type::Ranges(65_536), &["", "0, 1, 4095", "32768:65536"], &["a", "2:1", "-1", "65537", ","]),
        ];
        for (form, accepted, refused) in cases {
            accepted.iter().for_each(|value| assert_eq!(form.check(value), Ok(()), "{form:?}: {value}"));
            refused.iter().for_each(|value| assert!(form.check(value).is_err(), "{form:?}: {value}"));
        }
    }
}
