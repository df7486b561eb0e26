//! Secrets: names that may be shown, and values that may not.

mod host;

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::id::ParseError;
use crate::mint::Minted;
use crate::principal::Principal;

pub use host::HostPattern;

/// The longest value in bytes that a secret may have.
pub const MAX_VALUE_BYTES: usize = 64 * 1024;

/// Values shorter than this many bytes are not looked for in what leaves or comes back: a scan for short texts would
/// be a guessing game. Storing one gives a warning.
pub const MIN_SCANNED_BYTES: usize = 16;

/// The name of a secret: `[A-Z][A-Z0-9_]*`, at most 64 characters.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SecretName(String);

impl SecretName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for SecretName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let first = text.bytes().next().is_some_and(|b| b.is_ascii_uppercase());
        let rest = text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if first && rest && text.len() <= 64 {
            return Ok(Self(text.to_owned()));
        }
        Err(ParseError {
            what: "secret name",
            text: text.to_owned(),
            rule: "1 to 64 of A-Z, 0-9 and '_', starting with a letter",
        })
    }
}

impl TryFrom<String> for SecretName {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<SecretName> for String {
    fn from(name: SecretName) -> Self {
        name.0
    }
}

impl fmt::Display for SecretName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of a secret. Wiped from memory when dropped, never shown by `Debug`, not serialisable.
#[derive(Clone)]
pub struct SecretValue(Arc<Zeroizing<String>>);

impl SecretValue {
    /// Takes the value over.
    pub fn new(value: String) -> Self {
        Self(Arc::new(Zeroizing::new(value)))
    }

    /// The value itself. Every use of this is a place where it could leak.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretValue(..)")
    }
}

/// One secret with those who may use it.
#[derive(Debug, Clone)]
pub struct SecretEntry {
    /// The value that goes into requests. Where the host mints what goes there: what it is minted from, which goes
    /// nowhere but to the token endpoint.
    pub value: SecretValue,
    /// Who may have it put into their requests. Empty: nobody.
    pub principals: Vec<Principal>,
    /// The hosts that it may be sent to, whatever a grant says. Empty: as far as grants go.
    pub hosts: Vec<HostPattern>,
    /// Set where the host mints what goes into requests.
    pub minted: Option<Minted>,
}

impl SecretEntry {
    /// A value that goes into requests as it is, as far as grants go.
    pub fn new(value: SecretValue, principals: Vec<Principal>) -> Self {
        Self { value, principals, hosts: Vec::new(), minted: None }
    }

    /// Whether it may be sent to `host`, as a URL writes it.
    pub fn goes_to(&self, host: &str) -> bool {
        self.hosts.is_empty() || self.hosts.iter().any(|pattern| pattern.matches(host))
    }

    /// Everything about it that must neither leave nor come back.
    pub fn values(&self) -> impl Iterator<Item = &SecretValue> {
        let minted = self.minted.iter();
        std::iter::once(&self.value).chain(minted.flat_map(Minted::values))
    }
}

/// All secrets at one moment.
#[derive(Debug, Clone, Default)]
pub struct SecretSnapshot {
    /// Goes up with every change, so that matchers built from a snapshot know when they are stale.
    pub generation: u64,
    /// The secrets by name.
    pub entries: BTreeMap<SecretName, SecretEntry>,
}

/// Gives the secrets to those crates that put them into requests or take them out of answers.
pub trait SecretSource: Send + Sync {
    /// All secrets as they are now. Cheap: the same `Arc` until something changes.
    fn snapshot(&self) -> Arc<SecretSnapshot>;

    /// The value of `name` was just put into a request. Returns at once; it is written down in its own time.
    fn used(&self, _name: &SecretName) {}
}

/// No secrets at all.
impl SecretSource for () {
    fn snapshot(&self) -> Arc<SecretSnapshot> {
        Arc::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_not_shown() {
        assert_eq!(format!("{:?}", SecretValue::new("hunter2".into())), "SecretValue(..)");
    }

    #[test]
    fn names_are_upper_case() {
        assert!("OPENAI_API_KEY2".parse::<SecretName>().is_ok());
        for bad in ["", "a", "1A", "_A", "A-B", &"A".repeat(65)] {
            assert!(bad.parse::<SecretName>().is_err(), "{bad} must be refused");
        }
    }
}
