//! Standard output, standard error and log of a guest: line by line into the runtime's log, as far as a call's budget
//! goes. Past it everything is accepted and counted, since an error would only make the guest panic about printing.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use openpact_model::clock::Clock;
use openpact_model::id::{ComponentName, TurnId};
use openpact_model::text::one_line;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamResult};

use crate::allowance::Allowance;
use crate::ledger::lock;
use crate::metric;

/// The longest line in characters; the rest is cut.
const MAX_LINE: usize = 8 * 1024;
/// What a line counts beside its text, so that a million short lines are no small output.
const LINE_BYTES: usize = 16;
/// Bytes of the end of standard error that are kept to find out what a panic said.
const TAIL: usize = 4 * 1024;
/// What one accepted write may hold, bytes.
const WRITE_CAPACITY: usize = 64 * 1024;

/// Who writes.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub(crate) component: ComponentName,
    pub(crate) turn: TurnId,
}

/// Where a line comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    Output,
    Error,
}

/// How important a line is; the levels of `openpact:host/log`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Level {
    Trace,
    Debug,
    Info,
    Warn,
    Error,
}

/// Takes secrets out of a line.
pub(crate) type Redact = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// Everything that a call has written.
pub(crate) struct Capture {
    source: Source,
    redact: Redact,
    allowance: Allowance,
    /// Bytes that may be written, at once for a guest without an end.
    most: usize,
    /// Bytes that were not taken and have not been told yet.
    dropped: u64,
    /// Whether there ever were any.
    has_dropped: bool,
    /// Empty for a guest without an end.
    lines: Vec<String>,
    pending: [Vec<u8>; 2],
    tail: Vec<u8>,
}

impl Capture {
    /// For one call, which may write `budget` bytes.
    pub(crate) fn new(source: Source, budget: usize, redact: Redact) -> Self {
        Self::with(source, Allowance::Once(budget), budget, redact)
    }

    /// For a guest without an end, which may write `burst` bytes at once. Nothing of it is kept here.
    pub(crate) fn lasting(source: Source, burst: usize, redact: Redact, clock: Arc<dyn Clock>) -> Self {
        Self::with(source, Allowance::steady(burst, clock), burst, redact)
    }

    fn with(source: Source, allowance: Allowance, most: usize, redact: Redact) -> Self {
        Self {
            source,
            redact,
            allowance,
            most,
            dropped: 0,
            has_dropped: false,
            lines: Vec::new(),
            pending: Default::default(),
            tail: Vec::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn for_tests(budget: usize) -> Self {
        let source = Source {
            component: "tested".parse().expect("a valid name"),
            turn: TurnId::from_stored("turn_0"),
        };
        Self::new(source, budget, Arc::new(str::to_owned))
    }

    #[cfg(test)]
    pub(crate) fn lasting_for_tests(burst: usize) -> Self {
        let clock = Arc::new(openpact_model::clock::SystemClock);
        Self::lasting(Self::for_tests(0).source, burst, Arc::new(str::to_owned), clock)
    }

    /// One message through `openpact:host/log`.
    pub(crate) fn message(&mut self, level: Level, text: &str) {
        if self.allowance.left() == 0 {
            self.dropped += text.len() as u64;
            return;
        }
        self.line(level, text);
    }

    /// The text without the values of secrets.
    pub(crate) fn redacted(&self, text: &str) -> String {
        (self.redact)(text)
    }

    /// Some bytes of output.
    pub(crate) fn write(&mut self, channel: Channel, bytes: &[u8]) {
        if channel == Channel::Error {
            self.tail.extend_from_slice(&bytes[bytes.len().saturating_sub(TAIL)..]);
            let surplus = self.tail.len().saturating_sub(TAIL);
            self.tail.drain(..surplus);
        }
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            self.append(channel, &rest[..end]);
            self.end_line(channel);
            rest = &rest[end + 1..];
        }
        self.append(channel, rest);
    }

    /// Nothing more comes: the last lines without an end, and how much was dropped.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        self.end_line(Channel::Output);
        self.end_line(Channel::Error);
        self.tell_dropped();
        std::mem::take(&mut self.lines)
    }

    /// The bytes that might have been written, where more were. To be asked when nothing more comes: what stands in an
    /// unfinished line is looked at only then.
    pub(crate) fn overrun(&self) -> Option<u64> {
        self.has_dropped.then_some(self.most as u64)
    }

    fn tell_dropped(&mut self) {
        let dropped = std::mem::take(&mut self.dropped);
        if dropped > 0 {
            self.has_dropped = true;
            metric::dropped(&self.source.component, dropped);
            self.emit(Level::Warn, format!("{dropped} more bytes of output were dropped"));
        }
    }

    /// What a panic said on standard error: its message with its place.
    pub(crate) fn panic(&self) -> Option<String> {
        let text = String::from_utf8_lossy(&self.tail);
        let start = text.rfind("panicked at ")?;
        let mut lines = text[start..].lines();
        let place = lines.next()?.trim_end_matches(':');
        let message = lines.next().filter(|line| !line.starts_with("note: "));
        let said = message.map_or_else(|| place.to_owned(), |message| format!("{message} ({place})"));
        Some((self.redact)(&said))
    }

