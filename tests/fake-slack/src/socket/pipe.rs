//! A stream that can be slowed down, and that can break after so many bytes.

use std::future::Future as _;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// A stream with a valve on what is written.
pub(super) struct Pipe<S> {
    inner: S,
    /// One byte in that time.
    pub(super) pace: Option<Duration>,
    /// So many bytes, and no more.
    pub(super) budget: Option<usize>,
    pause: Option<Pin<Box<Sleep>>>,
}

impl<S> Pipe<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner, pace: None, budget: None, pause: None }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Pipe<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Pipe<S> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if let Some(pause) = &mut this.pause {
            ready!(pause.as_mut().poll(context));
            this.pause = None;
        }
        let most = if this.pace.is_some() { 1 } else { bytes.len() };
        let most = this.budget.map_or(most, |budget| budget.min(most));
        if most == 0 && !bytes.is_empty() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let written = ready!(Pin::new(&mut this.inner).poll_write(context, &bytes[..most.min(bytes.len())]))?;
        this.budget = this.budget.map(|budget| budget - written);
        this.pause = this.pace.map(|pace| Box::pin(tokio::time::sleep(pace)));
        Poll::Ready(Ok(written))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().inner).poll_shutdown(context)
    }
}
