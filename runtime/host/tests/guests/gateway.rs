//! A server of WebSocket connections on this machine, of the kind that platforms have. Not a guest: what the tests of
//! guests connect to.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::{SinkExt as _, StreamExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::{WebSocketStream, accept_hdr_async};

/// What the server does, by the path that it is asked for.
pub(crate) struct Gateway {
    pub(crate) authority: String,
    heard: Arc<Mutex<Vec<String>>>,
    open: Arc<AtomicUsize>,
    all: Arc<AtomicUsize>,
}

impl Gateway {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let authority = listener.local_addr().unwrap().to_string();
        let gateway = Self { authority, heard: Arc::default(), open: Arc::default(), all: Arc::default() };
        let (heard, open, all) = (gateway.heard.clone(), gateway.open.clone(), gateway.all.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                all.fetch_add(1, Ordering::SeqCst);
                let (heard, open) = (heard.clone(), open.clone());
                tokio::spawn(async move {
                    open.fetch_add(1, Ordering::SeqCst);
                    serve(stream, &heard).await;
                    open.fetch_sub(1, Ordering::SeqCst);
                });
            }
        });
        gateway
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.authority)
    }

    /// The texts that came.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// Connections that are open, and all that there were.
    pub(crate) fn connections(&self) -> (usize, usize) {
        (self.open.load(Ordering::SeqCst), self.all.load(Ordering::SeqCst))
    }

    /// Waits until no connection is open.
    pub(crate) async fn until_alone(&self) {
        while self.connections().0 > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
    }
}

async fn serve(stream: TcpStream, heard: &Mutex<Vec<String>>) {
    let mut path = String::new();
    #[expect(clippy::result_large_err, reason = "the library's own form")]
    let note = |request: &Request, response: Response| -> Result<Response, ErrorResponse> {
        request.uri().path().clone_into(&mut path);
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr_async(stream, note).await else { return };
    match path.as_str() {
        "/greedy" => std::future::pending().await,
        "/gateway" => gateway(&mut socket, heard).await,
        _ => echo(&mut socket, heard).await,
    }
}

/// Sends back what it hears.
async fn echo(socket: &mut WebSocketStream<TcpStream>, heard: &Mutex<Vec<String>>) {
    while let Some(Ok(message)) = socket.next().await {
        if let Message::Text(text) = &message {
            heard.lock().unwrap().push(text.to_string());
        }
        if (message.is_text() || message.is_binary()) && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Hears who it is, says that back in three ways, and goes where it was told so.
async fn gateway(socket: &mut WebSocketStream<TcpStream>, heard: &Mutex<Vec<String>>) {
    let Some(Ok(Message::Text(identify))) = socket.next().await else { return };
    heard.lock().unwrap().push(identify.to_string());
    let bytes = identify.as_bytes().to_vec();
    for message in [Message::Text(identify), Message::binary(bytes)] {
        drop(socket.send(message).await);
    }
    if heard.lock().unwrap().len() == 1 {
        let frame = CloseFrame { code: 4004.into(), reason: "come again".into() };
        drop(socket.close(Some(frame)).await);
    }
    while let Some(Ok(_)) = socket.next().await {}
}
