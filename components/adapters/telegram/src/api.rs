//! One exchange with the Bot API (<https://core.telegram.org/bots/api#making-requests>).
//!
//! The payloads are teloxide-core's; its `Bot` is not used, because it waits ten seconds whenever the server answers
//! 5xx, and drops the status and whether a request that failed may have arrived.

use std::time::Duration;

use openpact_kit::{Lost, TOO_MANY};
use openpact_sdk::adapter::{AdapterError, RateLimit, SendError};
use openpact_sdk::credentials::{self, Missing};
use openpact_text::foreign::{self, shortened};
use reqwest::{Client, Url};
use serde::Serialize;
use serde_json::Value;
use teloxide_core::requests::Payload;

use crate::settings::Settings;

/// How long one call may wait for the head of its answer.
const TIMEOUT: Duration = Duration::from_secs(20);

/// How long a file may take.
const DOWNLOAD_TIMEOUT: Duration = Duration::from_secs(55);

/// Why a call gave nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// The host does not let the request through. Nothing was sent.
    Denied {
        /// The grant that would allow it.
        grant: String,
    },
    /// No connection came about. Nothing was sent.
    Unsent(String),
    /// It broke off, or took too long: it may have been done.
    Broken(String),
    /// Telegram says no.
    Refused(Refusal),
    /// What came makes no sense; with the status.
    Garbled(u16, String),
}

/// An answer with `ok: false`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// The error code, which is an HTTP status.
    pub(crate) code: u16,
    /// What Telegram says.
    pub(crate) description: String,
    /// How long to wait.
    pub(crate) retry_after: Option<Duration>,
    /// The id of the supergroup that a group has become.
    pub(crate) migrated_to: Option<i64>,
}

/// The way to the Bot API; tests put a script in its place.
pub(crate) trait Exchange {
    /// Calls a method with a JSON body; gives `result`.
    fn exchange(&self, method: &str, body: Vec<u8>, timeout: Duration) -> Result<Value, Failure>;
}

/// The way to files; tests put a script in its place.
pub(crate) trait Download: Exchange {
    /// Gets a file that `getFile` has named by these segments: the status and the bytes, or nothing where it has more than
    /// `limit` bytes.
    fn download(&self, path: &[&str], limit: u64) -> Result<Option<(u16, Vec<u8>)>, Failure>;
}

/// Calls a method with the usual timeout; gives `result`.
pub(crate) fn call<P: Payload + Serialize>(api: &impl Exchange, payload: &P) -> Result<Value, Failure> {
    call_within(api, payload, TIMEOUT)
}

/// Calls a method; gives `result`.
pub(crate) fn call_within<P: Payload + Serialize>(
    api: &impl Exchange,
    payload: &P,
    timeout: Duration,
) -> Result<Value, Failure> {
    let body = serde_json::to_vec(payload)
        .map_err(|error| Failure::Unsent(format!("the request cannot be written: {error}")))?;
    api.exchange(&method_name(P::NAME), body, timeout)
}

/// As the Bot API writes it: `sendMessage` for `SendMessage`.
fn method_name(name: &str) -> String {
    let mut characters = name.chars();
    let first = characters.next().into_iter().flat_map(char::to_lowercase);
    first.chain(characters).collect()
}

/// The Bot API by way of the host.
#[derive(Debug)]
pub(crate) struct Api {
    client: Client,
    base: Url,
    token: String,
}

impl Api {
    /// The Bot API that the settings name, with this instance's reference to the token.
    pub(crate) fn connect() -> Result<Self, Unusable> {
        Self::at(&Settings::read().map_err(Unusable::Settings)?)
    }

    /// The same with settings that were read already.
    pub(crate) fn at(settings: &Settings) -> Result<Self, Unusable> {
        let token = credentials::reference("token").map_err(Unusable::Token)?;
        Ok(Self { client: Client::new(), base: settings.base_url.clone(), token })
    }

    fn address(&self, method: &str) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push(&format!("bot{}", self.token)).push(method);
        }
        url
    }

    /// Where a file is: `/file/bot<token>/<file_path>` (Bot API, `getFile`).
    fn file_address(&self, path: &[&str]) -> Url {
        let mut url = self.base.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().push("file").push(&format!("bot{}", self.token)).extend(path);
        }
        url
    }

    /// What an admin has to grant for the methods at this address.
    fn grant(&self) -> String {
        self.grant_for("POST", "*/* credential=token timeout=70")
    }

    fn grant_for(&self, method: &str, rest: &str) -> String {
        let mut base = self.base.clone();
        base.set_query(None);
        let private = foreign::private(base.host_str());
        format!("{method} {}/{rest}{private}", base.as_str().trim_end_matches('/'))
    }
}

