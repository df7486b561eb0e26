//! URLs: what is judged is what is sent, reading it again changes nothing, and no name is a disguised address.

use std::net::{IpAddr, Ipv4Addr};

use http::{Method, Uri};
use openpact_egress::rule::{Rule, Target};
use openpact_egress::{destination, empty, request};
use url::{Host, Url};

pub(crate) const WORDS: &[&str] = &[
    "http://",
    "https://",
    "HTTP:",
    "//",
    "\\\\",
    "\\",
    "@",
    ":",
    ":80",
    ":443",
    ":0",
    ":",
    "#",
    "?",
    "%2f",
    "%2e",
    "%00",
    "%25",
    "%40",
    "127.0.0.1",
    "0x7f.1",
    "0177.1",
    "2130706433",
    "0x7f000001",
    "[::1]",
    "[::ffff:7f00:1]",
    "%25lo",
    "localhost",
    "。",
    "．",
    "１２７",
    "①②⑦",
    "\u{ad}",
    "\u{200b}",
    "xn--",
    "ß",
    "İ",
    "\t",
    "\n",
    "\r\n",
    "/../",
    "/./",
    "/%2e%2e/",
    "..;",
    "user:pass@",
    "a.test",
    ".",
    "..",
];

/// Takes the bytes for a URL as a script writes it, and for a URI as a guest hands it over.
///
/// # Panics
/// Where a promise is broken.
pub fn url(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(request) = request("GET", &text, &[], empty()) {
        let uri = request.uri();
        // The text's own reading, by the rules of browsers, and the reading of what it became are one.
        let (read, judged) = (Url::parse(&text).unwrap(), destination(uri));
        if let Ok(judged) = judged {
            let mut read = read;
            read.set_fragment(None);
            assert_eq!(read, judged, "{text:?}");
            check(&judged);
        }
    }
    if let Ok(uri) = text.parse::<Uri>()
        && let Ok(judged) = destination(&uri)
    {
        check(&judged);
    }
}

fn check(judged: &Url) {
    assert!(matches!(judged.scheme(), "http" | "https"), "{judged}");
    assert!(
        judged.username().is_empty() && judged.password().is_none() && judged.fragment().is_none(),
        "{judged}"
    );
    assert_eq!(Url::parse(judged.as_str()).as_ref(), Ok(judged), "reading it again changes it");
    is_what_is_sent(judged);
    if let Some(Host::Domain(name)) = judged.host() {
        assert!(name.parse::<IpAddr>().is_err() && resolver_reads(name).is_none(), "{name} is an address");
    }
    narrow(judged);
}

/// The HTTP client makes its request line and its `Host` from this.
fn is_what_is_sent(judged: &Url) {
    let Ok(sent) = judged.as_str().parse::<Uri>() else { return };
    assert_eq!(sent.scheme_str(), Some(judged.scheme()), "{judged}");
    assert_eq!(sent.host(), judged.host_str(), "{judged}");
    assert_eq!(sent.port_u16(), judged.port(), "{judged}");
    assert_eq!(sent.path(), judged.path(), "{judged}");
    assert_eq!(sent.query(), judged.query(), "{judged}");
    let line = sent.path_and_query().unwrap().as_str();
    assert!(!line.bytes().any(|byte| byte <= b' ' || byte == 0x7f), "{line:?} splits a request");
    let dots =
        |segment: &str| matches!(segment.to_ascii_lowercase().replace("%2e", ".").as_str(), "." | "..");
    assert!(!sent.path().split('/').any(dots), "{judged} climbs");
    assert!(!sent.host().unwrap().contains(['@', '\\', '/', '?', '#', '%', ' ']), "{judged}");
}

/// The rule that allows this allows it after it was written down and read, and nothing beside it.
fn narrow(judged: &Url) {
    let Some(target) = Target::of(&Method::GET, judged) else { return };
    let Ok(rule) = Rule::allowing(&target).to_string().parse::<Rule>() else { return };
    assert_eq!(rule.matches(&target), !target.path.is_hostile(), "{rule} and {judged}");
    let mut others = Vec::new();
    let mut beside = |change: &dyn Fn(&mut Url) -> bool| {
        let mut other = judged.clone();
        if change(&mut other) && other != *judged {
            others.push(other);
        }
    };
    beside(&|url| url.set_host(Some("other.test")).is_ok());
    beside(&|url| url.set_host(Some("127.0.0.3")).is_ok());
    beside(&|url| url.set_port(Some(81)).is_ok());
    beside(&|url| {
        let path = format!("{}/more", url.path());
        url.set_path(&path);
        true
    });
    for other in others {
        let target = Target::of(&Method::GET, &other).unwrap();
        assert!(!rule.matches(&target), "{rule} allows {other}");
    }
    assert!(!rule.matches(&Target::of(&Method::PUT, judged).unwrap()), "{rule} allows PUT");
}

/// The address that the C library's resolver would take a name for, without asking anybody: `inet_aton` (POSIX,
/// `inet_addr`), one to four numbers in decimal, octal or hexadecimal.
fn resolver_reads(name: &str) -> Option<Ipv4Addr> {
    let numbers: Option<Vec<u32>> = name.split('.').map(number).collect();
    let numbers = numbers?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3 || first.iter().any(|number| *number > 255) {
        return None;
    }
    let room = 32 - 8 * u32::try_from(first.len()).ok()?;
    if room < 32 && *last >> room != 0 {
        return None;
    }
    let start = first.iter().enumerate().fold(0, |all, (at, number)| all | number << (24 - 8 * at));
    Some(Ipv4Addr::from_bits(start | last))
}

fn number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (digits, base) = match lower.strip_prefix("0x") {
        Some(digits) => (digits, 16),
        None if lower.len() > 1 && lower.starts_with('0') => (&lower[1..], 8),
        None => (&lower[..], 10),
    };
    let all = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base));
    all.then(|| u32::from_str_radix(digits, base).ok())?
}
