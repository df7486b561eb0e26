//! A server, its app, two people and their conversations; and a client written by hand.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use openpact_fake_slack::{App, Channel, Person, Server};
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::{self, Message, WebSocket};

pub(crate) const BOT: &str = "xoxb-bot-secret";
pub(crate) const APP: &str = "xapp-app-secret";
pub(crate) const SOON: Duration = Duration::from_secs(20);

pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) app: App,
    pub(crate) alice: Person,
    pub(crate) bob: Person,
    pub(crate) direct: Channel,
    pub(crate) general: Channel,
}

impl Place {
    pub(crate) fn new() -> Self {
        let server = Server::start().unwrap();
        let app = server.app(BOT, APP);
        let (alice, bob) = (server.person("U0ALICE", "Alice"), server.person("U0BOB", "Bob"));
        let (direct, general) = (app.direct(&alice), app.channel("C0GENERAL", "general"));
        Self { server, app, alice, bob, direct, general }
    }

    /// The bytes that come back.
    pub(crate) fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        // A server that breaks the connection may do so before it has read everything.
        let _ = stream.write_all(request.as_bytes());
        let mut answer = Vec::new();
        // A fault may break the connection; what came until then counts.
        let _ = stream.read_to_end(&mut answer);
        String::from_utf8(answer).unwrap()
    }

    /// Asks, and does not wait for an answer.
    pub(crate) fn begin(&self, path: &str, kind: &str, body: &str) -> TcpStream {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        let length = body.len();
        write!(
            stream,
            "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {BOT}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        )
        .unwrap();
        stream
    }

    pub(crate) fn post(&self, path: &str, token: &str, kind: &str, body: &str) -> String {
        let length = body.len();
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n{body}"
        ))
    }

    pub(crate) fn get(&self, path: &str, token: &str) -> String {
        self.raw(&format!(
            "GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bearer {token}\r\n\r\n"
        ))
    }

    /// Calls a method with JSON.
    pub(crate) fn call(&self, method: &str, body: &Value) -> Value {
        let kind = "application/json; charset=utf-8";
        parse(&self.post(&format!("/api/{method}"), BOT, kind, &body.to_string()))
    }

    #[track_caller]
    pub(crate) fn good(&self, method: &str, body: &Value) -> Value {
        let answer = self.call(method, body);
        assert_eq!(answer["ok"], true, "{method} {body}: {answer}");
        answer
    }

    #[track_caller]
    pub(crate) fn bad(&self, method: &str, body: &Value, error: &str) -> Value {
        let answer = self.call(method, body);
        assert_eq!(answer["error"], error, "{method} {body}: {answer}");
        answer
    }

    /// Calls a method that reads, which takes no JSON.
    #[track_caller]
    pub(crate) fn read(&self, method: &str, query: &str) -> Value {
        parse(&self.get(&format!("/api/{method}?{query}"), BOT))
    }

    /// Where a WebSocket is to be had.
    pub(crate) fn address(&self) -> String {
        let form = "application/x-www-form-urlencoded";
        let answer = parse(&self.post("/api/apps.connections.open", APP, form, ""));
        answer["url"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    }

    /// A WebSocket at that address, if the server opens it.
    pub(crate) fn try_open(&self, address: &str) -> Option<Socket> {
        let stream = TcpStream::connect(self.server.address()).unwrap();
        stream.set_read_timeout(Some(SOON)).unwrap();
        tungstenite::client(address, stream).ok().map(|(socket, _)| Socket(socket))
    }

    /// A WebSocket that was greeted.
    pub(crate) fn open(&self) -> Socket {
        let mut socket = self.try_open(&self.address()).unwrap();
        assert_eq!(socket.next()["type"], "hello");
        self.server.wait("the connection", SOON, |world| (world.connections() > 0).then_some(()));
        socket
    }

    /// Something that the bot said, with a button.
    pub(crate) fn offer(&self) -> String {
        let blocks = json!([{"type": "actions", "block_id": "choice", "elements": [{"type": "button", "action_id": "yes", "value": "1", "text": {"type": "plain_text", "text": "Yes"}}]}]);
        let said = json!({"channel": "C0GENERAL", "text": "Choose", "blocks": blocks});
        self.good("chat.postMessage", &said)["ts"].as_str().unwrap().to_owned()
    }
}

/// One end of a WebSocket.
pub(crate) struct Socket(WebSocket<TcpStream>);

impl Socket {
    /// The next thing that the server says; null when it has left.
    pub(crate) fn next(&mut self) -> Value {
        let text = self.text();
        if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() }
    }

    /// The same as it came.
    pub(crate) fn text(&mut self) -> String {
        loop {
            match self.0.read() {
                Ok(Message::Text(text)) => return text.to_string(),
                Ok(_) => {}
                Err(_) => return String::new(),
            }
        }
    }

    /// What comes back to a ping.
    pub(crate) fn ping(&mut self, text: &str) -> String {
        self.0.send(Message::Ping(text.to_owned().into())).unwrap();
        loop {
            if let Message::Pong(bytes) = self.0.read().unwrap() {
                return String::from_utf8(bytes.to_vec()).unwrap();
            }
        }
    }

    pub(crate) fn send(&mut self, value: &Value) {
        self.0.send(Message::text(value.to_string())).unwrap();
    }

    /// The next envelope, acknowledged.
    pub(crate) fn take(&mut self) -> Value {
        let envelope = self.next();
        self.acknowledge(&envelope);
        envelope
    }

    /// Acknowledges an envelope, if it is one and the server is still there.
    pub(crate) fn acknowledge(&mut self, envelope: &Value) {
        if let Some(id) = envelope["envelope_id"].as_str() {
            let _ = self.0.send(Message::text(json!({"envelope_id": id}).to_string()));
        }
    }
}

pub(crate) fn parse(answer: &str) -> Value {
    let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
}