/// Why there is no answer; `grant` is what the request needs.
fn failure(lost: Lost, grant: impl FnOnce() -> String) -> Failure {
    match lost {
        Lost::Denied => Failure::Denied { grant: grant() },
        Lost::Unsent(text) => Failure::Unsent(text),
        Lost::Broken(text) => Failure::Broken(text),
    }
}

impl Exchange for Api {
    fn exchange(&self, method: &str, body: Vec<u8>, timeout: Duration) -> Result<Value, Failure> {
        let request = self.client.post(self.address(method));
        let media_type = reqwest::header::HeaderValue::from_static("application/json");
        let request = request.header(reqwest::header::CONTENT_TYPE, media_type).body(body).timeout(timeout);
        let answer = openpact_kit::receive(request).map_err(|lost| failure(lost, || self.grant()))?;
        result(answer.status, retry_after(&answer.headers), &answer.body)
    }
}

impl Download for Api {
    fn download(&self, path: &[&str], limit: u64) -> Result<Option<(u16, Vec<u8>)>, Failure> {
        let request = self.client.get(self.file_address(path)).timeout(DOWNLOAD_TIMEOUT);
        let grant = || self.grant_for("GET", "file/*/** credential=token response-max=32MiB timeout=60");
        let answer = openpact_kit::receive_within(request, limit).map_err(|lost| failure(lost, grant))?;
        Ok(answer.map(|answer| (answer.status, answer.body)))
    }
}

/// How long to wait, where a header says it in seconds.
fn retry_after(headers: &[(String, String)]) -> Option<Duration> {
    let (_, seconds) = headers.iter().find(|(name, _)| name == "retry-after")?;
    Some(Duration::from_secs(seconds.trim().parse().ok()?))
}

/// Takes an answer apart; `wait` is what its header says. That there were too many requests is also said by a proxy in
/// front of the Bot API, in words of its own: whoever says it has done nothing.
fn result(status: u16, wait: Option<Duration>, body: &[u8]) -> Result<Value, Failure> {
    let answer = understood(status, body);
    if status != TOO_MANY {
        return answer;
    }
    let refusal = match answer {
        Err(Failure::Refused(refusal)) if refusal.code == TOO_MANY => refusal,
        _ => Refusal {
            code: TOO_MANY,
            description: "too many requests".to_owned(),
            retry_after: None,
            migrated_to: None,
        },
    };
    Err(Failure::Refused(Refusal { retry_after: refusal.retry_after.or(wait), ..refusal }))
}

fn understood(status: u16, body: &[u8]) -> Result<Value, Failure> {
    let Ok(Value::Object(mut answer)) = serde_json::from_slice(body) else {
        return Err(Failure::Garbled(status, shortened(&String::from_utf8_lossy(body))));
    };
    let is_ok = answer.get("ok").and_then(Value::as_bool);
    if is_ok == Some(true) {
        return answer
            .remove("result")
            .ok_or_else(|| Failure::Garbled(status, "an answer without a result".to_owned()));
    }
    let parameters = answer.get("parameters");
    let parameter = |name: &str| parameters.and_then(|parameters| parameters.get(name)?.as_i64());
    let code = answer.get("error_code").and_then(Value::as_u64).and_then(|code| u16::try_from(code).ok());
    let code = code.unwrap_or(status);
    // A server that succeeds says so, and one that refuses says with what code.
    if is_ok.is_none() || code < 400 {
        return Err(Failure::Garbled(status, "an answer that is neither a result nor a refusal".to_owned()));
    }
    let description = answer.get("description").and_then(Value::as_str).unwrap_or("no reason given");
    let retry_after = parameter("retry_after").and_then(|seconds| u64::try_from(seconds).ok());
    Err(Failure::Refused(Refusal {
        code,
        description: shortened(description),
        retry_after: retry_after.map(Duration::from_secs),
        migrated_to: parameter("migrate_to_chat_id"),
    }))
}

/// Why there is no way to the Bot API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// There is no reference to the token.
    Token(Missing),
    /// A setting does not do.
    Settings(String),
}

/// What an admin is told when Telegram does not know the token.
pub(crate) const TOKEN_REFUSED: &str = "Telegram does not know this token. @BotFather gives a new one (/mybots, \
     API Token); set it with `openpact secret set TELEGRAM_TOKEN` and start the provider again.";

const TOKEN_MISSING: &str = "The token of the bot is not set. @BotFather gives one for /newbot; set it with \
     `openpact secret set TELEGRAM_TOKEN`.";

impl From<Unusable> for AdapterError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            Unusable::Token(Missing::NotGranted) => Self::Credential(TOKEN_MISSING.to_owned()),
            Unusable::Token(Missing::NotRequested) => Self::Configuration(
                "the manifest of this component requests no credential 'token'".to_owned(),
            ),
            Unusable::Settings(text) => Self::Configuration(text),
        }
    }
}

