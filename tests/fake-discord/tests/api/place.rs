//! A server, its bot, a guild, a person, and a client for each side.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use openpact_fake_discord::{Bot, Channel, Guild, Server, User};
use serde_json::{Value, json};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

pub(crate) const TOKEN: &str = "NzAw.secret";
pub(crate) const SOON: Duration = Duration::from_secs(20);
/// Guilds, messages there and in private, and what they say.
pub(crate) const INTENTS: u64 = 1 | 1 << 9 | 1 << 11 | 1 << 12 | 1 << 15;

pub(crate) struct Place {
    pub(crate) server: Server,
    pub(crate) bot: Bot,
    pub(crate) guild: Guild,
    pub(crate) general: Channel,
    pub(crate) alice: User,
}

/// An answer: its status, its headers in lower case, its body.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn body(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines();
        lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Place {
    pub(crate) fn new() -> Self {
        let server = Server::start().unwrap();
        let bot = server.bot(700, TOKEN);
        let guild = bot.guild(100, "Guild");
        let general = guild.channel(200, "general");
        let alice = server.user(42, "Alice");
        Self { server, bot, guild, general, alice }
    }

    /// The bytes that come back.
    pub(crate) fn raw(&self, request: &[u8]) -> Option<Answer> {
        let mut stream = TcpStream::connect(self.server.address()).unwrap();
        stream.write_all(request).unwrap();
        let mut answer = Vec::new();
        // A fault may break the connection; what came until then counts.
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8(answer).unwrap();
        let (head, text) = answer.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Answer { status, head: head.to_lowercase(), text: text.to_owned() })
    }

    pub(crate) fn send(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Option<Answer> {
        let length = body.len();
        let head = format!(
            "{method} /api/v10{path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nauthorization: Bot {TOKEN}\r\nuser-agent: DiscordBot (https://example.com, 1)\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n"
        );
        self.raw(&[head.as_bytes(), body].concat())
    }

    pub(crate) fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let text = if body.is_null() { String::new() } else { body.to_string() };
        self.send(method, path, "application/json", text.as_bytes()).unwrap()
    }

    #[track_caller]
    pub(crate) fn good(&self, method: &str, path: &str, body: &Value) -> Value {
        let answer = self.call(method, path, body);
        assert!(matches!(answer.status, 200 | 201), "{method} {path} {body}: {answer:?}");
        answer.body()
    }

    #[track_caller]
    pub(crate) fn done(&self, method: &str, path: &str, body: &Value) {
        let answer = self.call(method, path, body);
        assert_eq!(answer.status, 204, "{method} {path} {body}: {answer:?}");
    }

    #[track_caller]
    pub(crate) fn bad(&self, method: &str, path: &str, body: &Value, status: u16, code: u64) -> Value {
        let answer = self.call(method, path, body);
        assert_eq!(answer.status, status, "{method} {path} {body}: {answer:?}");
        assert_eq!(answer.body()["code"], code, "{method} {path} {body}: {answer:?}");
        answer.body()
    }

    /// A message of the bot in the channel of the guild.
    #[track_caller]
    pub(crate) fn post(&self, body: &Value) -> Value {
        self.good("POST", "/channels/200/messages", body)
    }
}

/// A client of the gateway.
pub(crate) struct Peer(WebSocketStream<tokio::net::TcpStream>);

impl Peer {
    pub(crate) async fn open(url: &str) -> Self {
        let address = url.strip_prefix("ws://").unwrap().split('/').next().unwrap();
        let stream = tokio::net::TcpStream::connect(address).await.unwrap();
        Self(tokio_tungstenite::client_async(url, stream).await.unwrap().0)
    }

    /// Connected, with Hello received.
    pub(crate) async fn connect(server: &Server) -> Self {
        let mut peer = Self::open(&format!("{}/?v=10&encoding=json", server.gateway_url())).await;
        assert_eq!(peer.next().await["op"], 10);
        peer
    }

    /// Connected and ready, with what Ready said.
    pub(crate) async fn ready(server: &Server, intents: u64) -> (Self, Value) {
        let mut peer = Self::connect(server).await;
        peer.say(2, identity(TOKEN, intents)).await;
        let ready = peer.event("READY").await;
        (peer, ready["d"].clone())
    }

    pub(crate) async fn resumed(server: &Server, ready: &Value, sequence: u64) -> Self {
        let url = ready["resume_gateway_url"].as_str().unwrap();
        assert!(url.starts_with(&server.gateway_url()));
        let mut peer = Self::open(&format!("{url}/?v=10&encoding=json")).await;
        assert_eq!(peer.next().await["op"], 10);
        let session = &ready["session_id"];
        peer.say(6, json!({"token": TOKEN, "session_id": session, "seq": sequence})).await;
        peer
    }

    pub(crate) async fn say(&mut self, opcode: u64, data: Value) {
        self.text(&json!({"op": opcode, "d": data}).to_string()).await;
    }

    pub(crate) async fn text(&mut self, text: &str) {
        self.0.send(Message::text(text)).await.unwrap();
    }

    /// What comes next; text as it is where it is no JSON, the code where the server closes.
    pub(crate) async fn next(&mut self) -> Value {
        let next = async {
            loop {
                match self.0.next().await {
                    Some(Ok(Message::Text(text))) => {
                        return serde_json::from_str(&text).unwrap_or_else(|_| json!(text.as_str()));
                    }
                    Some(Ok(Message::Close(frame))) => {
                        return json!({"closed": frame.map(|frame| u16::from(frame.code))});
                    }
                    Some(Ok(_)) => {}
                    Some(Err(_)) | None => return json!({"closed": "broken"}),
                }
            }
        };
        tokio::time::timeout(SOON, next).await.expect("something comes")
    }

    /// The next event of that name; others are passed over.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        loop {
            let next = self.next().await;
            assert!(next.get("closed").is_none(), "waited for {name}: {next}");
            if next["t"] == name {
                return next;
            }
        }
    }

    /// The code with which the server closes.
    pub(crate) async fn closed(&mut self) -> Value {
        loop {
            let next = self.next().await;
            if let Some(code) = next.get("closed") {
                return code.clone();
            }
        }
    }

    pub(crate) async fn leave(&mut self, code: u16) {
        use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
        self.0.close(Some(CloseFrame { code: code.into(), reason: "".into() })).await.unwrap();
        self.closed().await;
    }

    /// Raw messages, for those that are compressed.
    pub(crate) async fn bytes(&mut self) -> Vec<u8> {
        self.0.next().await.unwrap().unwrap().into_data().to_vec()
    }
}

pub(crate) fn identity(token: &str, intents: u64) -> Value {
    json!({
        "token": token,
        "intents": intents,
        "properties": {"os": "linux", "browser": "test", "device": "test"},
    })
}
