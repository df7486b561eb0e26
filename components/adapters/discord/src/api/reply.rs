//! Taking answers apart: what was asked for, a wait, or a refusal.

use std::time::Duration;

use openpact_kit::Received;
use openpact_sdk::adapter::RateLimit;
use openpact_text::foreign::shortened;
use serde_json::Value;

use super::failure::{Failure, Refusal};

/// The most bytes of a text that names what is wrong with a form, before it is shortened.
const DETAILS: usize = 1_200;
/// The wait where Discord says that there is one and not how long.
const WAIT: Duration = Duration::from_secs(1);
/// The longest wait that is believed.
const LONGEST_WAIT: f64 = 86_400.0;

/// An answer as it came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: u16,
    /// The headers, names in lower case.
    pub(crate) headers: Vec<(String, String)>,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// An answer that is a success.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Reply {
    /// What it holds; null where it holds nothing.
    pub(crate) value: Value,
    /// How many milliseconds to wait before the next call of its kind, where its bucket is empty.
    pub(crate) pause: Option<u32>,
}

impl From<Received> for Answer {
    fn from(Received { status, headers, body }: Received) -> Self {
        Self { status, headers, body }
    }
}

impl Answer {
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    fn seconds(&self, name: &str) -> Option<Duration> {
        self.header(name).and_then(|value| value.parse().ok()).and_then(seconds)
    }

    /// The wait that its bucket asks for.
    pub(super) fn pause(&self) -> Option<u32> {
        let is_empty = self.header("x-ratelimit-remaining") == Some("0");
        let wait = is_empty.then(|| self.seconds("x-ratelimit-reset-after"))??;
        u32::try_from(milliseconds(wait)).ok().filter(|wait| *wait > 0)
    }
}

/// Takes an answer apart. `size` is about how many bytes were sent.
pub(super) fn read(answer: &Answer, size: u64) -> Result<Reply, Failure> {
    let value = serde_json::from_slice::<Value>(&answer.body);
    match (answer.status, value) {
        (429, value) => Err(Failure::Limited(rate_limit(answer, value.ok().as_ref()))),
        (200..300, Ok(value)) => Ok(Reply { value, pause: answer.pause() }),
        (200..300, Err(_)) if answer.body.is_empty() => {
            Ok(Reply { value: Value::Null, pause: answer.pause() })
        }
        (413, _) => Err(Failure::TooLarge(size)),
        (status @ 400..600, Ok(Value::Object(error))) => {
            let code = error.get("code").and_then(Value::as_u64).unwrap_or(0);
            // "Request entity too large": the file, and not the text.
            if code == 40_005 {
                return Err(Failure::TooLarge(size));
            }
            let message = error.get("message").and_then(Value::as_str).unwrap_or("no reason given");
            let mut message = message.to_owned();
            if let Some(errors) = error.get("errors") {
                details(errors, "", &mut message);
            }
            Err(Failure::Refused(Refusal { status, code, message: shortened(&message) }))
        }
        (status, _) => Err(Failure::Garbled(status, shortened(&String::from_utf8_lossy(&answer.body)))),
    }
}

/// How long to wait (Rate Limits, "Exceeding A Rate Limit"). The body is the most exact; what stands between Discord and
/// here, and knows nothing of its buckets, sends a header alone and means everything.
fn rate_limit(answer: &Answer, body: Option<&Value>) -> RateLimit {
    let stated = body.and_then(|body| body.get("retry_after")?.as_f64()).and_then(seconds);
    let wait = stated
        .or_else(|| answer.seconds("x-ratelimit-reset-after"))
        .or_else(|| answer.seconds("retry-after"))
        .unwrap_or(WAIT);
    let is_global = body.and_then(|body| body.get("global")?.as_bool()).unwrap_or(false)
        || answer.header("x-ratelimit-global").is_some_and(|value| value.eq_ignore_ascii_case("true"))
        || answer.header("x-ratelimit-scope").is_some_and(|value| value.eq_ignore_ascii_case("global"))
        || !body.is_some_and(Value::is_object);
    RateLimit { retry_after: milliseconds(wait), global: is_global }
}

fn seconds(seconds: f64) -> Option<Duration> {
    let seconds = Some(seconds).filter(|seconds| !seconds.is_nan())?;
    Duration::try_from_secs_f64(seconds.min(LONGEST_WAIT)).ok()
}

/// Rounded up: too early is refused again.
fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX)
}

/// The innermost texts of what is wrong with a form, with the place of each (API Reference, "Error Messages").
fn details(errors: &Value, place: &str, text: &mut String) {
    let Value::Object(errors) = errors else { return };
    for (key, value) in errors {
        if let (true, Value::Array(found)) = (key == "_errors", value) {
            for message in found.iter().filter_map(|error| error.get("message")?.as_str()) {
                text.extend(["; ", place, ": ", message]);
            }
        } else if text.len() < DETAILS {
            let inner = if place.is_empty() { key.clone() } else { format!("{place}.{key}") };
            details(value, &inner, text);
        }
    }
}
