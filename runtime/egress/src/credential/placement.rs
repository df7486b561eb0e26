//! Placements: the one position in a request where a credential may stand, and the text around it.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderName, HeaderValue};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use crate::header;

/// What is encoded when a value is filled into a segment: everything but what a segment may hold as it is.
const SEGMENT: AsciiSet =
    NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b':').remove(b'@');
/// The same for the value of a query parameter.
const PARAMETER: AsciiSet = NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
/// What stands in a segment while its credential is taken out.
const EMPTY_SEGMENT: &str = "_";

/// Where a credential may stand: `header Authorization: Bearer {}`, `segment bot{}`, `query key={}`,
/// `basic user:{}`, `frame /d/token when /op in [2,6]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Placement {
    /// The whole value of one header.
    Header(HeaderName, Template),
    /// One whole segment of the path.
    Segment(Template),
    /// The whole value of one query parameter.
    Query(String, Template),
    /// User and password of `Authorization: Basic`, before base64.
    Basic(Template),
    /// One string in WebSocket frames that are JSON, by its pointer (RFC 6901).
    Frame(String, Option<When>),
}

/// A text with one place, `{}`, for the credential.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Template {
    before: String,
    after: String,
}

/// The condition of a frame placement: the value at a pointer is one of these.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct When {
    /// The pointer (RFC 6901).
    pub pointer: String,
    /// The values, as JSON texts.
    pub values: Vec<String>,
}

/// A placement that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{text}' is not a placement: {why}")]
pub struct PlacementError {
    /// The text as it was given.
    pub text: String,
    /// What is wrong.
    pub why: &'static str,
}

/// Where the credential goes in a request out of which its template was taken.
#[derive(Debug)]
pub(crate) enum Slot {
    Header(HeaderName, Template),
    Segment(usize, Template),
    Query(usize, Template),
    Basic(Template),
}

/// What was found at a placement.
#[derive(Debug)]
pub(crate) enum Taken {
    /// Nothing: the request does not use the credential.
    Nothing,
    /// The complete template; it is no longer in the request.
    Template(Slot),
    /// Something else, where only the template may stand.
    Other,
}

impl Template {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let (before, after) = text.split_once("{}").ok_or("'{}' must stand where the credential goes")?;
        if after.contains("{}") {
            return Err("'{}' may stand there only once");
        }
        Ok(Self { before: before.to_owned(), after: after.to_owned() })
    }

    fn with(&self, value: &str) -> String {
        format!("{}{value}{}", self.before, self.after)
    }
}

impl Placement {
    /// The header that this placement owns: a guest may write nothing else there.
    pub fn header(&self) -> Option<&HeaderName> {
        match self {
            Self::Header(name, _) => Some(name),
            Self::Basic(_) => Some(&AUTHORIZATION),
            Self::Segment(_) | Self::Query(..) | Self::Frame(..) => None,
        }
    }

    /// The slot of a placement that is a header: it needs no place found in the request.
    pub(crate) fn header_slot(&self) -> Option<Slot> {
        match self {
            Self::Header(name, template) => Some(Slot::Header(name.clone(), template.clone())),
            Self::Basic(template) => Some(Slot::Basic(template.clone())),
            Self::Segment(_) | Self::Query(..) | Self::Frame(..) => None,
        }
    }

    /// Takes the complete template with `reference` out of the request.
    pub(crate) fn take(&self, reference: &str, url: &mut Url, headers: &mut HeaderMap) -> Taken {
        match self {
            Self::Header(name, template) => {
                let wanted = template.with(reference);
                let slot = || Slot::Header(name.clone(), template.clone());
                take_header(headers, name, |value| value == wanted.as_bytes(), slot)
            }
            Self::Basic(template) => {
                let wanted = template.with(reference);
                let is_wanted =
                    |value: &[u8]| basic_pair(value).is_some_and(|pair| pair == wanted.as_bytes());
                take_header(headers, &AUTHORIZATION, is_wanted, || Slot::Basic(template.clone()))
            }
            Self::Segment(template) => {
                let wanted = template.with(reference);
                let place = segments(url).position(|segment| decoded(segment) == wanted.as_bytes());
                let Some(place) = place else { return Taken::Nothing };
                set_segment(url, place, EMPTY_SEGMENT);
                Taken::Template(Slot::Segment(place, template.clone()))
            }
            Self::Query(key, template) => {
                let wanted = template.with(reference);
                let place = parameters(url)
                    .position(|(name, value)| name == key && decoded(value) == wanted.as_bytes());
                let Some(place) = place else { return Taken::Nothing };
                set_parameter(url, place, "");
                Taken::Template(Slot::Query(place, template.clone()))
            }
            Self::Frame(..) => Taken::Nothing,
        }
    }

