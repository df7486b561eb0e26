//! Where lines go: without secrets, not longer than they may be, into the queue.

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use serde_json::{Value, json};
use tracing_subscriber::fmt::MakeWriter;

use super::Redact;
use super::queue::Queue;
use crate::config::log::Format;

/// The longest line in bytes; more is cut off.
pub(super) const LINE: usize = 64 * 1024;

/// Standard error, without secrets.
#[derive(Clone)]
pub(super) struct Sink {
    shared: Arc<Shared>,
    format: Format,
}

struct Shared {
    queue: Queue,
    /// How many lost lines were told.
    told: AtomicU64,
    redact: RwLock<Option<Redact>>,
}

impl Sink {
    pub(super) fn new(queue: Queue) -> Self {
        let shared = Shared { queue, told: AtomicU64::new(0), redact: RwLock::default() };
        Self { shared: Arc::new(shared), format: Format::Text }
    }

    /// The same one for lines of this format.
    pub(super) fn of(&self, format: Format) -> Self {
        Self { shared: Arc::clone(&self.shared), format }
    }

    pub(super) fn redact_with(&self, redact: Redact) {
        *self.shared.redact.write().unwrap_or_else(PoisonError::into_inner) = Some(redact);
    }

    pub(super) fn queue(&self) -> &Queue {
        &self.shared.queue
    }

    fn take(&self, line: &str) {
        let queue = &self.shared.queue;
        let dropped = queue.dropped();
        // Where there is no room for that either, the next line tells it.
        if self.shared.told.load(Ordering::Relaxed) < dropped && queue.offer(lost(self.format, dropped)) {
            self.shared.told.store(dropped, Ordering::Relaxed);
        }
        let redact = self.shared.redact.read().unwrap_or_else(PoisonError::into_inner).clone();
        let line = match (redact, self.format) {
            (None, _) => line.to_owned(),
            (Some(redact), Format::Text) => redacted(&*redact, line),
            (Some(redact), Format::Json) => redacted(&*redact, &json_redacted(&*redact, line)),
        };
        queue.push(cut(line, self.format));
    }
}

type Find = dyn Fn(&str) -> Option<String> + Send + Sync;

fn redacted(redact: &Find, text: &str) -> String {
    redact(text).unwrap_or_else(|| text.to_owned())
}

/// Looks into each text by itself, too: within JSON it is escaped once more than it was when it was logged.
fn json_redacted(redact: &Find, line: &str) -> String {
    let Ok(mut value) = serde_json::from_str::<Value>(line) else { return line.to_owned() };
    if each_text(redact, &mut value) { format!("{value}\n") } else { line.to_owned() }
}

/// Says whether something was taken out.
fn each_text(redact: &Find, value: &mut Value) -> bool {
    match value {
        Value::String(text) => redact(text).map(|redacted| *text = redacted).is_some(),
        Value::Array(all) => all.iter_mut().fold(false, |found, value| each_text(redact, value) | found),
        Value::Object(map) => map.values_mut().fold(false, |found, value| each_text(redact, value) | found),
        _ => false,
    }
}

/// A line that is not too long; what is cut off a JSON object would leave it unreadable, so it becomes another one.
fn cut(mut line: String, format: Format) -> String {
    if line.len() <= LINE {
        return line;
    }
    let dropped = line.len() - LINE;
    let end = (0..=LINE).rev().find(|end| line.is_char_boundary(*end)).unwrap_or(0);
    line.truncate(end);
    match format {
        Format::Text => format!("{line} [{dropped} more bytes]\n"),
        // Escaped once more it may be twice as long.
        Format::Json => {
            format!("{}\n", json!({ "level": "WARN", "message": "a line was too long", "begin": line }))
        }
    }
}

fn lost(format: Format, dropped: u64) -> String {
    let message = "lines of the log were lost, since nobody took them in time";
    match format {
        Format::Text => format!("WARN log: {message}: {dropped} since the start\n"),
        Format::Json => {
            let line =
                json!({ "level": "WARN", "target": "log", "message": message, "lost_since_start": dropped });
            format!("{line}\n")
        }
    }
}

impl<'a> MakeWriter<'a> for Sink {
    type Writer = Line<'a>;

    fn make_writer(&'a self) -> Line<'a> {
        Line { sink: self, text: Vec::new() }
    }
}

/// Collects one event, and hands it on as a whole when it is complete.
pub(super) struct Line<'a> {
    sink: &'a Sink,
    text: Vec<u8>,
}

impl Write for Line<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.text.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Line<'_> {
    fn drop(&mut self) {
        self.sink.take(&String::from_utf8_lossy(&self.text));
    }
}
