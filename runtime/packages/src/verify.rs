//! Verifying: bytes and a signature become a [`Verified`] package, or a [`Refusal`].

use std::fmt;

use openpact_model::id::Digest;

use crate::interface;
use crate::key::{KeyId, PublicKey};
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
    key: PublicKey,
    imports: Vec<String>,
    exports: Vec<String>,
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
    pub fn key(&self) -> PublicKey {
        self.key
    }

    /// The number of the key that signed them, for people.
    pub fn key_id(&self) -> KeyId {
        self.key.id()
    }

    /// The names of everything that the component imports: its complete capability request.
    pub fn imports(&self) -> &[String] {
        &self.imports
    }

    /// The names of everything that it exports.
    pub fn exports(&self) -> &[String] {
        &self.exports
    }
}

impl fmt::Debug for Verified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Verified")
            .field("name", &self.manifest.name)
            .field("version", &self.manifest.version)
            .field("digest", &self.digest)
            .field("publisher", &self.publisher)
            .field("key", &self.key.id())
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
    let signer = Signer::find(&bytes, &signature, trust)?;
    if signer.publishers.iter().any(|publisher| trust.is_withdrawn(&publisher.name, &digest)) {
        return Err(Refusal::RevokedDigest { digest });
    }
    let component = Component::read(&bytes)?;
    interface::check_ours(&component)?;
    let manifest = Manifest::from_packed(component.manifest()?.ok_or(Refusal::NoManifest)?)?;
    let publisher = signer.publisher(&manifest)?.name.clone();
    interface::check_world(&manifest, &component)?;
    interface::check_imports(&manifest, &component.imports)?;
    let (imports, exports) = (component.import_names(), component.export_names());
    Ok(Verified { digest, manifest, publisher, key: signer.key, imports, exports, bytes })
}

/// Who signed a package.
struct Signer<'a> {
    key: PublicKey,
    /// The pinned publishers who own the key; never none.
    publishers: Vec<&'a Publisher>,
}

impl<'a> Signer<'a> {
    /// Finds the pinned key that made the signature over `bytes`. The number in the signature only says where to look: it
    /// is no proof and need not be unique, so every key of that number is tried, and what counts is the one that fits.
    fn find(bytes: &[u8], signature: &Signature, trust: &'a Trust) -> Result<Self, Refusal> {
        let id = signature.key();
        let has_id = |key: &&PublicKey| key.id() == id;
        let made_it = |key: &&PublicKey| has_id(key) && signature.is_by(key, bytes);
        let revoked = Err(Refusal::RevokedKey { key: id });
        let mut pinned = trust.publishers.iter().flat_map(|publisher| &publisher.keys);
        let Some(key) = pinned.clone().find(made_it).copied() else {
            if trust.all_revoked().any(|key| made_it(&key)) {
                return revoked;
            }
            return Err(match pinned.find(has_id) {
                Some(_) => how_altered(bytes, signature),
                None => Refusal::UnknownKey { key: id },
            });
        };
        let counts = |publisher: &&Publisher| {
            publisher.keys.contains(&key) && !trust.is_revoked(&publisher.name, &key)
        };
        let publishers: Vec<_> = trust.publishers.iter().filter(counts).collect();
        if publishers.is_empty() { revoked } else { Ok(Self { key, publishers }) }
    }

    /// The one of them that the manifest names, if it may publish this name.
    fn publisher(&self, manifest: &Manifest) -> Result<&'a Publisher, Refusal> {
        let mut owners = self.publishers.iter();
        let Some(publisher) = owners.find(|owner| owner.name == manifest.publisher) else {
            let names: Vec<_> = self.publishers.iter().map(|publisher| publisher.name.as_str()).collect();
            let (manifest, pinned) = (manifest.publisher.clone(), names.join("' and '"));
            return Err(Refusal::PublisherMismatch { manifest, pinned, key: self.key.id() });
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

#[cfg(test)]
mod tests;
