//! The content of a fresh zone: exactly what `defaults.json` of the compatibility notes lists.

use quorate_model::api::{ApiReply, Value};
use quorate_model::command::{Bootstrap, ZoneServer};
use quorate_model::crypto::hex;
use quorate_model::error::ApiError;
use quorate_model::kind::{Kind, LOCAL_ZONE};
use quorate_model::object::Object;
use quorate_model::records::zone::Zone;
use quorate_model::settings::Settings;

use crate::pools::{acl, cluster, datastore, group, market, secgroup, user, vdc};
use crate::txn::Txn;

/// Makes the first content; a zone that has it already stays as it is.
///
/// # Errors
/// INTERNAL when there is no zone key, or if the shipped defaults were unreadable.
pub fn apply(txn: &mut Txn, bootstrap: &Bootstrap) -> ApiReply {
    if txn.globals().bootstrapped {
        return Ok(Value::Bool(false));
    }
    if txn.key().is_none() {
        return Err(ApiError::internal("A zone without a key keeps no secrets"));
    }
    let settings = Settings::shipped(&bootstrap.datastore_location).map_err(ApiError::internal)?;
    txn.globals_mut().bootstrapped = true;
    txn.set_settings(settings);
    group::allocate::bootstrap(txn);
    let secret = hex(&txn.random());
    user::allocate::bootstrap(txn, &bootstrap.oneadmin_hash, &secret);
    acl::changes::bootstrap(txn);
    cluster::calls::bootstrap(txn);
    datastore::allocate::bootstrap(txn)?;
    secgroup::allocate::bootstrap(txn);
    vdc::allocate::bootstrap(txn);
    market::allocate::bootstrap(txn)?;
    let zone = Zone { enabled: true, servers: bootstrap.servers.clone(), ..Zone::default() };
    let mut template = quorate_model::template::Template::new();
    template.set("ENDPOINT", &bootstrap.endpoint);
    txn.put_with_id(LOCAL_ZONE, Object::new(&bootstrap.zone_name, template, zone).owned_by_oneadmin(0o600));
    Ok(Value::Bool(true))
}

/// Declares the servers of the local zone.
///
/// # Errors
/// NO_EXISTS before the zone exists.
pub fn set_servers(txn: &mut Txn, servers: &[ZoneServer]) -> ApiReply {
    servers.clone_into(&mut txn.body_mut::<Zone>(LOCAL_ZONE)?.servers);
    Ok(Value::Bool(true))
}

/// The kinds whose bootstrap content is made here; for the test that compares it with the notes.
pub const KINDS: [Kind; 9] = [
    Kind::Group,
    Kind::User,
    Kind::Acl,
    Kind::Cluster,
    Kind::Datastore,
    Kind::SecGroup,
    Kind::Vdc,
    Kind::Market,
    Kind::Zone,
];
