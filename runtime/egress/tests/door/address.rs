//! No way to write an address leads to one that must not be reached.

use std::net::IpAddr;
use std::sync::Arc;

use http_body_util::BodyExt as _;
use openpact_egress::credential::References;
use openpact_egress::rule::{Rule, Target};
use openpact_egress::{Config, Error, Options, empty, request};

use crate::server::{Server, Step, reply};
use crate::world::{Names, World, get, read};

/// Ways to write the loopback interface, and other hosts of special ranges, with `PORT` for a port where something
/// listens. Those that a browser reads as another host are here too: the name is then at 127.0.0.1.
const FORMS: &[&str] = &[
    // Dotted, short, decimal, octal, hexadecimal, mixed.
    "http://127.0.0.1:PORT/",
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F000001:PORT/",
    "http://017700000001:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0177.0.0.01:PORT/",
    "http://0x7f.0.0.1:PORT/",
    "http://0x7f.1:PORT/",
    "http://0x7F.0x00.0x0.0x1:PORT/",
    "http://0177.0x0.0.1:PORT/",
    "http://127.0x1:PORT/",
    "http://00000000000000000000000000177.0.0.1:PORT/",
    "http://127.255.255.254:PORT/",
    // Every address of this machine.
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://0x0:PORT/",
    "http://00.0:PORT/",
    "http://[::]:PORT/",
    // Trailing dots, empty ports, letter case.
    "http://127.0.0.1.:PORT/",
    "http://0x7f.1.:PORT/",
    "http://localhost:PORT/",
    "http://localhost.:PORT/",
    "http://LOCALHOST:PORT/",
    "http://LocalHost.:PORT/",
    "HTTP://127.0.0.1:PORT/",
    "http://127.0.0.1:/",
    "http://127.0.0.1/",
    // IPv6 and what it carries.
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[::FFFF:7F00:0001]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[64:ff9b:1::127.0.0.1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[2001:0:7f00:1::]:PORT/",
    "http://[fe80::1]:PORT/",
    "http://[fec0::1]:PORT/",
    "http://[fd00:ec2::254]:PORT/",
    "http://[ff02::1]:PORT/",
    // Zone identifiers.
    "http://[::1%25lo]:PORT/",
    "http://[::1%lo]:PORT/",
    "http://[fe80::1%25eth0]:PORT/",
    "http://[fe80::1%eth0]:PORT/",
    // User information, with each separator that some parser takes for the end of the host.
    "http://public.test@127.0.0.1:PORT/",
    "http://public.test:443@127.0.0.1:PORT/",
    "http://public.test%40127.0.0.1:PORT/",
    "http://127.0.0.1:PORT@public.test/",
    "http://public.test\\@127.0.0.1:PORT/",
    "http://127.0.0.1:PORT\\@public.test/",
    "http://public.test#@127.0.0.1:PORT/",
    "http://public.test?@127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http:/127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:///127.0.0.1:PORT/",
    "http://\t127.0.0.1:PORT/",
    "http://127.0.0\n.1:PORT/",
    // Percent signs in the host, full-width digits, other dots, circled letters, invisible characters.
    "http://127%2e0%2e0%2e1:PORT/",
    "http://%31%32%37.0.0.1:PORT/",
    "http://%6c%6f%63%61%6c%68%6f%73%74:PORT/",
    "http://１２７.０.０.１:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://127｡0｡0｡1:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://lo\u{ad}calhost:PORT/",
    "http://local\u{200b}host:PORT/",
    "http://ｌｏｃａｌｈｏｓｔ:PORT/",
    "http://lоcalhost:PORT/",
    // The other ranges.
    "http://10.0.0.1:PORT/",
    "http://0xa.1:PORT/",
    "http://100.64.0.1:PORT/",
    "http://169.254.169.254/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://2852039166/",
    "http://0251.0376.0251.0376/",
    "http://[::ffff:a9fe:a9fe]/",
    "http://172.16.0.1:PORT/",
    "http://192.0.0.192/",
    "http://192.0.2.1:PORT/",
    "http://192.168.0.1:PORT/",
    "http://198.18.0.1:PORT/",
    "http://198.51.100.1:PORT/",
    "http://203.0.113.1:PORT/",
    "http://224.0.0.1:PORT/",
    "http://240.0.0.1:PORT/",
    "http://255.255.255.255:PORT/",
    "http://168.63.129.16/",
    "http://[100::1]:PORT/",
    "http://[2001:db8::1]:PORT/",
    "http://[3fff::1]:PORT/",
    "http://[fc00::1]:PORT/",
];

/// The grant that lets exactly this host, port and method through, so that nothing but the address guard is left.
fn opened(url: &str) -> Option<Rule> {
    let url = url::Url::parse(url).ok()?;
    let method = http::Method::GET;
    let rule = Rule::allowing(&Target::of(&method, &url)?).to_string();
    let (start, _) = rule.split_at(rule.find('/')? + 2);
    let host = &rule[start.len()..rule[start.len()..].find('/')? + start.len()];
    format!("{start}{host}/**").parse().ok()
}

#[tokio::test]
async fn no_form_of_a_special_address_arrives() {
    let four = Server::saying("inside").await;
    let six = Server::at(&format!("[::1]:{}", four.port()), |_| vec![Step::Close]).await;
    let port = four.port().to_string();
    let loopback: Vec<IpAddr> = vec!["127.0.0.1".parse().unwrap()];
    let names = Names::new(move |_, _| loopback.clone());
    let world = World::with(Config { lookup: Some(names), ..Config::default() });
    for form in FORMS {
        let url = form.replace("PORT", &port);
        let grants: Vec<String> = opened(&url).into_iter().map(|rule| rule.to_string()).collect();
        let door = world.door(&grants.iter().map(String::as_str).collect::<Vec<_>>());
        let refused = get(&door, &url).await.err();
        assert!(
            matches!(refused, Some(Error::Prohibited { .. } | Error::Invalid(_) | Error::Denied(_))),
            "{form} was not refused: {refused:?}"
        );
        // A literal that was granted is refused by the guard, not for want of a grant.
        if !grants.is_empty() && !url.contains('@') {
            assert!(
                matches!(refused, Some(Error::Prohibited { .. })),
                "{form} must meet the guard: {refused:?}"
            );
        }
        // The same as a guest hands it over, without our own parser before the door.
        if let Ok(uri) = url.parse::<http::Uri>() {
            let mut raw = http::Request::new(empty());
            *raw.uri_mut() = uri;
            let refused = door.send(raw, Options::default(), &References::none()).await.err();
            assert!(refused.is_some_and(|error| error.is_denial()), "{form} as a raw URI");
        }
    }
    assert_eq!((four.connections(), six.connections()), (0, 0), "nothing arrived");

    // The same listener is reached where the grant names the range: the table could fail.
    let door = world.door(&[&format!("GET http://localhost:{port}/ private=127.0.0.0/8")]);
    let (status, body) = read(get(&door, &format!("http://localhost:{port}/")).await).await.unwrap();
    assert_eq!((status, &body[..], four.connections()), (200, &b"inside"[..], 1));
}

#[tokio::test]
async fn a_name_at_any_special_address_is_refused() {
    let special = [
        "0.0.0.0",
        "10.1.2.3",
        "100.64.0.1",
        "127.0.0.1",
        "127.9.9.9",
        "169.254.1.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.7",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.251",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "168.63.129.16",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::10.0.0.1",
        "2002:a00:1::1",
        "2001:0:a00:1::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
        "ff02::fb",
        "2001:db8::1",
        "3fff::1",
        "100::1",
        "2001:2::1",
        "5f00::1",
    ];
    for text in special {
        let address: IpAddr = text.parse().unwrap();
        // Alone, and behind a public one: the first good answer does not excuse the rest.
        for answer in [vec![address], vec!["1.1.1.1".parse().unwrap(), address]] {
            let answer_given = answer.clone();
            let names = Names::new(move |_, _| answer_given.clone());
            let world = World::with(Config { lookup: Some(names.clone()), ..Config::default() });
            let door = world.door(&["GET http://innocent.test/**"]);
            let refused = get(&door, "http://innocent.test/").await.err();
            assert!(matches!(refused, Some(Error::Prohibited { .. })), "{answer:?}: {refused:?}");
            assert_eq!(names.asked(), ["innocent.test"], "looked up once");
            let event = world.log.last();
            assert_eq!(event.detail["error"], "prohibited-address");
            let allow: Rule = event.detail["allow"].as_str().unwrap().parse().unwrap();
            assert!(allow.private.iter().any(|range| range.contains(&address)), "{allow} names {address}");
        }
    }
}

#[tokio::test]
async fn an_answer_that_changes_reaches_nothing() {
    // The name is at a granted address first, and at the host's own loopback address from then on. Both listen on
    // the same port.
    let granted = Server::at("127.0.0.2:0", |_| {
        vec![Step::Write(reply("200 OK", &[("connection", "close")], b"first")), Step::Close]
    })
    .await;
    let victim = Server::at(&format!("127.0.0.1:{}", granted.port()), |_| vec![Step::Close]).await;
    let names = Names::new(|before, _| match before {
        0 => vec![[127, 0, 0, 2].into()],
        _ => vec![[127, 0, 0, 1].into()],
    });
    let world = World::with(Config { lookup: Some(names.clone()), ..Config::default() });
    let url = format!("http://rebind.test:{}/", granted.port());
    let door = world.door(&[&format!("GET {url} private=127.0.0.2/32")]);
    let (status, body) = read(get(&door, &url).await).await.unwrap();
    assert_eq!((status, &body[..]), (200, &b"first"[..]));
    assert_eq!(
        names.asked().len(),
        1,
        "one look-up for one connection: what was checked is what was dialled"
    );
    assert_eq!(world.log.last().detail["address"], granted.address.to_string());
    for _ in 0..3 {
        let refused = get(&door, &url).await.err();
        assert!(matches!(refused, Some(Error::Prohibited { .. })), "{refused:?}");
    }
    assert_eq!((granted.connections(), victim.connections()), (1, 0));
}

#[tokio::test]
async fn a_connection_serves_only_the_grants_that_allowed_it() {
    let server = Server::saying("inside").await;
    let world = World::new();
    let (private, open) = (server.url("/private"), server.url("/open"));
    let host = format!("http://same.test:{}", server.port());
    let rules = [format!("GET {host}/private private=127.0.0.0/8"), format!("GET {host}/open")];
    let door = world.door(&rules.iter().map(String::as_str).collect::<Vec<_>>());
    assert_ne!(private, open);
    read(get(&door, &format!("{host}/private")).await).await.unwrap();
    // The connection is idle now. The other grant, and another principal with a grant of its own, must not find it.
    let refused = get(&door, &format!("{host}/open")).await.err();
    assert!(matches!(refused, Some(Error::Prohibited { .. })), "{refused:?}");
    let stranger =
        world.egress.door("component:stranger".parse().unwrap(), vec![crate::world::grant(&rules[1])]);
    assert!(matches!(get(&stranger, &format!("{host}/open")).await, Err(Error::Prohibited { .. })));
    // Taken back, the grant's connection is gone too.
    door.set_grants(vec![crate::world::grant(&rules[1])]);
    assert!(matches!(get(&door, &format!("{host}/open")).await, Err(Error::Prohibited { .. })));
    assert_eq!(server.connections(), 1);
    assert_eq!(server.seen().len(), 1);
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_request() {
    let server = Server::saying("hello").await;
    let world = World::new();
    let door = world.door(&[&format!("GET {} private=127.0.0.0/8", server.url("/**"))]);
    for _ in 0..5 {
        read(get(&door, &server.url("/x")).await).await.unwrap();
    }
    assert_eq!((server.connections(), server.seen().len()), (1, 5));
}

#[tokio::test]
async fn a_metadata_address_inside_a_granted_range_stays_closed() {
    let world = World::new();
    let door = world.door(&["GET http://169.254.169.254/** private=169.254.0.0/16"]);
    let refused = get(&door, "http://169.254.169.254/latest/meta-data/").await.err();
    assert!(matches!(refused, Some(Error::Prohibited { .. })), "{refused:?}");
    let allow = world.log.last().detail["allow"].as_str().unwrap().to_owned();
    assert!(allow.contains("169.254.169.254/32"), "{allow}");
}

#[tokio::test]
async fn the_environment_names_no_proxy() {
    // A proxy in the environment would look names up itself, past the guard. `no_proxy` cannot be seen from outside
    // but by setting one: the variable is read when a client is built.
    let proxy = Server::saying("from the proxy").await;
    let server = Server::saying("from the server").await;
    let this = std::env::current_exe().unwrap();
    #[expect(clippy::disallowed_methods, reason = "a child with another environment")]
    let mut child = std::process::Command::new(this);
    child
        .args(["--exact", "address::with_a_proxy_in_the_environment", "--nocapture"])
        .env("http_proxy", format!("http://{}", proxy.address))
        .env("ALL_PROXY", format!("http://{}", proxy.address))
        .env("OPENPACT_TEST_SERVER", server.address.to_string());
    let ended = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stdout));
    assert_eq!((proxy.connections(), server.connections()), (0, 1));
}

