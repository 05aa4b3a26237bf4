//! What happens because time passes: the leader proposes a tick, apply decides what is due.

use crate::api::{ApiReply, Value};
use crate::pools::{datastore, host, secgroup, vnet};
use crate::txn::Txn;

/// Fires what is due.
///
/// # Errors
/// None today; the type is that of every command.
pub fn apply(txn: &mut Txn) -> ApiReply {
    for client in txn.expired_clients() {
        txn.forget_client(client);
    }
    datastore::monitor::start_due(txn);
    host::start_due(txn);
    secgroup::rollout::go_on(txn);
    vnet::rollout::go_on(txn);
    Ok(Value::Bool(true))
}
