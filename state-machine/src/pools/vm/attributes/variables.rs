//! Variables in attributes: `$NAME`, `$NIC[IP, NETWORK="lan"]`, `$NETWORK[...]`, `$IMAGE[...]`, `$USER[...]`.
//!
//! The reference's lexer and grammar, odd corners included: the character that ends a variable belongs to the text,
//! except another `$`; a `\$` stays as it is.

use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::Scope;
use crate::kind::Kind;
use crate::object::Form;
use crate::pools::image::Image;
use crate::pools::vnet::Vnet;
use crate::state::State;
use crate::template::VectorAttribute;

/// More bytes than this are not put in place of the variables of one text: a few of them, each the whole document of a
/// VM, would otherwise make a text that no node has the memory for.
const MAX_EXPANDED: usize = 8 << 20;

/// What stands between the parts of a vector in its internal form, which only errors show.
const SEPARATOR: &str = "@^_^@";

/// Replaces the variables of a text.
///
/// # Errors
/// The reference's text.
pub fn expand(state: &State, scope: Scope<'_>, text: &str) -> Result<String, String> {
    let mut lexer = Lexer::of(text, 0..text.len());
    let mut out = String::with_capacity(text.len());
    let mut first = true;
    loop {
        match lexer.next() {
            Token::Text(verbatim) => out.push_str(verbatim),
            Token::End if !first => return Ok(out),
            Token::Word(name) => {
                variable(state, scope, &mut lexer, name, &mut out)?;
                if out.len() > text.len().saturating_add(MAX_EXPANDED) {
                    return Err("The values of variables are too long.".to_owned());
                }
            }
            other => {
                let expected: &[&str] = if first { &["VARIABLE", "RSTRING"] } else { &["$end", "VARIABLE", "RSTRING"] };
                return Err(lexer.unexpected(&other, expected));
            }
        }
        first = false;
    }
}

/// Replaces the variables in the values of a vector: each by itself, so that what is put in place of one is part of its
/// value whatever it is. The reference (`VirtualMachine::parse_template_attribute`) replaces them in the vector's
/// internal form and splits the result, by which values make attributes of any name.
///
/// # Errors
/// The reference's text, which quotes the vector in its internal form.
pub fn expand_vector(state: &State, scope: Scope<'_>, vector: &VectorAttribute) -> Result<VectorAttribute, String> {
    let mut text = String::new();
    let mut parts = Vec::new();
    for (name, value) in vector.iter() {
        if !text.is_empty() {
            text.push_str(SEPARATOR);
        }
        text.push_str(name);
        text.push('=');
        let begin = text.len();
        text.push_str(value);
        parts.push((name, begin..text.len()));
    }
    let mut room = text.len().saturating_add(MAX_EXPANDED);
    let mut result = VectorAttribute::new();
    for (name, part) in parts {
        let value = expand_part(state, scope, Lexer::of(&text, part), room)?;
        room = room.saturating_sub(value.len());
        result.set(name, value);
    }
    Ok(result)
}

/// Replaces the variables of what a lexer reads, by at most `room` bytes.
fn expand_part(state: &State, scope: Scope<'_>, mut lexer: Lexer<'_>, room: usize) -> Result<String, String> {
    let mut out = String::new();
    loop {
        match lexer.next() {
            Token::Text(verbatim) => out.push_str(verbatim),
            Token::End => return Ok(out),
            Token::Word(name) => variable(state, scope, &mut lexer, name, &mut out)?,
            other => return Err(lexer.unexpected(&other, &["$end", "VARIABLE", "RSTRING"])),
        }
        if out.len() > room {
            return Err("The values of variables are too long.".to_owned());
        }
    }
}

/// The rest of a variable after its name, and its value.
fn variable(
    state: &State,
    scope: Scope<'_>,
    lexer: &mut Lexer<'_>,
    name: &str,
    out: &mut String,
) -> Result<(), String> {
    let name = name.to_ascii_uppercase();
    let end = match lexer.next() {
        Token::Ends(c) => {
            out.push_str(&single(scope, &name));
            c
        }
        Token::OpenBracket => {
            let part = lexer.word(&["VARIABLE"])?.to_ascii_uppercase();
            let choice = match lexer.next() {
                Token::CloseBracket => None,
                Token::Comma => {
                    let key = lexer.word(&["VARIABLE"])?.to_ascii_uppercase();
                    lexer.expect(Token::Equal, &["EQUAL"])?;
                    let value = match lexer.next() {
                        Token::Value(value) => value,
                        other => return Err(lexer.unexpected(&other, &["STRING"])),
                    };
                    lexer.expect(Token::CloseBracket, &["CBRACKET"])?;
                    Some((key, value))
                }
                other => return Err(lexer.unexpected(&other, &["COMMA", "CBRACKET"])),
            };
            let choice = choice.as_ref().map(|(key, value)| (key.as_str(), *value));
            out.push_str(&of_vector(state, scope, &name, &part, choice));
            match lexer.next() {
                Token::Ends(c) => c,
                other => return Err(lexer.unexpected(&other, &["EOA"])),
            }
        }
        other => return Err(lexer.unexpected(&other, &["OBRACKET", "EOA"])),
    };
    out.extend(end);
    Ok(())
}

