//! Writing the XML of objects the way the reference does: plain numbers and fixed names, CDATA for values.
//!
//! It must not know any object; it only writes.

use std::fmt::{Display, Write};

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
    /// `<name>`
    pub fn open(&mut self, name: &str) -> &mut Self {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push('>');
        self
    }
    /// `</name>`
    pub fn close(&mut self, name: &str) -> &mut Self {
        self.out.push_str("</");
        self.out.push_str(name);
        self.out.push('>');
        self
    }
    /// `<name/>`
    pub fn empty(&mut self, name: &str) -> &mut Self {
        self.out.push('<');
        self.out.push_str(name);
        self.out.push_str("/>");
        self
    }
    /// `<name>value</name>`, the value escaped.
    pub fn plain(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.open(name);
        let mut escaping = Escaping(&mut self.out);
        // Writing to a String cannot fail.
        let _ = write!(escaping, "{value}");
        self.close(name)
    }
    /// `<name><![CDATA[value]]></name>`
    pub fn cdata(&mut self, name: &str, value: &str) -> &mut Self {
        self.open(name);
        self.out.push_str("<![CDATA[");
        // A value can hold no `]]>` (templates refuse it), but XML from elsewhere might: split it.
        if value.contains("]]>") {
            self.out.push_str(&value.replace("]]>", "]]]]><![CDATA[>"));
        } else {
            self.out.push_str(value);
        }
        self.out.push_str("]]>");
        self.close(name)
    }
    /// `<name>` around what `inner` writes.
    pub fn element(&mut self, name: &str, inner: impl FnOnce(&mut Self)) -> &mut Self {
        self.open(name);
        inner(self);
        self.close(name)
    }
    /// `<name><ID>1</ID><ID>2</ID></name>`
    pub fn ids<'a>(&mut self, name: &str, ids: impl IntoIterator<Item = &'a i32>) -> &mut Self {
        self.element(name, |w| {
            for id in ids {
                w.plain("ID", id);
            }
        })
    }
    /// XML that is already written.
    pub fn raw(&mut self, xml: &str) -> &mut Self {
        self.out.push_str(xml);
        self
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

/// Appends `text` to `out`, escaped for XML text. Characters that XML 1.0 cannot carry are dropped.
pub fn escape_into(text: &str, out: &mut String) {
    out.reserve(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '\t' | '\n' => out.push(c),
            '\r' => out.push_str("&#x0d;"),
            '\u{0}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => {}
            _ => out.push(c),
        }
    }
}
