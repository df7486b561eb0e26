//! Why a package is refused: one variant, one message and one audit code for each reason.

use openpact_model::id::Digest;

use crate::key::KeyId;
use crate::manifest;
use crate::structure::MAX_PACKAGE_BYTES;

/// Why a package is not trusted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No signature, or an empty one.
    #[error("the package is not signed: put its signature beside it as <file>.wasm.minisig")]
    Unsigned,
    /// The signature file is not in the one form that is accepted.
    #[error(
        "the signature file is not in canonical form ({why}): a signature by the stock tool is brought into it \
             with `component sign --import`"
    )]
    NotCanonical {
        /// The first difference.
        why: &'static str,
    },
    /// Nobody who is pinned owns the key.
    #[error(
        "the package is signed by the key {key}, which belongs to no pinned publisher: if you trust its owner, \
             pin the key with `openpact publisher add`"
    )]
    UnknownKey {
        /// The key that the signature names.
        key: KeyId,
    },
    /// The key is on the revocation list.
    #[error("the key {key} is revoked: nothing that it signed runs any more")]
    RevokedKey {
        /// The key.
        key: KeyId,
    },
    /// This very package is on the revocation list.
    #[error("the package with the digest {digest} is revoked")]
    RevokedDigest {
        /// Its digest.
        digest: Digest,
    },
    /// The bytes are not those that were signed.
    #[error(
        "the bytes are not those that were signed: the package was altered, or the signature belongs to another \
             file"
    )]
    Altered,
    /// The end is missing.
    #[error("the package is cut off: {missing} bytes are missing at its end; fetch it again")]
    Truncated {
        /// How many bytes are missing at least.
        missing: u64,
    },
    /// There is more than the component.
    #[error("{extra} bytes follow the end of the component: a package is exactly one component")]
    TrailingBytes {
        /// How many.
        extra: u64,
    },
    /// The file is larger than any package may be.
    #[error("the package has {size} bytes, more than the {MAX_PACKAGE_BYTES} that are allowed")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
    },
    /// A core module instead of a component.
    #[error("this is a core WebAssembly module, not a component: build it for the target wasm32-wasip2")]
    CoreModule,
    /// No WebAssembly at all.
    #[error("this is not a WebAssembly component")]
    NotAComponent,
    /// It looks like a component, and is not a valid one.
    #[error("this is not a valid component, at byte {offset}: {why}")]
    Invalid {
        /// Where.
        offset: u64,
        /// What the validator says.
        why: String,
    },
    /// A component without a manifest.
    #[error("the component has no manifest: make a package of it with `openpact component pack`")]
    NoManifest,
    /// More than one manifest.
    #[error("the component has two manifests, and which of them counts would be a guess")]
    TwoManifests,
    /// The manifest is wrong.
    #[error(transparent)]
    Manifest(#[from] manifest::Problem),
    /// The manifest names another publisher than the one who owns the key.
    #[error("the manifest names the publisher '{manifest}', but the key {key} belongs to '{pinned}'")]
    PublisherMismatch {
        /// The publisher that the manifest names.
        manifest: String,
        /// The publisher who owns the key.
        pinned: String,
        /// The key.
        key: KeyId,
    },
    /// The publisher may not use this name.
    #[error("the publisher '{publisher}' may not publish the name '{name}', only {allowed}")]
    KeyNotAllowedForName {
        /// The publisher.
        publisher: String,
        /// The component's name.
        name: String,
        /// The names and prefixes that it may use, for people.
        allowed: String,
    },
    /// A component for something else.
    #[error(
        "this is {what}, and not a component for OpenPact: it exports {exports}, but neither openpact:tool/tools nor \
             openpact:chat/adapter in a version that this program knows (0.1)"
    )]
    NotOurs {
        /// What it is instead.
        what: &'static str,
        /// What it exports, for people.
        exports: String,
    },
    /// The manifest's kind is not what the component is.
    #[error("the manifest says kind = \"{kind}\", but the component exports {exports}")]
    WorldMismatch {
        /// The kind in the manifest.
        kind: manifest::Kind,
        /// What it exports, for people.
        exports: String,
    },
    /// It imports what it does not ask for.
    #[error("the component imports {import}, which its manifest does not request: {remedy}")]
    UnrequestedImport {
        /// The import.
        import: String,
        /// What to state in the manifest.
        remedy: &'static str,
    },
    /// It imports what does not exist here.
    #[error("the component imports {import}, which OpenPact does not provide")]
    UnknownImport {
        /// The import.
        import: String,
    },
}

impl Refusal {
    /// A stable word for the audit log, metrics and `--json`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unsigned => "unsigned",
            Self::NotCanonical { .. } => "not-canonical",
            Self::UnknownKey { .. } => "unknown-key",
            Self::RevokedKey { .. } => "revoked-key",
            Self::RevokedDigest { .. } => "revoked-digest",
            Self::Altered => "altered",
            Self::Truncated { .. } => "truncated",
            Self::TrailingBytes { .. } => "trailing-bytes",
            Self::TooLarge { .. } => "too-large",
            Self::CoreModule => "core-module",
            Self::NotAComponent => "not-a-component",
            Self::Invalid { .. } => "invalid-component",
            Self::NoManifest => "no-manifest",
            Self::TwoManifests => "two-manifests",
            Self::Manifest(_) => "bad-manifest",
            Self::PublisherMismatch { .. } => "publisher-mismatch",
            Self::KeyNotAllowedForName { .. } => "key-not-allowed-for-name",
            Self::NotOurs { .. } => "not-ours",
            Self::WorldMismatch { .. } => "world-mismatch",
            Self::UnrequestedImport { .. } => "unrequested-import",
            Self::UnknownImport { .. } => "unknown-import",
        }
    }
}
