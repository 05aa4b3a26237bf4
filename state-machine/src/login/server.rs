//! Sessions of services (Sunstone, OneFlow, OneGate, ...) that act for users: drivers `server_*` of the reference.
//!
//! `<server user>:<user>:<token>`, or `<server user>:<user>:<group>:<token>` to count for one group only. With
//! `server_cipher` the token is `<server user>:<user>:<expiry>`, encrypted by the server user's password.

use quorate_model::command::Actor;
use quorate_model::crypto::{decrypt_token, fingerprint, same};
use quorate_model::error::ApiError;
use quorate_model::kind::Kind;
use quorate_model::records::user::User;

use crate::state::State;

/// The user that a service acts for, as a session names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OnBehalf {
    /// The user.
    pub uid: i32,
    /// The group that counts; -1 all of the user's.
    pub gid: i32,
}

/// Whether users of this driver are services.
#[must_use]
pub fn is_server(driver: &str) -> bool {
    driver.starts_with("server_")
}

/// Splits what follows the server user's name: whom it acts for, and the token.
///
/// # Errors
/// AUTHENTICATION when it is no such text, or there is no such user, or it is disabled or not in the group.
pub fn split<'a>(state: &State, secret: &'a str) -> Result<(OnBehalf, &'a str), ApiError> {
    let refused = ApiError::authentication;
    let (target, rest) = secret.split_once(':').ok_or_else(refused)?;
    let (gid, token) = match rest.split_once(':') {
        Some((gid, token)) => (gid.parse().map_err(|_| refused())?, token),
        None => (-1, rest),
    };
    let uid = state.id_of(Kind::User, -1, target).ok_or_else(refused)?;
    let (_, user) = state.get::<User>(uid).map_err(|_| refused())?;
    // Better than the reference, which lets services act for disabled users and in groups of others.
    if !user.enabled || gid != -1 && !user.groups.contains(&gid) {
        return Err(refused());
    }
    Ok((OnBehalf { uid, gid }, token))
}

/// The group whose members may act for others.
const ADMINISTRATORS: i32 = 0;

/// Whether a user may act for others. Better than the reference, where whoever may give a user its driver and password,
/// a group's administrator say, could make a service of it and so become anybody.
pub fn is_trusted(user: &User) -> bool {
    user.groups.contains(&ADMINISTRATORS)
}

/// The actor behind a session of a `server_cipher` user.
///
/// # Errors
/// AUTHENTICATION, without saying why.
pub fn authenticate(state: &State, name: &str, server: &User, secret: &str, now: i64) -> Result<Actor, ApiError> {
    let (on_behalf, token) = split(state, secret)?;
    let text = decrypt_token(token, &server.password).ok_or_else(ApiError::authentication)?;
    let (who, expiry) = text.rsplit_once(':').ok_or_else(ApiError::authentication)?;
    let target = state.object(Kind::User, on_behalf.uid).map_err(|_| ApiError::authentication())?;
    let expected = match on_behalf.gid {
        -1 => format!("{name}:{}", target.name),
        gid => format!("{name}:{}:{gid}", target.name),
    };
    // Better than the reference, which lets a token for one user serve for every other.
    let expiry: i64 = expiry.trim().parse().map_err(|_| ApiError::authentication())?;
    if !same(who, &expected) || now >= expiry {
        return Err(ApiError::authentication());
    }
    Ok(actor(&on_behalf, server))
}

/// The actor of a session that was found to be good.
#[must_use]
pub fn actor(on_behalf: &OnBehalf, server: &User) -> Actor {
    Actor { uid: on_behalf.uid, token_gid: on_behalf.gid, credential: fingerprint(&server.password) }
}

/// Whether an actor's credential is the present password of an enabled service.
#[must_use]
pub fn vouches(state: &State, actor: &Actor) -> bool {
    // Services have the lowest ids: the search ends early unless the credential is no longer good.
    state.each::<User>().any(|(_, user)| {
        user.enabled
            && is_server(&user.auth_driver)
            && is_trusted(user)
            && fingerprint(&user.password) == actor.credential
    })
}

