//! The parser of rules.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use ipnet::IpNet;

use super::{Host, Methods, Rate, Rule, Scheme, path};

/// The longest `timeout`.
const MAX_TIMEOUT: u64 = 3600;

/// A rule that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("column {column}: {message}")]
pub struct Error {
    /// Where, in characters from 1.
    pub column: usize,
    /// What is wrong and what to write instead.
    pub message: String,
}

/// One word of the rule and where it starts, in bytes.
#[derive(Clone, Copy)]
struct Word<'a> {
    text: &'a str,
    start: usize,
}

impl Word<'_> {
    /// The part of this word from byte `offset` on.
    fn from(self, offset: usize) -> Self {
        Word { text: &self.text[offset..], start: self.start + offset }
    }

    /// Cuts the word in two at byte `at`.
    fn cut(self, at: usize) -> (Self, Self) {
        (Word { text: &self.text[..at], ..self }, self.from(at))
    }
}

/// The whole text, to turn byte offsets into columns.
#[derive(Clone, Copy)]
struct Source<'a>(&'a str);

impl<'a> Source<'a> {
    fn error(self, offset: usize, message: impl Into<String>) -> Error {
        Error { column: self.0[..offset].chars().count() + 1, message: message.into() }
    }

    fn words(self) -> impl Iterator<Item = Word<'a>> {
        let start = self.0.as_ptr() as usize;
        self.0.split_whitespace().map(move |text| Word { text, start: text.as_ptr() as usize - start })
    }
}

pub(super) fn rule(text: &str) -> Result<Rule, Error> {
    let source = Source(text);
    let mut words = source.words();
    let missing = |what: &str| {
        let form = "METHODS SCHEME://HOST[:PORT]/PATH [options]";
        source.error(text.trim_end().len(), format!("{what} is missing; a rule reads {form}"))
    };
    let first = words.next().ok_or_else(|| missing("the list of methods"))?;
    let methods = methods(source, first)?;
    let address = words.next().ok_or_else(|| missing("the address"))?;
    let (scheme, host, port, path) = location(source, address)?;
    check_methods(source, first, &methods, scheme, &host)?;
    let mut rule = Rule {
        methods,
        scheme,
        host,
        port,
        path,
        credential: None,
        private: Vec::new(),
        rate: None,
        request_max: None,
        response_max: None,
        timeout: None,
    };
    options(source, words, &mut rule)?;
    Ok(rule)
}

fn methods(source: Source<'_>, word: Word<'_>) -> Result<Methods, Error> {
    if word.text == "*" {
        return Ok(Methods::Any);
    }
    let mut methods = Vec::new();
    let mut offset = 0;
    for method in word.text.split(',') {
        let at = word.start + offset;
        if method.is_empty() || !method.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'-') {
            let message =
                format!("'{method}' is not a method: write names in capitals, such as GET,POST, or '*'");
            return Err(source.error(at, message));
        }
        if matches!(method, "CONNECT" | "TRACE") {
            return Err(source.error(at, format!("{method} never passes")));
        }
        methods.push(method.to_owned());
        offset += method.len() + 1;
    }
    methods.sort();
    methods.dedup();
    Ok(Methods::Of(methods))
}

fn check_methods(
    source: Source<'_>,
    word: Word<'_>,
    methods: &Methods,
    scheme: Scheme,
    host: &Host,
) -> Result<(), Error> {
    let only = |allowed: &[&str]| match methods {
        Methods::Any => false,
        Methods::Of(methods) => methods.iter().all(|method| allowed.contains(&method.as_str())),
    };
    if *host == Host::Any && (scheme != Scheme::Https || !only(&["GET", "HEAD"])) {
        return Err(source.error(word.start, "any site ('*') is only for reading: GET,HEAD over https"));
    }
    if matches!(scheme, Scheme::Ws | Scheme::Wss) && *methods != Methods::Any && !only(&["GET"]) {
        return Err(source.error(word.start, "a WebSocket is opened with GET"));
    }
    Ok(())
}

