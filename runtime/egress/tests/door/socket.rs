//! Opening WebSocket connections: grants, addresses, the handshake, and what is written down.

use std::sync::Arc;
use std::time::Duration;

use openpact_egress::credential::References;
use openpact_egress::socket::Message;
use openpact_egress::{Config, Error, Options, Phase};
use openpact_model::audit::Verdict;

use crate::peer::{Line, Peer, connect, connect_with, hasty, soon, text, until};
use crate::tls::Authority;
use crate::world::{Names, PROBE, World, grant, placed};

#[tokio::test]
async fn messages_pass_under_a_grant_and_are_written_down() {
    let peer = Peer::echo().await;
    let world = World::new();
    let rule = format!("GET {} private=127.0.0.1/32", peer.url("/gateway"));
    let door = world.door(&[&rule]);
    let mut socket = connect(&door, &peer.url("/gateway?v=10&token=xyz")).await.unwrap();
    assert_eq!(world.log.last().kind, "egress.request.begin", "and it was written before the handshake");
    for message in [text("hällo"), Message::Binary(vec![0, 255, 7])] {
        socket.send(message.clone()).await.unwrap();
        assert_eq!(socket.receive().await.unwrap(), message);
    }
    socket.close(None).await.unwrap();
    assert!(matches!(socket.receive().await, Err(Error::Closed)));
    assert!(matches!(socket.send(text("x")).await, Err(Error::Closed)));
    until("the end is recorded", || world.log.ended().len() == 1).await;
    let events = world.log.events();
    let (begin, end) = (&events[0], &events[1]);
    assert_eq!((begin.kind.as_str(), end.kind.as_str()), ("egress.request.begin", "egress.request"));
    assert_eq!((end.actor.as_str(), end.verdict), (PROBE, Verdict::Allowed));
    assert_eq!(end.subject, peer.url("/gateway"));
    assert_eq!((&end.detail["rule"], &end.detail["status"]), (&rule.into(), &101.into()));
    assert_eq!((&end.detail["sent_messages"], &end.detail["received_messages"]), (&2.into(), &2.into()));
    assert_eq!((&end.detail["sent"], &end.detail["received"]), (&9.into(), &9.into()));
    assert_eq!(end.detail["query"], serde_json::json!(["v", "token"]));
    assert_eq!(end.detail["address"], peer.address.to_string());
    assert!(!serde_json::to_string(&events).unwrap().contains("xyz"));
}

