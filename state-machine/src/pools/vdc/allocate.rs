//! `one.vdc.allocate`, and the VDC of a fresh zone.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::kind::{Kind, LOCAL_ZONE};
use quorate_model::object::Object;
use quorate_model::records::group;
use quorate_model::records::vdc::{ALL_RESOURCES, DEFAULT, Vdc};
use quorate_model::template::Template;

use crate::methods::Request;
use crate::pools::vdc::rules;
use crate::txn::Txn;
use crate::{names, verbs};

/// `one.vdc.allocate`: parameter template, with NAME.
pub fn call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::parse_new(request.str(0))?;
    let name = template.take("NAME").unwrap_or_default();
    names::check_new(txn, Kind::Vdc, -1, &name)?;
    Ok(Value::Int(txn.insert(Object::new(name, template, Vdc::default()).owned_by_oneadmin(0o600))))
}

/// The default VDC of a fresh zone: group `users` may use everything.
pub fn bootstrap(txn: &mut Txn) {
    const DESCRIPTION: &str = "Every new group is added to this VDC. Use it to store default access rules for your \
        groups. NOTE: You may need to remove a group from the default VDC before assigning it to other VDC.";
    let everything = (LOCAL_ZONE, ALL_RESOURCES);
    let mut template = Template::new();
    template.set("DESCRIPTION", DESCRIPTION);
    let vdc = Vdc { groups: BTreeSet::from([group::USERS]), clusters: BTreeSet::from([everything]), ..Vdc::default() };
    txn.put_with_id(DEFAULT, Object::new("default", template, vdc).owned_by_oneadmin(0o600));
    rules::add(txn, group::USERS, &[(Kind::Cluster, everything)]);
}
