//! What happens because time passes: the leader proposes a tick, apply decides what is due.

use quorate_model::api::{ApiReply, Value};
use quorate_model::kind::Kind;

use crate::pools::vm::network_change;
use crate::pools::{datastore, host, secgroup};
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
    host::monitor::start_due(txn);
    go_on_with_rollouts(txn);
    Ok(Value::Bool(true))
}

/// Goes on with the security groups and networks whose change did not come to all VMs with one entry. They share what one
/// entry may make. Which of them begins is drawn with every tick: a large one keeps the others waiting, but not for ever.
fn go_on_with_rollouts(txn: &mut Txn) {
    let groups = secgroup::rollout::waiting(txn).map(|id| (Kind::SecGroup, id));
    let networks = network_change::waiting(txn).map(|id| (Kind::Net, id));
    let mut waiting: Vec<(Kind, i32)> = groups.chain(networks).collect();
    if waiting.is_empty() {
        return;
    }
    let [a, b, c, d, ..] = txn.random();
    let first = u32::from_be_bytes([a, b, c, d]) as usize % waiting.len();
    waiting.rotate_left(first);
    for (kind, id) in waiting {
        match kind {
            Kind::SecGroup => secgroup::rollout::proceed(txn, id),
            _ => network_change::proceed(txn, id),
        }
    }
}
