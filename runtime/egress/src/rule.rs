//! Rules: what a principal may ask of the network.
//!
//! ```text
//! METHODS SCHEME://HOST[:PORT]/PATH [credential=NAME] [private=CIDR,...] [rate=N/s burst=M]
//!         [request-max=SIZE] [response-max=SIZE] [timeout=S]
//! ```
//!
//! A rule is parsed once, by hand, so that an error can show its column; `Display` gives the canonical form.

mod matcher;
mod parse;
pub mod path;
mod warning;

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use http::Method;
use ipnet::IpNet;
use url::Url;

use crate::address;

pub use matcher::Matcher;
pub use parse::Error;
pub use warning::{Warning, warnings};

/// What a rule is called that lets a principal reach any site.
pub const ANY_SITE: &str = "any site";

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Rule {
    /// The methods.
    pub methods: Methods,
    /// The scheme.
    pub scheme: Scheme,
    /// The host.
    pub host: Host,
    /// The port, the scheme's own where none was written.
    pub port: u16,
    /// The path.
    pub path: path::Pattern,
    /// The name of the credential that may be placed in such requests.
    pub credential: Option<String>,
    /// Special address ranges that may be connected to.
    pub private: Vec<IpNet>,
    /// How many requests; for WebSocket, how many connections are opened.
    pub rate: Option<Rate>,
    /// The longest request body in bytes; the longest outgoing message of a WebSocket.
    pub request_max: Option<u64>,
    /// The longest response body in bytes, decoded; the longest incoming message of a WebSocket.
    pub response_max: Option<u64>,
    /// How long an exchange may take from its start to the last byte of the answer; for WebSocket, the handshake, and
    /// each message.
    pub timeout: Option<Duration>,
}

/// The methods of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Methods {
    /// `*`: every method but `CONNECT` and `TRACE`, which never pass.
    Any,
    /// These, sorted, each once.
    Of(Vec<String>),
}

impl Methods {
    /// Whether `method` is among them.
    pub fn contains(&self, method: &str) -> bool {
        match self {
            Self::Any => true,
            Self::Of(methods) => methods.iter().any(|each| each == method),
        }
    }
}

/// The scheme of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scheme {
    /// HTTP over TLS.
    Https,
    /// HTTP without protection.
    Http,
    /// WebSocket over TLS.
    Wss,
    /// WebSocket without protection.
    Ws,
}

impl Scheme {
    /// The scheme as it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
            Self::Wss => "wss",
            Self::Ws => "ws",
        }
    }

    /// The port where none is stated.
    pub fn default_port(self) -> u16 {
        match self {
            Self::Https | Self::Wss => 443,
            Self::Http | Self::Ws => 80,
        }
    }

    fn read(text: &str) -> Option<Self> {
        [Self::Https, Self::Http, Self::Wss, Self::Ws].into_iter().find(|scheme| scheme.as_str() == text)
    }
}

/// The host of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// One name, in ASCII and lower case.
    Name(String),
    /// `*.name`: every name below this one, never the name itself.
    Under(String),
    /// One address.
    Address(IpAddr),
    /// `*`: any site, for reading only.
    Any,
}

/// How many requests a rule lets pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rate {
    /// Requests in a second, in the long run.
    pub per_second: u32,
    /// Requests at once.
    pub burst: u32,
}

/// A request as the matcher sees it.
#[derive(Debug)]
pub struct Target<'a> {
    /// The method.
    pub method: &'a str,
    /// The scheme.
    pub scheme: Scheme,
    /// The host, normalised.
    pub host: url::Host<&'a str>,
    /// The port.
    pub port: u16,
    /// The path that is sent.
    pub path: path::Segments<'a>,
}

impl<'a> Target<'a> {
    /// Reads the parts that rules look at; `None` for a URL of another scheme or without a host, and where host or
    /// method hold a star. Such a request is none that anybody means, and the rule that named it would read as one that
    /// allows any site, or every method.
    pub fn of(method: &'a Method, url: &'a Url) -> Option<Self> {
        let scheme = Scheme::read(url.scheme())?;
        let port = url.port().unwrap_or(scheme.default_port());
        let host = url.host()?;
        let starred =
            matches!(host, url::Host::Domain(name) if name.contains('*')) || method.as_str().contains('*');
        let path = path::Segments::of(url.path());
        (!starred).then_some(Self { method: method.as_str(), scheme, host, port, path })
    }
}

