//! Every range that must not be reached, in every way to write an address of it, against listeners that count.
//!
//! [`none_arrives_here`] runs anywhere and listens on the loopback interface. [`none_arrives_where_every_address_is_here`]
//! goes further: in a network of its own, in which every address of the world leads to one listener, so that a request
//! that gets past the guard does arrive, whichever range it was for.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use jiff::Timestamp;
use openpact_egress::credential::References;
use openpact_egress::rule::{Rule, Target};
use openpact_egress::{Config, Error, Grant, Options, empty};

use crate::server::{Seen, Server, Step, reply};
use crate::world::{Names, World, get, grant, read};

/// The first and the last host of each range of IPv4, and the addresses of metadata services in and beyond them.
const FOUR: &[&str] = &[
    "0.0.0.0",
    "0.255.255.255",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.127.255.254",
    "100.100.100.200",
    "127.0.0.1",
    "127.0.0.53",
    "127.255.255.254",
    "169.254.0.1",
    "169.254.42.42",
    "169.254.169.254",
    "169.254.170.2",
    "169.254.170.23",
    "169.254.255.254",
    "172.16.0.1",
    "172.31.255.254",
    "192.0.0.1",
    "192.0.0.192",
    "192.0.2.1",
    "192.0.2.254",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.254",
    "198.18.0.1",
    "198.19.255.254",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.254",
    "255.255.255.255",
    "168.63.129.16",
];

/// The same for IPv6; what carries an address of IPv4 is made from [`FOUR`].
const SIX: &[&str] = &[
    "::",
    "::1",
    "64:ff9b:1::1",
    "100::1",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "3fff::1",
    "4000::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::23",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fd00:42::42",
    "fdff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
    "fe80::1",
    "febf::1",
    "fec0::1",
    "feff::1",
    "ff02::1",
    "ff0e::1",
];

/// All ways to write `address` as the host of a URL.
fn forms_of_four(address: Ipv4Addr) -> Vec<String> {
    let [a, b, c, d] = address.octets();
    let (all, low, middle) =
        (address.to_bits(), address.to_bits() & 0x00ff_ffff, address.to_bits() & 0x0000_ffff);
    let dotted = address.to_string();
    let digits = |map: &dyn Fn(u32) -> char| -> String {
        dotted.chars().map(|c| c.to_digit(10).map_or(c, map)).collect()
    };
    let percent = |text: &str, which: &dyn Fn(char) -> bool| -> String {
        text.chars()
            .map(|c| if which(c) { format!("%{:02x}", u32::from(c)) } else { c.to_string() })
            .collect()
    };
    let from = |first: u32| move |digit| char::from_u32(first + digit).unwrap();
    let mut hosts = vec![
        dotted.clone(),
        // Decimal, hexadecimal and octal, as one number.
        all.to_string(),
        format!("{all:#x}"),
        format!("0X{all:X}"),
        format!("0x{all:016x}"),
        format!("0{all:o}"),
        format!("000000000{all:o}"),
        // Two and three parts.
        format!("{a}.{low}"),
        format!("{a:#x}.{low}"),
        format!("{a}.{low:#x}"),
        format!("0{a:o}.0{low:o}"),
        format!("{a}.{b}.{middle}"),
        format!("{a}.{b:#x}.0{middle:o}"),
        // Four parts, each in its own base.
        format!("0{a:o}.0{b:o}.0{c:o}.0{d:o}"),
        format!("000{a:o}.000{b:o}.000{c:o}.000{d:o}"),
        format!("{a:#x}.{b:#x}.{c:#x}.{d:#x}"),
        format!("0X{a:02X}.0X{b:02X}.0X{c:02X}.0X{d:02X}"),
        format!("{a:#06x}.{b}.0{c:o}.{d}"),
        format!("{a}.0{b:o}.{c:#x}.{d}"),
        // Digits and dots that browsers fold to the common ones.
        digits(&from(0xff10)),
        digits(&from(0x1d7ce)),
        digits(&|digit| "⁰¹²³⁴⁵⁶⁷⁸⁹".chars().nth(digit as usize).unwrap()),
        digits(&|digit| "⓪①②③④⑤⑥⑦⑧⑨".chars().nth(digit as usize).unwrap()),
        dotted.replace('.', "。"),
        dotted.replace('.', "．"),
        dotted.replace('.', "｡"),
        // Characters that are taken out.
        dotted.replace('.', "\u{ad}."),
        dotted.replace('.', ".\u{200b}"),
        dotted.replacen('.', "\t.", 1),
        dotted.replacen('.', ".\n", 1),
        // Percent signs, once and twice.
        percent(&dotted, &|c| c == '.'),
        percent(&dotted, &|c| c != '.'),
        percent(&dotted, &|_| true),
        percent(&percent(&dotted, &|c| c == '.'), &|c| c == '%'),
        percent(&format!("{all:#x}"), &|_| true),
    ];
    let dots: Vec<String> = hosts.iter().map(|host| format!("{host}.")).collect();
    hosts.extend(dots);
    hosts.push(format!("{dotted}.."));
    hosts.push(format!("{dotted}%2e"));
    hosts.extend(carriers_of(address).iter().flat_map(|text| forms_of_six(text)));
    hosts
}

