//! How the makers of messages find objects in the state. It must not word messages.

use std::borrow::Cow;
use std::sync::Arc;

use crate::secrets;
use crate::state::State;
use quorate_model::body::Variant;
use quorate_model::kind::Kind;
use quorate_model::object::Object;

/// An object with everything in clear, as drivers need it.
pub(super) fn opened(state: &State, kind: Kind, id: i32) -> Option<Arc<Object>> {
    let object = state.find(kind, id)?;
    Some(match secrets::opened(state, object) {
        Cow::Borrowed(_) => object.clone(),
        Cow::Owned(opened) => Arc::new(opened),
    })
}

/// An object and its record, or the failure of an operation on it.
pub(super) fn known<B: Variant>(state: &State, id: i32) -> Result<(&Arc<Object>, &B), String> {
    let found = state.find(B::KIND, id).and_then(|object| Some((object, B::of(&object.body)?)));
    found.ok_or_else(|| format!("{} {id} no longer exists", B::KIND.info().auth_name))
}
