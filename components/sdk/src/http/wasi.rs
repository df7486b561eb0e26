//! Sending over `wasi:http/outgoing-handler` 0.2.

mod code;

use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme,
};
use wasip2::io::streams::StreamError;

use super::{Error, Request, Response, Target};
use code::Fate;

/// Bytes that one blocking write takes (`wasi:io/streams`, `blocking-write-and-flush`).
const WRITE: usize = 4096;
/// Bytes that one read asks for.
const READ: u64 = 64 * 1024;

pub(super) fn send(request: Request, target: &Target) -> Result<Response, Error> {
    let Request { method, headers, body, timeout, limit, cuts, .. } = request;
    let headers =
        Fields::from_list(&headers).map_err(|error| Error::Invalid(format!("its headers: {error:?}")))?;
    let outgoing = OutgoingRequest::new(headers);
    let scheme = if target.secure { Scheme::Https } else { Scheme::Http };
    let set = outgoing
        .set_method(&self::method(&method))
        .and_then(|()| outgoing.set_scheme(Some(&scheme)))
        .and_then(|()| outgoing.set_authority(Some(&target.authority)))
        .and_then(|()| outgoing.set_path_with_query(Some(&target.path_and_query)));
    set.map_err(|()| Error::Invalid("its method or its address".to_owned()))?;
    let options = RequestOptions::new();
    if let Some(timeout) = timeout {
        let nanoseconds = u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX);
        // A host that cannot set a timeout says so; its own limits hold in any case.
        let _ = options.set_connect_timeout(Some(nanoseconds));
        let _ = options.set_first_byte_timeout(Some(nanoseconds));
        let _ = options.set_between_bytes_timeout(Some(nanoseconds));
    }
    let outgoing_body = outgoing.body().map_err(|()| Error::Invalid("its body".to_owned()))?;
    let answer = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| error(&code))?;
    // A server may answer, or the host deny, before it has read everything: the answer says more than the broken write.
    let written = write(outgoing_body, &body);
    let response = wait(&answer).map_err(|failure| {
        written.as_ref().err().cloned().filter(|_| failure == gone()).unwrap_or(failure)
    })?;
    receive(&response, limit, cuts)
}

fn method(name: &str) -> Method {
    match name {
        "GET" => Method::Get,
        "HEAD" => Method::Head,
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "DELETE" => Method::Delete,
        "OPTIONS" => Method::Options,
        "PATCH" => Method::Patch,
        other => Method::Other(other.to_owned()),
    }
}

fn write(outgoing: OutgoingBody, body: &[u8]) -> Result<(), Error> {
    if !body.is_empty() {
        let stream = outgoing.write().map_err(|()| gone())?;
        for piece in body.chunks(WRITE) {
            stream
                .blocking_write_and_flush(piece)
                .map_err(|_| Error::Unavailable("the request was not taken".to_owned()))?;
        }
    }
    OutgoingBody::finish(outgoing, None).map_err(|code| error(&code))
}

fn wait(answer: &FutureIncomingResponse) -> Result<IncomingResponse, Error> {
    answer.subscribe().block();
    match answer.get() {
        Some(Ok(Ok(response))) => Ok(response),
        Some(Ok(Err(code))) => Err(error(&code)),
        // Neither can happen after waiting once.
        Some(Err(())) | None => Err(gone()),
    }
}

fn receive(response: &IncomingResponse, limit: usize, cuts: bool) -> Result<Response, Error> {
    let headers = response.headers().entries();
    let headers = headers.into_iter().map(|(name, value)| (name.to_ascii_lowercase(), value)).collect();
    let incoming = response.consume().map_err(|()| gone())?;
    let (body, cut) = read(&incoming, limit, cuts)?;
    Ok(Response { status: response.status(), headers, body, cut })
}

fn read(incoming: &IncomingBody, limit: usize, cuts: bool) -> Result<(Vec<u8>, bool), Error> {
    let stream = incoming.stream().map_err(|()| gone())?;
    let mut body = Vec::new();
    loop {
        match stream.blocking_read(READ) {
            Ok(piece) => body.extend_from_slice(&piece),
            Err(StreamError::Closed) => return Ok((body, false)),
            Err(StreamError::LastOperationFailed(failure)) => {
                let code = wasip2::http::types::http_error_code(&failure);
                return Err(code.map_or_else(
                    || Error::Unavailable("the answer broke off".to_owned()),
                    |code| error(&code),
                ));
            }
        }
        if body.len() > limit && cuts {
            body.truncate(limit);
            return Ok((body, true));
        }
        if body.len() > limit {
            return Err(Error::TooLarge(limit));
        }
    }
}

fn gone() -> Error {
    Error::Unavailable("the request was dropped".to_owned())
}

/// Told apart by whether the request may have arrived.
fn error(code: &ErrorCode) -> Error {
    match code::read(code) {
        (Fate::Denied, _) => Error::Denied,
        (Fate::Invalid, words) => Error::Invalid(words),
        (Fate::Unsent, words) => Error::Unsent(words),
        (Fate::TooLarge(limit), _) => {
            Error::TooLarge(limit.and_then(|limit| usize::try_from(limit).ok()).unwrap_or(usize::MAX))
        }
        (Fate::Late | Fate::Broken, words) => Error::Unavailable(words),
    }
}
