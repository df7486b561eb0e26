//! Credentials that the host mints: against servers that rotate, refuse, redirect, flood and lie.

mod attack;
mod github;
mod place;
mod server;

use std::sync::Arc;

use openpact_egress::credential::Unavailable;
use openpact_egress::socket::Message;
use openpact_egress::{Error, empty, full};

use crate::peer::{Peer, connect_with, text};
use crate::world::{read, send};
use place::Place;
use server::{Mode, OauthServer};

/// Both the API and the token endpoint, and a component that may ask the API.
async fn place() -> (OauthServer, Place) {
    let server = OauthServer::start().await;
    let place = Place::new(&server.oauth(""));
    (server, place)
}

#[tokio::test]
async fn a_token_is_minted_filled_in_kept_and_minted_anew_before_it_expires() {
    let (server, place) = place().await;
    let (door, references) = place.door(&server.api("/**"));
    for _ in 0..3 {
        place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
    }
    assert_eq!(server.sent_tokens(), ["access-token-number-1"; 3], "one token for three requests");
    place.clock.advance(3541);
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
    assert_eq!(server.sent_tokens()[3], "access-token-number-2");
    assert_eq!(server.used_refresh_tokens(), ["refresh-token-number-0", "refresh-token-number-1"]);
    assert_eq!(place.refresh_token(), "refresh-token-number-2", "the rotated one is kept");
    assert_eq!(place.vault_uses(), 4);
}

/// A connection may stay open for longer than a token is good.
#[tokio::test]
async fn a_message_carries_a_token_that_is_minted_when_it_is_sent() {
    let (server, place) = place().await;
    let peer = Peer::echo().await;
    let (door, references) = place.frame_door(&peer.rule("credential=token"));
    let mut socket = connect_with(&door, &peer.url("/"), &[], &references).await.unwrap();
    assert_eq!(server.used_refresh_tokens(), [""; 0], "nothing needs one yet");
    let message = || text(format!("{{\"token\":\"{}\"}}", references.reference("token").unwrap()));
    for after in [0, 3541] {
        place.clock.advance(after);
        socket.send(message()).await.unwrap();
        let Message::Text(echoed) = socket.receive().await.unwrap() else { panic!("a text") };
        assert_eq!(echoed, "{\"token\":\"[REDACTED:API]\"}", "and it does not come back");
    }
    let got: Vec<_> =
        peer.received().into_iter().map(|(_, payload)| String::from_utf8(payload).unwrap()).collect();
    let expected = |number: u8| format!("{{\"token\":\"access-token-number-{number}\"}}");
    assert_eq!(got, [expected(1), expected(2)]);

    server.set(Mode::Says("400 Bad Request", Vec::new(), b"{\"error\":\"invalid_grant\"}".to_vec()));
    place.clock.advance(3541);
    let error = socket.send(message()).await.unwrap_err();
    assert_eq!(error.to_string(), "denied: the credential 'token' is not available");
    assert_eq!(peer.received().len(), 2);
    socket.send(text("still open")).await.unwrap();
}

#[tokio::test]
async fn a_new_process_goes_on_with_what_was_kept() {
    let (server, place) = place().await;
    let (door, references) = place.door(&server.api("/**"));
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
    // The program ends here: all that is left is what was stored.
    let again = place.restarted();
    let (door, references) = again.door(&server.api("/**"));
    again.ask(&door, &references, &server.api_url("/me")).await.unwrap();
    assert_eq!(server.used_refresh_tokens().len(), 1, "the token that was kept is still good");
    again.clock.advance(4000);
    again.ask(&door, &references, &server.api_url("/me")).await.unwrap();
    assert_eq!(server.used_refresh_tokens()[1], "refresh-token-number-1");
}

#[tokio::test]
async fn what_cannot_be_kept_is_not_used() {
    let (server, place) = place().await;
    let (door, references) = place.door(&server.api("/**"));
    place.store.break_it(true);
    place.fails(&door, &references, &server.api_url("/me"), "could not be kept").await;
    assert_eq!(server.sent_tokens(), [""; 0]);
}

#[tokio::test]
async fn many_at_once_share_one_request() {
    let (server, place) = place().await;
    let (door, references) = place.door(&server.api("/**"));
    let url = server.api_url("/me");
    let asking = (0..8).map(|_| place.ask(&door, &references, &url));
    for answer in futures::future::join_all(asking).await {
        answer.unwrap();
    }
    assert_eq!(server.used_refresh_tokens().len(), 1);
    assert_eq!(server.sent_tokens(), ["access-token-number-1"; 8]);
}

#[tokio::test]
async fn a_request_that_is_given_up_loses_no_rotated_token() {
    let (server, place) = place().await;
    let (door, references) = place.door(&server.api("/**"));
    server.set(Mode::Held);
    let (place, server) = (Arc::new(place), Arc::new(server));
    let asking = tokio::spawn({
        let (place, url) = (Arc::clone(&place), server.api_url("/me"));
        async move { drop(place.ask(&door, &references, &url).await) }
    });
    server.asked().await;
    asking.abort();
    asking.await.unwrap_err();
    server.set(Mode::Good);
    place.store.kept().await;
    assert_eq!(place.refresh_token(), "refresh-token-number-1");
}

