//! The tokens of the text form of templates.
//!
//! As in the reference's generated scanner (`template_parser.l`), the longest match wins, and what matches nothing is
//! skipped. Every search that may run ahead of the token remembers what it found, so that the whole text is looked at a
//! fixed number of times.

/// A token.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Token<'a> {
    /// Letters, digits and underscores where a name may stand.
    Variable(&'a str),
    /// `=`; a value follows.
    Equal,
    /// `=` at the end of a line: no value.
    EqualEmpty,
    /// `,`
    Comma,
    /// `[` where a value may stand.
    OpenBracket,
    /// `]`
    CloseBracket,
    /// A name behind more names than a template may have.
    TooMany,
    /// A value, without its quotes.
    Value(&'a str),
    /// The rest of a line that holds `]]>`, which CDATA could not carry.
    CdataEnd,
    /// The end of the text.
    End,
}

impl Token<'_> {
    /// The token's name in the reference's texts.
    pub fn name(&self) -> &'static str {
        match self {
            Token::Variable(_) | Token::TooMany => "VARIABLE",
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

/// Where a search that runs ahead found something: valid until the scanner has passed it.
#[derive(Default)]
struct Ahead(Option<usize>);

impl Ahead {
    /// The first place at or after `from`, or the length of the text; `search` is asked only past the known place.
    fn at(&mut self, from: usize, search: impl FnOnce() -> usize) -> usize {
        match self.0 {
            Some(place) if place >= from => place,
            _ => *self.0.insert(search()),
        }
    }
}

/// The scanner.
pub struct Lexer<'a> {
    text: &'a str,
    pos: usize,
    /// Where the last token began.
    start: usize,
    /// How many names there were.
    names: usize,
    /// After `=` or what was skipped behind it: the next token is a value.
    in_value: bool,
    /// The next line end.
    line_end: Ahead,
    /// The next `]]>`.
    cdata_end: Ahead,
}

fn is_blank(b: u8) -> bool {
    b == b' ' || b == b'\t'
}

fn is_blank_or_newline(b: u8) -> bool {
    is_blank(b) || b == b'\n'
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_'
}

fn is_plain(b: u8) -> bool {
    !matches!(b, b'=' | b'#' | b',' | b'[' | b']') && !is_blank_or_newline(b)
}

impl<'a> Lexer<'a> {
    /// A scanner at the beginning of `text`.
    pub fn new(text: &'a str) -> Lexer<'a> {
        let (line_end, cdata_end) = (Ahead::default(), Ahead::default());
        Lexer { text, pos: 0, start: 0, names: 0, in_value: false, line_end, cdata_end }
    }

    /// The next token is a value.
    pub fn expect_value(&mut self) {
        self.in_value = true;
    }

    /// Where the last token began.
    pub fn start(&self) -> usize {
        self.start
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.text.as_bytes().get(at).copied()
    }

    fn slice(&self, from: usize, to: usize) -> &'a str {
        self.text.get(from..to).unwrap_or_default()
    }

    /// The end of the run of bytes from `from` on that `matching` accepts.
    fn run(&self, from: usize, matching: impl Fn(u8) -> bool) -> usize {
        let rest = self.text.as_bytes().get(from..).unwrap_or_default();
        from + rest.iter().position(|b| !matching(*b)).unwrap_or(rest.len())
    }

    fn line_end(&mut self, from: usize) -> usize {
        let text = self.text;
        self.line_end.at(from, || text.get(from..).and_then(|rest| rest.find('\n')).map_or(text.len(), |i| from + i))
    }

    fn cdata_end(&mut self, from: usize) -> usize {
        let text = self.text;
        self.cdata_end.at(from, || text.get(from..).and_then(|rest| rest.find("]]>")).map_or(text.len(), |i| from + i))
    }

    /// The next token.
    pub fn next(&mut self) -> Token<'a> {
        if self.in_value { self.value() } else { self.name_or_sign() }
    }

    fn name_or_sign(&mut self) -> Token<'a> {
        loop {
            self.pos = self.run(self.pos, is_blank_or_newline);
            self.start = self.pos;
            let Some(byte) = self.byte(self.pos) else { return Token::End };
            match byte {
                b'#' => {
                    let end = self.line_end(self.pos);
                    // A comment needs the end of its line: without one only the sign is skipped.
                    self.pos = if end < self.text.len() { end + 1 } else { self.pos + 1 };
                }
                b'=' => {
                    self.pos = self.run(self.pos + 1, is_blank);
                    if self.byte(self.pos) == Some(b'\n') {
                        self.pos += 1;
                        return Token::EqualEmpty;
                    }
                    self.in_value = true;
                    return Token::Equal;
                }
                b',' => return self.sign(Token::Comma),
                b']' => return self.sign(Token::CloseBracket),
                _ if is_word(byte) => {
                    self.pos = self.run(self.pos, is_word);
                    self.names += 1;
                    if self.names > super::bounds::MAX_VALUES {
                        return Token::TooMany;
                    }
                    return Token::Variable(self.slice(self.start, self.pos));
                }
                _ => self.pos += 1,
            }
        }
    }

    fn sign(&mut self, token: Token<'a>) -> Token<'a> {
        self.pos += 1;
        token
    }

    fn value(&mut self) -> Token<'a> {
        loop {
            self.start = self.pos;
            let Some(byte) = self.byte(self.pos) else { return Token::End };
            let quoted = if byte == b'"' { self.quoted_end() } else { None };
            let line_end = self.line_end(self.pos);
            if self.cdata_end(self.pos) < line_end && quoted.is_none_or(|end| end <= line_end) {
                return self.end_value(line_end, Token::CdataEnd);
            }
            let after_blanks = self.run(self.pos, is_blank);
            if self.byte(after_blanks) == Some(b'[') {
                let end = self.run(after_blanks + 1, is_blank_or_newline);
                return self.end_value(end, Token::OpenBracket);
            }
            let plain = self.run(self.pos, is_plain);
            if let Some(end) = quoted
                && end >= plain
            {
                return self.end_value(end, Token::Value(self.slice(self.pos + 1, end - 1)));
            }
            if plain > self.pos {
                return self.end_value(plain, Token::Value(self.slice(self.pos, plain)));
            }
            self.pos = after_blanks.max(self.pos + 1);
        }
    }

    fn end_value(&mut self, end: usize, token: Token<'a>) -> Token<'a> {
        self.pos = end;
        self.in_value = false;
        token
    }

    /// The end of the quoted value that begins here: after the first quote without a backslash before it, or else after
    /// the last quote there is.
    fn quoted_end(&self) -> Option<usize> {
        let inside = self.pos + 1;
        let bytes = self.text.as_bytes();
        let mut last = None;
        for (i, byte) in bytes.iter().enumerate().skip(inside) {
            if *byte == b'"' {
                last = Some(i + 1);
                if i == inside || bytes.get(i - 1) != Some(&b'\\') {
                    break;
                }
            }
        }
        last
    }

    /// The position of the last token as the reference words it: line, and first and last column.
    pub fn position(&self) -> String {
        let before = self.text.as_bytes().get(..self.start).unwrap_or_default();
        let line = before.iter().filter(|b| **b == b'\n').count() + 1;
        let line_start = before.iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
        format!("at line {line}, columns {}:{}", self.start - line_start, self.pos.saturating_sub(line_start))
    }
}
