//! Who a session string belongs to: passwords and tokens here, services' sessions in [`server`], users of other
//! authentication drivers in [`driver`].
//!
//! Pure. It must not log or echo any part of a session string.

pub mod driver;
pub mod server;

use quorate_model::api::Arg;
use quorate_model::command::{Actor, Call, Facts, SYSTEM};
use quorate_model::crypto::{fingerprint, same, sha1_hex, sha256_hex};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::user::{LoginToken, User};

use crate::login::driver::AuthQuestion;
use crate::pools::user::credentials::FORGET_TOKEN;
use crate::state::State;

/// What a session string leads to.
#[derive(Clone, PartialEq, Debug)]
pub enum Identity {
    /// It belongs to this actor.
    Actor(Actor),
    /// An authentication driver must be asked; [`driver::accept`] says what its consent means.
    Ask(AuthQuestion),
}

/// The caller behind `user:secret`, where no driver has to be asked.
///
/// # Errors
/// AUTHENTICATION, without saying why.
pub fn authenticate(state: &State, session: &str, now: i64) -> Result<Actor, ApiError> {
    match identify(state, session, now)? {
        Identity::Actor(actor) => Ok(actor),
        Identity::Ask(_) => Err(ApiError::authentication()),
    }
}

/// What `user:secret` leads to; the secret is a password, a login token, or what the user's driver understands.
///
/// # Errors
/// AUTHENTICATION, without saying why.
pub fn identify(state: &State, session: &str, now: i64) -> Result<Identity, ApiError> {
    let (name, secret) = session.split_once(':').ok_or_else(ApiError::authentication)?;
    let Some(uid) = state.id_of(Kind::User, -1, name) else {
        return driver::about_stranger(state, name, secret).map(Identity::Ask);
    };
    let (_, user) = state.get::<User>(uid).map_err(|_| ApiError::authentication())?;
    if !user.enabled {
        return Err(ApiError::authentication());
    }
    if server::is_server(&user.auth_driver) && !server::is_trusted(user) {
        return Err(ApiError::authentication());
    }
    if user.auth_driver == "server_cipher" {
        return server::authenticate(state, name, user, secret, now).map(Identity::Actor);
    }
    let question = |secret: &str, on_behalf| AuthQuestion {
        uid,
        driver: user.auth_driver.clone(),
        username: name.to_owned(),
        password: user.password.clone(),
        secret: secret.to_owned(),
        on_behalf,
    };
    if server::is_server(&user.auth_driver) {
        let (on_behalf, token) = server::split(state, secret)?;
        return Ok(Identity::Ask(question(token, Some(on_behalf))));
    }
    if let Some(token) = user.tokens.iter().find(|t| same(&t.token, secret)) {
        let valid = (token.expires == -1 || token.expires > now) && binds_to_own_group(user, token);
        return if valid {
            Ok(Identity::Actor(Actor { uid, token_gid: token.egid, credential: fingerprint(&token.token) }))
        } else {
            Err(ApiError::authentication())
        };
    }
    match user.auth_driver.as_str() {
        "core" if same(&user.password, &sha256_hex(secret)) || same(&user.password, &sha1_hex(secret)) => {
            Ok(Identity::Actor(Actor { uid, token_gid: -1, credential: fingerprint(&user.password) }))
        }
        // Users of `public` come in by tokens and services only.
        "core" | "public" => Err(ApiError::authentication()),
        _ => Ok(Identity::Ask(question(secret, None))),
    }
}

/// What to propose about a session that did not authenticate: a token for a group that its user is not in is gone once
/// somebody tried it (the reference: `UserPool.cc`, `authenticate_internal`).
#[must_use]
pub fn stale_token(state: &State, session: &str) -> Option<Call> {
    let (name, secret) = session.split_once(':')?;
    let uid = state.id_of(Kind::User, -1, name)?;
    let (_, user) = state.find_typed::<User>(uid)?;
    let token = user.tokens.iter().find(|t| same(&t.token, secret)).filter(|t| !binds_to_own_group(user, t))?;
    let args = vec![Arg::Int(i64::from(uid)), Arg::Int(fingerprint(&token.token).cast_signed())];
    let actor = Actor { uid: SYSTEM, token_gid: -1, credential: 0 };
    Some(Call { method: FORGET_TOKEN.to_owned(), actor, args, facts: Facts::default() })
}

