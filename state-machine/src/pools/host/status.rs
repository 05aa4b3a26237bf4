//! `one.host.status`: an administrator enables a host, disables it or takes it offline.

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::host::Host;
use quorate_model::records::host::state::HostState;

use crate::methods::Request;
use crate::pools::host::monitor;
use crate::txn::Txn;

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
        // As in the reference (`Host.cc`, `enable`), enabling an enabled host starts its monitoring anew.
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
        HostState::Offline => monitor::stop(txn, id),
        HostState::Init => monitor::start(txn, id),
        _ if was == HostState::Offline => monitor::start(txn, id),
        _ => {}
    }
    Ok(Value::Int(id))
}
