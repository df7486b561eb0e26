//! Credentials: filled in at their place, refused anywhere else, never seen by the guest.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::stream;
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use openpact_egress::credential::{References, Unavailable};
use openpact_egress::{Body, Door, Error, empty, full};

use crate::server::Server;
use crate::world::{PROBE, World, placed, read, send};

const VALUE: &str = "s3cr3t/+value&with=odd\"chars";

/// Every byte escaped, needed or not.
fn percent(text: &str) -> String {
    text.bytes().fold(String::new(), |escaped, byte| escaped + "%" + &hex::encode([byte]))
}

async fn world_with(placement: &str) -> (World, Server, Arc<Door>, References) {
    let server = Server::saying("ok").await;
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let rule = format!("* {} private=127.0.0.1 credential=token", server.url("/**"));
    let door = world.door_with(vec![placed(&rule, placement, "TOKEN")]);
    let references = door.credentials();
    (world, server, door, references)
}

#[tokio::test]
async fn each_placement_fills_its_template() {
    let (_, server, door, references) = world_with("header X-Token: Bearer {}!").await;
    let reference = references.reference("token").unwrap();
    let value = format!("Bearer {reference}!");
    read(send(&door, "GET", &server.url("/a"), &[("x-token", &value)], empty(), &references).await)
        .await
        .unwrap();
    assert_eq!(server.seen()[0].header("x-token"), Some(format!("Bearer {VALUE}!").as_str()));

    let (_, server, door, references) = world_with("basic user:{}").await;
    let pair = STANDARD.encode(format!("user:{}", references.reference("token").unwrap()));
    let value = format!("Basic {pair}");
    read(send(&door, "GET", &server.url("/a"), &[("authorization", &value)], empty(), &references).await)
        .await
        .unwrap();
    let sent = STANDARD.encode(format!("user:{VALUE}"));
    assert_eq!(server.seen()[0].header("authorization"), Some(format!("Basic {sent}").as_str()));

    let (world, server, door, references) = world_with("segment bot{}").await;
    let url = server.url(&format!("/bot{}/getMe", references.reference("token").unwrap()));
    read(send(&door, "GET", &url, &[], empty(), &references).await).await.unwrap();
    assert_eq!(server.seen()[0].line(), "GET /bots3cr3t%2F%2Bvalue%26with%3Dodd%22chars/getMe HTTP/1.1");
    let event = serde_json::to_string(&world.log.last()).unwrap();
    assert!(event.contains("/bot{token}/getMe"), "{event}");
    assert!(!event.contains("s3cr3t"), "{event}");

    let (_, server, door, references) = world_with("query key={}").await;
    let url = server.url(&format!("/a?x=1&key={}&y=2", references.reference("token").unwrap()));
    read(send(&door, "GET", &url, &[], empty(), &references).await).await.unwrap();
    assert_eq!(server.seen()[0].line(), "GET /a?x=1&key=s3cr3t%2F%2Bvalue%26with%3Dodd%22chars&y=2 HTTP/1.1");
}

#[tokio::test]
async fn a_reference_is_refused_everywhere_else() {
    let (world, server, door, references) = world_with("header X-Token: Bearer {}").await;
    let reference = references.reference("token").unwrap();
    let upper = reference.to_uppercase();
    let encoded = percent(&reference);
    let good = format!("Bearer {reference}");
    let refused: &[(&str, &[(&str, &str)])] = &[
        // The right header with another template, twice, or with more beside it.
        ("/", &[("x-token", &reference)]),
        ("/", &[("x-token", &format!("Bearer  {reference}"))]),
        ("/", &[("x-token", &format!("bearer {reference}"))]),
        ("/", &[("x-token", &format!("Bearer {reference} "))]),
        ("/", &[("x-token", &format!("Bearer {reference}, Bearer {reference}"))]),
        ("/", &[("x-token", &good), ("x-token", &good)]),
        ("/", &[("x-token", &good), ("x-token", "Bearer own")]),
        ("/", &[("x-token", "Bearer own")]),
        ("/", &[("x-token", "")]),
        // Other places, beside the right one and without it.
        ("/", &[("x-token", &good), ("x-copy", &good)]),
        ("/", &[("x-copy", &reference)]),
        ("/", &[("x-copy", &upper)]),
        ("/", &[("cookie", &format!("a={reference}"))]),
        (&format!("/{reference}"), &[("x-token", &good)]),
        (&format!("/{reference}"), &[]),
        (&format!("/{encoded}"), &[]),
        (&format!("/a?q={reference}"), &[]),
        (&format!("/a?{reference}=1"), &[]),
        (&format!("/a?q={encoded}"), &[]),
    ];
    for (path, headers) in refused {
        let result = send(&door, "GET", &server.url(path), headers, empty(), &references).await;
        // A header value's spaces at its ends are not part of it: that one is the complete template.
        if headers.first().is_some_and(|(_, value)| value.ends_with(' ')) {
            continue;
        }
        assert!(matches!(result, Err(Error::Denied(_))), "{path} {headers:?}");
    }
    assert!(server.seen().iter().all(|seen| !seen.head.contains(&reference)));
    let shown = serde_json::to_string(&world.log.events()).unwrap();
    assert!(!shown.contains(&reference) && !shown.contains("s3cr3t"), "the log holds neither: {shown}");
}

