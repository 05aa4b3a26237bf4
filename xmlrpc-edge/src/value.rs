//! The values of XML-RPC, and faults. No XML here.

use std::fmt;

use quorate_gateway::busy::Busy;

/// A value as it came in.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// `int`, `i4`
    Int(i32),
    /// `i8`
    Int64(i64),
    /// `boolean`
    Bool(bool),
    /// `string`, or text without a type element.
    Str(String),
    /// `double`
    Double(f64),
    /// `base64`, decoded.
    Base64(Vec<u8>),
    /// `dateTime.iso8601`, as written.
    DateTime(String),
    /// `array`
    Array(Vec<Value>),
    /// `struct`, members in order.
    Struct(Vec<(String, Value)>),
    /// `nil` (also of the Apache extension).
    Nil,
}

impl Value {
    /// How many values it is, with those in it.
    #[must_use]
    pub fn count(&self) -> usize {
        let within = match self {
            Value::Array(values) => values.iter().map(Value::count).sum(),
            Value::Struct(members) => members.iter().map(|(_, value)| value.count()).sum(),
            _ => 0,
        };
        1 + within
    }
}

/// A decoded call.
#[derive(Clone, PartialEq, Debug)]
pub struct MethodCall {
    /// The method's full name.
    pub method: String,
    /// The parameters.
    pub params: Vec<Value>,
}

/// A fault: the request could not even become a call. Codes as xmlrpc-c, which the reference uses, has them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Fault {
    /// The code.
    pub code: i32,
    /// The text.
    pub text: String,
}

impl Fault {
    /// A parameter is missing or of another type.
    pub const TYPE: i32 = -501;
    /// Parameters of an introspection method that do not fit.
    pub const INDEX: i32 = -502;
    /// The body is no XML-RPC.
    pub const PARSE: i32 = -503;
    /// The method does not exist.
    pub const NO_SUCH_METHOD: i32 = -506;
    /// The server refuses to do it.
    pub const REFUSED: i32 = -507;
    /// A limit is exceeded: size, nesting, number of values, load.
    pub const LIMIT: i32 = -509;
    /// The body is not in the encoding it claims.
    pub const ENCODING: i32 = -510;

    /// A fault.
    pub fn new(code: i32, text: impl Into<String>) -> Fault {
        Fault { code, text: text.into() }
    }
    /// `Method 'name' not defined`
    #[must_use]
    pub fn no_such_method(name: &str) -> Fault {
        Fault::new(Fault::NO_SUCH_METHOD, format!("Method '{name}' not defined"))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fault {}: {}", self.code, self.text)
    }
}

impl std::error::Error for Fault {}

impl From<Busy> for Fault {
    fn from(busy: Busy) -> Fault {
        Fault::new(Fault::LIMIT, busy.to_string())
    }
}
