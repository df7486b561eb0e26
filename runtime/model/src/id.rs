//! Identifiers: opaque to everyone but their maker.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::random::Random;

/// An identifier could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a {what}: {rule}")]
pub struct ParseError {
    /// What was to be read, such as "component name".
    pub what: &'static str,
    /// The text as it was given.
    pub text: String,
    /// What such a text has to look like.
    pub rule: &'static str,
}

macro_rules! opaque_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// A new one: 80 random bits in hexadecimal behind a prefix that tells the kind.
            pub fn generate(random: &dyn Random) -> Self {
                let mut bytes = [0_u8; 10];
                random.fill(&mut bytes);
                Self(format!(concat!($prefix, "_{}"), hex::encode(bytes)))
            }

            /// Takes an identifier that was made before, for example one read from the store.
            pub fn from_stored(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

opaque_id!(
    /// One turn: a user's message and everything until its answer. Issued by the host alone; a tool call that names
    /// no live turn is refused.
    TurnId,
    "turn"
);
opaque_id!(
    /// One tool call within a turn.
    CallId,
    "call"
);
opaque_id!(
    /// One conversation of an engine.
    SessionId,
    "ses"
);

/// The name of a component: `[a-z][a-z0-9-]{1,63}`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ComponentName(String);

impl ComponentName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ComponentName {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut bytes = text.bytes();
        let first = bytes.next().is_some_and(|b| b.is_ascii_lowercase());
        let rest = bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if first && rest && (2..=64).contains(&text.len()) {
            return Ok(Self(text.to_owned()));
        }
        Err(ParseError {
            what: "component name",
            text: text.to_owned(),
            rule: "2 to 64 of a-z, 0-9 and '-', starting with a letter",
        })
    }
}

impl TryFrom<String> for ComponentName {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<ComponentName> for String {
    fn from(name: ComponentName) -> Self {
        name.0
    }
}

impl fmt::Display for ComponentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The SHA-256 of some bytes; shown as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 hexadecimal digits, for people.
    pub fn short(&self) -> String {
        hex::encode(&self.0[..6])
    }
}

impl From<[u8; 32]> for Digest {
    fn from(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl FromStr for Digest {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| ParseError {
            what: "digest",
            text: text.to_owned(),
            rule: "64 hexadecimal digits",
        })?;
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Digest {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn component_names_have_two_to_sixty_four_characters() {
        let longest = "a".repeat(64);
        for good in ["ab", "web-2", longest.as_str()] {
            assert_eq!(good.parse::<ComponentName>().unwrap().as_str(), good);
        }
        let long = "a".repeat(65);
        for bad in ["", "a", "-a", "2a", "Ab", "a_b", "a b", "ä1", long.as_str()] {
            assert!(bad.parse::<ComponentName>().is_err(), "{bad} must be refused");
        }
    }

    #[test]
    fn a_digest_reads_back_what_it_shows() {
        let digest = Digest::of(b"bytes");
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        assert!("abc".parse::<Digest>().is_err());
    }
}
