//! Accounting: the history records of the VMs that a caller sees.

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::vm::Vm;
use quorate_model::xml::XmlWriter;

use super::pool::check_filter;
use crate::methods::{Request, View};
use crate::verbs::listing::Sight;

/// `one.vmpool.accounting`: parameters filter flag, start and end time (-1: open).
pub fn accounting(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let (from, to) = (i64::from(request.int(1)), i64::from(request.int(2)));
    let mut w = XmlWriter::new();
    w.open("HISTORY_RECORDS");
    for (object, vm) in seen(view, request.int(0))? {
        let in_time = |etime: i64, stime: i64| (from == -1 || etime > from || etime == 0) && (to == -1 || stime < to);
        for record in vm.history.iter().filter(|record| in_time(record.etime, record.stime)) {
            record.render_with_vm(object.id, &vm.history.info(record), &mut w);
        }
    }
    w.close("HISTORY_RECORDS");
    Ok(Value::Text(w.finish()))
}

/// The VMs that a caller sees under a filter flag, by id.
///
/// # Errors
/// XML_RPC_API for an unknown filter flag.
pub fn seen<'a>(view: &View<'a>, filter: i32) -> Result<Vec<(&'a Object, &'a Vm)>, quorate_model::error::ApiError> {
    check_filter(filter)?;
    let sight = Sight::new(view, Kind::Vm, filter);
    let all = view.state.pool(Kind::Vm).values();
    Ok(all
        .filter(|object| sight.sees(object))
        .filter_map(|object| Vm::of(&object.body).map(|vm| (&**object, vm)))
        .collect())
}
