//! Encrypting one secret.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use openpact_model::principal::Principal;
use openpact_model::random::Random;
use openpact_model::secret::{SecretEntry, SecretName, SecretValue};
use zeroize::Zeroizing;

use super::Key;
use crate::column::to_json;
use crate::error::Error;

/// A secret as the database holds it.
pub(super) struct Sealed {
    /// Random, so that it never repeats: 24 bytes are enough to need no counter.
    pub(super) nonce: [u8; 24],
    pub(super) ciphertext: Vec<u8>,
    /// The principals as JSON: readable, but bound to the value.
    pub(super) principals: String,
}

pub(super) fn seal(
    key: &Key,
    random: &dyn Random,
    name: &SecretName,
    entry: &SecretEntry,
) -> Result<Sealed, Error> {
    let principals = to_json(&entry.principals)?;
    let mut nonce = [0; 24];
    random.fill(&mut nonce);
    let bound = bound(name, &principals);
    let payload = Payload { msg: entry.value.expose().as_bytes(), aad: &bound };
    let ciphertext = cipher(key)
        .encrypt(&XNonce::from(nonce), payload)
        .expect("a value of at most 64 KiB is shorter than what the cipher can take");
    Ok(Sealed { nonce, ciphertext, principals })
}

/// The secret; `None` if it was encrypted with another key, or anything about it was changed.
pub(super) fn open(key: &Key, name: &SecretName, sealed: &Sealed) -> Option<SecretEntry> {
    let bound = bound(name, &sealed.principals);
    let payload = Payload { msg: &sealed.ciphertext, aad: &bound };
    let bytes = Zeroizing::new(cipher(key).decrypt(&XNonce::from(sealed.nonce), payload).ok()?);
    let value = SecretValue::new(std::str::from_utf8(&bytes).ok()?.to_owned());
    let principals: Vec<Principal> = serde_json::from_str(&sealed.principals).ok()?;
    Some(SecretEntry { value, principals })
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new_from_slice(key.as_slice()).expect("the key has the 32 bytes that the cipher takes")
}

/// The associated data: purpose, name and principals, each with its length in front.
fn bound(name: &SecretName, principals: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for piece in ["openpact secret 1", name.as_str(), principals] {
        bytes.extend_from_slice(&(piece.len() as u64).to_le_bytes());
        bytes.extend_from_slice(piece.as_bytes());
    }
    bytes
}
