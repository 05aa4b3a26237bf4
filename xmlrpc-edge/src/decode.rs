//! Reading a `methodCall`: linear in its size, bounded in nesting and number of values.
//!
//! It must not panic or loop on any input: what is not understood is a fault. No character that XML 1.0 cannot carry
//! comes through, in any string, as itself or as a reference: it could not be shown to anybody.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};
use quorate_model::clean::{is_char, is_text};
use quorate_model::template::parse::with_plain_line_ends;

use crate::value::{Fault, MethodCall, Value};

/// How deep elements may be nested.
const MAX_DEPTH: usize = 64;
/// How many elements a call may hold.
const MAX_ELEMENTS: usize = 200_000;

/// Reads a request body.
///
/// # Errors
/// A fault when the body is no XML-RPC call, has another encoding, nests too deep or has too many elements.
pub fn decode(body: &[u8]) -> Result<MethodCall, Fault> {
    let text = text_of(body)?;
    if !is_text(&text) {
        return Err(parse_error("it has a character that XML cannot carry"));
    }
    let root = tree(&with_plain_line_ends(&text))?;
    if root.name != "methodCall" {
        return Err(parse_error(format_args!("it is a <{}>", root.name)));
    }
    let mut method = None;
    let mut params = Vec::new();
    for child in root.children {
        match child.name.as_str() {
            "methodName" => method = Some(child.text.trim().to_owned()),
            "params" => {
                for param in child.children {
                    params.push(value(param.only_child("value")?)?);
                }
            }
            other => return Err(parse_error(format_args!("it has a <{other}>"))),
        }
    }
    let method = method.filter(|m| !m.is_empty()).ok_or_else(|| parse_error("it names no method"))?;
    Ok(MethodCall { method, params })
}

/// The body as text, by the encoding that its declaration names (UTF-8 without one).
fn text_of(body: &[u8]) -> Result<String, Fault> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    let encoding = declared_encoding(body);
    match encoding.as_deref() {
        None | Some("utf-8" | "utf8" | "us-ascii" | "ascii") => {
            String::from_utf8(body.to_vec()).map_err(|_| Fault::new(Fault::ENCODING, "The request is not valid UTF-8"))
        }
        Some("iso-8859-1" | "latin1" | "latin-1") => Ok(body.iter().copied().map(char::from).collect()),
        Some(other) => Err(Fault::new(Fault::PARSE, format!("Encoding '{other}' is not supported"))),
    }
}

fn declared_encoding(body: &[u8]) -> Option<String> {
    let head = &body[..body.len().min(200)];
    let declaration = head.strip_prefix(b"<?xml")?;
    let end = declaration.windows(2).position(|w| w == b"?>")?;
    let declaration = std::str::from_utf8(&declaration[..end]).ok()?;
    let after = declaration.split_once("encoding")?.1.trim_start().strip_prefix('=')?.trim_start();
    let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let (name, _) = after[1..].split_once(quote)?;
    Some(name.to_ascii_lowercase())
}

fn parse_error(what: impl std::fmt::Display) -> Fault {
    Fault::new(Fault::PARSE, format!("Call is not a proper XML-RPC call: {what}"))
}

/// An element: its own text (CDATA and references resolved) and its children.
#[derive(Default)]
struct Element {
    name: String,
    text: String,
    children: Vec<Element>,
}

impl Element {
    /// Its one child, which must have this name.
    fn only_child(self, name: &str) -> Result<Element, Fault> {
        let mut children = self.children.into_iter();
        match (children.next(), children.next()) {
            (Some(child), None) if child.name == name => Ok(child),
            _ => Err(parse_error(format_args!("a <{}> does not hold just one <{name}>", self.name))),
        }
    }
}