/// Whether the credential an actor authenticated with is still good: apply's own check.
///
/// # Errors
/// AUTHENTICATION when the user is gone or disabled, or its password or token changed since.
pub fn still_valid(state: &State, actor: &Actor) -> Result<(), ApiError> {
    let (_, user) = state.get::<User>(actor.uid).map_err(|_| ApiError::authentication())?;
    let own_token = |token: &LoginToken| token.egid == actor.token_gid && fingerprint(&token.token) == actor.credential;
    let in_group = actor.token_gid == -1 || user.groups.contains(&actor.token_gid);
    let known = || {
        actor.token_gid == -1 && fingerprint(&user.password) == actor.credential
            || user.tokens.iter().any(own_token)
            || server::vouches(state, actor)
    };
    if user.enabled && in_group && known() { Ok(()) } else { Err(ApiError::authentication()) }
}

/// A token that is bound to a group serves only as long as its user is in the group.
fn binds_to_own_group(user: &User, token: &LoginToken) -> bool {
    token.egid == -1 || user.groups.contains(&token.egid)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::txn::Txn;
    use quorate_model::object::Object;
    use quorate_model::template::Template;

    pub(crate) const NOW: i64 = 1_700_000_000;

    pub(crate) fn zone_of<const N: usize>(users: [(&str, i32, User); N]) -> State {
        let mut txn = Txn::new(State::default(), Actor::default(), Facts::default(), [0; 32]);
        for (name, id, user) in users {
            txn.put_with_id(id, Object::new(name, Template::new(), user));
        }
        txn.commit().0
    }

    fn zone_with(user: User) -> State {
        zone_of([("ann", 2, user)])
    }

    pub(crate) fn ann() -> User {
        User { auth_driver: "core".to_owned(), password: sha256_hex("pw"), enabled: true, ..User::default() }
    }

    fn token(text: &str, expires: i64, egid: i32) -> LoginToken {
        LoginToken { token: text.to_owned(), expires, egid }
    }

    fn comes_in(user: User, secret: &str) -> bool {
        authenticate(&zone_with(user), &format!("ann:{secret}"), NOW).is_ok()
    }

    #[test]
    fn a_core_user_comes_in_by_its_password_in_either_hash() {
        assert!(comes_in(ann(), "pw"));
        assert!(comes_in(User { password: sha1_hex("pw"), ..ann() }, "pw"));
        assert!(!comes_in(ann(), "pw "));
        assert!(!comes_in(User { enabled: false, ..ann() }, "pw"));
    }

    #[test]
    fn the_stored_hash_is_no_password() {
        assert!(!comes_in(ann(), &sha256_hex("pw")));
        assert!(!comes_in(User { auth_driver: "public".to_owned(), password: "pw".to_owned(), ..ann() }, "pw"));
    }

    #[test]
    fn a_token_serves_until_it_ends_and_only_within_its_group() {
        let with = |token: LoginToken| User { tokens: vec![token], groups: [1].into(), ..ann() };
        assert!(comes_in(with(token("t", -1, -1)), "t"));
        assert!(comes_in(with(token("t", NOW + 1, 1)), "t"));
        assert!(!comes_in(with(token("t", NOW, -1)), "t"));
        assert!(!comes_in(with(token("t", -1, 7)), "t"));
    }

    #[test]
    fn a_changed_password_ends_what_was_authenticated_before() {
        let actor = authenticate(&zone_with(ann()), "ann:pw", NOW).unwrap();
        assert!(still_valid(&zone_with(ann()), &actor).is_ok());
        assert!(still_valid(&zone_with(User { password: sha256_hex("new"), ..ann() }), &actor).is_err());
    }
}
