//! Paths: the pattern of a rule, and the segments of a request.
//!
//! Both are compared after percent-decoding. What is compared is the path that is sent: the URL parser has removed
//! dot segments before. A segment that hides a slash, a backslash or a dot behind a percent sign matches no literal,
//! and one that hides a dot segment matches nothing at all, since servers differ in what they make of it.

use std::borrow::Cow;
use std::fmt;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, percent_encode};

/// What stays as it is in a canonical literal: unreserved characters and what a path segment may hold otherwise
/// (RFC 3986, section 3.3), without `*`, which is a wildcard.
const ESCAPED: AsciiSet = NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');

/// The path of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Pattern {
    segments: Vec<Piece>,
    /// Whether `**` follows: one or more further segments, which may be empty.
    rest: bool,
}

/// One segment of a rule's path.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Piece {
    /// These bytes.
    Literal(Vec<u8>),
    /// `*`: one segment that is not empty.
    One,
}

/// A pattern that could never match; where in the text (bytes from its start), and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrong {
    pub(super) offset: usize,
    pub(super) why: &'static str,
}

/// The segments of a request's path.
#[derive(Debug)]
pub struct Segments<'a> {
    segments: Vec<Segment<'a>>,
    /// One of them hides a dot segment.
    hostile: bool,
}

#[derive(Debug)]
struct Segment<'a> {
    decoded: Cow<'a, [u8]>,
    /// Whether a literal may match it.
    plain: bool,
}

impl<'a> Segments<'a> {
    /// Splits the path of a parsed URL.
    pub fn of(path: &'a str) -> Self {
        let segments: Vec<Segment<'a>> = split(path).map(Segment::of).collect();
        let hostile = segments.iter().any(|segment| !segment.plain && hides_dots(&segment.decoded));
        Self { segments, hostile }
    }

    /// Whether a segment hides a dot segment: no rule allows such a path.
    pub fn is_hostile(&self) -> bool {
        self.hostile
    }

    /// The segment at `place`, decoded.
    pub(super) fn decoded(&self, place: usize) -> Option<&[u8]> {
        self.segments.get(place).map(|segment| &*segment.decoded)
    }
}

impl<'a> Segment<'a> {
    fn of(raw: &'a str) -> Self {
        let decoded: Cow<'a, [u8]> = percent_decode_str(raw).into();
        // An encoded `%` counts too: a server that decodes twice would find the rest.
        let encoded = |hidden: &[u8]| {
            raw.as_bytes().windows(3).any(|three| {
                three[0] == b'%' && hex_byte(three[1], three[2]).is_some_and(|byte| hidden.contains(&byte))
            })
        };
        let suspect = raw.contains(';') || encoded(b"%;");
        let hidden = encoded(b"/\\.\0") || (suspect && hides_dots(&decoded));
        Self { decoded, plain: !hidden }
    }
}

/// The segments of a path, without the empty one before the first slash.
fn split(path: &str) -> impl Iterator<Item = &str> {
    path.strip_prefix('/').unwrap_or(path).split('/')
}

/// Whether a decoded segment becomes or contains `.` or `..` for a server that decodes again, splits at what it
/// finds, or cuts parameters off at `;`.
fn hides_dots(decoded: &[u8]) -> bool {
    let mut form = decoded.to_vec();
    for _ in 0..4 {
        let dotted = form
            .split(|byte| matches!(byte, b'/' | b'\\'))
            .map(|piece| piece.split(|byte| *byte == b';').next().unwrap_or(piece))
            .any(|piece| piece == b"." || piece == b"..");
        if dotted {
            return true;
        }
        let further: Vec<u8> = percent_encoding::percent_decode(&form).collect();
        if further == form {
            return false;
        }
        form = further;
    }
    // Encoded five times over: nobody means well by it.
    true
}

