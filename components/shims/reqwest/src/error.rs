//! What can go wrong.

use std::fmt;

use http::StatusCode;
use url::Url;

/// What requests and answers give.
pub type Result<T> = std::result::Result<T, Error>;

pub(crate) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// In which phase it went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(target_family = "wasm"), expect(dead_code, reason = "natively only the connection fails"))]
pub(crate) enum Kind {
    /// The request cannot be made as it is.
    Builder,
    /// The host does not let it through. Nothing was sent.
    Denied,
    /// No connection came about. Nothing was sent.
    Connect,
    /// No answer came in time; the request may have arrived.
    Timeout,
    /// The exchange broke off; the request may have arrived.
    Request,
    /// The answer's status is an error.
    Status(StatusCode),
    /// The body could not be read, or is too large.
    Body,
    /// The body is not what was asked for.
    Decode,
}

/// Why a request has no answer, or an answer is not what was asked for. It holds the address as the caller wrote it: a
/// reference to a credential in it, never its value.
pub struct Error {
    kind: Kind,
    url: Option<Url>,
    cause: Option<Cause>,
}

impl Error {
    pub(crate) fn new(kind: Kind, cause: impl Into<Cause>) -> Self {
        Self { kind, url: None, cause: Some(cause.into()) }
    }

    pub(crate) fn status_error(status: StatusCode, url: Url) -> Self {
        Self { kind: Kind::Status(status), url: Some(url), cause: None }
    }

    /// This error with the address that it is about.
    #[must_use]
    pub fn with_url(mut self, url: Url) -> Self {
        self.url = Some(url);
        self
    }

    /// This error without the address.
    #[must_use]
    pub fn without_url(mut self) -> Self {
        self.url = None;
        self
    }

    /// The address that it is about.
    pub fn url(&self) -> Option<&Url> {
        self.url.as_ref()
    }

    /// The same, to change it.
    pub fn url_mut(&mut self) -> Option<&mut Url> {
        self.url.as_mut()
    }

    /// The status, where that is the error.
    pub fn status(&self) -> Option<StatusCode> {
        match self.kind {
            Kind::Status(status) => Some(status),
            _ => None,
        }
    }

    /// Whether no answer came in time.
    pub fn is_timeout(&self) -> bool {
        self.kind == Kind::Timeout
    }

    /// Whether no connection came about: nothing was sent.
    pub fn is_connect(&self) -> bool {
        self.kind == Kind::Connect
    }

    /// Whether the host did not let the request through: nothing was sent. Not in reqwest.
    pub fn is_denied(&self) -> bool {
        self.kind == Kind::Denied
    }

    /// Whether the answer's status is the error.
    pub fn is_status(&self) -> bool {
        self.status().is_some()
    }

    /// Whether the body is not what was asked for.
    pub fn is_decode(&self) -> bool {
        self.kind == Kind::Decode
    }

    /// Whether the body could not be read.
    pub fn is_body(&self) -> bool {
        self.kind == Kind::Body
    }

    /// Whether the request cannot be made as it is.
    pub fn is_builder(&self) -> bool {
        self.kind == Kind::Builder
    }

    /// Whether sending the request failed, in whatever way.
    pub fn is_request(&self) -> bool {
        matches!(self.kind, Kind::Request | Kind::Connect | Kind::Denied | Kind::Timeout)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = formatter.debug_struct("reqwest::Error");
        shown.field("kind", &self.kind);
        if let Some(url) = &self.url {
            shown.field("url", &url.as_str());
        }
        if let Some(cause) = &self.cause {
            shown.field("cause", cause);
        }
        shown.finish()
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            Kind::Builder => formatter.write_str("the request cannot be made")?,
            Kind::Denied => formatter.write_str("the host does not let the request through")?,
            Kind::Connect => formatter.write_str("no connection")?,
            Kind::Timeout => formatter.write_str("no answer in time")?,
            Kind::Request => formatter.write_str("the exchange broke off")?,
            Kind::Status(status) => write!(formatter, "the server answered {status}")?,
            Kind::Body => formatter.write_str("the body could not be read")?,
            Kind::Decode => formatter.write_str("the body is not what was expected")?,
        }
        match &self.url {
            Some(url) => write!(formatter, " ({url})"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.cause {
            Some(cause) => Some(cause.as_ref()),
            None => None,
        }
    }
}
