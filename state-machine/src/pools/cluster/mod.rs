//! Clusters: body, XML, methods. A cluster groups hosts with the datastores and networks that they reach.
//!
//! Membership is in [`members`]; it must not be changed elsewhere.

pub mod members;
pub mod vnc;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::api::{ApiReply, Type, Value};
use crate::authorize::Request as AuthRequest;
use crate::error::ApiError;
use crate::head::{Form, Head, Op};
use crate::kind::Kind;
use crate::methods::{Default, ID, Method, Need, Request, opt, read, req, write};
use crate::object::Object;
use crate::pools::host::Host;
use crate::pools::{acl, vdc};
use crate::records::Record;
use crate::set::Set;
use crate::template::Template;
use crate::txn::Txn;
use crate::verbs::Pool;
use crate::xml::XmlWriter;
use crate::{names, verbs};

/// Clusters below this id are the system's own.
const FIRST_DELETABLE: i32 = 100;
/// The kinds of member, with the plurals of texts and elements.
const MEMBER_KINDS: [(Kind, &str, &str); 3] =
    [(Kind::Host, "hosts", "HOSTS"), (Kind::Datastore, "datastores", "DATASTORES"), (Kind::Net, "vnets", "VNETS")];

/// The particular part of a cluster.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Cluster {
    /// Its hosts.
    pub hosts: BTreeSet<i32>,
    /// Its datastores.
    pub datastores: BTreeSet<i32>,
    /// Its virtual networks.
    pub vnets: BTreeSet<i32>,
    /// Console ports that its VMs have.
    pub vnc_ports: Set<u32>,
}

impl Record for Cluster {
    const KIND: Kind = Kind::Cluster;

    fn render(&self, head: &Head<'_>, _form: Form, w: &mut XmlWriter) {
        w.element("CLUSTER", |w| {
            w.plain("ID", head.id).plain("NAME", &head.name);
            for (kind, _, element) in MEMBER_KINDS {
                w.ids(element, self.members(kind));
            }
            head.template.render("TEMPLATE", w);
        });
    }

    /// As in the reference, a cluster is its own group.
    fn authority(&self, head: &Head<'_>) -> (i32, i32) {
        (head.uid, head.id)
    }
}

impl Pool for Cluster {
    /// Its reservations count for its hosts that have none of their own.
    fn updated(txn: &mut Txn, id: i32) -> Result<(), String> {
        let reservation = members::reservation(txn, id);
        let hosts = txn.get::<Cluster>(id).map_err(|e| e.text)?.1.hosts.clone();
        for host in hosts {
            Host::reserve_as_cluster(txn, host, &reservation).map_err(|e| e.text)?;
        }
        Ok(())
    }

    fn renamed(txn: &mut Txn, id: i32, _old_name: &str) -> Result<(), ApiError> {
        let (object, cluster) = txn.get::<Cluster>(id)?;
        let (name, hosts) = (object.name.clone(), cluster.hosts.clone());
        for host in hosts {
            let host = txn.body_mut::<Host>(host)?;
            host.cluster_name.clone_from(&name);
            host.saved = true;
        }
        Ok(())
    }

    fn deleting(txn: &mut Txn, id: i32) -> Result<(), ApiError> {
        let refused = |reason: String| Err(ApiError::action(format!("Cannot delete cluster. {reason}")));
        if id < FIRST_DELETABLE {
            return refused("System Clusters (ID < 100) cannot be deleted.".to_owned());
        }
        let (_, cluster) = txn.get::<Cluster>(id)?;
        for (kind, plural, _) in MEMBER_KINDS {
            let count = cluster.members(kind).len();
            if count > 0 {
                return refused(format!("Cluster {id} is not empty, it contains {count} {plural}."));
            }
        }
        acl::forget_cluster(txn, id);
        vdc::forget_resource(txn, Kind::Cluster, id);
        Ok(())
    }
}

fn new_object(name: &str) -> Object {
    let mut template = Template::new();
    template.set("RESERVED_CPU", "");
    template.set("RESERVED_MEM", "");
    Object::new(name, template, Cluster::default()).owned_by_oneadmin(0o600)
}

/// The cluster of a fresh zone; datastores join it as they are made.
pub fn bootstrap(txn: &mut Txn) {
    txn.put_with_id(members::DEFAULT, new_object("default"));
}

