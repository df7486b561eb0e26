//! What went wrong with a request, from what the endpoint answered.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use openpact_model::secret::SecretName;
use openpact_model::text::one_line;
use serde_json::Value;

use crate::builtin::provider::{Again, Failure};
use crate::event::ErrorKind;

/// How much of a provider's own words a person is shown, in characters.
const SHOWN: usize = 300;

/// What is told about the address when something there is no API.
pub(super) const WEB_PAGE: &str =
    "the endpoint answered a web page: check the address in engine.base_url (does it end in /v1?)";

/// What has to be known to say what a person should do.
pub(super) struct Asked<'a> {
    /// The secret that holds the key, where one is configured.
    pub(super) secret: Option<&'a SecretName>,
    /// The model.
    pub(super) model: &'a str,
    /// The time.
    pub(super) now: Timestamp,
}

/// A response with a status that is no success.
pub(super) fn response(status: StatusCode, headers: &HeaderMap, body: &str, asked: &Asked<'_>) -> Failure {
    let json: Value = serde_json::from_str(body).unwrap_or(Value::Null);
    let page = is_web_page(headers, body);
    // A web page says nothing that fits into one line.
    let words = if page { String::new() } else { words(&json, body) };
    let mut failure = by_status(status.as_u16(), &json, &words, asked);
    if page && status.is_client_error() && failure.kind == ErrorKind::Provider {
        WEB_PAGE.clone_into(&mut failure.message);
    }
    if let (Again::Soon, Some(wait)) = (failure.again, retry_after(headers, asked.now)) {
        failure.again = Again::After(wait);
    }
    failure.sightless = sightless(status.as_u16(), &words);
    failure
}

/// Whether a request with images may go better without: it is one that is refused as it is, or the words name them. Servers
/// agree neither on a status nor on words: 400 where a text was wanted, 404 where no host of the model takes images, 413
/// for their size, 500 where a local model lacks its projector.
fn sightless(status: u16, words: &str) -> bool {
    let words = words.to_ascii_lowercase();
    let is_named = || ["image", "vision", "multimodal", "mmproj"].iter().any(|known| words.contains(known));
    match status {
        400 | 413 | 415 | 422 => true,
        401..=403 | 407 | 429 => false,
        _ => is_named(),
    }
}

/// An error that came in the stream, after a status of success.
pub(super) fn in_stream(chunk: &Value) -> Failure {
    let words = words(chunk, "");
    let error = &chunk["error"];
    let code = [&error["code"], &error["status"], &chunk["code"]].into_iter().find_map(Value::as_u64);
    if too_long(chunk, &words) {
        return longer();
    }
    match code {
        Some(429) => slower(&words),
        Some(status @ 400..=499) => {
            let refused = Failure::nonsense(format!("the provider refused the request{}", said(&words)));
            Failure { sightless: sightless(u16::try_from(status).unwrap_or_default(), &words), ..refused }
        }
        _ => Failure { sightless: sightless(500, &words), ..trouble("while it answered", &words) },
    }
}

