//! Virtual data centres: groups and the resources they may use, kept as access control rules.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::Request as AuthRequest;
use crate::clean::Name;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::{Kind, LOCAL_ZONE};
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::object::Object;
use crate::pools::acl::{self, Acl};
use crate::pools::group;
use crate::records::Record;
use crate::settings::Settings;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::xml::XmlWriter;
use crate::{names, verbs};

/// The VDC that every new group joins.
pub const DEFAULT: i32 = 0;
/// In place of a resource's id: all of the zone.
const ALL_RESOURCES: i32 = -10;
/// VDCs below this id are the system's own.
const FIRST_DELETABLE: i32 = 100;

/// A zone and a resource of it.
type Resource = (i32, i32);

/// The particular part of a VDC.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Vdc {
    /// The groups that may use the resources.
    pub groups: BTreeSet<i32>,
    /// Clusters, for their hosts, networks and datastores.
    pub clusters: BTreeSet<Resource>,
    /// Single hosts.
    pub hosts: BTreeSet<Resource>,
    /// Single datastores.
    pub datastores: BTreeSet<Resource>,
    /// Single virtual networks.
    pub vnets: BTreeSet<Resource>,
}

/// The kinds of resource, in the order in which their rules are made.
const KINDS: [Kind; 4] = [Kind::Cluster, Kind::Host, Kind::Datastore, Kind::Net];

impl Vdc {
    fn resources(&self, kind: Kind) -> &BTreeSet<Resource> {
        match kind {
            Kind::Cluster => &self.clusters,
            Kind::Host => &self.hosts,
            Kind::Datastore => &self.datastores,
            _ => &self.vnets,
        }
    }

    fn resources_mut(&mut self, kind: Kind) -> &mut BTreeSet<Resource> {
        match kind {
            Kind::Cluster => &mut self.clusters,
            Kind::Host => &mut self.hosts,
            Kind::Datastore => &mut self.datastores,
            _ => &mut self.vnets,
        }
    }

    fn all(&self) -> Vec<(Kind, Resource)> {
        KINDS.into_iter().flat_map(|kind| self.resources(kind).iter().map(move |r| (kind, *r))).collect()
    }
}

impl Record for Vdc {
    const KIND: Kind = Kind::Vdc;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("VDC", |w| {
            w.plain("ID", head.id).plain("NAME", &head.name).ids("GROUPS", &self.groups);
            for (kind, plural) in KINDS.into_iter().zip(["CLUSTERS", "HOSTS", "DATASTORES", "VNETS"]) {
                let element = kind.info().element;
                w.element(plural, |w| {
                    for (zone, id) in self.resources(kind) {
                        w.element(element, |w| {
                            w.plain("ZONE_ID", zone).plain(&Name::of_parts(&[element, "_ID"]), id);
                        });
                    }
                });
            }
            head.template.render("TEMPLATE", w);
        });
    }
}

impl Pool for Vdc {
    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        if id < FIRST_DELETABLE {
            return Err(ApiError::action("Cannot delete VDC. System VDCs (ID < 100) cannot be deleted."));
        }
        let vdc = txn.get::<Vdc>(id)?.1.clone();
        for gid in &vdc.groups {
            remove_rules(txn, *gid, &vdc.all());
        }
        Ok(())
    }
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
    add_rules(txn, group::USERS, &[(Kind::Cluster, everything)]);
}

/// The rules that let a group use resources, with the rights that the configuration gives.
fn rules(settings: &Settings, gid: i32, resources: &[(Kind, Resource)]) -> Vec<Acl> {
    let mut rules = Vec::new();
    for (kind, (zone, id)) in resources {
        let (selector, id) = match (*id, kind) {
            (ALL_RESOURCES, _) => (acl::ALL, 0),
            (id, Kind::Cluster) => (acl::CLUSTER, id),
            (id, _) => (acl::INDIVIDUAL, id),
        };
        let given: &[(Kind, &str)] = match kind {
            Kind::Cluster => &[
                (Kind::Host, "DEFAULT_VDC_CLUSTER_HOST_ACL"),
                (Kind::Net, "DEFAULT_VDC_CLUSTER_NET_ACL"),
                (Kind::Datastore, "DEFAULT_VDC_CLUSTER_DATASTORE_ACL"),
            ],
            Kind::Host => &[(Kind::Host, "DEFAULT_VDC_HOST_ACL")],
            Kind::Datastore => &[(Kind::Datastore, "DEFAULT_VDC_DATASTORE_ACL")],
            _ => &[(Kind::Net, "DEFAULT_VDC_VNET_ACL")],
        };
        for (on, setting) in given {
            let rights = rights(settings.value(setting));
            if rights != 0 {
                let resource = acl::on(&[*on], selector, id);
                let (user, zone) = (acl::who(acl::GROUP, gid), acl::who(acl::INDIVIDUAL, *zone));
                rules.push(Acl { user, resource, rights, zone });
            }
        }
    }
    rules
}

