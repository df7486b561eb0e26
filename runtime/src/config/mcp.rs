//! Section `mcp`: the endpoint for MCP clients.

use std::net::SocketAddr;

use openpact_mcp as mcp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The endpoint for MCP clients, such as editors: the tools of the assistant at `/mcp`. Every client needs a token, which
/// `openpact mcp client add` makes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Mcp {
    /// Whether it is there.
    pub(crate) enabled: bool,
    /// Address and port.
    #[schemars(with = "String")]
    pub(crate) bind: SocketAddr,
    /// Whether `bind` may be an address that other machines reach. Put a proxy with TLS in front of it then: tokens
    /// would travel in clear text.
    pub(crate) public: bool,
    /// Names by which clients reach it beside those of this machine, such as `mcp.example.org`: without `https://` and
    /// without a path. At least one where `bind` is every address, such as `0.0.0.0:8765`.
    #[schemars(example = ["mcp.example.org"])]
    pub(crate) hosts: Vec<String>,
}

impl Default for Mcp {
    fn default() -> Self {
        let mcp::Config { bind, public, hosts, .. } = mcp::Config::default();
        Self { enabled: true, bind, public, hosts }
    }
}

impl Mcp {
    /// As the endpoint takes it.
    pub(crate) fn endpoint(&self) -> mcp::Config {
        let (bind, public, hosts) = (self.bind, self.public, self.hosts.clone());
        mcp::Config { bind, public, hosts, ..mcp::Config::default() }
    }

    /// What does not go together: the key, and a sentence.
    pub(super) fn contradictions(&self) -> Vec<(&'static str, String)> {
        let wrong = self.hosts.iter().filter_map(|entry| mcp::host::check(entry).err());
        let mut problems: Vec<_> = wrong.map(|error| ("mcp.hosts", error.to_string())).collect();
        if self.public && self.hosts.is_empty() && self.bind.ip().is_unspecified() {
            let message = "this address stands for all that this machine has, and clients can use none of them by it; \
                           name those by which they come in 'mcp.hosts', such as 'mcp.example.org' or '192.0.2.7'";
            problems.push(("mcp.bind", message.to_owned()));
        }
        let is_own = self.bind.ip().to_canonical().is_loopback();
        if self.public || is_own {
            return problems;
        }
        let message = "other machines would reach the MCP endpoint at this address, and tokens would travel in clear \
                       text; if that is meant, set 'mcp.public: true'";
        problems.push(("mcp.bind", message.to_owned()));
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(bind: &str, public: bool, hosts: &[&str]) -> String {
        let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
        let mcp = Mcp { enabled: true, bind: bind.parse().unwrap(), public, hosts };
        let told = mcp.contradictions().into_iter().map(|(key, message)| format!("{key}: {message}\n"));
        told.collect::<Vec<_>>().concat()
    }

    #[test]
    fn hosts_are_names_and_nothing_more() {
        assert_eq!(problems("127.0.0.1:1", false, &["mcp.example.org", "192.0.2.7:80"]), "");
        let told = problems("127.0.0.1:1", false, &["x.y", "https://x.y/mcp", "a b"]);
        assert!(told.contains("mcp.hosts: 'https://x.y/mcp' is no host; write 'x.y'"), "{told}");
        assert_eq!(told.lines().count(), 2, "{told}");
    }

    #[test]
    fn every_address_needs_a_name() {
        for bind in ["0.0.0.0:1", "[::]:1"] {
            assert!(problems(bind, true, &[]).contains("'mcp.hosts'"));
            assert_eq!(problems(bind, true, &["mcp.example.org"]), "");
            assert!(problems(bind, false, &["mcp.example.org"]).contains("mcp.public"));
        }
        assert_eq!(problems("192.0.2.7:1", true, &[]), "");
    }
}
