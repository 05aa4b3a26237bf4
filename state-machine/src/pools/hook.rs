//! Hook: body, XML, methods.

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a hook.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Hook {}

impl PoolBody for Hook {
    const KIND: Kind = Kind::Hook;
    body_of!(Hook);
    fn render(&self, object: &Object, _form: Form, w: &mut XmlWriter) {
        w.element(Self::KIND.info().element, |w| {
            object.render_head(w);
            object.render_lock(w);
            object.permissions.render(w);
            object.template.render("TEMPLATE", w);
        });
    }
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    unwritten("one.hook.allocate", Kind::Hook, &[req("template", Type::Str)], &[Need::Create(Kind::Hook)]),
    write("one.hook.delete", Kind::Hook, &[ID], &[Need::May(Kind::Hook, 0, Op::Manage)], verbs::delete),
    read("one.hook.info", Kind::Hook, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Hook, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.hook.lock", Kind::Hook, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Hook, 0, Op::Manage)], verbs::lock),
    write("one.hook.rename", Kind::Hook, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Hook, 0)], verbs::rename),
    unwritten("one.hook.retry", Kind::Hook, &[ID, req("execution_id", Type::Int)], &[Need::May(Kind::Hook, 0, Op::Manage)]),
    write("one.hook.unlock", Kind::Hook, &[ID], &[Need::MayIgnoringLock(Kind::Hook, 0, Op::Manage)], verbs::unlock),
    write("one.hook.update", Kind::Hook, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Hook, 0, Op::Manage)], verbs::update),
    unwritten("one.hooklog.info", Kind::Hook, &[req("min_ts", Type::Int), req("max_ts", Type::Int), req("hook_id", Type::Int), req("rc", Type::Int)], &[Need::AdminGroup]).while_disabled(),
    read("one.hookpool.info", Kind::Hook, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