/// Rights as the configuration writes them: `USE+MANAGE`, `-` for none.
fn rights(text: &str) -> u64 {
    let ops = [Op::Use, Op::Manage, Op::Admin, Op::Create];
    let named = |word: &str| ops.into_iter().find(|op| op.name().eq_ignore_ascii_case(word.trim()));
    let given: Vec<Op> = text.split('+').filter_map(named).collect();
    acl::rights(&given)
}

fn add_rules(txn: &mut Txn, gid: i32, resources: &[(Kind, Resource)]) {
    for rule in rules(txn.settings(), gid, resources) {
        // A rule that another VDC made already serves both, as in the reference.
        let _ = acl::add(txn, rule);
    }
}

fn remove_rules(txn: &mut Txn, gid: i32, resources: &[(Kind, Resource)]) {
    for rule in rules(txn.settings(), gid, resources) {
        acl::remove(txn, &rule);
    }
}

/// Lets a group into a VDC.
///
/// # Errors
/// INTERNAL when it is in it already, NO_EXISTS for the VDC.
pub fn add_group(txn: &mut Txn, id: i32, gid: i32) -> Result<(), ApiError> {
    let vdc = txn.body_mut::<Vdc>(id)?;
    if !vdc.groups.insert(gid) {
        return Err(ApiError::internal(format!("Group {gid} is already assigned to the VDC {id}")));
    }
    let resources = vdc.all();
    add_rules(txn, gid, &resources);
    Ok(())
}

fn remove_group(txn: &mut Txn, id: i32, gid: i32) -> Result<(), ApiError> {
    let vdc = txn.body_mut::<Vdc>(id)?;
    if !vdc.groups.remove(&gid) {
        return Err(ApiError::internal(format!("Group {gid} is not assigned to the VDC {id}")));
    }
    let resources = vdc.all();
    remove_rules(txn, gid, &resources);
    Ok(())
}

/// A deleted group is in no VDC any more.
pub fn forget_group(txn: &mut Txn, gid: i32) {
    let having: Vec<i32> =
        txn.each::<Vdc>().filter(|(_, vdc)| vdc.groups.contains(&gid)).map(|(object, _)| object.id).collect();
    for id in having {
        // It is in it: it was just found there.
        let _ = remove_group(txn, id, gid);
    }
}

/// A deleted cluster, host, datastore or network is in no VDC any more.
pub fn forget_resource(txn: &mut Txn, kind: Kind, id: i32) {
    let resource = (LOCAL_ZONE, id);
    let having = txn.each::<Vdc>().filter(|(_, vdc)| vdc.resources(kind).contains(&resource));
    let having: Vec<(i32, BTreeSet<i32>)> = having.map(|(object, vdc)| (object.id, vdc.groups.clone())).collect();
    for (vdc, groups) in having {
        if let Ok(vdc) = txn.body_mut::<Vdc>(vdc) {
            vdc.resources_mut(kind).remove(&resource);
        }
        for gid in groups {
            remove_rules(txn, gid, &[(kind, resource)]);
        }
    }
}

/// `one.vdc.allocate`: parameter template, with NAME.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut template = verbs::parse_new(request.str(0))?;
    let name = template.take("NAME").unwrap_or_default();
    names::check_new(txn, Kind::Vdc, -1, &name)?;
    Ok(Value::Int(txn.insert(Object::new(name, template, Vdc::default()).owned_by_oneadmin(0o600))))
}

/// `one.vdc.addgroup`: parameters VDC, group.
fn add_group_call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    add_group(txn, request.id(), request.int(1))?;
    Ok(Value::Int(request.id()))
}

/// `one.vdc.delgroup`: parameters VDC, group, which need not exist any more.
fn remove_group_call(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let mut wishes = vec![AuthRequest::on(txn.object(Kind::Vdc, request.id())?, Op::Admin)];
    match txn.find(Kind::Group, request.int(1)) {
        Some(group) => wishes.push(AuthRequest::on(group, Op::Admin)),
        None => wishes.push(AuthRequest::on_pool(Kind::Group, Op::Admin)),
    }
    txn.authorize(&wishes)?;
    remove_group(txn, request.id(), request.int(1))?;
    Ok(Value::Int(request.id()))
}

