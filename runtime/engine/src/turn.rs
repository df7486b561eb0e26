//! Running turns: at most one in a session, each with exactly one end, whatever happens to it.

use std::collections::HashMap;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt as _;
use futures::stream::{self, BoxStream, StreamExt as _};
use openpact_model::id::SessionId;
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use tracing::Instrument as _;

use crate::Error;
use crate::event::Event;
use crate::fault::Fault;
use crate::session::Call;

/// The turns that run now.
#[derive(Default)]
pub(crate) struct Running {
    turns: Mutex<HashMap<SessionId, CancellationToken>>,
    freed: Notify,
}

/// A session's place for its one turn; free again when this is dropped.
pub(crate) struct Place {
    running: Arc<Running>,
    session: SessionId,
}

impl Running {
    /// Takes the session's place.
    pub(crate) fn take(
        self: &Arc<Self>,
        session: &SessionId,
        cancel: &CancellationToken,
    ) -> Result<Place, Error> {
        let mut turns = self.turns();
        if turns.contains_key(session) {
            return Err(Error::Busy);
        }
        turns.insert(session.clone(), cancel.clone());
        Ok(Place { running: self.clone(), session: session.clone() })
    }

    /// Asks the session's turn to stop; says whether there was one.
    pub(crate) fn abort(&self, session: &SessionId) -> bool {
        let turn = self.turns().get(session).cloned();
        turn.inspect(CancellationToken::cancel).is_some()
    }

    /// Stops the session's turn and waits until it has ended.
    pub(crate) async fn clear(&self, session: &SessionId) {
        loop {
            let freed = self.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if !self.abort(session) {
                return;
            }
            freed.await;
        }
    }

    fn turns(&self) -> MutexGuard<'_, HashMap<SessionId, CancellationToken>> {
        self.turns.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.turns().remove(&self.session);
        self.running.freed.notify_waiters();
    }
}

/// What tells a turn to stop: somebody's word, or its deadline.
pub(crate) struct Stop {
    cancel: CancellationToken,
    late: CancellationToken,
    limit: Duration,
    _timer: AbortOnDropHandle<()>,
}

impl Stop {
    /// A turn has `limit` from now on.
    pub(crate) fn new(cancel: CancellationToken, limit: Duration) -> Self {
        let late = CancellationToken::new();
        let timer = tokio::spawn({
            let late = late.clone();
            async move {
                tokio::time::sleep(limit).await;
                late.cancel();
            }
        });
        Self { cancel, late, limit, _timer: AbortOnDropHandle::new(timer) }
    }

    /// What `work` gives, unless the turn is to stop before that.
    pub(crate) async fn guard<T>(&self, work: impl Future<Output = T>) -> Result<T, Fault> {
        tokio::select! {
            biased;
            () = self.cancel.cancelled() => Err(Fault::aborted()),
            () = self.late.cancelled() => Err(Fault::too_long(self.limit)),
            done = work => Ok(done),
        }
    }

    /// Whether the turn may go on.
    pub(crate) fn check(&self) -> Result<(), Fault> {
        if self.cancel.is_cancelled() {
            return Err(Fault::aborted());
        }
        if self.late.is_cancelled() { Err(Fault::too_long(self.limit)) } else { Ok(()) }
    }

    /// Tells everybody else who works on the turn, above all its tools, to stop.
    pub(crate) fn stop_all(&self) {
        self.cancel.cancel();
    }
}

/// Where a turn's events go. Numbers the parts.
pub(crate) struct Sink {
    events: mpsc::UnboundedSender<Event>,
    next: u32,
    open: Option<(Kind, u32)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Reasoning,
    Text,
}

impl Sink {
    /// A piece of the answer.
    pub(crate) fn text(&mut self, text: impl Into<String>) {
        let part = self.piece(Kind::Text);
        self.send(Event::Text { part, text: text.into() });
    }

    /// A piece of reasoning.
    pub(crate) fn reasoning(&mut self, text: impl Into<String>) {
        let part = self.piece(Kind::Reasoning);
        self.send(Event::Reasoning { part, text: text.into() });
    }

    /// A tool is called.
    pub(crate) fn call(&mut self, call: &Call) {
        let part = self.part();
        let Call { id, name, arguments } = call.clone();
        self.send(Event::ToolCall { part, id, name, arguments });
    }

    /// A tool answered.
    pub(crate) fn result(&mut self, id: &str, is_error: bool, text: &str) {
        let part = self.part();
        self.send(Event::ToolResult { part, id: id.to_owned(), is_error, text: text.to_owned() });
    }

    /// The person is to know something.
    pub(crate) fn notice(&mut self, text: impl Into<String>) {
        self.open = None;
        self.send(Event::Notice { text: text.into() });
    }

    /// A request to the provider was answered.
    pub(crate) fn usage(&mut self, input: u64, output: u64, cached: u64) {
        metrics::counter!("openpact_model_requests_total").increment(1);
        metrics::counter!("openpact_model_tokens_total", "kind" => "input").increment(input);
        metrics::counter!("openpact_model_tokens_total", "kind" => "output").increment(output);
        metrics::counter!("openpact_model_tokens_total", "kind" => "cached").increment(cached);
        self.send(Event::Usage { input, output, cached });
    }