/// The addresses of IPv6 that carry `address`.
fn carriers_of(address: Ipv4Addr) -> Vec<String> {
    let (dotted, ab, cd) = (address.to_string(), address.to_bits() >> 16, address.to_bits() & 0xffff);
    let turned = !address.to_bits();
    vec![
        format!("::ffff:{dotted}"),
        format!("::ffff:{ab:x}:{cd:x}"),
        format!("0:0:0:0:0:ffff:{ab:x}:{cd:x}"),
        format!("0000:0000:0000:0000:0000:FFFF:{ab:04X}:{cd:04X}"),
        format!("::{dotted}"),
        format!("::{ab:x}:{cd:x}"),
        format!("::ffff:0:{dotted}"),
        format!("64:ff9b::{dotted}"),
        format!("64:FF9B::{ab:X}:{cd:X}"),
        format!("64:ff9b:1::{dotted}"),
        format!("2002:{ab:x}:{cd:x}::"),
        format!("2002:{ab:x}:{cd:x}::1"),
        format!("2002:{ab:X}:{cd:X}:1:2:3:4:5"),
        format!("2001:0:{ab:x}:{cd:x}::f7f7:f7f7"),
        format!("2001::101:101:0:0:{:x}:{:x}", turned >> 16, turned & 0xffff).replace("2001::", "2001:0:"),
        format!("2606:4700::5efe:{dotted}"),
        format!("2606:4700::200:5efe:{ab:x}:{cd:x}"),
    ]
}

/// In brackets, and with what some take for a zone.
fn forms_of_six(text: &str) -> Vec<String> {
    let mut hosts = vec![
        format!("[{text}]"),
        format!("[{}]", text.to_uppercase()),
        format!("[{text}%25lo]"),
        format!("[{text}%lo]"),
        format!("[{text}%251]"),
        format!("[{text}].").replace("].", "%2e]"),
    ];
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        let groups: Vec<String> = address.segments().iter().map(|group| format!("{group:04x}")).collect();
        hosts.push(format!("[{}]", groups.join(":")));
        hosts.push(format!("[{}]", groups.join(":").to_uppercase()));
    }
    hosts
}

/// Names that are said to be at the address, and what looks like them.
const NAMES: &[&str] = &[
    "localhost",
    "localhost.",
    "LOCALHOST",
    "LocalHost.",
    "sub.localhost",
    "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
    "ｌｏｃａｌｈｏｓｔ",
    "lo\u{ad}calhost",
    "local\u{200b}host",
    "%6c%6f%63%61%6c%68%6f%73%74",
    "lоcalhost",
    "innocent.test",
    "İnnocent.test",
    "ınnocent.test",
    "innоcent.test",
    "xn--innocent-9zb.test",
    "127.0.0.1.innocent.test",
    "2130706433.innocent.test",
    "metadata.google.internal",
    "127.0.0.1.nip.io",
    "7f000001.nip.io",
];

