//! `system.multicall`: many calls in one request, each answered as if it had come alone, one after the other.
//!
//! As `system_method.c` of xmlrpc-c has it, but a list with a mistake is refused before any of its calls is carried out.

use quorate_gateway::client::Origin;
use quorate_gateway::control::ControlPlane;
use quorate_gateway::gateway::Gateway;

use crate::client::HttpClient;
use crate::encode::{self, Results};
use crate::pipeline::{self, Answer, Reply};
use crate::value::{Fault, MethodCall, Value};

/// The method's name.
pub const NAME: &str = "system.multicall";

/// Calls in one request.
const MOST_CALLS: usize = 1000;
/// Bytes of their replies together: once there are more, no further call is carried out.
const MOST_BYTES: usize = 16 << 20;
/// Bytes of the replies of `system.` methods among them, for which nobody needs a login.
const MOST_SYSTEM_BYTES: usize = 256 << 10;

/// Carries the calls out. Also what has to be waited for before the reply is sent, if a login among them failed.
///
/// # Errors
/// A fault that says what is wrong with the list, or that there is no room for so large a reply.
pub async fn answer<C: ControlPlane>(
    gateway: &Gateway<C>,
    origin: &Origin<'_, HttpClient<'_>>,
    params: Vec<Value>,
    number: u64,
) -> Result<Answer, Fault> {
    let calls = calls(params)?;
    // Many short values take more memory than the text that came, for as long as the calls before them take.
    let values: usize = calls.iter().flat_map(|call| &call.params).map(Value::count).sum();
    origin.client.hold.grow(values * size_of::<Value>())?;
    let mut results = Results::default();
    let mut system_bytes = 0;
    let mut failed = None;
    let mut place = None;
    for call in calls {
        let reply = if failed.is_some() {
            // One request must not try many passwords.
            Reply::Fault(Fault::new(Fault::REFUSED, "A call before this one could not be authenticated"))
        } else if results.bytes() > MOST_BYTES {
            Reply::Fault(Fault::new(
                Fault::LIMIT,
                format!("The replies before this call are {MOST_BYTES} bytes or more"),
            ))
        } else if system_bytes > MOST_SYSTEM_BYTES && call.method.starts_with("system.") {
            Reply::Fault(Fault::new(
                Fault::LIMIT,
                format!("The replies of system methods before this call are {MOST_SYSTEM_BYTES} bytes or more"),
            ))
        } else {
            match pipeline::prepared(call, number) {
                Ok(call) => {
                    // The last call's: whoever waits for a turn must not keep others of the same user waiting for it.
                    drop(place.take());
                    let route = call.route;
                    // Each may wait as long as any other.
                    let done = call.run(gateway, &Origin::new(origin.client), number).await;
                    (failed, place) = (done.attempt, done.place);
                    Reply::of(route, done.reply)
                }
                Err(reply) => reply,
            }
        };
        let before = results.bytes();
        results.push(&reply);
        if matches!(reply, Reply::Value(_)) {
            system_bytes += results.bytes() - before;
        }
    }
    if place.is_none() && results.bytes() > pipeline::LARGE_RESPONSE {
        // The last call got no turn. What the calls before it have answered takes memory until it is read, like any reply.
        match gateway.strangers_turn(&Origin::new(origin.client)).await {
            Ok(strangers) => place = Some(strangers),
            // Also this must not be heard before the answer to a wrong login is due.
            Err(busy) => return Ok(Answer::new(encode::fault(&busy.into()), failed, None)),
        }
    }
    Ok(Answer::new(results.finish(), failed, place))
}

/// The calls that the one parameter describes.
fn calls(params: Vec<Value>) -> Result<Vec<MethodCall>, Fault> {
    let given = params.len();
    let mut params = params.into_iter();
    let (Some(list), None) = (params.next(), params.next()) else {
        let text =
            "system.multicall takes one parameter, which is an array, each element describing one RPC.  You supplied";
        return Err(Fault::new(Fault::PARSE, format!("{text} {given} arguments")));
    };
    let Value::Array(list) = list else {
        let text = "system.multicall's parameter should be an array, each element describing one RPC.  But it is type";
        return Err(Fault::new(Fault::TYPE, format!("{text} {} instead.", type_number(&list))));
    };
    if list.len() > MOST_CALLS {
        return Err(Fault::new(Fault::LIMIT, format!("system.multicall takes at most {MOST_CALLS} calls")));
    }
    list.into_iter().map(call).collect()
}

