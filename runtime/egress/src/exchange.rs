//! The record of one exchange. A hop that is sent leaves two lines in the audit log: [`BEGIN`] before its first byte,
//! and [`KIND`] when it has ended, in whatever way. A hop that was refused before it left leaves the second alone.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Instant;

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::StatusCode;
use openpact_model::audit::{Event, Verdict};
use openpact_model::clock::Clock;
use openpact_model::port::{AuditSink, PortError};
use serde_json::Value;
use tokio::runtime::Handle;

use crate::error::Error;

/// What the audit log calls a request that has ended.
pub(crate) const KIND: &str = "egress.request";
/// What it calls one that is about to be sent.
pub(crate) const BEGIN: &str = "egress.request.begin";

/// One request on its way. Recorded by [`Exchange::finish`], or when dropped.
pub(crate) struct Exchange {
    audit: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
    /// Kept because a guest may be dropped outside of the runtime.
    runtime: Handle,
    start: Instant,
    /// `None` once it is recorded.
    event: Option<Event>,
    status: Option<StatusCode>,
    /// Bytes of the request's body that have left.
    pub(crate) sent: Arc<AtomicU64>,
    /// Bytes of the answer's body, decoded.
    pub(crate) received: u64,
}

impl Exchange {
    /// Starts the record; the event's verdict is set at the end.
    pub(crate) fn begin(audit: Arc<dyn AuditSink>, clock: Arc<dyn Clock>, event: Event) -> Self {
        Self {
            audit,
            start: clock.monotonic(),
            clock,
            runtime: Handle::current(),
            event: Some(event),
            status: None,
            sent: Arc::default(),
            received: 0,
        }
    }

    /// Adds a fact.
    pub(crate) fn note(&mut self, key: &str, value: impl Into<Value>) {
        if let Some(event) = &mut self.event {
            event.detail.insert(key.to_owned(), value.into());
        }
    }

    /// Records that the request is about to be sent. Whoever sends it waits for this: where the program ends before
    /// the request does, this line is all that tells of it.
    ///
    /// # Errors
    /// [`Error::Audit`]; then nothing may be sent.
    pub(crate) async fn announce(&self) -> Result<(), Error> {
        let Some(mut event) = self.event.clone() else { return Ok(()) };
        BEGIN.clone_into(&mut event.kind);
        self.audit.record(event).await.map_err(Error::Audit)
    }

    /// The answer has begun.
    pub(crate) fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// Records how it ended. The record is written even when the caller is dropped while waiting for it.
    ///
    /// # Errors
    /// [`Error::Audit`].
    pub(crate) async fn finish(&mut self, outcome: Result<(), &Error>) -> Result<(), Error> {
        let Some(event) = self.complete(outcome) else { return Ok(()) };
        self.count(&event);
        let audit = self.audit.clone();
        let record = Some(async move { audit.record(event).await }.boxed());
        Writing { record, runtime: self.runtime.clone() }.await.map_err(Error::Audit)
    }

    fn complete(&mut self, outcome: Result<(), &Error>) -> Option<Event> {
        let mut event = self.event.take()?;
        let mut set = |key: &str, value: Value| event.detail.insert(key.to_owned(), value);
        if let Some(status) = self.status {
            set("status", status.as_u16().into());
        }
        set("sent", self.sent.load(Ordering::Relaxed).into());
        set("received", self.received.into());
        let elapsed = self.clock.since(self.start).as_millis();
        set("ms", u64::try_from(elapsed).unwrap_or(u64::MAX).into());
        event.verdict = match outcome {
            Ok(()) => Verdict::Allowed,
            Err(error) => {
                describe(&mut event, error);
                if error.is_denial() { Verdict::Denied } else { Verdict::Failed }
            }
        };
        Some(event)
    }

    /// A principal is one that an admin granted something, so there are only so many.
    fn count(&self, event: &Event) {
        let verdict = match event.verdict {
            Verdict::Allowed => "allowed",
            Verdict::Denied => "denied",
            Verdict::Failed => "failed",
        };
        let who = || event.actor.clone();
        metrics::counter!("openpact_egress_requests_total", "principal" => who(), "verdict" => verdict)
            .increment(1);
        let sent = self.sent.load(Ordering::Relaxed);
        metrics::counter!("openpact_egress_sent_bytes_total", "principal" => who()).increment(sent);
        metrics::counter!("openpact_egress_received_bytes_total", "principal" => who())
            .increment(self.received);
    }
}

/// Writes down what went wrong, for the admin.
pub(crate) fn describe(event: &mut Event, error: &Error) {
    let mut set = |key: &str, value: &str| event.detail.insert(key.to_owned(), value.into());
    set("error", error.code());
    set("reason", &error.to_string());
    if let Some(hidden) = error.admin() {
        hidden.detail.as_ref().map(|detail| set("detail", detail));
        hidden.rule.as_ref().map(|rule| set("allow", rule));
    }
}

impl Drop for Exchange {
    /// The caller went away: before the answer, or without reading all of it.
    fn drop(&mut self) {
        if self.event.is_none() {
            return;
        }
        self.note("abandoned", true);
        let Some(mut event) = self.complete(Ok(())) else { return };
        if self.status.is_none() {
            event.verdict = Verdict::Failed;
        }
        self.count(&event);
        let audit = self.audit.clone();
        let record = Some(async move { audit.record(event).await }.boxed());
        drop(Writing { record, runtime: self.runtime.clone() });
    }
}

/// A record on its way to the log. Whoever drops this before it is written does not stop it: it goes on as a task of
/// its own, which otherwise would only cost every request the way to another thread and back.
struct Writing {
    /// `None` once it is written.
    record: Option<BoxFuture<'static, Result<(), PortError>>>,
    runtime: Handle,
}

impl Future for Writing {
    type Output = Result<(), PortError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(record) = &mut self.record else { return Poll::Ready(Ok(())) };
        let written = ready!(record.as_mut().poll(context));
        self.record = None;
        Poll::Ready(written)
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        let Some(record) = self.record.take() else { return };
        self.runtime.spawn(async move {
            if let Err(error) = record.await {
                tracing::error!(%error, "a request that was abandoned could not be recorded");
            }
        });
    }
}
