//! Every denial is recorded, and where a rule could lift it, the record holds that rule: pasted beside the grants that
//! are there, it allows that request and nothing else.

use openpact_egress::credential::References;
use openpact_egress::rule::Rule;
use openpact_egress::{Body, Door, Error, Grant, Options, empty, full, request};
use openpact_model::audit::Verdict;

use crate::server::{Seen, Server, Step, reply};
use crate::world::{PROBE, World, get, grant, placed, read, send};

const VALUE: &str = "a-secret-of-some-length";

async fn ask(door: &Door, method: &str, url: &str) -> Result<(u16, bytes::Bytes), Error> {
    read(send(door, method, url, &[], empty(), &References::none()).await).await
}

/// Asks again and again with what the last denial names pasted in addition; gives the rules that it took.
async fn paste_until_it_works(world: &World, door: &Door, method: &str, url: &str) -> Vec<Grant> {
    let mut pasted = Vec::new();
    for _ in 0..3 {
        if ask(door, method, url).await.is_ok() {
            return pasted;
        }
        let event = world.log.last();
        assert_eq!((event.kind.as_str(), event.verdict), ("egress.request", Verdict::Denied), "{url}");
        let text = event.detail["allow"].as_str().unwrap_or_else(|| panic!("{url}: {event:?}"));
        assert_eq!(text.parse::<Rule>().unwrap().to_string(), text, "ready to paste");
        pasted.push(grant(text));
        let mut grants = door.grants();
        grants.extend(pasted.last().cloned());
        door.set_grants(grants);
    }
    panic!("{method} {url} is refused with {:?}", door.grants());
}

#[tokio::test]
async fn a_rule_that_is_pasted_allows_just_that_request() {
    let (server, other) = (Server::saying("ok").await, Server::saying("ok").await);
    let port = server.port();
    let six = Server::at(&format!("[::1]:{port}"), |_| vec![Step::Write(reply("200 OK", &[], b"ok"))]).await;
    assert_eq!(six.port(), port);
    let world = World::new();
    let hosts = [
        format!("127.0.0.1:{port}"),
        format!("0x7f.1:{port}"),
        format!("[::1]:{port}"),
        format!("[0::0:1]:{port}"),
        format!("api.test:{port}"),
        format!("BÜCHER.test:{port}"),
    ];
    let paths = [
        "/",
        "/a",
        "/a/",
        "/a//b",
        "/a%2Fb",
        "/x*y",
        "/%2A",
        "/ü/%C3%BC",
        "/a;b",
        "/a.b",
        "/a%2eb",
        "/a%20b?q=1#f",
        "/;",
    ];
    for host in &hosts {
        for path in paths {
            let method = if path.len() % 2 == 0 { "GET" } else { "DELETE" };
            let url = format!("http://{host}{path}");
            let door = world.door(&[]);
            let pasted = paste_until_it_works(&world, &door, method, &url).await;
            assert!((1..=2).contains(&pasted.len()), "{url}: {pasted:?}");
            // The last one alone does it, too, and it is as narrow as a rule can be.
            door.set_grants(vec![pasted.last().unwrap().clone()]);
            assert!(ask(&door, method, &url).await.is_ok(), "{url}");
            let bare = path.split(['?', '#']).next().unwrap();
            for (method, url) in [
                ("PUT", url.clone()),
                (method, format!("http://{host}{bare}/more")),
                (method, format!("http://{host}/another{bare}")),
                (method, format!("http://x.api.test:{port}{path}")),
                (method, format!("http://127.0.0.2:{port}{path}")),
                (method, format!("http://127.0.0.1:{}{path}", other.port())),
                (method, format!("https://{host}{path}")),
            ] {
                let refused = ask(&door, method, &url).await.err();
                assert!(refused.is_some_and(|error| error.is_denial()), "{method} {url} under {pasted:?}");
            }
        }
    }
    assert_eq!(other.connections(), 0);
}

