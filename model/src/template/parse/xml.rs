//! The XML form of templates: any root element, attributes as its children, vectors as their children.
//!
//! Follows what the reference makes of a document's tree: an element with exactly one text (or CDATA) in it is a single
//! value, one with elements in it a vector, anything else vanishes. Comments and the like count as content.

use std::collections::BTreeSet;

use quick_xml::events::{BytesRef, BytesStart, Event};
use quick_xml::reader::Reader;

use super::bounds::{MAX_VALUES, attribute_name, too_many};
use crate::clean::{Name, is_char, is_name, is_text};
use crate::template::{Attribute, Template, VectorAttribute};

/// What XML takes for blanks.
const BLANKS: [char; 4] = [' ', '\t', '\n', '\r'];

/// How deep below the root elements may stand: libxml2's limit, which the reference (`Template.cc`, `from_xml`) does
/// not lift.
const MAX_DEPTH: usize = 256;

/// The most elements: the root and what may be in it.
const MAX_ELEMENTS: usize = MAX_VALUES + 1;

/// A sort of content.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Content {
    Text,
    Cdata,
    Element,
    Other,
}

/// An open element.
struct Open {
    name: Name,
    /// How many nodes it holds; adjacent texts are one node.
    nodes: usize,
    last: Option<Content>,
    /// The text of the first node, if it is one.
    text: Option<String>,
    /// Its child elements whose first node is a text; `None` while it has no child element.
    vector: Option<VectorAttribute>,
}

impl Open {
    fn new(name: Name) -> Open {
        Open { name, nodes: 0, last: None, text: None, vector: None }
    }

    fn add(&mut self, content: Content) {
        let joins = self.last == Some(content) && matches!(content, Content::Text | Content::Cdata);
        if !joins {
            self.nodes += 1;
            self.last = Some(content);
        }
        if content == Content::Element {
            self.vector.get_or_insert_default();
        }
    }

    fn add_text(&mut self, content: Content, text: &str) {
        self.add(content);
        if self.nodes == 1 {
            self.text.get_or_insert_default().push_str(text);
        }
    }
}

/// Parses the XML form.
pub fn parse_xml(text: &str) -> Result<Template, String> {
    let mut elements = 0;
    let built = build_while(text, || {
        elements += 1;
        elements <= MAX_ELEMENTS
    });
    built.ok_or_else(|| {
        if elements > MAX_ELEMENTS { too_many() } else { "Parse error: XML Template malformed.".to_owned() }
    })
}

/// The template, or `None` when the document is not well-formed.
pub fn build(text: &str) -> Option<Template> {
    build_while(text, || true)
}

/// The same; `None`, too, when `goes_on` stops it, which is asked at every element.
fn build_while(text: &str, mut goes_on: impl FnMut() -> bool) -> Option<Template> {
    if !is_text(text) {
        return None;
    }
    let mut reader = Reader::from_str(text);
    reader.config_mut().check_comments = true;
    let mut template = Template::new();
    let mut open: Vec<Open> = Vec::new();
    let mut rooted = false;
    loop {
        let at = reader.buffer_position();
        let event = reader.read_event().ok()?;
        if matches!(event, Event::Start(_) | Event::Empty(_)) && !goes_on() {
            return None;
        }
        match event {
            Event::Start(e) => start(&e, &mut open, &mut rooted)?,
            Event::Empty(e) => {
                start(&e, &mut open, &mut rooted)?;
                end(&mut open, &mut template)?;
            }
            Event::End(_) => end(&mut open, &mut template)?,
            Event::Text(t) => text_node(&mut open, Content::Text, &t)?,
            Event::CData(t) => text_node(&mut open, Content::Cdata, &t)?,
            Event::GeneralRef(r) => {
                let mut buffer = [0; 4];
                let text: &str = character(&r)?.encode_utf8(&mut buffer);
                open.last_mut()?.add_text(Content::Text, text);
            }
            Event::PI(instruction) if !is_name(instruction.target()) => return None,
            Event::Comment(_) | Event::PI(_) => {
                if let Some(parent) = open.last_mut() {
                    parent.add(Content::Other);
                }
            }
            Event::Decl(_) if at > 0 => return None,
            Event::Decl(_) => {}
            Event::DocType(_) if rooted => return None,
            Event::DocType(_) => {}
            Event::Eof => return (open.is_empty() && rooted).then_some(template),
        }
    }
}

