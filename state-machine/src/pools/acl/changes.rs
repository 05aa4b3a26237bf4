//! Rules that are made and removed: by callers, for a fresh zone, and with the users, groups and clusters that they are
//! about.

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::{Form, Op};
use quorate_model::kind::{Kind, LOCAL_ZONE};
use quorate_model::object::Object;
use quorate_model::records::acl::{self, ALL, Acl, CLUSTER, GROUP, INDIVIDUAL, names, on, who};
use quorate_model::template::Template;

use super::faults;
use crate::methods::{Request, View};
use crate::rules::remove_where;
use crate::txn::Txn;
use crate::verbs::listing;

/// The rules of a fresh zone that no VDC makes.
pub fn bootstrap(txn: &mut Txn) {
    const CREATED_BY_USERS: [Kind; 6] =
        [Kind::Vm, Kind::Image, Kind::Template, Kind::Document, Kind::SecGroup, Kind::VmGroup];
    let rules = [
        (who(GROUP, 1), on(&CREATED_BY_USERS, ALL, 0), Op::Create),
        (ALL, on(&[Kind::Zone], ALL, 0), Op::Use),
        (ALL, on(&[Kind::Market, Kind::MarketApp], ALL, 0), Op::Use),
    ];
    for (id, (user, resource, op)) in (0..).zip(rules) {
        let rule = Acl { user, resource, rights: op as u64, zone: ALL };
        txn.put_with_id(id, Object::new("", Template::new(), rule));
    }
    // The default VDC makes the next ones, in the order of ids.
    txn.globals_mut().next_ids.insert(Kind::Acl, 3);
}

/// Adds a rule; returns its id.
///
/// # Errors
/// That it exists or is malformed, in the reference's words.
pub fn add(txn: &mut Txn, new: Acl) -> Result<i32, String> {
    if txn.rules_of(new.user).any(|rule| *rule == new) {
        return Err(format!("Rule {} already exists", acl::text(&new)));
    }
    let faults = faults::faults(&new);
    if !faults.is_empty() {
        return Err(format!("Rule {} is malformed: {faults}", acl::text(&new)));
    }
    Ok(txn.insert(Object::new("", Template::new(), new)))
}

/// Removes the rule that is exactly this, if there is one.
pub fn remove(txn: &mut Txn, gone: &Acl) {
    remove_where(txn, |rule| rule == gone);
}

/// Removes the rules about a user that is deleted.
pub fn forget_user(txn: &mut Txn, uid: i32) {
    remove_where(txn, |rule| rule.user == who(INDIVIDUAL, uid));
}

/// Removes the rules about a group that is deleted.
pub fn forget_group(txn: &mut Txn, gid: i32) {
    remove_where(txn, |rule| rule.user == who(GROUP, gid) || names(rule.resource, GROUP, gid));
}

/// Removes the rules about what is in a cluster that is deleted.
pub fn forget_cluster(txn: &mut Txn, cluster: i32) {
    remove_where(txn, |rule| names(rule.resource, CLUSTER, cluster));
}

/// `one.acl.addrule`: parameters user, resource, rights, zone, all in hex.
pub fn add_rule(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let zone = match request.str(3) {
        "" => who(INDIVIDUAL, LOCAL_ZONE),
        text => faults::parse_hex(text),
    };
    let rule = Acl {
        user: faults::parse_hex(request.str(0)),
        resource: faults::parse_hex(request.str(1)),
        rights: faults::parse_hex(request.str(2)),
        zone,
    };
    add(txn, rule).map(Value::Int).map_err(ApiError::internal)
}

/// `one.acl.delrule`: parameter id.
pub fn delete_rule(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    if txn.remove(Kind::Acl, id).is_none() {
        return Err(ApiError::internal(format!("Rule {id} does not exist")));
    }
    Ok(Value::Int(id))
}

/// `one.acl.info`: all rules, by user component and then in the order they were made.
pub fn info(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    let mut rules: Vec<(&Object, &Acl)> = view.state.each::<Acl>().collect();
    rules.sort_by_key(|(_, rule)| rule.user);
    let objects = rules.into_iter().map(|(object, _)| object).collect();
    Ok(listing::document("ACL_POOL", objects, Form::Full))
}
