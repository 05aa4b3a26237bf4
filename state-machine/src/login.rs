//! Who a session string belongs to: the `core` authentication of the reference.
//!
//! Pure. It must not log or echo any part of a session string.

use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::command::Actor;
use crate::error::ApiError;
use crate::kind::Kind;
use crate::pools::user::User;
use crate::state::State;

/// SHA-256 of a password in lower-case hex, as 6.6 stores it.
#[must_use]
pub fn sha256_hex(secret: &str) -> String {
    hex(&Sha256::digest(secret.as_bytes()))
}

/// SHA-1 of a password in lower-case hex, as older versions stored it; still accepted.
#[must_use]
pub fn sha1_hex(secret: &str) -> String {
    hex(&Sha1::digest(secret.as_bytes()))
}

/// Bytes in lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

/// The caller behind `user:secret`, where the secret is a password or a login token.
///
/// # Errors
/// AUTHENTICATION, without saying why.
pub fn authenticate(state: &State, session: &str, now: i64) -> Result<Actor, ApiError> {
    let (name, secret) = session.split_once(':').ok_or_else(ApiError::authentication)?;
    let uid = state.id_of(Kind::User, -1, name).ok_or_else(ApiError::authentication)?;
    let (_, user) = state.get::<User>(uid).map_err(|_| ApiError::authentication())?;
    if !user.enabled {
        return Err(ApiError::authentication());
    }
    let same = |a: &str, b: &str| bool::from(a.as_bytes().ct_eq(b.as_bytes()));
    if let Some(token) = user.tokens.iter().find(|t| same(&t.token, secret)) {
        let valid = token.expires == -1 || token.expires > now;
        return if valid {
            Ok(Actor { uid, token_gid: token.egid, credential: fingerprint(&token.token) })
        } else {
            Err(ApiError::authentication())
        };
    }
    let matches = match user.auth_driver.as_str() {
        "core" => same(&user.password, &sha256_hex(secret)) || same(&user.password, &sha1_hex(secret)),
        // A public user takes part only with its stored password, as the reference compares it.
        "public" => same(&user.password, &sha256_hex(secret)),
        _ => false,
    };
    if matches {
        Ok(Actor { uid, token_gid: -1, credential: fingerprint(&user.password) })
    } else {
        Err(ApiError::authentication())
    }
}

/// Whether the credential an actor authenticated with is still good: apply's own check.
///
/// # Errors
/// AUTHENTICATION when the user is gone or disabled, or its password or token changed since.
pub fn still_valid(state: &State, actor: &Actor) -> Result<(), ApiError> {
    let (_, user) = state.get::<User>(actor.uid).map_err(|_| ApiError::authentication())?;
    let known = fingerprint(&user.password) == actor.credential
        || user.tokens.iter().any(|t| t.egid == actor.token_gid && fingerprint(&t.token) == actor.credential);
    if user.enabled && known { Ok(()) } else { Err(ApiError::authentication()) }
}

/// A short digest of a stored credential; tells versions apart, reveals nothing.
#[must_use]
pub fn fingerprint(credential: &str) -> u64 {
    let digest = Sha256::digest(credential.as_bytes());
    digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}