fn hex_byte(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

impl Pattern {
    /// Reads the pattern of a rule; `text` starts with a slash.
    pub(super) fn parse(text: &str) -> Result<Self, Wrong> {
        let mut pattern = Self { segments: Vec::new(), rest: false };
        let mut offset = 1;
        for raw in split(text) {
            if pattern.rest {
                return Err(Wrong {
                    offset,
                    why: "'**' stands for the rest of the path, so nothing may follow it",
                });
            }
            match raw {
                "**" => pattern.rest = true,
                "*" => pattern.segments.push(Piece::One),
                _ => {
                    let literal = literal(raw).map_err(|why| Wrong { offset, why })?;
                    pattern.segments.push(Piece::Literal(literal));
                }
            }
            offset += raw.len() + 1;
        }
        Ok(pattern)
    }

    /// The segments, and whether `**` follows.
    pub(super) fn pieces(&self) -> (&[Piece], bool) {
        (&self.segments, self.rest)
    }

    /// The pattern that matches exactly this path, with `*` for each segment that no literal can match or that `keep`
    /// does not want to be named.
    pub(crate) fn naming(path: &Segments<'_>, keep: impl Fn(&[u8]) -> bool) -> Self {
        let nameable = |segment: &Segment<'_>| {
            segment.plain && check_literal(&segment.decoded).is_ok() && keep(&segment.decoded)
        };
        let piece = |segment: &Segment<'_>| {
            if segment.decoded.is_empty() || nameable(segment) {
                Piece::Literal(segment.decoded.to_vec())
            } else {
                Piece::One
            }
        };
        Self { segments: path.segments.iter().map(piece).collect(), rest: false }
    }

    /// Whether `path` is one of these.
    pub fn matches(&self, path: &Segments<'_>) -> bool {
        let enough = if self.rest {
            path.segments.len() > self.segments.len()
        } else {
            path.segments.len() == self.segments.len()
        };
        enough
            && !path.hostile
            && self.segments.iter().zip(&path.segments).all(|(piece, segment)| match piece {
                Piece::Literal(literal) => segment.plain && *literal == *segment.decoded,
                Piece::One => !segment.decoded.is_empty(),
            })
    }

    /// Whether every path of `other` is one of these.
    pub(super) fn covers(&self, other: &Self) -> bool {
        let pieces = |(own, its): (&Piece, &Piece)| match (own, its) {
            (Piece::Literal(own), Piece::Literal(its)) => own == its,
            (Piece::Literal(_), Piece::One) => false,
            (Piece::One, Piece::Literal(its)) => !its.is_empty(),
            (Piece::One, Piece::One) => true,
        };
        let (own, its) = (self.segments.len(), other.segments.len());
        let lengths = match (self.rest, other.rest) {
            (true, true) => its >= own,
            (true, false) => its > own,
            (false, true) => false,
            (false, false) => its == own,
        };
        lengths && self.segments.iter().zip(&other.segments).all(pieces)
    }
}

fn literal(raw: &str) -> Result<Vec<u8>, &'static str> {
    if raw.contains('*') {
        return Err("'*' stands for a whole segment; write %2A for a star in a name");
    }
    if raw.contains(['?', '#']) {
        return Err("a rule ends with the path: it says nothing of the query");
    }
    if raw.contains('\\') {
        return Err("a backslash never matches: it is sent as a slash");
    }
    let bytes = raw.as_bytes();
    let well_formed = |at: usize| {
        bytes.get(at + 1).zip(bytes.get(at + 2)).is_some_and(|(high, low)| hex_byte(*high, *low).is_some())
    };
    if bytes.iter().enumerate().any(|(at, byte)| *byte == b'%' && !well_formed(at)) {
        return Err("'%' starts an escape of two hexadecimal digits; write %25 for a percent sign");
    }
    let decoded: Vec<u8> = percent_decode_str(raw).collect();
    check_literal(&decoded)?;
    Ok(decoded)
}

fn check_literal(decoded: &[u8]) -> Result<(), &'static str> {
    if decoded == b"." || decoded == b".." {
        return Err("a dot segment never matches: it is removed before the request is sent");
    }
    if decoded.iter().any(|byte| matches!(byte, b'/' | b'\\' | b'\0')) {
        return Err("an encoded slash, backslash or zero byte never matches a literal; use '*'");
    }
    if (decoded.contains(&b';') || decoded.contains(&b'%')) && hides_dots(decoded) {
        return Err("this hides a dot segment, which never matches");
    }
    Ok(())
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for piece in &self.segments {
            match piece {
                Piece::Literal(bytes) => write!(f, "/{}", percent_encode(bytes, &ESCAPED))?,
                Piece::One => f.write_str("/*")?,
            }
        }
        f.write_str(if self.rest { "/**" } else { "" })
    }
}
