//! `one.vn.info`: a network with the leases that its caller may see.

use quorate_model::api::{ApiReply, Value};
use quorate_model::head::{Form, Op};
use quorate_model::kind::Kind;
use quorate_model::object::escape_document;
use quorate_model::records::vnet::holder::Holder;
use quorate_model::records::vnet::sight::{Eyes, Seen};
use quorate_model::records::vnet::{Vnet, render_for};
use quorate_model::xml::XmlWriter;

use crate::authorize::Request as AuthRequest;
use crate::methods::{Request, View};
use crate::verbs::listing::{self, Sight};

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