/// The child of the test above; does nothing where that did not start it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the parent test names its server this way")]
async fn with_a_proxy_in_the_environment() {
    let Ok(server) = std::env::var("OPENPACT_TEST_SERVER") else { return };
    let world = World::new();
    let url = format!("http://{server}/");
    let door = world.door(&[&format!("GET {url} private=127.0.0.0/8")]);
    let body = get(&door, &url).await.unwrap().into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], b"from the server");
}

#[tokio::test]
async fn a_name_without_address_and_a_closed_port_tell_apart() {
    let nobody = Names::new(|_, _| Vec::new());
    let world = World::with(Config { lookup: Some(nobody), ..Config::default() });
    let door = world.door(&["GET http://nobody.test/**"]);
    assert!(
        matches!(get(&door, "http://nobody.test/").await, Err(Error::Dns { host }) if host == "nobody.test")
    );

    let closed = Server::saying("").await;
    let (url, address) = (closed.url("/"), closed.address);
    drop(closed);
    while tokio::net::TcpStream::connect(address).await.is_ok() {
        tokio::task::yield_now().await;
    }
    let world = World::new();
    let door = world.door(&[&format!("GET {url} private=127.0.0.0/8")]);
    assert!(matches!(get(&door, &url).await, Err(Error::Connect { why: "refused", .. })));
    // TLS to something that speaks none.
    let plain = Arc::new(Server::start(|_| vec![Step::Close]).await);
    let url = format!("https://plain.test:{}/", plain.port());
    let door = world.door(&[&format!("GET {url} private=127.0.0.0/8")]);
    let failed = door
        .send(
            request("GET", &url, &[], empty()).unwrap(),
            Options { total: Some(std::time::Duration::from_secs(2)), ..Options::default() },
            &References::none(),
        )
        .await
        .err();
    assert!(failed.is_some_and(|error| !error.is_denial()));
}

