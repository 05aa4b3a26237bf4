//! The XML of a network: with its leases for `info`, without for listings.

use crate::head::Head;
use std::collections::BTreeSet;

use super::Vnet;
use super::range::{AddressRange, Holder};
use crate::api::{ApiReply, Value};
use crate::authorize::{self, Request as AuthRequest};
use crate::clean::Name;
use crate::head::{Form, Op};
use crate::kind::Kind;
use crate::methods::{Request, View};
use crate::object::{Object, escape_document};
use crate::template::VectorAttribute;
use crate::verbs::listing::{self, Sight};
use crate::xml::XmlWriter;

use super::address::{self, Mac};

/// Whose leases a caller sees.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Seen {
    /// Everybody's.
    All,
    /// Those of these objects.
    Only(BTreeSet<i32>),
}

impl Seen {
    fn has(&self, id: i32) -> bool {
        match self {
            Seen::All => true,
            Seen::Only(ids) => ids.contains(&id),
        }
    }
}

/// Which holders' leases a caller sees.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Eyes {
    vms: Seen,
    nets: Seen,
    routers: Seen,
}

impl Eyes {
    const ALL: Eyes = Eyes { vms: Seen::All, nets: Seen::All, routers: Seen::All };

    fn see(&self, holder: Holder) -> bool {
        match holder {
            Holder::Vm(id) => self.vms.has(id),
            Holder::Net(id) => self.nets.has(id),
            Holder::VRouter(id) => self.routers.has(id),
        }
    }
}

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

/// A network's XML with no leases but those of a VM.
#[must_use]
pub fn document_for_vm(network: &Vnet, object: &Object, vm: i32) -> String {
    let only = |id: Option<i32>| Seen::Only(id.into_iter().collect());
    let eyes = Eyes { vms: only(Some(vm)), nets: only(None), routers: only(None) };
    let mut w = XmlWriter::new();
    render_for(network, &object.head(), Some(&eyes), &mut w);
    w.finish()
}

/// Which of the holders of one kind the caller sees.
fn see(view: &View<'_>, kind: Kind, holders: &[Holder]) -> Seen {
    if authorize::is_admin(view.state, view.actor) || kind != Kind::Net && may_use_all(view, kind) {
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

/// Writes a network's XML in one form.
pub fn render(network: &Vnet, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
    render_for(network, head, (form == Form::Full).then_some(&Eyes::ALL), w);
}

/// Writes a network's XML with the leases that `eyes` see, or the form of listings.
fn render_for(network: &Vnet, head: &Head<'_>, eyes: Option<&Eyes>, w: &mut XmlWriter) {
    w.element("VNET", |w| {
        head.render_head(w);
        head.render_lock(w);
        head.permissions.render(w);
        w.ids("CLUSTERS", &network.clusters);
        w.cdata("BRIDGE", &network.bridge).cdata("BRIDGE_TYPE", &network.bridge_type);
        w.cdata("STATE", &network.state.number().to_string());
        w.cdata("PREV_STATE", &network.prev_state.number().to_string());
        match network.parent {
            Some(parent) => w.plain("PARENT_NETWORK_ID", parent),
            None => w.empty("PARENT_NETWORK_ID"),
        };
        let optional = [
            ("VN_MAD", &network.vn_mad),
            ("PHYDEV", &network.phydev),
            ("VLAN_ID", &network.vlan_id),
            ("OUTER_VLAN_ID", &network.outer_vlan_id),
        ];
        for (name, value) in optional {
            if value.is_empty() {
                w.empty(name)
            } else {
                w.cdata(name, value)
            };
        }
        w.plain("VLAN_ID_AUTOMATIC", u8::from(network.vlan_id_automatic));
        w.plain("OUTER_VLAN_ID_AUTOMATIC", u8::from(network.outer_vlan_id_automatic));
        let used = if eyes.is_some() { network.ranges.used() } else { network.ranges.listed_as_used() };
        w.plain("USED_LEASES", used);
        w.ids("VROUTERS", network.vrouters.iter().filter(|id| eyes.is_none_or(|eyes| eyes.routers.has(**id))));
        network.vms.render(w);
        head.template.render("TEMPLATE", w);
        w.element("AR_POOL", |w| {
            for range in network.ranges.iter() {
                match eyes {
                    Some(eyes) => w.element("AR", |w| render_range(range, eyes, w)),
                    None => w.element("AR", |w| list_range(range, w)),
                };
            }
        });
    });
}

/// A range as listings show it: its attributes, and who has what in one text.
fn list_range(range: &AddressRange, w: &mut XmlWriter) {
    if range.was_used {
        w.cdata("ALLOCATED", &range.allocated_text());
    }
    for (name, value) in range.attributes.iter() {
        w.cdata(name, value);
    }
}

/// A range as `info` shows it: its attributes, its last addresses, its leases.
fn render_range(range: &AddressRange, eyes: &Eyes, w: &mut XmlWriter) {
    for (name, value) in range.attributes.iter() {
        w.cdata(name, value);
    }
    render_ends(range, w);
    w.plain("USED_LEASES", range.used());
    if range.taken.is_empty() {
        w.empty("LEASES");
        return;
    }
    w.element("LEASES", |w| {
        for (index, holder) in range.taken.iter().filter(|(_, holder)| eyes.see(*holder)) {
            let mut lease = VectorAttribute::new();
            let (name, id) = holder.named();
            lease.set(name, id);
            range.describe(index, &mut lease);
            lease.render("LEASE", w);
        }
    });
}

fn render_ends(range: &AddressRange, w: &mut XmlWriter) {
    let families = range.families();
    let last = range.size.wrapping_sub(1);
    let [.., a, b, c, d] = last.to_be_bytes();
    let low = u32::from_be_bytes([a, b, c, d]);
    let (mac, mac_end): (Mac, Mac) = (range.mac(), range.mac().plus(low));
    w.cdata("MAC_END", &mac_end.to_string());
    if families.v4 {
        w.cdata("IP_END", &address::ip_text(range.ip().wrapping_add(low)));
    }
    if families.v6 {
        for (name, prefix) in [("IP6_ULA", "ULA_PREFIX"), ("IP6_GLOBAL", "GLOBAL_PREFIX")] {
            if let Some(prefix) = range.prefix(prefix) {
                w.cdata(name, &address::ip6_text(address::eui64(prefix, mac)));
                w.cdata(&Name::of_parts(&[name, "_END"]), &address::ip6_text(address::eui64(prefix, mac_end)));
            }
        }
    }
    if families.v6_static {
        w.cdata("IP6_END", &address::ip6_text(address::ip6_end(range.ip6(), last)));
    }
}