#[cfg(test)]
mod tests {
    use crate::login::tests::{NOW, ann, zone_of};
    use crate::login::{authenticate, still_valid};
    use crate::state::State;
    use quorate_model::crypto::encrypt_token;
    use quorate_model::crypto::sha256_hex;
    use quorate_model::records::user::User;

    fn service() -> User {
        User {
            auth_driver: "server_cipher".to_owned(),
            password: sha256_hex("secret"),
            enabled: true,
            groups: [0].into(),
            ..User::default()
        }
    }

    /// Ann is in group 1; the service's name is `web`.
    fn zone(ann: User, service: User) -> State {
        zone_of([("web", 1, service), ("ann", 2, User { groups: [1].into(), ..ann })])
    }

    fn session(between: &str, inside: &str) -> String {
        format!("web:{between}:{}", encrypt_token(inside, &sha256_hex("secret")))
    }

    #[test]
    fn a_service_acts_for_a_user_until_its_token_ends() {
        let zone = zone(ann(), service());
        let good = session("ann", &format!("web:ann:{}", NOW + 1));
        let actor = authenticate(&zone, &good, NOW).unwrap();
        assert_eq!((actor.uid, actor.token_gid), (2, -1));
        assert!(still_valid(&zone, &actor).is_ok());
        assert!(authenticate(&zone, &good, NOW + 1).is_err());
        // As Ruby's encode64 and clients that break lines write it.
        assert!(authenticate(&zone, &(good + "\n"), NOW).is_ok());
    }

    #[test]
    fn a_token_is_for_the_service_and_the_user_it_names() {
        let zone = zone(ann(), service());
        for (between, inside) in [("ann", "web:web"), ("ann", "ann:ann"), ("web", "web:ann"), ("bob", "web:bob")] {
            let session = session(between, &format!("{inside}:{}", NOW + 1));
            assert!(authenticate(&zone, &session, NOW).is_err(), "{between} {inside}");
        }
        for broken in ["web:ann:", "web:ann", "web:ann:xyz", "web:secret", "web:ann:x:y"] {
            assert!(authenticate(&zone, broken, NOW).is_err(), "{broken}");
        }
    }

    /// Found by an attack: the administrator of a group made a service and acted as oneadmin.
    #[test]
    fn only_a_user_of_the_administrators_group_acts_for_others() {
        let outsider = User { groups: [100].into(), ..service() };
        let good = session("ann", &format!("web:ann:{}", NOW + 1));
        assert!(authenticate(&zone(ann(), service()), &good, NOW).is_ok());
        assert!(authenticate(&zone(ann(), outsider.clone()), &good, NOW).is_err());
        let actor = authenticate(&zone(ann(), service()), &good, NOW).unwrap();
        assert!(still_valid(&zone(ann(), outsider), &actor).is_err());
    }

    #[test]
    fn a_session_for_one_group_needs_the_user_in_it() {
        let zone = zone(ann(), service());
        let bound = |gid: i32| session(&format!("ann:{gid}"), &format!("web:ann:{gid}:{}", NOW + 1));
        assert_eq!(authenticate(&zone, &bound(1), NOW).map(|actor| actor.token_gid), Ok(1));
        assert!(authenticate(&zone, &bound(0), NOW).is_err());
    }

    #[test]
    fn a_service_that_is_disabled_or_has_a_new_password_vouches_for_nobody() {
        let good = session("ann", &format!("web:ann:{}", NOW + 1));
        let actor = authenticate(&zone(ann(), service()), &good, NOW).unwrap();
        let changed = User { password: sha256_hex("new"), ..service() };
        let disabled = User { enabled: false, ..service() };
        for zone in [zone(ann(), changed), zone(ann(), disabled), zone(User { enabled: false, ..ann() }, service())] {
            assert!(still_valid(&zone, &actor).is_err());
            assert!(authenticate(&zone, &good, NOW).is_err());
        }
    }
}
