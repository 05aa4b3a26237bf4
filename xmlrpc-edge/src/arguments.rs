//! A call's parameters as its method's row wants them, or the fault that xmlrpc-c gives.

use quorate_gateway::route::Route;
use quorate_model::api::{Arg, Type};

use crate::value::{Fault, Value};

/// The session and the arguments by the method's row, defaults filled in.
pub fn typed(route: Route, params: Vec<Value>) -> Result<(String, Vec<Arg>), Fault> {
    let missing = || Fault::new(Fault::TYPE, "Not enough parameters");
    let mut params = params.into_iter();
    let session = match argument(params.next().ok_or_else(missing)?, Type::Str)? {
        Arg::Str(session) => session,
        _ => return Err(missing()),
    };
    Ok((session, route.arguments(params.collect(), argument, missing)?))
}

/// A value as an argument of type `ty`, or the fault that xmlrpc-c gives for another type.
fn argument(value: Value, ty: Type) -> Result<Arg, Fault> {
    let wrong = |what: &str| Fault::new(Fault::TYPE, format!("Parameter that is supposed to be {what} is not"));
    match (ty, value) {
        (Type::Int | Type::Int64, Value::Int(n)) => Ok(Arg::Int(i64::from(n))),
        (Type::Int64, Value::Int64(n)) => Ok(Arg::Int(n)),
        (Type::Bool, Value::Bool(b)) => Ok(Arg::Bool(b)),
        (Type::Str, Value::Str(s)) => Ok(Arg::Str(s)),
        (Type::Ints, Value::Array(values)) => {
            let ints = values.into_iter().map(|v| match v {
                Value::Int(n) => Ok(i64::from(n)),
                _ => Err(wrong("integer")),
            });
            Ok(Arg::Ints(ints.collect::<Result<_, _>>()?))
        }
        (Type::Int, _) => Err(wrong("integer")),
        (Type::Int64, _) => Err(wrong("64-bit integer")),
        (Type::Bool, _) => Err(wrong("boolean")),
        (Type::Str, _) => Err(wrong("a string")),
        (Type::Ints, _) => Err(wrong("an array")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, params: Vec<Value>) -> Result<(String, Vec<Arg>), Fault> {
        typed(Route::find(name).expect("a method"), [vec![Value::Str("session".to_owned())], params].concat())
    }

    #[test]
    fn what_is_refused_in_any_case_is_refused_before_its_parameters_are_looked_at() {
        let session = "session".to_owned();
        for params in [vec![], vec![Value::Int(1)], vec![Value::Str("NAME=z".to_owned()), Value::Bool(true)]] {
            let (as_sent, args) = given("one.zone.allocate", params).expect("no fault");
            assert_eq!((as_sent, args), (session.clone(), vec![Arg::Str(String::new())]));
        }
        assert!(typed(Route::find("one.zone.allocate").expect("a method"), vec![]).is_err(), "a session is needed");
        assert!(given("one.zone.update", vec![]).is_err(), "others need what they need");
    }
}
