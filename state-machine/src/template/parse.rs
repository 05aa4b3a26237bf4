//! Parsing templates: `ATTR = value` text, or XML when the text begins with `<`.
//!
//! The text language is the reference's lexer and grammar, odd corners included: stray characters are skipped,
//! an unclosed quote is kept literally, a repeated key of a vector keeps its first value.

use quick_xml::events::Event;
use quick_xml::reader::Reader;

use super::{Attribute, Template, VectorAttribute};

/// Parses a template in either form.
///
/// # Errors
/// The reference's text, beginning with `Parse error: `.
pub fn parse(text: &str) -> Result<Template, String> {
    if text.trim_start().starts_with('<') { parse_xml(text) } else { parse_text(text) }
}

/// A token of the text form.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Variable(String),
    Equal,
    EqualEmpty,
    Comma,
    OpenBracket,
    CloseBracket,
    Value(String),
    /// A value holding `]]>`, which CDATA could not carry.
    CdataEnd,
    End,
}

impl Token {
    fn name(&self) -> &'static str {
        match self {
            Token::Variable(_) => "VARIABLE",
            Token::Equal => "EQUAL",
            Token::EqualEmpty => "EQUAL_EMPTY",
            Token::Comma => "COMMA",
            Token::OpenBracket => "OBRACKET",
            Token::CloseBracket => "CBRACKET",
            Token::Value(_) => "STRING",
            Token::CdataEnd => "CCDATA",
            Token::End => "$end",
        }
    }
}

struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    /// Just after `=`: the next token is a value.
    value: bool,
    /// Where the last token began.
    start: usize,
}

fn is_blank(c: char) -> bool {
    c == ' ' || c == '\t'
}

fn is_space(c: char) -> bool {
    is_blank(c) || c == '\n' || c == '\r'
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        &self.text[self.pos..]
    }

    fn skip(&mut self, matching: impl Fn(char) -> bool) {
        let rest = self.rest();
        self.pos += rest.find(|c| !matching(c)).unwrap_or(rest.len());
    }

    fn next(&mut self) -> Token {
        loop {
            self.start = self.pos;
            if self.value {
                return self.value_token();
            }
            self.skip(is_space);
            self.start = self.pos;
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return Token::End };
            match c {
                '#' => self.pos += rest.find('\n').unwrap_or(rest.len()),
                '=' => {
                    self.pos += 1;
                    self.skip(is_blank);
                    if self.rest().starts_with('\n') || self.rest().starts_with("\r\n") {
                        return Token::EqualEmpty;
                    }
                    self.value = true;
                    return Token::Equal;
                }
                ',' => {
                    self.pos += 1;
                    return Token::Comma;
                }
                ']' => {
                    self.pos += 1;
                    return Token::CloseBracket;
                }
                c if c.is_ascii_alphanumeric() || c == '_' => {
                    self.skip(|c| c.is_ascii_alphanumeric() || c == '_');
                    return Token::Variable(self.text[self.start..self.pos].to_owned());
                }
                // Anything else is skipped, as the reference's lexer echoes it away.
                c => self.pos += c.len_utf8(),
            }
        }
    }

    fn value_token(&mut self) -> Token {
        loop {
            let rest = self.rest();
            let Some(c) = rest.chars().next() else { return Token::End };
            let line = &rest[..rest.find('\n').unwrap_or(rest.len())];
            if line.contains("]]>") {
                self.value = false;
                self.pos += line.len();
                return Token::CdataEnd;
            }
            if let Some(after) = rest.trim_start_matches(is_blank).strip_prefix('[') {
                self.value = false;
                self.pos = self.text.len() - after.len();
                self.skip(is_space);
                return Token::OpenBracket;
            }
            if c == '"'
                && let Some(quoted) = closed_quote(&rest[1..])
            {
                self.value = false;
                self.pos += quoted.len() + 2;
                return Token::Value(quoted.to_owned());
            }
            let plain = |c: char| !matches!(c, '=' | '#' | ',' | '[' | ']' | '\n') && !is_blank(c);
            if plain(c) {
                self.value = false;
                self.start = self.pos;
                self.skip(plain);
                return Token::Value(self.text[self.start..self.pos].trim_end_matches('\r').to_owned());
            }
            self.pos += c.len_utf8();
        }
    }

    /// The position as the reference words it: line, and first and last column.
    fn position(&self) -> String {
        let before = &self.text[..self.start.min(self.text.len())];
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        format!("at line {line}, columns {}:{}", self.start - line_start, self.pos.saturating_sub(line_start))
    }
}

/// The text up to the closing quote, if there is one; `\"` does not close.
fn closed_quote(text: &str) -> Option<&str> {
    let mut from = 0;
    loop {
        let at = from + text[from..].find('"')?;
        if !text[..at].ends_with('\\') {
            return Some(&text[..at]);
        }
        from = at + 1;
    }
}

fn unescape(value: &str) -> String {
    value.replace("\\\"", "\"")
}