impl From<Unusable> for SendError {
    fn from(unusable: Unusable) -> Self {
        match unusable {
            // Both can be mended while the message waits.
            Unusable::Token(_) => Self::Unavailable(TOKEN_MISSING.to_owned()),
            Unusable::Settings(text) => Self::Unavailable(text),
        }
    }
}

impl Failure {
    /// Whether Telegram refuses the token: 401 for one that is not valid, 404 for one that has not the form of one.
    pub(crate) fn is_credential(&self) -> bool {
        match self {
            Self::Refused(refusal) => {
                refusal.code == 401
                    || refusal.code == 404 && refusal.description.eq_ignore_ascii_case("not found")
            }
            _ => false,
        }
    }

    /// In a sentence, for the admin.
    pub(crate) fn text(&self) -> String {
        match self {
            Self::Denied { grant } => format!(
                "the request to Telegram was not let through. The setting base_url widens nothing: an admin has to \
                 grant the address. Add \"{grant}\" to components.telegram.grants; the audit log says what was asked"
            ),
            Self::Unsent(text) => format!("Telegram cannot be reached: {text}"),
            Self::Broken(text) => format!("the connection to Telegram broke off: {text}"),
            Self::Refused(refusal) => format!("Telegram says {}: {}", refusal.code, refusal.description),
            Self::Garbled(status, text) => format!("Telegram answered {status} with: {text}"),
        }
    }
}

impl From<Failure> for AdapterError {
    fn from(failure: Failure) -> Self {
        if failure.is_credential() {
            return Self::Credential(TOKEN_REFUSED.to_owned());
        }
        let text = failure.text();
        match failure {
            Failure::Unsent(_) | Failure::Broken(_) | Failure::Garbled(500.., _) => Self::Unavailable(text),
            Failure::Garbled(..) => Self::Protocol(text),
            Failure::Refused(refusal) if refusal.code == 429 || refusal.code >= 500 => {
                Self::Unavailable(text)
            }
            Failure::Refused(refusal) if refusal.code == 409 => Self::Conflict(text),
            Failure::Denied { .. } | Failure::Refused(_) => Self::Configuration(text),
        }
    }
}

/// What became of something that was to be sent.
impl From<Failure> for SendError {
    fn from(failure: Failure) -> Self {
        if failure.is_credential() {
            // The message waits until an admin has set a new token.
            return Self::Unavailable(TOKEN_REFUSED.to_owned());
        }
        let text = failure.text();
        match failure {
            Failure::Denied { .. } => Self::Denied,
            Failure::Refused(refusal) => refusal.into(),
            // With 503 a server, or a proxy in front of it, says that it has not begun.
            Failure::Unsent(_) | Failure::Garbled(503, _) => Self::Unavailable(text),
            Failure::Broken(_) | Failure::Garbled(..) => Self::Unknown(text),
        }
    }
}

impl From<Refusal> for SendError {
    fn from(refusal: Refusal) -> Self {
        let Refusal { code, description, retry_after, migrated_to } = refusal;
        if let Some(id) = migrated_to {
            let text = "the group has become a supergroup with another id, which is now the one to send to";
            return Self::Refused(format!("{text}: {id}"));
        }
        let lower = description.to_lowercase();
        let says = |words: &[&str]| words.iter().any(|word| lower.contains(word));
        match code {
            429 => {
                let wait = retry_after.unwrap_or(Duration::from_secs(1));
                let retry_after = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
                // Telegram does not say whether it means the chat or the bot. It is the chat far more often; where
                // others are told to wait too, the host sees that.
                Self::RateLimited(RateLimit { retry_after, global: false })
            }
            503 => Self::Unavailable(format!("Telegram says {code}: {description}")),
            // It broke while it was being done: nobody knows how far it came.
            500.. => Self::Unknown(format!("Telegram says {code}: {description}")),
            400 if says(&["chat not found", "message thread not found", "message to edit not found"]) => {
                Self::Gone(format!("there is no such chat, topic or message any more ({description})"))
            }
            403 if says(&["blocked", "deactivated", "kicked", "not a member", "deleted"]) => {
                Self::Gone(format!("the bot cannot write there any more ({description})"))
            }
            403 => Self::Refused(format!(
                "the bot may not write there; in a group it has to be a member with that right, and a person has to \
                 write to it first ({description})"
            )),
            413 => Self::Refused(format!("it is too large for Telegram ({description})")),
            _ => Self::Refused(format!("Telegram says {code}: {description}")),
        }
    }
}

#[cfg(test)]
mod tests;