fn location(source: Source<'_>, word: Word<'_>) -> Result<(Scheme, Host, u16, path::Pattern), Error> {
    let (scheme, rest) = word
        .text
        .find("://")
        .and_then(|end| Some((Scheme::read(&word.text[..end])?, word.from(end + 3))))
        .ok_or_else(|| {
            source.error(word.start, "the address starts with https://, http://, wss:// or ws://")
        })?;
    let Some(slash) = rest.text.find('/') else {
        let end = rest.start + rest.text.len();
        return Err(source.error(end, "the path is missing; write /** for every path"));
    };
    let (authority, path) = rest.cut(slash);
    let (host, port) = authority_parts(source, authority, scheme)?;
    let path = path::Pattern::parse(path.text)
        .map_err(|wrong| source.error(path.start + wrong.offset, wrong.why))?;
    Ok((scheme, host, port, path))
}

fn authority_parts(source: Source<'_>, word: Word<'_>, scheme: Scheme) -> Result<(Host, u16), Error> {
    let end_of_host = if word.text.starts_with('[') {
        let bracket = word.text.find(']');
        bracket.ok_or_else(|| source.error(word.start, "the ']' after the address is missing"))? + 1
    } else {
        word.text.find(':').unwrap_or(word.text.len())
    };
    let (host, port) = word.cut(end_of_host);
    let host = self::host(source, host)?;
    let Some(digits) = port.text.strip_prefix(':') else {
        return match port.text {
            "" => Ok((host, scheme.default_port())),
            _ => Err(source.error(port.start, "only ':PORT' may follow the host")),
        };
    };
    let port = number(digits).and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
    let port = port
        .ok_or_else(|| source.error(word.start + end_of_host + 1, "the port is a number from 1 to 65535"))?;
    Ok((host, port))
}

fn host(source: Source<'_>, word: Word<'_>) -> Result<Host, Error> {
    let error = |message: &str| source.error(word.start, message);
    if word.text == "*" {
        return Ok(Host::Any);
    }
    if let Some(address) = word.text.strip_prefix('[') {
        let address = address.trim_end_matches(']').parse::<Ipv6Addr>();
        return address
            .map(|address| Host::Address(IpAddr::V6(address)))
            .map_err(|_| error("this is not an IPv6 address; zone identifiers are not allowed"));
    }
    let (name, wild) = word.text.strip_prefix("*.").map_or((word.text, false), |name| (name, true));
    if name.contains('*') {
        return Err(error("'*' may only stand for the first labels of a name: '*.example.com'"));
    }
    if name.contains(['@', '%']) {
        return Err(error("a host has neither user information nor percent signs"));
    }
    if name.ends_with('.') {
        return Err(error("write the host without the dot at its end"));
    }
    match (url::Host::parse(name), wild) {
        (Ok(url::Host::Domain(name)), true) => Ok(Host::Under(name)),
        (Ok(url::Host::Domain(name)), false) => Ok(Host::Name(name)),
        (Ok(url::Host::Ipv4(address)), false) => Ok(Host::Address(IpAddr::V4(address))),
        (Ok(_), _) => Err(error("'*.' needs a name, not an address")),
        (Err(_), _) => Err(error("this is not a host name")),
    }
}

