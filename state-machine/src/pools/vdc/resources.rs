//! The resources of a VDC: clusters, hosts, datastores, networks.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::{Kind, LOCAL_ZONE};
use quorate_model::records::Record;
use quorate_model::records::vdc::{ALL_RESOURCES, Resource, Vdc};

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::pools::vdc::rules;
use crate::txn::Txn;

/// A deleted cluster, host, datastore or network is in no VDC any more.
pub fn forget(txn: &mut Txn, kind: Kind, id: i32) {
    let resource = (LOCAL_ZONE, id);
    let having = txn.each::<Vdc>().filter(|(_, vdc)| vdc.resources(kind).contains(&resource));
    let having: Vec<(i32, BTreeSet<i32>)> = having.map(|(object, vdc)| (object.id, vdc.groups.clone())).collect();
    for (vdc, groups) in having {
        if let Ok(vdc) = txn.body_mut::<Vdc>(vdc) {
            vdc.resources_mut(kind).remove(&resource);
        }
        for gid in groups {
            rules::remove(txn, gid, &[(kind, resource)]);
        }
    }
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

/// Parameters VDC, zone, resource.
pub fn add<R: Record>(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let kind = R::KIND;
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
        rules::add(txn, gid, &[(kind, (zone, id))]);
        rules::remove(txn, gid, &replaced);
    }
    Ok(Value::Int(vdc_id))
}

/// Parameters VDC, zone, resource.
pub fn remove<R: Record>(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let kind = R::KIND;
    check_resource(txn, request, kind, false)?;
    let (vdc_id, zone, id) = (request.id(), request.int(1), request.int(2));
    let vdc = txn.body_mut::<Vdc>(vdc_id)?;
    if !vdc.resources_mut(kind).remove(&(zone, id)) {
        let name = kind.info().auth_name;
        return Err(ApiError::internal(format!("{name} {id} from Zone {zone} is not assigned to the VDC ")));
    }
    for gid in vdc.groups.clone() {
        rules::remove(txn, gid, &[(kind, (zone, id))]);
    }
    Ok(Value::Int(vdc_id))
}