/// The rule that allows exactly such a request, as a text to be granted; `None` where no rule can name it.
pub fn suggest(method: &str, url: &str) -> Option<String> {
    let (method, url) = (Method::try_from(method).ok()?, Url::parse(url).ok()?);
    let target = Target::of(&method, &url).filter(|target| !target.path.is_hostile())?;
    Some(Rule::allowing(&target).to_string())
}

impl Rule {
    /// Whether this rule allows such a request.
    pub fn matches(&self, target: &Target<'_>) -> bool {
        self.scheme == target.scheme
            && self.port == target.port
            && self.methods.contains(target.method)
            && self.host.matches(&target.host)
            && self.path.matches(&target.path)
    }

    /// The rule that allows exactly such a request and no other, for an admin to paste. Parts of the path that no
    /// literal can name become `*`. A special address that stands in the request itself is named as `private=`.
    pub fn allowing(target: &Target<'_>) -> Self {
        let host = match &target.host {
            url::Host::Domain(name) => Host::Name((*name).to_owned()),
            url::Host::Ipv4(address) => Host::Address(IpAddr::V4(*address)),
            url::Host::Ipv6(address) => Host::Address(IpAddr::V6(*address)),
        };
        let private = match host {
            Host::Address(address) if address::judge(address, &[]).is_err() => vec![IpNet::from(address)],
            _ => Vec::new(),
        };
        Self {
            methods: Methods::Of(vec![target.method.to_owned()]),
            scheme: target.scheme,
            host,
            port: target.port,
            path: path::Pattern::naming(&target.path, |_| true),
            credential: None,
            private,
            rate: None,
            request_max: None,
            response_max: None,
            timeout: None,
        }
    }

    /// Whether this rule lets a principal reach any site, or all of a top-level domain, where anybody can have one;
    /// labelled so wherever it is shown.
    pub fn is_any_site(&self) -> bool {
        match &self.host {
            Host::Any => true,
            Host::Under(name) => !name.contains('.'),
            Host::Name(_) | Host::Address(_) => false,
        }
    }

    /// The rule for people: as it is written, and whether it stands for any site.
    pub fn labelled(&self) -> String {
        if self.is_any_site() { format!("{self} ({ANY_SITE})") } else { self.to_string() }
    }
}

impl Host {
    /// Whether `host` is one of these.
    pub fn matches(&self, host: &url::Host<&str>) -> bool {
        match (self, host) {
            (Self::Any, _) => true,
            (Self::Name(name), url::Host::Domain(host)) => name == host,
            (Self::Under(name), url::Host::Domain(host)) => is_under(host, name),
            (Self::Address(IpAddr::V4(address)), url::Host::Ipv4(host)) => address == host,
            (Self::Address(IpAddr::V6(address)), url::Host::Ipv6(host)) => address == host,
            _ => false,
        }
    }
}

/// Whether `host` has at least one label before `.name`.
fn is_under(host: &str, name: &str) -> bool {
    host.strip_suffix(name)
        .and_then(|labels| labels.strip_suffix('.'))
        .is_some_and(|labels| !labels.is_empty())
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        parse::rule(text)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.methods {
            Methods::Any => f.write_str("*")?,
            Methods::Of(methods) => f.write_str(&methods.join(","))?,
        }
        write!(f, " {}://{}", self.scheme.as_str(), self.host)?;
        if self.port != self.scheme.default_port() {
            write!(f, ":{}", self.port)?;
        }
        write!(f, "{}", self.path)?;
        if let Some(name) = &self.credential {
            write!(f, " credential={name}")?;
        }
        if !self.private.is_empty() {
            let ranges: Vec<String> = self.private.iter().map(ToString::to_string).collect();
            write!(f, " private={}", ranges.join(","))?;
        }
        if let Some(rate) = self.rate {
            write!(f, " rate={}/s burst={}", rate.per_second, rate.burst)?;
        }
        if let Some(size) = self.request_max {
            write!(f, " request-max={}", parse::size_text(size))?;
        }
        if let Some(size) = self.response_max {
            write!(f, " response-max={}", parse::size_text(size))?;
        }
        self.timeout.map_or(Ok(()), |time| write!(f, " timeout={}", time.as_secs()))
    }
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => f.write_str(name),
            Self::Under(name) => write!(f, "*.{name}"),
            Self::Address(IpAddr::V4(address)) => write!(f, "{address}"),
            Self::Address(IpAddr::V6(address)) => write!(f, "[{address}]"),
            Self::Any => f.write_str("*"),
        }
    }
}