fn options<'a>(
    source: Source<'a>,
    words: impl Iterator<Item = Word<'a>>,
    rule: &mut Rule,
) -> Result<(), Error> {
    let mut seen = Vec::new();
    let mut rate: Option<(u32, usize)> = None;
    let mut burst: Option<(u32, usize)> = None;
    for word in words {
        let known = "credential, private, rate, burst, request-max, response-max, timeout";
        let Some((key, _)) = word.text.split_once('=') else {
            return Err(source.error(word.start, format!("expected NAME=VALUE, with one of {known}")));
        };
        if seen.contains(&key) {
            return Err(source.error(word.start, format!("'{key}' is given twice")));
        }
        seen.push(key);
        let value = word.from(key.len() + 1);
        match key {
            "credential" => rule.credential = Some(credential(source, value)?),
            "private" => rule.private = ranges(source, value)?,
            "rate" => rate = Some((per_second(source, value)?, word.start)),
            "burst" => burst = Some((count(source, value)?, word.start)),
            "request-max" => rule.request_max = Some(size(source, value)?),
            "response-max" => rule.response_max = Some(size(source, value)?),
            "timeout" => rule.timeout = Some(timeout(source, value)?),
            _ => {
                return Err(source.error(word.start, format!("'{key}' is not one of {known}")));
            }
        }
    }
    rule.rate = match (rate, burst) {
        (Some((per_second, _)), burst) => {
            Some(Rate { per_second, burst: burst.map_or(per_second, |(burst, _)| burst) })
        }
        (None, Some((_, at))) => return Err(source.error(at, "'burst' needs 'rate' beside it")),
        (None, None) => None,
    };
    Ok(())
}

fn credential(source: Source<'_>, value: Word<'_>) -> Result<String, Error> {
    if crate::credential::is_name(value.text) {
        return Ok(value.text.to_owned());
    }
    Err(source.error(value.start, "a credential's name has 1 to 64 of letters, digits, '_', '-' and '.'"))
}

fn ranges(source: Source<'_>, value: Word<'_>) -> Result<Vec<IpNet>, Error> {
    let mut ranges = Vec::new();
    let mut offset = 0;
    for text in value.text.split(',') {
        let range = text.parse::<IpNet>().or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
        let range = range.map_err(|_| {
            source.error(
                value.start + offset,
                format!("'{text}' is not a range such as 10.0.0.0/8 or fd00::/8"),
            )
        })?;
        if range.addr() != range.network() {
            let message = format!("the range has bits beyond its prefix; write {}", range.trunc());
            return Err(source.error(value.start + offset, message));
        }
        ranges.push(range);
        offset += text.len() + 1;
    }
    ranges.sort();
    ranges.dedup();
    Ok(ranges)
}

fn per_second(source: Source<'_>, value: Word<'_>) -> Result<u32, Error> {
    let Some(digits) = value.text.strip_suffix("/s") else {
        return Err(source.error(value.start, "a rate is written N/s"));
    };
    count(source, Word { text: digits, start: value.start })
}

fn count(source: Source<'_>, value: Word<'_>) -> Result<u32, Error> {
    let number =
        number(value.text).and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| source.error(value.start, "expected a whole number from 1 to 4294967295"))
}

fn timeout(source: Source<'_>, value: Word<'_>) -> Result<Duration, Error> {
    let digits = value.text.strip_suffix('s').unwrap_or(value.text);
    let seconds = number(digits).filter(|seconds| (1..=MAX_TIMEOUT).contains(seconds));
    seconds.map(Duration::from_secs).ok_or_else(|| {
        source.error(value.start, format!("a timeout is a number of seconds from 1 to {MAX_TIMEOUT}"))
    })
}

const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("", 1)];

fn size(source: Source<'_>, value: Word<'_>) -> Result<u64, Error> {
    let size = UNITS.iter().find_map(|(unit, bytes)| {
        let digits = value.text.strip_suffix(unit)?;
        number(digits)?.checked_mul(*bytes)
    });
    size.ok_or_else(|| {
        source.error(value.start, "a size is a number of bytes, or has the unit KiB, MiB or GiB")
    })
}

/// `size` with the largest unit that loses nothing.
pub(super) fn size_text(size: u64) -> String {
    let unit = UNITS.iter().find(|(_, bytes)| size >= *bytes && size.is_multiple_of(*bytes));
    let (unit, bytes) = unit.copied().unwrap_or(("", 1));
    format!("{}{unit}", size / bytes)
}

/// Digits and nothing else: `parse` would take a sign too.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}
