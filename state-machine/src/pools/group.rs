//! Groups: body, XML, methods; their administrators and the rules that make them so.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::{self, Request as AuthRequest};
use crate::error::ApiError;
use crate::head::{Form, Head, Op, Permissions};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, View, opt, read, req, write};
use crate::object::Object;
use crate::parts::Parts;
use crate::pools::acl::{self, Acl};
use crate::pools::vdc;
use crate::quota::{self, Quotas};
use crate::records::Record;
use crate::records::vdc::DEFAULT;
use crate::set::Set;
use crate::state::State;
use crate::template::{Template, VectorAttribute};
use crate::txn::Txn;
use crate::verbs::{Pool, listing};
use crate::xml::XmlWriter;
use crate::{names, verbs, vm_operations};

/// The administrators' group.
pub const ONEADMIN: i32 = 0;
/// The group of users for whom nothing else is said.
pub const USERS: i32 = 1;
/// Groups below this id are the system's own.
const FIRST_DELETABLE: i32 = 100;
/// The element of the limits for groups without limits of their own.
const DEFAULT_QUOTAS: &str = "DEFAULT_GROUP_QUOTAS";

/// The particular part of a group.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Group {
    /// Its members; each in a record of its own.
    #[serde(skip)]
    pub users: Set<i32>,
    /// Those of its members that administrate it.
    pub admins: BTreeSet<i32>,
    /// Own quota limits and usage.
    pub quotas: Quotas,
}

impl Record for Group {
    const KIND: Kind = Kind::Group;
    const RESTRICTED: &'static str = "GROUP_RESTRICTED_ATTR";

    /// Full: with its quotas. Short: followed by a sibling `<QUOTAS>`, as the pool listing has it.
    fn render(&self, head: &Head<'_>, form: Form, w: &mut XmlWriter) {
        w.element("GROUP", |w| {
            w.plain("ID", head.id).plain("NAME", &head.name);
            head.template.render("TEMPLATE", w);
            w.ids("USERS", &self.users).ids("ADMINS", &self.admins);
            if form == Form::Full {
                self.quotas.render(w);
            }
        });
        if form == Form::Short {
            w.element("QUOTAS", |w| {
                w.plain("ID", head.id);
                self.quotas.render(w);
            });
        }
    }

    fn parts(&self) -> Vec<(u64, &dyn Parts)> {
        vec![(0, &self.users)]
    }

    fn part_mut(&mut self, map: u64) -> Option<&mut dyn Parts> {
        (map == 0).then_some(&mut self.users as &mut dyn Parts)
    }
}

impl Pool for Group {
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        vm_operations::check(&txn.object(Kind::Group, id).map_err(|e| e.text)?.template)
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        let refused = |reason: String| Err(ApiError::action(format!("Cannot delete group. {reason}")));
        if id < FIRST_DELETABLE {
            return refused("System Groups (ID < 100) cannot be deleted.".to_owned());
        }
        if !txn.get::<Group>(id)?.1.users.is_empty() {
            return refused(format!("Group {id} is not empty."));
        }
        acl::forget_group(txn, id);
        vdc::groups::forget(txn, id);
        Ok(())
    }
}

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

/// A user is no longer in a group, nor administrates it.
pub fn forget_user(txn: &mut Txn, gid: i32, uid: i32) {
    set_admin(txn, gid, uid, false);
    if let Ok(group) = txn.body_mut::<Group>(gid) {
        group.users.remove(&uid);
    }
}

/// `one.group.allocate`: parameter name. New groups join the default VDC, which gives them its rules.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let name = request.str(0);
    names::check_new(txn, Kind::Group, -1, name)?;
    let id = txn.next_id(Kind::Group);
    txn.put(new_object(id, name, Template::new()));
    vdc::groups::add(txn, DEFAULT, id)?;
    Ok(Value::Int(id))
}

/// `one.group.info`: parameter id, -1 for the caller's group.
fn info(view: &View<'_>, request: &Request<'_>) -> ApiReply {
    let id = if request.id() == -1 { authorize::effective_gid(view.state, view.actor) } else { request.id() };
    let object = view.state.object(Kind::Group, id)?;
    view.authorize(&[AuthRequest::on(object, Op::Use).ignoring_lock()])?;
    let defaults = view.state.globals().default_group_quotas.document(DEFAULT_QUOTAS);
    Ok(listing::with_appendix(&verbs::decrypted(view, request, object), &defaults))
}

/// `one.grouppool.info`: the groups, each followed by its quotas; then the default quotas.
fn pool_info(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    let defaults = view.state.globals().default_group_quotas.document(DEFAULT_QUOTAS);
    listing::pool_with_appendix(view, Kind::Group, &defaults)
}

/// `one.group.addadmin`: parameters group, user.
fn add_admin(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, uid) = (request.id(), request.int(1));
    let group = txn.get::<Group>(id)?.1;
    if !group.users.contains(&uid) {
        return Err(cannot_edit(format!("User {uid} is not part of Group {id}.")));
    }
    if group.admins.contains(&uid) {
        return Err(cannot_edit(format!("User {uid} is already an administrator of Group {id}.")));
    }
    set_admin(txn, id, uid, true);
    Ok(Value::Int(id))
}

