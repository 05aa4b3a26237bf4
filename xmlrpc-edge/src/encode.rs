//! Writing a `methodResponse`: segments of bytes that are sent one after the other, never copied together.

use std::collections::VecDeque;

use bytes::Bytes;
use quorate_model::api::{ApiReply, Value as ApiValue};
use quorate_model::xml::escape_into;

use crate::pipeline::Reply;
use crate::value::{Fault, Value};

/// A response body.
pub type Segments = VecDeque<Bytes>;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<methodResponse>\r\n";
const TAIL: &str = "</methodResponse>\r\n";
const OPEN: &str = "<params>\r\n<param><value>";
const CLOSE: &str = "</value></param>\r\n</params>\r\n";
const OPEN_ARRAY: &str = "<array><data>\r\n";
const CLOSE_ARRAY: &str = "</data></array>";

/// The reply of an API method: `[true, value, 0]` or `[false, "[method] text", code, id, -1]`.
#[must_use]
pub fn reply(method: &str, reply: &ApiReply) -> Segments {
    let mut segments = Segments::new();
    push_reply(method, reply, format!("{HEAD}{OPEN}"), &format!("{CLOSE}{TAIL}"), &mut segments);
    segments
}

/// Appends the array of a reply between two texts.
fn push_reply(method: &str, reply: &ApiReply, before: String, after: &str, segments: &mut Segments) {
    let mut out = before;
    match reply {
        Ok(ApiValue::Xml(document)) => {
            out.push_str(OPEN_ARRAY);
            out.push_str("<value><boolean>1</boolean></value>\r\n<value><string>");
            segments.reserve(document.len() + 2);
            segments.push_back(out.into());
            segments.extend(document.iter().filter(|s| !s.is_empty()).cloned());
            let close = format!("</string></value>\r\n<value><i4>0</i4></value>\r\n{CLOSE_ARRAY}{after}");
            segments.push_back(close.into());
            return;
        }
        Ok(value) => {
            let value = match value {
                ApiValue::Int(n) => Value::Int(*n),
                ApiValue::Int64(n) => Value::Int64(*n),
                ApiValue::Bool(b) => Value::Bool(*b),
                ApiValue::Text(t) => Value::Str(t.clone()),
                ApiValue::Xml(_) => Value::Str(value.to_text()),
            };
            write_array(&[Value::Bool(true), value, Value::Int(0)], &mut out);
        }
        Err(e) => {
            let values = [
                Value::Bool(false),
                Value::Str(format!("[{method}] {}", e.text)),
                Value::Int(e.code as i32),
                Value::Int(e.object_id),
                Value::Int64(-1),
            ];
            write_array(&values, &mut out);
        }
    }
    out.push_str(after);
    segments.push_back(out.into());
}

fn write_array(values: &[Value], out: &mut String) {
    out.reserve(512);
    out.push_str(OPEN_ARRAY);
    for value in values {
        write_value(value, out);
        out.push_str("\r\n");
    }
    out.push_str(CLOSE_ARRAY);
}

/// The replies of many calls in one: each in an array of its own, or the struct of a fault.
#[derive(Default)]
pub struct Results {
    segments: Segments,
    bytes: usize,
}

impl Results {
    /// Appends a reply.
    pub fn push(&mut self, reply: &Reply) {
        let before = self.segments.len();
        match reply {
            Reply::Api(method, reply) => {
                let (open, close) = ("<value><array><data><value>", "</value></data></array></value>\r\n");
                push_reply(method, reply, open.to_owned(), close, &mut self.segments);
            }
            Reply::Value(value) => {
                let mut out = "<value><array><data>".to_owned();
                write_value(value, &mut out);
                out.push_str("</data></array></value>\r\n");
                self.segments.push_back(out.into());
            }
            Reply::Fault(fault) => {
                let mut out = String::new();
                write_value(&fault_struct(fault), &mut out);
                out.push_str("\r\n");
                self.segments.push_back(out.into());
            }
        }
        self.bytes += self.segments.iter().skip(before).map(Bytes::len).sum::<usize>();
    }

    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The whole response.
    #[must_use]
    pub fn finish(mut self) -> Segments {
        self.segments.push_front(format!("{HEAD}{OPEN}{OPEN_ARRAY}").into());
        self.segments.push_back(format!("{CLOSE_ARRAY}{CLOSE}{TAIL}").into());
        self.segments
    }
}

