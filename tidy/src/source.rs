//! One file: its text, and for Rust its tokens as a tree of groups. It knows no rule.
//!
//! The lexer is our own because every test reads the whole repository in a process of its own: proc-macro2 takes
//! seconds for that in a debug build. It drops comments, doc comments too.

use std::cell::OnceCell;

/// A file of the repository.
pub struct Source {
    /// Its path below the repository's root.
    pub path: String,
    /// Its text; empty when it is no text.
    pub text: String,
    tokens: OnceCell<Vec<Token>>,
}

/// A token with its line, or what stands between a pair of brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Token {
    /// A name, a keyword or a number.
    Word(String, usize),
    /// A sign; of `::` there are two.
    Sign(char, usize),
    /// The inside of a string literal as it is written, or of a character's (which is left out).
    Text(String, usize),
    /// A pair of brackets.
    Group(Group),
}

/// What stands between a pair of brackets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// The opening bracket.
    pub open: char,
    /// The tokens inside.
    pub inner: Vec<Token>,
    /// The line of the opening bracket.
    pub first: usize,
    /// The line of the closing bracket.
    pub last: usize,
}

impl Source {
    /// The file at `path` with this text.
    #[must_use]
    pub fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), tokens: OnceCell::new() }
    }

    /// Its lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        (1..).zip(self.text.lines())
    }

    /// Its tokens.
    ///
    /// # Panics
    /// When its brackets do not match.
    #[must_use]
    pub fn tokens(&self) -> &[Token] {
        self.tokens.get_or_init(|| tokens_of(&self.text).unwrap_or_else(|| panic!("{}: no Rust", self.path)))
    }
}

/// The tokens of a text; nothing when its brackets do not match.
#[must_use]
pub fn tokens_of(text: &str) -> Option<Vec<Token>> {
    let mut lexer = Lexer { text, at: 0, line: 1 };
    let mut open: Vec<Group> = vec![Group { open: ' ', inner: Vec::new(), first: 1, last: 1 }];
    while let Some(byte) = lexer.byte(0) {
        let line = lexer.line;
        let token = match byte {
            b'(' | b'[' | b'{' => {
                open.push(Group { open: char::from(byte), inner: Vec::new(), first: line, last: line });
                lexer.at += 1;
                continue;
            }
            b')' | b']' | b'}' => {
                lexer.at += 1;
                let mut group = open.pop()?;
                group.last = line;
                if !matches!((group.open, byte), ('(', b')') | ('[', b']') | ('{', b'}')) {
                    return None;
                }
                Some(Token::Group(group))
            }
            _ => lexer.token(byte),
        };
        open.last_mut()?.inner.extend(token);
    }
    let whole = open.pop()?;
    open.is_empty().then_some(whole.inner)
}

/// Reads tokens from a text.
struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: usize,
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn begins(&self, with: &str) -> bool {
        self.text.as_bytes()[self.at..].starts_with(with.as_bytes())
    }

    /// Goes on by so many bytes and counts lines.
    fn skip(&mut self, bytes: usize) {
        let end = self.text.len().min(self.at + bytes);
        self.line += self.text.as_bytes()[self.at..end].iter().filter(|byte| **byte == b'\n').count();
        self.at = end;
    }

    /// Reads what begins with `byte` and is no bracket. Blanks and comments are no token.
    fn token(&mut self, byte: u8) -> Option<Token> {
        let line = self.line;
        match byte {
            _ if byte.is_ascii_whitespace() => self.skip(1),
            b'/' if self.begins("//") => {
                let rest = &self.text.as_bytes()[self.at..];
                self.skip(rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len()));
            }
            b'/' if self.begins("/*") => self.skip_comment(),
            b'"' => return Some(Token::Text(self.string(), line)),
            b'\'' => return self.character_or_lifetime(),
            _ if is_word_byte(byte) => return Some(self.word()),
            _ => {
                self.at += 1;
                return Some(Token::Sign(char::from(byte), line));
            }
        }
        None
    }

    /// Comments of this kind stand within each other.
    fn skip_comment(&mut self) {
        let mut depth = 0;
        while self.at < self.text.len() {
            if self.begins("/*") {
                depth += 1;
                self.skip(2);
            } else if self.begins("*/") {
                depth -= 1;
                self.skip(2);
                if depth == 0 {
                    return;
                }
            } else {
                self.skip(1);
            }
        }
    }

    /// A string from its first quote on.
    fn string(&mut self) -> String {
        let start = self.at + 1;
        self.skip(1);
        while let Some(byte) = self.byte(0) {
            match byte {
                b'"' => break,
                b'\\' => self.skip(2),
                _ => self.skip(1),
            }
        }
        let inside = self.text.get(start..self.at).unwrap_or_default().to_owned();
        self.skip(1);
        inside
    }

    /// A raw string from its first `#` or quote on.
    fn raw_string(&mut self) -> String {
        let hashes = self.text.as_bytes()[self.at..].iter().take_while(|byte| **byte == b'#').count();
        self.skip(hashes + 1);
        let end = format!("\"{}", "#".repeat(hashes));
        let rest = &self.text[self.at..];
        let inside = rest[..rest.find(&end).unwrap_or(rest.len())].to_owned();
        self.skip(inside.len() + end.len());
        inside
    }

    /// `'x'` is left out; of `'a` the quote is a sign.
    fn character_or_lifetime(&mut self) -> Option<Token> {
        let line = self.line;
        let mut inside = self.text[self.at + 1..].chars();
        let first = inside.next();
        if first == Some('\\') {
            self.skip(3);
            while self.byte(0).is_some_and(|byte| byte != b'\'') {
                self.skip(1);
            }
            self.skip(1);
            return None;
        }
        if inside.next() == Some('\'') {
            self.skip(2 + first.map_or(0, char::len_utf8));
            return None;
        }
        self.at += 1;
        Some(Token::Sign('\'', line))
    }

    /// A word, or the string whose prefix it is.
    fn word(&mut self) -> Token {
        let (start, line) = (self.at, self.line);
        while self.byte(0).is_some_and(is_word_byte) {
            self.at += 1;
        }
        let word = &self.text[start..self.at];
        match (word, self.byte(0)) {
            ("b" | "c", Some(b'"')) => Token::Text(self.string(), line),
            ("r" | "br" | "cr", Some(b'"')) => Token::Text(self.raw_string(), line),
            ("r" | "br" | "cr", Some(b'#')) if self.begins("#\"") || self.begins("##") => {
                Token::Text(self.raw_string(), line)
            }
            _ => Token::Word(word.to_owned(), line),
        }
    }
}

fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

/// The line of a token.
#[must_use]
pub fn line_of(token: &Token) -> usize {
    match token {
        Token::Word(_, line) | Token::Sign(_, line) | Token::Text(_, line) => *line,
        Token::Group(group) => group.first,
    }
}

/// Whether a token is this word.
#[must_use]
pub fn is_word(token: Option<&Token>, word: &str) -> bool {
    matches!(token, Some(Token::Word(found, _)) if found == word)
}

/// Whether a token is this sign.
#[must_use]
pub fn is_sign(token: Option<&Token>, sign: char) -> bool {
    matches!(token, Some(Token::Sign(found, _)) if *found == sign)
}

/// The group, if the token is one of these brackets.
#[must_use]
pub fn group(token: Option<&Token>, open: char) -> Option<&Group> {
    match token {
        Some(Token::Group(group)) if group.open == open => Some(group),
        _ => None,
    }
}

/// An attribute (`#[...]` or `#![...]`).
pub struct Attribute<'a> {
    /// What is between its brackets.
    pub inner: &'a [Token],
    /// How many tokens it takes as a whole.
    pub length: usize,
}

impl Attribute<'_> {
    /// Whether what follows is there in tests only.
    #[must_use]
    pub fn is_test_only(&self) -> bool {
        let [cfg, Token::Group(condition)] = self.inner else { return false };
        let all = group(condition.inner.get(1), '(').filter(|_| is_word(condition.inner.first(), "all"));
        let parts = all.map_or(&condition.inner[..], |all| &all.inner[..]);
        is_word(Some(cfg), "cfg") && is_word(parts.first(), "test")
    }

    /// The file of a module that it names.
    #[must_use]
    pub fn path(&self) -> Option<&str> {
        match self.inner {
            [Token::Word(word, _), Token::Sign('=', _), Token::Text(path, _)] if word == "path" => Some(path),
            _ => None,
        }
    }
}

/// The attribute that begins here.
#[must_use]
pub fn attribute(tokens: &[Token]) -> Option<Attribute<'_>> {
    if !is_sign(tokens.first(), '#') {
        return None;
    }
    let at = 1 + usize::from(is_sign(tokens.get(1), '!'));
    group(tokens.get(at), '[').map(|group| Attribute { inner: &group.inner, length: at + 1 })
}

/// How many tokens the item that begins here takes, with attributes before it: up to its `;` or its braces.
#[must_use]
pub fn item_length(tokens: &[Token]) -> usize {
    let end = tokens.iter().position(|token| is_sign(Some(token), ';') || group(Some(token), '{').is_some());
    end.map_or(tokens.len(), |end| end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<(String, usize)> {
        fn collect(tokens: &[Token], found: &mut Vec<(String, usize)>) {
            for token in tokens {
                match token {
                    Token::Word(word, line) => found.push((word.clone(), *line)),
                    Token::Group(group) => collect(&group.inner, found),
                    Token::Sign(..) | Token::Text(..) => {}
                }
            }
        }
        let mut found = Vec::new();
        collect(&tokens_of(text).expect("Rust"), &mut found);
        found
    }

    #[test]
    fn brackets_and_quotes_within_texts_and_comments_are_none() {
        let text = "a /* { /* \" */ ' */ b // }\n\"\\\"{\nx\" c '{' '\\'' '\\u{7d}' r#\"\"}\"# b\"(\" 'ä' br\"\\\" d";
        let found: Vec<(String, usize)> = words(text);
        let expected = [("a", 1), ("b", 1), ("c", 3), ("d", 3)].map(|(word, line)| (word.to_owned(), line));
        assert_eq!(found, expected);
    }

    #[test]
    fn lifetimes_are_no_characters_and_raw_names_no_strings() {
        let found: Vec<String> = words("f<'a>(x: &'a r#type, y: 'b')").into_iter().map(|(word, _)| word).collect();
        assert_eq!(found, ["f", "a", "x", "a", "r", "type", "y"]);
    }

    #[test]
    fn groups_know_their_lines_and_what_is_left_open_is_no_rust() {
        let tokens = tokens_of("f {\n(1)\n}").expect("Rust");
        let body = group(tokens.get(1), '{').expect("braces");
        assert_eq!((body.first, body.last, body.inner.len()), (1, 3, 1));
        assert_eq!(tokens_of("f { ("), None);
        assert_eq!(tokens_of("f ( }"), None);
    }

    #[test]
    fn attributes_are_read_with_and_without_exclamation_mark() {
        let test = |text: &str| attribute(&tokens_of(text).expect("Rust")).is_some_and(|found| found.is_test_only());
        assert!(test("#[cfg(test)]") && test("#[cfg(all(test, unix))]"));
        assert!(!test("#[cfg(not(test))]") && !test("#![allow(test)]") && !test("cfg(test)"));
        assert_eq!(attribute(&tokens_of("#![x] y").expect("Rust")).map(|found| found.length), Some(3));
    }
}
