//! Socket Mode on the wire (<https://docs.slack.dev/apis/events-api/using-socket-mode>).

mod pipe;

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt as _, StreamExt as _};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use openpact_fake_kit::websocket;
use openpact_fake_kit::wire::Body;
use serde_json::{Value, json};
use tokio::io::AsyncReadExt as _;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use self::pipe::Pipe;
use crate::exchange::{Envelope, MAX_CONNECTIONS, Order};
use crate::fault::{Fault, Stage};
use crate::refusal::Refusal;
use crate::reply::Reply;
use crate::server::Shared;

/// How often the server asks whether the other side is there.
const PING: Duration = Duration::from_secs(10);

/// How long a connection goes on that is to be refreshed.
const GRACE: Duration = Duration::from_secs(10);

/// How long an envelope that changes places waits for the next one.
const SWAP: Duration = Duration::from_secs(1);

/// The connection is gone, or is to go.
struct Broken;

type Going = Result<(), Broken>;

/// Opens a connection, if the ticket does.
pub(crate) async fn open(shared: Arc<Shared>, request: Request<Incoming>) -> io::Result<Response<Body>> {
    let query = request.uri().query().unwrap_or_default().as_bytes();
    let ticket = url::form_urlencoded::parse(query).find(|(name, _)| name == "ticket");
    let ticket = ticket.map(|(_, value)| value.into_owned()).unwrap_or_default();
    let fault = shared.world().goes_wrong(Stage::Open, "link", None);
    match fault {
        Some(Fault::RefuseSocket(status)) => return Ok(Reply::page(status).whole()),
        Some(_) => pending().await,
        None => {}
    }
    let accept = websocket::accept(request.headers()).filter(|_| websocket::is_asked(request.headers()));
    let Some(accept) = accept else { return Ok(Reply::page(400).whole()) };
    let opens = shared.change(|world| {
        let now = world.now();
        world.exchange.redeem(&ticket, now)
    });
    if !opens {
        return Ok(Reply::json(403, Refusal::new("invalid_ticket").body()).whole());
    }
    Ok(websocket::begin(request, accept, |stream| run(shared, stream)))
}

async fn run(shared: Arc<Shared>, stream: TokioIo<Upgraded>) {
    let pipe = Pipe::new(stream);
    let stream = WebSocketStream::from_raw_socket(pipe, Role::Server, None).await;
    let (number, orders) = shared.change(|world| world.exchange.connect());
    let delay = Duration::ZERO;
    let mut connection = Connection { shared: shared.clone(), number, stream, held: None, delay, ends: None };
    // However it ends, what it had not been told to have arrived is tried again.
    let _ = connection.live(orders).await;
    shared.change(|world| {
        let now = world.now();
        world.exchange.disconnected(number, now);
    });
}

struct Connection {
    shared: Arc<Shared>,
    number: u64,
    stream: WebSocketStream<Pipe<TokioIo<Upgraded>>>,
    /// An envelope that comes after the next one, or then.
    held: Option<(Envelope, Instant)>,
    delay: Duration,
    /// When it ends, if it is to be refreshed.
    ends: Option<Instant>,
}

impl Connection {
    async fn live(&mut self, mut orders: UnboundedReceiver<Order>) -> Going {
        self.greet().await?;
        let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
        loop {
            let held = self.held.as_ref().map(|(_, until)| *until);
            let ends = self.ends;
            tokio::select! {
                order = orders.recv() => self.obey(order.ok_or(Broken)?).await?,
                message = self.stream.next() => {
                    let message = message.ok_or(Broken)?.map_err(|_| Broken)?;
                    self.hear(&message)?;
                }
                _ = ping.tick() => self.send(Message::Ping("fake".into())).await?,
                () = at(held) => self.release().await?,
                () = at(ends) => return self.close().await,
            }
        }
    }

    fn strike(&self, stage: Stage, method: &str, channel: Option<&str>) -> Option<Fault> {
        self.shared.world().goes_wrong(stage, method, channel)
    }

    async fn greet(&mut self) -> Going {
        let fault = self.strike(Stage::Hello, "link", None);
        let open = self.shared.world().exchange.open();
        if open > MAX_CONNECTIONS || fault == Some(Fault::TooManySockets) {
            self.say(&json!({"type": "disconnect", "reason": "too_many_websockets", "debug_info": {"host": "applink-fake"}})).await?;
            return self.close().await;
        }
        match fault {
            Some(Fault::CutBeforeHello) => return Err(Broken),
            Some(Fault::NoHello) => return self.ignore().await,
            _ => {}
        }
        let app = self.shared.world().account().app_id.clone();
        self.say(&json!({
            "type": "hello",
            "num_connections": open,
            "debug_info": {"host": "applink-fake", "build_number": 1, "approximate_connection_time": 18_060},
            "connection_info": {"app_id": app},
        }))
        .await?;
        if fault == Some(Fault::CutAfterHello) {
            return Err(Broken);
        }
        let number = self.number;
        self.shared.change(|world| {
            let now = world.now();
            world.exchange.set_ready(number, true, now);
        });
        if fault == Some(Fault::Silence) { self.ignore().await } else { Ok(()) }
    }

    /// Neither reads nor writes until the other side leaves.
    async fn ignore(&mut self) -> Going {
        let mut bytes = [0; 1_024];
        while self.stream.get_mut().read(&mut bytes).await.is_ok_and(|read| read > 0) {}
        Err(Broken)
    }

