//! Changing the zone's settings: decided in apply, validated whole, in force with the entry that changed them.
//!
//! It must not carry a change out by halves: what is refused changes nothing.

use serde::{Deserialize, Serialize};

use super::Settings;
use super::file::{self, Conf, LeftOut, section_name};
use super::limits::Limit;
use super::names::{self, Name, Shape};
use crate::clean;
use crate::command::Actor;
use crate::template::{Attribute, Template, VectorAttribute, parse};
use crate::xml::XmlWriter;

/// What to change, and who asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ChangeSettings {
    /// Only oneadmin may.
    pub actor: Actor,
    /// What.
    pub change: Change,
}

/// What to change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    /// Gives a setting a value, in the syntax of [`Settings::set_to`].
    Set {
        /// The setting, or `NAME/PART` for a part of a vector.
        name: String,
        /// The value.
        value: String,
    },
    /// Gives a setting its shipped value.
    Reset(String),
    /// Takes over an `oned.conf`: what it does not name gets its shipped value, but for settings of Quorate's own.
    Apply(String),
}

/// What a change did, or would do.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Report {
    /// What of a file was not taken over.
    pub left_out: Vec<LeftOut>,
    /// The settings that changed.
    pub changes: Vec<Difference>,
}

/// A setting that changed. Values are as [`Settings::text_of`] writes them.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Difference {
    /// Its name.
    pub name: String,
    /// What it was.
    pub before: String,
    /// What it is now.
    pub after: String,
}

/// The settings after a change, and what it changes.
///
/// # Errors
/// Why it is refused, for the operator.
pub fn changed(settings: &Settings, change: &Change) -> Result<(Settings, Report), String> {
    let mut new = settings.clone();
    let mut report = Report::default();
    match change {
        Change::Set { name, value } => {
            new.set_to(name, value)?;
            check_whole(&new).map_err(|(_, reason)| reason)?;
        }
        Change::Reset(name) => {
            new.reset(settable(name)?.name, &settings.shipped_conf()?);
            check_whole(&new).map_err(|(_, reason)| reason)?;
        }
        Change::Apply(text) => {
            let conf = Conf::read(text)?;
            new.take_over(&conf)?;
            check_whole(&new).map_err(|(blamed, reason)| {
                match blamed.iter().find_map(|name| conf.named.get(*name)) {
                    Some((line, _)) => format!("line {line}: {reason}"),
                    None => reason,
                }
            })?;
            report.left_out = conf.left_out;
        }
    }
    for known in shown() {
        let (before, after) = (settings.text_of(known.name), new.text_of(known.name));
        if before != after {
            report.changes.push(Difference { name: known.name.to_owned(), before, after });
        }
    }
    Ok((new, report))
}

/// The settings that are shown, by name.
#[must_use]
pub fn shown() -> Vec<Name> {
    let mut all: Vec<Name> = names::all().filter(|known| known.shape != Shape::Secret).collect();
    all.sort_by_key(|known| known.name);
    all
}

/// The setting of a name, if it may be set.
fn settable(name: &str) -> Result<Name, String> {
    match names::find(name) {
        None => Err(format!("{name} is no setting: quorate zone settings show lists all")),
        Some(Name { shape: Shape::Elsewhere | Shape::Secret, what, .. }) => {
            Err(format!("{name} cannot be set: {what}"))
        }
        Some(known) => Ok(known),
    }
}

/// Bytes of all settings as XML: every call may look at them, and every node keeps them.
const MAX_SIZE: usize = 1 << 20;

/// What must hold of all settings together.
///
/// # Errors
/// The settings to blame, and why.
fn check_whole(settings: &Settings) -> Result<(), (Vec<&'static str>, String)> {
    let (max, admin) = (Limit::ObjectSizeMax, Limit::ObjectSizeMaxAdmin);
    if settings.number(max) > settings.number(admin) {
        let (max, admin) = (max.row().name, admin.row().name);
        return Err((vec![max, admin], format!("{max} is above {admin}")));
    }
    let auth = "AUTH_MAD_CONF";
    if !settings.all().all(auth).any(|section| section_name(section) == "core") {
        return Err((vec![auth], format!("{auth} must have core: by it the zone's own users log in")));
    }
    let mut w = XmlWriter::new();
    settings.all().render("OPENNEBULA_CONFIGURATION", &mut w);
    if w.finish().len() > MAX_SIZE {
        return Err((Vec::new(), format!("the settings take more than {MAX_SIZE} bytes")));
    }
    for (name, limit) in [("VNC_PORTS", 65_536), ("VLAN_IDS", 4096)] {
        let conf = settings.all().vector(name).cloned().unwrap_or_default();
        let start = conf.int("START").unwrap_or(0);
        if first_free(conf.value("RESERVED"), start) >= limit {
            return Err((vec![name], format!("{name}: all numbers from START on are RESERVED")));
        }
    }
    Ok(())
}