/// Checks the objects of parameters VDC, zone, resource and the caller's rights on them. What is taken away need not
/// exist any more, and of another zone's resources nothing is known here.
fn check_resource(txn: &Txn, request: &Request<'_>, kind: Kind, must_exist: bool) -> Result<(), ApiError> {
    let (zone, id) = (request.int(1), request.int(2));
    let mut looked_up = vec![(Kind::Zone, zone)];
    if id != ALL_RESOURCES && zone == LOCAL_ZONE {
        looked_up.push((kind, id));
    }
    let mut wishes = vec![AuthRequest::on(txn.object(Kind::Vdc, request.id())?, Op::Admin)];
    for (kind, id) in looked_up {
        match txn.object(kind, id) {
            Ok(object) => wishes.push(AuthRequest::on(object, Op::Admin)),
            Err(missing) if must_exist => return Err(missing),
            Err(_) => {}
        }
    }
    txn.authorize(&wishes)
}

fn add_resource(txn: &mut Txn, request: &Request<'_>, kind: Kind) -> ApiReply {
    check_resource(txn, request, kind, true)?;
    let (vdc_id, zone, id) = (request.id(), request.int(1), request.int(2));
    let vdc = txn.body_mut::<Vdc>(vdc_id)?;
    let resources = vdc.resources_mut(kind);
    if !resources.insert((zone, id)) {
        let name = kind.info().auth_name;
        return Err(ApiError::internal(format!("{name} {id} from Zone {zone} is already assigned to the VDC")));
    }
    // All resources of a zone make its single ones superfluous.
    let replaced: Vec<Resource> = if id == ALL_RESOURCES {
        resources.iter().filter(|(z, i)| *z == zone && *i != ALL_RESOURCES).copied().collect()
    } else {
        Vec::new()
    };
    resources.retain(|r| !replaced.contains(r));
    let groups = vdc.groups.clone();
    let replaced: Vec<(Kind, Resource)> = replaced.into_iter().map(|r| (kind, r)).collect();
    for gid in groups {
        add_rules(txn, gid, &[(kind, (zone, id))]);
        remove_rules(txn, gid, &replaced);
    }
    Ok(Value::Int(vdc_id))
}

fn remove_resource(txn: &mut Txn, request: &Request<'_>, kind: Kind) -> ApiReply {
    check_resource(txn, request, kind, false)?;
    let (vdc_id, zone, id) = (request.id(), request.int(1), request.int(2));
    let vdc = txn.body_mut::<Vdc>(vdc_id)?;
    if !vdc.resources_mut(kind).remove(&(zone, id)) {
        let name = kind.info().auth_name;
        return Err(ApiError::internal(format!("{name} {id} from Zone {zone} is not assigned to the VDC ")));
    }
    for gid in vdc.groups.clone() {
        remove_rules(txn, gid, &[(kind, (zone, id))]);
    }
    Ok(Value::Int(vdc_id))
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.vdc.addcluster", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("cluster_id", Type::Int)], &[], |txn, request| add_resource(txn, request, Kind::Cluster)),
    write("one.vdc.adddatastore", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("datastore_id", Type::Int)], &[], |txn, request| add_resource(txn, request, Kind::Datastore)),
    write("one.vdc.addgroup", Kind::Vdc, &[ID, req("gid", Type::Int)], &[Need::May(Kind::Vdc, 0, Op::Admin), Need::May(Kind::Group, 1, Op::Admin)], add_group_call),
    write("one.vdc.addhost", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("host_id", Type::Int)], &[], |txn, request| add_resource(txn, request, Kind::Host)),
    write("one.vdc.addvnet", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("vnet_id", Type::Int)], &[], |txn, request| add_resource(txn, request, Kind::Net)),
    write("one.vdc.allocate", Kind::Vdc, &[req("template", Type::Str)], &[Need::Create(Kind::Vdc)], allocate),
    write("one.vdc.delcluster", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("cluster_id", Type::Int)], &[], |txn, request| remove_resource(txn, request, Kind::Cluster)),
    write("one.vdc.deldatastore", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("datastore_id", Type::Int)], &[], |txn, request| remove_resource(txn, request, Kind::Datastore)),
    write("one.vdc.delete", Kind::Vdc, &[ID], &[Need::May(Kind::Vdc, 0, Op::Admin)], verbs::delete::<Vdc>),
    write("one.vdc.delgroup", Kind::Vdc, &[ID, req("gid", Type::Int)], &[], remove_group_call),
    write("one.vdc.delhost", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("host_id", Type::Int)], &[], |txn, request| remove_resource(txn, request, Kind::Host)),
    write("one.vdc.delvnet", Kind::Vdc, &[ID, req("zone_id", Type::Int), req("vnet_id", Type::Int)], &[], |txn, request| remove_resource(txn, request, Kind::Net)),
    read("one.vdc.info", Kind::Vdc, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Vdc, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.vdc.rename", Kind::Vdc, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Vdc, 0)], verbs::rename::<Vdc>),
    write("one.vdc.update", Kind::Vdc, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Vdc, 0, Op::Manage)], verbs::update::<Vdc>),
    read("one.vdcpool.info", Kind::Vdc, &[], &[], verbs::pool_all).while_disabled(),
];
