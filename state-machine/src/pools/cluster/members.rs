//! Which hosts, datastores and virtual networks are in which clusters, kept on both sides: a cluster knows its members,
//! a member its clusters.
//!
//! Members and clusters change here together, or not at all; nobody else writes either side.

use std::collections::BTreeSet;

use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::cluster::{self, Cluster};
use quorate_model::records::host::Host;

use crate::pools::host::reservations;
use crate::state::State;
use crate::txn::Txn;

/// The cluster that a parameter means.
#[must_use]
pub fn named(id: i32) -> i32 {
    if id == -1 { cluster::DEFAULT } else { id }
}

/// The clusters an object is in; none when it is gone.
#[must_use]
pub fn clusters_of(state: &State, kind: Kind, id: i32) -> BTreeSet<i32> {
    state.find(kind, id).map(|object| object.body.clusters().into_iter().collect()).unwrap_or_default()
}

/// Adds a datastore or virtual network that exists to a cluster; being there already is no error.
///
/// # Errors
/// NO_EXISTS for either.
pub fn add(txn: &mut Txn, cluster: i32, kind: Kind, id: i32) -> Result<(), ApiError> {
    txn.object(kind, id)?;
    txn.body_mut::<Cluster>(cluster)?.members_mut(kind).insert(id);
    if let Some(clusters) = txn.object_mut(kind, id)?.body.clusters_mut() {
        clusters.insert(cluster);
    }
    Ok(())
}

/// Takes a datastore or virtual network out of a cluster; not being there is no error.
///
/// # Errors
/// NO_EXISTS for either.
pub fn remove(txn: &mut Txn, cluster: i32, kind: Kind, id: i32) -> Result<(), ApiError> {
    txn.object(kind, id)?;
    txn.body_mut::<Cluster>(cluster)?.members_mut(kind).remove(&id);
    if let Some(clusters) = txn.object_mut(kind, id)?.body.clusters_mut() {
        clusters.remove(&cluster);
    }
    Ok(())
}

/// An object is about to go: its clusters forget it.
pub fn forget(txn: &mut Txn, kind: Kind, id: i32) {
    for cluster in clusters_of(txn, kind, id) {
        if let Ok(cluster) = txn.body_mut::<Cluster>(cluster) {
            cluster.members_mut(kind).remove(&id);
        }
    }
}

/// Moves a host to a cluster, whose reservations count for it from now on.
///
/// # Errors
/// NO_EXISTS for either.
pub fn move_host(txn: &mut Txn, host: i32, cluster: i32) -> Result<(), ApiError> {
    let name = txn.object(Kind::Cluster, cluster)?.name.clone();
    let old = txn.get::<Host>(host)?.1.cluster;
    if old == cluster {
        return Ok(());
    }
    if let Ok(old) = txn.body_mut::<Cluster>(old) {
        old.hosts.remove(&host);
    }
    txn.body_mut::<Cluster>(cluster)?.hosts.insert(host);
    let body = txn.body_mut::<Host>(host)?;
    body.cluster = cluster;
    body.cluster_name = name;
    body.saved = true;
    let reservation = reservations::of_cluster(txn, cluster);
    reservations::follow_cluster(txn, host, &reservation)
}
