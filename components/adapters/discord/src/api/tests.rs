//! Answers written from Discord's description, and what they become.

use openpact_sdk::adapter::{AdapterError, RateLimit, SendError};
use serde_json::json;

use super::*;

fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    Answer { status, headers, body: body.as_bytes().to_vec() }
}

fn read(answer: &Answer) -> Result<Reply, Failure> {
    reply::read(answer, 1_234)
}

fn limited(headers: &[(&str, &str)], body: &str) -> (u64, bool) {
    match read(&answer(429, headers, body)) {
        Err(Failure::Limited(RateLimit { retry_after, global })) => (retry_after, global),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_wait_is_read_from_wherever_it_stands() {
    let own = r#"{"message":"You are being rate limited.","retry_after":64.57,"global":false}"#;
    let scopes = [("x-ratelimit-scope", "user"), ("retry-after", "65"), ("x-ratelimit-reset-after", "64.57")];
    assert_eq!(limited(&scopes, own), (64_570, false));
    let global = r#"{"message":"You are being rate limited.","retry_after":0.0641,"global":true}"#;
    assert_eq!(limited(&[], global), (65, true), "rounded up");
    let plain = r#"{"message":"no"}"#;
    assert_eq!(limited(&[("X-RateLimit-Reset-After", "1.25"), ("retry-after", "9")], plain), (1_250, false));
    assert_eq!(limited(&[("Retry-After", "7")], plain), (7_000, false));
    assert_eq!(limited(&[("retry-after", "7"), ("x-ratelimit-global", "true")], plain), (7_000, true));
    assert_eq!(limited(&[("retry-after", "7"), ("x-ratelimit-scope", "global")], plain), (7_000, true));
    assert_eq!(limited(&[("retry-after", "7"), ("x-ratelimit-scope", "shared")], plain), (7_000, false));
    // What stands before Discord sends no JSON and means everything.
    assert_eq!(limited(&[("retry-after", "600")], "<html>"), (600_000, true));
    assert_eq!(limited(&[], plain), (1_000, false), "no wait is named");
    for wrong in ["-1", "soon", "NaN", ""] {
        assert_eq!(limited(&[("retry-after", wrong)], plain).0, 1_000, "{wrong:?}");
    }
    assert_eq!(limited(&[("retry-after", "1e300")], plain).0, 86_400_000, "no longer than a day");
}

#[test]
fn an_empty_bucket_is_a_pause() {
    let pause = |headers: &[(&str, &str)]| read(&answer(200, headers, "{}")).expect("a success").pause;
    let reset = ("x-ratelimit-reset-after", "0.471");
    assert_eq!(pause(&[("X-RateLimit-Remaining", "0"), reset]), Some(471));
    assert_eq!(pause(&[("x-ratelimit-remaining", "1"), reset]), None);
    assert_eq!(pause(&[("x-ratelimit-remaining", "0")]), None);
    assert_eq!(pause(&[]), None);
}

#[test]
fn success_may_be_empty_and_must_be_json_else() {
    assert_eq!(read(&answer(204, &[], "")).expect("a success").value, Value::Null);
    assert_eq!(read(&answer(200, &[], "[1]")).expect("a success").value, json!([1]));
    assert!(matches!(read(&answer(200, &[], "<html>")), Err(Failure::Garbled(200, _))));
    assert!(matches!(read(&answer(302, &[], "")), Err(Failure::Garbled(302, _))));
}

#[test]
fn what_is_wrong_with_a_form_is_named() {
    let body = json!({ "code": 50035, "message": "Invalid Form Body", "errors": {
        "embeds": { "0": { "description": { "_errors": [{ "code": "BASE_TYPE_REQUIRED", "message": "Required" }] } } },
        "content": { "_errors": [{ "code": "BASE_TYPE_MAX_LENGTH", "message": "Must be 2000 or fewer." }] } } });
    let Err(Failure::Refused(refusal)) = read(&answer(400, &[], &body.to_string())) else { panic!() };
    assert_eq!(refusal.code, 50_035);
    for part in ["Invalid Form Body", "embeds.0.description: Required", "content: Must be 2000 or fewer."] {
        assert!(refusal.message.contains(part), "{}", refusal.message);
    }
}

/// What an answer becomes for whoever sends.
fn sent(status: u16, code: u64) -> SendError {
    let body = json!({ "code": code, "message": "said" }).to_string();
    read(&answer(status, &[], &body)).expect_err("an error").into()
}

#[test]
fn each_error_is_told_as_what_can_be_done_about_it() {
    let gone = |error: SendError| matches!(error, SendError::Gone(_));
    for (status, code) in
        [(404, 10_003), (404, 10_008), (404, 10_015), (404, 10_062), (404, 0), (400, 10_008)]
    {
        assert!(gone(sent(status, code)), "{status} {code}");
    }
    for (status, code, says) in [
        (403, 50_001, "View Channel"),
        (403, 50_013, "Send Messages"),
        (403, 50_007, "direct messages"),
        (400, 50_083, "archived"),
        (403, 50_005, "whoever wrote"),
        (403, 0, "rights"),
        (400, 50_006, "said"),
    ] {
        let error = sent(status, code);
        assert!(
            matches!(&error, SendError::Refused(text) if text.contains(says) && text.contains("said")),
            "{status} {code}: {error:?}"
        );
    }
    assert!(matches!(sent(401, 0), SendError::Unavailable(text) if text.contains("Reset Token")));
    assert!(matches!(sent(503, 0), SendError::Unavailable(_)));
    assert!(matches!(sent(500, 0), SendError::Unknown(_)));
    assert!(matches!(sent(400, 40_005), SendError::TooLarge(1_234)));
    assert!(matches!(sent(413, 0), SendError::TooLarge(1_234)));
    let garbled = |status| SendError::from(Failure::Garbled(status, "<html>".into()));
    assert!(matches!(garbled(502), SendError::Unknown(_)));
    assert!(matches!(garbled(503), SendError::Unavailable(_)));
}

#[test]
fn whether_something_was_sent_is_told() {
    let error = |failure: Failure| SendError::from(failure);
    assert!(matches!(error(Failure::Unsent("dns".into())), SendError::Unavailable(_)));
    assert!(matches!(error(Failure::Broken("cut".into())), SendError::Unknown(_)));
    assert!(matches!(error(Failure::Denied { grant: String::new() }), SendError::Denied));
    let limit = RateLimit { retry_after: 5, global: true };
    assert!(matches!(
        error(Failure::Limited(limit)),
        SendError::RateLimited(RateLimit { retry_after: 5, global: true })
    ));
}

#[test]
fn the_loop_ends_with_what_an_admin_can_do() {
    let error = |failure: Failure| AdapterError::from(failure);
    let refusal = |status| Failure::Refused(Refusal { status, code: 0, message: "401: Unauthorized".into() });
    assert!(matches!(error(refusal(401)), AdapterError::Credential(text) if text.contains("DISCORD_TOKEN")));
    assert!(matches!(error(refusal(403)), AdapterError::Configuration(_)));
    assert!(matches!(error(refusal(500)), AdapterError::Unavailable(_)));
    assert!(matches!(error(Failure::Unsent("x".into())), AdapterError::Unavailable(_)));
    assert!(matches!(error(Failure::Garbled(200, "x".into())), AdapterError::Protocol(_)));
    let denied = error(Failure::Denied { grant: "POST https://a.example/b".into() });
    assert!(matches!(denied, AdapterError::Configuration(text) if text.contains("POST https://a.example/b")));
}

#[test]
fn a_grant_names_no_ids_and_no_tokens() {
    let grant = |base: &str, call: &Call| grant(&Url::parse(base).expect("an address"), call);
    let send = Call::new(Method::POST, &["channels", "41771983423143937", "messages"]);
    assert_eq!(
        grant("https://discord.com/api/v10", &send),
        "POST https://discord.com/api/v10/channels/*/messages credential=token"
    );
    let token = "aW50ZXJhY3Rpb246ODQ1NTU0Mjk2NjI5MDY5ODU0";
    let answer = Call::new(Method::POST, &["interactions", "1", token, "callback"]).anonymous();
    assert_eq!(
        grant("http://127.0.0.1:8080/api/v10/", &answer),
        "POST http://127.0.0.1:8080/api/v10/interactions/*/*/callback private=127.0.0.0/8"
    );
}

#[test]
fn a_call_has_the_reference_where_the_host_fills_it_in() {
    let api = Api::connect().expect("the defaults do");
    let built = |call: &Call| api.request(call).expect("a request").build().expect("a request");
    let request = built(&Call::new(Method::POST, &["channels", "7", "typing"]));
    assert_eq!(request.url().as_str(), "https://discord.com/api/v10/channels/7/typing");
    assert_eq!(request.headers()["authorization"], "Bot reference-token");
    let anonymous = Call::new(Method::PATCH, &["webhooks", "1", "a/../b", "messages", "@original"]);
    let request = built(&anonymous.anonymous().json(json!({})));
    assert_eq!(request.url().path(), "/api/v10/webhooks/1/a%2F..%2Fb/messages/@original");
    assert!(request.headers().get("authorization").is_none());
    assert!(matches!(api.exchange(&Call::new(Method::GET, &[])), Err(Failure::Unsent(_))));
}
