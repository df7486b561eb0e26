//! HTTP requests. Needs the feature `http`, and `requests.http` in the manifest for each site.
//!
//! The host decides which requests go out, fills in credentials, follows no redirect to a place that is not granted and
//! limits time and size; a request that it does not let through is [`Error::Denied`]. Blocking: a component has one
//! thread and serves one call.
//!
//! ```no_run
//! # fn main() -> openpact_sdk::Result<()> {
//! use openpact_sdk::{credentials, http::Request};
//!
//! let token = credentials::reference("token")?;
//! let answer = Request::get("https://api.example.com/v1/items?limit=10")
//!     .header("authorization", format!("Bearer {token}"))
//!     .send()?
//!     .successful()?;
//! let items: Vec<String> = answer.json()?;
//! # Ok(())
//! # }
//! ```

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

#[cfg(target_family = "wasm")]
mod wasi;

/// Bytes of an answer that are read unless [`Request::limit`] says otherwise.
const LIMIT: usize = 8 * 1024 * 1024;
/// Characters of an error page that a message repeats.
const REPEATED: usize = 300;

/// A request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    method: String,
    url: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    timeout: Option<Duration>,
    limit: usize,
    cuts: bool,
}

/// An answer, whatever its status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code, such as 200.
    pub status: u16,
    /// The headers, names in lower case.
    pub headers: Vec<(String, Vec<u8>)>,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the body goes on behind what was read; see [`Request::first`].
    pub cut: bool,
}

/// The header that tells [`Response::final_url`]. The host alone sets it.
const FINAL_URL: &str = "openpact-final-url";

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Error {
    /// The host does not let this request through: no grant allows it, or it leads to a private network.
    Denied,
    /// It is not a request that can be sent.
    Invalid(String),
    /// The body of the answer is larger than the limit, in bytes.
    TooLarge(usize),
    /// No connection came about: nothing was sent.
    Unsent(String),
    /// Nobody answered, or not to the end. What was asked for may have been done.
    Unavailable(String),
    /// The status is not one of success, or the body is not what it should be.
    Unexpected(String),
}

impl Request {
    /// A request with this method.
    pub fn new(method: impl Into<String>, url: impl Into<String>) -> Self {
        let (method, url) = (method.into(), url.into());
        Self { method, url, headers: Vec::new(), body: Vec::new(), timeout: None, limit: LIMIT, cuts: false }
    }

    /// A request to read.
    pub fn get(url: impl Into<String>) -> Self {
        Self::new("GET", url)
    }

    /// A request that sends something.
    pub fn post(url: impl Into<String>) -> Self {
        Self::new("POST", url)
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl Into<String>, value: impl Into<Vec<u8>>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Sets the body to a value as JSON, and the header that says so.
    ///
    /// # Errors
    /// [`Error::Invalid`] when the value cannot be written as JSON.
    pub fn json(self, value: &impl Serialize) -> Result<Self, Error> {
        let body =
            serde_json::to_vec(value).map_err(|error| Error::Invalid(format!("the JSON body: {error}")))?;
        Ok(self.header("content-type", "application/json").body(body))
    }

    /// How long to wait for a connection, for the first byte, and between two bytes; the host's limits hold in any
    /// case.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// Bytes of the answer's body to read at most; 8 MiB unless set.
    #[must_use]
    pub fn limit(mut self, bytes: usize) -> Self {
        self.limit = bytes;
        self
    }

    /// Reads at most so many bytes of the answer's body and leaves the rest: [`Response::cut`] tells whether there is
    /// one. With [`Request::limit`] in its place a longer body is an error.
    #[must_use]
    pub fn first(mut self, bytes: usize) -> Self {
        (self.limit, self.cuts) = (bytes, true);
        self
    }

    /// Sends it and waits for the whole answer.
    ///
    /// # Errors
    /// See [`Error`]. A status such as 404 is an answer; [`Response::successful`] makes an error of it.
    pub fn send(self) -> Result<Response, Error> {
        let target = Target::parse(&self.url)?;
        self.exchange(&target)
    }

    #[cfg(target_family = "wasm")]
    fn exchange(self, target: &Target) -> Result<Response, Error> {
        wasi::send(self, target)
    }

    #[cfg(not(target_family = "wasm"))]
    #[expect(clippy::unused_self, reason = "inside a component it is what is sent")]
    fn exchange(self, _target: &Target) -> Result<Response, Error> {
        Err(Error::Unsent("there is no network outside a component".to_owned()))
    }
}

impl Response {
    /// This answer if its status is one of success (200 to 299).
    ///
    /// # Errors
    /// [`Error::Unexpected`] with the status and the beginning of the body.
    pub fn successful(self) -> Result<Self, Error> {
        if (200..300).contains(&self.status) {
            return Ok(self);
        }
        let body: String = String::from_utf8_lossy(&self.body).chars().take(REPEATED).collect();
        let colon = if body.trim().is_empty() { "" } else { ": " };
        Err(Error::Unexpected(format!("the server answered {}{colon}{}", self.status, body.trim())))
    }

    /// The address that answered, after all redirects that the host followed. It tells nothing of credentials.
    pub fn final_url(&self) -> Option<&str> {
        self.header(FINAL_URL)
    }

    /// The first header of this name, whatever its case, if it is text.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
        found.and_then(|(_, value)| str::from_utf8(value).ok())
    }