    /// Turns a value that already stands in `url` at this placement back into its reference: a server that redirects
    /// repeats what it was sent.
    pub(crate) fn unfill(&self, value: &str, reference: &str, url: &mut Url) {
        match self {
            Self::Segment(template) => {
                let filled = template.with(value);
                let place = segments(url).position(|segment| decoded(segment) == filled.as_bytes());
                if let Some(place) = place {
                    set_segment(url, place, &template.with(reference));
                }
            }
            Self::Query(key, template) => {
                let filled = template.with(value);
                let place = parameters(url)
                    .position(|(name, value)| name == key && decoded(value) == filled.as_bytes());
                if let Some(place) = place {
                    set_parameter(url, place, &template.with(reference));
                }
            }
            Self::Header(..) | Self::Basic(_) | Self::Frame(..) => {}
        }
    }
}

impl Slot {
    /// Writes the value into the request.
    ///
    /// # Errors
    /// What about the value makes it unfit for this place, for the admin.
    pub(crate) fn fill(
        self,
        value: &str,
        url: &mut Url,
        headers: &mut HeaderMap,
    ) -> Result<(), &'static str> {
        match self {
            Self::Header(name, template) => set_header(headers, name, &template.with(value)),
            Self::Basic(template) => {
                let text = format!("Basic {}", STANDARD.encode(template.with(value)));
                set_header(headers, AUTHORIZATION, &text)
            }
            Self::Segment(place, template) => {
                let filled = template.with(value);
                if matches!(filled.as_str(), "." | ".." | "") {
                    return Err("it would be a dot segment or an empty one");
                }
                set_segment(url, place, &utf8_percent_encode(&filled, &SEGMENT).to_string());
                Ok(())
            }
            Self::Query(place, template) => {
                set_parameter(
                    url,
                    place,
                    &utf8_percent_encode(&template.with(value), &PARAMETER).to_string(),
                );
                Ok(())
            }
        }
    }
}

fn take_header(
    headers: &mut HeaderMap,
    name: &HeaderName,
    is_wanted: impl Fn(&[u8]) -> bool,
    slot: impl FnOnce() -> Slot,
) -> Taken {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (None, _) => Taken::Nothing,
        (Some(value), None) if is_wanted(value.as_bytes()) => {
            headers.remove(name);
            Taken::Template(slot())
        }
        _ => Taken::Other,
    }
}

fn set_header(headers: &mut HeaderMap, name: HeaderName, text: &str) -> Result<(), &'static str> {
    let mut value =
        HeaderValue::from_str(text).map_err(|_| "it holds a character that no header may hold")?;
    value.set_sensitive(true);
    headers.insert(name, value);
    Ok(())
}

/// User and password of a `Basic` authorization.
fn basic_pair(value: &[u8]) -> Option<Vec<u8>> {
    let (scheme, encoded) = value.split_at_checked(6)?;
    if !scheme.eq_ignore_ascii_case(b"basic ") {
        return None;
    }
    STANDARD.decode(encoded.trim_ascii()).ok()
}

fn decoded(text: &str) -> Vec<u8> {
    percent_decode_str(text).collect()
}

fn segments(url: &Url) -> impl Iterator<Item = &str> {
    url.path().split('/')
}

fn set_segment(url: &mut Url, place: usize, text: &str) {
    let path: Vec<&str> =
        segments(url).enumerate().map(|(at, segment)| if at == place { text } else { segment }).collect();
    let path = path.join("/");
    url.set_path(&path);
}