#[tokio::test]
async fn a_configured_proxy_is_asked_only_for_what_passes_the_guard() {
    let proxy = Server::saying("from the proxy").await;
    let names = Names::new(|_, host| match host {
        "proxy.test" | "inside.test" => vec![[127, 0, 0, 1].into()],
        "outside.test" => vec![[1, 1, 1, 1].into()],
        _ => Vec::new(),
    });
    let world = World::with(Config {
        lookup: Some(names),
        proxy: Some(format!("http://proxy.test:{}", proxy.port()).parse().unwrap()),
        ..Config::default()
    });
    assert!(!world.egress.pins_addresses());
    let door = world.door(&["GET http://*.test/**", "GET http://127.0.0.1/**"]);
    for url in ["http://inside.test/", "http://127.0.0.1/"] {
        assert!(matches!(get(&door, url).await, Err(Error::Prohibited { .. })), "{url}");
    }
    assert_eq!(proxy.connections(), 0);
    for url in ["http://outside.test/a", "http://only-the-proxy-knows.test/b"] {
        assert_eq!(&read(get(&door, url).await).await.unwrap().1[..], b"from the proxy", "{url}");
        assert_eq!(proxy.seen().last().unwrap().line(), format!("GET {url} HTTP/1.1"));
    }
    for wrong in
        ["https://proxy.test", "http://user:password@proxy.test", "http://proxy.test/path", "socks5://x"]
    {
        let config = Config { proxy: Some(wrong.parse().unwrap()), ..Config::default() };
        let ports = openpact_egress::Ports {
            clock: Arc::new(openpact_model::clock::SystemClock),
            random: Arc::new(openpact_model::random::SystemRandom),
            audit: world.log.clone(),
            secrets: world.vault.clone(),
        };
        assert!(matches!(config.build(ports), Err(Error::Setup(_))), "{wrong}");
    }
}
