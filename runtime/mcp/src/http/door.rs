//! The door: who is it, may they, is it small enough, is it there in time. Only then is the message looked at.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use futures::StreamExt as _;
use http::header::{AUTHORIZATION, HOST, HeaderName, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use openpact_model::audit::{Event, Verdict};
use openpact_model::port::AuditSink as _;
use openpact_model::text::one_line;
use openpact_store::Store;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Protocol;
use super::denial::Denial;
use super::gate::{self, Busy};
use super::network;
use super::session::Sessions;
use crate::bucket::{Buckets, Place};
use crate::client::{Client, Clients};
use crate::config::{Config, Limits, Ports};

/// Attempts without a good token that one network may make at once, and the time after which it may make one more.
/// Those beyond are refused without a record. A good token is always taken: guessing 256 bits is hopeless, and a lock
/// would let a stranger on this machine keep a client out.
const ATTEMPTS: (u32, Duration) = (10, Duration::from_secs(6));
/// The same over all networks, for records alone: what strangers write to the disk is bounded. The others are counted.
const RECORDS: (u32, Duration) = (100, Duration::from_secs(6));
/// The versions that have sessions say so by this header, once they have one.
const SESSION: &str = "mcp-session-id";
/// From this version on there are no sessions.
const STATELESS: &str = "2026-07-28";
const VERSION: &str = "mcp-protocol-version";

tokio::task_local! {
    /// Who is at the door while a request goes through it.
    static CLIENT: Arc<Client>;
}

/// Who is at the door now, as seen from within a request.
pub(super) fn client() -> Option<Arc<Client>> {
    CLIENT.try_with(Arc::clone).ok()
}

/// The door.
pub(super) struct Door {
    clients: Arc<Clients>,
    store: Store,
    protocol: Protocol,
    sessions: Arc<Sessions>,
    limits: Limits,
    attempts: Buckets<IpAddr>,
    records: Buckets<()>,
    /// Attempts since the last one that was recorded.
    unrecorded: AtomicU64,
    open: Mutex<HashMap<String, Arc<Semaphore>>>,
}

impl Door {
    pub(super) fn new(config: Config, ports: Ports, protocol: Protocol, sessions: Arc<Sessions>) -> Self {
        Self {
            attempts: Buckets::new(Arc::clone(&ports.clock), ATTEMPTS.0, ATTEMPTS.1),
            records: Buckets::new(Arc::clone(&ports.clock), RECORDS.0, RECORDS.1),
            unrecorded: AtomicU64::new(0),
            clients: ports.clients,
            store: ports.store,
            protocol,
            sessions,
            limits: config.limits,
            open: Mutex::default(),
        }
    }

    /// Answers one request.
    pub(super) async fn enter(
        &self,
        peer: IpAddr,
        connection: &gate::Place,
        request: Request<Incoming>,
    ) -> Response<Body> {
        match self.admit(peer, connection, request).await {
            Ok(response) => response,
            Err(denial) => {
                metrics::counter!("openpact_mcp_refused_total", "why" => denial.code()).increment(1);
                denial.response()
            }
        }
    }

    async fn admit(
        &self,
        peer: IpAddr,
        connection: &gate::Place,
        request: Request<Incoming>,
    ) -> Result<Response<Body>, Denial> {
        let (parts, body) = request.into_parts();
        let Some(client) = bearer(&parts.headers).and_then(|token| self.clients.find(token)) else {
            return Err(self.unknown(peer, &parts).await);
        };
        connection.keep();
        if parts.uri.path() != "/mcp" {
            return Err(Denial::Path);
        }
        if !self.may_name(&parts, &client) {
            return Err(Denial::Session);
        }
        self.clients.saw(&client);
        // Who wants to end something is never one too many.
        let place = match parts.method {
            Method::DELETE => None,
            _ => Some(Arc::new(self.place(&client).ok_or(Denial::Requests)?)),
        };
        if opens_session(&parts) && !self.sessions.has_room(&client) {
            return Err(Denial::Sessions);
        }
        let body = self.read(body).await?;
        if body.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'[') {
            return Err(Denial::Batch);
        }
        let busy = connection.busy();
        let named = (text(&parts.headers, ORIGIN), text(&parts.headers, HOST));
        let mut request = Request::from_parts(parts, Full::new(body));
        // What answers it holds the place as well: in a session that goes on when nobody listens any more.
        if let Some(place) = place.clone() {
            request.extensions_mut().insert(place);
        }
        let response = CLIENT.scope(Arc::clone(&client), self.protocol.handle(request)).await;
        if response.status() == StatusCode::FORBIDDEN {
            self.foreign(peer, &client, named).await;
        }
        Ok(response.map(|body| ending(body.into_data_stream(), client, (place, busy))))
    }

    /// Whether the session that the request names, if it does, is the client's own. Another's is told from none by
    /// nothing. The version without sessions looks at no such header.
    fn may_name(&self, parts: &Parts, client: &Client) -> bool {
        let Some(id) = parts.headers.get(SESSION) else { return true };
        let own = id.to_str().is_ok_and(|id| self.sessions.belongs(id, client));
        own || (parts.method == Method::POST && is_stateless(parts))
    }

    /// Somebody without a good token.
    async fn unknown(&self, peer: IpAddr, parts: &Parts) -> Denial {
        let place = self.attempts.take(network::of(peer));
        if place == Place::None || self.records.take(()) == Place::None {
            self.unrecorded.fetch_add(1, Ordering::Relaxed);
            return if place == Place::None { Denial::Guessing } else { Denial::Unknown };
        }
        let presented = parts.headers.contains_key(AUTHORIZATION);
        let event = Event::new("mcp.client.denied", "unknown", "mcp", Verdict::Denied)
            .with("address", peer.to_string())
            .with("token", if presented { "wrong" } else { "none" })
            .with("more_are_not_recorded", place == Place::Last)
            .with("not_recorded_before", self.unrecorded.swap(0, Ordering::Relaxed));
        if let Err(error) = self.store.record(event).await {
            tracing::error!(%error, "an attempt without a good token could not be recorded");
        }
        Denial::Unknown
    }

    /// A good token that came from a web page, or under a name that is not this machine's: somebody has it who should not.
    async fn foreign(&self, peer: IpAddr, client: &Client, (origin, host): (String, String)) {
        if self.records.take(()) == Place::None {
            self.unrecorded.fetch_add(1, Ordering::Relaxed);
            return;
        }
        let event = Event::new("mcp.client.denied", client.actor(), "mcp", Verdict::Denied)
            .with("address", peer.to_string())
            .with("origin", origin)
            .with("host", host)
            .with("not_recorded_before", self.unrecorded.swap(0, Ordering::Relaxed));
        if let Err(error) = self.store.record(event).await {
            tracing::error!(%error, "a request from a foreign origin could not be recorded");
        }
    }

    /// A place among the requests that the client may have open.
    fn place(&self, client: &Client) -> Option<OwnedSemaphorePermit> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let most = self.limits.requests;
        if open.len() > 1024 {
            open.retain(|_, places| places.available_permits() < most);
        }
        let places = open.entry(client.name.clone()).or_insert_with(|| Arc::new(Semaphore::new(most)));
        Arc::clone(places).try_acquire_owned().ok()
    }

    async fn read(&self, body: Incoming) -> Result<Bytes, Denial> {
        let reading = Limited::new(body, self.limits.body).collect();
        match tokio::time::timeout(self.limits.reading, reading).await {
            Ok(Ok(body)) => Ok(body.to_bytes()),
            Ok(Err(error)) if error.is::<LengthLimitError>() => Err(Denial::Large),
            Ok(Err(_)) | Err(_) => Err(Denial::Slow),
        }
    }
}