/// Reads the document into elements, within the limits.
fn tree(text: &str) -> Result<Element, Fault> {
    let mut reader = Reader::from_str(text);
    reader.config_mut().expand_empty_elements = true;
    let mut stack = vec![Element::default()];
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(parse_error)?;
        // The bottom of the stack is the document; it is never popped before the end.
        let Some(top) = stack.last_mut() else { return Err(parse_error("an element ends twice")) };
        match event {
            Event::Start(e) => {
                elements += 1;
                if stack.len() > MAX_DEPTH || elements > MAX_ELEMENTS {
                    return Err(Fault::new(Fault::LIMIT, "The call is nested too deep or has too many values"));
                }
                let name = e.name();
                // `nil` of the Apache extension comes with a prefix.
                let name = name.as_ref().rsplit(':').next().unwrap_or_default().to_owned();
                stack.push(Element { name, ..Element::default() });
            }
            Event::End(_) => {
                let ended = stack.pop().unwrap_or_default();
                let Some(parent) = stack.last_mut() else { return Err(parse_error("an element ends twice")) };
                parent.children.push(ended);
            }
            Event::Text(t) => top.text.push_str(&t),
            Event::CData(t) => top.text.push_str(&t),
            Event::GeneralRef(r) => push_reference(&r, &mut top.text)?,
            Event::DocType(_) => return Err(parse_error("document types are not supported")),
            Event::Eof => break,
            _ => {}
        }
    }
    let document = stack.pop().filter(|_| stack.is_empty()).ok_or_else(|| parse_error("it ends in the middle"))?;
    if !document.text.trim().is_empty() {
        return Err(parse_error("there is text outside the root element"));
    }
    let mut roots = document.children.into_iter();
    match (roots.next(), roots.next()) {
        (Some(root), None) => Ok(root),
        _ => Err(parse_error("it has not just one root element")),
    }
}

/// Appends what `&...;` stands for.
fn push_reference(r: &BytesRef<'_>, text: &mut String) -> Result<(), Fault> {
    match r.resolve_char_ref().map_err(parse_error)? {
        Some(c) if is_char(c) => text.push(c),
        Some(c) => {
            return Err(parse_error(format_args!("it refers to U+{:04X}, which XML cannot carry", u32::from(c))));
        }
        None => {
            text.push_str(resolve_xml_entity(r).ok_or_else(|| parse_error(format_args!("unknown entity '{}'", &**r)))?)
        }
    }
    Ok(())
}

/// The value of a `<value>` element.
fn value(element: Element) -> Result<Value, Fault> {
    let mut children = element.children.into_iter();
    let Some(typed) = children.next() else {
        return Ok(Value::Str(element.text));
    };
    if children.next().is_some() || !element.text.trim().is_empty() {
        return Err(parse_error("a <value> holds more than one thing"));
    }
    let number = typed.text.trim();
    let bad = |ty: &str| parse_error(format_args!("'{}' is no {ty}", number.chars().take(40).collect::<String>()));
    Ok(match typed.name.as_str() {
        "int" | "i4" => Value::Int(number.parse().map_err(|_| bad("32-bit integer"))?),
        "i8" => Value::Int64(number.parse().map_err(|_| bad("64-bit integer"))?),
        "boolean" => match number {
            "1" => Value::Bool(true),
            "0" => Value::Bool(false),
            _ => return Err(bad("boolean")),
        },
        "double" => Value::Double(number.parse().ok().filter(|d: &f64| d.is_finite()).ok_or_else(|| bad("double"))?),
        "string" => Value::Str(typed.text),
        "base64" => {
            let packed: String = typed.text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            Value::Base64(BASE64.decode(packed).map_err(|_| bad("base64"))?)
        }
        "dateTime.iso8601" => Value::DateTime(number.to_owned()),
        "nil" => Value::Nil,
        "array" => {
            let data = typed.only_child("data")?;
            Value::Array(data.children.into_iter().map(value_element).collect::<Result<_, _>>()?)
        }
        "struct" => Value::Struct(typed.children.into_iter().map(member).collect::<Result<_, _>>()?),
        other => return Err(parse_error(format_args!("unknown type <{other}>"))),
    })
}

fn value_element(element: Element) -> Result<Value, Fault> {
    if element.name != "value" {
        return Err(parse_error(format_args!("a <{}> stands where a <value> should", element.name)));
    }
    value(element)
}