/// `one.cluster.allocate`: parameter name.
fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let name = request.str(0);
    names::check_new(txn, Kind::Cluster, -1, name)?;
    Ok(Value::Int(txn.insert(new_object(name))))
}

/// Parameters cluster, datastore or network.
fn add_member(txn: &mut Txn, request: &Request<'_>, kind: Kind) -> ApiReply {
    members::add(txn, request.id(), kind, request.int(1))?;
    Ok(Value::Int(request.id()))
}

/// Parameters cluster, datastore or network.
fn remove_member(txn: &mut Txn, request: &Request<'_>, kind: Kind) -> ApiReply {
    members::remove(txn, request.id(), kind, request.int(1))?;
    Ok(Value::Int(request.id()))
}

/// `one.cluster.addhost`: parameters cluster, host, which leaves its former cluster.
fn add_host(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    members::move_host(txn, request.int(1), request.id())?;
    Ok(Value::Int(request.id()))
}

/// `one.cluster.delhost`: parameters cluster, host. As in the reference, the first is ignored and the host goes to the
/// default cluster, whose id is the answer.
fn remove_host(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let wishes = [(Kind::Cluster, members::DEFAULT), (Kind::Host, request.int(1))];
    let wishes = wishes.map(|(kind, id)| txn.object(kind, id).map(|object| AuthRequest::on(object, Op::Admin)));
    txn.authorize(&wishes.into_iter().collect::<Result<Vec<_>, _>>()?)?;
    members::move_host(txn, request.int(1), members::DEFAULT)?;
    Ok(Value::Int(members::DEFAULT))
}

const fn cluster_and(name: &'static str) -> [crate::methods::Param; 2] {
    [req("cluster_id", Type::Int), req(name, Type::Int)]
}

/// Cluster and member are looked up before any right, negative ids as well.
const fn admin_of_both(kind: Kind) -> [Need; 4] {
    [
        Need::Exists(Kind::Cluster, 0),
        Need::Exists(kind, 1),
        Need::May(Kind::Cluster, 0, Op::Admin),
        Need::May(kind, 1, Op::Admin),
    ]
}

/// The methods of this pool.
#[rustfmt::skip]
pub static METHODS: &[Method] = &[
    write("one.cluster.adddatastore", Kind::Cluster, &cluster_and("datastore_id"), &admin_of_both(Kind::Datastore), |txn, request| add_member(txn, request, Kind::Datastore)),
    write("one.cluster.addhost", Kind::Cluster, &cluster_and("host_id"), &admin_of_both(Kind::Host), add_host),
    write("one.cluster.addvnet", Kind::Cluster, &cluster_and("vnet_id"), &admin_of_both(Kind::Net), |txn, request| add_member(txn, request, Kind::Net)),
    write("one.cluster.allocate", Kind::Cluster, &[req("name", Type::Str)], &[Need::Create(Kind::Cluster)], allocate),
    write("one.cluster.deldatastore", Kind::Cluster, &cluster_and("datastore_id"), &admin_of_both(Kind::Datastore), |txn, request| remove_member(txn, request, Kind::Datastore)),
    write("one.cluster.delete", Kind::Cluster, &[ID], &[Need::May(Kind::Cluster, 0, Op::Admin)], verbs::delete::<Cluster>),
    write("one.cluster.delhost", Kind::Cluster, &cluster_and("host_id"), &[], remove_host),
    write("one.cluster.delvnet", Kind::Cluster, &cluster_and("vnet_id"), &admin_of_both(Kind::Net), |txn, request| remove_member(txn, request, Kind::Net)),
    read("one.cluster.info", Kind::Cluster, &[ID, opt("decrypt", Type::Bool, Default::Bool(false))], &[Need::MayIgnoringLock(Kind::Cluster, 0, Op::Use)], verbs::info).while_disabled(),
    write("one.cluster.rename", Kind::Cluster, &[ID, req("name", Type::Str)], &[Need::Exists(Kind::Cluster, 0)], verbs::rename::<Cluster>),
    write("one.cluster.update", Kind::Cluster, &[ID, req("template", Type::Str), opt("append", Type::Int, Default::Int(0))], &[Need::May(Kind::Cluster, 0, Op::Manage)], verbs::update::<Cluster>),
    read("one.clusterpool.info", Kind::Cluster, &[], &[], verbs::pool_all).while_disabled(),
];
