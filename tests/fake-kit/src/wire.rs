//! Bodies of requests, and answers as they go to the wire: whole, slow, or broken.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use http::Response;
use http_body_util::{BodyExt as _, Limited, StreamBody};
use hyper::body::{Frame, Incoming};

/// The body of an answer.
pub type Body = StreamBody<BoxStream<'static, io::Result<Frame<Bytes>>>>;

/// What goes to the connection.
pub enum Piece {
    /// These bytes.
    Bytes(Bytes),
    /// Nothing, for so long.
    Pause(Duration),
    /// The connection breaks.
    Cut,
}

/// The body of a request, of so many bytes at the most.
///
/// # Errors
/// When it is longer, or the other side left.
pub async fn read(body: Incoming, most: usize) -> io::Result<Bytes> {
    let body = Limited::new(body, most).collect().await.map_err(io::Error::other)?;
    Ok(body.to_bytes())
}

/// An answer in pieces. `length` is what its header says.
///
/// # Panics
/// When status or type are none.
pub fn pieces(status: u16, content_type: &str, length: usize, pieces: Vec<Piece>) -> Response<Body> {
    let stream = futures::stream::iter(pieces).filter_map(|piece| async move {
        match piece {
            Piece::Bytes(bytes) => Some(Ok(Frame::data(bytes))),
            Piece::Pause(time) => {
                tokio::time::sleep(time).await;
                None
            }
            // What was said so far has to reach the wire before the connection breaks.
            Piece::Cut => {
                tokio::time::sleep(Duration::from_millis(20)).await;
                Some(cut())
            }
        }
    });
    let mut response = empty(status);
    let headers = response.headers_mut();
    headers.insert("content-type", content_type.parse().expect("types are plain text"));
    headers.insert("content-length", length.into());
    *response.body_mut() = StreamBody::new(stream.boxed());
    response
}

/// An answer in one piece.
pub fn whole(status: u16, content_type: &str, body: impl Into<Bytes>) -> Response<Body> {
    let body = body.into();
    pieces(status, content_type, body.len(), vec![Piece::Bytes(body)])
}

/// An answer without a body.
///
/// # Panics
/// When that is no status.
pub fn empty(status: u16) -> Response<Body> {
    let none = StreamBody::new(futures::stream::empty().boxed());
    Response::builder().status(status).body(none).expect("faults and refusals have statuses that there are")
}

/// What breaks the connection.
///
/// # Errors
/// Always.
pub fn cut<T>() -> io::Result<T> {
    Err(io::Error::other("a fault breaks the connection"))
}

/// The first half of a body, and no more.
pub fn half(body: &Bytes) -> Vec<Piece> {
    vec![Piece::Bytes(body.slice(..body.len() / 2)), Piece::Cut]
}

/// A body in small pieces, with so many milliseconds before each.
pub fn drip(body: &Bytes, milliseconds: u64) -> Vec<Piece> {
    let pause = || Piece::Pause(Duration::from_millis(milliseconds));
    body.chunks(16).flat_map(|chunk| [pause(), Piece::Bytes(body.slice_ref(chunk))]).collect()
}

/// A page such as proxies send.
pub fn page(status: u16) -> String {
    format!("<html>\r\n<head><title>{status}</title></head>\r\n<body><h1>{status}</h1></body>\r\n</html>\r\n")
}
