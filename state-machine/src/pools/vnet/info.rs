//! `one.vn.info`: a network with the leases that its caller may see.

use crate::api::{ApiReply, Value};
use crate::authorize::Request as AuthRequest;
use crate::head::{Form, Op};
use crate::kind::Kind;
use crate::methods::{Request, View};
use crate::object::escape_document;
use crate::records::vnet::holder::Holder;
use crate::records::vnet::sight::{Eyes, Seen};
use crate::records::vnet::{Vnet, render_for};
use crate::verbs::listing::{self, Sight};
use crate::xml::XmlWriter;

/// `one.vn.info`. Who may not manage the network sees only the leases of VMs, reservations and routers that it sees.
pub fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let (object, network) = view.state.get::<Vnet>(request.id())?;
    if view.authorize(&[AuthRequest::on(object, Op::Manage)]).is_ok() {
        return Ok(Value::Xml(vec![object.rendered(Form::Full)]));
    }
    let holders: Vec<Holder> = network.ranges.iter().flat_map(|range| range.taken.holders()).collect();
    let seen = |kind: Kind| see(view, kind, &holders);
    let eyes = Eyes { vms: seen(Kind::Vm), nets: seen(Kind::Net), routers: seen(Kind::VRouter) };
    let mut w = XmlWriter::new();
    render_for(network, &object.head(), Some(&eyes), &mut w);
    Ok(Value::Xml(vec![escape_document(&w.finish())]))
}

/// Which of the holders of one kind the caller sees.
fn see(view: &View<'_>, kind: Kind, holders: &[Holder]) -> Seen {
    if view.state.is_admin(view.actor) || kind != Kind::Net && may_use_all(view, kind) {
        return Seen::All;
    }
    let sight = Sight::new(view, kind, listing::ALL);
    let ids = holders.iter().map(|holder| match (*holder, kind) {
        (Holder::Vm(id), Kind::Vm) | (Holder::Net(id), Kind::Net) | (Holder::VRouter(id), Kind::VRouter) => id,
        _ => -1,
    });
    Seen::Only(ids.filter(|id| view.state.pool(kind).get(id).is_some_and(|object| sight.sees(object))).collect())
}

/// Whether a rule lets the caller use every object of a kind.
fn may_use_all(view: &View<'_>, kind: Kind) -> bool {
    view.authorize(&[AuthRequest::on_pool(kind, Op::Use)]).is_ok()
}
