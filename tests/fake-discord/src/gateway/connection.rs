//! One connection, from Hello to its end.

mod speak;

use std::collections::VecDeque;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::fault::{GatewayFault, Stage};
use super::handshake::Asked;
use super::identify::{Begin, GoOn, identify, resume};
use super::session::{Event, Order};
use super::wire::{Manner, Wire};
use crate::clock;
use crate::server::Shared;

/// The interval of heartbeats that the real server asks for.
const HEARTBEAT: Duration = Duration::from_millis(41_250);
/// The largest frame of a bot, in bytes.
const MAX_FRAME: usize = 4_096;
/// The most frames of a bot in a minute.
const MAX_FRAMES: usize = 120;
/// How long after a request for a new connection the old one ends.
const LEAVE: Duration = Duration::from_millis(500);

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Without a word.
    Broken,
    /// The server closes with this code.
    Code(u16),
    /// The bot closes with this code.
    Left(u16),
}

type Flow = ControlFlow<End>;

pub(super) struct Connection {
    shared: Arc<Shared>,
    wire: Wire,
    asked: Asked,
    number: u64,
    orders: UnboundedReceiver<Order>,
    way: UnboundedSender<Order>,
    session: Option<String>,
    frames: VecDeque<SystemTime>,
    acknowledges: bool,
    silent: bool,
    /// The event that waits for the one after it.
    held: Option<Event>,
    /// When the next heartbeat is overdue, and when the server leaves.
    overdue: Instant,
    leaves: Option<Instant>,
}

impl Connection {
    pub(super) fn new(shared: Arc<Shared>, wire: Wire, asked: Asked) -> Self {
        let (way, orders) = unbounded_channel();
        let number = {
            let mut world = shared.world();
            world.connections += 1;
            world.connections
        };
        Self {
            shared,
            wire,
            asked,
            number,
            orders,
            way,
            session: None,
            frames: VecDeque::new(),
            acknowledges: true,
            silent: false,
            held: None,
            overdue: Instant::now(),
            leaves: None,
        }
    }

    pub(super) async fn run(mut self) {
        let end = match self.live().await {
            ControlFlow::Break(end) => end,
            ControlFlow::Continue(()) => End::Broken,
        };
        self.finish(end);
        if let End::Code(code) = end {
            self.wire.close(code).await;
        }
        self.shared.touch();
    }

    /// What becomes of the session.
    fn finish(&mut self, end: End) {
        let Some(id) = self.session.take() else { return };
        let mut world = self.shared.world();
        let over = match end {
            End::Broken => false,
            // Nothing can be resumed after these, and after a farewell of the bot.
            End::Code(code) => matches!(code, 4_004 | 4_007 | 4_009..=4_014),
            End::Left(code) => matches!(code, 1_000 | 1_001),
        };
        if over {
            world.sessions.remove(&id);
        } else if let Some(session) = world.sessions.get_mut(&id) {
            session.part(self.number);
        }
        drop(world);
        self.shared.touch();
    }

