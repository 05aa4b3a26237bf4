//! Reading an `oned.conf`: which settings it names, in which lines, and what of it is not the zone's.
//!
//! It must not know the zone's present settings: [`super::change`] compares.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::names::{self, Part, Shape};
use super::types::{Type, is_name};
use crate::template::{Attribute, VectorAttribute, parse};

/// What of a file is not taken over.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LeftOut {
    /// The attribute's name.
    pub name: String,
    /// Its line, from 1.
    pub line: usize,
    /// Why.
    pub why: String,
}

/// What a file says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Conf {
    /// Settings by name, with the line of the first attribute of that name.
    pub named: BTreeMap<String, (usize, Vec<Attribute>)>,
    /// What is not taken over, in the order of the file.
    pub left_out: Vec<LeftOut>,
}

impl Conf {
    /// Reads a file.
    ///
    /// # Errors
    /// What is malformed, with its line; when it names no setting at all.
    pub fn read(text: &str) -> Result<Conf, String> {
        // A comment needs the end of its line.
        let text = parse::with_plain_line_ends(text).into_owned() + "\n";
        let mut conf = Conf::default();
        let (mut line, mut counted) = (1, 0);
        for (at, name, attribute) in parse::attributes(&text)? {
            line += text.as_bytes().get(counted..at).unwrap_or_default().iter().filter(|b| **b == b'\n').count();
            counted = at;
            conf.add(name.to_string(), line, attribute).map_err(|reason| format!("line {line}: {reason}"))?;
        }
        // It would give every setting its shipped value, which nobody means by an empty file, or one of something else.
        if conf.named.is_empty() {
            return Err("it names no setting of the zone: is it an oned.conf?".to_owned());
        }
        Ok(conf)
    }

    fn add(&mut self, name: String, line: usize, attribute: Attribute) -> Result<(), String> {
        let why = match names::find(&name) {
            None => Some("is unknown"),
            Some(known) if matches!(known.shape, Shape::Elsewhere | Shape::Secret) => Some(known.what),
            Some(known) => {
                let (first, all) = self.named.entry(name.clone()).or_insert((line, Vec::new()));
                check(&known, &attribute)?;
                let again = match known.shape {
                    Shape::Sections(_) => {
                        let section = section_name(&attribute);
                        all.iter().any(|other| section_name(other).eq_ignore_ascii_case(section))
                    }
                    Shape::List(_) => false,
                    _ => !all.is_empty(),
                };
                if again {
                    return Err(format!("{name}: it is there twice, first in line {first}"));
                }
                let nothing = matches!(known.shape, Shape::List(_)) && is_empty(&attribute);
                if !nothing && !all.contains(&attribute) {
                    check_count(&known, all.len() + 1)?;
                    all.push(attribute);
                }
                None
            }
        };
        self.left_out.extend(why.map(|why| LeftOut { name, line, why: why.to_owned() }));
        Ok(())
    }
}

fn is_empty(attribute: &Attribute) -> bool {
    matches!(attribute, Attribute::Single(value) if value.is_empty())
}

/// The NAME of a section.
#[must_use]
pub fn section_name(attribute: &Attribute) -> &str {
    match attribute {
        Attribute::Vector(section) => section.value("NAME"),
        Attribute::Single(_) => "",
    }
}

/// Values of a list, or sections: calls look at all of them.
const MAX_COUNT: usize = 1000;

/// Refuses more values of a list than it may have.
///
/// # Errors
/// The setting's name, and the bound.
pub fn check_count(known: &names::Name, count: usize) -> Result<(), String> {
    if count <= MAX_COUNT { Ok(()) } else { Err(format!("{}: it has more than {MAX_COUNT} values", known.name)) }
}

/// Refuses an attribute that a setting cannot have.
///
/// # Errors
/// The setting's name, and what was expected.
pub fn check(known: &names::Name, attribute: &Attribute) -> Result<(), String> {
    let checked = match (known.shape, attribute) {
        (Shape::One(form), Attribute::Single(value)) => form.check(value),
        (Shape::List(_), Attribute::Single(value)) if value.is_empty() => Ok(()),
        (Shape::List(form), Attribute::Single(value)) => form.check(value),
        (Shape::Vector(parts) | Shape::Sections(parts), Attribute::Vector(vector)) => check_vector(parts, vector),
        (Shape::Vector(_) | Shape::Sections(_), _) => Err("a vector is expected: [ PART = \"value\", ... ]".to_owned()),
        (Shape::One(_) | Shape::List(_), _) => Err("a value is expected, not a vector".to_owned()),
        (Shape::Elsewhere | Shape::Secret, _) => Err(known.what.to_owned()),
    };
    checked.map_err(|reason| format!("{}: {reason}", known.name))
}

fn check_vector(parts: &[Part], vector: &VectorAttribute) -> Result<(), String> {
    for (part, form, needed) in parts {
        match vector.get(part) {
            None if *needed => return Err(format!("{part} is missing")),
            None => {}
            Some("") if *part == "NAME" => return Err("NAME is empty".to_owned()),
            Some(value) => form.check(value).map_err(|reason| format!("{part}: {reason}"))?,
        }
    }
    for (part, value) in vector.iter() {
        if !is_name(part) {
            return Err(format!("'{part}' is no name of a part"));
        }
        Type::Text.check(value).map_err(|reason| format!("{part}: {reason}"))?;
        if value.ends_with('\\') {
            // In quotes it would be read as the escape of the closing quote: the value could be shown, but not set.
            return Err(format!("{part}: a value of a vector must not end with a backslash"));
        }
    }
    Ok(())
}
