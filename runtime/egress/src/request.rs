//! Requests: reading what a guest asks for, and its body on the way out.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context as TaskContext, Poll};

use bytes::{Bytes, BytesMut};
use futures::stream::{self, BoxStream};
use http::header::{HeaderName, HeaderValue};
use http::request::Parts;
use http::{HeaderMap, Method};
use http_body::{Body as _, Frame, SizeHint};
use http_body_util::{BodyExt as _, Empty, Full};
use url::Url;

use crate::Body;
use crate::decide::{Context, Hop, leak, misplaced};
use crate::error::{Error, Part};
use crate::header;
use crate::redact::Flow;

/// A body up to this size is read before anything is sent: it is scanned as a whole, and can be sent again where a
/// redirect asks for that. A longer one is scanned while it passes.
pub(crate) const REPLAY_MAX: usize = 1 << 20;

/// What a refusal calls the body.
const PLACE: &str = "the body";

/// The only addresses, as the URL Standard writes them, that a request may name where nothing but a grant for any site
/// allows it; an extension of the request. Redirects are not held against it: where they lead is the server's choice,
/// and carries nothing that the caller chose.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Only(pub Arc<BTreeSet<String>>);

/// A request from texts, as a script writes it. The URL is read as browsers read it (URL Standard).
///
/// # Errors
/// [`Error::Invalid`] for anything that is not a request: a URL that cannot be read, a header with a line end.
pub fn request(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    body: Body,
) -> Result<http::Request<Body>, Error> {
    let invalid = |text: String| Error::Invalid(text);
    let url = Url::parse(url).map_err(|error| invalid(format!("the URL cannot be read: {error}")))?;
    let method = Method::try_from(method).map_err(|_| invalid("that is not a method".to_owned()))?;
    let mut request = http::Request::new(body);
    *request.method_mut() = method;
    let uri = url.as_str().split('#').next().unwrap_or_default();
    *request.uri_mut() = uri.parse().map_err(|_| invalid("the URL cannot be sent".to_owned()))?;
    for (name, value) in headers {
        let name = HeaderName::try_from(name)
            .map_err(|_| invalid("a header's name holds a wrong character".to_owned()))?;
        let value = HeaderValue::try_from(value).map_err(|_| {
            invalid(format!("the header '{name}' holds a line end or another control character"))
        })?;
        request.headers_mut().append(name, value);
    }
    Ok(request)
}

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never| match never {}).boxed_unsync()
}

/// No body.
pub fn empty() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Reads the head of a request.
pub(crate) fn read(parts: Parts) -> Result<Hop, Error> {
    if matches!(parts.method, Method::CONNECT | Method::TRACE) {
        return Err(Error::denied(format!("the method {} never passes", parts.method)));
    }
    let url = destination(&parts.uri)?;
    header::wrong(&parts.headers).map_or(Ok(()), |reason| Err(Error::denied(reason)))?;
    Ok(Hop { number: 0, method: parts.method, url, headers: parts.headers, offered: None })
}

/// The URL that a request for `uri` is judged by, and sent to.
///
/// # Errors
/// [`Error::Invalid`] or [`Error::Denied`] where no request is sent to that.
pub fn destination(uri: &http::Uri) -> Result<Url, Error> {
    let url = Url::parse(&uri.to_string());
    acceptable(url.map_err(|error| Error::Invalid(format!("the URL cannot be read: {error}")))?)
}

/// A URL that this door can serve, without its fragment.
pub(crate) fn acceptable(url: Url) -> Result<Url, Error> {
    acceptable_as(url, ["http", "https"])
}

/// As [`acceptable`], for one of these schemes.
pub(crate) fn acceptable_as(mut url: Url, schemes: [&str; 2]) -> Result<Url, Error> {
    if !schemes.contains(&url.scheme()) {
        let scheme: String = url.scheme().chars().take(20).collect();
        let [plain, secure] = schemes;
        return Err(Error::denied(format!("the scheme '{scheme}' is neither {plain} nor {secure}")));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(Error::denied("a URL may not hold a user name or a password"));
    }
    url.set_fragment(None);
    Ok(url)
}

/// A request's body, ready to be sent.
pub(crate) enum Payload {
    /// All of it, scanned.
    Whole(Bytes),
    /// The beginning, and the rest as it comes.
    Streamed { head: Bytes, rest: Body, declared: Option<u64> },
}

impl Payload {
    /// Reads up to [`REPLAY_MAX`] bytes of `body`, and scans them if that was all.
    pub(crate) async fn read(
        mut body: Body,
        headers: &HeaderMap,
        limit: u64,
        context: &Context,
    ) -> Result<Self, Error> {
        let too_large = || Error::TooLarge { part: Part::Request, limit };
        let declared = match header::content_length(headers) {
            Some(Err(())) => return Err(Error::Invalid("content-length is not one number".to_owned())),
            Some(Ok(length)) => Some(length),
            None => body.size_hint().exact(),
        };
        if declared.is_some_and(|length| length > limit) {
            return Err(too_large());
        }
        let mut head = BytesMut::new();
        while let Some(frame) = body.frame().await {
            // Trailers are dropped: nothing here needs them, and they would be one more place to scan.
            let Ok(data) = frame?.into_data() else { continue };
            head.extend_from_slice(&data);
            if as_u64(head.len()) > limit {
                return Err(too_large());
            }
            if head.len() > REPLAY_MAX {
                return Ok(Self::Streamed { head: head.freeze(), rest: body, declared });
            }
        }
        let whole = head.freeze();
        if declared.is_some_and(|length| length != as_u64(whole.len())) {
            return Err(Error::Invalid("content-length is not the length of the body".to_owned()));
        }
        if let Some(name) = context.redactor.find(&whole) {
            return Err(leak(name.as_str(), PLACE));
        }
        if let Some(name) = context.issued.find(&whole) {
            return Err(misplaced(name, PLACE));
        }
        Ok(Self::Whole(whole))
    }

