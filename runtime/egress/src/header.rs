//! Headers: which of them a guest may set, and what they may hold.

use http::header::{self, HeaderMap, HeaderName, HeaderValue};

/// The most bytes of names and values that leave with one request.
pub(crate) const MAX_REQUEST_BYTES: usize = 64 * 1024;
/// The most bytes of names and values that an answer may have.
pub(crate) const MAX_RESPONSE_BYTES: usize = 128 * 1024;

/// Whether the host alone sets this header: those that frame the message, name the host, or speak to a proxy
/// (RFC 9110, sections 7.2, 7.6 and 7.8; RFC 9112, section 6).
pub fn is_forbidden(name: &HeaderName) -> bool {
    const FORBIDDEN: [HeaderName; 7] = [
        header::HOST,
        header::CONNECTION,
        header::TE,
        header::TRAILER,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        header::EXPECT,
    ];
    FORBIDDEN.contains(name)
        || matches!(name.as_str(), "keep-alive" | "http2-settings")
        || name.as_str().starts_with("proxy-")
}

/// Headers that are dropped when a redirect leads to another origin.
pub(crate) const CREDENTIALS: [HeaderName; 3] =
    [header::AUTHORIZATION, header::COOKIE, header::WWW_AUTHENTICATE];

/// The header that asks for a part of an answer, where there is one (RFC 9110, section 14; `Request-Range` is its name
/// from before the standard, which some servers still take). A value that is fetched piece by piece is found in none.
pub(crate) fn asks_for_part(headers: &HeaderMap) -> Option<&HeaderName> {
    headers
        .keys()
        .find(|name| [header::RANGE, header::IF_RANGE].contains(name) || name.as_str() == "request-range")
}

/// Headers that describe a body, dropped with it.
pub(crate) const OF_BODY: [HeaderName; 6] = [
    header::CONTENT_TYPE,
    header::CONTENT_LENGTH,
    header::CONTENT_ENCODING,
    header::CONTENT_LANGUAGE,
    header::CONTENT_LOCATION,
    header::CONTENT_RANGE,
];

/// What is wrong with the headers of a guest's request, if anything is: one line.
pub(crate) fn wrong(headers: &HeaderMap) -> Option<String> {
    if size(headers) > MAX_REQUEST_BYTES {
        return Some(format!("the headers are longer than {MAX_REQUEST_BYTES} bytes"));
    }
    headers.iter().find_map(|(name, value)| {
        if is_forbidden(name) {
            return Some(format!("the header '{name}' is the host's own and cannot be set"));
        }
        // The `http` crate lets none of these be built; the check is here because a request is split where one
        // gets through.
        let splits = value.as_bytes().iter().any(|byte| matches!(byte, b'\r' | b'\n' | b'\0'));
        splits.then(|| format!("the header '{name}' holds a line end or a zero byte"))
    })
}

pub(crate) fn size(headers: &HeaderMap) -> usize {
    headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum()
}

/// The length that a message states for its body.
pub(crate) fn content_length(headers: &HeaderMap) -> Option<Result<u64, ()>> {
    let mut values = headers.get_all(header::CONTENT_LENGTH).iter();
    let first = values.next()?;
    if values.any(|value| value != first) {
        return Some(Err(()));
    }
    let digits = first.to_str().ok().filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()));
    Some(digits.and_then(|text| text.parse().ok()).ok_or(()))
}

/// The value that asks for the encodings that this crate decodes.
pub(crate) const ACCEPTED_ENCODINGS: HeaderValue = HeaderValue::from_static("gzip, br, zstd, deflate");
/// The value that asks for the bytes as they are.
pub(crate) const NO_ENCODING: HeaderValue = HeaderValue::from_static("identity");
