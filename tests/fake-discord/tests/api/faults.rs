//! What goes wrong with requests.

use openpact_fake_discord::{Fault, Limited, Limits, Rule};
use serde_json::{Value, json};

use crate::place::{Answer, Place};

const MESSAGES: &str = "/channels/200/messages";

fn post(place: &Place) -> Option<Answer> {
    place.send("POST", MESSAGES, "application/json", br#"{"content":"x"}"#)
}

/// The answer under a fault, and how many messages were sent all the same.
fn strike(place: &Place, fault: Fault) -> (Option<Answer>, usize) {
    place.server.fault(Rule::new(fault).operation("create_message").times(1));
    let before = place.general.sent().len();
    let answer = post(place);
    (answer, place.general.sent().len() - before)
}

#[test]
fn limits_are_told_in_every_form() {
    let place = Place::new();
    let limited = |limit| {
        let (answer, done) = strike(&place, Fault::TooManyRequests(limit));
        assert_eq!(done, 0);
        let answer = answer.unwrap();
        assert_eq!(answer.status, 429);
        answer
    };
    let route = limited(Limited::Route(1.5));
    assert_eq!((&route.body()["retry_after"], &route.body()["global"]), (&json!(1.5), &json!(false)));
    assert_eq!(route.header("retry-after"), Some("2"));
    assert_eq!(route.header("x-ratelimit-scope"), Some("user"));
    assert_eq!(route.header("x-ratelimit-remaining"), Some("0"));
    assert_eq!(route.header("x-ratelimit-reset-after"), Some("1.500"));
    let global = limited(Limited::Global(0.25));
    assert_eq!(global.body()["global"], true);
    assert_eq!(global.header("x-ratelimit-global"), Some("true"));
    assert_eq!(global.header("x-ratelimit-bucket"), None);
    let shared = limited(Limited::Shared(3.0));
    assert_eq!(shared.header("x-ratelimit-scope"), Some("shared"));
    assert_eq!(shared.header("x-ratelimit-remaining"), Some("1"));
    let cloudflare = limited(Limited::Cloudflare(60));
    assert_eq!(cloudflare.header("retry-after"), Some("60"));
    assert!(cloudflare.header("content-type") == Some("text/html") && cloudflare.text.contains("<html>"));
    assert!(!cloudflare.head.contains("x-ratelimit"), "{}", cloudflare.head);
    let good = post(&place).unwrap();
    assert_eq!(good.header("x-ratelimit-bucket"), route.header("x-ratelimit-bucket"));
    assert_eq!(good.header("x-ratelimit-limit"), Some("50"));
}

#[test]
fn limits_that_are_set_are_kept() {
    let place = Place::new();
    place.server.limits(Limits { route: Some(2), window: 60_000, global: Some(5), ..Limits::default() });
    let other = place.guild.channel(201, "other");
    assert_eq!(post(&place).unwrap().header("x-ratelimit-remaining"), Some("1"));
    assert_eq!(post(&place).unwrap().header("x-ratelimit-remaining"), Some("0"));
    let over = post(&place).unwrap();
    assert_eq!((over.status, over.header("x-ratelimit-scope")), (429, Some("user")));
    assert!(over.body()["retry_after"].as_f64().unwrap() > 50.0);
    let path = format!("/channels/{}/messages", other.id());
    place.good("POST", &path, &json!({"content": "another channel counts for itself"}));
    place.server.advance(std::time::Duration::from_secs(61));
    assert_eq!(post(&place).unwrap().status, 200);
    for _ in 0..2 {
        place.good("GET", MESSAGES, &Value::Null);
        place.good("GET", "/users/@me", &Value::Null);
    }
    let over = place.call("GET", "/channels/200", &Value::Null);
    assert_eq!((over.status, over.body()["global"] == true), (429, true), "{over:?}");
    assert_eq!(over.header("x-ratelimit-bucket"), None);
}

#[test]
fn faults_strike_where_they_are_set() {
    let place = Place::new();
    place.server.fault(Rule::new(Fault::ServerError(503)).channel(200).skip(1).times(1));
    assert_eq!(post(&place).unwrap().status, 200);
    assert_eq!(post(&place).unwrap().body()["message"], "503: Internal Server Error");
    assert_eq!(post(&place).unwrap().status, 200);
    let refuse = Fault::Refuse(403, 50_001, "Missing Access".to_owned());
    let (answer, done) = strike(&place, refuse);
    assert_eq!((answer.unwrap().body()["code"].as_u64(), done), (Some(50_001), 0));
    assert_eq!(strike(&place, Fault::Unauthorized).0.unwrap().status, 401);
    assert_eq!(strike(&place, Fault::Forbidden).0.unwrap().status, 403);
    let (page, done) = strike(&place, Fault::ServerErrorPage(502));
    assert!(page.unwrap().text.contains("<html>") && done == 0);
    let (cut, done) = strike(&place, Fault::CutBefore);
    assert!(cut.is_none() && done == 0);
    let (cut, done) = strike(&place, Fault::CutAfter);
    assert!(cut.is_none() && done == 1);
    assert!(!place.general.sent().last().unwrap().told);
    let (half, done) = strike(&place, Fault::CutBody);
    assert!(!half.unwrap().text.ends_with('}') && done == 1);
    let (odd, done) = strike(&place, Fault::Malformed);
    assert!(serde_json::from_str::<Value>(&odd.unwrap().text).is_err() && done == 1);
    let (odd, done) = strike(&place, Fault::Misshapen);
    assert!(odd.unwrap().body()["id"].is_null() && done == 1);
    for fault in [Fault::Drip(1), Fault::Delay(1)] {
        let (answer, done) = strike(&place, fault);
        assert!(answer.unwrap().body()["content"] == "x" && done == 1);
    }
    assert_eq!(place.server.look(|world| world.duplicates(200).len()), place.general.sent().len() - 1);
    place.server.seed(5);
    place.server.fault(Rule::new(Fault::ServerError(500)).chance(0.5));
    let nothing = json!(null);
    let failed = (0..200).filter(|_| place.call("GET", "/gateway", &nothing).status == 500).count();
    assert!((50..150).contains(&failed), "{failed} of 200 failed");
    place.server.clear_faults();
    place.good("GET", "/gateway", &nothing);
    place.server.assert_no_violations();
}
