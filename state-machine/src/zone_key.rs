//! The zone's key: what seals everything secret that the zone keeps, and everything that it keeps.
//!
//! It lives in a file of its own on every node, never in the state, the log, a snapshot or a backup: a [`State`] only
//! carries it along. What is sealed names its place, and opens nowhere else. Pure: nonces come from the caller. It must
//! not know what it seals.
//!
//! [`State`]: crate::state::State

use std::fmt;

use aes_gcm_siv::aead::AeadInPlace as _;
use aes_gcm_siv::{Aes256GcmSiv, KeyInit as _, Nonce, Tag};
use quorate_model::kind::Kind;
use sha2::{Digest as _, Sha256};

use crate::store_key::StoreKey;

/// Bytes of a nonce. One that comes twice tells only whether the same was sealed at the same place twice.
pub const NONCE: usize = 12;
/// Bytes of the tag behind what is sealed.
const TAG: usize = 16;
/// Characters of a key at least: the reference's `one_key` has 64.
const SHORTEST: usize = 32;
/// The longest key that is believed, in characters.
const LONGEST: usize = 1024;

/// Where something sealed belongs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place<'a> {
    /// An entry of the log.
    Entry,
    /// A record of the state, on disk, in a snapshot or in a backup.
    Record(StoreKey),
    /// What a snapshot says of itself.
    Snapshot,
    /// An attribute of an object: kind, id, and `NAME` or `VECTOR/NAME`.
    Attribute(Kind, i32, &'a str),
}

impl Place<'_> {
    /// Different for different places.
    fn to_bytes(self) -> Vec<u8> {
        match self {
            Place::Entry => b"entry".to_vec(),
            Place::Record(key) => [&b"record "[..], &key.to_bytes()].concat(),
            Place::Snapshot => b"snapshot".to_vec(),
            Place::Attribute(kind, id, path) => {
                [&b"attribute "[..], &[kind as u8], &id.to_be_bytes(), path.as_bytes()].concat()
            }
        }
    }
}

/// The key. It has no printable form.
#[derive(Clone)]
pub struct ZoneKey {
    text: String,
    cipher: Aes256GcmSiv,
    fingerprint: u64,
}

impl fmt::Debug for ZoneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ZoneKey({})", self.shown_fingerprint())
    }
}

impl ZoneKey {
    /// The key that is written as `text`; blanks around it do not count.
    ///
    /// # Errors
    /// When it is no key: too short, too long, or not of visible ASCII characters.
    pub fn from_text(text: &str) -> Result<ZoneKey, String> {
        let text = text.trim_ascii();
        if !(SHORTEST..=LONGEST).contains(&text.len()) {
            return Err(format!("a zone's key has {SHORTEST} to {LONGEST} characters, this has {}", text.len()));
        }
        if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err("a zone's key is one word of visible ASCII characters".to_owned());
        }
        let derive =
            |purpose: &str| -> [u8; 32] { Sha256::new().chain_update(purpose).chain_update(text).finalize().into() };
        let first = Sha256::digest(derive("quorate: fingerprint of the zone's key:"));
        let fingerprint = first.iter().take(8).fold(0, |n, byte| n << 8 | u64::from(*byte));
        let cipher = Aes256GcmSiv::new(&derive("quorate: the zone's key:").into());
        Ok(ZoneKey { text: text.to_owned(), cipher, fingerprint })
    }

    /// A key for a zone of tests, known to everybody.
    #[must_use]
    pub fn for_tests() -> ZoneKey {
        let text = "0123456789abcdef".repeat(4);
        ZoneKey::from_text(&text).unwrap_or_else(|reason| unreachable!("{reason}"))
    }

    /// As it is written in its file, and as the reference's format takes it.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What tells keys apart and reveals nothing of them.
    #[must_use]
    pub fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// The fingerprint for operators.
    #[must_use]
    pub fn shown_fingerprint(&self) -> String {
        show_fingerprint(self.fingerprint)
    }

    /// Seals `plain` for a place. The nonce stands in front.
    #[must_use]
    pub fn seal(&self, place: Place<'_>, nonce: [u8; NONCE], plain: &[u8]) -> Vec<u8> {
        let mut sealed = Vec::with_capacity(NONCE + plain.len() + TAG);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(plain);
        let (nonce, content) = sealed.split_at_mut(NONCE);
        match self.cipher.encrypt_in_place_detached(Nonce::from_slice(nonce), &place.to_bytes(), content) {
            Ok(tag) => sealed.extend_from_slice(&tag),
            // Of more than 64 GiB only, which no memory of ours holds; nothing is better than something in clear.
            Err(_) => sealed.clear(),
        }
        sealed
    }

    /// What was sealed by this key for this place; `None` when it was not.
    #[must_use]
    pub fn open(&self, place: Place<'_>, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE)?;
        let (content, tag) = sealed.split_at_checked(sealed.len().checked_sub(TAG)?)?;
        let mut plain = content.to_vec();
        let opened = self.cipher.decrypt_in_place_detached(
            Nonce::from_slice(nonce),
            &place.to_bytes(),
            &mut plain,
            Tag::from_slice(tag),
        );
        opened.ok().map(|()| plain)
    }
}

/// A fingerprint as operators compare it.
#[must_use]
pub fn show_fingerprint(fingerprint: u64) -> String {
    format!("{fingerprint:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_word_that_is_long_enough() {
        assert!(ZoneKey::from_text(&"k".repeat(31)).is_err());
        assert!(ZoneKey::from_text(&format!("{} {}", "k".repeat(32), "k")).is_err());
        assert!(ZoneKey::from_text(&format!("{}\u{e9}", "k".repeat(32))).is_err());
        let key = ZoneKey::from_text(&format!(" {}\n", "k".repeat(64))).unwrap();
        assert_eq!(key.text(), "k".repeat(64));
        assert!(!format!("{key:?}").contains("kkk"), "it has no printable form");
        assert_ne!(key.fingerprint(), ZoneKey::for_tests().fingerprint());
    }

    #[test]
    fn what_is_sealed_opens_at_its_place_by_its_key_and_unchanged_only() {
        let (key, other) = (ZoneKey::for_tests(), ZoneKey::from_text(&"k".repeat(64)).unwrap());
        let places = [
            Place::Entry,
            Place::Snapshot,
            Place::Record(StoreKey::Settings),
            Place::Record(StoreKey::Object(Kind::User, 2)),
            Place::Attribute(Kind::User, 2, "SSH_PRIVATE_KEY"),
            Place::Attribute(Kind::User, 3, "SSH_PRIVATE_KEY"),
            Place::Attribute(Kind::Image, 2, "SSH_PRIVATE_KEY"),
            Place::Attribute(Kind::User, 2, "SSH_PASSPHRASE"),
        ];
        for place in places {
            let sealed = key.seal(place, [7; NONCE], b"secret");
            for at in places {
                assert_eq!(
                    key.open(at, &sealed).as_deref(),
                    (at == place).then_some(&b"secret"[..]),
                    "{place:?} {at:?}"
                );
            }
            assert_eq!(other.open(place, &sealed), None);
            for i in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[i] ^= 1;
                assert_eq!(key.open(place, &changed), None);
                assert_eq!(key.open(place, &sealed[..i]), None);
            }
        }
    }
}