    /// The body as text; what is not UTF-8 in it is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body, read as JSON.
    ///
    /// # Errors
    /// [`Error::Unexpected`] when it is not such a value.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, Error> {
        serde_json::from_slice(&self.body)
            .map_err(|error| Error::Unexpected(format!("the server's JSON: {error}")))
    }
}

impl Error {
    /// Whether the request may have arrived, and what it asks for may have been done: trying again may do it twice.
    pub fn may_have_arrived(&self) -> bool {
        match self {
            Self::Denied | Self::Invalid(_) | Self::Unsent(_) => false,
            Self::TooLarge(_) | Self::Unavailable(_) | Self::Unexpected(_) => true,
        }
    }
}

impl From<Error> for crate::Error {
    fn from(error: Error) -> Self {
        match error {
            Error::Denied => Self::denied("This component may not send that request. An admin can grant it."),
            Error::Invalid(text) => Self::invalid_arguments(format!("The request cannot be sent: {text}.")),
            Error::TooLarge(limit) => Self::failed(format!("The answer is larger than {limit} bytes.")),
            Error::Unsent(text) => Self::unavailable(format!("No connection: {text}.")),
            Error::Unavailable(text) => Self::unavailable(format!("No answer: {text}.")),
            Error::Unexpected(text) => Self::failed(format!("Unexpected answer: {text}.")),
        }
    }
}

/// Where a request goes. The host parses the address again and decides by its own reading.
#[derive(Debug, PartialEq, Eq)]
struct Target {
    secure: bool,
    authority: String,
    path_and_query: String,
}

impl Target {
    fn parse(url: &str) -> Result<Self, Error> {
        let invalid = |why: &str| Error::Invalid(format!("the address {why}"));
        if url.chars().any(|c| c.is_control() || c.is_whitespace() || c == '\\') {
            return Err(invalid("contains white space, a control character or a backslash"));
        }
        let (scheme, rest) =
            url.split_once("://").ok_or_else(|| invalid("has no scheme such as https://"))?;
        let secure = match scheme.to_ascii_lowercase().as_str() {
            "https" => true,
            "http" => false,
            _ => return Err(invalid("is neither https nor http")),
        };
        // The part behind `#` is for the reader alone (RFC 3986, section 3.5).
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if authority.is_empty() {
            return Err(invalid("names no host"));
        }
        if authority.contains('@') {
            return Err(invalid("contains a name or password: use a credential"));
        }
        let path_and_query = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Self { secure, authority: authority.to_owned(), path_and_query })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (url, secure, authority, path_and_query) in [
            ("https://a.example", true, "a.example", "/"),
            ("HTTPS://a.example/x?y#z", true, "a.example", "/x?y"),
            ("http://a.example:8080?y=/", false, "a.example:8080", "/?y=/"),
            ("http://[::1]:80/x", false, "[::1]:80", "/x"),
        ] {
            let expected =
                Target { secure, authority: authority.to_owned(), path_and_query: path_and_query.to_owned() };
            assert_eq!(Target::parse(url), Ok(expected), "{url}");
        }
        for url in [
            "a.example",
            "ftp://a.example",
            "https://",
            "https:///x",
            "https://a:b@c.example",
            "https://a\\@b",
            "https://a b",
            "https://a/\n",
        ] {
            assert!(matches!(Target::parse(url), Err(Error::Invalid(_))), "{url:?}");
        }
    }

    #[test]
    fn a_status_that_is_no_success_says_what_the_server_said() {
        let response = |status, body: &str| {
            let body = body.as_bytes().to_vec();
            Response { status, headers: vec![], body, cut: false }
        };
        assert!(response(204, "").successful().is_ok() && response(200, "").successful().is_ok());
        for status in [199, 300, 404] {
            assert!(response(status, "").successful().is_err(), "{status}");
        }
        let error = response(404, &"x".repeat(1000)).successful().expect_err("404");
        assert_eq!(error, Error::Unexpected(format!("the server answered 404: {}", "x".repeat(REPEATED))));
        assert_eq!(
            response(500, " ").successful(),
            Err(Error::Unexpected("the server answered 500".to_owned()))
        );
    }

    #[test]
    fn it_is_told_whether_a_request_may_have_arrived() {
        let text = || "x".to_owned();
        for error in [Error::Denied, Error::Invalid(text()), Error::Unsent(text())] {
            assert!(!error.may_have_arrived(), "{error:?}");
        }
        for error in [Error::TooLarge(1), Error::Unavailable(text()), Error::Unexpected(text())] {
            assert!(error.may_have_arrived(), "{error:?}");
        }
    }

    #[test]
    fn headers_are_found_whatever_their_case() {
        let headers = vec![("content-type".to_owned(), b"a/b".to_vec()), ("x".to_owned(), vec![0xff])];
        let response = Response { status: 200, headers, body: vec![], cut: false };
        assert_eq!(response.header("Content-Type"), Some("a/b"));
        assert_eq!((response.header("x"), response.header("y")), (None, None));
    }

    #[test]
    fn a_json_body_says_what_it_is() {
        let request = Request::post("https://a.example").json(&[1, 2]).expect("JSON");
        assert_eq!(request.headers, [("content-type".to_owned(), b"application/json".to_vec())]);
        assert_eq!(request.body, b"[1,2]");
    }
}