/// The parameters of the query, as they are written.
fn parameters(url: &Url) -> impl Iterator<Item = (&str, &str)> {
    let pairs = url.query().into_iter().flat_map(|query| query.split('&'));
    pairs.map(|pair| pair.split_once('=').unwrap_or((pair, "")))
}

fn set_parameter(url: &mut Url, place: usize, text: &str) {
    let pairs = url.query().unwrap_or_default().split('&').enumerate().map(|(at, pair)| {
        let name = pair.split_once('=').map_or(pair, |(name, _)| name);
        if at == place { format!("{name}={text}") } else { pair.to_owned() }
    });
    let query = pairs.collect::<Vec<_>>().join("&");
    url.set_query(Some(&query));
}

impl FromStr for Placement {
    type Err = PlacementError;

    fn from_str(text: &str) -> Result<Self, PlacementError> {
        parse(text).map_err(|why| PlacementError { text: text.to_owned(), why })
    }
}

fn parse(text: &str) -> Result<Placement, &'static str> {
    let form = "write 'header NAME: TEMPLATE', 'segment TEMPLATE', 'query NAME=TEMPLATE', 'basic TEMPLATE' \
                or 'frame POINTER [when POINTER in [VALUES]]'";
    let (kind, rest) = text.split_once(' ').ok_or(form)?;
    if rest.chars().any(char::is_control) {
        return Err("it holds a control character");
    }
    match kind {
        "header" => {
            let (name, template) =
                rest.split_once(':').ok_or("a header's template follows its name and a colon")?;
            let name = HeaderName::try_from(name).map_err(|_| "that is not the name of a header")?;
            if header::is_forbidden(&name) {
                return Err("that header is the host's own");
            }
            Ok(Placement::Header(name, Template::parse(template.trim())?))
        }
        "segment" => {
            let template = Template::parse(rest)?;
            if rest.contains(['/', '?', '#', '%', '\\']) {
                return Err("a segment holds no '/', '?', '#', '%' or '\\'");
            }
            Ok(Placement::Segment(template))
        }
        "query" => {
            let (name, template) =
                rest.split_once('=').ok_or("a parameter's template follows its name and '='")?;
            if name.is_empty() || rest.contains(['&', '#', '%', '+']) {
                return Err("a parameter has a name, and no '&', '#', '%' or '+'");
            }
            Ok(Placement::Query(name.to_owned(), Template::parse(template)?))
        }
        "basic" => {
            let template = Template::parse(rest)?;
            if !rest.contains(':') {
                return Err("a user and a password have a colon between them");
            }
            Ok(Placement::Basic(template))
        }
        "frame" => frame(rest),
        _ => Err(form),
    }
}

fn frame(text: &str) -> Result<Placement, &'static str> {
    let pointer = |text: &str| {
        let valid = text.starts_with('/') && !text.contains(char::is_whitespace);
        valid.then(|| text.to_owned()).ok_or("a pointer starts with '/' (RFC 6901)")
    };
    let Some((place, condition)) = text.split_once(" when ") else {
        return Ok(Placement::Frame(pointer(text)?, None));
    };
    let (subject, values) = condition.split_once(" in ").ok_or("a condition reads 'POINTER in [VALUES]'")?;
    let values: Vec<Value> = serde_json::from_str(values).map_err(|_| "the values are a JSON array")?;
    let values = values.iter().map(Value::to_string).collect();
    Ok(Placement::Frame(pointer(place)?, Some(When { pointer: pointer(subject)?, values })))
}

impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{{}}{}", self.before, self.after)
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Header(name, template) => write!(f, "header {name}: {template}"),
            Self::Segment(template) => write!(f, "segment {template}"),
            Self::Query(name, template) => write!(f, "query {name}={template}"),
            Self::Basic(template) => write!(f, "basic {template}"),
            Self::Frame(pointer, None) => write!(f, "frame {pointer}"),
            Self::Frame(pointer, Some(when)) => {
                write!(f, "frame {pointer} when {} in [{}]", when.pointer, when.values.join(","))
            }
        }
    }
}