    /// The body for one hop, and what is left for the next: nothing of a streamed one.
    pub(crate) fn for_hop(
        self,
        context: &Arc<Context>,
        limit: u64,
        sent: &Arc<AtomicU64>,
    ) -> Result<(reqwest::Body, Option<Self>, Failure), Error> {
        match self {
            Self::Whole(bytes) => {
                if as_u64(bytes.len()) > limit {
                    return Err(Error::TooLarge { part: Part::Request, limit });
                }
                sent.store(as_u64(bytes.len()), Ordering::Relaxed);
                Ok((reqwest::Body::from(bytes.clone()), Some(Self::Whole(bytes)), Failure::default()))
            }
            Self::Streamed { head, rest, declared } => {
                let failure = Failure::default();
                let upload = Upload {
                    head: Some(head),
                    rest,
                    declared,
                    limit,
                    passed: 0,
                    secrets: Flow::new(context.redactor.patterns()),
                    references: Flow::new(context.issued.search.clone()),
                    context: context.clone(),
                    sent: sent.clone(),
                    ended: false,
                };
                let body = reqwest::Body::wrap(upload.into_body(failure.clone()));
                Ok((body, None, failure))
            }
        }
    }

    /// Whether there is nothing to send.
    pub(crate) fn is_empty(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }
}

/// Why a streamed body stopped: the HTTP client would only say that it did.
#[derive(Clone, Default)]
pub(crate) struct Failure(Arc<Mutex<Option<Error>>>);

impl Failure {
    pub(crate) fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: Error) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }
}

/// The body of a request broke off; [`Failure`] says why.
#[derive(Debug, thiserror::Error)]
#[error("the request body was stopped")]
struct Stopped;

/// A body that is scanned while it passes.
struct Upload {
    head: Option<Bytes>,
    rest: Body,
    declared: Option<u64>,
    limit: u64,
    passed: u64,
    secrets: Flow,
    references: Flow,
    context: Arc<Context>,
    sent: Arc<AtomicU64>,
    ended: bool,
}

impl Upload {
    fn into_body(self, failure: Failure) -> SizedBody {
        let length = self.declared;
        let pieces = stream::unfold(Some(self), move |upload| {
            let failure = failure.clone();
            async move {
                let mut upload = upload?;
                match upload.next().await {
                    Ok(Some(bytes)) => Some((Ok(bytes), Some(upload))),
                    Ok(None) => None,
                    Err(error) => {
                        failure.set(error);
                        Some((Err(Stopped), None))
                    }
                }
            }
        });
        SizedBody { pieces: Mutex::new(Box::pin(pieces)), length }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        loop {
            if self.ended {
                return Ok(None);
            }
            let piece = self.piece().await?;
            let bytes = self.scan(piece)?;
            if !bytes.is_empty() {
                self.sent.fetch_add(as_u64(bytes.len()), Ordering::Relaxed);
                return Ok(Some(bytes));
            }
        }
    }

    /// The next bytes of the guest; `None` at the end.
    async fn piece(&mut self) -> Result<Option<Bytes>, Error> {
        let piece = match self.head.take() {
            Some(head) => Some(head),
            None => loop {
                let Some(frame) = self.rest.frame().await else { break None };
                if let Ok(data) = frame?.into_data() {
                    break Some(data);
                }
            },
        };
        self.passed += piece.as_ref().map_or(0, |bytes| as_u64(bytes.len()));
        if self.passed > self.limit {
            return Err(Error::TooLarge { part: Part::Request, limit: self.limit });
        }
        let wrong_length = self
            .declared
            .is_some_and(|length| if piece.is_some() { self.passed > length } else { self.passed != length });
        if wrong_length {
            return Err(Error::Invalid("content-length is not the length of the body".to_owned()));
        }
        Ok(piece)
    }

    fn scan(&mut self, piece: Option<Bytes>) -> Result<Bytes, Error> {
        let secret = |label: usize| leak(self.context.redactor.name(label).as_str(), PLACE);
        let reference = |label: usize| misplaced(self.context.issued.name(label), PLACE);
        if let Some(bytes) = piece {
            let bytes = self.secrets.scan(bytes).map_err(secret)?;
            return self.references.scan(bytes).map_err(reference);
        }
        self.ended = true;
        let mut end = BytesMut::from(self.secrets.scan_rest().map_err(secret)?.as_ref());
        end = BytesMut::from(self.references.scan(end.freeze()).map_err(reference)?.as_ref());
        end.extend_from_slice(&self.references.scan_rest().map_err(reference)?);
        Ok(end.freeze())
    }
}

/// A stream as a body whose length may be known.
struct SizedBody {
    /// In a mutex that is never locked: the HTTP client wants bodies that threads may share, and a stream is not.
    pieces: Mutex<BoxStream<'static, Result<Bytes, Stopped>>>,
    length: Option<u64>,
}

impl http_body::Body for SizedBody {
    type Data = Bytes;
    type Error = Stopped;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut TaskContext<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Stopped>>> {
        let pieces = self.pieces.get_mut().unwrap_or_else(PoisonError::into_inner);
        pieces.as_mut().poll_next(context).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}

/// Lengths in memory fit into 64 bits.
pub(crate) fn as_u64(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}
