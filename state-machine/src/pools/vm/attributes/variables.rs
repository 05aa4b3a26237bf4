//! Variables in attributes: `$NAME`, `$NIC[IP, NETWORK="lan"]`, `$NETWORK[...]`, `$IMAGE[...]`, `$USER[...]`.
//!
//! The reference's lexer and grammar, odd corners included: the character that ends a variable belongs to the text,
//! except another `$`; a `\$` stays as it is.
//!
//! Unlike in the reference, nothing is shown that the caller could not see otherwise: see `of_user`, `of_image` and
//! `network_document`. Whatever is put in place of variables counts against the entry's [`crate::budget::Budget`].

use std::borrow::Cow;
use std::ops::Range;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quorate_model::head::{Form, Op};
use quorate_model::object::Object;
use quorate_model::records::image::Image;
use quorate_model::records::user::User;
use quorate_model::records::vm::xml::Shown;
use quorate_model::records::vnet::Vnet;
use quorate_model::records::vnet::document_for_vm;
use quorate_model::template::{Template, VectorAttribute};

use super::scope::Scope;
use crate::authorize::Request as AuthRequest;
use crate::pools::user;
use crate::txn::Txn;

/// What stands between the parts of a vector in its internal form, which only errors show.
const SEPARATOR: &str = "@^_^@";

/// Replaces the variables of a text.
///
/// # Errors
/// The reference's text, or that the budget is used up.
pub fn expand(txn: &Txn, scope: Scope<'_>, text: &str) -> Result<String, String> {
    let mut lexer = Lexer::of(text, 0..text.len());
    let mut out = String::with_capacity(text.len());
    let mut first = true;
    loop {
        match lexer.next() {
            Token::Text(verbatim) => out.push_str(verbatim),
            Token::End if !first => return Ok(out),
            Token::Word(name) => {
                variable(txn, scope, &mut lexer, name, &mut out)?;
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
/// The reference's text, which quotes the vector in its internal form, or that the budget is used up.
pub fn expand_vector(txn: &Txn, scope: Scope<'_>, vector: &VectorAttribute) -> Result<VectorAttribute, String> {
    txn.budget().bytes(vector.memory())?;
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
    let mut result = VectorAttribute::new();
    for (name, part) in parts {
        let value = expand_part(txn, scope, Lexer::of(&text, part))?;
        result.set(name, value);
    }
    Ok(result)
}

/// Replaces the variables of what a lexer reads.
fn expand_part(txn: &Txn, scope: Scope<'_>, mut lexer: Lexer<'_>) -> Result<String, String> {
    let mut out = String::new();
    loop {
        match lexer.next() {
            Token::Text(verbatim) => out.push_str(verbatim),
            Token::End => return Ok(out),
            Token::Word(name) => variable(txn, scope, &mut lexer, name, &mut out)?,
            other => return Err(lexer.unexpected(&other, &["$end", "VARIABLE", "RSTRING"])),
        }
    }
}

/// The rest of a variable after its name, and its value.
fn variable(txn: &Txn, scope: Scope<'_>, lexer: &mut Lexer<'_>, name: &str, out: &mut String) -> Result<(), String> {
    txn.budget().steps(1)?;
    let mut put = |value: &str| -> Result<(), String> {
        txn.budget().bytes(value.len() as u64)?;
        out.push_str(value);
        Ok(())
    };
    let name = name.to_ascii_uppercase();
    let end = match lexer.next() {
        Token::Ends(c) => {
            put(&single(scope, &name))?;
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
            put(&of_vector(txn, scope, &name, &part, choice)?)?;
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
fn single<'a>(scope: Scope<'a>, name: &str) -> Cow<'a, str> {
    let head = scope.head;
    match name {
        "TEMPLATE" => {
            let mut w = quorate_model::xml::XmlWriter::new();
            scope.vm.render_with(&head.head(), Shown::Last, &mut w);
            BASE64.encode(w.finish()).into()
        }
        "UID" => head.uid.to_string().into(),
        "GID" => head.gid.to_string().into(),
        "UNAME" => head.uname.as_str().into(),
        "GNAME" => head.gname.as_str().into(),
        "NAME" => head.name.as_str().into(),
        _ => {
            let value = scope.vm.template.value(name);
            if value.is_empty() { scope.user.value(name) } else { value }.into()
        }
    }
}

/// `$NAME[PART]` and `$NAME[PART, KEY=VALUE]`
fn of_vector<'a>(
    txn: &'a Txn,
    scope: Scope<'a>,
    name: &str,
    part: &str,
    choice: Option<(&str, &str)>,
) -> Result<Cow<'a, str>, String> {
    let found = match (name, choice) {
        ("NETWORK", Some(choice)) => of_network(txn, scope, part, choice)?,
        ("IMAGE", Some(choice)) => of_image(txn, scope, part, choice)?,
        ("NETWORK" | "IMAGE", None) => None,
        ("USER", _) => of_user(txn, scope, part),
        _ => pick(txn, &scope.vm.template, name, choice)?.map(|vector| vector.value(part).into()),
    };
    Ok(found.unwrap_or_default())
}

/// The first vector of a name, or the first that has a value; every one that is looked at is a step.
fn pick<'a>(
    txn: &Txn,
    template: &'a Template,
    name: &str,
    choice: Option<(&str, &str)>,
) -> Result<Option<&'a VectorAttribute>, String> {
    for vector in template.vectors(name) {
        txn.budget().steps(1)?;
        if choice.is_none_or(|(key, value)| vector.value(key) == value) {
            return Ok(Some(vector));
        }
    }
    Ok(None)
}

/// Whether the caller may use an object, and so may see it.
fn may_use(txn: &Txn, object: &Object) -> bool {
    txn.authorize(&[AuthRequest::on(object, Op::Use).ignoring_lock()]).is_ok()
}

/// What the VM's owner says about itself. The reference's `get_user_attribute` shows everything to whoever may change
/// the VM, hashes of passwords and login tokens included. Here it is for the owner and for who may use that user, and
/// credentials are for nobody: what they open is not the VM's.
fn of_user<'a>(txn: &'a Txn, scope: Scope<'_>, part: &str) -> Option<Cow<'a, str>> {
    let (object, _) = txn.find_typed::<User>(scope.head.uid)?;
    if txn.actor().uid != object.id && !may_use(txn, object) {
        return None;
    }
    if part == "TEMPLATE" {
        return Some(
            BASE64.encode(user::credentials::without_credentials(txn.settings(), object).xml(Form::Full)).into(),
        );
    }
    (!user::credentials::is_credential(txn.settings(), part)).then(|| object.template.value(part).into())
}

/// What an image says that is a disk of the VM. In the reference's `get_image_attribute` that is enough; here the
/// caller, who need not be the VM's owner, must have the right to use the image, too.
fn of_image<'a>(
    txn: &'a Txn,
    scope: Scope<'_>,
    part: &str,
    (key, value): (&str, &str),
) -> Result<Option<Cow<'a, str>>, String> {
    if key != "IMAGE" && key != "IMAGE_ID" {
        return Ok(None);
    }
    let disk = pick(txn, &scope.vm.template, "DISK", Some((key, value)))?;
    let image = disk.and_then(|disk| disk.id("IMAGE_ID")).and_then(|id| txn.find_typed::<Image>(id));
    let Some((image, _)) = image.filter(|(image, _)| may_use(txn, image)) else { return Ok(None) };
    Ok(Some(match part {
        "TEMPLATE" => BASE64.encode(image.xml(Form::Full)).into(),
        _ => image.template.value(part).into(),
    }))
}

