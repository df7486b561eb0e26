//! One request from its start to its answer: every hop through the same checks.

use std::sync::Arc;

use http::{HeaderMap, HeaderName, Method, StatusCode, header as names};
use openpact_model::audit::{Event, Verdict};
use openpact_model::secret::SecretName;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use url::Url;

use crate::Body;
use crate::credential::{Issued, References};
use crate::decide::{Context, Hop, Passed, explain};
use crate::door::Door;
use crate::error::{Error, Phase};
use crate::exchange::{Exchange, KIND};
use crate::header;
use crate::limit::{DEFAULT_REQUEST_MAX, DEFAULT_RESPONSE_MAX, Options, Times};
use crate::redact::Redactor;
use crate::request::{self, Failure, Only, Payload};
use crate::response::{Delivery, FinalUrl, deliver};
use crate::transport::{CONNECT, classify};

/// Redirects that are followed in a row.
pub(crate) const MAX_REDIRECTS: u8 = 5;
/// How much of a URL the audit log keeps.
pub(crate) const RECORDED: usize = 2048;

/// What one request keeps across its hops.
struct Journey {
    context: Arc<Context>,
    options: Options,
    start: Instant,
    /// The guest's body until it is first needed.
    body: Option<Body>,
    /// The body once it was read.
    payload: Option<Payload>,
    place: Option<OwnedSemaphorePermit>,
    /// The secrets that were put into any hop.
    placed: Vec<SecretName>,
}

/// How a hop ended.
enum Outcome {
    Answer(http::Response<Body>),
    Redirect(Box<Hop>),
}

impl Door {
    /// Sends a request under this principal's grants and follows redirects. Every hop is recorded: a denial before
    /// it is returned; an exchange before its first byte is sent, and again when its answer ends or is dropped.
    /// What the audit log does not take is not sent.
    ///
    /// # Errors
    /// Every way in which there was no answer; an error after the head of the answer comes through its body.
    pub async fn send(
        &self,
        request: http::Request<Body>,
        options: Options,
        references: &References,
    ) -> Result<http::Response<Body>, Error> {
        let issued = references.issued();
        let (context, mut journey, parts) = self.start(request, options, issued);
        let asked = parts.uri.to_string();
        let method = parts.method.clone();
        let mut hop = match request::read(parts) {
            Ok(hop) => hop,
            Err(error) => {
                let subject = context.show(asked.split(['?', '#']).next().unwrap_or_default(), RECORDED);
                self.exchange(&context, &method, subject).finish(Err(&error)).await?;
                return Err(error);
            }
        };
        loop {
            match self.hop(&mut journey, &hop).await {
                Ok(Outcome::Answer(answer)) => return Ok(answer),
                Ok(Outcome::Redirect(next)) => hop = *next,
                Err(error) if hop.number > 0 => return Err(after_redirect(error, &asked)),
                Err(error) => return Err(error),
            }
        }
    }

    fn start(
        &self,
        request: http::Request<Body>,
        options: Options,
        issued: Arc<Issued>,
    ) -> (Arc<Context>, Journey, http::request::Parts) {
        let (parts, body) = request.into_parts();
        let snapshot = self.shared.ports.secrets.snapshot();
        let redactor = self.redactor_for(&snapshot);
        let only = parts.extensions.get::<Only>().cloned();
        let context = Arc::new(Context { set: self.set(), issued, snapshot, redactor, only });
        let journey = Journey {
            context: context.clone(),
            options,
            start: Instant::now(),
            body: Some(body),
            payload: None,
            place: None,
            placed: Vec::new(),
        };
        (context, journey, parts)
    }

    /// A token may have been minted for this hop: the body is searched for it, and later hops are.
    fn renew(&self, journey: &mut Journey) {
        let (before, now) = (&journey.context, self.shared.ports.secrets.snapshot());
        if now.generation == before.snapshot.generation {
            return;
        }
        let (set, issued, only) = (before.set.clone(), before.issued.clone(), before.only.clone());
        let redactor = self.redactor_for(&now);
        journey.context = Arc::new(Context { set, issued, snapshot: now, redactor, only });
    }

