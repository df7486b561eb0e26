//! What went to the network, what would, and credentials that the host mints.

use jiff::Timestamp;
use openpact_model::audit::Verdict;
use openpact_model::principal::Principal;
use openpact_model::secret::SecretName;
use serde::{Deserialize, Serialize};

/// How the value of a secret that is stored is to be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SecretKind {
    /// As it is.
    #[default]
    Plain,
    /// JSON: how the host mints it from an OAuth 2.0 server.
    Oauth,
    /// JSON: how the host mints it as a GitHub App.
    GithubApp,
}

/// How the host mints a secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Minting {
    /// From what, such as `oauth-refresh`.
    pub from: String,
    /// The address that is asked for tokens.
    pub endpoint: String,
    /// When a token was last minted.
    pub last: Option<Timestamp>,
    /// From when on another token is needed.
    pub renew: Option<Timestamp>,
    /// Why the last attempt failed, and what to do.
    pub problem: Option<String>,
}

/// Which requests to show.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressFilter {
    /// Only those of this principal.
    pub principal: Option<Principal>,
    /// Only those that ended so.
    pub verdict: Option<Verdict>,
    /// Only those that went on in count mode alone.
    pub would_deny: bool,
    /// Only those that ended since.
    pub since: Option<Timestamp>,
    /// How many; the newest.
    pub limit: u32,
}

/// One request to the network that has ended, or was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressRequest {
    /// Its number in the audit log.
    pub number: i64,
    /// When it ended.
    pub time: Timestamp,
    /// Who asked.
    pub principal: String,
    /// How it ended.
    pub verdict: Verdict,
    /// Whether it went on in count mode alone.
    pub would_deny: bool,
    /// The method.
    pub method: String,
    /// The URL without its query.
    pub url: String,
    /// The names of the query's parameters.
    pub query: Vec<String>,
    /// The rule that allowed it.
    pub rule: Option<String>,
    /// The credential that was put in.
    pub credential: Option<String>,
    /// Why it was denied or failed, as the guest was told.
    pub reason: Option<String>,
    /// More, for the admin alone.
    pub detail: Option<String>,
    /// The rule that would allow it.
    pub allow: Option<String>,
    /// What to do so that the rule holds: a command line, or a key of the configuration.
    pub fix: Option<String>,
    /// The status of the answer.
    pub status: Option<u16>,
    /// The address that was connected to.
    pub address: Option<String>,
    /// Bytes of the request's body.
    pub sent: u64,
    /// Bytes of the answer's body, decoded.
    pub received: u64,
    /// Milliseconds from start to end.
    pub ms: u64,
}

/// What would become of a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressTest {
    /// Who would ask.
    pub principal: Principal,
    /// Method and URL as they would be judged, without the query.
    pub request: String,
    /// The rule that decides.
    pub rule: Option<String>,
    /// Further rules that match; they count only where the request carries their credential.
    pub others: Vec<String>,
    /// Why it would be denied, if it would.
    pub denied: Option<String>,
    /// The rule that would allow it.
    pub allow: Option<String>,
    /// What to do so that the rule holds: a command line, or a key of the configuration.
    pub fix: Option<String>,
    /// Whether count mode would let it go on all the same.
    pub counting: bool,
    /// Where the host's name leads.
    pub addresses: Vec<EgressAddress>,
    /// Why there is no address.
    pub lookup: Option<String>,
    /// The credentials that it could carry.
    pub credentials: Vec<EgressCredential>,
}

/// One address of a host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressAddress {
    /// The address.
    pub address: std::net::IpAddr,
    /// What it is, where it may not be connected to.
    pub refused: Option<String>,
}

/// A credential that a request could carry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EgressCredential {
    /// Its name.
    pub name: String,
    /// Where it would stand.
    pub placement: Option<String>,
    /// The secret behind it.
    pub secret: Option<SecretName>,
    /// Whether the host mints it.
    pub minted: bool,
    /// Why it would not be put in.
    pub problem: Option<String>,
}