/// The name of an attribute: upper case, and prefixed where XML would not take it.
fn attribute_name(name: &str) -> String {
    let upper = name.to_ascii_uppercase();
    if upper.starts_with(|c: char| c.is_ascii_digit()) { format!("ONE_{upper}") } else { upper }
}

fn parse_text(text: &str) -> Result<Template, String> {
    let mut lexer = Lexer { text, pos: 0, value: false, start: 0 };
    let mut template = Template::new();
    loop {
        let name = match lexer.next() {
            Token::End => return Ok(template),
            Token::Variable(name) => attribute_name(&name),
            other => return Err(unexpected(&lexer, &other, &["$end", "VARIABLE"])),
        };
        match lexer.next() {
            Token::EqualEmpty => template.add(&name, ""),
            Token::Equal => match lexer.next() {
                Token::Value(v) => template.add(&name, unescape(&v)),
                Token::OpenBracket => {
                    let vector = parse_vector(&mut lexer)?;
                    if !vector.is_empty() {
                        template.add_vector(&name, vector);
                    }
                }
                Token::CdataEnd => return Err("Parse error.".to_owned()),
                other => return Err(unexpected(&lexer, &other, &["OBRACKET", "CCDATA", "STRING"])),
            },
            other => return Err(unexpected(&lexer, &other, &["EQUAL", "EQUAL_EMPTY"])),
        }
    }
}

fn parse_vector(lexer: &mut Lexer<'_>) -> Result<VectorAttribute, String> {
    let mut vector = VectorAttribute::new();
    let mut first = true;
    loop {
        let name = match lexer.next() {
            Token::CloseBracket if first => return Ok(vector),
            Token::Variable(name) => attribute_name(&name),
            other if first => return Err(unexpected(lexer, &other, &["CBRACKET", "VARIABLE"])),
            other => return Err(unexpected(lexer, &other, &["VARIABLE"])),
        };
        first = false;
        let value = match lexer.next() {
            Token::EqualEmpty => return Err(unexpected(lexer, &Token::EqualEmpty, &["EQUAL"])),
            Token::Equal => match lexer.next() {
                Token::Value(v) => unescape(&v),
                Token::CdataEnd => return Err(unexpected(lexer, &Token::CdataEnd, &["STRING"])),
                other => return Err(unexpected(lexer, &other, &["STRING"])),
            },
            other => return Err(unexpected(lexer, &other, &["EQUAL"])),
        };
        if vector.get(&name).is_none() {
            vector.set(&name, value);
        }
        match lexer.next() {
            Token::Comma => {}
            Token::CloseBracket => return Ok(vector),
            other => return Err(unexpected(lexer, &other, &["COMMA", "CBRACKET"])),
        }
    }
}

fn unexpected(lexer: &Lexer<'_>, token: &Token, expected: &[&str]) -> String {
    let expected = expected.join(" or ");
    format!("Parse error: syntax error, unexpected {}, expecting {expected} {}", token.name(), lexer.position())
}

/// The XML form: any root element, attributes as its children, vectors as their children.
fn parse_xml(text: &str) -> Result<Template, String> {
    let malformed = || "Parse error: XML Template malformed.".to_owned();
    let mut reader = Reader::from_str(text);
    let mut template = Template::new();
    // Names of the open elements; the attribute being read.
    let mut open: Vec<String> = Vec::new();
    let mut value = String::new();
    let mut vector: Option<VectorAttribute> = None;
    let mut rooted = false;
    loop {
        match reader.read_event().map_err(|_| malformed())? {
            Event::Start(e) => {
                if open.is_empty() && rooted || open.len() > 32 {
                    return Err(malformed());
                }
                rooted = true;
                open.push(e.name().as_ref().to_owned());
                value.clear();
                if open.len() == 3 {
                    vector.get_or_insert_default();
                }
            }
            Event::Empty(_) if open.is_empty() => rooted = true,
            Event::End(_) => {
                let name = open.pop().ok_or_else(malformed)?;
                match open.len() {
                    1 => match vector.take() {
                        Some(v) if !v.is_empty() => template.push(&name.to_ascii_uppercase(), Attribute::Vector(v)),
                        Some(_) => {}
                        None if !value.is_empty() => template.add(&name.to_ascii_uppercase(), &value),
                        None => {}
                    },
                    2 => {
                        if !value.is_empty()
                            && let Some(v) = &mut vector
                        {
                            v.set(&name, &value);
                        }
                    }
                    _ => {}
                }
                value.clear();
            }
            Event::Text(t) => value.push_str(&t),
            Event::CData(t) => value.push_str(&t),
            Event::GeneralRef(r) => {
                let name: &str = &r;
                let resolved = r.resolve_char_ref().map_err(|_| malformed())?;
                match (resolved, name) {
                    (Some(c), _) => value.push(c),
                    (None, "amp") => value.push('&'),
                    (None, "lt") => value.push('<'),
                    (None, "gt") => value.push('>'),
                    (None, "quot") => value.push('"'),
                    (None, "apos") => value.push('\''),
                    _ => return Err(malformed()),
                }
            }
            Event::Eof => break,
            _ => {}
        }
    }
    if open.is_empty() && rooted { Ok(template) } else { Err(malformed()) }
}