#[tokio::test]
async fn each_way_of_proving_who_the_client_is_works_and_a_wrong_secret_is_told() {
    let server = OauthServer::start().await;
    for more in [r#","client_auth":"post""#, r#","scopes":["a","b"]"#] {
        let place = Place::new(&server.oauth(more));
        let (door, references) = place.door(&server.api("/**"));
        place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
        server.set(Mode::Reset);
    }
    let wrong = server.oauth("").replace("client-secret-of-the-test", "client-secret-of-another");
    let place = Place::new(&wrong);
    let (door, references) = place.door(&server.api("/**"));
    place.fails(&door, &references, &server.api_url("/me"), "does not know the client").await;
    let own = server.oauth("").replace(r#""refresh_token":"refresh-token-number-0","#, "");
    let place = Place::new(&own);
    let (door, references) = place.door(&server.api("/**"));
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
    assert!(server.forms().last().unwrap().starts_with("grant_type=client_credentials"));
}

#[tokio::test]
async fn no_part_is_had_by_asking_for_it_or_said_by_an_api_that_echoes() {
    let (server, place) = place().await;
    let (door, references) = place.door(&server.api("/**"));
    for name in ["refresh_token", "client_secret", "API", "token:refresh"] {
        assert_eq!(references.reference(name), Err(Unavailable::NotGranted(name.to_owned())));
    }
    let first = place.ask(&door, &references, &server.api_url("/echo")).await.unwrap();
    assert_eq!(first, "you sent Bearer [REDACTED:API], before that: ");
    place.clock.advance(3541);
    let second = place.ask(&door, &references, &server.api_url("/echo")).await.unwrap();
    assert_eq!(
        second, "you sent Bearer [REDACTED:API], before that: Bearer [REDACTED:API]",
        "the old one too"
    );
}

#[tokio::test]
async fn no_part_leaves_where_nobody_placed_it() {
    let (server, place) = place().await;
    let (door, references) = place.door(&server.api("/**"));
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
    let before = server.sent_tokens().len();
    for part in ["access-token-number-1", "refresh-token-number-1", "client-secret-of-the-test"] {
        let url = server.api_url("/me");
        let body = full(format!("x={part}"));
        let sent = read(send(&door, "POST", &url, &[], body, &references).await).await;
        assert!(matches!(sent, Err(Error::Denied(_))), "{part}: {sent:?}");
        let url = server.api_url(&format!("/me?x={part}"));
        let sent = read(send(&door, "GET", &url, &[], empty(), &references).await).await;
        assert!(matches!(sent, Err(Error::Denied(_))), "{part}: {sent:?}");
    }
    assert_eq!(server.sent_tokens().len(), before, "nothing arrived");
}

#[tokio::test]
async fn the_record_names_the_runtime_and_the_endpoint_and_no_value() {
    let (server, place) = place().await;
    let (door, references) = place.door(&server.api("/**"));
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
    let ended = place.log.ended();
    let minting = ended.iter().find(|event| event.actor == "runtime").expect("it is recorded");
    assert!(minting.subject.ends_with("/token") && minting.detail["status"] == 200, "{minting:?}");
    let all = serde_json::to_string(&place.log.events()).unwrap();
    for part in ["access-token", "refresh-token", "client-secret"] {
        assert!(!all.contains(part), "{part} in {all}");
    }
}

#[tokio::test]
async fn a_secret_goes_to_no_host_that_it_is_not_bound_to() {
    let (server, place) = place().await;
    place.bind(&["api.example.com"]);
    let (door, references) = place.door(&server.api("/**"));
    place.fails(&door, &references, &server.api_url("/me"), "API is bound to api.example.com").await;
    assert_eq!(server.used_refresh_tokens(), [""; 0], "nothing was minted for it either");
    assert_eq!(place.vault_uses(), 0);
    place.bind(&["api.example.com", "127.0.0.1"]);
    place.ask(&door, &references, &server.api_url("/me")).await.unwrap();
}

#[tokio::test]
async fn a_redirect_to_a_host_that_the_secret_is_not_bound_to_loses_it() {
    let (server, place) = place().await;
    place.bind(&["127.0.0.1"]);
    let own = server.api("/**");
    let other = own.replacen("127.0.0.1", "other.example", 1);
    let (door, references) = place.door_of(&[&own, &other]);
    let to = format!("/redirect?to={}", server.api_url("/me").replace("127.0.0.1", "other.example"));
    place.ask(&door, &references, &server.api_url(&to)).await.unwrap();
    assert_eq!(server.sent_tokens(), ["access-token-number-1", ""]);
}

#[tokio::test]
async fn a_redirect_cannot_carry_away_a_token_that_was_minted_for_that_very_request() {
    let (server, place) = place().await;
    let own = server.api("/**");
    let other = own.replacen("127.0.0.1", "other.example", 1);
    let (door, references) = place.door_of(&[&own, &other]);
    let to = server.api_url("/thief").replacen("127.0.0.1", "other.example", 1);
    let error = place.ask(&door, &references, &server.api_url(&format!("/carry?to={to}"))).await.unwrap_err();
    assert!(matches!(error, Error::Denied(_)), "{error:?}");
    assert_eq!(server.sent_tokens(), ["access-token-number-1"], "the thief's host got nothing");
}
