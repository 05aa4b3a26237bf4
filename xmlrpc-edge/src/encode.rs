//! Writing a `methodResponse`: segments of bytes that are sent one after the other, never copied together.

use std::collections::VecDeque;

use bytes::Bytes;
use quorate_state_machine::api::{ApiReply, Value as ApiValue};
use quorate_state_machine::xml::escape_into;

use crate::value::{Fault, Value};

/// A response body.
pub type Segments = VecDeque<Bytes>;

const HEAD: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\r\n<methodResponse>\r\n";
const TAIL: &str = "</methodResponse>\r\n";
const OPEN_ARRAY: &str = "<params>\r\n<param><value><array><data>\r\n";
const CLOSE_ARRAY: &str = "</data></array></value></param>\r\n</params>\r\n";

/// The reply of an API method: `[true, value, 0]` or `[false, "[method] text", code, id, -1]`.
#[must_use]
pub fn reply(method: &str, reply: &ApiReply) -> Segments {
    match reply {
        Ok(ApiValue::Xml(document)) => {
            let open = format!("{HEAD}{OPEN_ARRAY}<value><boolean>1</boolean></value>\r\n<value><string>");
            let close = format!("</string></value>\r\n<value><i4>0</i4></value>\r\n{CLOSE_ARRAY}{TAIL}");
            let mut segments = Segments::with_capacity(document.len() + 2);
            segments.push_back(open.into());
            segments.extend(document.iter().filter(|s| !s.is_empty()).cloned());
            segments.push_back(close.into());
            segments
        }
        Ok(value) => {
            let value = match value {
                ApiValue::Int(n) => Value::Int(*n),
                ApiValue::Int64(n) => Value::Int64(*n),
                ApiValue::Bool(b) => Value::Bool(*b),
                ApiValue::Text(t) => Value::Str(t.clone()),
                ApiValue::Xml(_) => Value::Str(value.to_text()),
            };
            array(&[Value::Bool(true), value, Value::Int(0)])
        }
        Err(e) => array(&[
            Value::Bool(false),
            Value::Str(format!("[{method}] {}", e.text)),
            Value::Int(e.code as i32),
            Value::Int(e.object_id),
            Value::Int64(-1),
        ]),
    }
}

fn array(values: &[Value]) -> Segments {
    let mut out = String::with_capacity(512);
    out.push_str(HEAD);
    out.push_str(OPEN_ARRAY);
    for value in values {
        write_value(value, &mut out);
        out.push_str("\r\n");
    }
    out.push_str(CLOSE_ARRAY);
    out.push_str(TAIL);
    Segments::from([Bytes::from(out)])
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
    let members = vec![
        ("faultCode".to_owned(), Value::Int(fault.code)),
        ("faultString".to_owned(), Value::Str(fault.text.clone())),
    ];
    let mut out = format!("{HEAD}<fault>\r\n");
    write_value(&Value::Struct(members), &mut out);
    out.push_str("\r\n</fault>\r\n");
    out.push_str(TAIL);
    Segments::from([Bytes::from(out)])
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
    use quorate_state_machine::error::ApiError;

    use super::*;

    fn text(segments: Segments) -> String {
        String::from_utf8(segments.into_iter().flatten().collect()).unwrap()
    }

    #[test]
    fn a_refusal_has_five_elements_and_the_method() {
        let xml = text(reply("one.vm.info", &Err(ApiError::no_exists(quorate_state_machine::kind::Kind::Vm, 7))));
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
    fn text_that_xml_cannot_carry_stays_parsable() {
        let xml = text(reply("m", &Ok(ApiValue::Text("a\u{1}<b>&".into()))));
        assert!(xml.contains("<string>a\u{fffd}&lt;b&gt;&amp;</string>"), "{xml}");
    }
}
