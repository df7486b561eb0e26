//! Requests over `wasi:http`.

use wasip2::http::outgoing_handler::handle;
use wasip2::http::types::{ErrorCode, Fields, IncomingResponse, OutgoingRequest, Scheme};

/// Why there is no answer.
#[derive(Debug)]
pub enum Failure {
    /// The host did not let it through.
    Denied,
    /// Anything else.
    Other(String),
}

impl From<ErrorCode> for Failure {
    fn from(code: ErrorCode) -> Self {
        match code {
            ErrorCode::HttpRequestDenied => Self::Denied,
            code => Self::Other(format!("{code:?}")),
        }
    }
}

/// Gets `path` from `http://authority`: the status and the body.
///
/// # Errors
/// When there is no whole answer.
pub fn get(authority: &str, path: &str, authorization: &str) -> Result<(u16, String), Failure> {
    let other = |what: &str| Failure::Other(what.to_owned());
    let fields = Fields::new();
    if !authorization.is_empty() {
        fields
            .append("authorization", authorization.as_bytes())
            .map_err(|error| Failure::Other(format!("{error:?}")))?;
    }
    let request = OutgoingRequest::new(fields);
    request.set_scheme(Some(&Scheme::Http)).map_err(|()| other("scheme"))?;
    request.set_authority(Some(authority)).map_err(|()| other("authority"))?;
    request.set_path_with_query(Some(path)).map_err(|()| other("path"))?;
    let answer = handle(request, None)?;
    answer.subscribe().block();
    let answer = answer.get().ok_or_else(|| other("not ready"))?.map_err(|()| other("taken"))??;
    let status = answer.status();
    Ok((status, body(&answer).ok_or_else(|| other("no body"))?))
}

fn body(answer: &IncomingResponse) -> Option<String> {
    let body = answer.consume().ok()?;
    let mut bytes = Vec::new();
    let stream = body.stream().ok()?;
    while let Ok(piece) = stream.blocking_read(4096) {
        bytes.extend(piece);
    }
    drop(stream);
    String::from_utf8(bytes).ok()
}
