//! The introspection methods that xmlrpc-c's server library adds to the API.

use quorate_gateway::route::Route;
use quorate_model::api::Type;

use crate::multicall;
use crate::value::{Fault, MethodCall, Value};

/// The methods answered here, and what they take after what they return.
const METHODS: [(&str, &[&str]); 8] = [
    ("system.listMethods", &["array"]),
    ("system.methodExist", &["boolean", "string"]),
    ("system.methodHelp", &["string", "string"]),
    ("system.methodSignature", &["array", "string"]),
    (multicall::NAME, &["array", "array"]),
    ("system.shutdown", &["int", "string"]),
    ("system.capabilities", &["struct"]),
    ("system.getCapabilities", &["struct"]),
];

/// The library's version that the reference's packages are built with.
const LIBRARY: [(&str, i32); 3] = [("version_major", 1), ("version_minor", 33), ("version_point", 14)];

/// What is known of a method.
enum Known {
    Api(Route),
    Introspection(&'static [&'static str]),
}

/// Answers an introspection method.
///
/// # Errors
/// The fault for an unknown method, or for parameters that do not fit.
pub fn answer(call: &MethodCall) -> Result<Value, Fault> {
    match call.method.as_str() {
        "system.listMethods" => {
            items(call, 0)?;
            let api = Route::all().map(Route::name);
            let own = METHODS.into_iter().map(|(name, _)| name);
            Ok(Value::Array(own.chain(api).map(text).collect()))
        }
        "system.methodExist" => {
            let name = name_of(call)?;
            Ok(Value::Bool(find(name).is_some()))
        }
        "system.methodHelp" => known(call).map(|_| text("No help is available for this method.")),
        "system.methodSignature" => {
            let names: Vec<&str> = match known(call)? {
                Known::Introspection(types) => types.to_vec(),
                Known::Api(route) => ["array", "string"].into_iter().chain(route.types().map(type_name)).collect(),
            };
            Ok(Value::Array(vec![Value::Array(names.into_iter().map(text).collect())]))
        }
        "system.capabilities" => {
            no_parameters(call)?;
            let version = LIBRARY.map(|(name, number)| (name.to_owned(), Value::Int(number)));
            let facility = ("facility".to_owned(), text("xmlrpc-c"));
            let protocol = ("protocol_version".to_owned(), Value::Int(2));
            Ok(Value::Struct([facility].into_iter().chain(version).chain([protocol]).collect()))
        }
        "system.getCapabilities" => {
            no_parameters(call)?;
            let introspect = Value::Struct(vec![
                ("specUrl".to_owned(), text("http://xmlrpc-c.sourceforge.net/xmlrpc-c/introspection.html")),
                ("specVersion".to_owned(), Value::Int(1)),
            ]);
            Ok(Value::Struct(vec![("introspect".to_owned(), introspect)]))
        }
        "system.shutdown" => Err(Fault::new(Fault::REFUSED, "This server program is not capable of shutting down")),
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

/// What the named method is.
fn known(call: &MethodCall) -> Result<Known, Fault> {
    let name = name_of(call)?;
    find(name).ok_or_else(|| Fault::no_such_method(name))
}

fn find(name: &str) -> Option<Known> {
    let own = METHODS.into_iter().find(|(own, _)| *own == name).map(|(_, types)| Known::Introspection(types));
    own.or_else(|| Route::find(name).map(Known::Api))
}

fn no_parameters(call: &MethodCall) -> Result<(), Fault> {
    match call.params.len() {
        0 => Ok(()),
        given => Err(Fault::new(Fault::INDEX, format!("There are no parameters.  You supplied {given}"))),
    }
}

fn text(text: &str) -> Value {
    Value::Str(text.to_owned())
}

fn type_name(ty: Type) -> &'static str {
    match ty {
        Type::Int => "int",
        Type::Int64 => "i8",
        Type::Bool => "boolean",
        Type::Str => "string",
        Type::Ints => "array",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(method: &str, params: &[&str]) -> Result<Value, Fault> {
        let params = params.iter().copied().map(text).collect();
        answer(&MethodCall { method: method.to_owned(), params })
    }

    #[test]
    fn every_listed_method_exists_and_has_a_signature() {
        let Ok(Value::Array(names)) = ask("system.listMethods", &[]) else { panic!("no list") };
        assert!(names.len() > 250);
        for name in names {
            let Value::Str(name) = name else { panic!("{name:?}") };
            assert_eq!(ask("system.methodExist", &[&name]), Ok(Value::Bool(true)));
            assert!(ask("system.methodSignature", &[&name]).is_ok() && ask("system.methodHelp", &[&name]).is_ok());
        }
        assert_eq!(ask("system.methodExist", &["system.other"]), Ok(Value::Bool(false)));
    }

    #[test]
    fn the_library_is_named_and_nobody_shuts_it_down() {
        let Ok(Value::Struct(members)) = ask("system.capabilities", &[]) else { panic!("no struct") };
        assert_eq!(members.first(), Some(&("facility".to_owned(), text("xmlrpc-c"))));
        assert_eq!(ask("system.capabilities", &["x"]).map_err(|f| f.code), Err(Fault::INDEX));
        assert_eq!(ask("system.shutdown", &["x"]).map_err(|f| f.code), Err(Fault::REFUSED));
    }
}
