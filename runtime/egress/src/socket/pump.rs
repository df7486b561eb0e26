//! What carries the messages of one connection to and fro, for as long as it is open.
//!
//! One task: it reads while there is room for what comes, writes what waits, and looks whether the connection may still
//! be open. It ends with the connection, and writes down how that was.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures::{Sink, SinkExt as _, StreamExt as _};
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, watch};
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::protocol::frame::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as Fault, Message};
use tokio_util::sync::CancellationToken;

use super::basis::Basis;
use super::beat::{Beat, Pulse};
use super::end::End;
use super::handshake::Stream;
use super::{Arrived, CloseReason, Config, Order, Raw, Shares};
use crate::door::Door;
use crate::error::Phase;
use crate::exchange::Exchange;
use crate::request::as_u64;

/// How often a connection is looked at when nothing happens.
const LOOK: Duration = Duration::from_secs(1);
/// How long the last words to the other side may take.
const FAREWELL: Duration = Duration::from_secs(1);

/// Sizes and times of one connection.
#[derive(Clone, Copy)]
pub(super) struct Bounds {
    /// The longest message in each direction.
    pub(super) outgoing: usize,
    pub(super) incoming: usize,
    /// How long one message may take.
    pub(super) message: Duration,
    pub(super) socket: Config,
}

impl Bounds {
    fn look(&self) -> Duration {
        LOOK.min(self.message / 4).min(self.socket.silence / 4)
    }
}

/// The task's parts.
pub(super) struct Pump {
    pub(super) door: Arc<Door>,
    pub(super) changes: watch::Receiver<()>,
    pub(super) basis: Arc<Basis>,
    pub(super) beat: Arc<Beat>,
    pub(super) bounds: Bounds,
    pub(super) ordered: mpsc::Receiver<Order>,
    pub(super) arrivals: mpsc::Sender<Arrived>,
    /// The room for what comes, and for what goes.
    pub(super) arriving: Shares,
    pub(super) shares: Shares,
    /// Set when nobody holds the connection any more.
    pub(super) gone: CancellationToken,
    pub(super) end: Arc<OnceLock<End>>,
    pub(super) exchange: Exchange,
    pub(super) place: OwnedSemaphorePermit,
}

/// What went over the connection.
#[derive(Default)]
struct Tally {
    sent: AtomicU64,
    received: AtomicU64,
    received_bytes: AtomicU64,
}

impl Pump {
    pub(super) async fn run(self, stream: Stream) {
        let Self { door, changes, basis, beat, bounds, ordered, arrivals, arriving, mut exchange, .. } = self;
        let (tally, ask) = (Tally::default(), Notify::new());
        let (mut sink, mut source) = stream.split();
        let sent = exchange.sent.clone();
        let reader = Reader { beat: &beat, bounds, arrivals: &arrivals, arriving, ask: &ask, tally: &tally };
        let writer = Writer { ordered, bounds, ask: &ask, tally: &tally, sent: &sent };
        let end = tokio::select! {
            biased;
            () = withdrawn(&door, &basis, changes) => End::Withdrawn,
            () = self.gone.cancelled() => End::Dropped,
            end = reader.run(&mut source) => end,
            end = writer.run(&mut sink) => end,
        };
        if let Some(code) = end.farewell() {
            let frame = CloseFrame { code, reason: "".into() };
            drop(timeout(FAREWELL, sink.send(Message::Close(Some(frame)))).await);
        }
        drop((sink, source, self.place));
        // Whoever waits to send is told of the end, and whoever waits to receive once the channel is dropped.
        let end = self.end.get_or_init(|| end);
        self.shares.0.close();
        note(&mut exchange, end, &tally, &basis);
        let host = basis.url.host_str().unwrap_or_default();
        let error = end.error(host);
        let outcome = if matches!(end, End::Closed(_) | End::Dropped) { Ok(()) } else { Err(&error) };
        drop(arrivals);
        if let Err(error) = exchange.finish(outcome).await {
            tracing::error!(%error, "the end of a WebSocket connection could not be recorded");
        }
    }
}

/// Returns when the grants do not allow the connection any more. They are looked at when they change; that a secret is
/// gone or that count mode is over is told by nobody.
async fn withdrawn(door: &Arc<Door>, basis: &Basis, mut changes: watch::Receiver<()>) {
    while basis.grounds(door, &door.set()).is_some() {
        // The door is held here, so its sender is.
        drop(timeout(LOOK, changes.changed()).await);
    }
}

fn note(exchange: &mut Exchange, end: &End, tally: &Tally, basis: &Basis) {
    exchange.received = tally.received_bytes.load(Ordering::Relaxed);
    exchange.note("sent_messages", tally.sent.load(Ordering::Relaxed));
    exchange.note("received_messages", tally.received.load(Ordering::Relaxed));
    let carried: Vec<_> = basis.used().into_iter().map(|used| used.credential).collect();
    if !carried.is_empty() {
        exchange.note("credentials", carried);
    }
    match end {
        End::Closed(Some(reason)) => exchange.note("close", reason.code),
        End::Dropped => exchange.note("abandoned", true),
        _ => {}
    }
}

