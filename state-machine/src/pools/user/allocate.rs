//! Making users: the first ones of a zone and `one.user.allocate`.

use std::collections::BTreeSet;

use quorate_model::api::{ApiReply, Value};
use quorate_model::crypto::{hex, sha256_hex};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::group::{self, Group};
use quorate_model::records::user::User;
use quorate_model::template::Template;

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::names;
use crate::pools::user::credentials::{SPACES, hashed, password_problem};
use crate::txn::Txn;

/// `oneadmin`, and `serveradmin` for services that act for users (nobody can log in as it without its secret).
pub fn bootstrap(txn: &mut Txn, oneadmin_hash: &str, serveradmin_secret: &str) {
    // The only users whose ids lie below those of others.
    txn.globals_mut().next_ids.insert(Kind::User, 0);
    create(txn, "oneadmin", oneadmin_hash.to_owned(), "core", 0, BTreeSet::from([0]));
    create(txn, "serveradmin", sha256_hex(serveradmin_secret), "server_cipher", 0, BTreeSet::from([0]));
}

/// `one.user.allocate`: parameters name, password, driver, groups (the first one is the primary group).
pub fn allocate(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, password) = (request.str(0), request.str(1));
    let driver = if request.str(2).is_empty() { "core" } else { request.str(2) };
    let groups = wanted_groups(txn, request)?;
    let password_required = txn
        .settings()
        .driver("AUTH_MAD_CONF", driver)
        .is_none_or(|conf| conf.get("PASSWORD_REQUIRED").is_none_or(|required| required.eq_ignore_ascii_case("YES")));
    let refused = |reason: String| Err(ApiError::internal(format!("{reason}.")));
    if password_required && let Some(reason) = password_problem(password) {
        return refused(reason);
    }
    if let Some(reason) = names::invalid(name, SPACES) {
        return refused(reason);
    }
    names::check_new(txn, Kind::User, -1, name)?;
    let primary = groups.first().copied().unwrap_or(group::USERS);
    let id = create(txn, name, hashed(driver, password), driver, primary, groups.into_iter().collect());
    Ok(Value::Int(id))
}

/// The groups of a new user, primary first, after checking that the caller may use them.
fn wanted_groups(txn: &Txn, request: &Request<'_>) -> Result<Vec<i32>, ApiError> {
    let actor = txn.actor();
    let own = txn.effective_gid(actor);
    let mut wishes = vec![AuthRequest::create(Kind::User, actor.uid, own)];
    let mut groups = Vec::new();
    for gid in request.ints(3) {
        let gid = i32::try_from(*gid).unwrap_or(-1);
        let object = txn.object(Kind::Group, gid)?;
        if gid != own {
            wishes.push(AuthRequest::on(object, Op::Manage));
        }
        groups.push(gid);
    }
    txn.authorize(&wishes)?;
    if groups.is_empty() {
        groups.push(if own == 0 { group::USERS } else { own });
    }
    Ok(groups)
}

/// Adds a user and enters it in its groups.
pub fn create(txn: &mut Txn, name: &str, password: String, driver: &str, gid: i32, groups: BTreeSet<i32>) -> i32 {
    let mut template = Template::new();
    template.set("TOKEN_PASSWORD", hex(&txn.random()));
    let user =
        User { groups: groups.clone(), password, auth_driver: driver.to_owned(), enabled: true, ..User::default() };
    let mut object = Object::new(name, template, user);
    object.gid = gid;
    object.gname = txn.find(Kind::Group, gid).map(|g| g.name.clone()).unwrap_or_default();
    object.id = txn.next_id(Kind::User);
    // A user owns itself: it sees and manages itself by its own permission bits.
    object.uid = object.id;
    let id = object.id;
    name.clone_into(&mut object.uname);
    txn.put(object);
    for gid in groups {
        if let Ok(group) = txn.body_mut::<Group>(gid) {
            group.users.insert(id);
        }
    }
    id
}