fn call(description: Value) -> Result<MethodCall, Fault> {
    let Value::Struct(members) = description else {
        let text = "but should be a struct (with members 'methodName' and 'params')";
        let number = type_number(&description);
        return Err(Fault::new(Fault::TYPE, format!("An element of the multicall array is type {number}, {text}")));
    };
    let (mut method, mut params) = (None, None);
    for (name, value) in members {
        match name.as_str() {
            "methodName" => method = Some(value),
            "params" => params = Some(value),
            _ => {}
        }
    }
    let missing = |name: &str| Fault::new(Fault::INDEX, format!("No member of struct has key '{name}'"));
    let wrong = |value: &Value, wanted: &str| {
        let number = type_number(value);
        Fault::new(Fault::TYPE, format!("Value of type {number} supplied where {wanted} type was expected"))
    };
    let method = match method.ok_or_else(|| missing("methodName"))? {
        Value::Str(method) => method,
        other => return Err(wrong(&other, "string")),
    };
    let params = match params.ok_or_else(|| missing("params"))? {
        Value::Array(params) => params,
        other => return Err(wrong(&other, "array")),
    };
    if method == NAME {
        return Err(Fault::new(Fault::REFUSED, "Recursive system.multicall forbidden"));
    }
    Ok(MethodCall { method, params })
}

/// xmlrpc-c's number of a value's type (`xmlrpc_type` of its `base.h`).
fn type_number(value: &Value) -> u8 {
    match value {
        Value::Int(_) => 0,
        Value::Bool(_) => 1,
        Value::Double(_) => 2,
        Value::DateTime(_) => 3,
        Value::Str(_) => 4,
        Value::Base64(_) => 5,
        Value::Array(_) => 6,
        Value::Struct(_) => 7,
        Value::Nil => 9,
        Value::Int64(_) => 10,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn described(method: &str, params: Value) -> Value {
        Value::Struct(vec![("methodName".to_owned(), Value::Str(method.to_owned())), ("params".to_owned(), params)])
    }

    fn code(params: Vec<Value>) -> Option<i32> {
        calls(params).err().map(|fault| fault.code)
    }

    #[test]
    fn a_list_with_a_mistake_is_refused_whole() {
        let list = |last: Value| vec![Value::Array(vec![described("one.vm.info", Value::Array(Vec::new())), last])];
        assert_eq!(code(list(described("m", Value::Array(vec![Value::Int(1)])))), None);
        assert_eq!(code(list(described(NAME, Value::Array(Vec::new())))), Some(Fault::REFUSED));
        assert_eq!(code(list(described("m", Value::Int(1)))), Some(Fault::TYPE));
        assert_eq!(code(list(Value::Str("m".to_owned()))), Some(Fault::TYPE));
        assert_eq!(code(list(Value::Struct(Vec::new()))), Some(Fault::INDEX));
        assert_eq!(code(vec![Value::Str("m".to_owned())]), Some(Fault::TYPE));
        assert_eq!(code(Vec::new()), Some(Fault::PARSE));
        let many = vec![described("m", Value::Array(Vec::new())); MOST_CALLS + 1];
        assert_eq!(code(vec![Value::Array(many)]), Some(Fault::LIMIT));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            any::<i32>().prop_map(Value::Int),
            Just(Value::Nil),
            "(system\\.multicall|one\\.vm\\.info|x)".prop_map(Value::Str),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            let member = ("(methodName|params|other)", inner.clone());
            prop_oneof![
                proptest::collection::vec(inner, 0..4).prop_map(Value::Array),
                proptest::collection::vec(member, 0..4).prop_map(Value::Struct),
            ]
        })
    }

    proptest! {
        /// Whatever is sent, there is a fault or a list of calls without another list in it.
        #[test]
        fn no_list_holds_a_list(params in proptest::collection::vec(value(), 0..3)) {
            if let Ok(calls) = calls(params) {
                prop_assert!(calls.iter().all(|call| call.method != NAME));
            }
        }
    }
}
