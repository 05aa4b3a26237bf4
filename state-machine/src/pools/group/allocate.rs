//! Making groups: the first ones of a zone and `one.group.allocate`.

use crate::api::{ApiReply, Value};
use crate::head::Permissions;
use crate::kind::Kind;
use crate::methods::Request;
use crate::names;
use crate::object::Object;
use crate::pools::vdc::groups;
use crate::records::group::{Group, ONEADMIN, USERS};
use crate::records::vdc;
use crate::template::{Template, VectorAttribute};
use crate::txn::Txn;

/// A group as authorization sees it: oneadmin's, in itself, and its members may use it.
fn new_object(id: i32, name: &str, template: Template) -> Object {
    let mut object = Object::new(name, template, Group::default());
    object.id = id;
    object.uid = 0;
    object.gid = id;
    object.permissions = Permissions(0o640);
    object
}

/// The groups of a fresh zone.
pub fn bootstrap(txn: &mut Txn) {
    txn.put_with_id(ONEADMIN, new_object(ONEADMIN, "oneadmin", Template::new()));
    let views = [
        ("DEFAULT_VIEW", "cloud"),
        ("GROUP_ADMIN_DEFAULT_VIEW", "groupadmin"),
        ("GROUP_ADMIN_VIEWS", "groupadmin,cloud"),
        ("VIEWS", "cloud"),
    ];
    let mut template = Template::new();
    template.add_vector("SUNSTONE", VectorAttribute::from_iter(views));
    txn.put_with_id(USERS, new_object(USERS, "users", template));
}

/// `one.group.allocate`: parameter name. New groups join the default VDC, which gives them its rules.
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let name = request.str(0);
    names::check_new(txn, Kind::Group, -1, name)?;
    let id = txn.next_id(Kind::Group);
    txn.put(new_object(id, name, Template::new()));
    groups::add(txn, vdc::DEFAULT, id)?;
    Ok(Value::Int(id))
}