/// What stands around a host, each of which leads some reader astray.
const AROUND: &[&str] = &[
    "HTTP://HOST:PORT/",
    "http:\\\\HOST:PORT\\",
    "http:/HOST:PORT/",
    "http:HOST:PORT/",
    "http:///HOST:PORT/",
    "http://\tHOST:PORT/",
    "http://HOST:/",
    "http://HOST/",
    "http://HOST:0PORT/",
    "http://public.test@HOST:PORT/",
    "http://public.test:80@HOST:PORT/",
    "http://user:password@HOST:PORT/",
    "http://:@HOST:PORT/",
    "http://public.test%40HOST:PORT/",
    "http://public.test\\@HOST:PORT/",
    "http://HOST:PORT\\@public.test/",
    "http://HOST:PORT#@public.test/",
    "http://HOST:PORT?@public.test/",
    "http://HOST:PORT/../../../",
];

/// Every host alone, and each with one of the things around it in turn: of any two neighbouring hosts, of any two
/// addresses, none has the same.
fn urls(port: u16) -> impl Iterator<Item = String> {
    let put = move |form: &str, host: &str| form.replace("HOST", host).replace("PORT", &port.to_string());
    hosts().into_iter().enumerate().flat_map(move |(place, host)| {
        [put("http://HOST:PORT/", &host), put(AROUND[place % AROUND.len()], &host)]
    })
}

fn hosts() -> Vec<String> {
    let four = FOUR.iter().flat_map(|text| forms_of_four(text.parse().unwrap()));
    let six = SIX.iter().flat_map(|text| forms_of_six(text));
    four.chain(six).chain(NAMES.iter().map(|name| (*name).to_owned())).collect()
}

/// The grant that lets this host, port and method through, so that nothing but the address guard is left.
fn opened(url: &str) -> Option<Rule> {
    let url = url::Url::parse(url).ok()?;
    let method = http::Method::GET;
    let mut rule = Rule::allowing(&Target::of(&method, &url)?);
    rule.private = Vec::new();
    Some(rule)
}

/// Asks for every URL; each must be refused for its address, or be no URL that anybody sends.
async fn ask_for_all(world: &World, port: u16) -> (usize, usize) {
    let (mut guarded, mut unreadable) = (0, 0);
    for url in urls(port) {
        let grants = opened(&url).map(|rule| Grant { rule, placement: None, secret: None });
        let door = world.door_with(grants.into_iter().collect());
        let refused = get(&door, &url).await.err();
        let Some(refused) = refused else { panic!("{url:?} arrived") };
        let has_user = url::Url::parse(&url).is_ok_and(|url| !url.username().is_empty());
        match refused {
            Error::Prohibited { .. } => guarded += 1,
            Error::Invalid(_) => unreadable += 1,
            // Nothing but the user name may be what was refused: the grant is there.
            Error::Denied(_) if has_user => guarded += 1,
            other => panic!("{url:?} was not refused for its address: {other:?}"),
        }
        // As a guest hands it over, without our own reading of the text before the door.
        if let Ok(uri) = url.parse::<http::Uri>() {
            let mut raw = http::Request::new(empty());
            *raw.uri_mut() = uri;
            let refused = door.send(raw, Options::default(), &References::none()).await.err();
            assert!(refused.is_some_and(|error| error.is_denial()), "{url:?} as it is");
        }
    }
    (guarded, unreadable)
}

fn world_at(addresses: &'static [&'static str]) -> World {
    let names = Names::new(|_, _| addresses.iter().map(|text| text.parse().unwrap()).collect());
    World::with(Config { lookup: Some(names), ..Config::default() })
}

#[tokio::test]
async fn none_arrives_here() {
    let four = Server::saying("inside").await;
    let port = four.port();
    let six = Server::at(&format!("[::1]:{port}"), |_| vec![Step::Close]).await;
    let last = Server::at(&format!("127.255.255.254:{port}"), |_| vec![Step::Close]).await;
    let world = world_at(&["127.0.0.1"]);
    let (guarded, unreadable) = ask_for_all(&world, port).await;
    assert!(guarded > 9000 && unreadable > 1000, "{guarded} met the guard, {unreadable} were no URL");
    // Connections are counted in the order in which they come: ours is the first of each.
    for server in [&six, &last] {
        assert_eq!(count_with_one_more(server).await, 1);
    }
    // The same listener is reached where a grant names the address: the table could fail.
    let door = world.door(&[&format!("GET http://0x7f.1:{port}/ private=127.0.0.1")]);
    assert_eq!(read(get(&door, &format!("http://2130706433:{port}/")).await).await.unwrap().0, 200);
    assert_eq!(four.connections(), 1);
}

