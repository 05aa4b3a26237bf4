//! The introspection methods that xmlrpc-c's server library adds to the API.

use quorate_state_machine::api::Type;
use quorate_state_machine::methods;

use crate::value::{Fault, MethodCall, Value};

/// The methods answered here.
const METHODS: [&str; 5] = [
    "system.listMethods",
    "system.methodExist",
    "system.methodHelp",
    "system.methodSignature",
    "system.getCapabilities",
];

/// Answers an introspection method.
///
/// # Errors
/// The fault for an unknown method, or for parameters that do not fit.
pub fn answer(call: &MethodCall) -> Result<Value, Fault> {
    match call.method.as_str() {
        "system.listMethods" => {
            items(call, 0)?;
            let api = methods::all().map(|m| m.name);
            Ok(Value::Array(METHODS.into_iter().chain(api).map(|name| Value::Str(name.to_owned())).collect()))
        }
        "system.methodExist" => {
            let name = name_of(call)?;
            Ok(Value::Bool(methods::find(name).is_some() || METHODS.contains(&name)))
        }
        "system.methodHelp" => known(call).map(|_| Value::Str("No help is available for this method.".to_owned())),
        "system.methodSignature" => Ok(known(call)?.map_or(Value::Str("undef".to_owned()), |method| {
            let types = method.params.iter().map(|p| match p.ty {
                Type::Int => "int",
                Type::Int64 => "i8",
                Type::Bool => "boolean",
                Type::Str => "string",
                Type::Ints => "array",
            });
            let names = ["array", "string"].into_iter().chain(types);
            Value::Array(vec![Value::Array(names.map(|t| Value::Str(t.to_owned())).collect())])
        })),
        "system.getCapabilities" => {
            items(call, 0)?;
            let introspect = Value::Struct(vec![
                (
                    "specUrl".to_owned(),
                    Value::Str("http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html".to_owned()),
                ),
                ("specVersion".to_owned(), Value::Int(1)),
            ]);
            Ok(Value::Struct(vec![("introspect".to_owned(), introspect)]))
        }
        other => Err(Fault::no_such_method(other)),
    }
}

/// Refuses another number of parameters, as the library's array decoder words it.
fn items(call: &MethodCall, wanted: usize) -> Result<(), Fault> {
    let given = call.params.len();
    if given == wanted {
        return Ok(());
    }
    let text = if given > wanted {
        format!(
            "Format string requests exactly {wanted} items from array, but array has {given} items.  (A '*' at the end would avoid this failure)"
        )
    } else {
        format!("Format string requests {wanted} items from array, but array has only {given} items.")
    };
    Err(Fault::new(Fault::INDEX, text))
}

fn name_of(call: &MethodCall) -> Result<&str, Fault> {
    items(call, 1)?;
    match call.params.first() {
        Some(Value::Str(name)) => Ok(name),
        _ => Err(Fault::new(Fault::TYPE, "Parameter that is supposed to be a string is not")),
    }
}

/// The row of the named method; `None` for an introspection method.
fn known(call: &MethodCall) -> Result<Option<&'static methods::Method>, Fault> {
    let name = name_of(call)?;
    match methods::find(name) {
        Some(method) => Ok(Some(method)),
        None if METHODS.contains(&name) => Ok(None),
        None => Err(Fault::no_such_method(name)),
    }
}