    pub(crate) fn exchange(&self, context: &Context, method: &Method, subject: String) -> Exchange {
        let event = Event::new(KIND, self.principal.to_string(), subject, Verdict::Allowed)
            .with("method", context.show(method.as_str(), RECORDED));
        Exchange::begin(self.shared.ports.audit.clone(), self.shared.ports.clock.clone(), event)
    }

    async fn hop(&self, journey: &mut Journey, hop: &Hop) -> Result<Outcome, Error> {
        let context = journey.context.clone();
        let mut exchange = self.exchange(&context, &hop.method, context.show_url(&hop.url, RECORDED));
        note_request(&mut exchange, &context, hop);
        // From here on the record is written whatever happens: here, in the answer's body, or by dropping it.
        let ready = self.prepare(journey, hop, &mut exchange).await;
        match ready {
            Err(error) => {
                exchange.finish(Err(&error)).await?;
                Err(error)
            }
            Ok(ready) => self.exchange_hop(journey, hop, ready, exchange).await,
        }
    }

    /// Everything before the first byte leaves.
    async fn prepare(
        &self,
        journey: &mut Journey,
        hop: &Hop,
        exchange: &mut Exchange,
    ) -> Result<Ready, Error> {
        let context = journey.context.clone();
        let passed = self.decide(&context, hop, exchange).await?;
        self.renew(journey);
        journey.placed.extend(passed.credential.iter().map(|placed| placed.secret.clone()));
        let rule = passed.rule.as_ref();
        let times =
            Times::new(self.shared.transport.connect, rule.and_then(|rule| rule.timeout), journey.options);
        let deadline = journey.start + times.total;
        let total = |_| Error::Timeout { phase: Phase::Total, after: times.total };
        if journey.place.is_none() {
            let place = tokio::time::timeout_at(deadline, self.places.clone().acquire_owned()).await;
            let place = place.map_err(|_| Error::Timeout { phase: Phase::Queue, after: times.total })?;
            journey.place = place.ok();
        }
        let limit = rule.and_then(|rule| rule.request_max).unwrap_or(DEFAULT_REQUEST_MAX);
        if let Some(body) = journey.body.take() {
            let read = Payload::read(body, &passed.headers, limit, &journey.context);
            journey.payload = Some(tokio::time::timeout_at(deadline, read).await.map_err(total)??);
        }
        let payload = journey.payload.take().ok_or_else(|| {
            Error::Invalid("the redirect asks for the body again, which was too long to keep".to_owned())
        })?;
        let client = self.client(&passed.private)?;
        let mut request = reqwest::Request::new(hop.method.clone(), passed.url.clone());
        *request.headers_mut() = outgoing_headers(&passed.headers);
        let without_body =
            payload.is_empty() && matches!(hop.method, Method::GET | Method::HEAD | Method::OPTIONS);
        let (body, payload, failure) = payload.for_hop(&journey.context, limit, &exchange.sent)?;
        if !without_body {
            *request.body_mut() = Some(body);
        }
        journey.payload = payload;
        Ok(Ready { passed, request, client, failure, times, deadline })
    }