struct Reader<'a> {
    beat: &'a Beat,
    bounds: Bounds,
    arrivals: &'a mpsc::Sender<Arrived>,
    arriving: Shares,
    ask: &'a Notify,
    tally: &'a Tally,
}

impl Reader<'_> {
    /// Reads until the end.
    async fn run(&self, source: &mut (impl futures::Stream<Item = Result<Message, Fault>> + Unpin)) -> End {
        loop {
            // Only where there is room for one more: the other side has to wait otherwise. Nobody wants any after
            // closing has begun; then all is read, for the answer to the close stands behind it.
            let room = self.arrivals.reserve().await.ok();
            self.beat.resume();
            let message = match self.next(source).await {
                Ok(message) => message,
                Err(end) => return end,
            };
            let (message, length) = match message {
                Message::Text(text) => (Raw::Text(text.clone()), text.len()),
                Message::Binary(bytes) => (Raw::Binary(bytes.clone()), bytes.len()),
                Message::Close(frame) => {
                    // Our answer leaves while more is read, and the other side ends the connection then.
                    drop(timeout(FAREWELL, source.next()).await);
                    return End::Closed(frame.map(|frame| reason(&frame)));
                }
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => continue,
            };
            self.tally.received.fetch_add(1, Ordering::Relaxed);
            self.tally.received_bytes.fetch_add(as_u64(length), Ordering::Relaxed);
            if let Some(room) = room {
                let share = self.arriving.take(length).await;
                room.send(Arrived { message, _share: share });
            }
        }
    }

    /// The next message that is not about the connection itself.
    async fn next(
        &self,
        source: &mut (impl futures::Stream<Item = Result<Message, Fault>> + Unpin),
    ) -> Result<Message, End> {
        loop {
            let item = timeout(self.bounds.look(), source.next()).await;
            match item {
                Ok(None) => return Err(End::Closed(None)),
                Ok(Some(Err(fault))) => return Err(End::of(&fault, self.bounds.incoming)),
                Ok(Some(Ok(Message::Ping(payload) | Message::Pong(payload)))) => {
                    self.beat.control(payload.len());
                }
                Ok(Some(Ok(message))) => {
                    self.beat.message();
                    return Ok(message);
                }
                Err(_) => {}
            }
            if self.beat.feel(self.bounds.message, self.bounds.socket.silence)? == Pulse::Ask {
                self.ask.notify_one();
            }
        }
    }
}

struct Writer<'a> {
    ordered: mpsc::Receiver<Order>,
    bounds: Bounds,
    ask: &'a Notify,
    tally: &'a Tally,
    sent: &'a AtomicU64,
}

impl Writer<'_> {
    /// Writes what waits, until that fails or the connection is to be closed.
    async fn run(mut self, sink: &mut (impl Sink<Message, Error = Fault> + Unpin)) -> End {
        loop {
            let order = tokio::select! {
                biased;
                () = self.ask.notified() => Order::Message(Message::Ping(bytes::Bytes::new()), None),
                order = self.ordered.recv() => match order {
                    Some(order) => order,
                    // Nobody holds the connection, which is seen elsewhere.
                    None => std::future::pending().await,
                },
            };
            let (message, share, closing) = match order {
                Order::Message(message, share) => (message, share, None),
                Order::Close(reason) => (Message::Close(reason.as_ref().map(frame)), None, Some(reason)),
            };
            let counts = share.is_some();
            let length = as_u64(message.len());
            match timeout(self.bounds.message, sink.send(message)).await {
                Err(_) => return End::Late(Phase::Sending, self.bounds.message),
                Ok(Err(fault)) => {
                    // Why it broke may stand in what came before: the reader has a while to find it.
                    tokio::time::sleep(self.bounds.socket.closing).await;
                    return End::of(&fault, self.bounds.outgoing);
                }
                Ok(Ok(())) if counts => {
                    self.tally.sent.fetch_add(1, Ordering::Relaxed);
                    self.sent.fetch_add(length, Ordering::Relaxed);
                }
                Ok(Ok(())) => {}
            }
            drop(share);
            if let Some(reason) = closing {
                tokio::time::sleep(self.bounds.socket.closing).await;
                return End::Closed(reason);
            }
        }
    }
}

fn frame(reason: &CloseReason) -> CloseFrame {
    CloseFrame { code: reason.code.into(), reason: reason.reason.as_str().into() }
}

fn reason(frame: &CloseFrame) -> CloseReason {
    CloseReason { code: frame.code.into(), reason: frame.reason.as_str().to_owned() }
}
