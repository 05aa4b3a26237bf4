//! On whose behalf something is instantiated: AS_UID and AS_GID of its attributes.

use quorate_model::command::Actor;
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::template::{Template, whole_int};

use crate::authorize::Request as AuthRequest;
use crate::txn::Txn;

/// For whom a template is instantiated: the caller, or whom AS_UID and AS_GID name. Takes both out of the template.
///
/// # Errors
/// NO_EXISTS, AUTHORIZATION.
pub fn owner_asked_for(txn: &Txn, template: &mut Template) -> Result<Actor, ApiError> {
    let caller = txn.actor();
    let mut named = |attribute: &str, kind: Kind| -> Result<Option<i32>, ApiError> {
        let Some(id) = template.get(attribute).and_then(whole_int) else { return Ok(None) };
        template.remove(attribute);
        let id = i32::try_from(id).unwrap_or(-1);
        txn.object(kind, id)?;
        // As in the reference (`Request::as_uid_gid`), nobody becomes oneadmin or one of its group.
        Ok(Some(id).filter(|id| *id > 0))
    };
    let (uid, gid) = (named("AS_UID", Kind::User)?, named("AS_GID", Kind::Group)?);
    if uid.is_none() && gid.is_none() {
        return Ok(caller.clone());
    }
    if caller.uid != 0 {
        let user = uid.map(|id| txn.object(Kind::User, id)).transpose()?;
        let group = gid.map(|id| txn.object(Kind::Group, id)).transpose()?;
        let wishes: Vec<_> = [user, group].into_iter().flatten().map(|o| AuthRequest::on(o, Op::Manage)).collect();
        txn.authorize(&wishes)?;
    }
    let token_gid = gid.unwrap_or_else(|| txn.effective_gid(caller));
    Ok(Actor { uid: uid.unwrap_or(caller.uid), token_gid, credential: caller.credential })
}