    async fn send(&mut self, message: Message) -> Going {
        self.stream.send(message).await.map_err(|_| Broken)
    }

    async fn say(&mut self, value: &Value) -> Going {
        self.send(Message::text(value.to_string())).await
    }

    /// Ends it in order.
    async fn close(&mut self) -> Going {
        let left = self.stream.close(None).await.is_ok();
        if left {
            let rest = async { while self.stream.next().await.is_some_and(|message| message.is_ok()) {} };
            // One that does not answer is left all the same.
            let _ = tokio::time::timeout(Duration::from_secs(1), rest).await;
        }
        Err(Broken)
    }

    async fn obey(&mut self, order: Order) -> Going {
        match order {
            Order::Deliver(envelope) => self.deliver(envelope).await,
            Order::Disconnect(reason) => self.disconnect(&reason).await,
            Order::Text(text) => self.send(Message::text(text)).await,
            Order::Cut => Err(Broken),
        }
    }

    async fn disconnect(&mut self, reason: &str) -> Going {
        self.say(&json!({"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-fake"}}))
            .await?;
        match reason {
            "warning" => Ok(()),
            "refresh_requested" => {
                self.ends = Some(Instant::now() + GRACE);
                let number = self.number;
                self.shared.change(|world| {
                    let now = world.now();
                    world.exchange.set_leaving(number, now);
                });
                Ok(())
            }
            _ => self.close().await,
        }
    }

    async fn deliver(&mut self, envelope: Envelope) -> Going {
        tokio::time::sleep(self.delay).await;
        let text = envelope.text();
        let whole = Message::text(text.clone());
        match self.strike(Stage::Envelope, &envelope.kind, envelope.channel.as_deref()) {
            Some(Fault::CutBeforeEnvelope) => return Err(Broken),
            Some(Fault::CutInEnvelope) => {
                self.stream.get_mut().budget = Some(text.len() / 2);
                self.send(whole).await?;
            }
            Some(Fault::CutAfterEnvelope) => {
                self.send(whole).await?;
                return Err(Broken);
            }
            Some(Fault::DisconnectBeforeEnvelope(reason)) => {
                self.disconnect(&reason).await?;
                self.send(whole).await?;
            }
            Some(Fault::DuplicateEnvelope) => {
                self.send(whole.clone()).await?;
                self.send(whole).await?;
            }
            Some(Fault::SwapEnvelope) if self.held.is_none() => {
                self.held = Some((envelope, Instant::now() + SWAP));
                return Ok(());
            }
            Some(Fault::MalformedEnvelope) => self.send(Message::text(text.replacen(':', ";", 1))).await?,
            Some(Fault::FramedEnvelope(size)) => self.frames(&text, size.max(1)).await?,
            Some(Fault::DripEnvelope(milliseconds)) => {
                self.stream.get_mut().pace = Some(Duration::from_millis(milliseconds));
                let sent = self.send(whole).await;
                self.stream.get_mut().pace = None;
                sent?;
            }
            Some(Fault::DelayEnvelope(milliseconds)) => {
                self.delay = Duration::from_millis(milliseconds);
                tokio::time::sleep(self.delay).await;
                self.send(whole).await?;
            }
            _ => self.send(whole).await?,
        }
        self.release().await
    }

    /// Delivers what was held back.
    async fn release(&mut self) -> Going {
        match self.held.take() {
            Some((envelope, _)) => self.send(Message::text(envelope.text())).await,
            None => Ok(()),
        }
    }

    async fn frames(&mut self, text: &str, size: usize) -> Going {
        let mut kind = Data::Text;
        let mut chunks = text.as_bytes().chunks(size).peekable();
        while let Some(chunk) = chunks.next() {
            let frame = Frame::message(chunk.to_vec(), OpCode::Data(kind), chunks.peek().is_none());
            self.send(Message::Frame(frame)).await?;
            kind = Data::Continue;
        }
        Ok(())
    }

    fn hear(&mut self, message: &Message) -> Going {
        let text = match message {
            Message::Text(text) => text,
            Message::Binary(_) => {
                self.shared
                    .change(|world| world.complain(["Socket Mode: bytes in place of text".to_owned()]));
                return Ok(());
            }
            _ => return Ok(()),
        };
        let Ok(value) = serde_json::from_str::<Value>(text) else {
            self.shared.change(|world| world.complain([format!("Socket Mode: this is not JSON: {text}")]));
            return Ok(());
        };
        let id = value["envelope_id"].as_str().unwrap_or_default();
        let about = self.shared.world().exchange.about(id);
        let (kind, channel) = about.unwrap_or_default();
        let fault = self.strike(Stage::Acknowledgement, &kind, channel.as_deref());
        if !matches!(fault, Some(Fault::CutBeforeAcknowledgement | Fault::LoseAcknowledgement)) {
            self.shared.change(|world| world.acknowledge(&value));
        }
        match fault {
            Some(Fault::CutBeforeAcknowledgement | Fault::CutAfterAcknowledgement) => Err(Broken),
            _ => Ok(()),
        }
    }
}

/// Waits until then, or for ever.
async fn at(instant: Option<Instant>) {
    match instant {
        Some(instant) => tokio::time::sleep_until(instant).await,
        None => pending().await,
    }
}
