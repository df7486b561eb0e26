//! Redirects: each hop is a request of its own.

use std::sync::Arc;

use openpact_egress::credential::References;
use openpact_egress::{Door, Error, FinalUrl, empty, full};

use crate::server::{Seen, Server, Step, reply};
use crate::world::{PROBE, World, get, grant, placed, read, send};

const VALUE: &str = "a-secret-of-some-length";

/// `/r/STATUS/URL`, the URL in hexadecimal, redirects there; everything else says what was asked.
async fn hub() -> Server {
    Server::start(|seen: &Seen| {
        let path = seen.line().split(' ').nth(1).unwrap_or_default().to_owned();
        if let Some((status, target)) = path.strip_prefix("/r/").and_then(|rest| rest.split_once('/')) {
            let target = String::from_utf8(hex::decode(target.split('?').next().unwrap()).unwrap()).unwrap();
            return vec![Step::Write(reply(&format!("{status} Moved"), &[("location", &target)], b"moved"))];
        }
        let answer = format!("{}\n{}", seen.line(), String::from_utf8_lossy(&seen.body));
        vec![Step::Write(reply("200 OK", &[], answer.as_bytes()))]
    })
    .await
}

fn to(server: &Server, status: u16, target: &str) -> String {
    server.url(&format!("/r/{status}/{}", hex::encode(target)))
}

fn private(server: &Server) -> String {
    format!("* {} private=127.0.0.1", server.url("/**"))
}