/// Whether this is a page for people.
pub(super) fn is_web_page(headers: &HeaderMap, body: &str) -> bool {
    let content_type = headers.get(http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    content_type.is_some_and(|kind| kind.trim_start().to_ascii_lowercase().starts_with("text/html"))
        || body.trim_start().starts_with('<')
}

fn by_status(status: u16, json: &Value, words: &str, asked: &Asked<'_>) -> Failure {
    let code = json["error"]["code"].as_str().or_else(|| json["code"].as_str()).unwrap_or_default();
    match status {
        401 => unauthorised(status, asked),
        403 => forbidden(words, asked),
        402 => broke(words),
        429 if code == "insufficient_quota" => broke(words),
        429 => slower(words),
        _ if too_long(json, words) => longer(),
        404 if code == "model_not_found" || words.contains("model") => {
            let model = one_line(asked.model, 80);
            Failure::nonsense(format!(
                "the endpoint does not know the model '{model}': check engine.model{}",
                said(words)
            ))
        }
        404 | 405 => Failure::nonsense(format!(
            "there is no chat completions API at this address ({status}): check engine.base_url (does it end in \
             /v1?){}",
            said(words)
        )),
        408 | 409 | 425 | 500..=599 => trouble(&format!("({status})"), words),
        300..=399 => Failure::nonsense(format!(
            "the endpoint sends elsewhere ({status}): put the address that it really has into engine.base_url"
        )),
        _ => Failure::nonsense(format!("the endpoint refused the request ({status}){}", said(words))),
    }
}

fn unauthorised(status: u16, asked: &Asked<'_>) -> Failure {
    let message = match asked.secret {
        Some(name) => format!(
            "the endpoint refused the key ({status}): store the right one with 'openpact secret set {name}'"
        ),
        None => format!(
            "the endpoint wants a key ({status}): name a secret in engine.key and store the key with 'openpact secret \
             set NAME'"
        ),
    };
    Failure::new(ErrorKind::Unauthorised, Again::Never, message)
}

fn forbidden(words: &str, asked: &Asked<'_>) -> Failure {
    let key = asked
        .secret
        .map_or_else(|| "a request without a key".to_owned(), |name| format!("the key in {name}"));
    let model = one_line(asked.model, 80);
    let message = format!("the endpoint does not let {key} use the model '{model}' (403){}", said(words));
    Failure::new(ErrorKind::Unauthorised, Again::OtherModel, message)
}

fn broke(words: &str) -> Failure {
    let message = format!("the account at the provider has no credit left: top it up there{}", said(words));
    Failure::new(ErrorKind::Provider, Again::Never, message)
}

fn slower(words: &str) -> Failure {
    let message =
        format!("the provider asks for fewer requests (429): wait a little and try again{}", said(words));
    Failure::new(ErrorKind::RateLimited, Again::Soon, message)
}

fn trouble(when: &str, words: &str) -> Failure {
    let message = format!("the provider has trouble {when}: try again later{}", said(words));
    Failure::new(ErrorKind::Provider, Again::Soon, message)
}

fn longer() -> Failure {
    let message = "the conversation is longer than the model can take: start a new one, or set \
                   engine.context_window to what the model has";
    Failure { too_long: true, ..Failure::new(ErrorKind::Provider, Again::OtherModel, message) }
}

fn too_long(json: &Value, words: &str) -> bool {
    let code = json["error"]["code"].as_str().unwrap_or_default();
    let words = words.to_ascii_lowercase();
    code == "context_length_exceeded"
        || ["maximum context length", "context length exceeded", "context window", "exceed_context_size"]
            .iter()
            .any(|known| words.contains(known))
}

/// The provider's words, to be put behind a sentence.
fn said(words: &str) -> String {
    if words.is_empty() { String::new() } else { format!(". It says: {words}") }
}

/// What an error body says, in one line.
fn words(json: &Value, body: &str) -> String {
    let candidates = [&json["error"]["message"], &json["error"], &json["message"], &json["detail"]];
    let words =
        candidates.into_iter().find_map(Value::as_str).unwrap_or(if json.is_null() { body } else { "" });
    one_line(words.trim(), SHOWN)
}

/// When to come back: seconds or a date (RFC 9110, section 10.2.3).
fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = headers.get(http::header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let date = jiff::fmt::rfc2822::parse(text).ok()?;
    Some(Duration::try_from(date.timestamp().duration_since(now)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked<'static> {
        Asked { secret: None, model: "m", now: "2026-01-01T00:00:00Z".parse().unwrap() }
    }

    fn failure(status: u16, body: &str) -> Failure {
        response(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), body, &asked())
    }

    fn after(value: &str) -> Again {
        let mut headers = HeaderMap::new();
        headers.insert(http::header::RETRY_AFTER, value.parse().unwrap());
        response(StatusCode::TOO_MANY_REQUESTS, &headers, "", &asked()).again
    }

    #[test]
    fn each_refusal_says_what_to_do() {
        for (status, body, kind, again, needed) in [
            (401, "{}", ErrorKind::Unauthorised, Again::Never, "openpact secret set"),
            (403, "{}", ErrorKind::Unauthorised, Again::OtherModel, "'m'"),
            (402, "{}", ErrorKind::Provider, Again::Never, "top it up"),
            (404, "", ErrorKind::Provider, Again::OtherModel, "/v1"),
            (
                404,
                r#"{"error":{"code":"model_not_found"}}"#,
                ErrorKind::Provider,
                Again::OtherModel,
                "engine.model",
            ),
            (404, "<html>", ErrorKind::Provider, Again::OtherModel, "web page"),
            (429, "{}", ErrorKind::RateLimited, Again::Soon, "fewer"),
            (429, r#"{"error":{"code":"insufficient_quota"}}"#, ErrorKind::Provider, Again::Never, "credit"),
            (502, "<html>", ErrorKind::Provider, Again::Soon, "(502)"),
            (
                400,
                r#"{"error":{"message":"bad thing"}}"#,
                ErrorKind::Provider,
                Again::OtherModel,
                "bad thing",
            ),
            (400, r#"{"error":"bare"}"#, ErrorKind::Provider, Again::OtherModel, "bare"),
            (422, r#"{"detail":"odd"}"#, ErrorKind::Provider, Again::OtherModel, "odd"),
            (400, "plain words", ErrorKind::Provider, Again::OtherModel, "plain words"),
        ] {
            let failure = failure(status, body);
            assert_eq!((failure.kind, failure.again), (kind, again), "{status} {body}");
            assert!(failure.message.contains(needed), "{status} {body}: {}", failure.message);
        }
    }

    #[test]
    fn a_conversation_that_is_too_long_is_known_in_every_dialect() {
        for body in [
            r#"{"error":{"code":"context_length_exceeded","message":"x"}}"#,
            r#"{"error":{"message":"This model's maximum context length is 8192 tokens"}}"#,
            r#"{"error":{"type":"exceed_context_size_error","message":"the request exceeds the available context size: exceed_context_size"}}"#,
        ] {
            assert!(failure(400, body).too_long, "{body}");
        }
        assert!(!failure(400, r#"{"error":{"message":"other"}}"#).too_long);
    }

    #[test]
    fn a_refusal_of_images_is_known_by_its_status_or_its_words() {
        for (status, body, expected) in [
            (400, "{}", true),
            (400, "unknown variant `image_url`, expected `text`", true),
            (413, "", true),
            (415, "", true),
            (422, "{}", true),
            (404, r#"{"error":{"message":"No endpoints found that support image input"}}"#, true),
            (404, r#"{"error":{"code":"model_not_found"}}"#, false),
            (500, r#"{"error":{"message":"image input is not supported - hint: provide the mmproj"}}"#, true),
            (500, "{}", false),
            (401, "image", false),
            (402, "image", false),
            (403, "image", false),
            (429, "too many images", false),
        ] {
            assert_eq!(failure(status, body).sightless, expected, "{status} {body}");
        }
        let chunk = |code: u64, words: &str| serde_json::json!({"error": {"code": code, "message": words}});
        assert!(in_stream(&chunk(400, "bad")).sightless);
        assert!(in_stream(&chunk(502, "cannot load image")).sightless);
        assert!(!in_stream(&chunk(502, "bad gateway")).sightless);
        assert!(!in_stream(&chunk(429, "slow down")).sightless);
    }

    #[test]
    fn the_words_of_a_provider_are_one_line_of_bounded_length() {
        let body = format!(r#"{{"error":{{"message":"a\nb\u001b[31m{}"}}}}"#, "x".repeat(5000));
        let message = failure(400, &body).message;
        assert!(!message.contains(['\n', '\u{1b}']), "{message}");
        assert!(message.chars().count() < SHOWN + 200, "{}", message.len());
    }

    #[test]
    fn waiting_is_told_in_seconds_or_as_a_date() {
        assert_eq!(after("7"), Again::After(Duration::from_secs(7)));
        assert_eq!(after("Thu, 01 Jan 2026 00:00:30 GMT"), Again::After(Duration::from_secs(30)));
        assert_eq!(after("Wed, 31 Dec 2025 00:00:30 GMT"), Again::After(Duration::ZERO));
        assert_eq!(after("soon"), Again::Soon);
    }
}
