//! From a request to a connection of the gateway.

use std::sync::Arc;

use http::{Request, Response};
use hyper::body::Incoming;
use openpact_fake_kit::websocket;
use openpact_fake_kit::wire::Body;
use tokio_tungstenite::WebSocketStream;
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

/// Begins a connection; the error is the status of a refusal.
pub(crate) fn open(shared: &Arc<Shared>, request: Request<Incoming>) -> Result<Response<Body>, u16> {
    let accept = websocket::accept(request.headers()).ok_or(400_u16)?;
    let path = request.uri().path().trim_end_matches('/').to_owned();
    if !matches!(path.as_str(), "" | "/resume") {
        return Err(404);
    }
    let query = request::query(request.uri().query());
    let value = |name: &str| query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let compressed = match value("compress") {
        None => false,
        Some("zlib-stream") => true,
        Some(other) => {
            shared.world().complain([format!("the fake has no compression '{other}'")]);
            return Err(400);
        }
    };
    if value("encoding").unwrap_or("json") != "json" {
        shared.world().complain(["the fake speaks no encoding but json".to_owned()]);
        return Err(400);
    }
    let asked = Asked { to_resume: path == "/resume", version_fits: value("v") == Some("10") };
    let shared = shared.clone();
    Ok(websocket::begin(request, accept, move |stream| async move {
        let stream = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
        Connection::new(shared, Wire::new(stream, compressed), asked).run().await;
    }))
}
