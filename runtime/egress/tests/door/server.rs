//! A server on the loopback interface that counts connections, keeps what it was sent, and writes exactly the bytes
//! that a test asks for.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// What the server does next with a connection.
#[derive(Clone)]
pub(crate) enum Step {
    /// Writes these bytes as one segment.
    Write(Vec<u8>),
    /// Waits.
    Wait(Duration),
    /// Never does anything again.
    Hang,
    /// Closes the connection.
    Close,
}

/// One request as it arrived.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    /// The request line and the headers.
    pub(crate) head: String,
    /// The body, chunks joined.
    pub(crate) body: Vec<u8>,
}

impl Seen {
    pub(crate) fn line(&self) -> &str {
        self.head.lines().next().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (own, value) = line.split_once(':')?;
            own.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

type Handler = Arc<dyn Fn(&Seen) -> Vec<Step> + Send + Sync>;

pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    connections: Arc<AtomicUsize>,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Server {
    /// Listens on a free port of 127.0.0.1.
    pub(crate) async fn start(handler: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static) -> Self {
        Self::at("127.0.0.1:0", handler).await
    }

    pub(crate) async fn at(
        address: &str,
        handler: impl Fn(&Seen) -> Vec<Step> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (connections, seen) = (Arc::new(AtomicUsize::new(0)), Arc::new(Mutex::new(Vec::new())));
        let handler: Handler = Arc::new(handler);
        let (counter, log) = (connections.clone(), seen.clone());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                tokio::spawn(serve(stream, handler.clone(), log.clone()));
            }
        });
        Self { address, connections, seen, task }
    }

    /// Answers everything with `200` and this body.
    pub(crate) async fn saying(body: &'static str) -> Self {
        Self::start(move |_| vec![Step::Write(reply("200 OK", &[], body.as_bytes()))]).await
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut stream: TcpStream, handler: Handler, log: Arc<Mutex<Vec<Seen>>>) {
    let mut buffer = Vec::new();
    while let Some(seen) = read(&mut stream, &mut buffer).await {
        log.lock().unwrap().push(seen.clone());
        for step in handler(&seen) {
            match step {
                Step::Write(bytes) => {
                    if stream.write_all(&bytes).await.is_err() || stream.flush().await.is_err() {
                        return;
                    }
                }
                Step::Wait(time) => tokio::time::sleep(time).await,
                Step::Hang => std::future::pending().await,
                Step::Close => return,
            }
        }
    }
}

async fn read(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<Seen> {
    let end = loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        fill(stream, buffer).await?;
    };
    let head = String::from_utf8_lossy(&buffer[..end]).into_owned();
    buffer.drain(..end + 4);
    let mut seen = Seen { head, body: Vec::new() };
    if seen.header("transfer-encoding") == Some("chunked") {
        loop {
            let line = line(stream, buffer).await?;
            let size = usize::from_str_radix(line.trim(), 16).ok()?;
            while buffer.len() < size + 2 {
                fill(stream, buffer).await?;
            }
            seen.body.extend(buffer.drain(..size));
            buffer.drain(..2);
            if size == 0 {
                break;
            }
        }
    } else {
        let length: usize = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
        while buffer.len() < length {
            fill(stream, buffer).await?;
        }
        seen.body = buffer.drain(..length).collect();
    }
    Some(seen)
}

async fn line(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<String> {
    loop {
        if let Some(end) = buffer.windows(2).position(|window| window == b"\r\n") {
            let line = String::from_utf8_lossy(&buffer[..end]).into_owned();
            buffer.drain(..end + 2);
            return Some(line);
        }
        fill(stream, buffer).await?;
    }
}

async fn fill(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> Option<()> {
    let mut piece = [0; 4096];
    let read = stream.read(&mut piece).await.ok().filter(|read| *read > 0)?;
    buffer.extend_from_slice(&piece[..read]);
    Some(())
}

/// A whole answer with its length stated.
pub(crate) fn reply(status: &str, headers: &[(&str, &str)], body: &[u8]) -> Vec<u8> {
    let mut bytes = head(status, headers);
    bytes.truncate(bytes.len() - 2);
    bytes.extend_from_slice(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    bytes.extend_from_slice(body);
    bytes
}

/// The head of an answer.
pub(crate) fn head(status: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status}\r\n");
    for (name, value) in headers {
        text.extend([name, ": ", value, "\r\n"]);
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// An answer in chunks, each written as a segment of its own.
pub(crate) fn chunked(status: &str, headers: &[(&str, &str)], chunks: &[&[u8]]) -> Vec<Step> {
    let mut all = headers.to_vec();
    all.push(("transfer-encoding", "chunked"));
    let mut steps = vec![Step::Write(head(status, &all))];
    for chunk in chunks.iter().filter(|chunk| !chunk.is_empty()) {
        let mut bytes = format!("{:x}\r\n", chunk.len()).into_bytes();
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
        steps.push(Step::Write(bytes));
    }
    steps.push(Step::Write(b"0\r\n\r\n".to_vec()));
    steps
}
