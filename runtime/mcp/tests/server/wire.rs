//! HTTP by hand, so that requests can be wrong in every way.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
}

/// A request in the making.
#[derive(Clone)]
pub(crate) struct Call {
    method: &'static str,
    path: String,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// An answer that goes on.
pub(crate) struct Live {
    stream: TcpStream,
    seen: String,
}

pub(crate) fn post(token: &str, message: &Value) -> Call {
    let call =
        Call { method: "POST", path: "/mcp".into(), headers: Vec::new(), body: message.to_string().into() };
    call.with("Authorization", &format!("Bearer {token}"))
        .with("Content-Type", "application/json")
        .with("Accept", "application/json, text/event-stream")
}

pub(crate) fn get(token: &str, session: &str) -> Call {
    let call = Call { method: "GET", path: "/mcp".into(), headers: Vec::new(), body: Vec::new() };
    call.with("Authorization", &format!("Bearer {token}"))
        .with("Accept", "text/event-stream")
        .with("Mcp-Session-Id", session)
}

pub(crate) fn delete(token: &str, session: &str) -> Call {
    let call = Call { method: "DELETE", path: "/mcp".into(), headers: Vec::new(), body: Vec::new() };
    call.with("Authorization", &format!("Bearer {token}")).with("Mcp-Session-Id", session)
}

/// A message of the version without sessions.
pub(crate) fn modern(token: &str, method: &str, mut params: Value) -> Call {
    let name = params.get("name").or_else(|| params.get("uri")).and_then(Value::as_str).map(str::to_owned);
    params["_meta"]["io.modelcontextprotocol/protocolVersion"] = json!("2026-07-28");
    params["_meta"]["io.modelcontextprotocol/clientInfo"] = json!({"name": "test", "version": "1"});
    params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = json!({});
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
    let call = post(token, &message).with("MCP-Protocol-Version", "2026-07-28").with("Mcp-Method", method);
    match name {
        Some(name) => call.with("Mcp-Name", &name),
        None => call,
    }
}

/// A message of the version with sessions.
pub(crate) fn classic(token: &str, session: &str, id: u32, method: &str, params: &Value) -> Call {
    let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
    post(token, &message).with("MCP-Protocol-Version", "2025-11-25").with("Mcp-Session-Id", session)
}

pub(crate) fn notice(token: &str, session: &str, method: &str, params: &Value) -> Call {
    let message = json!({"jsonrpc": "2.0", "method": method, "params": params});
    post(token, &message).with("MCP-Protocol-Version", "2025-11-25").with("Mcp-Session-Id", session)
}

pub(crate) fn initialize(token: &str) -> Call {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": {"name": "test", "version": "1"},
    });
    post(token, &json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}))
}

/// Opens a session and gives its id.
pub(crate) async fn session(address: SocketAddr, token: &str) -> String {
    let answer = initialize(token).send(address).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let session = answer.header("mcp-session-id").expect("a session has an id");
    let answer = notice(token, &session, "notifications/initialized", &json!({})).send(address).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    session
}

impl Call {
    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    pub(crate) fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(header, _)| header != name);
        self
    }

    pub(crate) fn at(mut self, path: &str) -> Self {
        self.path = path.into();
        self
    }

    pub(crate) fn saying(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    fn bytes(&self, address: SocketAddr) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nConnection: close\r\n", self.method, self.path);
        if !self.headers.iter().any(|(name, _)| name == "Host") {
            write!(head, "Host: {address}\r\n").unwrap();
        }
        for (name, value) in &self.headers {
            write!(head, "{name}: {value}\r\n").unwrap();
        }
        write!(head, "Content-Length: {}\r\n\r\n", self.body.len()).unwrap();
        [head.as_bytes(), &self.body].concat()
    }

    /// Sends it and waits for the end of the answer.
    pub(crate) async fn send(&self, address: SocketAddr) -> Answer {
        let mut live = self.open(address).await;
        let mut bytes = Vec::new();
        // A server that refuses may close before it has read everything.
        let _ = live.stream.read_to_end(&mut bytes).await;
        Answer::of(&String::from_utf8_lossy(&bytes))
    }

    /// Sends it from this address of the machine and waits for the end of the answer.
    pub(crate) async fn send_from(&self, source: IpAddr, address: SocketAddr) -> Answer {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind((source, 0).into()).unwrap();
        let mut stream = socket.connect(address).await.unwrap();
        stream.write_all(&self.bytes(address)).await.unwrap();
        let mut bytes = Vec::new();
        let _ = stream.read_to_end(&mut bytes).await;
        Answer::of(&String::from_utf8_lossy(&bytes))
    }

    /// Sends it and leaves the answer open.
    pub(crate) async fn open(&self, address: SocketAddr) -> Live {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let _ = stream.write_all(&self.bytes(address)).await;
        Live { stream, seen: String::new() }
    }
}

impl Live {
    /// Reads until `text` was seen, or fails at the end.
    pub(crate) async fn until(&mut self, text: &str) {
        let mut buffer = [0; 4096];
        while !self.seen.contains(text) {
            let count = self.stream.read(&mut buffer).await.unwrap();
            assert_ne!(count, 0, "the stream ended without {text:?}: {}", self.seen);
            self.seen += &String::from_utf8_lossy(&buffer[..count]);
        }
    }

    /// Reads until `text` was seen. `false` where it ends before that.
    pub(crate) async fn has(&mut self, text: &str) -> bool {
        let mut buffer = [0; 4096];
        while !self.seen.contains(text) {
            let Ok(count @ 1..) = self.stream.read(&mut buffer).await else { return false };
            self.seen += &String::from_utf8_lossy(&buffer[..count]);
        }
        true
    }

    /// Reads to the end and gives everything.
    pub(crate) async fn end(mut self) -> String {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = self.stream.read(&mut buffer).await {
            self.seen += &String::from_utf8_lossy(&buffer[..count]);
        }
        self.seen
    }
}

impl Answer {
    pub(crate) fn of(text: &str) -> Self {
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.into(), body: body.into() }
    }

    pub(crate) fn header(&self, name: &str) -> Option<String> {
        self.head.lines().find_map(|line| {
            let (header, value) = line.split_once(':')?;
            header.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        })
    }

    /// The messages in it, of one body or of a stream.
    pub(crate) fn messages(&self) -> Vec<Value> {
        messages(&self.body)
    }

    /// The last message.
    pub(crate) fn message(&self) -> Value {
        self.messages().pop().unwrap_or_else(|| panic!("no message in {self:?}"))
    }
}

/// The messages of a stream.
pub(crate) fn messages(text: &str) -> Vec<Value> {
    let lines = text.lines().map(|line| line.strip_prefix("data:").unwrap_or(line).trim());
    lines.filter(|line| line.starts_with('{')).filter_map(|line| serde_json::from_str(line).ok()).collect()
}
