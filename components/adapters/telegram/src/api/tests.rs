//! Answers of the Bot API, and the address of a call.

use openpact_sdk::serde_json::json;
use openpact_sdk::settings;

use super::*;

fn connected(base_url: &str) -> Api {
    settings::set_for_test("base_url", json!(base_url));
    Api::connect().expect("usable")
}

#[test]
fn the_reference_stands_in_the_address_as_it_is() {
    for (base, expected) in [
        ("https://api.telegram.org", "https://api.telegram.org/botreference-token/sendMessage"),
        ("https://api.telegram.org/", "https://api.telegram.org/botreference-token/sendMessage"),
        ("http://127.0.0.1:8081/x/", "http://127.0.0.1:8081/x/botreference-token/sendMessage"),
    ] {
        assert_eq!(connected(base).address(&method_name("SendMessage")).as_str(), expected);
    }
    // Whatever a reference may be made of is not encoded.
    let api = Api { token: "aZ09_-".repeat(10), ..connected("https://a.example") };
    assert_eq!(api.address("x").path(), format!("/bot{}/x", "aZ09_-".repeat(10)));
}

#[test]
fn the_grant_for_another_address_is_named() {
    assert_eq!(
        connected("https://b.example/x/").grant(),
        "POST https://b.example/x/*/* credential=token timeout=70"
    );
    let here = connected("http://127.0.0.1:8081").grant();
    assert_eq!(here, "POST http://127.0.0.1:8081/*/* credential=token timeout=70 private=127.0.0.0/8");
}

#[test]
fn an_answer_is_a_result_or_a_refusal() {
    assert_eq!(result(200, None, br#"{"ok":true,"result":[1]}"#), Ok(json!([1])));
    let refused = br#"{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 5",
        "parameters":{"retry_after":5}}"#;
    assert_eq!(
        result(429, None, refused),
        Err(Failure::Refused(Refusal {
            code: 429,
            description: "Too Many Requests: retry after 5".to_owned(),
            retry_after: Some(Duration::from_secs(5)),
            migrated_to: None,
        }))
    );
    let Err(Failure::Refused(refusal)) =
        result(400, None, br#"{"ok":false,"parameters":{"migrate_to_chat_id":-1001}}"#)
    else {
        panic!()
    };
    assert_eq!((refusal.code, refusal.migrated_to), (400, Some(-1_001)));
    for garbled in ["", "<html>", "[]", "{\"ok\":true}", "null"] {
        assert!(matches!(result(502, None, garbled.as_bytes()), Err(Failure::Garbled(502, _))), "{garbled}");
    }
}

#[test]
fn too_many_requests_are_too_many_whatever_stands_in_the_answer() {
    let seconds = |seconds| Some(Duration::from_secs(seconds));
    for body in
        ["", "<html>429</html>", "[]", "{}", r#"{"ok":true,"result":[]}"#, r#"{"ok":false,"error_code":400}"#]
    {
        for wait in [None, seconds(7)] {
            let failure = result(429, wait, body.as_bytes()).unwrap_err();
            let Failure::Refused(refusal) = &failure else { panic!("{body}: {failure:?}") };
            assert_eq!((refusal.code, refusal.retry_after), (429, wait), "{body}");
            let sent = SendError::from(failure.clone());
            let retry_after = if wait.is_some() { 7_000 } else { 1_000 };
            assert_eq!(sent, SendError::RateLimited(RateLimit { retry_after, global: false }), "{body}");
            assert!(matches!(AdapterError::from(failure), AdapterError::Unavailable(_)), "{body}");
        }
    }
    let told =
        br#"{"ok":false,"error_code":429,"description":"Too Many Requests","parameters":{"retry_after":5}}"#;
    let waits = |status, body: &[u8]| match result(status, seconds(7), body) {
        Err(Failure::Refused(refusal)) => refusal.retry_after,
        other => panic!("{other:?}"),
    };
    assert_eq!(waits(429, told), seconds(5), "Telegram's own word counts");
    assert_eq!(waits(429, br#"{"ok":false,"error_code":429}"#), seconds(7));
    assert_eq!(waits(400, br#"{"ok":false}"#), None, "other refusals have nothing to wait for");
    assert!(matches!(result(503, seconds(7), b""), Err(Failure::Garbled(503, _))));
}

#[test]
fn a_header_says_in_seconds_how_long_to_wait() {
    let wait = |value: &str| retry_after(&[("retry-after".to_owned(), value.to_owned())]);
    assert_eq!(wait(" 30 "), Some(Duration::from_secs(30)));
    for other in ["", "-1", "1.5", "soon", "Fri, 31 Dec 1999 23:59:59 GMT", "99999999999999999999"] {
        assert_eq!(wait(other), None, "{other}");
    }
    assert_eq!(retry_after(&[]), None);
}

#[test]
fn a_success_of_another_shape_is_not_understood_and_not_refused() {
    for shape in [
        "{}",
        r#"{"ok":"true","result":1}"#,
        r#"{"result":[]}"#,
        r#"{"ok":false}"#,
        r#"{"ok":false,"error_code":200}"#,
        r#"{"error":"who are you?"}"#,
    ] {
        let failure = result(200, None, shape.as_bytes()).unwrap_err();
        assert!(matches!(AdapterError::from(failure.clone()), AdapterError::Protocol(_)), "{shape}");
        assert!(matches!(SendError::from(failure), SendError::Unknown(_)), "{shape}");
    }
    let Err(Failure::Refused(refusal)) = result(200, None, br#"{"ok":false,"error_code":400}"#) else {
        panic!()
    };
    assert_eq!(refusal.code, 400);
}

#[test]
fn outside_a_component_nothing_is_sent() {
    let failure = connected("https://a.example").exchange("getMe", vec![], TIMEOUT).unwrap_err();
    assert_eq!(failure, Failure::Unsent("there is no network outside a component".to_owned()));
}

#[test]
fn a_token_that_is_not_valid_is_told_from_a_method_that_is_not_there() {
    let refused = |code, description: &str| {
        let description = description.to_owned();
        Failure::Refused(Refusal { code, description, retry_after: None, migrated_to: None })
    };
    assert!(refused(401, "Unauthorized").is_credential() && refused(404, "Not Found").is_credential());
    assert!(
        !refused(404, "Not Found: method not found").is_credential() && !refused(400, "x").is_credential()
    );
}
