//! Grants decide, and denials say what would help.

use std::time::Duration;

use jiff::Timestamp;
use openpact_egress::credential::References;
use openpact_egress::rule::Rule;
use openpact_egress::{Error, Options};
use openpact_egress::{empty, full, request};
use openpact_model::audit::Verdict;

use crate::server::Server;
use crate::world::{World, get, grant, read, send};

#[tokio::test]
async fn every_part_of_a_rule_counts() {
    let server = Server::saying("ok").await;
    let world = World::new();
    let port = server.port();
    let door = world.door(&[&format!("GET,POST http://api.test:{port}/v1/*/items private=127.0.0.0/8")]);
    let url = |rest: &str| format!("http://api.test:{port}{rest}");
    assert_eq!(read(get(&door, &url("/v1/a/items?q=1")).await).await.unwrap().0, 200);
    assert_eq!(
        read(get(&door, &url("/v1/x/../a/items")).await).await.unwrap().0,
        200,
        "dots are removed first"
    );
    let before = server.seen().len();
    for denied in [
        url("/v1/a/items/"),
        url("/v1/a"),
        url("/v1//items"),
        url("/v1/a/b/items"),
        url("/V1/a/items"),
        url("/v1/a/items/../secret"),
        url("/v1/a/%2e%2e/items"),
        url("/v1/..%2f..%2fadmin/items"),
        url("/v1/%252e%252e%252fadmin/items"),
        url("/v1/..;/items"),
        url("/v1%2fa/items"),
        url("/v1/a/items%2f"),
        format!("http://api.test:{}/v1/a/items", port.wrapping_add(1)),
        format!("http://api.test.:{port}/v1/a/items"),
        format!("http://x.api.test:{port}/v1/a/items"),
        format!("https://api.test:{port}/v1/a/items"),
    ] {
        let refused = get(&door, &denied).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{denied}: {refused:?}");
    }
    for method in ["PUT", "DELETE", "CONNECT", "TRACE", "get"] {
        let refused = send(&door, method, &url("/v1/a/items"), &[], empty(), &References::none()).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{method}: {refused:?}");
    }
    assert_eq!(server.seen().len(), before, "nothing of that was sent");
}

#[tokio::test]
async fn a_denial_tells_the_guest_one_line_and_the_admin_the_rule() {
    let server = Server::saying("ok").await;
    let world = World::new();
    let door = world.door(&[]);
    let url = format!("http://api.test:{}/v1/a%2Fb/x*y?token=abcdefgh", server.port());
    let refused = get(&door, &url).await.err().unwrap();
    let told = refused.to_string();
    assert!(
        told.starts_with("denied: no grant allows GET http://api.test") && !told.contains('\n'),
        "{told}"
    );
    assert!(!told.contains("abcdefgh"), "no query values: {told}");
    assert!(!format!("{refused:?}").contains("%2A"), "the guest may see the Debug form: no rule in it");
    let event = world.log.last();
    assert_eq!((event.kind.as_str(), event.actor.as_str()), ("egress.request", "component:probe"));
    assert_eq!(event.verdict, Verdict::Denied);
    assert!(!serde_json::to_string(&event).unwrap().contains("abcdefgh"));
    // Pasted, with the address named as the next denial asks for, the rule does allow it.
    let mut rule: Rule = event.detail["allow"].as_str().unwrap().parse().unwrap();
    for _ in 0..2 {
        door.set_grants(vec![grant(&rule.to_string())]);
        if get(&door, &url).await.is_ok() {
            break;
        }
        rule = world.log.last().detail["allow"].as_str().unwrap().parse().unwrap();
    }
    assert_eq!(server.seen().len(), 1, "{rule}");
}

