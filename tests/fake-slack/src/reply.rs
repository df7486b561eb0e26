//! Answers, and how they go to the wire.

use bytes::Bytes;
use http::Response;
use openpact_fake_kit::wire::{self, Body, Piece};
use serde_json::Value;

use crate::fault::RetryAfter;
use crate::refusal::Refusal;

/// An answer that is not on the wire yet.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Bytes,
    /// The body, where it is JSON.
    pub(crate) value: Value,
}

impl Reply {
    pub(crate) fn bytes(status: u16, kind: &str, body: Bytes) -> Self {
        Self { status, kind: kind.to_owned(), retry_after: None, body, value: Value::Null }
    }

    pub(crate) fn text(status: u16, kind: &str, body: String) -> Self {
        Self::bytes(status, kind, body.into())
    }

    pub(crate) fn json(status: u16, value: Value) -> Self {
        let body = value.to_string().into();
        Self { value, ..Self::bytes(status, "application/json; charset=utf-8", body) }
    }

    /// A page such as proxies send.
    pub(crate) fn page(status: u16) -> Self {
        Self::text(status, "text/html", wire::page(status))
    }

    /// Slack refuses with status 200, but for too many requests.
    pub(crate) fn refused(refusal: &Refusal) -> Self {
        match refusal.retry_after {
            Some(seconds) => Self::too_many(&RetryAfter::Seconds(seconds)),
            None => Self::json(200, refusal.body()),
        }
    }

    pub(crate) fn too_many(wait: &RetryAfter) -> Self {
        let mut reply = Self::json(429, Refusal::new("ratelimited").body());
        reply.retry_after = match wait {
            RetryAfter::Seconds(seconds) => Some(seconds.to_string()),
            RetryAfter::Text(text) => Some(text.clone()),
            RetryAfter::Missing => None,
        };
        reply
    }

    pub(crate) fn whole(self) -> Response<Body> {
        let pieces = vec![Piece::Bytes(self.body.clone())];
        self.pieces(pieces)
    }

    /// The same answer, in other pieces.
    pub(crate) fn pieces(self, pieces: Vec<Piece>) -> Response<Body> {
        let mut response = wire::pieces(self.status, &self.kind, self.body.len(), pieces);
        if let Some(wait) = self.retry_after {
            response.headers_mut().insert("retry-after", wait.parse().expect("faults are plain text"));
        }
        response
    }
}
