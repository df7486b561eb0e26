//! Principals: the parties that grants name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::{ComponentName, ParseError};

/// A party that may be granted something: written `component:NAME`, `script:NAME`, `engine:NAME` or `runtime`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Principal {
    /// An installed component.
    Component(ComponentName),
    /// A user's script.
    Script(String),
    /// An AI engine.
    Engine(String),
    /// The runtime itself.
    Runtime,
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Component(name) => write!(f, "component:{name}"),
            Self::Script(name) => write!(f, "script:{name}"),
            Self::Engine(name) => write!(f, "engine:{name}"),
            Self::Runtime => f.write_str("runtime"),
        }
    }
}

impl FromStr for Principal {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        match text.split_once(':') {
            None if text == "runtime" => Ok(Self::Runtime),
            Some(("component", name)) => Ok(Self::Component(name.parse()?)),
            Some(("script", name)) if !name.is_empty() => Ok(Self::Script(name.to_owned())),
            Some(("engine", name)) if !name.is_empty() => Ok(Self::Engine(name.to_owned())),
            _ => Err(ParseError {
                what: "principal",
                text: text.to_owned(),
                rule: "component:NAME, script:NAME, engine:NAME or runtime",
            }),
        }
    }
}

impl TryFrom<String> for Principal {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<Principal> for String {
    fn from(principal: Principal) -> Self {
        principal.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_principal_reads_back_what_it_shows() {
        for text in ["component:web", "script:weather", "engine:builtin", "runtime"] {
            assert_eq!(text.parse::<Principal>().unwrap().to_string(), text);
        }
        for bad in ["", "component:", "component:A", "script:", "user:x", "Runtime"] {
            assert!(bad.parse::<Principal>().is_err(), "{bad} must be refused");
        }
    }
}
