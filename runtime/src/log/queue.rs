//! The queue between those who log and the one thread that writes: whoever logs never waits for whoever reads.
//!
//! Written here instead of taken from `tracing-appender`, which counts lines and not bytes, and tells on standard output
//! when its reader stands still at the end: among the answers of the program.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use std::{mem, thread};

/// Lines on their way to a writer.
#[derive(Clone)]
pub(super) struct Queue(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    /// Told when there is something to write, and when it was written.
    changed: Condvar,
    /// Bytes that may wait.
    most: usize,
    dropped: AtomicU64,
}

#[derive(Default)]
struct State {
    lines: VecDeque<String>,
    bytes: usize,
    /// Whether the thread writes what it has taken out.
    is_writing: bool,
    is_closed: bool,
}

/// Until this is dropped the thread writes. Then it is given a second for what waits.
pub(super) struct Writing(Queue);

/// How long the end waits for a reader.
const LAST: Duration = Duration::from_secs(1);

impl Queue {
    /// A queue in which up to `most` bytes wait for `writer`.
    ///
    /// # Errors
    /// When its thread cannot be started.
    pub(super) fn start(most: usize, writer: impl Write + Send + 'static) -> io::Result<(Self, Writing)> {
        let (state, changed, dropped) = (Mutex::default(), Condvar::new(), AtomicU64::new(0));
        let queue = Self(Arc::new(Shared { state, changed, most, dropped }));
        let this = queue.clone();
        thread::Builder::new().name("log".to_owned()).spawn(move || this.work(writer))?;
        Ok((queue.clone(), Writing(queue)))
    }

    /// Has a line written; where too much waits already it is dropped and counted.
    pub(super) fn push(&self, line: String) {
        if !self.offer(line) {
            self.0.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Has a line written, if there is room for it, and says whether there was.
    pub(super) fn offer(&self, line: String) -> bool {
        let mut state = self.lock();
        if state.bytes + line.len() > self.0.most {
            return false;
        }
        state.bytes += line.len();
        state.lines.push_back(line);
        drop(state);
        self.0.changed.notify_all();
        true
    }

    /// How many lines were dropped so far.
    pub(super) fn dropped(&self) -> u64 {
        self.0.dropped.load(Ordering::Relaxed)
    }

    fn work(&self, mut writer: impl Write) {
        loop {
            let mut state = self.lock();
            state.is_writing = false;
            self.0.changed.notify_all();
            while state.lines.is_empty() {
                if state.is_closed {
                    return;
                }
                state = self.0.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
            let line = state.lines.pop_front().unwrap_or_default();
            state.bytes -= line.len();
            state.is_writing = true;
            drop(state);
            // Where nobody can read there is nobody to tell.
            let _ = writer.write_all(line.as_bytes());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Self(queue) = self;
        let mut state = queue.lock();
        state.is_closed = true;
        queue.0.changed.notify_all();
        let waits = |state: &mut State| state.is_writing || !state.lines.is_empty();
        let waited = queue.0.changed.wait_timeout_while(state, LAST, waits);
        // What is left has no reader; the thread ends with the program.
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        drop(mem::take(&mut state.lines));
    }
}
