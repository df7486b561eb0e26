//! Every request leaves a line before it is sent and one when it has ended, however it ends.

use std::sync::atomic::Ordering;
use std::time::Duration;

use http_body_util::BodyExt as _;
use openpact_egress::credential::References;
use openpact_egress::{Error, Options, empty, full, request};
use openpact_model::audit::{Event, Verdict};

use crate::server::{Server, Step, head, reply};
use crate::world::{PROBE, World, get, placed, read, send};

async fn until_recorded(world: &World, count: usize) -> Vec<Event> {
    for _ in 0..1000 {
        let events = world.log.ended();
        if events.len() >= count {
            return events;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("only {} of {count} ends were recorded", world.log.ended().len());
}

#[tokio::test]
async fn a_line_holds_the_facts_and_no_query_value() {
    let server = Server::saying("hello").await;
    let world = World::new();
    let rule = format!("POST {} private=127.0.0.1/32", server.url("/a/*"));
    let door = world.door(&[&rule]);
    let url = server.url("/a/b?user=alice&token=xyz&bare");
    read(send(&door, "POST", &url, &[], full("body"), &References::none()).await).await.unwrap();
    let events = world.log.events();
    assert_eq!(events.len(), 2, "recorded before the body's end is told");
    let (begin, event) = (&events[0], &events[1]);
    assert_eq!((begin.kind.as_str(), begin.verdict), ("egress.request.begin", Verdict::Allowed));
    assert_eq!((&begin.actor, &begin.subject), (&event.actor, &event.subject));
    for name in ["method", "query", "rule"] {
        assert_eq!(begin.detail[name], event.detail[name], "{name}");
    }
    assert_eq!(event.kind, "egress.request");
    assert_eq!(event.actor, "component:probe");
    assert_eq!(event.subject, server.url("/a/b"));
    assert_eq!(event.verdict, Verdict::Allowed);
    assert_eq!(event.detail["method"], "POST");
    assert_eq!(event.detail["query"], serde_json::json!(["user", "token"]));
    assert_eq!(event.detail["rule"], rule);
    assert_eq!(
        (&event.detail["status"], &event.detail["sent"], &event.detail["received"]),
        (&200.into(), &4.into(), &5.into())
    );
    assert!(event.detail["ms"].is_u64());
    let text = serde_json::to_string(&events).unwrap();
    assert!(!text.contains("alice") && !text.contains("xyz") && !text.contains("bare"), "{text}");
}

#[tokio::test]
async fn a_guest_that_goes_away_is_recorded() {
    let server = Server::start(|seen| {
        let begun = [Step::Write(head("200 OK", &[("content-length", "9")])), Step::Write(b"x".to_vec())];
        let begun = begun.into_iter().filter(|_| !seen.line().contains("silent"));
        begun.chain([Step::Hang]).collect()
    })
    .await;
    let world = World::new();
    let door = world.door(&[&format!("GET {} private=127.0.0.1", server.url("/**"))]);
    // After the head; after a byte; before the head.
    drop(get(&door, &server.url("/")).await.unwrap());
    let events = until_recorded(&world, 1).await;
    assert_eq!((&events[0].detail["abandoned"], &events[0].detail["status"]), (&true.into(), &200.into()));
    let mut body = get(&door, &server.url("/")).await.unwrap().into_body();
    body.frame().await.unwrap().unwrap();
    drop(body);
    let events = until_recorded(&world, 2).await;
    assert_eq!(events[1].detail["received"], 1);
    let waiting = tokio::time::timeout(Duration::from_millis(100), get(&door, &server.url("/silent"))).await;
    assert!(waiting.is_err());
    let events = until_recorded(&world, 3).await;
    assert_eq!((events[2].verdict, &events[2].detail["abandoned"]), (Verdict::Failed, &true.into()));
    assert_eq!(server.seen().len(), 3, "and every one of them had been sent");
}

#[tokio::test]
async fn a_body_may_be_dropped_outside_of_the_runtime() {
    let server = Server::saying("hello").await;
    let world = World::new();
    let door = world.door(&[&format!("GET {} private=127.0.0.1", server.url("/**"))]);
    let answer = get(&door, &server.url("/")).await.unwrap();
    std::thread::spawn(move || drop(answer)).join().unwrap();
    until_recorded(&world, 1).await;
}

#[tokio::test]
async fn a_request_is_recorded_before_it_is_sent() {
    let world = World::new();
    world.vault.set("TOKEN", "a-secret-of-some-length", &[PROBE]);
    let log = world.log.clone();
    let server = Server::start(move |seen| {
        let kinds: Vec<_> = log.events().into_iter().map(|event| event.kind).collect();
        let next = seen.line().contains("/first").then_some(("location", "/second"));
        let status = if next.is_some() { "302 Found" } else { "200 OK" };
        let headers: Vec<_> = next.into_iter().collect();
        vec![Step::Write(reply(status, &headers, kinds.join(" ").as_bytes()))]
    })
    .await;
    let rule = format!("GET {} private=127.0.0.1 credential=token", server.url("/**"));
    let door = world.door_with(vec![placed(&rule, "query key={}", "TOKEN")]);
    let references = door.credentials();
    let url = server.url(&format!("/first?key={}", references.reference("token").unwrap()));
    let answer = send(&door, "GET", &url, &[], empty(), &references).await;
    let (_, body) = read(answer).await.unwrap();
    assert_eq!(&body[..], b"egress.request.begin egress.request egress.request.begin");
    let text = serde_json::to_string(&world.log.events()).unwrap();
    assert!(text.contains("token") && !text.contains("a-secret-of-some-length"), "{text}");
}

#[tokio::test]
async fn nothing_is_sent_or_told_where_the_log_cannot_be_written() {
    let server = Server::saying("hello").await;
    let world = World::new();
    let door = world.door(&[&format!("GET {} private=127.0.0.1", server.url("/a"))]);
    world.log.broken.store(true, Ordering::SeqCst);
    assert!(matches!(get(&door, &server.url("/b")).await, Err(Error::Audit(_))), "a denial");
    let answer = read(get(&door, &server.url("/a")).await).await;
    assert!(matches!(answer, Err(Error::Audit(_))), "an exchange: {answer:?}");
    assert_eq!(server.connections(), 0, "it did not leave");
    // The log breaks while the request is under way: its end is not told.
    world.log.broken.store(false, Ordering::SeqCst);
    let answer = get(&door, &server.url("/a")).await;
    world.log.broken.store(true, Ordering::SeqCst);
    let answer = read(answer).await;
    assert!(matches!(answer, Err(Error::Audit(_))), "the end: {answer:?}");
}

#[tokio::test]
async fn what_is_no_request_at_all_is_recorded_too() {
    let world = World::new();
    let door = world.door(&[]);
    for uri in ["/relative", "ws://x.test/", "ftp://x.test/", "http://user:password@x.test/"] {
        let mut asked = http::Request::new(empty());
        *asked.uri_mut() = uri.parse().unwrap();
        let before = world.log.events().len();
        let refused = door.send(asked, Options::default(), &References::none()).await.err();
        assert!(refused.is_some_and(|error| error.is_denial()), "{uri}");
        let events = world.log.events();
        assert_eq!((events.len(), events[before].verdict), (before + 1, Verdict::Denied), "{uri}");
    }
}

#[test]
fn a_request_can_be_sent_from_any_thread() {
    fn is_send<T: Send>(_: &T) {}
    let world = World::new();
    let door = world.door(&[]);
    let none = References::none();
    let future =
        door.send(request("GET", "http://a.test/", &[], empty()).unwrap(), Options::default(), &none);
    is_send(&future);
}
