//! Answers: decoded, bounded in size and time, with the values of secrets taken out.

use std::io;
use std::pin::Pin;

use async_compression::tokio::bufread::{
    BrotliDecoder, DeflateDecoder, GzipDecoder, ZlibDecoder, ZstdDecoder,
};
use async_compression::zstd::DParameter;
use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt as _};
use http::header::{self as names, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::io::{AsyncBufRead, AsyncRead, BufReader};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;
use tokio_util::io::{ReaderStream, StreamReader};

use crate::Body;
use crate::error::{Error, Part, Phase};
use crate::exchange::Exchange;
use crate::header;
use crate::limit::Times;
use crate::redact::{self, Redactor};
use crate::request::as_u64;
use crate::transport::classify;

/// Decoded bytes that are handed on at once.
const PIECE: usize = 16 * 1024;
/// The largest window of zstd, as a power of two: 8 MiB (RFC 9659).
const ZSTD_WINDOW: u32 = 23;

/// The bits of a brotli stream's first byte that state its window, and the value that the standard leaves out (RFC
/// 7932, section 9.1). The decoder takes it for a window of up to 1 GiB; without it there are 16 MiB at most.
const BROTLI_WINDOW_BITS: u8 = 0x7f;
const BROTLI_LARGE_WINDOW: u8 = 0x11;

/// The header that tells a guest [`FinalUrl`]. The host alone sets it: what a server sends under this name is dropped.
pub const FINAL_URL: HeaderName = HeaderName::from_static("openpact-final-url");

/// The address of the page that answered after all redirects, without what it may hold of secrets; an extension of the
/// answer, and its header [`FINAL_URL`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FinalUrl(pub String);

/// What an answer needs on its way to the guest.
pub(crate) struct Delivery {
    pub(crate) host: String,
    pub(crate) method: Method,
    pub(crate) limit: u64,
    pub(crate) times: Times,
    pub(crate) deadline: Instant,
    pub(crate) exchange: Exchange,
    pub(crate) place: OwnedSemaphorePermit,
    pub(crate) final_url: FinalUrl,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Gzip,
    Brotli,
    Zstd,
    Deflate,
}

/// Builds the guest's answer. An error has been recorded.
pub(crate) async fn deliver(
    response: reqwest::Response,
    mut delivery: Delivery,
    redactor: &Redactor,
) -> Result<http::Response<Body>, Error> {
    match prepare(&response, &delivery) {
        Err(error) => {
            delivery.exchange.finish(Err(&error)).await?;
            Err(error)
        }
        Ok(encoding) => {
            let headers = clean_headers(&response, &delivery.method, encoding.is_some(), redactor);
            let mut answer = http::Response::new(());
            *answer.status_mut() = response.status();
            *answer.version_mut() = response.version();
            *answer.headers_mut() = headers;
            if let Ok(address) = HeaderValue::from_str(&delivery.final_url.0) {
                answer.headers_mut().insert(FINAL_URL, address);
            }
            answer.extensions_mut().insert(delivery.final_url.clone());
            let pieces = Pieces::new(response, encoding, delivery, redactor);
            Ok(answer.map(|()| pieces.into_body()))
        }
    }
}

/// The encoding to undo; or why this answer is not passed on.
fn prepare(response: &reqwest::Response, delivery: &Delivery) -> Result<Option<Encoding>, Error> {
    if header::size(response.headers()) > header::MAX_RESPONSE_BYTES {
        let limit = as_u64(header::MAX_RESPONSE_BYTES);
        return Err(Error::TooLarge { part: Part::ResponseHeaders, limit });
    }
    if has_no_body(&delivery.method, response.status()) {
        return Ok(None);
    }
    if response.content_length().is_some_and(|length| length > delivery.limit) {
        return Err(Error::TooLarge { part: Part::Response, limit: delivery.limit });
    }
    encoding(response.headers()).map_err(|why| Error::Remote { host: delivery.host.clone(), why })
}

fn has_no_body(method: &Method, status: StatusCode) -> bool {
    *method == Method::HEAD || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
}

/// The one encoding of an answer. A stack of them is refused: each holds memory of its own, and together they unfold a
/// small answer into what neither would.
fn encoding(headers: &HeaderMap) -> Result<Option<Encoding>, String> {
    let mut only = None;
    for value in headers.get_all(names::CONTENT_ENCODING) {
        let text = value.to_str().map_err(|_| "its encoding has no name".to_owned())?;
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            let next = match name.to_ascii_lowercase().as_str() {
                "identity" => continue,
                "gzip" | "x-gzip" => Encoding::Gzip,
                "br" => Encoding::Brotli,
                "zstd" => Encoding::Zstd,
                "deflate" => Encoding::Deflate,
                // What cannot be decoded cannot be searched for secrets.
                _ => return Err("its encoding is none of those asked for".to_owned()),
            };
            if only.replace(next).is_some() {
                return Err("it is encoded more than once".to_owned());
            }
        }
    }
    Ok(only)
}

