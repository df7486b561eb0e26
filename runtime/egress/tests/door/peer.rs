//! The other side of a WebSocket connection, written by hand from RFC 6455: it can do what no library lets one do.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use openpact_egress::credential::References;
use openpact_egress::socket::{self, Socket};
use openpact_egress::{Door, Error, Grant, Options};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

pub(crate) const TEXT: u8 = 1;
pub(crate) const BINARY: u8 = 2;
pub(crate) const CLOSE: u8 = 8;
pub(crate) const PING: u8 = 9;
pub(crate) const PONG: u8 = 10;

pub(crate) trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// One connection whose request has been read.
pub(crate) struct Line {
    stream: Box<dyn Duplex>,
    pub(crate) head: String,
}

impl Line {
    /// The value of a header of the request.
    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    pub(crate) async fn write(&mut self, bytes: &[u8]) -> bool {
        self.stream.write_all(bytes).await.is_ok() && self.stream.flush().await.is_ok()
    }

    /// Answers the handshake, with further headers.
    pub(crate) async fn open(&mut self, headers: &[(&str, &str)]) {
        let accept = derive_accept_key(self.header("sec-websocket-key").unwrap().as_bytes());
        let mut head = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: {accept}\r\n"
        );
        for (name, value) in headers {
            head.extend([name, ": ", value, "\r\n"]);
        }
        head.push_str("\r\n");
        self.write(head.as_bytes()).await;
    }

    /// Writes a frame; `false` where the other side is gone.
    pub(crate) async fn frame(&mut self, opcode: u8, fin: bool, payload: &[u8]) -> bool {
        self.write(&frame(opcode, fin, payload)).await
    }

    pub(crate) async fn text(&mut self, text: &str) -> bool {
        self.frame(TEXT, true, text.as_bytes()).await
    }

    /// The next frame of the client, whose mask is undone; `None` where it is gone.
    pub(crate) async fn read(&mut self) -> Option<(u8, Vec<u8>)> {
        let first = self.stream.read_u8().await.ok()?;
        let second = self.stream.read_u8().await.ok()?;
        assert_eq!((first & 0xf0, second & 0x80), (0x80, 0x80), "one frame for each message, and masked");
        let length = match second & 0x7f {
            126 => u64::from(self.stream.read_u16().await.ok()?),
            127 => self.stream.read_u64().await.ok()?,
            length => u64::from(length),
        };
        let mut mask = [0; 4];
        self.stream.read_exact(&mut mask).await.ok()?;
        let mut payload = vec![0; usize::try_from(length).unwrap()];
        self.stream.read_exact(&mut payload).await.ok()?;
        for (place, byte) in payload.iter_mut().enumerate() {
            *byte ^= mask[place % 4];
        }
        Some((first & 0x0f, payload))
    }

    pub(crate) fn into_stream(self) -> Box<dyn Duplex> {
        self.stream
    }

    /// Reads until the client is gone.
    pub(crate) async fn drain(&mut self) {
        let mut buffer = vec![0; 1 << 16];
        while let Ok(1..) = self.stream.read(&mut buffer).await {}
    }
}

/// A frame as a server writes it.
pub(crate) fn frame(opcode: u8, fin: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![opcode | if fin { 0x80 } else { 0 }];
    match payload.len() {
        length @ 0..=125 => bytes.push(u8::try_from(length).unwrap()),
        length @ 126..=0xffff => {
            bytes.push(126);
            bytes.extend(u16::try_from(length).unwrap().to_be_bytes());
        }
        length => {
            bytes.push(127);
            bytes.extend((length as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}

/// A frame of the client: its opcode and its payload.
type Received = Arc<Mutex<Vec<(u8, Vec<u8>)>>>;
type Script = Arc<dyn Fn(Line) -> BoxFuture<'static, ()> + Send + Sync>;

pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    heads: Arc<Mutex<Vec<String>>>,
    received: Received,
    task: tokio::task::JoinHandle<()>,
}

impl Peer {
    /// Plays `script` with every connection.
    pub(crate) async fn start<F>(script: impl Fn(Line) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with(None, script).await
    }

    pub(crate) async fn with<F>(
        tls: Option<TlsAcceptor>,
        script: impl Fn(Line) -> F + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, heads) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let script: Script = Arc::new(move |line| Box::pin(script(line)));
        let (counter, log) = (connections.clone(), heads.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                stream.set_nodelay(true).unwrap();
                let (script, log, tls) = (script.clone(), log.clone(), tls.clone());
                tokio::spawn(async move {
                    let mut stream: Box<dyn Duplex> = match tls {
                        None => Box::new(stream),
                        Some(tls) => match tls.accept(stream).await {
                            Ok(stream) => Box::new(stream),
                            Err(_) => return,
                        },
                    };
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        let Ok(byte) = stream.read_u8().await else { return };
                        head.push(byte);
                    }
                    let head = String::from_utf8_lossy(&head).into_owned();
                    log.lock().unwrap().push(head.clone());
                    script(Line { stream, head }).await;
                });
            }
        });
        Self { address, connections, heads, received: Arc::default(), task }
    }

    /// Keeps what it is sent and sends it back; answers a close.
    pub(crate) async fn echo() -> Self {
        Self::echo_with(None).await
    }

    pub(crate) async fn echo_with(tls: Option<TlsAcceptor>) -> Self {
        let received: Received = Arc::default();
        let kept = received.clone();
        let mut peer = Self::with(tls, move |mut line| {
            let kept = kept.clone();
            async move {
                line.open(&[]).await;
                while let Some((opcode, payload)) = line.read().await {
                    kept.lock().unwrap().push((opcode, payload.clone()));
                    if !line.frame(opcode, true, &payload).await || opcode == CLOSE {
                        break;
                    }
                }
            }
        })
        .await;
        peer.received = received;
        peer
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The requests that came.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }

    /// The messages that an echo got.
    pub(crate) fn received(&self) -> Vec<(u8, Vec<u8>)> {
        self.received.lock().unwrap().clone()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("ws://{}{path}", self.address)
    }

    /// A rule for all of it.
    pub(crate) fn rule(&self, options: &str) -> String {
        format!("GET {} private=127.0.0.1 {options}", self.url("/**")).trim().to_owned()
    }

    pub(crate) fn grant(&self) -> Grant {
        crate::world::grant(&self.rule(""))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) async fn connect(door: &Arc<Door>, url: &str) -> Result<Socket, Error> {
    connect_with(door, url, &[], &Arc::new(References::none())).await
}

pub(crate) async fn connect_with(
    door: &Arc<Door>,
    url: &str,
    headers: &[(&str, &str)],
    references: &Arc<References>,
) -> Result<Socket, Error> {
    let headers: Vec<_> =
        headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    door.connect(url, &headers, Options::default(), None, references).await
}

pub(crate) fn text(text: impl Into<String>) -> socket::Message {
    socket::Message::Text(text.into())
}

/// Short times, so that a test of them ends soon.
pub(crate) fn hasty() -> socket::Config {
    socket::Config { open: 4, silence: Duration::from_millis(300), closing: Duration::from_millis(300) }
}

/// Waits until something has come about.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    for _ in 0..5000 {
        if condition() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    panic!("{what} did not come about");
}

/// What comes of it, where it is only a question of when: a test that is wrong ends too.
pub(crate) async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_mins(1), future).await.expect("it comes about soon")
}
