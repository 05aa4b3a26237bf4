//! Image: body, XML, methods.

pub mod report;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a image.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Image {}

impl PoolBody for Image {
    const KIND: Kind = Kind::Image;
    body_of!(Image);
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
    unwritten("one.image.allocate", Kind::Image, &[req("template", Type::Str), req("datastore_id", Type::Int), opt("check_capacity", Type::Bool, Default::Bool(true))], &[Need::Create(Kind::Image), Need::May(Kind::Datastore, 1, Op::Use)]),
    write("one.image.chmod", Kind::Image, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::Image, 0)], verbs::chmod),
    write("one.image.chown", Kind::Image, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Image, 0)], verbs::chown),
    unwritten("one.image.chtype", Kind::Image, &[ID, req("type", Type::Str)], &[Need::May(Kind::Image, 0, Op::Manage)]),
    unwritten("one.image.clone", Kind::Image, &[ID, req("name", Type::Str), opt("datastore_id", Type::Int, Default::Int(-1))], &[Need::Create(Kind::Image), Need::May(Kind::Image, 0, Op::Use)]),
    write("one.image.delete", Kind::Image, &[ID, opt("force", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Image, 0, Op::Manage)], verbs::delete),
    unwritten("one.image.enable", Kind::Image, &[ID, req("enable", Type::Bool)], &[Need::May(Kind::Image, 0, Op::Manage)]),
    read("one.image.info", Kind::Image, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Image, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.image.lock", Kind::Image, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Image, 0, Op::Manage)], verbs::lock),
    unwritten("one.image.persistent", Kind::Image, &[ID, req("persistent", Type::Bool)], &[Need::May(Kind::Image, 0, Op::Manage)]),
    write("one.image.rename", Kind::Image, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Image, 0)], verbs::rename),
    unwritten("one.image.restore", Kind::Image, &[ID, req("datastore_id", Type::Int), req("options", Type::Str)], &[Need::May(Kind::Image, 0, Op::Use)]),
    unwritten("one.image.snapshotdelete", Kind::Image, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Image, 0, Op::Manage)]),
    unwritten("one.image.snapshotflatten", Kind::Image, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Image, 0, Op::Manage)]),
    unwritten("one.image.snapshotrevert", Kind::Image, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Image, 0, Op::Manage)]),
    write("one.image.unlock", Kind::Image, &[ID], &[Need::MayIgnoringLock(Kind::Image, 0, Op::Manage)], verbs::unlock),
    write("one.image.update", Kind::Image, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Image, 0, Op::Manage)], verbs::update),
    read("one.imagepool.info", Kind::Image, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int)], &[], verbs::pool_info).while_disabled(),
];
