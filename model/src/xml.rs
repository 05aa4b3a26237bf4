//! Writing the XML of objects the way the reference does: plain numbers and fixed names, CDATA for values.
//!
//! Whatever the values are, what is written is well-formed: element names are the program's own or checked ones, and
//! characters that XML cannot carry are replaced. It must not know any object; it only writes.

use std::fmt::{Display, Write};

use crate::clean::{Name, cleaned};

/// What an element may be called: a name in the program's text, or a checked one.
pub trait ElementName: Copy {
    /// The name.
    fn name(&self) -> &str;
}

impl ElementName for &'static str {
    fn name(&self) -> &str {
        self
    }
}

impl ElementName for &&'static str {
    fn name(&self) -> &str {
        self
    }
}

impl ElementName for &Name {
    fn name(&self) -> &str {
        self.as_str()
    }
}

/// Appends XML to a string.
#[derive(Default, Debug)]
pub struct XmlWriter {
    out: String,
}

impl XmlWriter {
    /// An empty document.
    #[must_use]
    pub fn new() -> XmlWriter {
        XmlWriter::default()
    }
    /// A document that begins with `<?xml version="1.0"?>`.
    #[must_use]
    pub fn declared() -> XmlWriter {
        XmlWriter { out: "<?xml version=\"1.0\"?>".to_owned() }
    }
    /// `<name>`
    pub fn open(&mut self, name: impl ElementName) -> &mut Self {
        self.tag("<", name.name(), ">")
    }
    /// `</name>`
    pub fn close(&mut self, name: impl ElementName) -> &mut Self {
        self.tag("</", name.name(), ">")
    }
    /// `<name/>`
    pub fn empty(&mut self, name: impl ElementName) -> &mut Self {
        self.tag("<", name.name(), "/>")
    }
    fn tag(&mut self, begin: &str, name: &str, end: &str) -> &mut Self {
        for part in [begin, name, end] {
            self.out.push_str(part);
        }
        self
    }
    /// `<name>value</name>`, the value escaped.
    pub fn plain(&mut self, name: impl ElementName, value: impl Display) -> &mut Self {
        self.open(name);
        let mut escaping = Escaping(&mut self.out);
        // Writing to a String cannot fail.
        let _ = write!(escaping, "{value}");
        self.close(name)
    }
    /// `<name><![CDATA[value]]></name>`
    pub fn cdata(&mut self, name: impl ElementName, value: &str) -> &mut Self {
        self.open(name);
        self.out.push_str("<![CDATA[");
        // Replaced first, so that nothing that vanishes can make an end of what stood around it.
        let value = cleaned(value);
        // The end of a section inside of one: the section ends in the middle of it and another begins. A carriage return
        // stands between two sections: inside of one, readers take it for a line end and make another character of it
        // (the reference writes it there all the same).
        if value.contains("]]>") || value.contains('\r') {
            self.out.push_str(&value.replace("]]>", "]]]]><![CDATA[>").replace('\r', "]]>&#x0d;<![CDATA["));
        } else {
            self.out.push_str(&value);
        }
        self.out.push_str("]]>");
        self.close(name)
    }
    /// `<name>` around what `inner` writes.
    pub fn element(&mut self, name: impl ElementName, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        inner(self);
        self.close(name)
    }
    /// `<name><ID>1</ID><ID>2</ID></name>`
    pub fn ids<'a>(&mut self, name: impl ElementName, ids: impl IntoIterator<Item = &'a i32>) -> &mut Self {
        self.element(name, |w| {
            for id in ids {
                w.plain("ID", id);
            }
        })
    }
    /// XML that another writer has written, or that a parser has found well-formed.
    pub fn raw(&mut self, xml: &str) -> &mut Self {
        self.out.push_str(xml);
        self
    }
    /// How many bytes there are so far.
    #[must_use]
    pub fn len(&self) -> usize {
        self.out.len()
    }
    /// Whether nothing has been written.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.out.is_empty()
    }
    /// The document.
    #[must_use]
    pub fn finish(self) -> String {
        self.out
    }
}

/// A sink that escapes text for XML.
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, s: &str) -> std::fmt::Result {
        escape_into(s, self.0);
        Ok(())
    }
}

/// Appends `text` to `out`, escaped for XML text. Characters that XML 1.0 cannot carry become U+FFFD.
pub fn escape_into(text: &str, out: &mut String) {
    let text = cleaned(text);
    out.reserve(text.len());
    let mut rest = &*text;
    // Runs of what needs no escape are copied whole.
    while let Some(at) = rest.bytes().position(|b| matches!(b, b'&' | b'<' | b'>' | b'\r')) {
        let (run, special) = rest.split_at(at);
        out.push_str(run);
        out.push_str(match special.as_bytes().first() {
            Some(b'&') => "&amp;",
            Some(b'<') => "&lt;",
            Some(b'>') => "&gt;",
            _ => "&#x0d;",
        });
        rest = special.get(1..).unwrap_or_default();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_ends_its_section() {
        let written = |value: &str| {
            let mut w = XmlWriter::new();
            w.cdata("A", value);
            w.finish()
        };
        assert_eq!(written("]]>"), "<A><![CDATA[]]]]><![CDATA[>]]></A>");
        assert_eq!(written("]]\u{1}><b/>"), "<A><![CDATA[]]\u{fffd}><b/>]]></A>");
        assert_eq!(written("]\u{ffff}]\u{0}>"), "<A><![CDATA[]\u{fffd}]\u{fffd}>]]></A>");
        assert_eq!(written("a\rb]]>\r"), "<A><![CDATA[a]]>&#x0d;<![CDATA[b]]]]><![CDATA[>]]>&#x0d;<![CDATA[]]></A>");
        assert_eq!(written("]]]>]]>>"), "<A><![CDATA[]]]]]><![CDATA[>]]]]><![CDATA[>>]]></A>");
    }

    #[test]
    fn escaped_text_holds_what_it_held() {
        let escaped = |text: &str| {
            let mut out = String::new();
            escape_into(text, &mut out);
            out
        };
        assert_eq!(escaped("<a href='x'>&amp;\r\n\t]]>\u{e4}"), "&lt;a href='x'&gt;&amp;amp;&#x0d;\n\t]]&gt;\u{e4}");
        assert_eq!(escaped("\u{2}a\u{fffe}"), "\u{fffd}a\u{fffd}");
    }
}