/// Connects once more, and gives how many connections there were when that one was counted.
async fn count_with_one_more(server: &Server) -> usize {
    let before = server.connections();
    let own = tokio::net::TcpStream::connect(server.address).await.unwrap();
    while server.connections() == before {
        tokio::task::yield_now().await;
    }
    drop(own);
    server.connections()
}

/// Runs [`inside`] where every address is this machine's.
#[tokio::test]
async fn none_arrives_where_every_address_is_here() {
    const NETWORK: &str = "ip link set lo up && ip route add local 0.0.0.0/0 dev lo && \
                           ip -6 route add local ::/0 dev lo && exec \"$@\"";
    #[expect(clippy::disallowed_methods, reason = "a child with a network of its own")]
    let run = |arguments: &[&str]| {
        let mut child = std::process::Command::new("unshare");
        child.args(["--map-root-user", "--net", "sh", "-c", NETWORK, "sh"]).args(arguments);
        child.env(INSIDE, "1");
        tokio::task::spawn_blocking(move || child.output())
    };
    match run(&["true"]).await.unwrap() {
        Ok(probe) if probe.status.success() => {}
        other => {
            eprintln!("skipped, since no network of its own can be made here (unshare, ip): {other:?}");
            return;
        }
    }
    let this = std::env::current_exe().unwrap();
    let this = this.to_str().unwrap();
    let ended = run(&[this, "--exact", "table::inside", "--nocapture"]).await.unwrap().unwrap();
    let told = String::from_utf8_lossy(&ended.stdout).into_owned() + &String::from_utf8_lossy(&ended.stderr);
    assert!(ended.status.success() && told.contains(DONE), "{told}");
}

const INSIDE: &str = "OPENPACT_TEST_EVERY_ADDRESS";
const DONE: &str = "every address was tried";

/// The child of the test above; does nothing where that did not start it.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "the parent test starts it this way")]
async fn inside() {
    if std::env::var(INSIDE).is_err() {
        return;
    }
    let everywhere = Server::at("[::]:0", |_| vec![Step::Write(reply("200 OK", &[], b"here"))]).await;
    let port = everywhere.port();
    // Addresses of every range do lead to the listener, and a public one does through the door.
    let mut reached = 0;
    for text in FOUR.iter().chain(SIX) {
        reached += usize::from(tokio::net::TcpStream::connect((*text, port)).await.is_ok());
    }
    assert!(reached > 30, "only {reached} of the addresses lead here");
    let before = settled(&everywhere, reached).await;
    let world = world_at(&["1.1.1.1"]);
    for (place, host) in ["public.test", "8.8.8.8", "[2606:4700:4700::1111]", "0x08080808"].iter().enumerate()
    {
        let door = world.door(&[&format!("GET http://{host}:{port}/**")]);
        let url = format!("http://{host}:{port}/");
        assert_eq!(&read(get(&door, &url).await).await.unwrap().1[..], b"here", "{host}");
        assert_eq!(settled(&everywhere, before + place + 1).await, everywhere.connections(), "{host}");
    }
    let before = settled(&everywhere, before + 4).await;
    ask_for_all(&world_at(&["10.0.0.1"]), port).await;
    a_name_at_any_of_them(port).await;
    count_mode(port).await;
    assert_eq!(count_with_one_more(&everywhere).await, before + 1, "none of them arrived");
    public_first_and_loopback_next().await;
    redirects_from_outside().await;
    println!("{DONE}");
}

async fn settled(server: &Server, count: usize) -> usize {
    while server.connections() < count {
        tokio::task::yield_now().await;
    }
    count
}

/// Alone, before and behind a public address.
async fn a_name_at_any_of_them(port: u16) {
    let public: IpAddr = "1.1.1.1".parse().unwrap();
    for text in FOUR.iter().chain(SIX) {
        let address: IpAddr = text.parse().unwrap();
        for answer in [vec![address], vec![public, address], vec![address, public]] {
            let given = answer.clone();
            let names = Names::new(move |_, _| given.clone());
            let world = World::with(Config { lookup: Some(names.clone()), ..Config::default() });
            let door = world.door(&[&format!("GET http://innocent.test:{port}/**")]);
            let refused = get(&door, &format!("http://innocent.test:{port}/")).await.err();
            assert!(matches!(refused, Some(Error::Prohibited { .. })), "{answer:?}: {refused:?}");
            assert_eq!(names.asked().len(), 1, "looked up once");
        }
    }
}

