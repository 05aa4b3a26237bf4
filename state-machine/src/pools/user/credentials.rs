//! Passwords, authentication drivers, login tokens.

use quorate_model::api::{ApiReply, Value};
use quorate_model::body::Variant;
use quorate_model::crypto::{fingerprint, hex, sha256_hex};
use quorate_model::error::ApiError;
use quorate_model::head::Op;
use quorate_model::kind::Kind;
use quorate_model::object::Object;
use quorate_model::records::user::{LoginToken, ONEADMIN, User};
use quorate_model::settings::Settings;

use crate::authorize::Request as AuthRequest;
use crate::methods::Request;
use crate::secrets;
use crate::txn::Txn;

/// Characters that neither names nor passwords of users may have; names may not have a colon either.
pub const SPACES: &str = " \t\n\u{b}\u{c}\r";

/// The name of the call that [`forget_token`] answers.
pub const FORGET_TOKEN: &str = "quorate.user.forget_token";

/// How many tokens a user may have at a time.
const MAX_TOKENS: usize = 10;

/// A password as it is stored for a driver: only `core` stores a hash of its own.
#[must_use]
pub fn hashed(driver: &str, password: &str) -> String {
    if driver == "core" { sha256_hex(password) } else { password.to_owned() }
}

/// Why a password is not valid, in the reference's words.
#[must_use]
pub fn password_problem(password: &str) -> Option<String> {
    if password.is_empty() {
        return Some("Invalid password, it cannot be empty".to_owned());
    }
    let space = password.chars().find(|c| SPACES.contains(*c))?;
    Some(format!("Invalid password, character '{space}' is not allowed"))
}

/// `one.user.passwd`: parameters user, password. Ends all tokens of the user.
pub fn change_password(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let driver = txn.get::<User>(request.id())?.1.auth_driver.clone();
    let changes = txn.settings().driver("AUTH_MAD_CONF", &driver).is_some_and(|d| d.is_yes("PASSWORD_CHANGE"));
    if !changes && !txn.is_admin(txn.actor()) {
        return Err(ApiError::action(format!("Password for driver {driver} cannot be changed.")));
    }
    set_password(txn, request.id(), request.str(1))?;
    Ok(Value::Int(request.id()))
}

/// `one.user.chauth`: parameters user, driver (any name is taken), password (empty keeps).
pub fn change_driver(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    request.str(1).clone_into(&mut txn.body_mut::<User>(request.id())?.auth_driver);
    if !request.str(2).is_empty() {
        set_password(txn, request.id(), request.str(2))?;
    }
    Ok(Value::Int(request.id()))
}

fn set_password(txn: &mut Txn, id: i32, password: &str) -> Result<(), ApiError> {
    if let Some(reason) = password_problem(password) {
        return Err(ApiError::action(reason));
    }
    let user = txn.body_mut::<User>(id)?;
    user.password = hashed(&user.auth_driver, password);
    user.tokens.clear();
    Ok(())
}

/// `one.user.login`: parameters user name, token (empty: one is made), seconds (0 ends, -1 for ever), group.
pub fn login(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (name, token, egid) = (request.str(0), request.str(1), request.int(3));
    let id = txn.id_of(Kind::User, -1, name).ok_or_else(|| ApiError::no_exists(Kind::User, -1))?;
    let (object, user) = txn.get::<User>(id)?;
    txn.authorize(&[AuthRequest::on(object, Op::Manage)])?;
    let driver = &user.auth_driver;
    let longest = txn.settings().driver("AUTH_MAD_CONF", driver).and_then(|d| d.int("MAX_TOKEN_TIME")).unwrap_or(-1);
    if longest == 0 {
        return Err(ApiError::action(format!("Login tokens are disabled for driver {driver}")));
    }
    let mut seconds = request.int64(2);
    if longest > 0 && (seconds > longest || seconds == -1) {
        seconds = longest;
    }
    match seconds {
        0 => end_tokens(txn, id, token),
        -1 => add_token(txn, id, token, -1, egid),
        1.. => add_token(txn, id, token, txn.now().saturating_add(seconds), egid),
        _ => Err(ApiError::api("Wrong valid period for token")),
    }
}

/// Ends one token, or all for an empty text.
fn end_tokens(txn: &mut Txn, id: i32, token: &str) -> ApiReply {
    let tokens = &mut txn.body_mut::<User>(id)?.tokens;
    let before = tokens.len();
    tokens.retain(|t| !token.is_empty() && t.token != token);
    if !token.is_empty() && tokens.len() == before {
        return Err(ApiError::api(format!("Could not find token: {token}")));
    }
    Ok(Value::Text(token.to_owned()))
}

/// [`FORGET_TOKEN`]: parameters user, fingerprint of a token that no longer serves (`login::stale_token`).
pub fn forget_token(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    let (id, gone) = (request.id(), request.int64(1).cast_unsigned());
    let user = txn.body_mut::<User>(id)?;
    let groups = user.groups.clone();
    user.tokens.retain(|t| fingerprint(&t.token) != gone || t.egid == -1 || groups.contains(&t.egid));
    Ok(Value::Int(id))
}

fn add_token(txn: &mut Txn, id: i32, token: &str, expires: i64, egid: i32) -> ApiReply {
    let callers = txn.groups_of(txn.actor());
    let admin = txn.is_admin(txn.actor());
    let groups = &txn.get::<User>(id)?.1.groups;
    if egid != -1 && !admin && !(groups.contains(&egid) && callers.contains(&egid)) {
        return Err(ApiError::api("EGID is not in user group list"));
    }
    if egid == -1 && !groups.iter().eq(callers.iter()) {
        return Err(ApiError::api("Cannot create a full token with a specific group token"));
    }
    let token = if token.is_empty() { hex(&txn.random()) } else { token.to_owned() };
    let now = txn.now();
    let tokens = &mut txn.body_mut::<User>(id)?.tokens;
    tokens.retain(|t| t.expires == -1 || now <= t.expires);
    if tokens.len() >= MAX_TOKENS {
        return Err(ApiError::api("Max number of tokens limit reached."));
    }
    // A token that exists already stays as it is.
    if let Err(place) = tokens.binary_search_by(|t| t.token.as_str().cmp(&token)) {
        tokens.insert(place, LoginToken { token: token.clone(), expires, egid });
    }
    Ok(Value::Text(token))
}

/// Whether an attribute of users' templates opens something: the secret of OneGate's tokens, and what is kept encrypted.
#[must_use]
pub fn is_credential(settings: &Settings, name: &str) -> bool {
    // A part of a vector makes the whole vector one.
    let of = |path: &str| path.split('/').next() == Some(name);
    name == "TOKEN_PASSWORD" || secrets::names(settings, Kind::User).any(of)
}

/// A user without anything that opens something: no password, no login tokens, none of the attributes that are one.
#[must_use]
pub fn without_credentials(settings: &Settings, user: &Object) -> Object {
    let mut shown = user.clone();
    shown.template.retain(|name, _| !is_credential(settings, name));
    if let Some(user) = User::of_mut(&mut shown.body) {
        user.password.clear();
        user.tokens.clear();
    }
    shown
}

/// `one.user.enable`: parameters id, whether.
pub fn enable(txn: &mut Txn, request: &Request<'_>) -> ApiReply {
    if request.id() == ONEADMIN {
        return Err(ApiError::action("Cannot enable/disable oneadmin user"));
    }
    txn.body_mut::<User>(request.id())?.enabled = request.bool(1);
    Ok(Value::Int(request.id()))
}