#[tokio::test]
async fn a_reference_in_a_body_is_refused() {
    let (_, server, door, references) = world_with("header X-Token: Bearer {}").await;
    let reference = references.reference("token").unwrap();
    let good = format!("Bearer {reference}");
    let headers = [("x-token", good.as_str())];
    let text = format!("{{\"a\":\"{reference}\"}}");
    let result = send(&door, "POST", &server.url("/"), &headers, full(text.clone()), &references).await;
    assert!(matches!(result, Err(Error::Denied(_))));
    // In pieces of every size.
    for size in 1..text.len() {
        let pieces: Vec<_> = text.as_bytes().chunks(size).map(Bytes::copy_from_slice).collect();
        let result = send(&door, "POST", &server.url("/"), &headers, pieces_of(pieces), &references).await;
        assert!(matches!(result, Err(Error::Denied(_))), "in pieces of {size}");
    }
    assert_eq!(server.connections(), 0, "a short body is read before anything is sent");
    // In the tail of a body too long to be kept: the request breaks off before it is complete.
    let long = Bytes::from(vec![b'x'; 3 << 20]);
    let (start, end) = reference.split_at(20);
    let pieces = vec![long.clone(), Bytes::from(start.to_owned()), Bytes::from(end.to_owned()), long.clone()];
    let result = send(&door, "POST", &server.url("/"), &headers, pieces_of(pieces), &references).await;
    assert!(matches!(result, Err(Error::Denied(_))), "{:?}", result.err());
    assert!(server.seen().is_empty(), "no complete request arrived");
    // The same without the reference does arrive.
    let result =
        send(&door, "POST", &server.url("/"), &headers, pieces_of(vec![long.clone(), long]), &references)
            .await;
    assert_eq!(read(result).await.unwrap().0, 200);
    assert_eq!(server.seen()[0].body.len(), 6 << 20);
}

fn pieces_of(pieces: Vec<Bytes>) -> Body {
    let frames = stream::iter(pieces.into_iter().map(|piece| Ok(Frame::data(piece))));
    BodyExt::boxed_unsync(StreamBody::new(frames))
}