/// The first number from `start` on that no range has. Each range is looked at once.
fn first_free(ranges: &str, start: i64) -> i64 {
    let end = |text: &str| text.trim().parse::<i64>().ok();
    let range = |part: &str| {
        let (from, to) = part.split_once(':').unwrap_or((part, part));
        end(from).zip(end(to))
    };
    let mut ranges: Vec<(i64, i64)> = ranges.split(',').filter_map(range).collect();
    ranges.sort_unstable();
    let mut free = start;
    for (from, to) in ranges {
        if from > free {
            break;
        }
        free = free.max(to.saturating_add(1));
    }
    free
}

impl Settings {
    /// Gives a setting a value: single values as they are; lists as `A,B` (the whole list), `+A,B` (add) or `-A,B`
    /// (remove); vectors as `[ PART = "value", ... ]`, or part by part as `NAME/PART`; sections the same way, any number of
    /// them: each replaces the one with the same NAME, or is a new one, and `-NAME` removes it. What
    /// [`Settings::text_of`] writes is taken, and changes nothing.
    ///
    /// # Errors
    /// Why not, for the operator.
    pub fn set_to(&mut self, name: &str, value: &str) -> Result<(), String> {
        let (name, part) = name.split_once('/').map_or((name, None), |(name, part)| (name, Some(part)));
        let known = settable(name)?;
        // Before it is stored: there such characters are replaced.
        if !clean::is_text(value) {
            return Err(format!("{name}: the value has characters that XML cannot carry"));
        }
        let all: Vec<Attribute> = match (known.shape, part) {
            (Shape::Vector(parts), Some(part)) => {
                let mut vector = self.all().vector(name).cloned().unwrap_or_default();
                // A file may bring parts that nothing here knows; whoever names one by itself has mistyped it.
                if !parts.iter().any(|(known, ..)| *known == part) && vector.get(part).is_none() {
                    return Err(format!("{name} has no part {part}"));
                }
                let part = clean::Name::new(part).ok_or_else(|| format!("'{part}' is no name of a part"))?;
                vector.set(&part, value);
                vec![Attribute::Vector(vector)]
            }
            (_, Some(_)) => return Err(format!("{name} has no parts")),
            (Shape::One(_), None) => vec![Attribute::Single(value.into())],
            (Shape::List(_), None) => listed(self.list(name), value),
            (Shape::Vector(_), None) if value.is_empty() && !self.all().contains(name) => Vec::new(),
            (Shape::Vector(_), None) => match <[VectorAttribute; 1]>::try_from(vectors_of(name, value)?) {
                Ok([vector]) => vec![Attribute::Vector(vector)],
                Err(_) => return Err(format!("{name}: one vector is expected")),
            },
            (Shape::Sections(_), None) => self.sections_with(name, value)?,
            (Shape::Elsewhere | Shape::Secret, None) => Vec::new(),
        };
        file::check_count(&known, all.len())?;
        all.iter().try_for_each(|attribute| file::check(&known, attribute))?;
        self.put(&known, all);
        Ok(())
    }

    /// The sections of a name with some that are added or replaced (`[ NAME = ..., ... ]`), or one removed (`-NAME`).
    fn sections_with(&self, name: &str, value: &str) -> Result<Vec<Attribute>, String> {
        let mut all: Vec<Attribute> = self.all().all(name).cloned().collect();
        let place = |all: &[Attribute], section: &str| {
            all.iter().position(|other| section_name(other).eq_ignore_ascii_case(section))
        };
        if let Some(gone) = value.strip_prefix('-') {
            let gone = gone.trim();
            all.remove(place(&all, gone).ok_or_else(|| format!("{name}: no section is called {gone}"))?);
            return Ok(all);
        }
        let given = vectors_of(name, value)?;
        if given.is_empty() && !all.is_empty() {
            return Err(format!("{name}: -NAME removes a section"));
        }
        for section in given.into_iter().map(Attribute::Vector) {
            match place(&all, section_name(&section)).and_then(|place| all.get_mut(place)) {
                Some(old) => *old = section,
                None => all.push(section),
            }
        }
        Ok(all)
    }

