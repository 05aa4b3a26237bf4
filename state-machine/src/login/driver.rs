//! Authentication by drivers outside (`ssh`, `x509`, `ldap`, custom ones): what is asked, what an answer means.
//!
//! Pure: the process that is asked is the drivers crate's; the node that was called asks it, before anything is
//! proposed. It must not log or echo any part of a secret.

use std::collections::BTreeSet;
use std::fmt;

use quorate_model::api::Arg;
use quorate_model::command::{Actor, Call, Facts, SYSTEM};
use quorate_model::crypto::fingerprint;
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::user::User;

use crate::login::server::{self, OnBehalf};
use crate::names;
use crate::pools::{group, user};
use crate::state::State;

/// What the authentication driver is asked: the fields of its protocol's AUTHENTICATE message.
#[derive(Clone, PartialEq, Eq)]
pub struct AuthQuestion {
    /// The user, -1 when it is not known yet.
    pub uid: i32,
    /// Which of the driver's protocols.
    pub driver: String,
    /// The user's name as the session gives it.
    pub username: String,
    /// What is stored for the user; `-` when it is not known yet.
    pub password: String,
    /// What the session gives.
    pub secret: String,
    /// For a service's session: whom it acts for.
    pub on_behalf: Option<OnBehalf>,
}

impl fmt::Debug for AuthQuestion {
    /// Without the secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let AuthQuestion { uid, driver, username, .. } = self;
        f.debug_struct("AuthQuestion")
            .field("uid", uid)
            .field("driver", driver)
            .field("username", username)
            .finish_non_exhaustive()
    }
}

/// What a driver's consent leads to.
#[derive(Clone, PartialEq, Debug)]
pub enum Accepted {
    /// The session belongs to this actor.
    Actor(Actor),
    /// The user must be made, or its groups changed, first: propose this call, then look the session up again with
    /// the same answer.
    Enrol(Call),
}

/// The groups a driver tells, as the reference's drivers write them: ids, `*` before those that the user administrates.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
struct Groups {
    ids: Vec<i32>,
    admin_of: BTreeSet<i32>,
}

impl Groups {
    fn parse<'a>(state: &State, words: impl Iterator<Item = &'a str>) -> Result<Groups, ApiError> {
        let mut groups = Groups::default();
        for word in words {
            let (id, admin) = word.strip_prefix('*').map_or((word, false), |id| (id, true));
            let id = id.parse().ok().filter(|id| state.find(Kind::Group, *id).is_some());
            let id = id.ok_or_else(ApiError::authentication)?;
            if !groups.ids.contains(&id) {
                groups.ids.push(id);
            }
            if admin {
                groups.admin_of.insert(id);
            }
        }
        Ok(groups)
    }
}

/// The question about a session whose user is not known: the default driver may make one.
///
/// # Errors
/// AUTHENTICATION when the name could not be a user's.
pub fn about_stranger(state: &State, name: &str, secret: &str) -> Result<AuthQuestion, ApiError> {
    if names::invalid(name, user::credentials::SPACES).is_some() {
        return Err(ApiError::authentication());
    }
    Ok(AuthQuestion {
        uid: -1,
        driver: state.settings().value("DEFAULT_AUTH").to_owned(),
        username: name.to_owned(),
        password: "-".to_owned(),
        secret: secret.to_owned(),
        on_behalf: None,
    })
}

/// What follows when the driver consents with `message`: `<driver> <user> <password> [groups]`, of which only users
/// that are not known yet, or whose groups the driver manages, need anything.
///
/// # Errors
/// AUTHENTICATION when the answer makes no sense, or the user changed in between.
pub fn accept(state: &State, question: &AuthQuestion, message: &str) -> Result<Accepted, ApiError> {
    let mut words = message.split_whitespace();
    let (driver, name, password) = (words.next(), words.next(), words.next());
    if question.uid == -1 {
        let (Some(driver), Some(name), Some(password)) = (driver, name, password) else {
            return Err(ApiError::authentication());
        };
        let groups = Groups::parse(state, words)?;
        return match state.id_of(Kind::User, -1, name) {
            // Made just now, by this or another session's proposal.
            Some(uid) => known(state, uid, driver, password),
            None => Ok(Accepted::Enrol(enrolment(name, password, driver, &groups))),
        };
    }
    let (object, user) = state.get::<User>(question.uid).map_err(|_| ApiError::authentication())?;
    if !user.enabled || user.password != question.password || user.auth_driver != question.driver {
        return Err(ApiError::authentication());
    }
    if let Some(on_behalf) = &question.on_behalf {
        return Ok(Accepted::Actor(server::actor(on_behalf, user)));
    }
    let conf = state.settings().driver("AUTH_MAD_CONF", &user.auth_driver);
    if conf.is_some_and(|conf| conf.is_yes("DRIVER_MANAGED_GROUPS")) {
        let groups = Groups::parse(state, words)?;
        let ids: BTreeSet<i32> = groups.ids.iter().copied().collect();
        let admin = |gid: &i32| group::admins::is_admin(state, *gid, question.uid);
        let admin_of: BTreeSet<i32> = user.groups.iter().copied().filter(admin).collect();
        if !ids.is_empty() && (ids != user.groups || admin_of != groups.admin_of) {
            return Ok(Accepted::Enrol(enrolment(&object.name, &user.password, &user.auth_driver, &groups)));
        }
    }
    Ok(Accepted::Actor(own(question.uid, user)))
}

fn known(state: &State, uid: i32, driver: &str, password: &str) -> Result<Accepted, ApiError> {
    let (_, user) = state.get::<User>(uid).map_err(|_| ApiError::authentication())?;
    let same =
        user.enabled && user.auth_driver == driver && user.password == user::credentials::hashed(driver, password);
    if same { Ok(Accepted::Actor(own(uid, user))) } else { Err(ApiError::authentication()) }
}

fn own(uid: i32, user: &User) -> Actor {
    Actor { uid, token_gid: -1, credential: fingerprint(&user.password) }
}

fn enrolment(name: &str, password: &str, driver: &str, groups: &Groups) -> Call {
    let ints = |ids: &mut dyn Iterator<Item = i32>| Arg::Ints(ids.map(i64::from).collect());
    Call {
        method: user::enrol::ENROL.to_owned(),
        actor: Actor { uid: SYSTEM, token_gid: -1, credential: 0 },
        args: vec![
            Arg::Str(name.to_owned()),
            Arg::Str(password.to_owned()),
            Arg::Str(driver.to_owned()),
            ints(&mut groups.ids.iter().copied()),
            ints(&mut groups.admin_of.iter().copied()),
        ],
        facts: Facts::default(),
    }
}
