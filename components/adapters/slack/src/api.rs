//! One exchange with the Web API (<https://docs.slack.dev/apis/web-api/>), and with the addresses that Slack names.
//!
//! The requests and answers are slack-morphism's types; its client is not used, because it hides whether a request that
//! failed may have arrived, and waits by itself where Slack asks to wait.

mod error;

use std::time::Duration;

use openpact_sdk::credentials;
use openpact_sdk::http::{Request, Response};
use openpact_sdk::serde_json::{self, Value};
use openpact_text::foreign::{self, shortened};
use serde::Serialize;
use url::Url;

use crate::settings::Settings;

pub(crate) use error::{Failure, Refusal, Unusable, link_disabled};

/// How long one call may wait for the head of its answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// The same for what is read between the frames of the connection, which wait for it.
const SHORT_TIMEOUT: Duration = Duration::from_secs(5);

/// How many bytes such an answer may have.
const PAGE: usize = 2 * 1024 * 1024;

/// The same for the bytes of a file.
const FILE_TIMEOUT: Duration = Duration::from_secs(50);

/// The one method that takes the app-level token.
pub(crate) const OPEN: &str = "apps.connections.open";

/// Which token a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    /// The app-level token.
    App,
    /// The bot token.
    Bot,
}

/// What a method is called with.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Payload {
    /// JSON.
    Json(Value),
    /// A form, for the methods that take no JSON.
    Form(Vec<(&'static str, String)>),
}

impl Payload {
    /// One of slack-morphism's requests.
    pub(crate) fn of(request: &impl Serialize) -> Result<Self, Failure> {
        serde_json::to_value(request)
            .map(Self::Json)
            .map_err(|error| Failure::Unsent(format!("the request cannot be written: {error}")))
    }
}

/// The bytes of a file, and what its server says that they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fetched {
    /// The media type.
    pub(crate) media_type: Option<String>,
    /// The bytes.
    pub(crate) data: Vec<u8>,
}

/// The way to Slack; tests put a script in its place.
pub(crate) trait Exchange {
    /// Calls a method; gives an answer with `ok: true`.
    fn call(&self, method: &str, payload: Payload) -> Result<Value, Failure>;

    /// Answers an interaction at the address that Slack sent with it, without a token.
    fn answer(&self, url: &str, answer: &Value) -> Result<(), Failure>;

    /// Uploads a file to the address that Slack named for it, without a token.
    fn upload(&self, url: &str, data: Vec<u8>) -> Result<(), Failure>;

    /// Gets a file with the bot token, if it has at most `limit` bytes.
    fn fetch(&self, url: &str, limit: u64) -> Result<Fetched, Failure>;
}

/// Slack by way of the host.
#[derive(Debug)]
pub(crate) struct Api {
    base: Url,
}

impl Api {
    /// Slack as the settings name it.
    pub(crate) fn connect() -> Result<Self, Unusable> {
        Ok(Self::at(&Settings::read().map_err(Unusable::Settings)?))
    }

    /// The same with settings that were read already.
    pub(crate) fn at(settings: &Settings) -> Self {
        Self { base: settings.api_url.clone() }
    }

    /// Calls a method that only reads, soon or not at all.
    pub(crate) fn read(&self, method: &str, fields: Vec<(&'static str, String)>) -> Result<Value, Failure> {
        self.exchange(method, Payload::Form(fields), |request| request.timeout(SHORT_TIMEOUT).limit(PAGE))
    }

    /// Calls a method with a request that is as `bound` leaves it.
    fn exchange(
        &self,
        method: &str,
        payload: Payload,
        bound: impl FnOnce(Request) -> Request,
    ) -> Result<Value, Failure> {
        let url = self.address(method);
        let (media_type, body) = match payload {
            // Without the character set Slack warns in every answer (Web API, "POST bodies").
            Payload::Json(value) => ("application/json; charset=utf-8", value.to_string()),
            Payload::Form(fields) => {
                let mut form = url::form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields);
                ("application/x-www-form-urlencoded", form.finish())
            }
        };
        let size = body.len();
        let request = bound(Request::post(&url).header("content-type", media_type).body(body));
        let token = Token::of(method);
        let response = self.send(request, "POST", &url, Some(token))?;
        result(&response, token, size)
    }

    fn address(&self, method: &str) -> String {
        format!("{}/{method}", self.base.as_str().trim_end_matches('/'))
    }

    /// An address that Slack named, if it is one of Slack's own for this, or on the server of the settings.
    fn named(&self, address: &str, host: &str) -> Result<String, Failure> {
        let foreign = || Failure::Foreign(shortened(address));
        let url = Url::parse(address).map_err(|_| foreign())?;
        let is_slacks = url.scheme() == "https" && url.host_str() == Some(host) && url.port().is_none();
        let is_bases = url.origin() == self.base.origin();
        let is_plain = url.username().is_empty() && url.password().is_none();
        ((is_slacks || is_bases) && is_plain).then(|| url.to_string()).ok_or_else(foreign)
    }

