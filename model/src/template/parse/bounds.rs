//! What holds for templates in either form: how many values one may have, and what names its attributes have.

use crate::clean::Name;

/// The most attributes and values of vectors that a template may have. Templates in use have some hundreds; each of them
/// takes as much memory and time as some hundred bytes of text, however short it is.
pub const MAX_VALUES: usize = 1 << 14;

/// The refusal of a template with more.
#[must_use]
pub fn too_many() -> String {
    format!("The template has more than {MAX_VALUES} attributes and values.")
}

/// The name of an attribute (the constructor in the reference's `Attribute.h`): upper case, and prefixed where XML would
/// not take it; `None` when XML does not take it prefixed either.
#[must_use]
pub fn attribute_name(name: &str) -> Option<Name> {
    let upper = name.to_ascii_uppercase();
    let fits = upper.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !upper.starts_with("XML");
    Name::new(if fits { upper } else { format!("ONE_{upper}") })
}