fn clean_headers(
    response: &reqwest::Response,
    method: &Method,
    decoded: bool,
    redactor: &Redactor,
) -> HeaderMap {
    let headers = response.headers();
    // It tells of the body that is not there, which may be asked for; a `204` has none to tell of (RFC 9110, section
    // 8.6), and of two ways to say where the body ends the other one counts (RFC 9112, section 6.3).
    let of_another_body = *method == Method::HEAD || response.status() == StatusCode::NOT_MODIFIED;
    let is_changed = decoded || !redactor.is_empty() || headers.contains_key(names::TRANSFER_ENCODING);
    let keeps_length = of_another_body || !(is_changed || response.status() == StatusCode::NO_CONTENT);
    let mut clean = HeaderMap::new();
    for (name, value) in headers {
        let of_wire = header::is_forbidden(name)
            || *name == FINAL_URL
            || (decoded && *name == names::CONTENT_ENCODING)
            || (*name == names::CONTENT_LENGTH && !keeps_length);
        if of_wire || redactor.find(name.as_str().as_bytes()).is_some() {
            continue;
        }
        let value = HeaderValue::from_bytes(&redactor.redact_bytes(value.as_bytes()));
        if let Ok(value) = value {
            clean.append(name, value);
        }
    }
    clean
}

type Wire = BoxStream<'static, Result<Bytes, Error>>;

/// The bytes as they come, each wait bounded.
fn wire(response: reqwest::Response, host: String, times: Times, deadline: Instant) -> Wire {
    let chunks = Box::pin(response.bytes_stream());
    stream::unfold(Some((chunks, host)), move |state| async move {
        let (mut chunks, host) = state?;
        let by = deadline.min(Instant::now() + times.between_bytes);
        match tokio::time::timeout_at(by, chunks.next()).await {
            Ok(None) => None,
            Ok(Some(Ok(bytes))) => Some((Ok(bytes), Some((chunks, host)))),
            Ok(Some(Err(error))) => Some((Err(classify(&error, &host)), None)),
            Err(_) => Some((Err(late(by == deadline, times)), None)),
        }
    })
    .fuse()
    .boxed()
}

fn late(total: bool, times: Times) -> Error {
    if total {
        Error::Timeout { phase: Phase::Total, after: times.total }
    } else {
        Error::Timeout { phase: Phase::BetweenBytes, after: times.between_bytes }
    }
}

enum Source {
    /// Nothing was read yet: whether there is anything to decode is not known.
    Waiting(Wire, Option<Encoding>),
    Plain(Wire),
    Decoded(Box<ReaderStream<Pin<Box<dyn AsyncRead + Send>>>>),
}

/// The pieces of an answer.
struct Pieces {
    source: Option<Source>,
    clean: redact::Stream,
    host: String,
    limit: u64,
    exchange: Exchange,
    _place: OwnedSemaphorePermit,
}

impl Pieces {
    fn new(
        response: reqwest::Response,
        encoding: Option<Encoding>,
        delivery: Delivery,
        redactor: &Redactor,
    ) -> Self {
        let wire = wire(response, delivery.host.clone(), delivery.times, delivery.deadline);
        Self {
            source: Some(Source::Waiting(wire, encoding)),
            clean: redactor.stream(),
            host: delivery.host,
            limit: delivery.limit,
            exchange: delivery.exchange,
            _place: delivery.place,
        }
    }

    fn into_body(self) -> Body {
        let frames = stream::unfold(self, |mut pieces| async move {
            let piece = pieces.next().await?;
            Some((piece.map(Frame::data), pieces))
        });
        BodyExt::boxed_unsync(StreamBody::new(frames))
    }

