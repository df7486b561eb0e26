//! OpenAI-compatible services: chat completions, streamed.
//!
//! The wire is spoken here rather than by a client crate. `genai` and the client of `async-openai` bring a reqwest
//! client of their own, which is a second way out of the house; the types of `async-openai` close over the reference
//! (they want `id` and `created`, know five finish reasons and no `reasoning_content`), so that chunks of Groq, Ollama
//! or `DeepSeek` do not parse. `rig-core` 0.44 could send through our door and is lenient, but it decides for itself what
//! this loop has to know (it refuses an answer by its content type before its bytes can be looked at, replaces malformed
//! arguments in the history, bounds no line) and weighs 117,000 lines and about 40 seconds of checking for the two
//! requests that are made here. `eventsource-stream` has no bound either, and drops a last event without an empty line.
//! A further provider is one more module beside this one.

mod body;
mod decoder;
mod event_stream;
mod list;
mod reader;
mod refused;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method, StatusCode, header};
use http_body_util::{BodyExt as _, Full};
use openpact_egress::credential::References;
use openpact_egress::{self as egress, Door};
use openpact_model::clock::Clock;
use serde_json::Value;
use url::Url;

use self::body::{Body, Dialect};
use self::reader::Reader;
use super::config::Key;
use super::provider::{Again, Answer, Failure, Limits, Listed, Provider, Request};
use crate::event::ErrorKind;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(15);

/// How the door's reason ends when the value of a secret was about to leave.
const LEAK: &str = "holds the value of a secret";

/// The most bytes of an answer that is no stream.
const MAX_BODY_BYTES: usize = 8 * 1024 * 1024;

/// One service.
pub(super) struct OpenAi {
    door: Arc<Door>,
    clock: Arc<dyn Clock>,
    base: Url,
    key: Option<Key>,
    dialect: Mutex<Dialect>,
}

impl OpenAi {
    pub(super) fn new(door: Arc<Door>, clock: Arc<dyn Clock>, base: Url, key: Option<Key>) -> Self {
        Self { door, clock, base, key, dialect: Mutex::default() }
    }

    fn dialect(&self) -> Dialect {
        *self.dialect.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends a request and gives the response, whatever its status.
    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        limits: Limits,
    ) -> Result<http::Response<egress::Body>, Failure> {
        let references = self.door.credentials();
        let mut url = self.base.clone();
        url.path_segments_mut().expect("an http address has segments").pop_if_empty().extend(path.split('/'));
        let mut request = http::Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::ACCEPT, "text/event-stream, application/json");
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        if let Some(reference) = self.reference(&references)? {
            // The door fills the key in behind this.
            request = request.header(header::AUTHORIZATION, format!("Bearer {reference}"));
        }
        let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed_unsync();
        let request = request.body(body).map_err(|error| setup(&error.to_string()))?;
        let options = egress::Options {
            connect: Some(CONNECT.min(limits.total)),
            first_byte: Some(limits.idle),
            between_bytes: Some(limits.idle),
            total: Some(limits.total),
        };
        self.door.send(request, options, &references).await.map_err(|error| transport(&error))
    }

    fn reference(&self, references: &References) -> Result<Option<String>, Failure> {
        let Some(key) = &self.key else { return Ok(None) };
        references.reference(&key.credential).map(Some).map_err(|_unavailable| {
            let name = &key.secret;
            let message =
                format!("the key for the model is missing: store it with 'openpact secret set {name}'");
            Failure::new(ErrorKind::Unauthorised, Again::Never, message)
        })
    }

    /// What a refusal means.
    async fn refused(&self, response: http::Response<egress::Body>, model: &str) -> (Failure, String) {
        let (parts, body) = response.into_parts();
        // What there is of it will do.
        let (body, _end) = read(body).await;
        let body = String::from_utf8_lossy(&body).into_owned();
        let secret = self.key.as_ref().map(|key| &key.secret);
        let asked = refused::Asked { secret, model, now: self.clock.now() };
        (refused::response(parts.status, &parts.headers, &body, &asked), body)
    }
}