#[tokio::test]
async fn a_wider_grant_without_the_address_does_not_stand_in_the_way() {
    let server = Server::saying("ok").await;
    let world = World::new();
    let port = server.port();
    let wide = format!("* http://*.test:{port}/**");
    let door = world.door(&[&wide]);
    let url = format!("http://api.test:{port}/v1/items");
    let pasted = paste_until_it_works(&world, &door, "POST", &url).await;
    let text = format!("POST http://api.test:{port}/v1/items private=127.0.0.1/32");
    assert_eq!(pasted, [grant(&text)], "not the wide grant with the address added to it");
    // What the wide grant allows beyond that still meets the guard.
    for (method, path) in [("GET", "/v1/items"), ("POST", "/v1/other")] {
        let refused = ask(&door, method, &format!("http://api.test:{port}{path}")).await.err();
        assert!(matches!(refused, Some(Error::Prohibited { .. })), "{method} {path}: {refused:?}");
    }
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_request_with_a_credential_reaches_only_what_is_named_beside_the_credential() {
    let server = Server::saying("ok").await;
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let host = format!("http://api.test:{}", server.port());
    let wide = placed(&format!("GET {host}/** credential=token"), "header x-token: {}", "TOKEN");
    // The address is named for requests without the credential alone.
    let door = world.door_with(vec![wide.clone(), grant(&format!("GET {host}/a private=127.0.0.1"))]);
    let references = door.credentials();
    let reference = references.reference("token").unwrap();
    let url = format!("{host}/a");
    let with = [("x-token", reference.as_str())];
    let refused = send(&door, "GET", &url, &with, empty(), &references).await.err();
    assert!(matches!(refused, Some(Error::Prohibited { .. })), "{refused:?}");
    assert_eq!(server.connections(), 0);
    let text = world.log.last().detail["allow"].as_str().unwrap().to_owned();
    assert_eq!(text, format!("GET {host}/a credential=token private=127.0.0.1/32"));
    read(send(&door, "GET", &url, &[], empty(), &references).await).await.unwrap();
    // Pasted, with the credential's own placement.
    door.set_grants(vec![wide, placed(&text, "header x-token: {}", "TOKEN")]);
    read(send(&door, "GET", &url, &with, empty(), &references).await).await.unwrap();
    let seen: Vec<_> = server.seen().iter().map(|seen| seen.header("x-token").map(str::to_owned)).collect();
    assert_eq!(seen, [None, Some(VALUE.to_owned())]);
}

#[tokio::test]
async fn a_redirect_that_is_refused_names_the_rule_for_its_target() {
    let inside = Server::saying("inside").await;
    let target = inside.url("/x?secret=1");
    let hub =
        Server::start(move |_: &Seen| vec![Step::Write(reply("307 Moved", &[("location", &target)], b""))])
            .await;
    let world = World::new();
    let door = world.door(&[&format!("POST {} private=127.0.0.1", hub.url("/"))]);
    let pasted = paste_until_it_works(&world, &door, "POST", &hub.url("/")).await;
    assert_eq!(pasted, [grant(&format!("POST {} private=127.0.0.1", inside.url("/x")))]);
}

#[tokio::test]
async fn a_rule_never_shows_a_secret_or_a_reference() {
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    world.vault.set("SLASHED", "a/secret/with/slashes/in/it", &[PROBE]);
    let own = placed("GET http://elsewhere.test/ credential=token", "header x-token: {}", "TOKEN");
    let door = world.door_with(vec![own]);
    let references = door.credentials();
    let reference = references.reference("token").unwrap();
    let upper = VALUE.to_uppercase();
    for (path, expected) in [
        (format!("/a/{VALUE}/b"), Some("/a/*/b")),
        (format!("/a/x{VALUE}y/b"), Some("/a/*/b")),
        (format!("/a/{upper}/b"), Some("/a/*/b")),
        (format!("/a/{}/b", hex::encode(VALUE)), Some("/a/*/b")),
        (format!("/a/bot{reference}/b"), Some("/a/*/b")),
        ("/a/secret/with/slashes/in/it/b".to_owned(), Some("/*/*/*/*/*/*/*")),
        (format!("/{VALUE}%2F.."), None),
    ] {
        let url = format!("http://api.test{path}");
        let refused = send(&door, "GET", &url, &[], empty(), &references).await.err();
        assert!(matches!(refused, Some(Error::Denied(_))), "{path}");
        let rule = world.log.last().detail.get("allow").map(|text| text.as_str().unwrap().to_owned());
        assert_eq!(rule, expected.map(|path| format!("GET http://api.test{path}")), "{path}");
    }
    // In the name of the host, in the method.
    for (method, url) in [
        ("GET", format!("http://{VALUE}.evil.test/")),
        ("GET", format!("http://{}.evil.test/", reference.replace('_', "-"))),
        (VALUE, "http://api.test/".to_owned()),
        (&reference, "http://api.test/".to_owned()),
    ] {
        let refused = send(&door, method, &url, &[], empty(), &references).await.err();
        assert!(refused.is_some_and(|error| error.is_denial()), "{method} {url}");
    }
    let log = serde_json::to_string(&world.log.events()).unwrap();
    for text in [VALUE, &upper, &hex::encode(VALUE), &reference, "secret/with/slashes"] {
        assert!(!log.contains(text), "{text} in {log}");
    }
}

#[tokio::test]
async fn no_request_gets_a_rule_for_more_than_itself() {
    // A URL may have a star for its host, and a method may be one: a rule that named them would read as any site, as
    // every name below `com`, as every method.
    let world = World::new();
    for grants in [&[][..], &["GET,HEAD https://*/**"]] {
        let door = world.door(grants);
        for (method, url) in [
            ("GET", "https://*/"),
            ("GET", "https://*.com/"),
            ("GET", "https://%2A/"),
            ("GET", "https://*.*/"),
            ("GET", "https://a*/"),
            ("*", "https://a.test/"),
            ("G*", "https://a.test/"),
        ] {
            let refused = ask(&door, method, url).await.err();
            assert!(matches!(refused, Some(Error::Invalid(_))), "{method} {url}: {refused:?}");
            let event = world.log.last();
            assert!(event.verdict == Verdict::Denied && !event.detail.contains_key("allow"), "{event:?}");
        }
    }
}

#[tokio::test]
async fn what_no_rule_can_lift_is_recorded_without_one() {
    let server = Server::saying("ok").await;
    let world = World::new();
    world.vault.set("TOKEN", VALUE, &[PROBE]);
    let rule = format!("* {} private=127.0.0.1 rate=1/s burst=1", server.url("/**"));
    let door = world.door(&[&rule]);
    let none = References::none();
    let of = |method: &str, url: &str, headers: &[(&str, &str)], body: Body| {
        let headers: Vec<_> = headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
        request(method, url, &headers, body).unwrap()
    };
    let url = server.url("/");
    for (request, code) in [
        (of("TRACE", &url, &[], empty()), "denied"),
        (of("GET", &url, &[("host", "x")], empty()), "denied"),
        (of("GET", &url, &[("x-a", VALUE)], empty()), "denied"),
        (of("GET", &server.url(&format!("/?{VALUE}")), &[], empty()), "denied"),
        (of(VALUE, &url, &[], empty()), "denied"),
        (of("POST", &url, &[("content-length", "9")], full("x")), "invalid-request"),
        (of("GET", &server.url("/a/..;/b"), &[], empty()), "denied"),
        (of("GET", "http://u@127.0.0.1/", &[], empty()), "denied"),
    ] {
        let door = world.door(&[&format!("* {} private=127.0.0.1", server.url("/**"))]);
        let before = world.log.events().len();
        assert!(door.send(request, Options::default(), &none).await.is_err());
        let events = world.log.events();
        assert_eq!(events.len(), before + 1, "one record");
        let event = &events[before];
        assert_eq!((event.verdict, &event.detail["error"]), (Verdict::Denied, &code.into()), "{event:?}");
        assert!(event.detail["reason"].is_string() && !event.detail.contains_key("allow"), "{event:?}");
    }
    // A limit names the rule that sets it.
    get(&door, &url).await.unwrap();
    assert!(matches!(get(&door, &url).await, Err(Error::RateLimited { .. })));
    let event = world.log.last();
    assert_eq!(
        (event.verdict, &event.detail["rule"]),
        (Verdict::Denied, &rule.parse::<Rule>().unwrap().to_string().into())
    );
    assert!(!serde_json::to_string(&world.log.events()).unwrap().contains(VALUE));
}

#[tokio::test]
async fn count_mode_says_what_it_would_deny_and_which_rule_would_not() {
    let server = Server::saying("ok").await;
    let world = World::new();
    // A grant of another path names the address; count mode lends it to nobody.
    let door = world.door(&[&format!("GET {} private=127.0.0.1", server.url("/granted"))]);
    door.count_until(Some(jiff::Timestamp::from_second(4_000_000_000).unwrap()));
    let refused = get(&door, &server.url("/other")).await.err();
    assert!(matches!(refused, Some(Error::Prohibited { .. })), "{refused:?}");
    let event = world.log.last();
    assert_eq!(event.detail["would_deny"], true);
    assert_eq!(event.detail["allow"], format!("GET {} private=127.0.0.1/32", server.url("/other")));
    read(get(&door, &server.url("/granted")).await).await.unwrap();
    assert!(!world.log.last().detail.contains_key("would_deny"));
    assert_eq!(server.seen().len(), 1);
}
