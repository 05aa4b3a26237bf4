//! What attributes see of the VM that they belong to.

use quorate_model::body::Variant;
use quorate_model::object::Object;
use quorate_model::records::vm::Vm;
use quorate_model::template::Template;

/// A VM as its attributes see it: whose it is, what the user said, what has been derived.
#[derive(Clone, Copy, Debug)]
pub struct Scope<'a> {
    /// Id, name, owner.
    pub head: &'a Object,
    /// USER_TEMPLATE.
    pub user: &'a Template,
    /// The typed body, with TEMPLATE.
    pub vm: &'a Vm,
}

impl<'a> Scope<'a> {
    /// Of an existing VM.
    #[must_use]
    pub fn of(object: &'a Object) -> Option<Scope<'a>> {
        Vm::of(&object.body).map(|vm| Scope { head: object, user: &object.template, vm })
    }
}