/// `$NAME`
fn single(scope: Scope<'_>, name: &str) -> String {
    let head = scope.head;
    match name {
        "TEMPLATE" => {
            let mut w = crate::xml::XmlWriter::new();
            scope.vm.render_with(head, crate::pools::vm::xml::Shown::Last, &mut w);
            BASE64.encode(w.finish())
        }
        "UID" => head.uid.to_string(),
        "GID" => head.gid.to_string(),
        "UNAME" => head.uname.clone(),
        "GNAME" => head.gname.clone(),
        "NAME" => head.name.clone(),
        _ => {
            let value = scope.vm.template.value(name);
            if value.is_empty() { scope.user.value(name) } else { value }.to_owned()
        }
    }
}

/// `$NAME[PART]` and `$NAME[PART, KEY=VALUE]`
fn of_vector(state: &State, scope: Scope<'_>, name: &str, part: &str, choice: Option<(&str, &str)>) -> String {
    match name {
        "NETWORK" => choice.and_then(|c| of_network(state, scope, part, c)).unwrap_or_default(),
        "IMAGE" => choice.and_then(|c| of_image(state, scope, part, c)).unwrap_or_default(),
        "USER" => of_user(state, scope, part),
        _ => {
            let mut vectors = scope.vm.template.vectors(name);
            let chosen = match choice {
                None => vectors.next(),
                Some((key, value)) => vectors.find(|v| v.value(key) == value),
            };
            chosen.map(|v| v.value(part).to_owned()).unwrap_or_default()
        }
    }
}

fn of_user(state: &State, scope: Scope<'_>, part: &str) -> String {
    let Some(user) = state.find(Kind::User, scope.head.uid) else { return String::new() };
    if part == "TEMPLATE" { BASE64.encode(user.xml(Form::Full)) } else { user.template.value(part).to_owned() }
}

fn of_image(state: &State, scope: Scope<'_>, part: &str, (key, value): (&str, &str)) -> Option<String> {
    if key != "IMAGE" && key != "IMAGE_ID" {
        return None;
    }
    // Only an image that the VM uses, so that its owner may see it.
    let disk = scope.vm.template.vectors("DISK").find(|disk| disk.value(key) == value)?;
    let (image, _) = state.find_typed::<Image>(disk.id("IMAGE_ID")?)?;
    Some(if part == "TEMPLATE" { BASE64.encode(image.xml(Form::Full)) } else { image.template.value(part).to_owned() })
}

/// As in the reference, an alias that fits wins over a NIC.
fn of_network(state: &State, scope: Scope<'_>, part: &str, (key, value): (&str, &str)) -> Option<String> {
    if !["NETWORK", "NETWORK_ID", "NIC_ID"].contains(&key) {
        return None;
    }
    let template = &scope.vm.template;
    let find = |name: &'static str| template.vectors(name).find(|nic| nic.value(key) == value);
    network_value(state, find("NIC_ALIAS").or_else(|| find("NIC"))?, part)
}

