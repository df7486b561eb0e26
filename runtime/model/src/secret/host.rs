//! The hosts that a secret is bound to.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::id::ParseError;

/// A host that a secret may be sent to: a name, `*.name` (one or more labels, never the name itself), or an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct HostPattern(String);

impl HostPattern {
    /// Whether `host` is one of these. It is written as in a URL: in lower case and ASCII, an IPv6 address in brackets.
    pub fn matches(&self, host: &str) -> bool {
        match self.0.strip_prefix('*') {
            Some(suffix) => host.strip_suffix(suffix).is_some_and(|labels| !labels.is_empty()),
            None => self.0 == host,
        }
    }
}

impl FromStr for HostPattern {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let lower = text.to_ascii_lowercase();
        if let Some(address) = address(&lower) {
            return Ok(Self(address));
        }
        let name = lower.strip_prefix("*.").unwrap_or(&lower);
        // A last label of digits is an address in one of the forms that URLs know, and those are written out.
        let numeric =
            name.rsplit('.').next().is_some_and(|label| label.starts_with(|c: char| c.is_ascii_digit()));
        if name.len() <= 253 && !numeric && name.split('.').all(is_label) {
            return Ok(Self(lower));
        }
        Err(ParseError {
            what: "host",
            text: text.to_owned(),
            rule: "a name such as api.example.com, *.example.com or an address, without scheme, port or path; a name \
                   beyond ASCII is written in its xn-- form",
        })
    }
}

/// The address in the form of a URL.
fn address(text: &str) -> Option<String> {
    let inner = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(inner) = inner {
        return inner.parse::<Ipv6Addr>().ok().map(|address| format!("[{address}]"));
    }
    match text.parse().ok()? {
        IpAddr::V4(address) => Some(address.to_string()),
        IpAddr::V6(address) => Some(format!("[{address}]")),
    }
}

fn is_label(label: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    (1..=63).contains(&label.len())
        && label.bytes().all(inner)
        && !label.starts_with('-')
        && !label.ends_with('-')
}

impl TryFrom<String> for HostPattern {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<HostPattern> for String {
    fn from(pattern: HostPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(pattern: &str, matching: &[&str], others: &[&str]) {
        let pattern: HostPattern = pattern.parse().unwrap();
        for host in matching {
            assert!(pattern.matches(host), "{pattern} must match {host}");
        }
        for host in others {
            assert!(!pattern.matches(host), "{pattern} must not match {host}");
        }
    }

    #[test]
    fn a_pattern_matches_its_host_and_no_neighbour() {
        let evil = ["api.example.com.evil.net", "evilapi.example.com", "example.com", "api.example.com.", ""];
        check("API.example.com", &["api.example.com"], &evil);
        check(
            "*.example.com",
            &["a.example.com", "a.b.example.com"],
            &["example.com", ".example.com.evil.net", "aexample.com"],
        );
        check("127.0.0.1", &["127.0.0.1"], &["127.0.0.11", "127.0.0.1.evil.net"]);
        check("::1", &["[::1]"], &["::1", "[::2]"]);
        check("[0:0::1]", &["[::1]"], &[]);
    }

    #[test]
    fn what_is_no_host_is_refused() {
        for bad in [
            "",
            "*",
            "*.",
            "https://a.example",
            "a.example/x",
            "a.example:443",
            "a..b",
            "-a.example",
            "127.1",
            "0x7f.1",
            "bücher.example",
            "a b",
            "*.*.example",
        ] {
            assert!(bad.parse::<HostPattern>().is_err(), "{bad} must be refused");
        }
    }
}
