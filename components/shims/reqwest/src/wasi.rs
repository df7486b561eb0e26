//! Inside a component: `wasi:http/outgoing-handler` 0.2.

/// The table of the SDK, whose interface is for authors and does not show it.
#[path = "../../../sdk/src/http/wasi/code.rs"]
mod code;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use wasip2::clocks::monotonic_clock;
use wasip2::http::outgoing_handler;
use wasip2::http::types::{
    ErrorCode, Fields, FutureIncomingResponse, IncomingBody, IncomingResponse, Method, OutgoingBody,
    OutgoingRequest, RequestOptions, Scheme, http_error_code,
};
use wasip2::io::poll::{Pollable, poll};
use wasip2::io::streams::{InputStream, StreamError};

use code::Fate;

use crate::error::{Error, Kind, Result};
use crate::request::Request;
use crate::response::Response;
use crate::wait;

/// Bytes that one blocking write takes (`wasi:io/streams`, `blocking-write-and-flush`).
const WRITE: usize = 4096;
/// Bytes that one read asks for.
const READ: u64 = 64 * 1024;

/// The body of an answer. The stream is a child of the body and goes before it.
#[derive(Debug)]
pub(crate) struct Incoming {
    stream: Option<InputStream>,
    _body: IncomingBody,
    _response: IncomingResponse,
}

impl Incoming {
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            let Some(stream) = &self.stream else { return Ok(None) };
            ready(&stream.subscribe()).await;
            match stream.read(READ) {
                // Ready without bytes means nothing; it is asked again.
                Ok(piece) if piece.is_empty() => {}
                Ok(piece) => return Ok(Some(piece.into())),
                Err(StreamError::Closed) => self.stream = None,
                Err(StreamError::LastOperationFailed(failure)) => {
                    let why = match http_error_code(&failure) {
                        Some(code) => code::read(&code).1,
                        None => "it broke off".to_owned(),
                    };
                    return Err(Error::new(Kind::Body, why));
                }
            }
        }
    }
}

pub(crate) async fn send(
    request: Request,
    body: Option<Bytes>,
    connect_timeout: Option<Duration>,
) -> Result<Response> {
    let options = RequestOptions::new();
    // A host that cannot set a timeout says so; its own limits hold in any case.
    if let Some(timeout) = request.timeout.map(nanoseconds) {
        let _ = options.set_first_byte_timeout(Some(timeout));
        let _ = options.set_between_bytes_timeout(Some(timeout));
    }
    if let Some(timeout) = connect_timeout.map(nanoseconds) {
        let _ = options.set_connect_timeout(Some(timeout));
    }
    let outgoing = outgoing(&request)?;
    let outgoing_body = outgoing.body().map_err(|()| invalid("body"))?;
    let answer = outgoing_handler::handle(outgoing, Some(options)).map_err(|code| error(&code))?;
    // A server may answer, or the host deny, before it has read everything: the answer says more than the broken write.
    let written = write(outgoing_body, &body.unwrap_or_default());
    ready(&answer.subscribe()).await;
    let response = match (incoming(&answer), written) {
        (Some(Ok(response)), _) => response,
        (Some(Err(code)), _) => return Err(error(&code)),
        (None, Err(error)) => return Err(error),
        (None, Ok(())) => return Err(Error::new(Kind::Request, "the host dropped the request")),
    };
    receive(request, response)
}

fn outgoing(request: &Request) -> Result<OutgoingRequest> {
    let entries = request.headers.iter().filter(|(name, _)| *name != header::HOST);
    let entries: Vec<_> =
        entries.map(|(name, value)| (name.as_str().to_owned(), value.as_bytes().to_vec())).collect();
    let headers = Fields::from_list(&entries)
        .map_err(|error| Error::new(Kind::Builder, format!("its headers: {error:?}")))?;
    let outgoing = OutgoingRequest::new(headers);
    let url = &request.url;
    let scheme = if url.scheme() == "http" { Scheme::Http } else { Scheme::Https };
    let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
    outgoing.set_method(&method(request.method.as_str())).map_err(|()| invalid("method"))?;
    outgoing.set_scheme(Some(&scheme)).map_err(|()| invalid("scheme"))?;
    outgoing.set_authority(Some(url.authority())).map_err(|()| invalid("host"))?;
    outgoing.set_path_with_query(Some(path)).map_err(|()| invalid("path"))?;
    Ok(outgoing)
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

fn write(outgoing: OutgoingBody, body: &[u8]) -> Result<()> {
    if !body.is_empty() {
        let stream = outgoing.write().map_err(|()| invalid("body"))?;
        for piece in body.chunks(WRITE) {
            stream
                .blocking_write_and_flush(piece)
                .map_err(|_| Error::new(Kind::Request, "the request was not taken"))?;
        }
    }
    OutgoingBody::finish(outgoing, None).map_err(|code| error(&code))
}

fn incoming(answer: &FutureIncomingResponse) -> Option<std::result::Result<IncomingResponse, ErrorCode>> {
    answer.get()?.ok()
}

fn receive(request: Request, response: IncomingResponse) -> Result<Response> {
    let broken = |what: &str| Error::new(Kind::Request, format!("the answer's {what} makes no sense"));
    let status = StatusCode::from_u16(response.status()).map_err(|_| broken("status"))?;
    let mut headers = HeaderMap::new();
    for (name, value) in response.headers().entries() {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name.as_bytes()), HeaderValue::from_bytes(&value))
        {
            headers.append(name, value);
        }
    }
    let body = response.consume().map_err(|()| broken("body"))?;
    let stream = body.stream().map_err(|()| broken("body"))?;
    let body = Incoming { stream: Some(stream), _body: body, _response: response };
    Ok(Response { status, headers, url: request.url, body })
}

/// Waits until the host says that there is something. With other tasks about, in slices.
async fn ready(pollable: &Pollable) {
    poll_fn(|context| {
        if pollable.ready() {
            return Poll::Ready(());
        }
        if !wait::others() {
            pollable.block();
            return Poll::Ready(());
        }
        let slice = monotonic_clock::subscribe_duration(wait::SLICE);
        poll(&[pollable, &slice]);
        if pollable.ready() {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

fn nanoseconds(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn invalid(what: &str) -> Error {
    Error::new(Kind::Builder, format!("its {what}"))
}

/// Told apart by whether the request may have arrived.
fn error(code: &ErrorCode) -> Error {
    let (fate, words) = code::read(code);
    let kind = match fate {
        Fate::Denied => Kind::Denied,
        Fate::Invalid => Kind::Builder,
        Fate::Unsent => Kind::Connect,
        Fate::TooLarge(_) => Kind::Body,
        Fate::Late => Kind::Timeout,
        Fate::Broken => Kind::Request,
    };
    Error::new(kind, words)
}

/// What a form's boundary is made of.
pub(crate) fn random() -> u64 {
    wasip2::random::random::get_random_u64()
}