#[tokio::test]
async fn grants_change_without_a_new_door() {
    let server = Server::saying("ok").await;
    let world = World::new();
    let door = world.door(&[]);
    assert!(get(&door, &server.url("/")).await.is_err());
    door.set_grants(vec![grant(&format!("GET {} private=127.0.0.1", server.url("/")))]);
    assert!(get(&door, &server.url("/")).await.is_ok());
    door.set_grants(Vec::new());
    assert!(get(&door, &server.url("/")).await.is_err());
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn count_mode_passes_over_grants_alone_and_ends_by_itself() {
    let server = Server::saying("ok").await;
    let world = World::new();
    let door = world.door(&[]);
    let soon = Timestamp::from_second(4_000_000_000).unwrap();
    door.count_until(Some(soon));
    // The address guard holds in count mode as ever.
    assert!(matches!(get(&door, &server.url("/")).await, Err(Error::Prohibited { .. })));
    assert_eq!(world.log.last().detail["would_deny"], true);
    door.count_until(Some(Timestamp::from_second(1).unwrap()));
    assert!(matches!(get(&door, &server.url("/")).await, Err(Error::Denied(_))), "its time is over");
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn a_rate_holds_and_survives_the_same_grant_set_again() {
    let server = Server::saying("ok").await;
    let world = World::new();
    let rule = format!("GET {} private=127.0.0.1 rate=1/s burst=2", server.url("/"));
    let door = world.door(&[&rule]);
    for _ in 0..2 {
        read(get(&door, &server.url("/")).await).await.unwrap();
    }
    door.set_grants(vec![grant(&rule)]);
    let refused = get(&door, &server.url("/")).await.err();
    assert!(
        matches!(refused, Some(Error::RateLimited { retry }) if retry <= Duration::from_secs(1)),
        "{refused:?}"
    );
    assert_eq!(world.log.last().detail["error"], "rate-limited");
    assert_eq!(server.seen().len(), 2);
}

#[tokio::test]
async fn headers_that_frame_a_message_cannot_be_set() {
    let server = Server::saying("ok").await;
    let world = World::new();
    let door = world.door(&[&format!("* {} private=127.0.0.1", server.url("/**"))]);
    for name in [
        "host",
        "Host",
        "connection",
        "keep-alive",
        "proxy-authorization",
        "Proxy-Connection",
        "proxy-anything",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "http2-settings",
        "expect",
    ] {
        let refused =
            send(&door, "POST", &server.url("/"), &[(name, "x")], empty(), &References::none()).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{name}: {refused:?}");
    }
    assert_eq!(server.connections(), 0);
}

#[tokio::test]
async fn no_header_splits_a_request() {
    let server = Server::saying("ok").await;
    let world = World::new();
    let door = world.door(&[&format!("* {} private=127.0.0.1", server.url("/**"))]);
    let second = "GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n";
    for value in [
        format!("a\r\n\r\n{second}"),
        format!("a\n\n{second}"),
        format!("a\r{second}"),
        "a\0b".to_owned(),
        format!("a\r\n {second}"),
    ] {
        let refused =
            send(&door, "GET", &server.url("/"), &[("x-a", &value)], empty(), &References::none()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{value:?}");
        let name = format!("x-a: {value}");
        let refused =
            send(&door, "GET", &server.url("/"), &[(&name, "b")], empty(), &References::none()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{value:?} in a name");
        let refused =
            send(&door, &format!("GET{value}"), &server.url("/"), &[], empty(), &References::none()).await;
        assert!(matches!(refused, Err(Error::Invalid(_))), "{value:?} in the method");
        // In a URL the parser removes line ends and encodes the rest: one request with one line arrives.
        let url = server.url(&format!("/{value}"));
        drop(read(send(&door, "GET", &url, &[], empty(), &References::none()).await).await);
    }
    for seen in server.seen() {
        assert_eq!(seen.line().split(' ').count(), 3, "{}", seen.line());
        assert!(!seen.head.lines().any(|line| line.starts_with("GET /smuggled")), "{}", seen.head);
        assert_eq!(
            seen.head.lines().filter(|line| line.to_lowercase().starts_with("host:")).count(),
            1,
            "{}",
            seen.head
        );
    }
    // A length that is not the body's, or two of them.
    let post = |headers: &[(&str, &str)]| {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        request("POST", &server.url("/"), &headers, full("hello")).unwrap()
    };
    let before = server.seen().len();
    for headers in [
        &[("content-length", "3")][..],
        &[("content-length", "9")],
        &[("content-length", "+5")],
        &[("content-length", "5, 5")],
        &[("content-length", "5"), ("content-length", "6")],
    ] {
        let refused = door.send(post(headers), Options::default(), &References::none()).await.err();
        assert!(matches!(refused, Some(Error::Invalid(_))), "{headers:?}: {refused:?}");
    }
    assert_eq!(server.seen().len(), before);
    let (status, _) =
        read(door.send(post(&[("content-length", "5")]), Options::default(), &References::none()).await)
            .await
            .unwrap();
    assert_eq!(status, 200);
    assert_eq!(server.seen().last().unwrap().body, b"hello");
}