#[tokio::test]
async fn a_reference_dies_with_its_instance() {
    let (_, server, door, references) = world_with("header X-Token: Bearer {}").await;
    let old = references.reference("token").unwrap();
    assert_eq!(references.reference("token").unwrap(), old, "one instance, one reference");
    assert!(
        old.len() == 43 && old.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte)),
        "{old}"
    );
    let next = door.credentials();
    assert_ne!(next.reference("token").unwrap(), old);
    let value = format!("Bearer {old}");
    let result = send(&door, "GET", &server.url("/"), &[("x-token", &value)], empty(), &next).await;
    assert!(matches!(result, Err(Error::Denied(_))), "another instance's reference is no template");
    let result =
        send(&door, "GET", &server.url("/"), &[("x-token", &value)], empty(), &References::none()).await;
    assert!(matches!(result, Err(Error::Denied(_))));
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn who_is_not_granted_or_supplied_gets_no_reference() {
    let (world, server, door, references) = world_with("header X-Token: Bearer {}").await;
    assert_eq!(references.reference("other"), Err(Unavailable::NotGranted("other".into())));
    assert_eq!(References::none().reference("token"), Err(Unavailable::NotGranted("token".into())));
    let reference = references.reference("token").unwrap();
    // The secret is bound to somebody else from now on.
    world.vault.set("TOKEN", VALUE, &["component:other"]);
    assert_eq!(door.credentials().reference("token"), Err(Unavailable::NotSupplied("token".into())));
    let value = format!("Bearer {reference}");
    let result = send(&door, "GET", &server.url("/"), &[("x-token", &value)], empty(), &references).await;
    let error = result.err().unwrap();
    assert!(error.to_string().contains("'token' is not available"), "{error}");
    assert!(!error.to_string().contains("TOKEN"), "the guest is not told the secret's name");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_credential_goes_only_where_its_grant_says() {
    let (granted, other) = (Server::saying("a").await, Server::saying("b").await);
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let door = world.door_with(vec![
        placed(
            &format!("GET {} private=127.0.0.1 credential=token", granted.url("/**")),
            "header Authorization: Bearer {}",
            "TOKEN",
        ),
        crate::world::grant(&format!("GET {} private=127.0.0.1", other.url("/**"))),
    ]);
    let references = door.credentials();
    let value = format!("Bearer {}", references.reference("token").unwrap());
    let headers = [("authorization", value.as_str())];
    let result = send(&door, "GET", &other.url("/"), &headers, empty(), &references).await;
    assert!(matches!(result, Err(Error::Denied(_))));
    assert_eq!(other.connections(), 0);
    assert_eq!(
        read(send(&door, "GET", &granted.url("/"), &headers, empty(), &references).await).await.unwrap().0,
        200
    );
    // A header of its own is the guest's business where no placement names it.
    let own = [("authorization", "Bearer public")];
    assert_eq!(
        read(send(&door, "GET", &other.url("/"), &own, empty(), &references).await).await.unwrap().0,
        200
    );
    assert_eq!(other.seen()[0].header("authorization"), Some("Bearer public"));
}

#[tokio::test]
async fn the_grant_with_the_credential_is_used_where_the_request_names_it() {
    let server = Server::saying("a").await;
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let door = world.door_with(vec![
        crate::world::grant(&format!("GET {} private=127.0.0.1", server.url("/**"))),
        placed(
            &format!("GET {} private=127.0.0.1 credential=token", server.url("/**")),
            "header Authorization: Bearer {}",
            "TOKEN",
        ),
    ]);
    let references = door.credentials();
    let value = format!("Bearer {}", references.reference("token").unwrap());
    read(send(&door, "GET", &server.url("/"), &[("authorization", &value)], empty(), &references).await)
        .await
        .unwrap();
    assert_eq!(server.seen()[0].header("authorization"), Some(format!("Bearer {VALUE}").as_str()));
    read(send(&door, "GET", &server.url("/"), &[], empty(), &references).await).await.unwrap();
    assert_eq!(server.seen()[1].header("authorization"), None);
    // But no guest writes its own text where a placement of a matching grant stands.
    let result =
        send(&door, "GET", &server.url("/"), &[("authorization", "Bearer x")], empty(), &references).await;
    assert!(matches!(result, Err(Error::Denied(_))));
}

#[tokio::test]
async fn a_value_that_does_not_fit_its_place_is_not_sent() {
    let server = Server::saying("a").await;
    for (placement, value) in [("header X-T: {}", "line\r\nX-Evil: 1 and more"), ("segment {}", "..")] {
        let world = World::new();
        world.vault.set("TOKEN", value, &[PROBE]);
        let rule = format!("GET {} private=127.0.0.1 credential=token", server.url("/**"));
        let door = world.door_with(vec![placed(&rule, placement, "TOKEN")]);
        let references = door.credentials();
        let reference = references.reference("token").unwrap();
        let result = if placement.starts_with("segment") {
            send(&door, "GET", &server.url(&format!("/a/{reference}/b")), &[], empty(), &references).await
        } else {
            send(&door, "GET", &server.url("/"), &[("x-t", &reference)], empty(), &references).await
        };
        assert!(matches!(result, Err(Error::Denied(_))), "{placement}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_known_secret_does_not_leave() {
    let server = Server::saying("a").await;
    let world = World::new();
    let theirs = "another-component's-secret";
    let own = "own secret value / with+odd";
    let runtimes = "the-runtime's-own-secret";
    world.vault.set("OWN", own, &[PROBE]);
    world.vault.set("RUNTIME", runtimes, &["runtime"]);
    world.vault.set("THEIRS", theirs, &["component:other"]);
    world.vault.set("SHORT", "fifteen-bytes-x", &[PROBE]);
    let door = world.door(&[&format!("* {} private=127.0.0.1", server.url("/**"))]);
    let none = References::none();
    for value in [own, runtimes] {
        let hex = hex::encode_upper(value);
        let percent = percent(value);
        let inside = STANDARD.encode(format!("xy{value}z"));
        let json = serde_json::to_string(&format!("\"{value}\"")).unwrap();
        for text in [value, &value.to_uppercase(), &hex, &inside, &json] {
            let text = format!("a{text}b");
            let result = send(&door, "POST", &server.url("/"), &[("x-a", &text)], empty(), &none).await;
            assert!(matches!(result, Err(Error::Denied(_))), "{text} in a header");
            let result = send(&door, "POST", &server.url("/"), &[], full(text.clone()), &none).await;
            assert!(matches!(result, Err(Error::Denied(_))), "{text} in the body");
            let result = send(&door, "POST", &server.url(&format!("/?q={text}")), &[], empty(), &none).await;
            assert!(matches!(result, Err(Error::Denied(_))), "{text} in the query");
            assert_eq!(world.log.last().detail["error"], "denied");
        }
        let result = send(&door, "POST", &server.url(&format!("/{percent}")), &[], empty(), &none).await;
        assert!(matches!(result, Err(Error::Denied(_))), "{percent} in the path");
        let shown = serde_json::to_string(&world.log.events()).unwrap();
        assert!(!shown.contains(value) && !shown.contains(&percent), "the log repeats none of it");
    }
    let error = send(&door, "GET", &server.url("/"), &[("x-a", own)], empty(), &none).await.err().unwrap();
    assert!(!error.to_string().contains("OWN"), "the guest is not told which: {error}");
    assert_eq!(error.admin().unwrap().detail.as_deref(), Some("the value of OWN was in the header 'x-a'"));
    assert_eq!(server.connections(), 0);
    // Fifteen characters, and what is bound to others, are not looked for.
    for text in ["fifteen-bytes-x", theirs] {
        let result = send(&door, "GET", &server.url("/"), &[("x-a", text)], empty(), &none).await;
        assert_eq!(read(result).await.unwrap().0, 200, "{text}");
    }
}