/// A response with one value, as introspection methods have.
#[must_use]
pub fn single(value: &Value) -> Segments {
    let mut out = format!("{HEAD}<params>\r\n<param>");
    write_value(value, &mut out);
    out.push_str("</param>\r\n</params>\r\n");
    out.push_str(TAIL);
    Segments::from([Bytes::from(out)])
}

/// A fault.
#[must_use]
pub fn fault(fault: &Fault) -> Segments {
    let mut out = format!("{HEAD}<fault>\r\n");
    write_value(&fault_struct(fault), &mut out);
    out.push_str("\r\n</fault>\r\n");
    out.push_str(TAIL);
    Segments::from([Bytes::from(out)])
}

fn fault_struct(fault: &Fault) -> Value {
    Value::Struct(vec![
        ("faultCode".to_owned(), Value::Int(fault.code)),
        ("faultString".to_owned(), Value::Str(fault.text.clone())),
    ])
}

/// Appends `<value>`.
fn write_value(value: &Value, out: &mut String) {
    use std::fmt::Write as _;
    out.push_str("<value>");
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Int(n) => write!(out, "<i4>{n}</i4>"),
        Value::Int64(n) => write!(out, "<i8>{n}</i8>"),
        Value::Bool(b) => write!(out, "<boolean>{}</boolean>", i32::from(*b)),
        Value::Double(d) => write!(out, "<double>{d}</double>"),
        Value::Nil => write!(out, "<nil/>"),
        Value::DateTime(t) => write!(out, "<dateTime.iso8601>{t}</dateTime.iso8601>"),
        Value::Base64(bytes) => {
            use base64::Engine as _;
            write!(out, "<base64>{}</base64>", base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        Value::Str(s) => {
            out.push_str("<string>");
            escape_into(s, out);
            write!(out, "</string>")
        }
        Value::Array(values) => {
            out.push_str("<array><data>");
            for v in values {
                write_value(v, out);
            }
            write!(out, "</data></array>")
        }
        Value::Struct(members) => {
            out.push_str("<struct>\r\n");
            for (name, v) in members {
                out.push_str("<member><name>");
                escape_into(name, out);
                out.push_str("</name>\r\n");
                write_value(v, out);
                out.push_str("</member>\r\n");
            }
            write!(out, "</struct>")
        }
    };
    out.push_str("</value>");
}

#[cfg(test)]
mod tests {
    use quorate_model::error::ApiError;

    use super::*;

    fn text(segments: Segments) -> String {
        String::from_utf8(segments.into_iter().flatten().collect()).unwrap()
    }

    #[test]
    fn a_refusal_has_five_elements_and_the_method() {
        let xml = text(reply("one.vm.info", &Err(ApiError::no_exists(quorate_model::kind::Kind::Vm, 7))));
        let expected = "<value><boolean>0</boolean></value>\r\n\
             <value><string>[one.vm.info] Error getting virtual machine [7].</string></value>\r\n\
             <value><i4>1024</i4></value>\r\n<value><i4>7</i4></value>\r\n<value><i8>-1</i8></value>";
        assert!(xml.contains(expected), "{xml}");
    }

    #[test]
    fn a_document_is_not_copied() {
        let segment = Bytes::from_static(b"&lt;VM/&gt;");
        let segments = reply("one.vm.info", &Ok(ApiValue::Xml(vec![segment.clone()])));
        assert!(segments.iter().any(|s| s.as_ptr() == segment.as_ptr()));
    }

    #[test]
    fn many_replies_are_one_array() {
        let mut results = Results::default();
        results.push(&Reply::Api("one.vm.info", Ok(ApiValue::Xml(vec![Bytes::from_static(b"&lt;VM/&gt;")]))));
        results.push(&Reply::Value(Value::Int(7)));
        results.push(&Reply::Fault(Fault::no_such_method("x")));
        let bytes = results.bytes();
        let xml = text(results.finish());
        assert!(xml.len() > bytes && bytes > 300, "{bytes} of {}", xml.len());
        let inner = xml.replace("\r\n", "");
        assert!(inner.contains("<data><value><array><data><value><array><data><value><boolean>1</boolean></value>"));
        assert!(inner.contains("</data></array></value></data></array></value><value><array><data><value><i4>7</i4>"));
        assert!(inner.contains("<value><struct><member><name>faultCode</name><value><i4>-506</i4></value></member>"));
    }

    #[test]
    fn text_that_xml_cannot_carry_stays_parsable() {
        let xml = text(reply("m", &Ok(ApiValue::Text("a\u{1}<b>&".into()))));
        assert!(xml.contains("<string>a\u{fffd}&lt;b&gt;&amp;</string>"), "{xml}");
    }
}
