//! The operation levels of VM actions: which names `VM_ADMIN_OPERATIONS`, `VM_MANAGE_OPERATIONS` and
//! `VM_USE_OPERATIONS` of a user's, a group's or the zone's configuration may list.
//!
//! It must not know whose lists count: that is `authorize::level_for`.

use crate::head::Op;
use crate::template::Template;

/// The keywords that may be listed.
const KEYWORDS: [&str; 28] = [
    "migrate",
    "delete",
    "recover",
    "retry",
    "deploy",
    "resched",
    "undeploy",
    "hold",
    "release",
    "stop",
    "suspend",
    "resume",
    "reboot",
    "poweroff",
    "disk-attach",
    "nic-attach",
    "disk-snapshot",
    "terminate",
    "disk-resize",
    "snapshot",
    "updateconf",
    "rename",
    "resize",
    "update",
    "disk-saveas",
    "backup",
    "sched-action",
    "sg-attach",
];

/// The lists, in the order in which they are read.
const LISTS: [(&str, Op); 3] =
    [("VM_ADMIN_OPERATIONS", Op::Admin), ("VM_MANAGE_OPERATIONS", Op::Manage), ("VM_USE_OPERATIONS", Op::Use)];

fn keywords(list: &str) -> impl Iterator<Item = String> {
    list.split(',').filter(|word| !word.is_empty()).map(|word| word.trim().to_lowercase())
}

/// The first word of a list that is no VM operation.
#[must_use]
pub fn unknown_in(list: &str) -> Option<String> {
    keywords(list).find(|word| !KEYWORDS.contains(&word.as_str()))
}

/// Refuses a template whose lists name something that is no VM operation.
///
/// # Errors
/// Names the first word that is no VM operation (the reference: `VMActions.cc`, `set_auth_ops`).
pub fn check(template: &Template) -> Result<(), String> {
    for (name, _) in LISTS {
        if let Some(word) = unknown_in(template.value(name)) {
            return Err(format!("Unknown vm operation: {word}"));
        }
    }
    Ok(())
}

/// The level that a template's lists give to the operation with this keyword.
#[must_use]
pub fn level(template: &Template, keyword: &str) -> Option<Op> {
    LISTS.into_iter().find(|(name, _)| keywords(template.value(name)).any(|word| word == keyword)).map(|(_, op)| op)
}
