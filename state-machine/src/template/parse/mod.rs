//! Parsing templates: `ATTR = value` text, or XML when the text begins with `<`.
//!
//! Both forms take time linear in the length of the text, whatever it holds. It must not know any attribute but NAME.

mod lexer;
mod xml;

use std::borrow::Cow;

use lexer::{Lexer, Token};

use super::{Attribute, Template, VectorAttribute};

/// Parses a template in either form.
///
/// # Errors
/// The reference's text, beginning with `Parse error`; or that the template could not be written as XML.
pub fn parse(text: &str) -> Result<Template, String> {
    let text = with_plain_line_ends(text);
    let mut template = if text.starts_with('<') { xml::parse_xml(&text)? } else { parse_text(&text)? };
    if template.iter().any(|(_, attribute)| !fits_xml(attribute)) {
        return Err("Error transforming the Template to XML.".to_owned());
    }
    // As in the reference, one NAME is left: the first, without blanks at its end.
    if let Some(name) = template.get("NAME").filter(|name| !name.is_empty()) {
        let name = name.trim_end_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']).to_owned();
        template.set("NAME", name);
    }
    Ok(template)
}

/// Line ends as XML 1.0 normalizes them; clients' own XML-RPC libraries may or may not have done so.
pub fn with_plain_line_ends(text: &str) -> Cow<'_, str> {
    if text.contains('\r') { Cow::Owned(text.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(text) }
}

/// Whether an attribute can be written as XML: no CDATA end in values, no digit at the beginning of a name.
fn fits_xml(attribute: &Attribute) -> bool {
    let value_fits = |value: &str| !value.contains("]]>");
    match attribute {
        Attribute::Single(value) => value_fits(value),
        Attribute::Vector(vector) => {
            vector.iter().all(|(name, value)| !name.starts_with(|c: char| c.is_ascii_digit()) && value_fits(value))
        }
    }
}

/// The name of an attribute: upper case, and prefixed where XML would not take it.
fn attribute_name(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    let fits = upper.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && !upper.starts_with("XML");
    if fits { upper } else { format!("ONE_{upper}") }
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
pub fn attributes(text: &str) -> Result<Vec<(usize, String, Attribute)>, String> {
    let mut lexer = Lexer::new(text);
    let mut found = Vec::new();
    loop {
        let name = match lexer.next() {
            Token::End => return Ok(found),
            Token::Variable(name) => attribute_name(name),
            // The reference's parser takes the template for complete before it looks at the next token.
            other => return Err(unexpected(&lexer, &other, "$end")),
        };
        let at = lexer.start();
        let attribute = match lexer.next() {
            Token::EqualEmpty => Attribute::Single(String::new()),
            Token::Equal => match lexer.next() {
                Token::Value(v) => Attribute::Single(unescape(v)),
                Token::OpenBracket => Attribute::Vector(parse_vector(&mut lexer)?),
                Token::CdataEnd => return Err("Parse error.".to_owned()),
                other => return Err(unexpected(&lexer, &other, "OBRACKET or CCDATA or STRING")),
            },
            other => return Err(unexpected(&lexer, &other, "EQUAL or EQUAL_EMPTY")),
        };
        found.push((at, name, attribute));
    }
}

/// The rest of a vector after its bracket. A repeated key keeps its first value.
fn parse_vector(lexer: &mut Lexer<'_>) -> Result<VectorAttribute, String> {
    let mut vector = VectorAttribute::new();
    let mut first = true;
    loop {
        let name = match lexer.next() {
            Token::CloseBracket if first => return Ok(vector),
            Token::Variable(name) => name.to_ascii_uppercase(),
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
        if vector.get(&name).is_none() {
            vector.set(&name, value);
        }
        match lexer.next() {
            Token::Comma => {}
            Token::CloseBracket => return Ok(vector),
            other => return Err(unexpected(lexer, &other, "COMMA or CBRACKET")),
        }
    }
}

fn unexpected(lexer: &Lexer<'_>, token: &Token<'_>, expected: &str) -> String {
    format!("Parse error: syntax error, unexpected {}, expecting {expected} {}", token.name(), lexer.position())
}
