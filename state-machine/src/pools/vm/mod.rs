//! Vm: body, XML, methods.

pub mod report;

use serde::{Deserialize, Serialize};

use crate::api::Type;
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, opt, read, req, unwritten, write};
use crate::object::{Form, Object, Op};
use crate::pools::{PoolBody, body_of};
use crate::verbs;
use crate::xml::XmlWriter;

/// The particular part of a vm.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vm {}

impl Vm {
    /// The host of the current history record; the drivers crate needs it (fill in: helper P3).
    #[must_use]
    pub fn host_name(&self) -> Option<&str> {
        None
    }
}

impl PoolBody for Vm {
    const KIND: Kind = Kind::Vm;
    body_of!(Vm);
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
    unwritten("one.vm.action", Kind::Vm, &[req("action", Type::Str), ID], &[]),
    unwritten("one.vm.allocate", Kind::Vm, &[req("template", Type::Str), opt("hold", Type::Bool, Default::Bool(false))], &[Need::Create(Kind::Vm)]),
    unwritten("one.vm.attach", Kind::Vm, &[ID, req("template", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.attachnic", Kind::Vm, &[ID, req("template", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.attachsg", Kind::Vm, &[ID, req("nic_id", Type::Int), req("sg_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.backup", Kind::Vm, &[ID, opt("datastore_id", Type::Int, Default::Int(-1)), opt("reset", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Vm, 0, Op::Admin)]),
    unwritten("one.vm.backupcancel", Kind::Vm, &[ID], &[Need::May(Kind::Vm, 0, Op::Admin)]),
    write("one.vm.chmod", Kind::Vm, &[ID, req("owner_u", Type::Int), req("owner_m", Type::Int), req("owner_a", Type::Int), req("group_u", Type::Int), req("group_m", Type::Int), req("group_a", Type::Int), req("other_u", Type::Int), req("other_m", Type::Int), req("other_a", Type::Int)], &[Need::Exists(Kind::Vm, 0)], verbs::chmod),
    write("one.vm.chown", Kind::Vm, &[ID, req("uid", Type::Int), req("gid", Type::Int)], &[Need::Exists(Kind::Vm, 0)], verbs::chown),
    unwritten("one.vm.deploy", Kind::Vm, &[ID, req("host_id", Type::Int), opt("enforce", Type::Bool, Default::Bool(false)), opt("datastore_id", Type::Int, Default::Int(-1)), opt("extra_template", Type::Str, Default::Str(""))], &[Need::May(Kind::Vm, 0, Op::Admin), Need::May(Kind::Host, 1, Op::Manage)]),
    unwritten("one.vm.detach", Kind::Vm, &[ID, req("disk_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.detachnic", Kind::Vm, &[ID, req("nic_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.detachsg", Kind::Vm, &[ID, req("nic_id", Type::Int), req("sg_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.diskresize", Kind::Vm, &[ID, req("disk_id", Type::Int), req("size", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.disksaveas", Kind::Vm, &[ID, req("disk_id", Type::Int), req("name", Type::Str), req("type", Type::Str), req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage), Need::Create(Kind::Image)]),
    unwritten("one.vm.disksnapshotcreate", Kind::Vm, &[ID, req("disk_id", Type::Int), req("name", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.disksnapshotdelete", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.disksnapshotrename", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int), req("name", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.disksnapshotrevert", Kind::Vm, &[ID, req("disk_id", Type::Int), req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    read("one.vm.info", Kind::Vm, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Vm, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vm.lock", Kind::Vm, &[ID, req("level", Type::Int), opt("test", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Manage)], verbs::lock),
    unwritten("one.vm.migrate", Kind::Vm, &[ID, req("host_id", Type::Int), req("live", Type::Bool), opt("enforce", Type::Bool, Default::Bool(false)), opt("datastore_id", Type::Int, Default::Int(-1)), opt("type", Type::Int, Default::Int(0))], &[Need::May(Kind::Vm, 0, Op::Admin)]),
    unwritten("one.vm.monitoring", Kind::Vm, &[ID], &[Need::May(Kind::Vm, 0, Op::Use)]),
    unwritten("one.vm.recover", Kind::Vm, &[ID, req("operation", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Admin)]),
    write("one.vm.rename", Kind::Vm, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Vm, 0)], verbs::rename),
    unwritten("one.vm.resize", Kind::Vm, &[ID, req("template", Type::Str), opt("enforce", Type::Bool, Default::Bool(false))], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.schedadd", Kind::Vm, &[ID, req("template", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.scheddelete", Kind::Vm, &[ID, req("sched_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.schedupdate", Kind::Vm, &[ID, req("sched_id", Type::Int), req("template", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.snapshotcreate", Kind::Vm, &[ID, req("name", Type::Str)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.snapshotdelete", Kind::Vm, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.snapshotrevert", Kind::Vm, &[ID, req("snapshot_id", Type::Int)], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    write("one.vm.unlock", Kind::Vm, &[ID], &[Need::MayIgnoringLock(Kind::Vm, 0, Op::Manage)], verbs::unlock),
    write("one.vm.update", Kind::Vm, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Vm, 0, Op::Manage)], verbs::update),
    unwritten("one.vm.updateconf", Kind::Vm, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vm.updatenic", Kind::Vm, &[ID, req("nic_id", Type::Int), req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Vm, 0, Op::Manage)]),
    unwritten("one.vmpool.accounting", Kind::Vm, &[req("filter_flag", Type::Int), req("start_time", Type::Int), req("end_time", Type::Int)], &[]).while_disabled(),
    unwritten("one.vmpool.calculateshowback", Kind::Vm, &[req("first_month", Type::Int), req("first_year", Type::Int), req("last_month", Type::Int), req("last_year", Type::Int)], &[Need::AdminGroup]),
    read("one.vmpool.info", Kind::Vm, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int), req("state", Type::Int), opt("query", Type::Str, Default::Str(""))], &[], verbs::pool_info).while_disabled(),
    unwritten("one.vmpool.infoextended", Kind::Vm, &[req("filter_flag", Type::Int), req("start", Type::Int), req("end", Type::Int), req("state", Type::Int), opt("query", Type::Str, Default::Str(""))], &[]).while_disabled(),
    unwritten("one.vmpool.infoset", Kind::Vm, &[req("ids", Type::Str), req("extended", Type::Bool)], &[]).while_disabled(),
    unwritten("one.vmpool.monitoring", Kind::Vm, &[req("filter_flag", Type::Int), opt("seconds", Type::Int, Default::Int(-1))], &[]).while_disabled(),
    unwritten("one.vmpool.showback", Kind::Vm, &[req("filter_flag", Type::Int), req("first_month", Type::Int), req("first_year", Type::Int), req("last_month", Type::Int), req("last_year", Type::Int)], &[]).while_disabled(),
];