#[async_trait]
impl Provider for OpenAi {
    async fn answer(&self, request: &Request, limits: Limits) -> Result<Answer, Failure> {
        loop {
            let dialect = self.dialect();
            let body =
                serde_json::to_vec(&Body::new(request, dialect)).expect("a request is made of JSON values");
            let response = self.send(Method::POST, "chat/completions", body, limits).await?;
            if response.status().is_success() {
                return Ok(Reader::new(response).into_answer());
            }
            let invalid =
                matches!(response.status(), StatusCode::BAD_REQUEST | StatusCode::UNPROCESSABLE_ENTITY);
            let (failure, body) = self.refused(response, &request.model).await;
            match dialect.without(&body).filter(|_| invalid) {
                Some(other) => *self.dialect.lock().unwrap_or_else(PoisonError::into_inner) = other,
                None => return Err(failure),
            }
        }
    }

    async fn models(&self, limits: Limits) -> Result<Vec<Listed>, Failure> {
        let response = self.send(Method::GET, "models", Vec::new(), limits).await?;
        if let StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED = response.status() {
            let status = response.status().as_u16();
            return Err(Failure::nonsense(format!("the service has no list of its models ({status})")));
        }
        if !response.status().is_success() {
            return Err(self.refused(response, "").await.0);
        }
        let headers = response.headers().clone();
        let (body, end) = read(response.into_body()).await;
        end?;
        let text = String::from_utf8_lossy(&body);
        let Ok(list) = serde_json::from_str::<Value>(&text) else { return Err(no_json(&headers, &text)) };
        Ok(list::models(&list))
    }

    fn ready(&self) -> Result<(), String> {
        self.reference(&self.door.credentials()).map(|_reference| ()).map_err(|failure| failure.message)
    }
}

/// The bytes of a body, and how it ended.
async fn read(mut body: egress::Body) -> (Vec<u8>, Result<(), Failure>) {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => bytes.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data)),
            Err(error) => return (bytes, Err(transport(&error))),
        }
        if bytes.len() > MAX_BODY_BYTES {
            return (bytes, Err(too_large()));
        }
    }
    (bytes, Ok(()))
}

/// An answer of a status of success that is no JSON.
fn no_json(headers: &HeaderMap, text: &str) -> Failure {
    if refused::is_web_page(headers, text) {
        return Failure::nonsense(refused::WEB_PAGE);
    }
    Failure::nonsense(
        "the endpoint answered neither an event stream nor JSON: check the address in engine.base_url (does it end in \
         /v1?)",
    )
}

fn too_large() -> Failure {
    Failure::nonsense(format!(
        "the endpoint answered more than {MAX_BODY_BYTES} bytes at once; that is no answer"
    ))
}

fn setup(why: &str) -> Failure {
    Failure::new(
        ErrorKind::Engine,
        Again::Never,
        format!("the request to the model could not be made: {why}"),
    )
}

/// What the door said, for the person who can mend it.
fn transport(error: &egress::Error) -> Failure {
    use egress::Error as E;
    let provider = |again, message: String| Failure::new(ErrorKind::Provider, again, message);
    match error {
        E::Denied(denial) if denial.reason.ends_with(LEAK) => provider(
            Again::Never,
            "the message holds the value of a secret and was not sent; 'openpact audit show' has which one"
                .to_owned(),
        ),
        E::Denied(_) | E::Prohibited { .. } => provider(
            Again::Never,
            format!(
                "the engine may not reach its endpoint ({error}): check engine.base_url and engine.private; 'openpact \
                 audit show' has the reason"
            ),
        ),
        E::RateLimited { retry } => Failure::new(
            ErrorKind::RateLimited,
            Again::After(*retry),
            format!("the engine's own limit: {error}"),
        ),
        E::Dns { .. } | E::Connect { .. } => provider(
            Again::Soon,
            format!("{error}: check that the service runs, engine.base_url, and the network"),
        ),
        E::Tls { .. } => provider(Again::Never, format!("{error}: check engine.base_url")),
        E::Timeout { phase: egress::Phase::Connect | egress::Phase::Queue, .. } => {
            provider(Again::Soon, format!("the endpoint did not take the request: {error}; try again later"))
        }
        E::Timeout { .. } => {
            let message = format!("the model did not answer in time: {error}; what was said so far is kept");
            Failure::new(ErrorKind::Deadline, Again::Never, message)
        }
        E::Remote { .. } => Failure::cut(),
        // The last three are of WebSocket, which no engine speaks.
        E::TooLarge { .. }
        | E::TooManyRedirects(_)
        | E::Invalid(_)
        | E::Refused { .. }
        | E::TooManyConnections(_)
        | E::Closed => provider(Again::Never, format!("the request to the model failed: {error}")),
        E::Body(_) | E::Audit(_) | E::Setup(_) => setup(&error.to_string()),
    }
}