/// Count mode passes over grants, not over addresses.
async fn count_mode(port: u16) {
    let until = Some(Timestamp::from_second(4_000_000_000).unwrap());
    let world = world_at(&["169.254.169.254"]);
    for host in FOUR.iter().map(|text| (*text).to_owned()).chain(SIX.iter().map(|text| format!("[{text}]"))) {
        let door = world.door(&[]);
        door.count_until(until);
        for host in [host.as_str(), "innocent.test"] {
            let refused = get(&door, &format!("http://{host}:{port}/")).await.err();
            assert!(matches!(refused, Some(Error::Prohibited { .. })), "{host}: {refused:?}");
            assert_eq!(world.log.last().detail["would_deny"], true);
        }
    }
}

/// What was looked up once is not looked up again for the connection; a name that changes its mind reaches nothing.
async fn public_first_and_loopback_next() {
    let outside = Server::at("1.1.1.1:0", |_| {
        vec![Step::Write(reply("200 OK", &[("connection", "close")], b"outside")), Step::Close]
    })
    .await;
    let port = outside.port();
    let victims = [
        Server::at(&format!("127.0.0.1:{port}"), |_| vec![Step::Close]).await,
        Server::at(&format!("169.254.169.254:{port}"), |_| vec![Step::Close]).await,
        Server::at(&format!("[::1]:{port}"), |_| vec![Step::Close]).await,
    ];
    let names = Names::new(|before, _| {
        let answer = ["1.1.1.1", "127.0.0.1", "169.254.169.254", "::1"][before.min(3)];
        vec![answer.parse().unwrap()]
    });
    let world = World::with(Config { lookup: Some(names.clone()), ..Config::default() });
    let url = format!("http://rebind.test:{port}/");
    let door = world.door(&[&format!("GET {url}")]);
    assert_eq!(&read(get(&door, &url).await).await.unwrap().1[..], b"outside");
    assert_eq!(names.asked().len(), 1, "one look-up for one connection");
    for _ in 0..5 {
        assert!(matches!(get(&door, &url).await, Err(Error::Prohibited { .. })));
    }
    assert_eq!(outside.connections(), 1);
    for victim in &victims {
        assert_eq!(count_with_one_more(victim).await, 1);
    }
}

/// A public server that redirects inward, directly and by way of itself.
async fn redirects_from_outside() {
    let inside = Server::at("[::]:0", |_| vec![Step::Write(reply("200 OK", &[], b"inside"))]).await;
    let port = inside.port();
    let outside = Arc::new(
        Server::at("1.1.1.1:0", |seen: &Seen| {
            let path = seen.line().split(' ').nth(1).unwrap_or_default();
            let target = path.strip_prefix("/to/").and_then(|hex| hex::decode(hex).ok()).unwrap_or_default();
            let target = String::from_utf8_lossy(&target).into_owned();
            vec![Step::Write(reply("302 Found", &[("location", &target)], b""))]
        })
        .await,
    );
    let world = world_at(&["192.168.0.1"]);
    let to = |target: &str| format!("http://{}/to/{}", outside.address, hex::encode(target));
    for host in FOUR.iter().map(|text| (*text).to_owned()).chain(SIX.iter().map(|text| format!("[{text}]"))) {
        for host in [host.as_str(), "innocent.test"] {
            let target = format!("http://{host}:{port}/");
            let granted = Grant { rule: opened(&target).unwrap(), placement: None, secret: None };
            let door = world.door_with(vec![grant(&format!("GET http://{}/**", outside.address)), granted]);
            for url in [to(&target), to(&to(&target)), to(&to(&to(&to(&target))))] {
                let refused = get(&door, &url).await.err();
                assert!(matches!(refused, Some(Error::Prohibited { .. })), "{target}: {refused:?}");
            }
        }
    }
    assert_eq!(count_with_one_more(&inside).await, 1);
}
