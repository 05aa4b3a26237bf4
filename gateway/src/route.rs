//! Which method a call names, and the arguments that its row wants of it.

use quorate_model::api::{Arg, Type};
use quorate_state_machine::methods::Method;
use quorate_state_machine::table;

/// A method that clients can call.
#[derive(Clone, Copy)]
pub struct Route {
    pub(crate) method: &'static Method,
}

impl Route {
    /// The method of this name.
    #[must_use]
    pub fn find(name: &str) -> Option<Route> {
        table::find(name).map(|method| Route { method })
    }

    /// All of them, in the order of the table.
    pub fn all() -> impl Iterator<Item = Route> {
        table::all().map(|method| Route { method })
    }

    /// Its full name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.method.name
    }

    /// The types of its parameters behind the session.
    pub fn types(self) -> impl Iterator<Item = Type> {
        self.method.params.iter().map(|param| param.ty)
    }

    /// The arguments of a call that gave these values behind its session: each as `typed` makes it, defaults for what was
    /// left out.
    ///
    /// # Errors
    /// What `typed` says of a value of another type; `missing()` where too few were given.
    pub fn arguments<T, E>(
        self,
        given: Vec<T>,
        typed: impl Fn(T, Type) -> Result<Arg, E>,
        missing: impl Fn() -> E,
    ) -> Result<Vec<Arg>, E> {
        self.method.arguments(given, typed, missing)
    }
}
