//! Token endpoints that do harm, and guests that try to make the host do it.

use super::place;
use super::place::Place;
use super::server::{Mode, OauthServer};
use crate::server::Server;

#[track_caller]
fn says(status: &'static str, headers: &[(&'static str, &str)], body: impl AsRef<[u8]>) -> Mode {
    let headers = headers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Mode::Says(status, headers, body.as_ref().to_vec())
}

/// The token endpoint answers this; the component gets nothing, and the admin this.
async fn check(mode: Mode, expected: &str) {
    let (server, place) = place().await;
    server.set(mode);
    let (door, references) = place.door(&server.api("/**"));
    place.fails(&door, &references, &server.api_url("/me"), expected).await;
    assert_eq!(server.sent_tokens(), [""; 0], "nothing was sent to the API");
    assert_eq!(place.refresh_token(), "refresh-token-number-0", "what was kept is untouched");
    assert_eq!(place.store.problems().len(), 1, "the admin is told");
}

#[tokio::test]
async fn a_token_endpoint_that_redirects_is_not_followed() {
    let thief = Server::saying("{\"access_token\":\"a-token-of-the-thief\"}").await;
    for status in
        ["301 Moved", "302 Found", "303 See Other", "307 Temporary Redirect", "308 Permanent Redirect"]
    {
        check(says(status, &[("location", &thief.url("/token"))], ""), "redirects, which is not followed")
            .await;
    }
    assert_eq!(thief.connections(), 0);
}

#[tokio::test]
async fn an_answer_that_is_no_token_is_refused_and_told() {
    let good = |token: &str, more: &str| format!(r#"{{"access_token":"{token}"{more}}}"#);
    check(says("200 OK", &[], "<html>Log in</html>"), "answered a web page").await;
    check(says("200 OK", &[], ""), "answered nothing").await;
    check(says("200 OK", &[], "access_token=a&scope=b"), "not JSON").await;
    check(says("500 Oops", &[], "{}"), "no token (status 500)").await;
    check(says("200 OK", &[], "{\"access_token\":7}"), "answered no token").await;
    check(says("200 OK", &[], vec![b' '; 64 * 1024 + 1]), "more than 65536 bytes").await;
    check(says("200 OK", &[], good("tiny", "")), "fewer than 16 bytes").await;
    check(says("200 OK", &[], good("a-token-with\\r\\nx-evil: a line", "")), "no request can carry").await;
    check(says("200 OK", &[], good("a-token-that-is-long", ",\"expires_in\":0")), "expired already").await;
    check(says("200 OK", &[], good("a-token-that-is-long", ",\"expires_in\":-5")), "expired already").await;
    check(says("200 OK", &[], good("a-token-that-is-long", ",\"expires_in\":\"soon\"")), "no number").await;
    check(says("200 OK", &[], good("a-token-that-is-long", ",\"token_type\":\"mac\"")), "the type 'mac'")
        .await;
    // A server that says everything back that it was sent.
    let echo =
        r#"{"error":"slow_down","error_description":"refresh-token-number-0 client-secret-of-the-test"}"#;
    check(says("429 Too Many", &[], echo), "[REDACTED:").await;
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_is_read() {
    let (server, place) = place().await;
    let answer = r#"{"access_token":"a-token-that-is-long"}"#;
    let padded = format!("{answer}{}", " ".repeat(64 * 1024 - answer.len()));
    server.set(says("200 OK", &[], padded));
    let (door, references) = place.door(&server.api("/**"));
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
}

#[tokio::test]
async fn a_token_endpoint_on_this_machine_needs_its_range_named() {
    let server = OauthServer::start().await;
    // By name, since plain http to an address is refused when the secret is set.
    let definition = server.oauth("").replace(r#""127.0.0.1""#, r#""10.0.0.0/8""#);
    let place = Place::new(&definition);
    let (door, references) = place.door(&server.api("/**"));
    place.fails(&door, &references, &server.api_url("/me"), "name the range as \"private\"").await;
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_refresh_token_that_is_no_longer_good_is_not_tried_again_until_it_is_set_anew() {
    let (server, place) = place().await;
    place.redefine(&server.oauth("").replace("number-0", "number-9"));
    let (door, references) = place.door(&server.api("/**"));
    for _ in 0..3 {
        place.fails(&door, &references, &server.api_url("/me"), "takes the refresh token no more").await;
        place.clock.advance(1000);
    }
    assert_eq!(server.used_refresh_tokens().len(), 1, "a server may lock an account that tries again");
    place.redefine(&server.oauth(""));
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
}

#[tokio::test]
async fn a_guest_that_asks_again_and_again_does_not_make_the_host_do_so() {
    let (server, place) = place().await;
    server.set(says("503 Busy", &[], "{}"));
    let (door, references) = place.door(&server.api("/**"));
    for _ in 0..5 {
        place.fails(&door, &references, &server.api_url("/me"), "status 503").await;
    }
    assert_eq!(server.forms().len(), 1);
    place.clock.advance(31);
    server.set(Mode::Good);
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
}

#[test]
fn a_definition_that_would_leave_its_address_is_refused() {
    let check = |url: &str, private: &str, expected: &str| {
        let text = format!(
            r#"{{"kind":"oauth","token_url":"{url}","client_id":"c","client_secret":"s","private":[{private}]}}"#
        );
        let error = openpact_egress::mint::ready(&serde_json::from_str(&text).unwrap()).unwrap_err();
        assert!(error.contains(expected), "{url}: {error}");
    };
    check("http://a.example/token", "", "is not https");
    check("ftp://a.example/token", "", "is not https");
    check("file:///etc/passwd", "\"127.0.0.1\"", "is not https");
    check("https://user:pw@a.example/token", "", "a user name");
    check("https://a.example/token#x", "", "a fragment");
    check("nothing", "", "is not a URL");
    check("https://a.example/a%2fb/..%2f", "", "cannot be");
    check("https://a.example/token", "\"localhost\"", "not a range");
}