/// A header for the record.
fn text(headers: &HeaderMap, name: HeaderName) -> String {
    headers
        .get(name)
        .map(|value| one_line(&String::from_utf8_lossy(value.as_bytes()), 200))
        .unwrap_or_default()
}

/// The token that was presented. Only the header counts: addresses end up in logs and histories.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (value, None) = (values.next()?, values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Whether the request may open a session: a message without one, of a version that has them.
fn opens_session(parts: &Parts) -> bool {
    parts.method == Method::POST && !parts.headers.contains_key(SESSION) && !is_stateless(parts)
}

/// Whether the request is of a version that has no sessions.
fn is_stateless(parts: &Parts) -> bool {
    parts.headers.get(VERSION).is_some_and(|version| version.as_bytes() >= STATELESS.as_bytes())
}

/// The place of a request, for as long as somebody works at it.
type Held = Arc<OwnedSemaphorePermit>;

/// A body that ends when its client is revoked, and holds the client's place until then.
fn ending(
    stream: impl futures::Stream<Item = Result<Bytes, std::convert::Infallible>> + Send + 'static,
    client: Arc<Client>,
    held: (Option<Held>, Busy),
) -> Body {
    let revoked = async move { client.revoked.cancelled().await };
    let stream = stream.take_until(Box::pin(revoked));
    Body::from_stream(stream.map(move |piece| {
        let _held = &held;
        piece
    }))
}
