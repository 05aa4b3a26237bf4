//! The vocabulary of the API: typed arguments, values, replies. Nothing here knows a transport.

use bytes::Bytes;

use crate::error::ApiError;

/// A typed argument of a call (the session string is not one).
#[derive(Clone, PartialEq, Debug)]
pub enum Arg {
    /// `int`/`i4`, and `i8` for the few methods that take it.
    Int(i64),
    /// `boolean`
    Bool(bool),
    /// `string`
    Str(String),
    /// An array of `int`.
    Ints(Vec<i64>),
}

/// The type of a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Type {
    /// `int` (32 bits).
    Int,
    /// `i8` (64 bits).
    Int64,
    /// `boolean`
    Bool,
    /// `string`
    Str,
    /// Array of `int`.
    Ints,
}

impl Type {
    /// The argument that says nothing, for a method that does not read it.
    #[must_use]
    pub fn blank(self) -> Arg {
        match self {
            Type::Int | Type::Int64 => Arg::Int(0),
            Type::Bool => Arg::Bool(false),
            Type::Str => Arg::Str(String::new()),
            Type::Ints => Arg::Ints(Vec::new()),
        }
    }
}

impl Arg {
    /// Whether this argument is of type `ty`.
    #[must_use]
    pub fn is(&self, ty: Type) -> bool {
        matches!(
            (self, ty),
            (Arg::Int(_), Type::Int | Type::Int64)
                | (Arg::Bool(_), Type::Bool)
                | (Arg::Str(_), Type::Str)
                | (Arg::Ints(_), Type::Ints)
        )
    }
}

/// The value of a successful reply.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `int`
    Int(i32),
    /// `i8`
    Int64(i64),
    /// `boolean`
    Bool(bool),
    /// A text that the edge escapes.
    Text(String),
    /// A document in segments that are already escaped for XML text: cached objects, never copied together.
    Xml(Vec<Bytes>),
}

impl Value {
    /// The text of a document or text value, unescaped; for tests and tools, it copies.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            Value::Int(n) => n.to_string(),
            Value::Int64(n) => n.to_string(),
            Value::Bool(b) => b.to_string(),
            Value::Text(t) => t.clone(),
            Value::Xml(segments) => {
                let joined: Vec<u8> = segments.iter().flat_map(|s| s.iter().copied()).collect();
                let text = String::from_utf8_lossy(&joined);
                text.replace("&#x0d;", "\r").replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
            }
        }
    }
}

/// What a call answers.
pub type ApiReply = Result<Value, ApiError>;
