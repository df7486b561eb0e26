//! Signs of life: what arrives on a connection, and when.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Instant;

use super::end::End;
use crate::error::Phase;

/// The bytes of a control frame beside its payload, from a server (RFC 6455, section 5.2).
const CONTROL_HEAD: u64 = 2;

/// What is known of the other side's signs of life.
pub(super) struct Beat(Mutex<Level>);

struct Level {
    /// Bytes that came.
    read: u64,
    /// Those of them that are known to belong to something complete.
    complete: u64,
    last: Instant,
    /// Since when something has been arriving that is not complete.
    partial: Option<Instant>,
    /// It was asked for a sign of life and has given none since.
    asked: bool,
}

/// What to do about the other side now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pulse {
    Good,
    /// Ask it for a sign of life.
    Ask,
}

impl Beat {
    pub(super) fn new() -> Arc<Self> {
        let level = Level { read: 0, complete: 0, last: Instant::now(), partial: None, asked: false };
        Arc::new(Self(Mutex::new(level)))
    }

    fn level(&self) -> MutexGuard<'_, Level> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn arrived(&self, bytes: usize) {
        let mut level = self.level();
        level.read += crate::request::as_u64(bytes);
        level.last = Instant::now();
        level.asked = false;
        let last = level.last;
        level.partial.get_or_insert(last);
    }

    /// A message, or the handshake, is complete. What of the next has come already counts from its next byte on.
    pub(super) fn message(&self) {
        let mut level = self.level();
        level.complete = level.read;
        level.partial = None;
    }

    /// A control frame came, which may stand between the pieces of a message.
    pub(super) fn control(&self, payload: usize) {
        let mut level = self.level();
        level.complete = level.read.min(level.complete + CONTROL_HEAD + crate::request::as_u64(payload));
        if level.complete == level.read {
            level.partial = None;
        }
    }

    /// Reading goes on after a time in which nothing was read: that time was ours.
    pub(super) fn resume(&self) {
        let mut level = self.level();
        level.last = Instant::now();
        let last = level.last;
        level.partial = level.partial.map(|_| last);
    }

    /// How it is with the other side, which may take `message` for one message and be silent for `silence`.
    pub(super) fn feel(&self, message: Duration, silence: Duration) -> Result<Pulse, End> {
        let mut level = self.level();
        if level.partial.is_some_and(|since| since.elapsed() > message) {
            return Err(End::Late(Phase::Message, message));
        }
        let quiet = level.last.elapsed();
        if quiet > silence * 2 {
            return Err(End::Late(Phase::Silence, silence * 2));
        }
        if quiet > silence && !level.asked {
            level.asked = true;
            return Ok(Pulse::Ask);
        }
        Ok(Pulse::Good)
    }
}

/// A connection whose incoming bytes are counted.
pub(super) struct Counted<S> {
    pub(super) inner: S,
    pub(super) beat: Arc<Beat>,
}

impl<S: AsyncRead + Unpin> AsyncRead for Counted<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.inner).poll_read(context, buffer);
        let bytes = buffer.filled().len() - before;
        if bytes > 0 {
            self.beat.arrived(bytes);
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Counted<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn feel(beat: &Beat) -> Result<Pulse, Phase> {
        beat.feel(SECOND * 10, SECOND * 20).map_err(|end| match end {
            End::Late(phase, _) => phase,
            other => panic!("{other:?}"),
        })
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_silent_is_asked_once_and_then_given_up() {
        let beat = Beat::new();
        tokio::time::advance(SECOND * 20).await;
        assert_eq!(feel(&beat), Ok(Pulse::Good));
        tokio::time::advance(SECOND).await;
        assert_eq!(feel(&beat), Ok(Pulse::Ask));
        assert_eq!(feel(&beat), Ok(Pulse::Good), "once");
        // An answer, which is a control frame.
        beat.arrived(6);
        beat.control(4);
        tokio::time::advance(SECOND * 21).await;
        assert_eq!(feel(&beat), Ok(Pulse::Ask));
        tokio::time::advance(SECOND * 20).await;
        assert_eq!(feel(&beat), Err(Phase::Silence));
        beat.resume();
        assert_eq!(feel(&beat), Ok(Pulse::Good), "it was us who did not read");
    }

    #[tokio::test(start_paused = true)]
    async fn a_message_that_drips_is_given_up_whatever_stands_between_its_pieces() {
        let beat = Beat::new();
        beat.arrived(1);
        for _ in 0..10 {
            assert_eq!(feel(&beat), Ok(Pulse::Good));
            tokio::time::advance(SECOND).await;
            beat.arrived(1);
            beat.arrived(2);
            beat.control(0);
        }
        tokio::time::advance(SECOND).await;
        assert_eq!(feel(&beat), Err(Phase::Message));
        beat.message();
        for _ in 0..100 {
            tokio::time::advance(SECOND).await;
            beat.arrived(2);
            beat.control(0);
            assert_eq!(feel(&beat), Ok(Pulse::Good), "control frames alone are no message");
        }
    }
}
