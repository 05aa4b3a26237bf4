//! What a stored template may hold, and storing it.

use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::template::VmTemplate;
use quorate_model::settings::Settings;
use quorate_model::template::Template;

use super::raw::check_raw;
use super::sched_action::check_sched_actions;
use crate::txn::Txn;
use crate::verbs;

/// Checks what a stored template may hold, and cleans its scheduled actions of what past runs left.
///
/// # Errors
/// Scheduled actions or RAW sections that are not as they must be.
pub fn check(settings: &Settings, template: &mut Template) -> Result<(), String> {
    check_sched_actions(template)?;
    check_raw(settings, template)
}

/// Adds a template of the caller's.
///
/// # Errors
/// The reference's text: about the name, then about the content.
pub fn add(txn: &mut Txn, name: &str, mut template: Template) -> Result<i32, String> {
    verbs::check_new(txn, Kind::Template, name).map_err(|e| e.text)?;
    txn.begin_insert(Kind::Template);
    check(txn.settings(), &mut template)?;
    let object = Object::new(name, template, VmTemplate { registered: txn.now() });
    verbs::allocate_named(txn, object).map_err(|e| e.text)
}
