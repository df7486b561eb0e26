//! Rules: what is accepted reads back as it was, and the matcher finds what a second reading of the text finds, which
//! shares no code with it.

use http::Method;
use openpact_egress::rule::{Matcher, Rule, Target, warnings};
use url::Url;

pub(crate) const WORDS: &[&str] = &[
    "GET ",
    "GET,POST ",
    "* ",
    "https://",
    "http://",
    "wss://",
    "*.",
    "/**",
    "/*",
    "**",
    "%2e%2e",
    "%2F",
    "%5c",
    "%00",
    "%25",
    "%252e",
    "..;",
    ";",
    "//",
    "/./",
    ":443",
    ":80",
    ":8080",
    "127.0.0.1",
    "[::1]",
    "xn--bcher-kva",
    "bücher",
    " credential=a",
    " private=10.0.0.0/8",
    " rate=1/s burst=2",
    " request-max=1MiB",
    " timeout=5",
    "\n> GET http://a.test/x",
    "\nGET http://a.test/**",
    "\n> POST https://b.a.test/",
    "@",
    "\\",
    "a.test",
    "b.a.test",
];

/// The most rules of one input.
const MOST: usize = 40;

/// Each line that starts with `>` is a request, each other line a rule.
///
/// # Panics
/// Where a promise is broken.
pub fn rule(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let (asked, written): (Vec<&str>, Vec<&str>) = text.lines().partition(|line| line.starts_with('>'));
    let mut rules: Vec<(&str, Rule)> = Vec::new();
    for line in written.into_iter().take(MOST) {
        match line.parse::<Rule>() {
            Ok(rule) => {
                let shown = rule.to_string();
                assert_eq!(shown.parse::<Rule>().as_ref(), Ok(&rule), "{line:?} is shown as {shown:?}");
                rules.push((line, rule));
            }
            Err(error) => {
                assert!((1..=line.chars().count() + 1).contains(&error.column), "{line:?}: {error}");
            }
        }
    }
    let all: Vec<Rule> = rules.iter().map(|(_, rule)| rule.clone()).collect();
    let unused = never_used(&all);
    let matcher = Matcher::new(all);
    for line in asked.into_iter().take(MOST) {
        let Some((method, url)) = line[1..].trim().split_once(' ') else { continue };
        let (Ok(method), Ok(url)) = (method.parse::<Method>(), Url::parse(url.trim())) else { continue };
        let Some(target) = Target::of(&method, &url) else { continue };
        let found = matcher.matching(&target);
        let expected = (0..rules.len()).filter(|place| naive(rules[*place].0, method.as_str(), &url));
        assert_eq!(found, expected.collect::<Vec<_>>(), "{method} {url} under {rules:?}");
        assert!(found.first().is_none_or(|first| !unused.contains(first)), "{method} {url} under {rules:?}");
        suggested(&target, &url);
    }
}

/// The rules that a warning says are never used.
fn never_used(rules: &[Rule]) -> Vec<usize> {
    let unused = warnings(rules).into_iter().filter(|warning| warning.message.starts_with("never used"));
    unused.map(|warning| warning.rule).collect()
}

/// The rule that is named for a request allows it, if it can be read at all, and nothing of another host.
fn suggested(target: &Target<'_>, url: &Url) {
    let rule = Rule::allowing(target);
    let Ok(read) = rule.to_string().parse::<Rule>() else { return };
    assert_eq!(read, rule);
    assert_eq!(read.matches(target), !target.path.is_hostile(), "{read} and {url}");
    assert!(!rule.to_string().contains("**"), "{rule}");
}

/// Reads the rule's text again with the simplest means.
fn naive(rule: &str, method: &str, url: &Url) -> bool {
    let mut words = rule.split_whitespace();
    let (methods, location) = (words.next().unwrap(), words.next().unwrap());
    let (scheme, rest) = location.split_once("://").unwrap();
    let (authority, path) = rest.split_once('/').unwrap();
    let (host, port) = match authority.rfind(':') {
        Some(colon) if !authority.ends_with(']') => {
            (&authority[..colon], authority[colon + 1..].parse().unwrap())
        }
        _ => (authority, if matches!(scheme, "https" | "wss") { 443_u16 } else { 80 }),
    };
    let port_of_request = url.port_or_known_default().unwrap();
    (methods == "*" || methods.split(',').any(|each| each == method))
        && scheme == url.scheme()
        && port == port_of_request
        && naive_host(host, url)
        && naive_path(path, &url.path()[1..])
}

fn naive_host(host: &str, url: &Url) -> bool {
    if host == "*" {
        return true;
    }
    // The host as it would be asked for.
    let canonical =
        |host: &str| Url::parse(&format!("http://{host}/")).unwrap().host_str().unwrap().to_owned();
    let asked = url.host_str().unwrap();
    match host.strip_prefix("*.") {
        Some(parent) => {
            let end = format!(".{}", canonical(parent));
            asked.len() > end.len() && asked.ends_with(&end)
        }
        None => canonical(host) == asked,
    }
}

fn naive_path(pattern: &str, path: &str) -> bool {
    let wanted: Vec<&str> = pattern.split('/').collect();
    let given: Vec<&str> = path.split('/').collect();
    let fits = match wanted.strip_suffix(&["**"]) {
        Some(start) => {
            given.len() > start.len() && start.iter().zip(&given).all(|(w, g)| naive_segment(w, g))
        }
        None => given.len() == wanted.len() && wanted.iter().zip(&given).all(|(w, g)| naive_segment(w, g)),
    };
    fits && !given.iter().any(|segment| is_hidden(segment) && dotted_within(segment))
}

fn naive_segment(wanted: &str, given: &str) -> bool {
    if wanted == "*" {
        return !decode(given.as_bytes()).is_empty();
    }
    !is_hidden(given) && decode(wanted.as_bytes()) == decode(given.as_bytes())
}

/// Whether a segment is not what it seems: an escaped slash, backslash, dot or zero byte, or something with `;` or an
/// escaped percent sign that comes to a dot segment.
fn is_hidden(segment: &str) -> bool {
    let lower = segment.to_ascii_lowercase();
    let escaped = ["%2f", "%5c", "%2e", "%00"].iter().any(|escape| lower.contains(escape));
    let odd = segment.contains(';') || lower.contains("%25") || lower.contains("%3b");
    escaped || (odd && dotted_within(segment))
}

/// Whether decoding it, up to four times more, makes a dot segment of it; or there is no end to it.
fn dotted_within(segment: &str) -> bool {
    let mut bytes = decode(segment.as_bytes());
    for _ in 0..4 {
        let text = String::from_utf8_lossy(&bytes).replace('\\', "/");
        let cut = |piece: &str| piece.split(';').next().map(str::to_owned);
        if text.split('/').filter_map(cut).any(|piece| piece == "." || piece == "..") {
            return true;
        }
        let next = decode(&bytes);
        if next == bytes {
            return false;
        }
        bytes = next;
    }
    true
}

fn decode(text: &[u8]) -> Vec<u8> {
    let (mut bytes, mut at) = (Vec::new(), 0);
    while at < text.len() {
        let escape = text.get(at + 1..at + 3).and_then(|digits| std::str::from_utf8(digits).ok());
        let value = escape.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        match value.and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(value) if text[at] == b'%' => {
                bytes.push(value);
                at += 3;
            }
            _ => {
                bytes.push(text[at]);
                at += 1;
            }
        }
    }
    bytes
}
