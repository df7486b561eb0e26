//! What those are told who do not get in. Whatever was wrong with a token, the answer is the same.

use axum::body::Body;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};
use serde_json::json;

/// Why a request ends at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Denial {
    /// No token, or none that counts.
    Unknown,
    /// Many of those, one after the other.
    Guessing,
    /// There is nothing at this path.
    Path,
    /// The client has too many requests open.
    Requests,
    /// There is no such session, or it is another client's.
    Session,
    /// There is no room for one more session.
    Sessions,
    /// The body is too large.
    Large,
    /// The body did not come in time, or broke off.
    Slow,
    /// A batch of messages, which the protocol does not have.
    Batch,
}

impl Denial {
    pub(super) fn response(self) -> Response<Body> {
        let (status, message) = match self {
            Self::Unknown => (StatusCode::UNAUTHORIZED, "a bearer token is needed"),
            Self::Guessing => (StatusCode::TOO_MANY_REQUESTS, "too many attempts without a good token"),
            Self::Path => (StatusCode::NOT_FOUND, "there is nothing here; the server is at /mcp"),
            Self::Requests => (StatusCode::TOO_MANY_REQUESTS, "this client has too many requests open"),
            Self::Session => (StatusCode::NOT_FOUND, "there is no such session"),
            Self::Sessions => {
                (StatusCode::SERVICE_UNAVAILABLE, "there are too many sessions; end some, or wait")
            }
            Self::Large => (StatusCode::PAYLOAD_TOO_LARGE, "the message is too large"),
            Self::Slow => (StatusCode::REQUEST_TIMEOUT, "the message did not arrive in time"),
            Self::Batch => (StatusCode::BAD_REQUEST, "one message a request: batches are not taken"),
        };
        // JSON-RPC has no code of its own for any of these; -32600 is "Invalid Request".
        let body = json!({"jsonrpc": "2.0", "id": null, "error": {"code": -32600, "message": message}});
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if self == Self::Unknown {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"openpact\""));
        }
        if matches!(self, Self::Guessing | Self::Requests | Self::Sessions) {
            headers.insert(RETRY_AFTER, HeaderValue::from_static("6"));
        }
        response
    }

    /// A word for metrics and the audit log.
    pub(super) fn code(self) -> &'static str {
        match self {
            Self::Unknown => "token",
            Self::Guessing => "guessing",
            Self::Path => "path",
            Self::Requests => "requests",
            Self::Session => "session",
            Self::Sessions => "sessions",
            Self::Large => "large",
            Self::Slow => "slow",
            Self::Batch => "batch",
        }
    }
}
