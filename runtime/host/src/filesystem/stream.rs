//! Streams over open files. Every piece is one job on a thread for blocking work.

use std::sync::Arc;

use bytes::Bytes;
use tokio::task::{JoinHandle, spawn_blocking};
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;
use wasmtime_wasi::p2::{InputStream, OutputStream, Pollable, StreamError, StreamResult};

use super::handle::{File, Result};

/// The most that one job moves, bytes.
pub(super) const CHUNK: usize = 64 * 1024;

/// A job, what came of it, or nothing yet.
enum Job<T> {
    Idle,
    Running(JoinHandle<Result<T>>),
    Done(T),
    Failed(ErrorCode),
    Closed,
}

impl<T: Send + 'static> Job<T> {
    fn start(&mut self, work: impl FnOnce() -> Result<T> + Send + 'static) {
        *self = Self::Running(spawn_blocking(work));
    }

    async fn settle(&mut self) {
        if let Self::Running(job) = self {
            *self = match job.await {
                Ok(Ok(value)) => Self::Done(value),
                Ok(Err(code)) => Self::Failed(code),
                // A panic in a job of ours, which the panic hook has told.
                Err(_) => Self::Failed(ErrorCode::Io),
            };
        }
    }

    /// The error that the guest is told once; from then on the stream is closed.
    fn failure(&mut self) -> StreamError {
        match std::mem::replace(self, Self::Closed) {
            Self::Failed(code) => StreamError::LastOperationFailed(wasmtime::Error::new(code)),
            _ => StreamError::Closed,
        }
    }
}

/// Reads a file from an offset to its end.
pub(super) struct Reader {
    file: Arc<File>,
    position: u64,
    job: Job<Bytes>,
}

impl Reader {
    pub(super) fn new(file: Arc<File>, position: u64) -> Self {
        Self { file, position, job: Job::Idle }
    }

    fn start(&mut self, size: usize) {
        let (file, position) = (Arc::clone(&self.file), self.position);
        self.job.start(move || {
            let mut buffer = vec![0; size.clamp(1, CHUNK)];
            let length = file.read(&mut buffer, position)?;
            buffer.truncate(length);
            Ok(buffer.into())
        });
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Reader {
    async fn ready(&mut self) {
        if matches!(self.job, Job::Idle) {
            self.start(CHUNK);
        }
        self.job.settle().await;
    }
}

#[wasmtime_wasi::async_trait]
impl InputStream for Reader {
    fn read(&mut self, size: usize) -> StreamResult<Bytes> {
        match &mut self.job {
            Job::Idle => {
                if size > 0 {
                    self.start(size);
                }
                Ok(Bytes::new())
            }
            Job::Running(_) => Ok(Bytes::new()),
            Job::Done(bytes) if bytes.is_empty() => {
                self.job = Job::Closed;
                Err(StreamError::Closed)
            }
            Job::Done(bytes) => {
                let piece = bytes.split_to(size.min(bytes.len()));
                if bytes.is_empty() {
                    self.job = Job::Idle;
                }
                self.position += piece.len() as u64;
                Ok(piece)
            }
            Job::Failed(_) | Job::Closed => Err(self.job.failure()),
        }
    }

    async fn blocking_read(&mut self, size: usize) -> StreamResult<Bytes> {
        if matches!(self.job, Job::Idle) && size > 0 {
            self.start(size);
        }
        self.job.settle().await;
        self.read(size)
    }

    async fn cancel(&mut self) {
        // Waited for, so that a guest cannot pile up jobs by dropping streams.
        self.job.settle().await;
        self.job = Job::Closed;
    }
}

/// Writes a file from an offset on, or at its end.
pub(super) struct Writer {
    file: Arc<File>,
    position: Option<u64>,
    job: Job<()>,
}

impl Writer {
    /// `position` is where to start; `None` for the end of the file, each time anew.
    pub(super) fn new(file: Arc<File>, position: Option<u64>) -> Self {
        Self { file, position, job: Job::Idle }
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Writer {
    async fn ready(&mut self) {
        self.job.settle().await;
    }
}

#[wasmtime_wasi::async_trait]
impl OutputStream for Writer {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        match self.job {
            Job::Idle | Job::Done(()) if bytes.len() <= CHUNK => {}
            Job::Closed => return Err(StreamError::Closed),
            _ => return Err(StreamError::trap("write without a permit from check-write")),
        }
        let (file, position) = (Arc::clone(&self.file), self.position);
        self.position = position.map(|position| position.saturating_add(bytes.len() as u64));
        self.job.start(move || file.write(&bytes, position));
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        match self.job {
            Job::Failed(_) | Job::Closed => Err(self.job.failure()),
            _ => Ok(()),
        }
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        match self.job {
            Job::Idle | Job::Done(()) => Ok(CHUNK),
            Job::Running(_) => Ok(0),
            Job::Failed(_) | Job::Closed => Err(self.job.failure()),
        }
    }

    async fn cancel(&mut self) {
        self.job.settle().await;
        self.job = Job::Closed;
    }
}
