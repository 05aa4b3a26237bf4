//! Parsing templates: `ATTR = value` text, or XML when the text begins with `<`.
//!
//! Both forms take time linear in the length of the text, whatever it holds. It must not know any attribute but NAME.

pub mod bounds;
mod lexer;
mod xml;

use std::borrow::Cow;

use lexer::{Lexer, Token};

use self::bounds::{attribute_name, too_many};
use super::{Attribute, Template, VectorAttribute};
use crate::clean::{Name, is_text};

/// What is refused because its XML would not be read again.
const NOT_XML: &str = "Error transforming the Template to XML.";

/// Parses a template in either form.
///
/// # Errors
/// The reference's text, beginning with `Parse error`; that the template could not be written as XML; or that it has
/// more than [`MAX_VALUES`].
pub fn parse(text: &str) -> Result<Template, String> {
    let text = with_plain_line_ends(text);
    let mut template = match text.starts_with('<') {
        true => xml::parse_xml(&text)?,
        false if is_text(&text) => parse_text(&text)?,
        false => return Err(NOT_XML.to_owned()),
    };
    if template.iter().any(|(_, attribute)| ends_cdata(attribute)) {
        return Err(NOT_XML.to_owned());
    }
    // As in the reference (`Template::trim`), one NAME is left: the first, without blanks at its end.
    if let Some(name) = template.get("NAME").filter(|name| !name.is_empty()) {
        let name = name.trim_end_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']).to_owned();
        template.set("NAME", name);
    }
    Ok(template)
}

/// Reads the XML form as a writer of XML has made it, whose values may hold anything; `None`: it is not well-formed.
#[must_use]
pub fn read_written(xml: &str) -> Option<Template> {
    xml::build(xml)
}

/// Line ends as XML 1.0 normalizes them; clients' own XML-RPC libraries may or may not have done so.
pub fn with_plain_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}

/// Whether an attribute has the end of a CDATA section in a value, which the reference refuses.
fn ends_cdata(attribute: &Attribute) -> bool {
    match attribute {
        Attribute::Single(value) => value.contains("]]>"),
        Attribute::Vector(vector) => vector.iter().any(|(_, value)| value.contains("]]>")),
    }
}

fn unescape(value: &str) -> String {
    value.replace("\\\"", "\"")
}

fn parse_text(text: &str) -> Result<Template, String> {
    let mut template = Template::new();
    attributes(text)?.into_iter().for_each(|(_, name, attribute)| template.push(&name, attribute));
    Ok(template)
}

/// The attributes of a text in its order, each with the place of its name in the text, in bytes.
///
/// # Errors
/// The reference's text, with line and columns.
pub fn attributes(text: &str) -> Result<Vec<(usize, Name, Attribute)>, String> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    // The reference notices names that are none in XML after the whole text was read: its errors come first.
    let mut unfit = false;
    loop {
        let name = match lexer.next() {
            Token::End if unfit => return Err(NOT_XML.to_owned()),
            Token::End => return Ok(found),
            Token::Variable(name) => attribute_name(name),
            // The reference's parser takes the template for complete before it looks at the next token.
            other => return Err(unexpected(&lexer, &other, "$end")),
        };
        let at = lexer.start();
        let attribute = match lexer.next() {
            Token::EqualEmpty => Attribute::Single("".into()),
            Token::Equal => match lexer.next() {
                Token::Value(v) => Attribute::Single(unescape(v).into()),
                Token::OpenBracket => Attribute::Vector(parse_vector(&mut lexer, &mut unfit)?),
                Token::CdataEnd => return Err("Parse error.".to_owned()),
                other => return Err(unexpected(&lexer, &other, "OBRACKET or CCDATA or STRING")),
            },
            other => return Err(unexpected(&lexer, &other, "EQUAL or EQUAL_EMPTY")),
        };
        match name {
            Some(name) => found.push((at, name, attribute)),
            None => unfit = true,
        }
    }
}

/// Vectors in brackets, one after the other, without names.
///
/// # Errors
/// The reference's text, with line and columns.
pub fn vectors(text: &str) -> Result<Vec<VectorAttribute>, String> {
    let mut lexer = Lexer::new(text);
    let (mut found, mut unfit) = (Vec::new(), false);
    loop {
        lexer.expect_value();
        match lexer.next() {
            Token::End if unfit => return Err(NOT_XML.to_owned()),
            Token::End => return Ok(found),
            Token::OpenBracket => found.push(parse_vector(&mut lexer, &mut unfit)?),
            other => return Err(unexpected(&lexer, &other, "OBRACKET")),
        }
    }
}

/// The rest of a vector after its bracket. A repeated key keeps its first value. `unfit`: set for a key that XML does
/// not take.
fn parse_vector(lexer: &mut Lexer<'_>, unfit: &mut bool) -> Result<VectorAttribute, String> {
    let mut vector = VectorAttribute::new();
    let mut first = true;
    loop {
        let name = match lexer.next() {
            Token::CloseBracket if first => return Ok(vector),
            Token::Variable(name) => Name::new(name.to_ascii_uppercase()),
            other if first => return Err(unexpected(lexer, &other, "CBRACKET or VARIABLE")),
            other => return Err(unexpected(lexer, &other, "VARIABLE")),
        };
        first = false;
        match lexer.next() {
            Token::Equal => {}
            other => return Err(unexpected(lexer, &other, "EQUAL")),
        }
        let value = match lexer.next() {
            Token::Value(v) => unescape(v),
            other => return Err(unexpected(lexer, &other, "STRING")),
        };
        match name {
            Some(name) if vector.get(&name).is_some() => {}
            Some(name) => {
                vector.set(&name, value);
            }
            None => *unfit = true,
        }
        match lexer.next() {
            Token::Comma => {}
            Token::CloseBracket => return Ok(vector),
            other => return Err(unexpected(lexer, &other, "COMMA or CBRACKET")),
        }
    }
}

fn unexpected(lexer: &Lexer<'_>, token: &Token<'_>, expected: &str) -> String {
    if *token == Token::TooMany {
        return too_many();
    }
    format!("Parse error: syntax error, unexpected {}, expecting {expected} {}", token.name(), lexer.position())
}
