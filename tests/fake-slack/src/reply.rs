//! Answers, and how they go to the wire.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::Response;
use http_body_util::StreamBody;
use hyper::body::Frame;
use serde_json::Value;

use crate::fault::RetryAfter;
use crate::refusal::Refusal;

pub(crate) type Body = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

/// An answer that is not on the wire yet.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) retry_after: Option<String>,
    pub(crate) body: Bytes,
    /// The body, where it is JSON.
    pub(crate) value: Value,
}

/// What goes to the connection.
pub(crate) enum Piece {
    Bytes(Bytes),
    Pause(Duration),
    Cut,
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
        let page = format!(
            "<html>\r\n<head><title>{status}</title></head>\r\n<body><h1>{status}</h1></body>\r\n</html>\r\n"
        );
        Self::text(status, "text/html", page)
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
        let stream = futures::stream::iter(pieces).filter_map(|piece| async move {
            match piece {
                Piece::Bytes(bytes) => Some(Ok(Frame::data(bytes))),
                Piece::Pause(time) => {
                    tokio::time::sleep(time).await;
                    None
                }
                // What was said so far has to reach the wire before the connection breaks.
                Piece::Cut => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    Some(Err(io::Error::other("a fault breaks the connection")))
                }
            }
        });
        let mut response = Response::builder()
            .status(self.status)
            .header("content-type", self.kind)
            .header("content-length", self.body.len());
        if let Some(wait) = self.retry_after {
            response = response.header("retry-after", wait);
        }
        response.body(StreamBody::new(stream.boxed())).expect("statuses and headers are valid")
    }
}
