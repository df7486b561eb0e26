//! Verifying: bytes and a signature become a [`Verified`] package, or a [`Refusal`].

use std::fmt;

use openpact_model::id::Digest;

use crate::interface;
use crate::key::KeyId;
use crate::manifest::Manifest;
use crate::refusal::Refusal;
use crate::signature::Signature;
use crate::structure::{self, Component, MAX_PACKAGE_BYTES};
use crate::trust::{Publisher, Trust};

/// A package that a pinned publisher signed, whose manifest fits what it is. It holds the very bytes that were
/// verified, and whoever compiles a package takes them from here. Only [`verify`] makes one.
pub struct Verified {
    bytes: Vec<u8>,
    digest: Digest,
    manifest: Manifest,
    publisher: String,
    key: KeyId,
}

impl Verified {
    /// The bytes that were verified: one component.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Their SHA-256.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// The manifest inside them.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The pinned publisher who signed them.
    pub fn publisher(&self) -> &str {
        &self.publisher
    }

    /// The key that signed them.
    pub fn key_id(&self) -> KeyId {
        self.key
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("name", &self.manifest.name)
            .field("version", &self.manifest.version)
            .field("digest", &self.digest)
            .field("publisher", &self.publisher)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

/// Verifies a package. `signature` is the content of its signature file as it was read.
///
/// Nothing of the package but its length is looked at before the signature over it holds, so that only a pinned
/// publisher can reach the parsers behind.
///
/// # Errors
/// The first reason why it is not trusted.
pub fn verify(
    bytes: Vec<u8>,
    signature: &(impl AsRef<[u8]> + ?Sized),
    trust: &Trust,
) -> Result<Verified, Refusal> {
    if bytes.len() > MAX_PACKAGE_BYTES {
        return Err(Refusal::TooLarge { size: bytes.len() as u64 });
    }
    let digest = Digest::of(&bytes);
    if trust.revoked_digests.contains(&digest) {
        return Err(Refusal::RevokedDigest { digest });
    }
    let signature = Signature::read(signature.as_ref())?;
    let publishers = signers(&bytes, &signature, trust)?;
    let component = Component::read(&bytes)?;
    interface::check_ours(&component.exports)?;
    let manifest = Manifest::from_packed(component.manifest()?.ok_or(Refusal::NoManifest)?)?;
    let publisher = publisher(&manifest, &publishers, signature.key())?.name.clone();
    interface::check_world(&manifest, &component.exports)?;
    interface::check_imports(&manifest, &component.imports)?;
    Ok(Verified { digest, manifest, publisher, key: signature.key(), bytes })
}

/// The pinned publishers who own the key that made the signature over `bytes`; never none.
fn signers<'a>(bytes: &[u8], signature: &Signature, trust: &'a Trust) -> Result<Vec<&'a Publisher>, Refusal> {
    let key = signature.key();
    if trust.revoked_keys.contains(&key) {
        return Err(Refusal::RevokedKey { key });
    }
    let named = |publisher: &&Publisher| publisher.keys.iter().any(|known| known.id() == key);
    if !trust.publishers.iter().any(|publisher| named(&publisher)) {
        return Err(Refusal::UnknownKey { key });
    }
    // Key numbers are no proof and need not be unique, so every key of that number is tried.
    let signed = |publisher: &&Publisher| {
        publisher.keys.iter().any(|known| known.id() == key && signature.is_by(known, bytes))
    };
    let publishers: Vec<_> = trust.publishers.iter().filter(signed).collect();
    if publishers.is_empty() {
        return Err(how_altered(bytes, signature));
    }
    Ok(publishers)
}

/// What happened to bytes that are not those that were signed. The size in the comment may be a lie here, so it only
/// ever chooses between refusals. Where the bytes are a whole component, the signature may as well be another file's.
fn how_altered(bytes: &[u8], signature: &Signature) -> Refusal {
    let Err(broken) = structure::check_frame(bytes) else { return Refusal::Altered };
    let size = bytes.len() as u64;
    match (signature.size(), broken) {
        (Some(signed), _) if signed > size => Refusal::Truncated { missing: signed - size },
        (Some(signed), _) if signed < size => Refusal::TrailingBytes { extra: size - signed },
        (None, broken @ (Refusal::Truncated { .. } | Refusal::TrailingBytes { .. })) => broken,
        _ => Refusal::Altered,
    }
}

fn publisher<'a>(
    manifest: &Manifest,
    publishers: &[&'a Publisher],
    key: KeyId,
) -> Result<&'a Publisher, Refusal> {
    let Some(publisher) = publishers.iter().find(|publisher| publisher.name == manifest.publisher) else {
        let names: Vec<_> = publishers.iter().map(|publisher| publisher.name.as_str()).collect();
        let manifest = manifest.publisher.clone();
        return Err(Refusal::PublisherMismatch { manifest, pinned: names.join("' and '"), key });
    };
    if !publisher.may_publish(&manifest.name) {
        return Err(Refusal::KeyNotAllowedForName {
            publisher: publisher.name.clone(),
            name: manifest.name.to_string(),
            allowed: publisher.names(),
        });
    }
    Ok(publisher)
}

#[cfg(test)]
mod tests;