/// As in the reference (`VirtualMachine::parse_template_attribute`), an alias that fits wins over a NIC.
fn of_network<'a>(
    txn: &'a Txn,
    scope: Scope<'_>,
    part: &str,
    (key, value): (&str, &str),
) -> Result<Option<Cow<'a, str>>, String> {
    if !["NETWORK", "NETWORK_ID", "NIC_ID"].contains(&key) {
        return Ok(None);
    }
    let choice = Some((key, value));
    let alias = pick(txn, &scope.vm.template, "NIC_ALIAS", choice)?;
    let nic = if alias.is_some() { alias } else { pick(txn, &scope.vm.template, "NIC", choice)? };
    let Some(nic) = nic else { return Ok(None) };
    if part == "TEMPLATE" { network_document(txn, scope.head.id, nic) } else { Ok(network_value(txn, nic, part)) }
}

/// The document of a NIC's network, for a caller who may use the network, with no leases but the VM's own. (The
/// reference's `get_network_attribute` shows those of all tenants to everybody who has a NIC there.)
fn network_document<'a>(txn: &Txn, vm: i32, nic: &VectorAttribute) -> Result<Option<Cow<'a, str>>, String> {
    let network = nic.int("AR_ID").and(nic.id("NETWORK_ID")).and_then(|id| txn.find_typed::<Vnet>(id));
    let Some((object, network)) = network.filter(|(object, _)| may_use(txn, object)) else { return Ok(None) };
    txn.budget().steps(network.ranges.used())?;
    Ok(Some(BASE64.encode(document_for_vm(network, &object.head(), vm)).into()))
}

/// What the network of a NIC says about `part`: its address range first.
pub fn network_value<'a>(txn: &'a Txn, nic: &VectorAttribute, part: &str) -> Option<Cow<'a, str>> {
    let range = nic.id("AR_ID")?;
    let (object, network) = txn.find_typed::<Vnet>(nic.id("NETWORK_ID")?)?;
    let own = || object.template.get(part).map(Cow::Borrowed);
    network.ranges.attribute(range, part).map(|value| value.to_string().into()).or_else(own)
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
            "Error parsing: {text}. syntax error, unexpected {}, expecting {expected} at line {line}, columns \
             {from}:{to}",
            token.name()
        )
    }
}
