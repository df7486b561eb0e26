//! WebSocket connections (RFC 6455) through the same door as requests.
//!
//! [`Door::connect`] judges the opening handshake as [`Door::send`] judges a request: grant, address, scan for secrets,
//! credential, rate, limits, audit. A redirect is an error. After that every message is judged: what goes out is scanned
//! and may carry a credential where a `frame` placement names it, what comes in has the values of secrets taken out, and
//! a change of the grants closes a connection that they do not allow any more.
//!
//! A rule's `request-max` and `response-max` bound one message in each direction, within [`MAX_QUEUED_BYTES`]; its
//! `timeout` bounds the handshake, and how long one message may take to arrive or to be taken; its `rate` counts
//! connections. How long a connection stays open is not bounded: a peer that shows no life is given up.
//!
//! No extension is offered, so nothing is compressed (RFC 7692): a message is as long as it is on the wire. A value that
//! is cut in two by the two parties of a connection, each half in a message of its own, is not found; nor is anything
//! else that both of them agree to disguise.
//!
//! [`Door::connect`]: crate::Door::connect
//! [`Door::send`]: crate::Door::send

mod basis;
mod beat;
mod dial;
mod end;
mod gate;
mod handshake;
mod open;
mod pump;

use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_tungstenite::tungstenite;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::error::Error;
use end::End;
use gate::Gate;

/// Messages that wait in each direction at most.
pub const MAX_QUEUED_MESSAGES: usize = 256;
/// Bytes of messages that wait in each direction at most, and so the longest message.
pub const MAX_QUEUED_BYTES: usize = 4 << 20;
/// The longest reason of a close in bytes (RFC 6455, section 5.5).
const MAX_REASON: usize = 123;

/// How WebSocket connections are bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Config {
    /// Connections of one principal that may be open at once; one more is refused.
    pub open: usize,
    /// The other side is asked for a sign of life when nothing came for this long, and given up when nothing comes for
    /// as long again.
    pub silence: Duration,
    /// How long closing waits for the other side.
    pub closing: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self { open: 16, silence: Duration::from_secs(45), closing: Duration::from_secs(5) }
    }
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// UTF-8 text.
    Text(String),
    /// Bytes.
    Binary(Vec<u8>),
    /// The end of the connection, said by the side that it comes from.
    Closed(Option<CloseReason>),
}

/// Why a connection was closed (RFC 6455, section 7.4).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CloseReason {
    /// The code, such as 1000.
    pub code: u16,
    /// The text, at most 123 bytes.
    pub reason: String,
}

impl CloseReason {
    /// Whether an endpoint may send it.
    fn check(&self) -> Result<(), Error> {
        let sendable = matches!(self.code, 1000..=1003 | 1007..=1014 | 3000..=4999);
        if !sendable {
            let code = self.code;
            return Err(Error::Invalid(format!("{code} is not a code that a connection is closed with")));
        }
        if self.reason.len() > MAX_REASON {
            return Err(Error::Invalid(format!("the reason of a close is longer than {MAX_REASON} bytes")));
        }
        Ok(())
    }
}

/// A share of the bytes that may wait in one direction; given back when it is dropped.
#[derive(Clone)]
struct Shares(Arc<Semaphore>);

impl Shares {
    fn new() -> Self {
        Self(Arc::new(Semaphore::new(MAX_QUEUED_BYTES)))
    }

    /// Waits for room for a message of `length` bytes, which is at most [`MAX_QUEUED_BYTES`]. `None` once the
    /// connection has ended.
    async fn take(&self, length: usize) -> Option<OwnedSemaphorePermit> {
        let length = u32::try_from(length.min(MAX_QUEUED_BYTES)).unwrap_or(u32::MAX);
        self.0.clone().acquire_many_owned(length).await.ok()
    }
}

/// A message that waits to be received, as it came: secrets are taken out when it is handed on.
struct Arrived {
    message: Raw,
    _share: Option<OwnedSemaphorePermit>,
}

enum Raw {
    Text(tungstenite::Utf8Bytes),
    Binary(bytes::Bytes),
}

/// What the pump is asked to write.
enum Order {
    Message(tungstenite::Message, Option<OwnedSemaphorePermit>),
    Close(Option<CloseReason>),
}

