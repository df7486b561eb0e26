//! GitHub Apps: a server that checks the signature with the public key, and the claims.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::Timestamp;
use ring::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
use serde_json::{Value, json};

use super::place::Place;
use crate::server::{Seen, Server, Step, reply};

/// A key that was made for this test and never protected anything.
const KEY: &str = include_str!("app.pem");
const PUBLIC: &str = include_str!("app.pub.pem");

/// When the place's clock starts.
const NOW: i64 = 1_800_000_000;

fn public_key() -> Vec<u8> {
    let lines = PUBLIC.lines().filter(|line| !line.starts_with("---"));
    STANDARD.decode(lines.collect::<String>()).unwrap()
}

/// Why GitHub would refuse the request, if it would.
fn refusal(seen: &Seen, path: &str) -> Option<&'static str> {
    if seen.line() != format!("POST {path} HTTP/1.1") {
        return Some("not the endpoint");
    }
    let jwt = seen.header("authorization").and_then(|value| value.strip_prefix("Bearer "))?;
    let (message, signature) = jwt.rsplit_once('.')?;
    let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
    let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, public_key());
    if key.verify(message.as_bytes(), &signature).is_err() {
        return Some("the signature is wrong");
    }
    let (header, claims) = message.split_once('.')?;
    let part =
        |text: &str| -> Value { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).unwrap()).unwrap() };
    let (header, claims) = (part(header), part(claims));
    let times = (claims["iat"].as_i64()?, claims["exp"].as_i64()?);
    let fits = header["alg"] == "RS256"
        && claims["iss"] == "12345"
        && (NOW - 120..NOW).contains(&times.0)
        && (NOW + 1..=NOW + 600).contains(&times.1)
        && times.1 - times.0 <= 600;
    (!fits).then_some("the claims are wrong")
}

async fn github(prefix: &'static str, expires: i64) -> Server {
    Server::start(move |seen| {
        if seen.line().starts_with("GET /repos") {
            let body = seen.header("authorization").unwrap_or_default().to_owned();
            return vec![Step::Write(reply("200 OK", &[], body.as_bytes()))];
        }
        let path = format!("{prefix}/app/installations/678/access_tokens");
        let answer = match refusal(seen, &path) {
            None => {
                let expires = Timestamp::from_second(NOW + expires).unwrap().to_string();
                let body =
                    json!({ "token": "ghs_16C7e42F292c6912E7710c838347Ae178B4a", "expires_at": expires });
                reply("201 Created", &[], body.to_string().as_bytes())
            }
            Some(why) => reply("401 Unauthorized", &[], json!({ "message": why }).to_string().as_bytes()),
        };
        vec![Step::Write(answer)]
    })
    .await
}

fn definition(server: &Server, prefix: &str, key: &str) -> String {
    let (base_url, private) = (server.url(prefix), ["127.0.0.1/32"]);
    json!({ "kind": "github-app", "base_url": base_url, "app_id": 12345, "installation_id": 678,
            "private_key": key, "private": private })
    .to_string()
}

async fn ask(server: &Server, place: &Place) -> Result<String, String> {
    let (door, references) =
        place.door(&format!("GET {} credential=token private=127.0.0.1", server.url("/**")));
    let asked = place.ask(&door, &references, &server.url("/repos/a/b")).await;
    asked.map_err(|error| error.admin().and_then(|admin| admin.detail.clone()).unwrap_or_default())
}

#[tokio::test]
async fn an_installation_token_is_minted_and_minted_again_after_an_hour() {
    for prefix in ["", "/api/v3"] {
        let server = github(prefix, 3600).await;
        let place = Place::new(&definition(&server, prefix, KEY));
        for _ in 0..2 {
            assert_eq!(ask(&server, &place).await.unwrap(), "Bearer [REDACTED:API]");
        }
        let minted = server.seen().iter().filter(|seen| seen.line().starts_with("POST")).count();
        assert_eq!(minted, 1, "one token for both");
        let sent =
            server.seen().iter().rev().find_map(|seen| seen.header("authorization").map(str::to_owned));
        assert_eq!(sent.unwrap(), "Bearer ghs_16C7e42F292c6912E7710c838347Ae178B4a");
        let recorded = serde_json::to_string(&place.log.events()).unwrap();
        assert!(!recorded.contains("ghs_") && !recorded.contains("eyJ"), "{recorded}");
    }
}

#[tokio::test]
async fn an_expired_token_and_another_apps_key_are_told() {
    let server = github("", -1).await;
    let place = Place::new(&definition(&server, "", KEY));
    assert!(ask(&server, &place).await.unwrap_err().contains("expired already"));
    let other = definition(&server, "", KEY).replace("12345", "54321");
    let error = ask(&server, &Place::new(&other)).await.unwrap_err();
    assert!(error.contains("the claims are wrong") && error.contains("check app_id"), "{error}");
}

#[test]
fn a_key_that_is_none_is_refused_when_it_is_set() {
    let cut = &KEY[..KEY.len() / 2];
    for key in ["", "x", cut, PUBLIC] {
        let text = json!({ "kind": "github-app", "app_id": "1", "installation_id": 2, "private_key": key });
        let definition = serde_json::from_value(text).unwrap();
        let error = openpact_egress::mint::ready(&definition).unwrap_err();
        assert!(error.contains("\"private_key\""), "{error}");
    }
}
