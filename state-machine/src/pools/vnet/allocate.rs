//! `one.vn.allocate`: a new network, which the driver then creates outside.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::Actor;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::ids::{id_list, join_ids};
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::pending::{NetworkAction, Operation};
use quorate_model::records::secgroup;
use quorate_model::records::vnet::{State, Vnet};
use quorate_model::template::Template;

use super::driver;
use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::cluster::members as cluster;
use crate::txn::Txn;
use crate::{names, verbs};

/// Parameters template, cluster (-1: the default one).
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let template = verbs::parse_new(request.str(0))?;
    let cluster = cluster::named(request.int(1));
    let actor = txn.actor().clone();
    let create = AuthRequest::create(Kind::Net, actor.uid, txn.effective_gid(&actor));
    txn.authorize(&[create, AuthRequest::on(txn.object(Kind::Cluster, cluster)?, Op::Admin)])?;
    from_template(txn, &actor, template, &BTreeSet::from([cluster]), None).map(Value::Int)
}

/// Makes `owner`'s network of a template (with NAME, or TEMPLATE_NAME before its id), puts it into clusters that exist,
/// and asks the driver to create it. `parent` is the network whose addresses it will reserve.
///
/// # Errors
/// INTERNAL: that the name is missing or taken, what the driver misses, or that no VLAN id is free. NO_EXISTS when a
/// cluster does not exist.
pub fn from_template(
    txn: &mut Txn,
    owner: &Actor,
    mut template: Template,
    clusters: &BTreeSet<i32>,
    parent: Option<i32>,
) -> Result<i32, ApiError> {
    let id = txn.next_id(Kind::Net);
    let name = take_name(txn, owner, &mut template, id)?;
    let network = configure(txn, id, &mut template, parent).map_err(ApiError::internal)?;
    let mut object = Object::new(name, template, network);
    object.id = id;
    object.template.drop_empty_vectors();
    verbs::own(txn, owner, &mut object)?;
    txn.put(object);
    for id_of_cluster in clusters {
        cluster::add(txn, *id_of_cluster, Kind::Net, id)?;
    }
    txn.start(Operation::Network { network: id, action: NetworkAction::Create, document: None });
    Ok(id)
}

fn take_name(txn: &Txn, owner: &Actor, template: &mut Template, id: i32) -> Result<String, ApiError> {
    let name = template.take("NAME").unwrap_or_default();
    let prefix = template.take("TEMPLATE_NAME").unwrap_or_default();
    let name = match (name.is_empty(), prefix.is_empty()) {
        (false, _) => name,
        (true, false) => format!("{prefix}-{id}"),
        (true, true) => return Err(ApiError::internal("No NAME in template for Virtual Network.")),
    };
    names::check_new(txn, Kind::Net, owner.uid, &name)?;
    Ok(name)
}

/// Reads what a network itself keeps out of its template, and leaves there what the reference leaves.
fn configure(txn: &Txn, id: i32, template: &mut Template, parent: Option<i32>) -> Result<Vnet, String> {
    let mut network = Vnet { state: State::LockCreate, parent, ..Vnet::default() };
    if let Some(from) = template.take("TEMPLATE_ID").filter(|from| !from.is_empty()) {
        template.set("TEMPLATE_ID", from);
    }
    network.vn_mad = keep_one(template, "VN_MAD");
    if network.vn_mad.is_empty() {
        return Err("No VN_MAD in template for Virtual Network.".to_owned());
    }
    network.phydev = keep_one(template, "PHYDEV");
    driver::check(template)?;
    (network.vlan_id, network.vlan_id_automatic) = take_vlan(template, "VLAN_ID", "AUTOMATIC_VLAN_ID");
    (network.outer_vlan_id, network.outer_vlan_id_automatic) =
        take_vlan(template, "OUTER_VLAN_ID", "AUTOMATIC_OUTER_VLAN_ID");
    network.bridge_type = driver::bridge_type(txn.settings(), &network.vn_mad)?;
    template.set("BRIDGE_TYPE", &network.bridge_type);
    network.bridge = template.take("BRIDGE").unwrap_or_default();
    if network.bridge.is_empty() && network.bridge_type != "none" {
        network.bridge =
            if network.vlan_id.is_empty() { format!("onebr{id}") } else { format!("onebr.{}", network.vlan_id) };
    }
    template.set("BRIDGE", &network.bridge);
    let mut groups = id_list(template.value("SECURITY_GROUPS"));
    groups.insert(secgroup::DEFAULT);
    template.set("SECURITY_GROUPS", join_ids(&groups));
    driver::choose_vlans(txn, id, &mut network)?;
    if network.vlan_id_automatic || network.outer_vlan_id_automatic {
        network.prev_state = network.state;
    }
    Ok(network)
}

/// The first value of an attribute, which becomes its only one, if only an empty one.
pub(super) fn keep_one(template: &mut Template, name: &'static str) -> String {
    let value = template.take(name).unwrap_or_default();
    template.set(name, &value);
    value
}

/// A VLAN id, or whether one is to be chosen.
fn take_vlan(template: &mut Template, name: &'static str, automatic: &str) -> (String, bool) {
    let given = !template.value(name).is_empty();
    let asked = template.is_yes(automatic);
    template.remove(automatic);
    if given { (keep_one(template, name), false) } else { (String::new(), asked) }
}
