//! AES-256-CBC as OpenNebula uses it: for the sessions of services and for encrypted attributes. Digests of passwords and
//! tokens; bytes in hex.
//!
//! Pure and deterministic. It must not know what it encrypts, and never say why something cannot be decrypted.

use aes::Aes256;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use base64::{Engine, alphabet};
use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockDecryptMut, BlockEncryptMut, KeyIvInit};
use sha1::Sha1;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

type Encryptor = cbc::Encryptor<Aes256>;
type Decryptor = cbc::Decryptor<Aes256>;

/// Reads what other libraries write: without padding too, and with bits left over.
const TOLERANT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Bytes in lower-case hex.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes.iter().flat_map(|b| [b >> 4, b & 15]).map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

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

/// A short digest of a stored credential; tells versions apart, reveals nothing.
#[must_use]
pub fn fingerprint(credential: &str) -> u64 {
    let digest = Sha256::digest(credential.as_bytes());
    digest.iter().take(8).fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Whether two secrets are the same, in a time that does not tell where they differ.
#[must_use]
pub fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// The first 32 bytes of a secret as a key; what is missing is zero.
fn key(secret: &str) -> [u8; 32] {
    let mut key = [0; 32];
    for (to, from) in key.iter_mut().zip(secret.bytes()) {
        *to = from;
    }
    key
}

/// Encrypts `plain` by the secret, without initialization vector, in base64: as in the reference (`NebulaUtil.cc`,
/// `aes256cbc_encrypt`), so that what it stored is read here and the other way round.
#[must_use]
pub fn encrypt(plain: &str, secret: &str) -> String {
    let encrypted =
        Encryptor::new(&key(secret).into(), &[0; 16].into()).encrypt_padded_vec_mut::<Pkcs7>(plain.as_bytes());
    STANDARD.encode(encrypted)
}

/// What [`encrypt`] encrypted by this secret; `None` when it did not.
#[must_use]
pub fn decrypt(encrypted: &str, secret: &str) -> Option<String> {
    decrypt_bytes(&STANDARD.decode(encrypted).ok()?, &key(secret), [0; 16])
}

/// The text of a service's login token: base64 in any layout, encrypted by a key whose first half is the
/// initialization vector too.
#[must_use]
pub fn decrypt_token(encrypted: &str, secret: &str) -> Option<String> {
    if secret.len() < 32 {
        // Too short a key is no secret at all.
        return None;
    }
    let letters: String = encrypted.chars().filter(|c| c.is_ascii_alphanumeric() || matches!(c, '+' | '/')).collect();
    let key = key(secret);
    let mut vector = [0; 16];
    vector.iter_mut().zip(key).for_each(|(to, from)| *to = from);
    decrypt_bytes(&TOLERANT.decode(letters).ok()?, &key, vector)
}

/// A login token that [`decrypt_token`] reads, as services make it.
#[must_use]
pub fn encrypt_token(plain: &str, secret: &str) -> String {
    let key = key(secret);
    let mut vector = [0; 16];
    vector.iter_mut().zip(key).for_each(|(to, from)| *to = from);
    STANDARD.encode(Encryptor::new(&key.into(), &vector.into()).encrypt_padded_vec_mut::<Pkcs7>(plain.as_bytes()))
}

fn decrypt_bytes(encrypted: &[u8], key: &[u8; 32], vector: [u8; 16]) -> Option<String> {
    if encrypted.is_empty() {
        return None;
    }
    let plain = Decryptor::new(key.into(), &vector.into()).decrypt_padded_vec_mut::<Pkcs7>(encrypted).ok()?;
    String::from_utf8(plain).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_openssl_encrypted_is_read() {
        // printf 's3cret' | openssl enc -aes-256-cbc -a -K $(printf '%s' 0123456789abcdef0123456789abcdef | xxd -p -c 64) -iv 0
        const KEY: &str = "0123456789abcdef0123456789abcdef-and-more";
        assert_eq!(decrypt("bhjVknBUnEmmRcHh8r8sjw==", KEY).as_deref(), Some("s3cret"));
        assert_eq!(encrypt("s3cret", KEY), "bhjVknBUnEmmRcHh8r8sjw==");
        assert_eq!(decrypt("bhjVknBUnEmmRcHh8r8sjw==", "another"), None);
        assert_eq!(decrypt("", KEY), None);
        assert_eq!(decrypt("s3cret", KEY), None);
    }
}