    fn piece(&mut self, kind: Kind) -> u32 {
        match self.open {
            Some((open, part)) if open == kind => part,
            _ => {
                let part = self.part();
                self.open = Some((kind, part));
                part
            }
        }
    }

    fn part(&mut self) -> u32 {
        self.open = None;
        let part = self.next;
        self.next += 1;
        part
    }

    fn send(&self, event: Event) {
        // Nobody may listen any more; the turn goes on.
        let _ = self.events.send(event);
    }
}

/// Runs `work` in a task of its own. The stream gives what it says and then its end, also when it panics or is dropped
/// with the runtime. The session is free before the last event is out, so that whoever sees it may send at once.
pub(crate) fn run<W>(place: Place, work: impl FnOnce(Sink) -> W) -> BoxStream<'static, Event>
where
    W: Future<Output = Result<(), Fault>> + Send + 'static,
{
    let (events, received) = mpsc::unbounded_channel();
    let work = work(Sink { events: events.clone(), next: 0, open: None });
    let turn = async move {
        let ended = AssertUnwindSafe(work).catch_unwind().await;
        let last = match ended {
            Ok(Ok(())) => Event::End,
            Ok(Err(fault)) => fault.into_event(),
            // The panic hook has logged where.
            Err(_panic) => Fault::broken().into_event(),
        };
        if let Event::Error { kind, .. } = &last {
            metrics::counter!("openpact_engine_errors_total", "kind" => kind.code()).increment(1);
        }
        drop(place);
        let _ = events.send(last);
    };
    tokio::spawn(turn.in_current_span());
    stream::unfold(Some(received), |received| async {
        let mut received = received?;
        let event = received.recv().await.unwrap_or_else(|| Fault::shut_down().into_event());
        let ended = matches!(event, Event::End | Event::Error { .. });
        Some((event, (!ended).then_some(received)))
    })
    .boxed()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::ErrorKind;

    fn session() -> SessionId {
        SessionId::from_stored("ses_1")
    }

    fn place(running: &Arc<Running>) -> Place {
        running.take(&session(), &CancellationToken::new()).unwrap()
    }

    #[tokio::test]
    async fn a_panic_is_an_end_too_and_frees_the_session() {
        let running = Arc::<Running>::default();
        let events: Vec<Event> = run(place(&running), |mut sink| async move {
            sink.text("so far");
            panic!("a bug in the engine");
        })
        .collect()
        .await;
        assert_eq!(events[0], Event::Text { part: 0, text: "so far".to_owned() });
        assert!(matches!(&events[1..], [Event::Error { kind: ErrorKind::Engine, .. }]), "{events:?}");
        place(&running);
    }

    #[test]
    fn the_end_of_the_runtime_is_an_end_too() {
        let running = Arc::<Running>::default();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let stream = runtime.block_on(async { run(place(&running), |_sink| std::future::pending()) });
        drop(runtime);
        let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let events: Vec<Event> = other.block_on(stream.collect());
        assert!(matches!(&events[..], [Event::Error { kind: ErrorKind::Engine, .. }]), "{events:?}");
    }

    #[tokio::test]
    async fn parts_count_up_and_hold_one_kind() {
        let running = Arc::<Running>::default();
        let call = Call { id: "c".to_owned(), name: "t".to_owned(), arguments: "{}".to_owned() };
        let events: Vec<Event> = run(place(&running), |mut sink| async move {
            sink.reasoning("a");
            sink.reasoning("b");
            sink.text("c");
            sink.call(&call);
            sink.result("c", false, "d");
            sink.text("e");
            Ok(())
        })
        .collect()
        .await;
        let parts = events.iter().filter_map(|event| match event {
            Event::Reasoning { part, .. }
            | Event::Text { part, .. }
            | Event::ToolCall { part, .. }
            | Event::ToolResult { part, .. } => Some(*part),
            _ => None,
        });
        assert_eq!(parts.collect::<Vec<_>>(), [0, 0, 1, 2, 3, 4]);
        assert_eq!(events.last(), Some(&Event::End));
    }

    #[tokio::test]
    async fn clearing_waits_for_the_end() {
        let running = Arc::<Running>::default();
        let cancel = CancellationToken::new();
        let taken = running.take(&session(), &cancel).unwrap();
        assert!(matches!(running.take(&session(), &cancel), Err(Error::Busy)));
        let task = tokio::spawn(async move {
            cancel.cancelled().await;
            drop(taken);
        });
        running.clear(&session()).await;
        place(&running);
        task.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_stops_at_its_deadline_and_not_before() {
        let stop = Stop::new(CancellationToken::new(), Duration::from_mins(1));
        let before = stop.guard(tokio::time::sleep(Duration::from_secs(59))).await;
        assert_eq!(before, Ok(()));
        let after = stop.guard(tokio::time::sleep(Duration::from_secs(2))).await;
        assert_eq!(after.unwrap_err().kind, ErrorKind::Deadline);
    }
}