    async fn live(&mut self) -> Flow {
        if !self.asked.version_fits {
            return ControlFlow::Break(End::Code(4_012));
        }
        let interval = self.shared.world().heartbeat.unwrap_or(HEARTBEAT);
        if self.reach(Stage::BeforeHello, None).await? {
            let hello = json!({"heartbeat_interval": interval.as_millis(), "_trace": ["[\"fake\"]"]});
            self.say(10, &hello).await?;
        }
        self.reach(Stage::AfterHello, None).await?;
        // Half an interval of grace, as heartbeats travel too.
        let patience = interval + interval / 2;
        self.overdue = Instant::now() + patience;
        loop {
            let leaves = self.leaves;
            let leave = async {
                match leaves {
                    Some(at) => tokio::time::sleep_until(at).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // What a test has ordered counts for what comes after it.
                biased;
                order = self.orders.recv() => match order {
                    Some(Order::Event(event)) => self.event(event).await?,
                    Some(Order::Disturb(fault)) => self.disturb(fault).await?,
                    None => return ControlFlow::Break(End::Broken),
                },
                message = self.wire.next() => {
                    if self.hear(message).await? {
                        self.overdue = Instant::now() + patience;
                    }
                }
                () = tokio::time::sleep_until(self.overdue) => return ControlFlow::Break(End::Code(4_009)),
                () = leave => return ControlFlow::Break(End::Code(1_001)),
            }
        }
    }

    /// A point was reached. Gives whether the server does what belongs to it.
    async fn reach(&mut self, stage: Stage, event: Option<&str>) -> ControlFlow<End, bool> {
        let fault = self.shared.world().strike_gateway(stage, event);
        match fault {
            None => ControlFlow::Continue(true),
            Some(GatewayFault::Ignore) => ControlFlow::Continue(false),
            Some(fault) => {
                self.disturb(fault).await?;
                // A session that was said to be invalid is not begun.
                let begun = !matches!(fault, GatewayFault::InvalidSession(_));
                ControlFlow::Continue(begun)
            }
        }
    }

    /// A message of the bot. Gives whether it was a heartbeat.
    async fn hear(&mut self, message: Option<Result<Message, Error>>) -> ControlFlow<End, bool> {
        let text = match message {
            None | Some(Err(_)) => return ControlFlow::Break(End::Broken),
            Some(Ok(Message::Close(frame))) => {
                let code = frame.map_or(1_005, |frame| u16::from(frame.code));
                return ControlFlow::Break(End::Left(code));
            }
            Some(Ok(Message::Text(text))) => text.as_str().to_owned(),
            Some(Ok(Message::Binary(bytes))) => String::from_utf8_lossy(&bytes).into_owned(),
            Some(Ok(_)) => return ControlFlow::Continue(false),
        };
        let frame: Option<Value> = serde_json::from_str(&text).ok();
        let opcode = frame.as_ref().and_then(|frame| frame["op"].as_u64());
        let (Some(frame), Some(opcode)) = (frame, opcode) else { return self.wrong(4_002, &text) };
        if text.len() > MAX_FRAME {
            return self.wrong(4_002, "a frame of more than 4,096 bytes");
        }
        self.shared.world().receive(self.number, opcode, frame["d"].clone());
        self.shared.touch();
        let now = clock::now();
        self.frames.push_back(now);
        self.frames.retain(|at| *at + Duration::from_mins(1) > now);
        if self.frames.len() > MAX_FRAMES {
            return self.wrong(4_008, "more than 120 frames in a minute");
        }
        self.obey(opcode, &frame["d"]).await?;
        ControlFlow::Continue(opcode == 1)
    }

    async fn obey(&mut self, opcode: u64, data: &Value) -> Flow {
        match opcode {
            1 => self.heartbeat(data).await,
            2 | 6 if self.session.is_some() => self.wrong(4_005, "it has a session already"),
            2 => self.identify(data).await,
            6 => self.resume(data).await,
            3 | 4 | 8 | 31 if self.session.is_none() => self.wrong(4_003, "it has no session yet"),
            3 | 4 | 8 | 31 => ControlFlow::Continue(()),
            _ => self.wrong(4_001, &format!("there is no opcode {opcode}")),
        }
    }

    /// Closes, and tells the test why.
    fn wrong<T>(&self, code: u16, why: &str) -> ControlFlow<End, T> {
        self.shared.world().complain([format!("gateway: closed with {code}: {why}")]);
        ControlFlow::Break(End::Code(code))
    }

    async fn heartbeat(&mut self, data: &Value) -> Flow {
        let known = {
            let world = self.shared.world();
            self.session.as_ref().and_then(|id| world.sessions.get(id)).map(|session| session.sequence)
        };
        if let (Some(said), Some(known)) = (data.as_u64(), known)
            && said > known
        {
            return self.wrong(4_007, "a heartbeat with a sequence that never was");
        }
        if self.reach(Stage::Heartbeat, None).await? && self.acknowledges {
            self.say(11, &Value::Null).await?;
        }
        ControlFlow::Continue(())
    }

    async fn identify(&mut self, data: &Value) -> Flow {
        let begun = identify(&mut self.shared.world(), data);
        let identity = match begun {
            Err(code) => return ControlFlow::Break(End::Code(code)),
            Ok(Begin::TooSoon) => return self.say(9, &false.into()).await,
            Ok(Begin::Session(identity)) => identity,
        };
        if self.reach(Stage::Identify, None).await? {
            let way = self.way.clone();
            let id = self.shared.world().begin(identity.bot, identity.intents, self.number, way);
            self.session = Some(id);
        }
        ControlFlow::Continue(())
    }

    async fn resume(&mut self, data: &Value) -> Flow {
        if !self.asked.to_resume {
            let told = "gateway: resumed elsewhere than at resume_gateway_url".to_owned();
            self.shared.world().complain([told]);
        }
        let went_on = resume(&mut self.shared.world(), data);
        let (id, sequence) = match went_on {
            Err(code) => return ControlFlow::Break(End::Code(code)),
            Ok(GoOn::Gone) => return self.say(9, &false.into()).await,
            Ok(GoOn::Session { id, sequence }) => (id, sequence),
        };
        self.session = Some(id.clone());
        if !self.reach(Stage::Resume, None).await? {
            self.session = None;
            return ControlFlow::Continue(());
        }
        let missed = {
            let mut world = self.shared.world();
            let session = world.sessions.get_mut(&id);
            session.and_then(|session| session.rejoin(sequence, self.number, self.way.clone()))
        };
        let Some(missed) = missed else { return self.say(9, &false.into()).await };
        for text in missed {
            self.text(text, Manner::Whole).await?;
        }
        self.reach(Stage::Ready, None).await?;
        self.shared.touch();
        ControlFlow::Continue(())
    }
}
