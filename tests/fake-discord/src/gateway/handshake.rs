//! From a request to a connection of the gateway.

use std::sync::Arc;

use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming;
use hyper_util::rt::TokioIo;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::connection::Connection;
use super::wire::Wire;
use crate::request;
use crate::server::Shared;

/// How the connection was asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    /// Whether it came to the address for resuming.
    pub(super) to_resume: bool,
    /// Whether the version is the one that the fake speaks.
    pub(super) version_fits: bool,
}

pub(crate) fn is_upgrade(headers: &HeaderMap) -> bool {
    let upgrade = headers.get("upgrade").and_then(|value| value.to_str().ok());
    upgrade.is_some_and(|value| value.eq_ignore_ascii_case("websocket"))
}

/// Begins a connection. Gives what `Sec-WebSocket-Accept` has to say, or the status of a refusal.
pub(crate) fn open(shared: &Arc<Shared>, mut request: Request<Incoming>) -> Result<String, StatusCode> {
    let key = request.headers().get("sec-websocket-key").ok_or(StatusCode::BAD_REQUEST)?;
    let accept = derive_accept_key(key.as_bytes());
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if !matches!(path.as_str(), "" | "/resume") {
        return Err(StatusCode::NOT_FOUND);
    }
    let query = request::query(request.uri().query());
    let value = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let compressed = match value("compress") {
        None => false,
        Some("zlib-stream") => true,
        Some(other) => {
            shared.world().violation(format!("the fake has no compression '{other}'"));
            return Err(StatusCode::BAD_REQUEST);
        }
    };
    if value("encoding").unwrap_or("json") != "json" {
        shared.world().violation("the fake speaks no encoding but json".to_owned());
        return Err(StatusCode::BAD_REQUEST);
    }
    let asked = Asked { to_resume: path == "/resume", version_fits: value("v") == Some("10") };
    let shared = shared.clone();
    tokio::spawn(async move {
        // Whoever asked may have left before the answer.
        let Ok(upgraded) = hyper::upgrade::on(&mut request).await else { return };
        let stream = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, None).await;
        Connection::new(shared, Wire::new(stream, compressed), asked).run().await;
    });
    Ok(accept)
}