/// What the network of a NIC says about `part`: its address range first.
fn network_value(state: &State, nic: &VectorAttribute, part: &str) -> Option<String> {
    let range = nic.id("AR_ID")?;
    let (object, network) = state.find_typed::<Vnet>(nic.id("NETWORK_ID")?)?;
    if part == "TEMPLATE" {
        return Some(BASE64.encode(object.xml(Form::Full)));
    }
    let own = || object.template.get(part).map(str::to_owned);
    network.ranges.attribute(range, part).map(ToString::to_string).or_else(own)
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Mode {
    Text,
    Variable,
    Value,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Token<'a> {
    Text(&'a str),
    Word(&'a str),
    Value(&'a str),
    Equal,
    Comma,
    OpenBracket,
    CloseBracket,
    /// The end of a variable: the character behind it, unless that is another variable's `$` or the end.
    Ends(Option<char>),
    End,
}

impl Token<'_> {
    fn name(&self) -> &'static str {
        match self {
            Token::Text(_) => "RSTRING",
            Token::Word(_) => "VARIABLE",
            Token::Value(_) => "STRING",
            Token::Equal => "EQUAL",
            Token::Comma => "COMMA",
            Token::OpenBracket => "OBRACKET",
            Token::CloseBracket => "CBRACKET",
            Token::Ends(_) => "EOA",
            Token::End => "$end",
        }
    }
}

/// Reads a part of a text; errors tell of the whole.
struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    /// Where the part ends.
    end: usize,
    /// Where the last token began.
    start: usize,
    mode: Mode,
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

impl<'a> Lexer<'a> {
    fn of(text: &'a str, part: Range<usize>) -> Lexer<'a> {
        Lexer { text, pos: part.start, end: part.end, start: part.start, mode: Mode::Text }
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.pos..self.end).unwrap_or("")
    }

    fn take(&mut self, length: usize) -> &'a str {
        let taken = self.rest().get(..length).unwrap_or("");
        self.pos += length;
        taken
    }

    fn next(&mut self) -> Token<'a> {
        loop {
            self.start = self.pos;
            let token = match self.mode {
                Mode::Text => self.text_token(),
                Mode::Variable => self.variable_token(),
                Mode::Value => self.value_token(),
            };
            if let Some(token) = token {
                return token;
            }
        }
    }

    /// `None`: something was skipped.
    fn text_token(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        if rest.is_empty() {
            return Some(Token::End);
        }
        if rest.starts_with('$') {
            self.pos += 1;
            self.mode = Mode::Variable;
            return None;
        }
        let mut end = 0;
        let mut chars = rest.chars();
        while let Some(c) = chars.next() {
            match c {
                '$' => break,
                '\\' => match chars.next() {
                    Some(escaped) => end += 1 + escaped.len_utf8(),
                    None => break,
                },
                _ => end += c.len_utf8(),
            }
        }
        if end == 0 {
            // A backslash at the end: the reference's lexer takes it with what follows, or drops it where nothing does.
            if self.end < self.text.len() {
                return Some(Token::Text(self.take(1)));
            }
            self.pos = self.end;
            return Some(Token::End);
        }
        Some(Token::Text(self.take(end)))
    }

    fn variable_token(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else {
            self.mode = Mode::Text;
            return Some(Token::Ends(None));
        };
        let word = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
        if word > 0 {
            return Some(Token::Word(self.take(word)));
        }
        let blank = |c: char| c == ' ' || c == '\t';
        let after = rest.trim_start_matches(blank);
        let skipped = rest.len() - after.len();
        let (token, length) = match after.chars().next() {
            Some('=') => (Token::Equal, skipped + 1 + after[1..].len() - after[1..].trim_start_matches(blank).len()),
            Some(',') => (Token::Comma, skipped + 1 + after[1..].len() - after[1..].trim_start_matches(blank).len()),
            Some(']') => (Token::CloseBracket, skipped + 1),
            Some('[') if skipped == 0 => {
                (Token::OpenBracket, 1 + after[1..].len() - after[1..].trim_start_matches(blank).len())
            }
            _ if c == '$' => (Token::Ends(None), 1),
            // A line's end is skipped, as the reference's lexer echoes it away.
            _ if c == '\n' => {
                self.pos += 1;
                return None;
            }
            _ => {
                self.mode = Mode::Text;
                (Token::Ends(Some(c)), c.len_utf8())
            }
        };
        self.pos += length;
        if token == Token::Equal {
            self.mode = Mode::Value;
        }
        Some(token)
    }

    fn value_token(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        let Some(c) = rest.chars().next() else { return Some(Token::End) };
        if let Some((quoted, _)) = rest.strip_prefix('"').and_then(|r| r.split_once('"')) {
            self.pos += quoted.len() + 2;
            self.mode = Mode::Variable;
            return Some(Token::Value(quoted));
        }
        let word = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        if word > 0 {
            self.mode = Mode::Variable;
            return Some(Token::Value(self.take(word)));
        }
        self.pos += c.len_utf8();
        None
    }

    fn word(&mut self, expected: &[&str]) -> Result<&'a str, String> {
        match self.next() {
            Token::Word(word) => Ok(word),
            other => Err(self.unexpected(&other, expected)),
        }
    }

    fn expect(&mut self, token: Token<'_>, expected: &[&str]) -> Result<(), String> {
        let next = self.next();
        if next == token { Ok(()) } else { Err(self.unexpected(&next, expected)) }
    }

    fn unexpected(&self, token: &Token<'_>, expected: &[&str]) -> String {
        let (text, expected) = (self.text, expected.join(" or "));
        let before = text.get(..self.start).unwrap_or(text);
        let line = before.matches('\n').count() + 1;
        let line_start = before.rfind('\n').map_or(0, |i| i + 1);
        let (from, to) = (self.start - line_start, self.pos.saturating_sub(line_start));
        format!(
            "Error parsing: {text}. syntax error, unexpected {}, expecting {expected} at line {line}, columns {from}:{to}",
            token.name()
        )
    }
}