    /// The next piece for the guest. The record is written before the end, or the error, is told.
    async fn next(&mut self) -> Option<Result<Bytes, Error>> {
        loop {
            self.source.as_ref()?;
            match self.read().await {
                Ok(Some(bytes)) => {
                    let clean = self.clean.push(bytes);
                    if !clean.is_empty() {
                        return Some(Ok(clean));
                    }
                }
                Ok(None) => {
                    self.source = None;
                    let rest = self.clean.finish();
                    if let Err(error) = self.exchange.finish(Ok(())).await {
                        return Some(Err(error));
                    }
                    return (!rest.is_empty()).then_some(Ok(rest));
                }
                Err(error) => {
                    self.source = None;
                    let recorded = self.exchange.finish(Err(&error)).await;
                    return Some(Err(recorded.err().unwrap_or(error)));
                }
            }
        }
    }

    /// The next decoded bytes.
    async fn read(&mut self) -> Result<Option<Bytes>, Error> {
        if let Some(Source::Waiting(..)) = &self.source
            && let Some(Source::Waiting(wire, encoding)) = self.source.take()
        {
            self.source = Some(begin(wire, encoding, &self.host).await?);
        }
        let bytes = match &mut self.source {
            Some(Source::Plain(wire)) => wire.next().await.transpose()?,
            Some(Source::Decoded(reader)) => {
                let bytes = reader.next().await.transpose();
                bytes.map_err(|error| from_reader(error, &self.host))?
            }
            Some(Source::Waiting(..)) | None => None,
        };
        self.exchange.received += bytes.as_ref().map_or(0, |bytes| as_u64(bytes.len()));
        if self.exchange.received > self.limit {
            return Err(Error::TooLarge { part: Part::Response, limit: self.limit });
        }
        Ok(bytes)
    }
}

/// Puts the decoder in front of the wire. An empty body is not decoded: servers name an encoding there too.
async fn begin(mut wire: Wire, encoding: Option<Encoding>, host: &str) -> Result<Source, Error> {
    let Some(encoding) = encoding else { return Ok(Source::Plain(wire)) };
    let first = loop {
        match wire.next().await.transpose()? {
            Some(bytes) if bytes.is_empty() => {}
            Some(bytes) => break bytes,
            None => return Ok(Source::Plain(wire)),
        }
    };
    let start = first.first().copied().unwrap_or_default();
    if encoding == Encoding::Brotli && start & BROTLI_WINDOW_BITS == BROTLI_LARGE_WINDOW {
        let why = "it cannot be decoded: its brotli window is larger than 16 MiB".to_owned();
        return Err(Error::Remote { host: host.to_owned(), why });
    }
    let chunks = stream::iter([Ok(first)]).chain(wire).map(|chunk| chunk.map_err(io::Error::other));
    let reader = BufReader::with_capacity(PIECE, StreamReader::new(chunks));
    // Some servers send bare deflate data where zlib is meant (RFC 9110, section 8.4.1.2).
    let bare = start & 0x0f != 8 || start >> 4 > 7;
    let reader = decoder(reader, encoding, bare);
    Ok(Source::Decoded(Box::new(ReaderStream::with_capacity(reader, PIECE))))
}

fn decoder<R>(reader: R, encoding: Encoding, bare: bool) -> Pin<Box<dyn AsyncRead + Send>>
where
    R: AsyncBufRead + Send + Unpin + 'static,
{
    match encoding {
        Encoding::Gzip => {
            let mut decoder = GzipDecoder::new(reader);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Encoding::Brotli => Box::pin(BrotliDecoder::new(reader)),
        Encoding::Zstd => {
            let mut decoder = ZstdDecoder::with_params(reader, &[DParameter::window_log_max(ZSTD_WINDOW)]);
            decoder.multiple_members(true);
            Box::pin(decoder)
        }
        Encoding::Deflate if bare => Box::pin(DeflateDecoder::new(reader)),
        Encoding::Deflate => Box::pin(ZlibDecoder::new(reader)),
    }
}

/// An error of the decoder, or ours that passed through it.
fn from_reader(error: io::Error, host: &str) -> Error {
    let text = error.to_string();
    let own = error.into_inner().and_then(|inner| inner.downcast::<Error>().ok());
    own.map_or_else(
        || Error::Remote { host: host.to_owned(), why: format!("it cannot be decoded: {text}") },
        |own| *own,
    )
}
