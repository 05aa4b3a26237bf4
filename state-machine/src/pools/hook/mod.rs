//! Hooks: body, XML, methods. A hook is a command to run when an API call is made or an object reaches a state.
//!
//! What hooks may wait for is in [`rules`], what runs them in [`events`], what came of their runs in [`log`].

mod allocate;
pub mod events;
pub mod log;
pub mod rules;

use quorate_model::api::Type;
use quorate_model::body::Variant;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::records::hook::Hook;

use self::rules::yes_no;
use crate::methods::{ID, Method, Need, read, req, write};
use crate::params;
use crate::txn::Txn;
use crate::verbs::{self, Pool};

impl Pool for Hook {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let methods = txn.methods();
        let object = txn.object_mut(Kind::Hook, id).map_err(|e| e.text)?;
        let template = &mut object.template;
        if template.value("COMMAND").is_empty() {
            return Err("The COMMAND attribute is not defined.".to_owned());
        }
        if !template.value("REMOTE").is_empty() {
            let remote = yes_no(template.is_yes("REMOTE"));
            template.set("REMOTE", remote);
        }
        if let Some(hook) = Hook::of_mut(&mut object.body) {
            hook.hook_type = rules::check_updated(methods, hook.hook_type, template)?;
        }
        Ok(())
    }
}

/// The methods of this pool.
pub static METHODS: &[Method] = &[
    write("one.hook.allocate", Kind::Hook, params::CREATE, &[], allocate::allocate).makes_object(),
    write(
        "one.hook.delete",
        Kind::Hook,
        params::OBJECT,
        &[Need::May(Kind::Hook, 0, Op::Manage)],
        verbs::delete::<Hook>,
    )
    .ends_object(),
    read("one.hook.info", Kind::Hook, params::INFO, &[Need::MayIgnoringLock(Kind::Hook, 0, Op::Use)], verbs::info)
        .while_disabled(),
    write("one.hook.lock", Kind::Hook, params::LOCK, &[Need::MayIgnoringLock(Kind::Hook, 0, Op::Manage)], verbs::lock),
    write("one.hook.rename", Kind::Hook, params::RENAME, &[Need::Exists(Kind::Hook, 0)], verbs::rename::<Hook>),
    write(
        "one.hook.retry",
        Kind::Hook,
        &[ID, req("execution_id", Type::Int)],
        &[Need::Exists(Kind::Hook, 0), Need::May(Kind::Hook, 0, Op::Manage)],
        log::retry,
    ),
    write(
        "one.hook.unlock",
        Kind::Hook,
        params::OBJECT,
        &[Need::MayIgnoringLock(Kind::Hook, 0, Op::Manage)],
        verbs::unlock,
    ),
    write(
        "one.hook.update",
        Kind::Hook,
        params::UPDATE,
        &[Need::May(Kind::Hook, 0, Op::Manage)],
        verbs::update::<Hook>,
    ),
    read(
        "one.hooklog.info",
        Kind::Hook,
        &[req("min_ts", Type::Int), req("max_ts", Type::Int), req("hook_id", Type::Int), req("rc", Type::Int)],
        &[Need::AdminGroup],
        log::info,
    )
    .while_disabled(),
    read("one.hookpool.info", Kind::Hook, params::LISTING, &[], verbs::pool_info).while_disabled(),
];