    fn append(&mut self, channel: Channel, bytes: &[u8]) {
        let left = self.allowance.left();
        let pending = &mut self.pending[channel as usize];
        // Room for the budget alone: a line without an end must not fill the host's memory.
        let room = left.min(MAX_LINE * 4).saturating_sub(pending.len()).min(bytes.len());
        pending.extend_from_slice(&bytes[..room]);
        self.dropped += (bytes.len() - room) as u64;
    }

    fn end_line(&mut self, channel: Channel) {
        let bytes = std::mem::take(&mut self.pending[channel as usize]);
        if bytes.is_empty() {
            return;
        }
        let level = if channel == Channel::Error { Level::Warn } else { Level::Info };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        self.line(level, &text);
    }

    fn line(&mut self, level: Level, text: &str) {
        let shown = one_line(&(self.redact)(text), MAX_LINE);
        let kept = shown.len().min(self.allowance.left());
        if kept > 0 && !self.allowance.keeps() {
            // There is room again, so this is the time to tell.
            self.tell_dropped();
        }
        self.allowance.spend(kept + LINE_BYTES);
        if kept == shown.len() {
            self.emit(level, shown);
        } else {
            let end = (0..=kept).rev().find(|end| shown.is_char_boundary(*end)).unwrap_or_default();
            self.dropped += (shown.len() - end) as u64;
            if end > 0 || self.allowance.keeps() {
                self.emit(level, shown[..end].to_owned());
            }
        }
    }

    fn emit(&mut self, level: Level, line: String) {
        let component = self.source.component.as_str();
        let turn = self.source.turn.as_str();
        match level {
            Level::Trace => tracing::trace!(target: "guest", component, turn, "{line}"),
            Level::Debug => tracing::debug!(target: "guest", component, turn, "{line}"),
            Level::Info => tracing::info!(target: "guest", component, turn, "{line}"),
            Level::Warn => tracing::warn!(target: "guest", component, turn, "{line}"),
            Level::Error => tracing::error!(target: "guest", component, turn, "{line}"),
        }
        if self.allowance.keeps() {
            self.lines.push(line);
        }
    }
}

/// One of the two streams.
#[derive(Clone)]
pub(crate) struct Stream {
    pub(crate) capture: Arc<Mutex<Capture>>,
    pub(crate) channel: Channel,
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        lock(&self.capture).write(self.channel, &bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_CAPACITY)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        lock(&self.capture).write(self.channel, bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_put_together_and_escaped() {
        let mut capture = Capture::for_tests(1000);
        capture.write(Channel::Output, b"one\ntw");
        capture.write(Channel::Error, b"warn\x1b[0m\n");
        capture.write(Channel::Output, b"o\nrest");
        assert_eq!(capture.finish(), ["one", "warn\\u{1b}[0m", "two", "rest"]);
    }

    #[test]
    fn the_budget_keeps_the_beginning_and_counts_the_rest() {
        let mut capture = Capture::for_tests(10 + LINE_BYTES);
        capture.write(Channel::Output, b"12345678\nabcd\nmore\n");
        capture.message(Level::Error, "lost");
        let lines = capture.finish();
        assert_eq!(lines[..2], ["12345678", "ab"]);
        assert_eq!(lines[2], "10 more bytes of output were dropped");
        assert_eq!(lines.len(), 3);
    }

    #[test]
    fn a_line_without_an_end_takes_no_more_than_the_budget() {
        let mut capture = Capture::for_tests(100);
        for _ in 0..1000 {
            capture.write(Channel::Output, &[b'x'; 1000]);
        }
        assert!(capture.pending[0].capacity() < 10_000);
        assert_eq!(capture.finish(), ["x".repeat(100), "999900 more bytes of output were dropped".into()]);
    }

    #[test]
    fn a_guest_without_an_end_leaves_nothing_behind() {
        let mut capture = Capture::lasting_for_tests(4096);
        for _ in 0..10_000 {
            capture.message(Level::Info, "a line of text");
            capture.write(Channel::Error, b"another line of text\n");
        }
        assert!(capture.dropped > 100_000, "past its burst nothing is taken: {}", capture.dropped);
        assert_eq!((capture.lines.capacity(), capture.pending[1].len()), (0, 0));
        assert!(capture.tail.capacity() < 3 * TAIL);
        assert_eq!(capture.finish(), [""; 0]);
    }

    #[test]
    fn the_last_panic_is_found_behind_any_amount_of_noise() {
        let mut capture = Capture::for_tests(10);
        capture.write(Channel::Error, &b"noise\n".repeat(5000));
        capture.write(
            Channel::Error,
            b"\nthread 'main' panicked at src/lib.rs:4:5:\nno such thing\nnote: run with\n",
        );
        assert_eq!(capture.panic().unwrap(), "no such thing (panicked at src/lib.rs:4:5)");
        assert_eq!(Capture::for_tests(10).panic(), None);
    }

    #[test]
    fn secrets_are_taken_out_of_lines_and_panics() {
        let mut capture = Capture::for_tests(1000);
        capture.redact = Arc::new(|text| text.replace("hunter2", "[REDACTED]"));
        capture.message(Level::Info, "password hunter2");
        capture.write(Channel::Error, b"panicked at x:1:\nhunter2 is wrong\n");
        assert_eq!(capture.panic().unwrap(), "[REDACTED] is wrong (panicked at x:1)");
        assert_eq!(capture.finish()[0], "password [REDACTED]");
    }
}