/// `one.group.deladmin`: parameters group, user.
fn remove_admin(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, uid) = (request.id(), request.int(1));
    if !is_admin(txn, id, uid) {
        return Err(cannot_edit(format!("User {uid} is not an administrator of Group {id}.")));
    }
    set_admin(txn, id, uid, false);
    Ok(Value::Int(id))
}

/// Whether a user administrates a group.
#[must_use]
pub fn is_admin(state: &State, gid: i32, uid: i32) -> bool {
    state.find_typed::<Group>(gid).is_some_and(|(_, group)| group.admins.contains(&uid))
}

/// Makes a member of a group its administrator, or no longer so, with the rules that say it.
pub fn set_admin(txn: &mut Txn, gid: i32, uid: i32, admin: bool) {
    let Ok(group) = txn.body_mut::<Group>(gid) else { return };
    if admin && group.admins.insert(uid) {
        change_admin_rules(txn, gid, uid, |txn, rule| {
            // A rule that exists already, made by hand, serves as well.
            let _ = acl::add(txn, rule);
        });
    } else if !admin && group.admins.remove(&uid) {
        change_admin_rules(txn, gid, uid, |txn, rule| acl::remove(txn, &rule));
    }
}

fn cannot_edit(reason: String) -> ApiError {
    ApiError::internal(format!("Cannot edit group. {reason}"))
}

/// Does something with each rule that makes a user the administrator of a group.
fn change_admin_rules(txn: &mut Txn, gid: i32, uid: i32, change: impl Fn(&mut Txn, Acl)) {
    const GROUPS_OBJECTS: [Kind; 8] = [
        Kind::Vm,
        Kind::Net,
        Kind::Image,
        Kind::Template,
        Kind::Document,
        Kind::SecGroup,
        Kind::VRouter,
        Kind::VmGroup,
    ];
    const EVERYTHING: [Op; 4] = [Op::Use, Op::Manage, Op::Admin, Op::Create];
    let rules: [(u64, &[Op]); 4] = [
        (acl::on(&[Kind::User], acl::GROUP, gid), &EVERYTHING),
        (acl::on(&GROUPS_OBJECTS, acl::GROUP, gid), &[Op::Use, Op::Manage]),
        (acl::on(&[Kind::VRouter], acl::ALL, 0), &[Op::Create]),
        (acl::on(&[Kind::Group], acl::INDIVIDUAL, gid), &[Op::Manage]),
    ];
    for (resource, ops) in rules {
        let rule = Acl { user: acl::who(acl::INDIVIDUAL, uid), resource, rights: acl::rights(ops), zone: acl::ALL };
        change(txn, rule);
    }
}

/// `one.group.quota`: parameters group, quota template. The administrators' group is refused before anything else.
fn set_quota(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    if id == ONEADMIN {
        return Err(ApiError::action("Cannot set quotas for oneadmin group"));
    }
    txn.authorize(&[AuthRequest::on(txn.object(Kind::Group, id)?, Op::Admin)])?;
    let limits = quota::parse(request.str(1))?;
    txn.body_mut::<Group>(id)?.quotas.set(&limits, quota::Scope::Own).map_err(ApiError::action)?;
    Ok(Value::Int(id))
}

/// `one.groupquota.info`
fn default_quotas(view: &View<'_>, _request: &Request<'_>) -> ApiReply {
    Ok(Value::Text(view.state.globals().default_group_quotas.document(DEFAULT_QUOTAS)))
}

/// `one.groupquota.update`: parameter quota template.
fn update_default_quotas(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let limits = quota::parse_defaults(txn, request.str(0))?;
    let defaults = &mut txn.globals_mut().default_group_quotas;
    defaults.set(&limits, quota::Scope::Defaults).map_err(ApiError::action)?;
    Ok(Value::Text(defaults.document(DEFAULT_QUOTAS)))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.group.addadmin", Kind::Group, &[ID, req("uid", Type::Int)], &[Need::May(Kind::Group, 0, Op::Admin), Need::May(Kind::User, 1, Op::Admin)], add_admin),
    write("one.group.allocate", Kind::Group, &[req("name", Type::Str)], &[Need::Create(Kind::Group)], allocate),
    write("one.group.deladmin", Kind::Group, &[ID, req("uid", Type::Int)], &[Need::May(Kind::Group, 0, Op::Admin), Need::May(Kind::User, 1, Op::Admin)], remove_admin),
    write("one.group.delete", Kind::Group, &[ID], &[Need::May(Kind::Group, 0, Op::Admin)], verbs::delete::<Group>),
    read("one.group.info", Kind::Group, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[], info).while_disabled(),
    write("one.group.quota", Kind::Group, &[ID, req("template", Type::Str)], &[], set_quota),
    write("one.group.update", Kind::Group, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Group, 0, Op::Manage)], verbs::update::<Group>),
    read("one.grouppool.info", Kind::Group, &[], &[], pool_info).while_disabled(),
    read("one.groupquota.info", Kind::Group, &[], &[], default_quotas).while_disabled(),
    write("one.groupquota.update", Kind::Group, &[req("template", Type::Str)], &[], update_default_quotas),
];
