//! Answers taken apart, and the table of errors.

use openpact_sdk::adapter::{AdapterError, RateLimit, SendError};
use openpact_sdk::credentials::Missing;
use openpact_sdk::http;
use openpact_sdk::serde_json::json;

use super::*;

fn api(base: &str) -> Api {
    Api { base: Url::parse(base).expect("an address") }
}

fn response(status: u16, body: &str) -> Response {
    let headers = vec![("retry-after".to_owned(), b"30".to_vec())];
    Response { status, headers, body: body.as_bytes().to_vec(), cut: false }
}

fn refused(error: &str, token: Token) -> Failure {
    Failure::Refused(Refusal::of(error, token))
}

#[track_caller]
fn check_send(error: &str, expected: fn(String) -> SendError, says: &str) {
    let got: SendError = refused(error, Token::Bot).into();
    let (SendError::Gone(text) | SendError::Refused(text) | SendError::Unavailable(text)) = &got else {
        panic!("{got:?}");
    };
    assert_eq!(got, expected(text.clone()), "{error}");
    assert!(text.contains(says) && text.contains(error), "{error}: {text}");
}

#[test]
fn an_answer_is_a_result_or_says_what_went_wrong() {
    let result = |status, body: &str| result(&response(status, body), Token::Bot, 9);
    assert_eq!(result(200, r#"{"ok":true,"ts":"1.2"}"#), Ok(json!({ "ok": true, "ts": "1.2" })));
    let missing = r#"{"ok":false,"error":"missing_scope","needed":"chat:write","provided":"x"}"#;
    let needed = Some("chat:write".to_owned());
    let refusal = Refusal { error: "missing_scope".into(), needed, token: Token::Bot };
    assert_eq!(result(200, missing), Err(Failure::Refused(refusal)));
    let limited = Err(Failure::Limited(Duration::from_secs(30)));
    assert_eq!(result(429, ""), limited);
    assert_eq!(result(200, r#"{"ok":false,"error":"ratelimited"}"#), limited);
    assert_eq!(result(502, "<html>\n"), Err(Failure::Garbled(502, "<html>".into())));
    assert!(matches!(result(200, "{}"), Err(Failure::Garbled(200, _))));
    assert!(matches!(result(200, "[]"), Err(Failure::Garbled(200, _))));
}

#[test]
fn an_address_of_slack_answers_with_a_word() {
    assert_eq!(posted(&response(200, "ok"), 9), Ok(()));
    assert_eq!(posted(&response(200, r#"{"ok":true}"#), 9), Ok(()));
    let used = Err(refused("used_url", Token::Bot));
    assert_eq!(posted(&response(404, r#"{"ok":false,"error":"used_url"}"#), 9), used);
    assert_eq!(posted(&response(200, r#"{"ok":false,"error":"used_url"}"#), 9), used);
    assert_eq!(posted(&response(404, "used_url\n"), 9), used);
    assert_eq!(posted(&response(400, ""), 9), Err(refused("status 400", Token::Bot)));
    assert!(matches!(posted(&response(500, "x"), 9), Err(Failure::Garbled(500, _))));
}

#[test]
fn the_table_of_errors() {
    for error in ["channel_not_found", "is_archived", "message_not_found", "thread_not_found"] {
        check_send(error, SendError::Gone, "");
    }
    check_send("not_in_channel", SendError::Refused, "/invite");
    check_send("restricted_action", SendError::Refused, "settings");
    check_send("restricted_action_thread_locked", SendError::Refused, "settings");
    check_send("missing_scope", SendError::Refused, "OAuth & Permissions");
    check_send("cant_update_message", SendError::Refused, "own");
    check_send("some_new_error", SendError::Refused, "Slack says");
    for error in ["fatal_error", "internal_error", "service_unavailable"] {
        check_send(error, SendError::Unavailable, "");
    }
    // A message waits until there is a token again.
    check_send("invalid_auth", SendError::Unavailable, "SLACK_BOT_TOKEN");
}

#[test]
fn what_is_too_large_is_told_by_its_bytes() {
    let too_large = Err(Failure::TooLarge(9));
    let long = result(&response(200, r#"{"ok":false,"error":"msg_too_long"}"#), Token::Bot, 9);
    assert_eq!(long, too_large);
    assert_eq!(posted(&response(413, "<html>"), 9), too_large.clone().map(drop));
    assert_eq!(posted(&response(400, "file_too_large"), 9), too_large.map(drop));
    assert_eq!(SendError::from(Failure::TooLarge(9)), SendError::TooLarge(9));
}

#[test]
fn a_missing_scope_is_named() {
    let needed = Some("files:write".to_owned());
    let failure = Failure::Refused(Refusal { error: "missing_scope".into(), needed, token: Token::Bot });
    assert!(failure.text().contains("files:write"), "{}", failure.text());
}

#[test]
fn a_wait_is_one_of_the_channel() {
    let limited = SendError::RateLimited(RateLimit { retry_after: 30_000, global: false });
    assert_eq!(SendError::from(Failure::Limited(Duration::from_secs(30))), limited);
}

#[test]
fn what_left_before_the_connection_broke_may_have_been_done() {
    let of = |error| Failure::of_http(error, || "the grant".to_owned());
    let text = || "connection refused".to_owned();
    for unsent in [http::Error::Unsent(text()), http::Error::Invalid(text())] {
        assert!(matches!(SendError::from(of(unsent)), SendError::Unavailable(_)));
    }
    for broken in [http::Error::Unavailable(text()), http::Error::Unexpected(text())] {
        assert!(matches!(SendError::from(of(broken)), SendError::Unknown(_)));
    }
    assert_eq!(SendError::from(of(http::Error::Denied)), SendError::Denied);
    assert_eq!(SendError::from(of(http::Error::TooLarge(7))), SendError::TooLarge(7));
    assert!(matches!(SendError::from(Failure::Garbled(502, String::new())), SendError::Unknown(_)));
    assert!(matches!(SendError::from(Failure::Garbled(503, String::new())), SendError::Unavailable(_)));
}

#[test]
fn the_loop_ends_with_a_sentence_that_says_what_to_do() {
    let error = |failure| AdapterError::from(failure);
    let check = |error: AdapterError, credential: bool, says: &[&str]| {
        let text = match &error {
            AdapterError::Credential(text) if credential => text,
            AdapterError::Configuration(text) if !credential => text,
            other => panic!("{other:?}"),
        };
        assert!(says.iter().all(|word| text.contains(word)), "{text}");
    };
    check(error(refused("invalid_auth", Token::App)), true, &["connections:write", "SLACK_APP_TOKEN"]);
    check(error(refused("not_allowed_token_type", Token::App)), true, &["xapp-", "SLACK_APP_TOKEN"]);
    check(error(refused("not_allowed_token_type", Token::Bot)), true, &["xoxb-", "SLACK_BOT_TOKEN"]);
    check(error(Failure::NoToken(Token::App, Missing::NotGranted)), true, &["SLACK_APP_TOKEN"]);
    check(error(refused("missing_scope", Token::App)), false, &["scope"]);
    check(error(Failure::Denied { grant: "POST x".into() }), false, &["POST x", "components.slack.grants"]);
    check(link_disabled(), false, &["Socket Mode", "https://api.slack.com/apps"]);
    for passing in [
        Failure::Unsent(String::new()),
        Failure::Garbled(500, String::new()),
        refused("fatal_error", Token::App),
    ] {
        assert!(matches!(error(passing), AdapterError::Unavailable(_)));
    }
    assert!(matches!(error(Failure::Garbled(200, String::new())), AdapterError::Protocol(_)));
}

#[test]
fn tokens_go_to_slack_and_nowhere_else() {
    let slack = api("https://slack.com/api");
    for (address, host, allowed) in [
        ("https://files.slack.com/files-pri/T1-F1/a.txt", "files.slack.com", true),
        ("https://slack.com/x", "files.slack.com", true),
        ("https://files.slack.com.example/x", "files.slack.com", false),
        ("http://files.slack.com/x", "files.slack.com", false),
        ("https://files.slack.com:8443/x", "files.slack.com", false),
        ("https://a:b@files.slack.com/x", "files.slack.com", false),
        ("https://hooks.slack.com/x", "files.slack.com", false),
        ("https://drive.example/x", "files.slack.com", false),
        ("nothing", "files.slack.com", false),
    ] {
        assert_eq!(slack.named(address, host).is_ok(), allowed, "{address}");
    }
    let own = api("http://127.0.0.1:9/api/");
    assert!(own.named("http://127.0.0.1:9/files/x", "files.slack.com").is_ok());
    assert!(own.named("http://127.0.0.1:10/files/x", "files.slack.com").is_err());
}

#[test]
fn the_app_token_opens_connections_and_does_nothing_else() {
    assert_eq!((Token::of(OPEN), Token::of("chat.postMessage")), (Token::App, Token::Bot));
    let slack = api("https://slack.com/api/");
    assert_eq!(slack.address("auth.test"), "https://slack.com/api/auth.test");
    let url = slack.address(OPEN);
    assert_eq!(
        slack.grant("POST", &url, Some(Token::App)),
        "POST https://slack.com/api/apps.connections.open credential=app_token"
    );
    assert_eq!(
        api("http://127.0.0.1:9").grant("POST", "http://127.0.0.1:9/a?b", None),
        "POST http://127.0.0.1:9/a private=127.0.0.0/8"
    );
}
