//! Orders for a fake from shell scripts: JSON over HTTP, on a port of its own.
//!
//! `POST /` with `{"do": …}` answers `{"ok": …}` or `{"error": "…"}`.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::wire;

/// The largest order, in bytes.
const MAX_ORDER: usize = 32 << 20;

/// Takes orders for ever.
///
/// # Errors
/// When the port is lost.
pub async fn serve<C, O, A>(
    listener: TcpListener,
    control: C,
    execute: impl Fn(Arc<C>, O) -> A + Copy + Send + Sync + 'static,
) -> io::Result<()>
where
    C: Send + Sync + 'static,
    O: DeserializeOwned,
    A: Future<Output = Result<Value, String>> + Send,
{
    let control = Arc::new(control);
    loop {
        let (stream, _) = listener.accept().await?;
        let control = control.clone();
        tokio::spawn(async move {
            let service = service_fn(|request| answer(|order| execute(control.clone(), order), request));
            // A script that leaves early has its reasons.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer<O: DeserializeOwned, A: Future<Output = Result<Value, String>>>(
    execute: impl Fn(O) -> A,
    request: Request<Incoming>,
) -> io::Result<Response<Full<Bytes>>> {
    let order = wire::read(request.into_body(), MAX_ORDER).await?;
    let order = serde_json::from_slice(&order).map(execute).map_err(|error| error.to_string());
    let done = match order {
        Ok(done) => done.await,
        Err(why) => Err(why),
    };
    let (status, body) = match done {
        Ok(value) => (200, json!({ "ok": value })),
        Err(why) => (400, json!({ "error": why })),
    };
    let response = Response::builder().status(status).header("content-type", "application/json");
    Ok(response.body(Full::from(body.to_string())).expect("statuses and headers are valid"))
}