/// An open connection. Dropping it ends it as if it were lost, with whatever waits to be sent, and the other side is told
/// nothing; [`Socket::close`] sends that first, and the farewell that it is given.
pub struct Socket {
    gate: Gate,
    orders: mpsc::Sender<Order>,
    shares: Shares,
    arrived: mpsc::Receiver<Arrived>,
    /// The next message, where somebody waited for it without taking it.
    next: Option<Arrived>,
    end: Arc<OnceLock<End>>,
    /// The guest has closed it, or was told that it is closed.
    over: bool,
    closing: Duration,
    gone: CancellationToken,
    _guard: DropGuard,
}

impl Socket {
    /// Queues one message; waits while the queue is full. [`Message::Closed`] begins to close the connection.
    ///
    /// # Errors
    /// [`Error::Denied`] for a message that may not leave, [`Error::TooLarge`], [`Error::Closed`], and whatever ended
    /// the connection. A message that was refused leaves the connection open; too many of them close it.
    pub async fn send(&mut self, message: Message) -> Result<(), Error> {
        self.check()?;
        if let Message::Closed(reason) = message {
            self.may_say(reason.as_ref()).await?;
            return self.begin_closing(reason).await;
        }
        let passed = self.gate.pass(message).await;
        let passed = self.recorded(passed).await?;
        let Some(share) = self.shares.take(passed.len()).await else { return Err(self.ended()) };
        // The wait may have been long.
        self.check()?;
        let order = Order::Message(passed, Some(share));
        self.orders.send(order).await.map_err(|_| self.ended())
    }

    /// The next message; [`Message::Closed`] once, where the other side closed the connection. Whoever stops waiting
    /// loses none.
    ///
    /// # Errors
    /// [`Error::Closed`] after the end, and whatever ended the connection.
    pub async fn receive(&mut self) -> Result<Message, Error> {
        self.check()?;
        self.ready().await;
        self.check()?;
        if let Some(arrived) = self.next.take() {
            return Ok(self.gate.clean(arrived.message));
        }
        match self.end.get() {
            Some(End::Closed(reason)) if !self.over => {
                self.over = true;
                Ok(Message::Closed(reason.as_ref().map(|reason| self.gate.clean_reason(reason))))
            }
            _ => Err(self.ended()),
        }
    }

    /// Waits until [`Socket::receive`] would not.
    pub async fn ready(&mut self) {
        if self.next.is_none() {
            self.next = self.arrived.recv().await;
        }
    }

    /// Sends what waits, closes the connection and waits for the other side, for the time that the configuration
    /// gives; then it is closed in any case. What arrives meanwhile is dropped.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a code or a reason that cannot be sent, [`Error::Closed`] where it was closed before.
    pub async fn close(&mut self, reason: Option<CloseReason>) -> Result<(), Error> {
        self.check()?;
        if self.end.get().is_some_and(|end| matches!(end, End::Closed(_))) {
            self.over = true;
            return Err(Error::Closed);
        }
        self.may_say(reason.as_ref()).await?;
        let patience = self.closing;
        let closing = async {
            self.begin_closing(reason).await?;
            self.arrived.close();
            while self.arrived.recv().await.is_some() {}
            self.orders.closed().await;
            Ok(())
        };
        let closed = tokio::time::timeout(patience, closing).await;
        self.over = true;
        self.next = None;
        if closed.is_err() {
            self.gone.cancel();
        }
        closed.unwrap_or(Ok(()))
    }

    async fn begin_closing(&mut self, reason: Option<CloseReason>) -> Result<(), Error> {
        self.orders.send(Order::Close(reason)).await.map_err(|_| self.ended())
    }

    /// Whether a close may have this reason: it leaves like a message.
    async fn may_say(&mut self, reason: Option<&CloseReason>) -> Result<(), Error> {
        let Some(reason) = reason else { return Ok(()) };
        reason.check()?;
        let passed = self.gate.pass_reason(&reason.reason);
        self.recorded(passed).await
    }

    /// Writes a refusal down. Whoever does not stop trying is cut off.
    async fn recorded<T>(&mut self, passed: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &passed
            && !self.gate.record(error).await?
        {
            self.over = true;
            self.gone.cancel();
        }
        passed
    }

    /// Whether it may still be used: by the grants as they are now.
    fn check(&mut self) -> Result<(), Error> {
        if self.over {
            return Err(Error::Closed);
        }
        if self.gate.is_open() {
            return Ok(());
        }
        self.gone.cancel();
        Err(self.gate.withdrawn())
    }

    fn ended(&self) -> Error {
        self.end.get().map_or(Error::Closed, |end| end.error(&self.gate.host()))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Socket").field("over", &self.over).finish_non_exhaustive()
    }
}