#[tokio::test]
async fn a_redirect_leads_to_nothing_that_was_not_granted() {
    let (hub, inside) = (hub().await, Server::saying("inside").await);
    let world = World::new();
    let door = world.door(&[&private(&hub)]);
    for target in [
        inside.url("/"),
        format!("http://localhost:{}/", inside.port()),
        format!("//127.1:{}/", inside.port()),
    ] {
        let refused = get(&door, &to(&hub, 302, &target)).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{target}: {refused:?}");
    }
    // Granted, and still at an address that must not be reached.
    let rules = [
        private(&hub),
        format!("GET http://127.0.0.1:{}/**", inside.port()),
        format!("GET http://other.test:{}/**", inside.port()),
        format!("GET http://[::1]:{}/**", inside.port()),
    ];
    let door = world.door(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    for host in
        ["127.0.0.1", "0x7f.1", "2130706433", "127.0.0.1.", "other.test", "[::1]", "[::ffff:127.0.0.1]"]
    {
        for hops in 0..3 {
            let mut target = format!("http://{host}:{}/", inside.port());
            for _ in 0..hops {
                target = to(&hub, 307, &target);
            }
            let refused = get(&door, &to(&hub, 302, &target)).await.err();
            assert!(
                matches!(refused, Some(Error::Prohibited { .. } | Error::Denied(_))),
                "{host} after {hops} more hops: {refused:?}"
            );
        }
    }
    for target in
        ["file:///etc/passwd", "ftp://x/", "javascript:1", "data:,x", "http://u:p@127.0.0.1/", "gopher://x/"]
    {
        let refused = get(&door, &to(&hub, 301, target)).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{target}: {refused:?}");
    }
    assert_eq!(inside.connections(), 0);
}

#[tokio::test]
async fn five_redirects_are_followed_and_six_are_not() {
    let hub = hub().await;
    let world = World::new();
    let door = world.door(&[&private(&hub)]);
    let chain = |hops: usize| (0..hops).fold(hub.url("/end"), |target, _| to(&hub, 302, &target));
    let answer = get(&door, &chain(5)).await.unwrap();
    assert_eq!(answer.extensions().get::<FinalUrl>(), Some(&FinalUrl(hub.url("/end"))));
    assert_eq!(&read(Ok(answer)).await.unwrap().1[..], b"GET /end HTTP/1.1\n");
    assert_eq!(world.log.ended().len(), 6, "every hop is recorded");
    let begun = world.log.events().into_iter().filter(|event| event.kind == "egress.request.begin");
    let hops: Vec<_> =
        begun.map(|event| event.detail.get("hop").and_then(serde_json::Value::as_u64)).collect();
    assert_eq!(hops, [None, Some(1), Some(2), Some(3), Some(4), Some(5)], "before it is sent, too");
    assert_eq!(world.log.last().detail["hop"], 5);
    let before = hub.seen().len();
    assert!(matches!(get(&door, &chain(6)).await, Err(Error::TooManyRedirects(5))));
    assert_eq!(hub.seen().len(), before + 6);
}

#[tokio::test]
async fn the_method_and_the_body_go_along_as_the_status_says() {
    let hub = hub().await;
    let world = World::new();
    let door = world.door(&[&private(&hub)]);
    let headers = [("content-type", "text/plain")];
    for (status, method, expected) in [
        (301, "POST", "GET /x HTTP/1.1\n"),
        (302, "POST", "GET /x HTTP/1.1\n"),
        (303, "POST", "GET /x HTTP/1.1\n"),
        (303, "PUT", "GET /x HTTP/1.1\n"),
        (302, "PUT", "PUT /x HTTP/1.1\nhello"),
        (307, "POST", "POST /x HTTP/1.1\nhello"),
        (308, "DELETE", "DELETE /x HTTP/1.1\nhello"),
    ] {
        let url = to(&hub, status, &hub.url("/x"));
        let answer = send(&door, method, &url, &headers, full("hello"), &References::none()).await;
        assert_eq!(&read(answer).await.unwrap().1[..], expected.as_bytes(), "{status} {method}");
        let kept = hub.seen().last().unwrap().header("content-type").is_some();
        assert_eq!(kept, expected.ends_with("hello"), "{status} {method}: headers of the body");
    }
    // A redirect of a kind that is not followed, and one without a place, are answers.
    for status in [300, 304, 305] {
        let (got, _) = read(get(&door, &to(&hub, status, &hub.url("/x"))).await).await.unwrap();
        assert_eq!(got, status);
    }
}

#[tokio::test]
async fn a_long_body_is_not_sent_twice() {
    let hub = hub().await;
    let world = World::new();
    let door = world.door(&[&private(&hub)]);
    let url = to(&hub, 307, &hub.url("/x"));
    let refused = send(&door, "POST", &url, &[], full(vec![b'x'; 2 << 20]), &References::none()).await.err();
    assert!(matches!(refused, Some(Error::Invalid(_))), "{refused:?}");
    let answer = send(&door, "POST", &url, &[], full(vec![b'x'; 1 << 20]), &References::none()).await;
    assert_eq!(read(answer).await.unwrap().0, 200);
}

/// The first host got the request: whoever is told "no connection" would send it once more.
#[tokio::test]
async fn what_fails_behind_a_redirect_does_not_say_that_nothing_was_sent() {
    let hub = hub().await;
    let nobody = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let world = World::new();
    let to_nobody = format!("http://127.0.0.1:{nobody}/");
    let limited = format!("GET {} private=127.0.0.1 rate=1/s burst=1", hub.url("/limited"));
    let other = format!("* {} private=127.0.0.1", hub.url("/r/**"));
    let door = world.door(&[&format!("* {to_nobody} private=127.0.0.1"), &limited, &other]);
    let refused = send(&door, "POST", &to_nobody, &[], full("x"), &References::none()).await.err();
    assert!(matches!(refused, Some(Error::Connect { .. })), "asked directly: {refused:?}");
    for status in [302, 303, 307] {
        let url = to(&hub, status, &to_nobody);
        let failed = send(&door, "POST", &url, &[], full("x"), &References::none()).await.err();
        let Some(Error::Remote { host, why }) = failed else { panic!("{status}: {failed:?}") };
        assert_eq!(host, "127.0.0.1");
        assert!(why.contains("no connection"), "{why}");
    }
    let url = to(&hub, 302, &hub.url("/limited"));
    assert_eq!(read(get(&door, &url).await).await.unwrap().0, 200);
    let failed = get(&door, &url).await.err();
    assert!(matches!(failed, Some(Error::Remote { .. })), "{failed:?}");
    assert!(matches!(get(&door, &hub.url("/limited")).await.err(), Some(Error::RateLimited { .. })));
}

struct Pair {
    world: World,
    hub: Server,
    other: Server,
}

impl Pair {
    async fn new() -> Self {
        let world = World::new();
        world.vault.set("TOKEN", VALUE, &[PROBE]);
        Self { world, hub: hub().await, other: hub().await }
    }

    fn door(&self, placement: &str, other_is_granted: bool) -> Arc<Door> {
        let with =
            |server: &Server| placed(&format!("{} credential=token", private(server)), placement, "TOKEN");
        let other = if other_is_granted { with(&self.other) } else { grant(&private(&self.other)) };
        self.world.door_with(vec![with(&self.hub), other])
    }
}

#[tokio::test]
async fn a_credential_is_dropped_unless_the_new_host_is_granted_it() {
    let pair = Pair::new().await;
    for (granted, expected) in [(false, None), (true, Some(format!("Bearer {VALUE}")))] {
        let door = pair.door("header Authorization: Bearer {}", granted);
        let references = door.credentials();
        let value = format!("Bearer {}", references.reference("token").unwrap());
        let headers = [("authorization", value.as_str()), ("cookie", "own=1"), ("x-own", "1")];
        // Away, and through the other host back again.
        for target in [pair.other.url("/x"), to(&pair.hub, 302, &pair.other.url("/x"))] {
            let url = to(&pair.hub, 302, &target);
            read(send(&door, "GET", &url, &headers, empty(), &references).await).await.unwrap();
            let seen = pair.other.seen().pop().unwrap();
            assert_eq!(seen.header("authorization"), expected.as_deref(), "granted: {granted}");
            assert_eq!((seen.header("cookie"), seen.header("x-own")), (None, Some("1")));
        }
        let url = to(&pair.hub, 302, &to(&pair.other, 302, &pair.hub.url("/back")));
        read(send(&door, "GET", &url, &headers, empty(), &references).await).await.unwrap();
        let seen = pair.hub.seen().pop().unwrap();
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {VALUE}").as_str()));
        // On the same host it stays.
        let url = to(&pair.hub, 302, &pair.hub.url("/here"));
        read(send(&door, "GET", &url, &headers, empty(), &references).await).await.unwrap();
        let seen = pair.hub.seen().pop().unwrap();
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {VALUE}").as_str()));
        assert_eq!(seen.header("cookie"), Some("own=1"));
    }
}

#[tokio::test]
async fn an_own_authorization_is_dropped_on_the_way_to_another_host() {
    let (one, other) = (hub().await, hub().await);
    let world = World::new();
    let door = world.door(&[&private(&one), &private(&other)]);
    let headers = [("authorization", "Bearer own-token")];
    let url = to(&one, 302, &other.url("/x"));
    read(send(&door, "GET", &url, &headers, empty(), &References::none()).await).await.unwrap();
    assert_eq!(one.seen()[0].header("authorization"), Some("Bearer own-token"));
    assert_eq!(other.seen()[0].header("authorization"), None);
}

#[tokio::test]
async fn a_server_cannot_send_a_secret_on_in_a_redirect() {
    let pair = Pair::new().await;
    let door = pair.door("query key={}", false);
    let references = door.credentials();
    let key = references.reference("token").unwrap();
    // It repeats the value that it was sent in an address elsewhere.
    for target in [
        pair.other.url(&format!("/?key={VALUE}")),
        pair.other.url(&format!("/{VALUE}")),
        pair.hub.url(&format!("/?other={VALUE}")),
    ] {
        let url = format!("{}?key={key}", to(&pair.hub, 302, &target));
        let refused = send(&door, "GET", &url, &[], empty(), &references).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{target}: {refused:?}");
    }
    assert_eq!(pair.other.connections(), 0);
    let log = serde_json::to_string(&pair.world.log.events()).unwrap();
    assert!(!log.contains(VALUE), "{log}");
}

#[tokio::test]
async fn a_redirect_that_repeats_the_credential_at_its_place_goes_on() {
    let pair = Pair::new().await;
    let door = pair.door("query key={}", true);
    let references = door.credentials();
    let key = references.reference("token").unwrap();
    let hub_port = pair.hub.port();
    // A server of its own: it copies its query into the new address.
    let copying = Server::start(move |seen: &Seen| {
        let query = seen
            .line()
            .split(' ')
            .nth(1)
            .and_then(|path| path.split_once('?'))
            .map_or("", |(_, query)| query);
        let target = format!("http://127.0.0.1:{hub_port}/next?{query}");
        vec![Step::Write(reply("302 Found", &[("location", &target)], b""))]
    })
    .await;
    let mut grants = door.grants();
    grants.push(placed(&format!("{} credential=token", private(&copying)), "query key={}", "TOKEN"));
    door.set_grants(grants);
    let url = copying.url(&format!("/?a=1&key={key}"));
    let answer = send(&door, "GET", &url, &[], empty(), &references).await;
    let (status, body) = read(answer).await.unwrap();
    assert_eq!(status, 200);
    assert_eq!(pair.hub.seen()[0].line(), format!("GET /next?a=1&key={VALUE} HTTP/1.1"));
    assert_eq!(&body[..], b"GET /next?a=1&key=[REDACTED:TOKEN] HTTP/1.1\n");
    let log = serde_json::to_string(&pair.world.log.events()).unwrap();
    assert!(!log.contains(VALUE) && !log.contains(&key), "{log}");
}
