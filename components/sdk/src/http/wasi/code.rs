//! The error codes of `wasi:http`, by what they mean to whoever asked. The stand-in for reqwest reads this file, too.

use wasip2::http::types::ErrorCode;

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// The host does not let it through. Nothing was sent.
    Denied,
    /// It is no request, or more than the host lets out. Nothing was sent.
    Invalid,
    /// No connection came about. Nothing was sent.
    Unsent,
    /// The answer is longer than it may be; the limit where the host tells it.
    TooLarge(Option<u64>),
    /// It took too long: it may have arrived.
    Late,
    /// It broke off: it may have arrived.
    Broken,
}

/// What a code means, and its words.
pub(crate) fn read(code: &ErrorCode) -> (Fate, String) {
    (fate(code), words(code))
}

fn fate(code: &ErrorCode) -> Fate {
    match code {
        ErrorCode::HttpRequestDenied | ErrorCode::DestinationIpProhibited => Fate::Denied,
        ErrorCode::HttpRequestMethodInvalid
        | ErrorCode::HttpRequestUriInvalid
        | ErrorCode::HttpRequestUriTooLong
        | ErrorCode::HttpRequestHeaderSize(_)
        | ErrorCode::HttpRequestHeaderSectionSize(_)
        | ErrorCode::HttpRequestBodySize(_) => Fate::Invalid,
        ErrorCode::DnsTimeout
        | ErrorCode::DnsError(_)
        | ErrorCode::DestinationNotFound
        | ErrorCode::DestinationUnavailable
        | ErrorCode::DestinationIpUnroutable
        | ErrorCode::ConnectionRefused
        | ErrorCode::ConnectionTimeout
        | ErrorCode::ConnectionLimitReached
        | ErrorCode::TlsProtocolError
        | ErrorCode::TlsCertificateError
        | ErrorCode::TlsAlertReceived(_)
        // What the host could not do itself, it did before it sent anything.
        | ErrorCode::ConfigurationError
        | ErrorCode::InternalError(_) => Fate::Unsent,
        ErrorCode::HttpResponseBodySize(size) => Fate::TooLarge(*size),
        ErrorCode::HttpResponseTimeout
        | ErrorCode::ConnectionReadTimeout
        | ErrorCode::ConnectionWriteTimeout => Fate::Late,
        _ => Fate::Broken,
    }
}

/// The name of a code as words: `DnsTimeout` is "dns timeout". The host's own text stands there where it gives one.
fn words(code: &ErrorCode) -> String {
    if let ErrorCode::InternalError(Some(text)) = code {
        return text.clone();
    }
    let name = format!("{code:?}");
    let name = name.strip_prefix("ErrorCode::").unwrap_or(&name);
    let mut words = String::new();
    for c in name.chars().take_while(char::is_ascii_alphanumeric) {
        if c.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(c.to_ascii_lowercase());
    }
    words
}