#[tokio::test]
async fn no_grant_and_a_grant_for_another_place_are_denied_with_the_rule() {
    let peer = Peer::echo().await;
    let world = World::new();
    let other_scheme = format!("GET http://{}/** private=127.0.0.1", peer.address);
    let other_path = format!("GET {} private=127.0.0.1", peer.url("/other"));
    for rules in [vec![], vec![other_scheme.as_str()], vec![other_path.as_str()]] {
        let door = world.door(&rules);
        let error = connect(&door, &peer.url("/a/b?key=1")).await.unwrap_err();
        let shown = error.to_string();
        assert!(shown.contains("no grant allows GET ws://") && !shown.contains("key"), "{shown}");
        let event = world.log.last();
        assert_eq!((event.kind.as_str(), event.verdict), ("egress.request", Verdict::Denied));
        let allow = event.detail["allow"].as_str().unwrap().to_owned();
        assert_eq!(allow, format!("GET {} private=127.0.0.1/32", peer.url("/a/b")));
        allow.parse::<openpact_egress::rule::Rule>().unwrap();
    }
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
async fn addresses_of_other_kinds_are_denied() {
    let world = World::new();
    let door = world.door(&["* ws://127.0.0.1/** private=127.0.0.1"]);
    for url in
        ["http://127.0.0.1/", "ftp://x.test/", "wss://user:pw@x.test/", "ws:relative", "nonsense", "ws://"]
    {
        let before = world.log.events().len();
        let error = connect(&door, url).await.unwrap_err();
        assert!(error.is_denial(), "{url}: {error}");
        assert_eq!(world.log.events().len(), before + 1, "{url}");
    }
}

#[tokio::test]
async fn loopback_is_reached_only_where_a_grant_names_it() {
    let peer = Peer::echo().await;
    let world = World::new();
    let port = peer.address.port();
    let rule = format!("GET ws://*.test:{port}/**");
    let literals =
        [format!("GET ws://127.0.0.1:{port}/**"), format!("GET ws://[::ffff:127.0.0.1]:{port}/**")];
    let door = world.door(&[&rule, &literals[0], &literals[1]]);
    for host in ["a.test", "127.0.0.1", "0x7f.1", "2130706433", "[::ffff:127.0.0.1]"] {
        let error = connect(&door, &format!("ws://{host}:{port}/x")).await.unwrap_err();
        assert!(matches!(error, Error::Prohibited { .. }), "{host}: {error:?}");
        let allow = world.log.last().detail["allow"].as_str().unwrap().to_owned();
        assert!(allow.contains("private="), "{host}: {allow}");
    }
    assert_eq!(peer.connections(), 0);
    // The rule from the record does allow it.
    let allow = world.log.last().detail["allow"].as_str().unwrap().to_owned();
    door.set_grants(vec![grant(&allow)]);
    connect(&door, &format!("ws://[::ffff:127.0.0.1]:{port}/x")).await.unwrap();
}

#[tokio::test]
async fn a_name_that_changes_its_mind_reaches_nothing() {
    let peer = Peer::echo().await;
    // Public first, this machine next. Nobody answers at the public address, which is a real one of nobody here.
    let names = Names::new(|asked, _| match asked {
        0 => vec![[1, 1, 1, 1].into()],
        _ => vec![[127, 0, 0, 1].into()],
    });
    let config =
        Config { lookup: Some(names.clone()), connect: Duration::from_millis(200), ..Config::default() };
    let world = World::with(config);
    let port = peer.address.port();
    let door = world.door(&[&format!("GET ws://rebind.test:{port}/**")]);
    let url = format!("ws://rebind.test:{port}/");
    connect(&door, &url).await.unwrap_err();
    assert_eq!(names.asked().len(), 1, "one look-up for one connection");
    for _ in 0..3 {
        let error = connect(&door, &url).await.unwrap_err();
        assert!(matches!(error, Error::Prohibited { .. }), "{error:?}");
    }
    // Both in one answer: the good one is no excuse for the bad one.
    let both = Names::new(|_, _| vec![[1, 1, 1, 1].into(), [127, 0, 0, 1].into()]);
    let world = World::with(Config { lookup: Some(both), ..Config::default() });
    let door = world.door(&[&format!("GET ws://rebind.test:{port}/**")]);
    assert!(matches!(connect(&door, &url).await, Err(Error::Prohibited { .. })));
    assert_eq!(peer.connections(), 0);
}

async fn answering(answer: &'static str) -> Peer {
    Peer::start(move |mut line: Line| async move {
        line.write(answer.as_bytes()).await;
        line.drain().await;
    })
    .await
}

#[tokio::test]
async fn a_redirect_and_every_other_answer_is_an_error_that_says_so() {
    let target = Peer::echo().await;
    let location = format!("HTTP/1.1 302 Found\r\nLocation: http://{}/x?q=1\r\n\r\n", target.address);
    for (answer, says) in [
        (&*location.leak(), "answered 302, a redirect to http://127.0.0.1:"),
        ("HTTP/1.1 307 X\r\nLocation: /there\r\n\r\n", "a redirect to ws://127.0.0.1:"),
        ("HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n", "it answered 403"),
        ("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok", "it answered 200"),
        ("HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n", "Sec-WebSocket-Accept"),
        ("HTTP/1.1 101 X\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n", "Upgrade: websocket"),
        ("HTTP/1.0 101 X\r\n\r\n", "its answer is wrong"),
        ("SSH-2.0-OpenSSH_9.9\r\n\r\n", "not one of HTTP/1.1"),
    ] {
        let peer = answering(answer).await;
        let world = World::new();
        let door = world.door_with(vec![peer.grant(), target.grant()]);
        let error = connect(&door, &peer.url("/")).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{error:?}");
        let shown = error.to_string();
        assert!(shown.contains(says) && !shown.contains("q=1"), "{shown}");
        let event = world.log.last();
        assert_eq!((event.kind.as_str(), event.verdict), ("egress.request", Verdict::Failed));
        assert_eq!(peer.connections(), 1);
    }
    assert_eq!(target.connections(), 0, "nobody followed");
}

#[tokio::test]
async fn what_was_not_offered_is_not_taken() {
    for header in [("Sec-WebSocket-Extensions", "permessage-deflate"), ("Sec-WebSocket-Protocol", "chat")] {
        let peer = Peer::start(move |mut line: Line| async move {
            line.open(&[header]).await;
            line.drain().await;
        })
        .await;
        let world = World::new();
        let error = connect(&world.door_with(vec![peer.grant()]), &peer.url("/")).await.unwrap_err();
        assert!(matches!(error, Error::Refused { .. }), "{header:?}: {error:?}");
        let head = peer.heads().remove(0).to_lowercase();
        assert!(!head.contains("extensions"), "none is offered: {head}");
    }
}

#[tokio::test]
async fn headers_are_the_guests_but_not_those_of_the_handshake() {
    let peer = Peer::start(|mut line: Line| async move {
        let protocol = line.header("sec-websocket-protocol").unwrap_or_default();
        let first = protocol.split(',').next().unwrap_or_default().trim().to_owned();
        line.open(&[("Sec-WebSocket-Protocol", &first)]).await;
        line.drain().await;
    })
    .await;
    let world = World::new();
    let door = world.door_with(vec![peer.grant()]);
    let none = Arc::new(References::none());
    let good = [("x-own", "1"), ("sec-websocket-protocol", "v2.chat, v1.chat"), ("user-agent", "probe")];
    drop(connect_with(&door, &peer.url("/"), &good, &none).await.unwrap());
    until("its end is recorded", || world.log.ended().len() == 1).await;
    let head = peer.heads().remove(0);
    for line in ["x-own: 1", "Sec-WebSocket-Protocol: v2.chat, v1.chat", "user-agent: probe"] {
        assert!(head.contains(line), "{line} in {head}");
    }
    let host = format!("Host: {}\r\n", peer.address);
    assert_eq!(head.matches(host.as_str()).count(), 1, "{head}");
    for (name, value) in [
        ("host", "other.test"),
        ("connection", "close"),
        ("upgrade", "h2c"),
        ("transfer-encoding", "chunked"),
        ("content-length", "5"),
        ("proxy-authorization", "x"),
        ("sec-websocket-key", "AAAAAAAAAAAAAAAAAAAAAA=="),
        ("sec-websocket-version", "8"),
        ("sec-websocket-extensions", "permessage-deflate"),
        ("sec-websocket-accept", "x"),
        ("sec-websocket-protocol", "a, a"),
        ("sec-websocket-protocol", ""),
        ("sec-websocket-protocol", "a b"),
        ("sec-websocket-protocol", "a,\tb\u{e9}"),
        ("x-own", "a\r\nx-evil: 1"),
        ("x-own", "a\nb"),
        ("x-own", "a\0b"),
        ("sec-websocket-protocol", "a\r\nx-evil: 1"),
        ("x-own\r\nx-evil", "1"),
    ] {
        let before = world.log.events().len();
        let error = connect_with(&door, &peer.url("/"), &[(name, value)], &none).await.unwrap_err();
        assert!(error.is_denial(), "{name}: {value:?}: {error}");
        assert_eq!(world.log.events().len(), before + 1, "{name}: {value:?} is written down");
    }
    let twice = [("sec-websocket-protocol", "a"), ("sec-websocket-protocol", "b")];
    assert!(connect_with(&door, &peer.url("/"), &twice, &none).await.unwrap_err().is_denial());
    assert_eq!(peer.connections(), 1);
}

#[tokio::test]
async fn a_handshake_that_is_never_answered_or_drips_ends_by_its_deadline() {
    let silent = Peer::start(|mut line: Line| async move { line.drain().await }).await;
    let dripping = Peer::start(|mut line: Line| async move {
        for byte in b"HTTP/1.1 101 Switching Protocols\r\n".iter().cycle() {
            if !line.write(&[*byte]).await {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    for peer in [silent, dripping] {
        let world = World::new();
        let door = world.door_with(vec![peer.grant()]);
        let options = Options { total: Some(Duration::from_millis(200)), ..Options::default() };
        let none = Arc::new(References::none());
        let error = door.connect(&peer.url("/"), &[], options, None, &none).await.unwrap_err();
        assert!(matches!(error, Error::Timeout { phase: Phase::FirstByte, .. }), "{error:?}");
        assert_eq!(world.log.last().detail["error"], "timeout-first-byte");
    }
}

#[tokio::test]
async fn tls_needs_a_certificate_of_that_name_from_a_known_authority() {
    let authority = Authority::new();
    let pem = authority.pem_file();
    // Both protocols are offered by the server; the handshake needs the older.
    let peer = Peer::echo_with(Some(authority.acceptor("inside.test", &["h2", "http/1.1"]))).await;
    let port = peer.address.port();
    let world = |ca: Option<&tempfile::NamedTempFile>| {
        World::with(Config {
            extra_ca: ca.map(|file| file.path().to_owned()),
            lookup: Some(Names::new(|_, _| vec![[127, 0, 0, 1].into()])),
            ..Config::default()
        })
    };
    let rule = format!("GET wss://*.test:{port}/** private=127.0.0.1");
    let trusting = world(Some(&pem));
    let door = trusting.door(&[&rule]);
    let mut socket = connect(&door, &format!("wss://inside.test:{port}/")).await.unwrap();
    socket.send(text("secure")).await.unwrap();
    assert_eq!(socket.receive().await.unwrap(), text("secure"));
    let error = connect(&door, &format!("wss://other.test:{port}/")).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    let strange = world(None);
    let error = connect(&strange.door(&[&rule]), &format!("wss://inside.test:{port}/")).await.unwrap_err();
    assert!(matches!(error, Error::Tls { .. }), "{error:?}");
    assert_eq!(peer.heads().len(), 1, "nothing was said to the others");
}

/// A proxy that leads everything to `address`, but what is called `refused.test`.
async fn proxy_to(address: std::net::SocketAddr) -> Peer {
    Peer::start(move |mut line: Line| async move {
        if line.head.contains("refused.test") {
            line.write(b"HTTP/1.1 403 Forbidden\r\n\r\n").await;
            return;
        }
        line.write(b"HTTP/1.1 200 Connection established\r\nVia: x\r\n\r\n").await;
        let mut onward = tokio::net::TcpStream::connect(address).await.unwrap();
        drop(tokio::io::copy_bidirectional(&mut line.into_stream(), &mut onward).await);
    })
    .await
}

fn behind(proxy: &Peer) -> World {
    let names = Names::new(|_, host| match host {
        "proxy.test" | "inside.test" => vec![[127, 0, 0, 1].into()],
        "outside.test" | "refused.test" => vec![[1, 1, 1, 1].into()],
        _ => Vec::new(),
    });
    let proxy = format!("http://proxy.test:{}", proxy.address.port()).parse().unwrap();
    World::with(Config { lookup: Some(names), proxy: Some(proxy), ..Config::default() })
}

#[tokio::test]
async fn a_proxy_is_asked_by_connect_for_what_passes_the_guard() {
    let peer = Peer::echo().await;
    let proxy = proxy_to(peer.address).await;
    let world = behind(&proxy);
    let door = world.door(&["GET ws://*.test:81/**", "GET ws://127.0.0.1/**"]);
    for url in ["ws://inside.test:81/", "ws://127.0.0.1/"] {
        assert!(matches!(connect(&door, url).await, Err(Error::Prohibited { .. })), "{url}");
    }
    assert_eq!(proxy.connections(), 0);
    for host in ["outside.test", "only-the-proxy-knows.test"] {
        let mut socket = connect(&door, &format!("ws://{host}:81/a")).await.unwrap();
        socket.send(text("through")).await.unwrap();
        assert_eq!(socket.receive().await.unwrap(), text("through"));
        let head = proxy.heads().pop().unwrap();
        assert_eq!(head, format!("CONNECT {host}:81 HTTP/1.1\r\nHost: {host}:81\r\n\r\n"));
        assert!(peer.heads().pop().unwrap().contains(&format!("Host: {host}:81")));
    }
    let error = connect(&door, "ws://refused.test:81/").await.unwrap_err();
    assert!(matches!(error, Error::Connect { why: "the proxy refused it", .. }), "{error:?}");
}

#[tokio::test]
async fn connections_of_one_principal_are_counted() {
    let peer = Peer::echo().await;
    let world = World::with(Config { socket: hasty(), ..Config::default() });
    let door = world.door_with(vec![peer.grant()]);
    let mut open = Vec::new();
    for _ in 0..4 {
        open.push(connect(&door, &peer.url("/")).await.unwrap());
    }
    let error = connect(&door, &peer.url("/")).await.unwrap_err();
    assert!(matches!(error, Error::TooManyConnections(4)), "{error:?}");
    assert_eq!(world.log.last().detail["error"], "too-many-connections");
    open.pop();
    until("a place is free", || world.log.ended().len() == 2).await;
    connect(&door, &peer.url("/")).await.unwrap();
    // Another principal has places of its own.
    let other = world.egress.door("component:other".parse().unwrap(), vec![peer.grant()]);
    connect(&other, &peer.url("/")).await.unwrap();
}

#[tokio::test]
async fn a_rate_counts_connections() {
    let peer = Peer::echo().await;
    let world = World::new();
    let door = world.door(&[&peer.rule("rate=1/s burst=2")]);
    connect(&door, &peer.url("/")).await.unwrap();
    let mut second = connect(&door, &peer.url("/")).await.unwrap();
    assert!(matches!(connect(&door, &peer.url("/")).await, Err(Error::RateLimited { .. })));
    for _ in 0..20 {
        second.send(text("messages are not counted")).await.unwrap();
        second.receive().await.unwrap();
    }
    assert_eq!(peer.connections(), 2);
}

#[tokio::test]
async fn nothing_is_opened_where_the_log_cannot_be_written() {
    let peer = Peer::echo().await;
    let world = World::new();
    let door = world.door_with(vec![peer.grant()]);
    world.log.broken.store(true, std::sync::atomic::Ordering::SeqCst);
    assert!(matches!(connect(&door, &peer.url("/")).await, Err(Error::Audit(_))));
    assert_eq!(peer.connections(), 0);
}

#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "count mode ends by the system's clock")]
async fn count_mode_lets_a_connection_open_and_its_end_closes_it() {
    let in_a_second = || jiff::Timestamp::now() + jiff::SignedDuration::from_secs(1);
    let peer = Peer::echo().await;
    let world = World::new();
    let door = world.door(&[]);
    door.count_until(Some(in_a_second()));
    let error = connect(&door, &peer.url("/")).await.unwrap_err();
    assert!(matches!(error, Error::Prohibited { .. }), "the guard holds as ever: {error:?}");
    assert_eq!(world.log.last().detail["would_deny"], true);
    // Only a proxy leads from a name that looks public to this machine.
    let proxy = proxy_to(peer.address).await;
    let world = behind(&proxy);
    let door = world.door(&[]);
    let url = "ws://outside.test:81/";
    assert!(matches!(connect(&door, url).await, Err(Error::Denied(_))));
    for by_itself in [true, false] {
        door.count_until(Some(in_a_second()));
        let mut socket = connect(&door, url).await.unwrap();
        socket.send(text("counted")).await.unwrap();
        assert_eq!(socket.receive().await.unwrap(), text("counted"));
        if !by_itself {
            door.count_until(None);
        }
        let error = soon(socket.receive()).await.unwrap_err();
        assert!(matches!(error, Error::Denied(_)), "{error:?}");
    }
}

#[tokio::test]
async fn the_credential_of_a_handshake_goes_out_and_never_comes_back() {
    let value = "tk/with+odd value&16";
    // Says everything back: in the answer's headers, in a redirect, in frames.
    let peer = Peer::start(|mut line: Line| async move {
        let sent = line.header("x-token").unwrap_or_default();
        if line.head.contains("/redirect") {
            let answer = format!("HTTP/1.1 302 Found\r\nLocation: /{sent}\r\nX-Echo: {sent}\r\n\r\n");
            line.write(answer.as_bytes()).await;
            return line.drain().await;
        }
        line.open(&[("x-echo", &sent)]).await;
        let request = line.head.clone();
        line.text(&request).await;
        line.drain().await;
    })
    .await;
    let world = World::new();
    world.vault.set("TOKEN", value, &[PROBE]);
    let rule = peer.rule("credential=token");
    for placement in ["header X-Token: Bot {}", "query key={}", "segment b{}", "basic u:{}"] {
        let door = world.door_with(vec![placed(&rule, placement, "TOKEN")]);
        let references = Arc::new(door.credentials());
        let reference = references.reference("token").unwrap();
        let basic =
            base64::Engine::encode(&base64::engine::general_purpose::STANDARD, format!("u:{reference}"));
        let template = format!("Bot {reference}");
        let basic = format!("Basic {basic}");
        let (path, headers): (String, Vec<(&str, &str)>) = match placement.split(' ').next().unwrap() {
            "header" => ("/".into(), vec![("x-token", template.as_str())]),
            "query" => (format!("/?key={reference}"), vec![]),
            "segment" => (format!("/b{reference}/x"), vec![]),
            _ => ("/".into(), vec![("authorization", basic.as_str())]),
        };
        let mut socket = connect_with(&door, &peer.url(&path), &headers, &references).await.unwrap();
        let head = peer.heads().pop().unwrap();
        assert!(!head.contains(&reference), "{placement}: {head}");
        let Message::Text(told) = socket.receive().await.unwrap() else { panic!("a text") };
        assert!(told.contains("[REDACTED:TOKEN]"), "{placement}: {told}");
        assert!(!told.contains(value) && !told.contains("odd"), "{placement}: {told}");
    }
    let door = world.door_with(vec![placed(&rule, "header X-Token: {}", "TOKEN")]);
    let references = Arc::new(door.credentials());
    let reference = references.reference("token").unwrap();
    let headers = [("x-token", reference.as_str())];
    let error = connect_with(&door, &peer.url("/redirect"), &headers, &references).await.unwrap_err();
    let shown = format!("{error} {error:?}");
    assert!(shown.contains("302") && !shown.contains("odd"), "{shown}");
    let events = serde_json::to_string(&world.log.events()).unwrap();
    assert!(!events.contains("odd") && !events.contains(&reference), "{events}");
    // A reference in any other place of the handshake does not leave.
    for (path, headers) in [
        (format!("/{reference}"), vec![]),
        (format!("/?a={reference}"), vec![]),
        ("/".to_owned(), vec![("x-other", reference.as_str())]),
        ("/".to_owned(), vec![("sec-websocket-protocol", reference.as_str())]),
    ] {
        let before = peer.connections();
        let error = connect_with(&door, &peer.url(&path), &headers, &references).await.unwrap_err();
        assert!(matches!(error, Error::Denied(_)), "{path} {headers:?}: {error:?}");
        assert_eq!(peer.connections(), before);
    }
}
