//! Making groups: the first ones of a zone and `one.group.allocate`.

use quorate_model::api::{ApiReply, Value};
use quorate_model::head::Permissions;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::group::{Group, ONEADMIN, USERS};
use quorate_model::records::vdc;
use quorate_model::template::{Template, VectorAttribute};

use crate::methods::Request;
use crate::names;
use crate::pools::vdc::groups;
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