fn start(element: &BytesStart<'_>, open: &mut Vec<Open>, rooted: &mut bool) -> Option<()> {
    let name = element.name();
    let name: &str = name.as_ref();
    // Without a colon, unlike in XML: who reads with namespaces would take what is before it for a prefix.
    let name = Name::new(name)?;
    if !are_attributes(element.attributes_raw()) || open.len() > MAX_DEPTH || open.is_empty() && *rooted {
        return None;
    }
    *rooted = true;
    if let Some(parent) = open.last_mut() {
        parent.add(Content::Element);
    }
    open.push(Open::new(name));
    Some(())
}

fn end(open: &mut Vec<Open>, template: &mut Template) -> Option<()> {
    let element = open.pop()?;
    match open.len() {
        1 => {
            let name = attribute_name(&element.name)?;
            match (element.nodes, element.text, element.vector) {
                (1, Some(text), _) => template.add(&name, text),
                (_, _, Some(vector)) => template.push(&name, Attribute::Vector(vector)),
                _ => {}
            }
        }
        2 => {
            if let (Some(text), Some(vector)) = (element.text, open.last_mut()?.vector.as_mut()) {
                vector.set(&element.name, text);
            }
        }
        _ => {}
    }
    Some(())
}

fn text_node(open: &mut [Open], content: Content, text: &str) -> Option<()> {
    if content == Content::Text && text.contains("]]>") {
        return None;
    }
    match open.last_mut() {
        Some(_) if content == Content::Text && text.is_empty() => {}
        Some(parent) => parent.add_text(content, text),
        // Only blanks may stand outside the root element.
        None if content == Content::Text && text.trim_matches(BLANKS).is_empty() => {}
        None => return None,
    }
    Some(())
}

/// The character that a reference stands for: only the predefined entities are known.
fn character(reference: &BytesRef<'_>) -> Option<char> {
    let name: &str = reference;
    let resolved = reference.resolve_char_ref().ok()?;
    match (resolved, name) {
        (Some('\r'), _) => Some('\n'),
        (Some(c), _) => is_char(c).then_some(c),
        (None, name) => predefined(name),
    }
}

fn predefined(entity: &str) -> Option<char> {
    match entity {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => None,
    }
}

/// Whether what follows an element's name in its tag are attributes: their values do not matter, but their form does.
fn are_attributes(mut text: &str) -> bool {
    let mut names = BTreeSet::new();
    loop {
        let trimmed = text.trim_start_matches(BLANKS);
        if trimmed.is_empty() {
            return true;
        }
        let apart = trimmed.len() < text.len();
        let Some((name, rest)) = trimmed.split_once('=') else { return false };
        let name = name.trim_end_matches(BLANKS);
        let rest = rest.trim_start_matches(BLANKS);
        let Some(quote) = rest.chars().next().filter(|c| matches!(c, '"' | '\'')) else { return false };
        let Some((value, after)) = rest[1..].split_once(quote) else { return false };
        if !apart || !is_qualified(name) || !names.insert(name) || value.contains('<') || !are_references(value) {
            return false;
        }
        text = after;
    }
}

/// Whether every `&` in an attribute's value begins a reference to something known.
fn are_references(value: &str) -> bool {
    value.split('&').skip(1).all(|rest| {
        let Some((name, _)) = rest.split_once(';') else { return false };
        let Some(number) = name.strip_prefix('#') else { return predefined(name).is_some() };
        let code = match number.strip_prefix('x') {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        code.ok().and_then(char::from_u32).is_some_and(is_char)
    })
}

/// Whether this is a name of XML's own attributes, which are not kept: a colon may separate a prefix.
fn is_qualified(name: &str) -> bool {
    name.split(':').all(is_name)
}
