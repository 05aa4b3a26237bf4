//! What is kept from VMs on a host: by itself, else by its cluster.

use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::host::Host;
use quorate_model::records::host::share::Reservation;

use crate::state::State;
use crate::txn::Txn;

/// What is reserved on a host: by itself, else by its cluster.
#[must_use]
pub fn of_host(state: &State, id: i32) -> Reservation {
    let Some((object, host)) = state.find_typed::<Host>(id) else { return Reservation::default() };
    Reservation::of(&object.template).or(&of_cluster(state, host.cluster))
}

/// What a cluster reserves on each of its hosts that reserves nothing itself.
#[must_use]
pub fn of_cluster(state: &State, cluster: i32) -> Reservation {
    state.find(Kind::Cluster, cluster).map(|object| Reservation::of(&object.template)).unwrap_or_default()
}

/// A host's cluster reserves as given; a host that reserves both CPU and memory itself stays as it is.
///
/// # Errors
/// NO_EXISTS when the host is gone.
pub fn follow_cluster(txn: &mut Txn, id: i32, cluster: &Reservation) -> Result<(), ApiError> {
    let own = Reservation::of(&txn.object(Kind::Host, id)?.template);
    if own.is_complete() {
        return Ok(());
    }
    let object = txn.object_mut(Kind::Host, id)?;
    if let Some(host) = Host::of_mut(&mut object.body) {
        host.share.reserve(&mut object.template, &own.or(cluster));
        host.saved = true;
    }
    Ok(())
}