    /// Replaces all attributes of a setting. When a fresh zone does not have the setting, empty values are not stored:
    /// absent and empty mean the same there.
    fn put(&mut self, known: &Name, all: Vec<Attribute>) {
        self.conf.remove(known.name);
        let optional = |attribute: &Attribute| {
            *attribute == Attribute::Single("".into()) && self.shipped_conf().is_ok_and(|c| !c.contains(known.name))
        };
        for attribute in all.into_iter().filter(|attribute| !optional(attribute)).collect::<Vec<_>>() {
            self.conf.push(known.name, attribute);
        }
    }

    /// Gives a setting its shipped value.
    fn reset(&mut self, name: &'static str, shipped: &Template) {
        self.conf.remove(name);
        shipped.all(name).for_each(|attribute| self.conf.push(name, attribute.clone()));
    }

    /// The settings that a zone like this one starts with.
    ///
    /// # Errors
    /// The parser's text, if the shipped settings were wrong (a test reads them).
    pub fn as_shipped(&self) -> Result<Settings, String> {
        Settings::shipped(&self.datastore_location)
    }

    /// Becomes what a file says.
    fn take_over(&mut self, conf: &Conf) -> Result<(), String> {
        let shipped = self.shipped_conf()?;
        for known in names::all().filter(|known| !matches!(known.shape, Shape::Elsewhere | Shape::Secret)) {
            match conf.named.get(known.name) {
                Some((_, all)) => {
                    let mut all = all.clone();
                    if known.name.ends_with("_MAD_CONF") {
                        // OpenNebulaTemplate::register_multiple_conf_default: drivers that a file does not describe
                        // keep their built-in description.
                        let missing = |section: &&Attribute| {
                            let name = section_name(section);
                            !all.iter().any(|other| section_name(other).eq_ignore_ascii_case(name))
                        };
                        let built_in: Vec<Attribute> = shipped.all(known.name).filter(missing).cloned().collect();
                        all.extend(built_in);
                    }
                    self.put(&known, all);
                }
                None if names::is_of_oned_conf(known.name) => self.reset(known.name, &shipped),
                None => {}
            }
        }
        Ok(())
    }

    /// A setting as [`Settings::set_to`] takes it: the values of a list with commas, vectors in brackets, one a line.
    #[must_use]
    pub fn text_of(&self, name: &str) -> String {
        let texts: Vec<String> = self.all().all(name).map(text_of).collect();
        let listed = matches!(names::find(name), Some(Name { shape: Shape::List(_), .. }));
        texts.join(if listed { "," } else { "\n" })
    }
}

/// The values of a list after a change.
fn listed<'a>(present: impl Iterator<Item = &'a str>, value: &str) -> Vec<Attribute> {
    let words = |text: &str| -> Vec<String> {
        text.split(',').map(|word| word.trim().to_owned()).filter(|word| !word.is_empty()).collect()
    };
    let mut all: Vec<String> = present.map(str::to_owned).collect();
    let given = match (value.strip_prefix('+'), value.strip_prefix('-')) {
        (Some(more), _) => words(more),
        (None, Some(gone)) => {
            let gone = words(gone);
            all.retain(|word| !gone.contains(word));
            Vec::new()
        }
        (None, None) => {
            all.clear();
            words(value)
        }
    };
    for word in given {
        if !all.contains(&word) {
            all.push(word);
        }
    }
    all.into_iter().map(|word| Attribute::Single(word.into())).collect()
}

/// Vectors in brackets.
fn vectors_of(name: &str, value: &str) -> Result<Vec<VectorAttribute>, String> {
    parse::vectors(value).map_err(|_| format!("{name}: a vector is expected: [ PART = \"value\", ... ]"))
}

fn text_of(attribute: &Attribute) -> String {
    match attribute {
        Attribute::Single(value) => value.to_string(),
        Attribute::Vector(vector) => {
            let parts: Vec<String> =
                vector.iter().map(|(part, value)| format!("{part} = \"{}\"", value.replace('"', "\\\""))).collect();
            format!("[ {} ]", parts.join(", "))
        }
    }
}