    async fn exchange_hop(
        &self,
        journey: &mut Journey,
        hop: &Hop,
        ready: Ready,
        mut exchange: Exchange,
    ) -> Result<Outcome, Error> {
        let Ready { passed, request, client, failure, times, deadline } = ready;
        let host = hop.url.host_str().unwrap_or_default().to_owned();
        let by = deadline.min(Instant::now() + times.first_byte);
        let credential = passed.credential.as_ref().map(|placed| placed.credential.as_str());
        let explained = |error| explain(error, &journey.context, hop, credential);
        let transport = &self.shared.transport;
        let behind =
            transport.judge_behind_proxy(&hop.url, &passed.private, times.connect, &self.lookups).await;
        let cleared = match behind.map_err(explained) {
            Ok(()) => exchange.announce().await,
            Err(error) => Err(error),
        };
        if let Err(error) = cleared {
            exchange.finish(Err(&error)).await?;
            return Err(error);
        }
        let sending = CONNECT.scope(times.connect, client.execute(request));
        let response = match tokio::time::timeout_at(by, sending).await {
            Ok(Ok(response)) => Ok(response),
            Ok(Err(error)) => Err(failure.take().unwrap_or_else(|| explained(classify(&error, &host)))),
            Err(_) if by == deadline => Err(Error::Timeout { phase: Phase::Total, after: times.total }),
            Err(_) => Err(Error::Timeout { phase: Phase::FirstByte, after: times.first_byte }),
        };
        let next = response.and_then(|response| {
            exchange.answered(response.status());
            if let Some(address) = response.remote_addr() {
                exchange.note("address", address.to_string());
            }
            let next = self.redirect(&journey.context, hop, &passed, &response)?;
            Ok((response, next))
        });
        match next {
            Err(error) => {
                exchange.finish(Err(&error)).await?;
                Err(error)
            }
            Ok((_, Some(next))) => {
                exchange.finish(Ok(())).await?;
                if without_body(hop, &next) {
                    journey.payload = Some(Payload::Whole(bytes::Bytes::new()));
                }
                Ok(Outcome::Redirect(Box::new(next)))
            }
            Ok((response, None)) => {
                let Some(place) = journey.place.take() else {
                    return Err(Error::Setup("the request lost its place".to_owned()));
                };
                let rule = passed.rule.as_ref();
                let limit = rule.and_then(|rule| rule.response_max).unwrap_or(DEFAULT_RESPONSE_MAX);
                let final_url = FinalUrl(journey.context.show_whole(&hop.url, RECORDED));
                let method = hop.method.clone();
                let delivery = Delivery { host, method, limit, times, deadline, exchange, place, final_url };
                let redactor = self.redactor_of_answer(journey);
                Ok(Outcome::Answer(deliver(response, delivery, &redactor).await?))
            }
        }
    }

    /// What takes secrets out of the answer. Those that were placed, too, where they are too short to be looked for
    /// otherwise; and a poll may have waited since before a change: then those of its start and those of now.
    fn redactor_of_answer(&self, journey: &Journey) -> Arc<Redactor> {
        let snapshot = &journey.context.snapshot;
        let redactor = self.redactor();
        let is_same = redactor.generation() == snapshot.generation;
        if is_same && journey.placed.iter().all(|name| redactor.knows(name)) {
            return redactor;
        }
        Arc::new(self.redactor_with(snapshot, &journey.placed))
    }

    /// The next hop, where the answer is a redirect.
    fn redirect(
        &self,
        context: &Context,
        hop: &Hop,
        passed: &Passed,
        response: &reqwest::Response,
    ) -> Result<Option<Hop>, Error> {
        let status = response.status();
        let follows = matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308);
        let Some(location) = response.headers().get(names::LOCATION).filter(|_| follows) else {
            return Ok(None);
        };
        if hop.number == MAX_REDIRECTS {
            return Err(Error::TooManyRedirects(MAX_REDIRECTS));
        }
        let unreadable = || {
            let host = hop.url.host_str().unwrap_or_default().to_owned();
            Error::Remote { host, why: "it redirects to what is no URL".to_owned() }
        };
        let location = std::str::from_utf8(location.as_bytes()).map_err(|_| unreadable())?;
        let url = hop.url.join(location).map_err(|_| unreadable())?;
        let mut url = request::acceptable(url)?;
        self.unfill(context, &mut url);
        let (method, keeps_body) = next_method(status, &hop.method);
        let mut headers = passed.bare_headers.clone();
        if !keeps_body {
            remove(&mut headers, &header::OF_BODY);
        }
        if url.origin() != hop.url.origin() {
            remove(&mut headers, &header::CREDENTIALS);
        }
        let carried = passed.credential.as_ref().filter(|placed| placed.in_header);
        let offered = carried.map(|placed| placed.credential.clone()).or_else(|| hop.offered.clone());
        Ok(Some(Hop { number: hop.number + 1, method, url, headers, offered }))
    }

    /// Turns credential values that a server put into a redirect back into their references, where a grant places
    /// them.
    fn unfill(&self, context: &Context, url: &mut Url) {
        for grant in &context.set.grants {
            let (Some(name), Some(placement)) = (&grant.rule.credential, &grant.placement) else { continue };
            let value = self.secret_of(grant, &context.snapshot, url.host_str().unwrap_or_default());
            if let (Some(reference), Some(value)) = (context.issued.reference(name), value) {
                placement.unfill(value.expose(), reference, url);
            }
        }
    }
}

