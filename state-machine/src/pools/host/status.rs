//! States of hosts and what moves between them: `one.host.status` and monitoring.

use crate::api::{ApiReply, Value};
use crate::error::ApiError;
use crate::kind::Kind;
use crate::methods::Request;
use crate::numbered::numbered;
use crate::pools::PoolBody;
use crate::pools::host::{Host, start_monitoring, stop_monitoring};
use crate::txn::Txn;

numbered! {
    /// A host's state, with the reference's numbers.
    #[derive(Default)]
    HostState {
        /// Not monitored yet.
        #[default]
        Init = 0 "INIT",
        /// Monitored: VMs may be scheduled on it.
        Monitored = 2 "MONITORED",
        /// Monitoring failed.
        Error = 3 "ERROR",
        /// Monitored, but only by hand VMs get there.
        Disabled = 4 "DISABLED",
        /// Neither monitored nor used.
        Offline = 8 "OFFLINE",
    }
}

impl HostState {
    /// The state of this name, in upper case.
    #[must_use]
    pub fn named(name: &str) -> Option<HostState> {
        HostState::ALL.iter().copied().find(|state| state.name() == name)
    }
}

/// What a host no longer says of itself when it goes offline.
const CAPACITY_ATTRIBUTES: [&str; 6] = ["TOTALCPU", "TOTALMEMORY", "FREECPU", "FREEMEMORY", "USEDCPU", "USEDMEMORY"];

/// `one.host.status`: parameters id, 0 enable, 1 disable, 2 offline.
pub fn set_status(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let id = request.id();
    let object = txn.object_mut(Kind::Host, id)?;
    let Some(host) = Host::of_mut(&mut object.body) else { return Err(ApiError::no_exists(Kind::Host, id)) };
    let was = host.state;
    host.saved = true;
    host.state = match request.int(1) {
        // As in the reference, enabling an enabled host starts its monitoring anew.
        0 if was == HostState::Disabled && host.share.total_cpu > 0 => HostState::Monitored,
        0 => HostState::Init,
        1 => HostState::Disabled,
        2 => {
            host.share.reset();
            for name in CAPACITY_ATTRIBUTES {
                object.template.remove(name);
            }
            HostState::Offline
        }
        _ => return Err(ApiError::internal("Wrong status code")),
    };
    match host.state {
        HostState::Offline => stop_monitoring(txn, id),
        HostState::Init => start_monitoring(txn, id),
        _ if was == HostState::Offline => start_monitoring(txn, id),
        _ => {}
    }
    Ok(Value::Int(id))
}
