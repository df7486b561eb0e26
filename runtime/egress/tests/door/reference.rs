//! References in pieces, and at places that were not made for them: the value is filled in nowhere.

use openpact_egress::{Error, full};

use crate::server::{Seen, Server, Step, reply};
use crate::world::{PROBE, World, grant, placed, read, send};

const VALUE: &str = "the-value-behind-the-reference";

async fn echo() -> Server {
    Server::start(|seen: &Seen| {
        let answer = format!("{}\n{}", seen.head, String::from_utf8_lossy(&seen.body));
        vec![Step::Write(reply("200 OK", &[], answer.as_bytes()))]
    })
    .await
}

#[tokio::test]
async fn a_reference_in_two_pieces_is_no_reference() {
    let server = echo().await;
    for placement in ["header x-token: {}", "query key={}", "segment bot{}", "basic user:{}"] {
        let world = World::new();
        world.vault.set("TOKEN", VALUE, &[PROBE]);
        let rule = format!("* {} private=127.0.0.1 credential=token", server.url("/**"));
        let door = world.door_with(vec![placed(&rule, placement, "TOKEN")]);
        let references = door.credentials();
        let reference = references.reference("token").unwrap();
        for cut in [1, 21, 42] {
            let (first, second) = reference.split_at(cut);
            let ask = async |path: &str, headers: &[(&str, &str)], body: &str| {
                let body = full(body.to_owned());
                read(send(&door, "POST", &server.url(path), headers, body, &references).await).await
            };
            let (in_path, in_query) =
                (format!("/bot{first}/{second}"), format!("/?key={first}&key={second}"));
            let cases = [
                ask("/", &[("x-a", first)], second).await,
                ask("/", &[("x-a", second)], first).await,
                ask("/", &[("x-a", first), ("x-a", second)], "").await,
                ask("/", &[("x-a", first), ("x-b", second)], "").await,
                ask("/", &[("cookie", &format!("a={first}; b={second}"))], "").await,
                ask(&format!("/{first}"), &[], second).await,
                ask(&in_path, &[], "").await,
                ask(&in_query, &[], "").await,
                ask(&format!("/?a={first}"), &[("x-a", second)], "").await,
                ask("/", &[], &format!("{first}\n{second}")).await,
            ];
            for (place, case) in cases.into_iter().enumerate() {
                // It arrives as it was written, or it is refused; nothing was put in its place.
                match case {
                    Ok((status, body)) => {
                        let body = String::from_utf8_lossy(&body).into_owned();
                        assert_eq!(status, 200);
                        assert!(body.contains(first) && body.contains(second), "{placement} {place}: {body}");
                        assert!(!body.contains("REDACTED"), "{placement} {place}: {body}");
                    }
                    Err(error) => assert!(error.is_denial(), "{placement} {place}: {error:?}"),
                }
            }
        }
        // At the placement's own place half a reference is not the template.
        if placement.starts_with("header") {
            let (half, _) = reference.split_at(20);
            let body = full(String::new());
            let refused =
                send(&door, "POST", &server.url("/"), &[("x-token", half)], body, &references).await;
            assert!(matches!(refused, Err(Error::Denied(_))));
        }
        let seen = server.seen();
        assert!(seen.iter().all(|seen| !seen.head.contains(VALUE)), "{placement}");
        assert!(!serde_json::to_string(&world.log.events()).unwrap().contains(VALUE));
    }
}

#[tokio::test]
async fn a_reference_in_the_path_to_another_host_stays_here() {
    let (granted, other) = (echo().await, echo().await);
    for (placement, path) in
        [("segment bot{}", "/botREF/getMe"), ("query key={}", "/?key=REF"), ("segment {}", "/REF")]
    {
        let world = World::new();
        world.vault.set("TOKEN", VALUE, &[PROBE]);
        let own = format!("GET {} private=127.0.0.1 credential=token", granted.url("/**"));
        let elsewhere = format!("GET {} private=127.0.0.1", other.url("/**"));
        let door = world.door_with(vec![placed(&own, placement, "TOKEN"), grant(&elsewhere)]);
        let references = door.credentials();
        let reference = references.reference("token").unwrap();
        let escaped: String =
            reference.bytes().fold(String::new(), |text, byte| text + "%" + &hex::encode([byte]));
        let upper = reference.to_uppercase();
        for text in [&reference, &escaped, &upper] {
            let path = path.replace("REF", text);
            let name = format!("http://{text}.test:{}/", other.port());
            let unknown = format!("http://unknown.test{path}");
            for url in [other.url(&path), other.url(&format!("/x{path}")), name, unknown] {
                let refused = send(&door, "GET", &url, &[], full(""), &references).await.err();
                assert!(refused.is_some_and(|error| error.is_denial()), "{placement}: {url}");
            }
            let log = serde_json::to_string(&world.log.events()).unwrap();
            assert!(!log.contains(text.as_str()), "{placement}: {log}");
        }
        // Where it belongs it is filled in.
        let url = granted.url(&path.replace("REF", &reference));
        let (_, body) = read(send(&door, "GET", &url, &[], full(""), &references).await).await.unwrap();
        assert!(String::from_utf8_lossy(&body).contains("[REDACTED:TOKEN]"), "{placement}");
        assert!(granted.seen().last().unwrap().line().contains(VALUE), "{placement}");
    }
    assert_eq!(other.connections(), 0);
}