/// A hop that may go out, with what sends it.
struct Ready {
    passed: Passed,
    request: reqwest::Request,
    client: reqwest::Client,
    failure: Failure,
    times: Times,
    deadline: Instant,
}

/// What the guest is told of a later hop. The host that it asked got the request and answered: nothing may say that
/// nothing was sent, or the guest would send it once more.
fn after_redirect(error: Error, asked: &str) -> Error {
    match error {
        Error::RateLimited { .. }
        | Error::Dns { .. }
        | Error::Connect { .. }
        | Error::Tls { .. }
        | Error::Timeout { .. }
        | Error::Audit(_)
        | Error::Setup(_) => {
            let host = asked.parse::<http::Uri>().ok().and_then(|uri| uri.host().map(str::to_owned));
            let why = format!("it led elsewhere, and from there: {error}");
            Error::Remote { host: host.unwrap_or_default(), why }
        }
        Error::Denied(_)
        | Error::Prohibited { .. }
        | Error::Invalid(_)
        | Error::TooLarge { .. }
        | Error::TooManyRedirects(_)
        | Error::Remote { .. }
        | Error::Refused { .. }
        | Error::TooManyConnections(_)
        | Error::Closed
        | Error::Body(_) => error,
    }
}

/// The method of the next hop, and whether the body goes along (Fetch Standard, "HTTP-redirect fetch").
fn next_method(status: StatusCode, method: &Method) -> (Method, bool) {
    let to_get = match status.as_u16() {
        301 | 302 => *method == Method::POST,
        303 => !matches!(*method, Method::GET | Method::HEAD),
        _ => false,
    };
    if to_get { (Method::GET, false) } else { (method.clone(), true) }
}

fn remove(headers: &mut HeaderMap, names: &[HeaderName]) {
    for name in names {
        headers.remove(name);
    }
}

fn without_body(hop: &Hop, next: &Hop) -> bool {
    hop.method != next.method
}

/// The guest's headers with those that the host sets itself.
fn outgoing_headers(headers: &HeaderMap) -> HeaderMap {
    let mut headers = headers.clone();
    // The length is that of the body as it is sent.
    headers.remove(names::CONTENT_LENGTH);
    // A part of an encoded body cannot be decoded.
    let in_part = headers.contains_key(names::RANGE);
    headers.insert(
        names::ACCEPT_ENCODING,
        if in_part { header::NO_ENCODING } else { header::ACCEPTED_ENCODINGS },
    );
    headers
}

pub(crate) fn note_request(exchange: &mut Exchange, context: &Context, hop: &Hop) {
    let names: Vec<String> = hop
        .url
        .query()
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(|pair| pair.split_once('=').map(|(name, _)| name))
        .filter(|name| !context.is_secret(&percent_encoding::percent_decode_str(name).collect::<Vec<u8>>()))
        .map(|name| context.show(name, 100))
        .take(50)
        .collect();
    if !names.is_empty() {
        exchange.note("query", names);
    }
    if hop.number > 0 {
        exchange.note("hop", hop.number);
    }
}