    fn send(
        &self,
        request: Request,
        method: &str,
        url: &str,
        token: Option<Token>,
    ) -> Result<Response, Failure> {
        let request = match token {
            Some(token) => request.header("authorization", format!("Bearer {}", reference(token)?)),
            None => request,
        };
        request.send().map_err(|error| Failure::of_http(error, || self.grant(method, url, token)))
    }

    fn post(&self, url: &str, media_type: &str, body: Vec<u8>, timeout: Duration) -> Result<(), Failure> {
        let size = body.len();
        let request = Request::post(url).header("content-type", media_type).body(body).timeout(timeout);
        posted(&self.send(request, "POST", url, None)?, size)
    }

    /// What an admin has to grant for this address.
    fn grant(&self, method: &str, url: &str, token: Option<Token>) -> String {
        let credential = token.map(|token| format!(" credential={}", token.name())).unwrap_or_default();
        let private = foreign::private(self.base.host_str());
        let url = url.split(['?', '#']).next().unwrap_or(url);
        format!("{method} {url}{credential}{private}")
    }
}

impl Token {
    /// The credential of the manifest.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::App => "app_token",
            Self::Bot => "bot_token",
        }
    }

    /// The token that a method takes.
    pub(crate) fn of(method: &str) -> Self {
        if method == OPEN { Self::App } else { Self::Bot }
    }
}

fn reference(token: Token) -> Result<String, Failure> {
    credentials::reference(token.name()).map_err(|missing| Failure::NoToken(token, missing))
}

impl Exchange for Api {
    fn call(&self, method: &str, payload: Payload) -> Result<Value, Failure> {
        self.exchange(method, payload, |request| request.timeout(TIMEOUT))
    }

    fn answer(&self, url: &str, answer: &Value) -> Result<(), Failure> {
        let url = self.named(url, "hooks.slack.com")?;
        self.post(&url, "application/json", answer.to_string().into_bytes(), TIMEOUT)
    }

    fn upload(&self, url: &str, data: Vec<u8>) -> Result<(), Failure> {
        let url = self.named(url, "files.slack.com")?;
        self.post(&url, "application/octet-stream", data, FILE_TIMEOUT)
    }

    fn fetch(&self, url: &str, limit: u64) -> Result<Fetched, Failure> {
        let url = self.named(url, "files.slack.com")?;
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let request = Request::get(&url).limit(limit).timeout(FILE_TIMEOUT);
        let response = self.send(request, "GET", &url, Some(Token::Bot))?;
        match response.status {
            200 => {
                let media_type = response.header("content-type").map(str::to_owned);
                Ok(Fetched { media_type, data: response.body })
            }
            404 | 410 => Err(Failure::Refused(Refusal::of("file_not_found", Token::Bot))),
            403 => Err(Failure::Refused(Refusal::of("access_denied", Token::Bot))),
            429 => Err(limited(&response)),
            status => Err(Failure::Garbled(status, shortened(&response.text()))),
        }
    }
}

/// Takes the answer to a call of so many bytes apart.
fn result(response: &Response, token: Token, size: usize) -> Result<Value, Failure> {
    if response.status == 429 {
        return Err(limited(response));
    }
    let Ok(answer @ Value::Object(_)) = serde_json::from_slice(&response.body) else {
        return Err(Failure::Garbled(response.status, shortened(&response.text())));
    };
    match (answer.get("ok").and_then(Value::as_bool), answer.get("error").and_then(Value::as_str)) {
        (Some(true), _) => Ok(answer),
        (Some(false), Some("ratelimited" | "rate_limited")) => Err(limited(response)),
        (Some(false), Some(error)) => {
            let needed = answer.get("needed").and_then(Value::as_str).map(shortened);
            Err(Refusal { error: shortened(error), needed, token }.to(size))
        }
        _ => Err(Failure::Garbled(
            response.status,
            "an answer that is neither a result nor a refusal".to_owned(),
        )),
    }
}

/// The answer of an address that Slack named: a status and a word.
fn posted(response: &Response, size: usize) -> Result<(), Failure> {
    let refused = serde_json::from_slice::<Value>(&response.body)
        .is_ok_and(|answer| answer.get("ok").and_then(Value::as_bool) == Some(false));
    match response.status {
        200..=299 if refused => Err(Refusal::of(&word(response), Token::Bot).to(size)),
        200..=299 => Ok(()),
        413 => Err(Failure::TooLarge(size as u64)),
        429 => Err(limited(response)),
        400..=499 => Err(Refusal::of(&word(response), Token::Bot).to(size)),
        status => Err(Failure::Garbled(status, shortened(&response.text()))),
    }
}

/// The error that stands in a body, as JSON or alone.
fn word(response: &Response) -> String {
    let stated = serde_json::from_slice::<Value>(&response.body).ok();
    let stated = stated.as_ref().and_then(|answer| answer.get("error")?.as_str());
    let word = shortened(stated.unwrap_or(&response.text()));
    if word.is_empty() { format!("status {}", response.status) } else { word }
}

/// How long Slack asks to wait (Web API, "Rate limits").
fn limited(response: &Response) -> Failure {
    let seconds = response.header("retry-after").and_then(|text| text.trim().parse().ok());
    Failure::Limited(Duration::from_secs(seconds.unwrap_or(1)))
}

#[cfg(test)]
mod tests;
