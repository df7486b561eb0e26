//! From a request to the connection of a WebSocket.

use http::{HeaderMap, HeaderValue, Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use crate::wire::{self, Body};

/// Whether a request asks for a WebSocket.
pub fn is_asked(headers: &HeaderMap) -> bool {
    let upgrade = headers.get("upgrade").and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// What `Sec-WebSocket-Accept` has to say; `None` where the request has no key.
pub fn accept(headers: &HeaderMap) -> Option<HeaderValue> {
    let key = headers.get("sec-websocket-key")?;
    derive_accept_key(key.as_bytes()).parse().ok()
}

/// The answer that begins a WebSocket; once it is sent, `run` has the connection.
pub fn begin<R: Future<Output = ()> + Send>(
    mut request: Request<Incoming>,
    accept: HeaderValue,
    run: impl FnOnce(TokioIo<Upgraded>) -> R + Send + 'static,
) -> Response<Body> {
    tokio::spawn(async move {
        // Whoever leaves before the connection is open has not had it.
        if let Ok(upgraded) = hyper::upgrade::on(&mut request).await {
            run(TokioIo::new(upgraded)).await;
        }
    });
    let mut response = wire::empty(101);
    let headers = response.headers_mut();
    headers.insert("connection", HeaderValue::from_static("Upgrade"));
    headers.insert("upgrade", HeaderValue::from_static("websocket"));
    headers.insert("sec-websocket-accept", accept);
    response
}
