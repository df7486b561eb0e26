//! Encrypting one secret.

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use openpact_model::mint::Minted;
use openpact_model::principal::Principal;
use openpact_model::random::Random;
use openpact_model::secret::{HostPattern, SecretEntry, SecretName, SecretValue};
use zeroize::Zeroizing;

use super::Key;
use crate::column::to_json;
use crate::error::Error;

/// The kind of a secret whose ciphertext is the value itself.
pub(super) const PLAIN: &str = "plain";
/// The kind of one whose ciphertext says what the host mints it from, and what was minted.
const MINTED: &str = "minted";

/// A secret as the database holds it.
pub(super) struct Sealed {
    /// Random, so that it never repeats: 24 bytes are enough to need no counter.
    pub(super) nonce: [u8; 24],
    pub(super) ciphertext: Vec<u8>,
    /// The principals as JSON: readable, but bound to the value.
    pub(super) principals: String,
    /// The hosts as JSON, readable and bound in the same way.
    pub(super) hosts: String,
    /// [`PLAIN`] or [`MINTED`], bound too.
    pub(super) kind: String,
}

pub(super) fn seal(
    key: &Key,
    random: &dyn Random,
    name: &SecretName,
    entry: &SecretEntry,
) -> Result<Sealed, Error> {
    let (principals, hosts) = (to_json(&entry.principals)?, to_json(&entry.hosts)?);
    let (kind, content) = match &entry.minted {
        None => (PLAIN, Zeroizing::new(entry.value.expose().to_owned())),
        Some(minted) => (MINTED, Zeroizing::new(to_json(minted)?)),
    };
    let mut nonce = [0; 24];
    random.fill(&mut nonce);
    let mut sealed = Sealed { nonce, ciphertext: Vec::new(), principals, hosts, kind: kind.to_owned() };
    let bound = bound(name, &sealed);
    let payload = Payload { msg: content.as_bytes(), aad: &bound };
    sealed.ciphertext = cipher(key)
        .encrypt(&XNonce::from(nonce), payload)
        .expect("a value of some hundred KiB is shorter than what the cipher can take");
    Ok(sealed)
}

/// The secret; `None` if it was encrypted with another key, or anything about it was changed.
pub(super) fn open(key: &Key, name: &SecretName, sealed: &Sealed) -> Option<SecretEntry> {
    let bound = bound(name, sealed);
    let payload = Payload { msg: &sealed.ciphertext, aad: &bound };
    let bytes = Zeroizing::new(cipher(key).decrypt(&XNonce::from(sealed.nonce), payload).ok()?);
    let principals: Vec<Principal> = serde_json::from_str(&sealed.principals).ok()?;
    let hosts: Vec<HostPattern> = serde_json::from_str(&sealed.hosts).ok()?;
    let text = std::str::from_utf8(&bytes).ok()?;
    let (value, minted) = if sealed.kind == PLAIN {
        (SecretValue::new(text.to_owned()), None)
    } else {
        let minted: Minted = serde_json::from_str(text).ok()?;
        let main = minted.definition.parts().next()?.clone();
        (main, Some(minted))
    };
    Some(SecretEntry { value, principals, hosts, minted })
}

fn cipher(key: &Key) -> XChaCha20Poly1305 {
    XChaCha20Poly1305::new_from_slice(key.as_slice()).expect("the key has the 32 bytes that the cipher takes")
}

/// The associated data: purpose, name, principals, hosts and kind, each with its length in front. A plain secret
/// without hosts is bound as it was before there were any, so that those of earlier versions open; what is bound in
/// one way never opens in the other.
fn bound(name: &SecretName, sealed: &Sealed) -> Vec<u8> {
    let Sealed { principals, hosts, kind, .. } = sealed;
    let first = ["openpact secret 1", name.as_str(), principals];
    let second = ["openpact secret 2", name.as_str(), principals, hosts, kind];
    let pieces = if hosts == "[]" && kind == PLAIN { &first[..] } else { &second[..] };
    let mut bytes = Vec::new();
    for piece in pieces {
        bytes.extend_from_slice(&(piece.len() as u64).to_le_bytes());
        bytes.extend_from_slice(piece.as_bytes());
    }
    bytes
}