fn member(element: Element) -> Result<(String, Value), Fault> {
    let (mut name, mut content) = (None, None);
    for child in element.children {
        match child.name.as_str() {
            "name" => name = Some(child.text),
            "value" => content = Some(value(child)?),
            other => return Err(parse_error(format_args!("a struct member has a <{other}>"))),
        }
    }
    name.zip(content).ok_or_else(|| parse_error("a struct member lacks name or value"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn param(inner: &str) -> Result<Value, Fault> {
        let body = format!(
            "<?xml version=\"1.0\"?><methodCall><methodName>m</methodName><params><param>\n<value>{inner}</value></param></params></methodCall>"
        );
        decode(body.as_bytes()).map(|mut call| call.params.remove(0))
    }

    #[test]
    fn reads_every_type() {
        let cases = [
            ("<int> 7 </int>", Value::Int(7)),
            ("<i4>-7</i4>", Value::Int(-7)),
            ("<i8>4294967296</i8>", Value::Int64(1 << 32)),
            ("<boolean>1</boolean>", Value::Bool(true)),
            ("<string>a&lt;b &#65;<![CDATA[<x>]]></string>", Value::Str("a<b A<x>".into())),
            ("bare text", Value::Str("bare text".into())),
            ("", Value::Str(String::new())),
            ("<string/>", Value::Str(String::new())),
            ("<double>1.5</double>", Value::Double(1.5)),
            ("<base64>aGk=</base64>", Value::Base64(b"hi".to_vec())),
            ("<nil/>", Value::Nil),
            ("<ex:nil/>", Value::Nil),
            ("<array><data><value><int>1</int></value></data></array>", Value::Array(vec![Value::Int(1)])),
            (
                "<struct><member><name>a</name><value>b</value></member></struct>",
                Value::Struct(vec![("a".into(), Value::Str("b".into()))]),
            ),
        ];
        for (xml, expected) in cases {
            assert_eq!(param(xml).as_ref(), Ok(&expected), "{xml}");
        }
    }

    #[test]
    fn refuses_with_a_reason() {
        for xml in ["<int>4294967296</int>", "<boolean>yes</boolean>", "<int>1</int><int>2</int>", "<wrong/>", "&x;"] {
            assert_eq!(param(xml).map_err(|f| f.code), Err(Fault::PARSE), "{xml}");
        }
        let codes = |body: &[u8]| decode(body).map_err(|f| f.code);
        assert_eq!(codes(b"hello"), Err(Fault::PARSE));
        assert_eq!(codes(b"<methodCall><methodName>m"), Err(Fault::PARSE));
        assert_eq!(codes(b"<methodCall>\xff</methodCall>"), Err(Fault::ENCODING));
        assert_eq!(codes("<array>".repeat(100_000).as_bytes()), Err(Fault::LIMIT));
    }

    #[test]
    fn what_xml_cannot_carry_is_refused_in_every_string() {
        let places = [
            ("<methodCall><methodName>m", "</methodName></methodCall>"),
            ("<methodCall><!--", "--><methodName>m</methodName></methodCall>"),
            ("<methodCall><methodName>m</methodName><params><param><value>", "</value></param></params></methodCall>"),
        ];
        let inside = [
            ("<string>", "</string>"),
            ("<string><![CDATA[", "]]></string>"),
            ("<array><data><value><string>", "</string></value></data></array>"),
            ("<struct><member><name>", "</name><value/></member></struct>"),
            ("<struct><member><name>n</name><value>", "</value></member></struct>"),
            ("<dateTime.iso8601>", "</dateTime.iso8601>"),
        ];
        let [.., (head, tail)] = places;
        let nested = inside.map(|(open, close)| (format!("{head}{open}"), format!("{close}{tail}")));
        let places = places.map(|(head, tail)| (head.to_owned(), tail.to_owned()));
        for (head, tail) in places.into_iter().chain(nested) {
            let code = |what: &str| decode(format!("{head}{what}{tail}").as_bytes()).map_err(|f| f.code);
            for bad in ["\u{1}", "\u{0}", "\u{b}", "\u{1f}", "\u{fffe}", "\u{ffff}", "g\u{1}rp"] {
                assert_eq!(code(bad), Err(Fault::PARSE), "{head}{bad:?}");
            }
            for good in ["\t", "\n", "\u{7f}", "\u{fffd}", "\u{10ffff}", "\u{1f600}"] {
                assert!(code(good).is_ok(), "{head}{good:?}");
            }
            if !head.ends_with("CDATA[") && !head.ends_with("--") {
                for bad in ["&#0;", "&#2;", "&#x1F;", "&#65535;", "&#xFFFE;", "&#xD800;", "&#x110000;"] {
                    assert_eq!(code(bad), Err(Fault::PARSE), "{head}{bad}");
                }
            }
        }
    }

    #[test]
    fn line_ends_are_those_of_xml() {
        assert_eq!(param("a\r\nb\rc&#13;d"), Ok(Value::Str("a\nb\nc\rd".into())));
    }

    #[test]
    fn latin_1_is_understood_when_declared() {
        let body =
            b"<?xml version='1.0' encoding='ISO-8859-1'?><methodCall><methodName>m\xe9</methodName></methodCall>";
        assert_eq!(decode(body).map(|c| c.method), Ok("m\u{e9}".to_owned()));
    }

    proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let _ = decode(&bytes);
        }

        #[test]
        fn truncation_is_a_fault(cut in 0_usize..180) {
            let body = b"<?xml version=\"1.0\"?><methodCall><methodName>one.vm.info</methodName><params><param><value><string>a:b</string></value></param><param><value><i4>1</i4></value></param></params></methodCall>";
            prop_assume!(cut < body.len());
            prop_assert!(decode(&body[..cut]).is_err());
        }
    }
}
