//! One turn: find the session, build the prompt, ask the engine, pass on what it says. Ends on the engine's word, on
//! its error or silence, on a stop, or on a deadline; never without a word to the person.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use openpact_engine::event::ErrorKind;
use openpact_engine::{Event, Image, Session, Turn};
use openpact_model::id::SessionId;
use openpact_model::role::{Caller, Role};
use openpact_store::inbox::Begin;
use tokio_util::sync::CancellationToken;
use tracing::Instrument as _;
use tracing::field::{Empty, display};

use crate::message::{Inbound, Reply};
use crate::orchestrator::Shared;
use crate::router::{OpenTurn, Opening};
use crate::{Error, interruption, metric, session, source};

/// What somebody is told who stopped a turn.
const STOPPED: &str = "Stopped.";

/// A message that waits for its turn.
pub(crate) struct Job {
    pub(crate) inbound: Inbound,
    pub(crate) reply: Reply,
    /// For a message that lies in the inbox.
    pub(crate) stored: Option<Stored>,
}

/// What is known of a message that lies in the inbox.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stored {
    /// Its number there.
    pub(crate) number: i64,
    /// The text as the model reads it, where that is more than what was typed.
    pub(crate) said: Option<String>,
    /// Images that came with it.
    pub(crate) images: Vec<Image>,
    /// Whether it brings text of somebody else along.
    pub(crate) is_tainted: bool,
    /// Whether what looks typed is, or may be, the text of somebody else.
    pub(crate) is_forwarded: bool,
    /// What the model is told besides.
    pub(crate) notes: Vec<String>,
    /// How often it was changed while it waited.
    pub(crate) edits: u32,
    /// Set where no turn began because the message was changed, or done, meanwhile.
    pub(crate) is_overtaken: Arc<AtomicBool>,
}

/// A turn that is ready for the engine.
struct Prepared {
    session: Session,
    open: OpenTurn,
    turn: Turn,
    has_interrupted: bool,
}

impl Shared {
    /// Runs one turn to its end.
    pub(crate) async fn run_turn(&self, job: &Job, cancel: CancellationToken) {
        // Of the highest level, so that whatever is logged within says to which turn it belongs.
        let span =
            tracing::error_span!("orchestrator.turn.run", channel = %job.inbound.channel, turn = Empty);
        if let Some(turn) = &job.inbound.turn {
            span.record("turn", display(turn));
        }
        let start = self.clock.monotonic();
        let running = metric::Running::begin();
        let outcome = self.run_prepared(job, cancel).instrument(span).await;
        drop(running);
        metric::ended(outcome, self.clock.since(start));
    }

    /// The turn itself; how it ended.
    async fn run_prepared(&self, job: &Job, cancel: CancellationToken) -> &'static str {
        let Job { inbound, reply, .. } = job;
        let start = self.clock.monotonic();
        let prepared = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                reply.error(ErrorKind::Aborted, STOPPED);
                return "aborted";
            }
            prepared = tokio::time::timeout(self.turn_deadline, self.prepare(job, &cancel)) => prepared,
        };
        let prepared = match prepared {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(error)) => {
                failed(reply, &error);
                return "refused";
            }
            Err(_late) => {
                reply.error(ErrorKind::Deadline, self.too_late());
                return "deadline";
            }
        };
        let (id, session) = (prepared.turn.id.clone(), prepared.session.id.clone());
        if inbound.turn.is_none() {
            tracing::Span::current().record("turn", display(&id));
        }
        let outcome = self.converse(prepared, inbound, reply, &cancel).await;
        let duration_ms = self.clock.since(start).as_millis();
        tracing::info!(channel = %inbound.channel, %session, turn = %id, outcome, duration_ms, "turn");
        outcome
    }

    async fn prepare(&self, job: &Job, cancel: &CancellationToken) -> Result<Prepared, Error> {
        let Job { inbound, reply, stored } = job;
        let audience = inbound.effective_audience();
        let found = session::active(&self.store, &*self.engine, &inbound.channel, audience).await?;
        if let Some(notice) = found.notice {
            reply.notice(notice);
        }
        let session = found.session;
        if inbound.role != Role::Owner || stored.as_ref().is_some_and(|stored| stored.is_tainted) {
            // On disk before the model reads it: from here on the session holds what somebody else said.
            self.router.taint(&session.id).await?;
        }
        if inbound.role == Role::Owner && !stored.as_ref().is_some_and(|stored| stored.is_forwarded) {
            // What the owner typed, and nothing that is quoted with it.
            self.router.heard(&session.id, &inbound.text).await?;
        }
        let interrupted = interruption::read(&self.store, &session.id).await?;
        let mut notes = stored.as_ref().map(|stored| stored.notes.clone()).unwrap_or_default();
        if !interrupted.is_empty() {
            // A message that lay in the inbox was answered with that itself.
            if stored.is_none() {
                reply.notice(interruption::notice(&interrupted));
            }
            notes.push(interruption::note(&interrupted));
        }
        let caller = Caller { sender: inbound.sender.clone(), role: inbound.role, audience };
        let tools = self.router.tools_of(&caller);
        let open = self.router.open_turn(Opening {
            person: self.people.whose(&inbound.sender.provider, &inbound.sender.user).person(),
            session: Some(session.id.clone()),
            channel: Some(inbound.channel.clone()),
            id: inbound.turn.clone(),
            ..Opening::new(caller, cancel)
        });
        let (system, ()) = tokio::try_join!(
            self.prompt.build(inbound.role, audience, tools, &notes),
            self.begin(stored.as_ref(), &open, &session.id)
        )?;
        let said = stored.as_ref().and_then(|stored| stored.said.as_deref()).unwrap_or(&inbound.text);
        let turn = Turn {
            id: open.id().clone(),
            system,
            text: source::render(&inbound.channel, &inbound.sender, said),
            raw: inbound.text.clone(),
            images: stored.as_ref().map(|stored| stored.images.clone()).unwrap_or_default(),
            model: None,
            cancel: cancel.clone(),
        };
        Ok(Prepared { session, open, turn, has_interrupted: !interrupted.is_empty() })
    }

    /// Has the inbox know that the turn begins: on disk before the engine hears of it.
    async fn begin(
        &self,
        stored: Option<&Stored>,
        open: &OpenTurn,
        session: &SessionId,
    ) -> Result<(), Error> {
        let Some(Stored { number, edits, is_overtaken, .. }) = stored else { return Ok(()) };
        let (turn, session) = (open.id().clone(), session.clone());
        if self.store.inbox().begin(&Begin { number: *number, edits: *edits, turn, session }).await? {
            return Ok(());
        }
        is_overtaken.store(true, Ordering::Release);
        Err(Error::Done)
    }

    async fn converse(
        &self,
        prepared: Prepared,
        inbound: &Inbound,
        reply: &Reply,
        cancel: &CancellationToken,
    ) -> &'static str {
        let Prepared { session, open, turn, has_interrupted } = prepared;
        let deadline = tokio::time::Instant::now() + self.turn_deadline;
        let sent = tokio::select! {
            biased;
            sent = self.engine.send(&session.id, turn) => sent,
            () = self.abandoned(cancel) => {
                reply.error(ErrorKind::Aborted, STOPPED);
                return "aborted";
            }
            () = tokio::time::sleep_until(deadline) => {
                cancel.cancel();
                reply.error(ErrorKind::Deadline, self.too_late());
                return "deadline";
            }
        };
        let stream = match sent {
            Ok(stream) => stream,
            Err(error) => {
                failed(reply, &error.into());
                return "refused";
            }
        };
        if has_interrupted && let Err(error) = interruption::forget(&self.store, &session.id).await {
            tracing::error!(error = error.chain(), "a report of interrupted calls will be made again");
        }
        let outcome = self.pass_on(stream, reply, &session.id, cancel, deadline).await;
        // Closed before the title is made: nothing of this turn calls tools any more.
        drop(open);
        if outcome == "ok" && session.title.is_empty() {
            self.make_title(&session.id, &inbound.text).await;
        }
        outcome
    }

    /// Passes events on until the last one, which it makes itself if the engine owes it.
    async fn pass_on(
        &self,
        mut stream: BoxStream<'static, Event>,
        reply: &Reply,
        session: &SessionId,
        cancel: &CancellationToken,
        deadline: tokio::time::Instant,
    ) -> &'static str {
        let abandoned = self.abort(session, cancel);
        tokio::pin!(abandoned);
        let mut is_late = false;
        loop {
            let event = tokio::select! {
                biased;
                event = stream.next() => event,
                () = &mut abandoned => {
                    if is_late {
                        reply.error(ErrorKind::Deadline, self.too_late());
                        return "deadline";
                    }
                    reply.error(ErrorKind::Aborted, STOPPED);
                    return "aborted";
                }
                () = tokio::time::sleep_until(deadline), if !is_late => {
                    is_late = true;
                    cancel.cancel();
                    continue;
                }
            };
            match event {
                Some(event @ Event::End) => {
                    reply.event(event);
                    return "ok";
                }
                // It stopped because we did: the person is told why.
                Some(Event::Error { kind: ErrorKind::Aborted, .. }) if is_late => {
                    reply.error(ErrorKind::Deadline, self.too_late());
                    return "deadline";
                }
                Some(event @ Event::Error { .. }) => {
                    reply.event(event);
                    return "error";
                }
                Some(event) => reply.event(event),
                None => {
                    tracing::error!(%session, "the engine's stream ended without an end");
                    reply.error(
                        ErrorKind::Engine,
                        "The engine broke off in the middle of the answer; say it again to try once more.",
                    );
                    return "broken-off";
                }
            }
        }
    }

    /// Ends some time after the turn was stopped, when the engine has not said so itself by then.
    async fn abort(&self, session: &SessionId, cancel: &CancellationToken) {
        cancel.cancelled().await;
        let asked = tokio::time::timeout(self.grace, self.engine.abort(session)).await;
        if let Ok(Err(error)) = asked {
            tracing::warn!(%session, %error, "the engine could not be told to stop");
        }
        tokio::time::sleep(self.grace).await;
        tracing::error!(%session, "the engine did not stop when it was told to; its turn was abandoned");
    }

    async fn abandoned(&self, cancel: &CancellationToken) {
        cancel.cancelled().await;
        tokio::time::sleep(self.grace).await;
    }

    fn too_late(&self) -> String {
        let minutes = self.turn_deadline.as_millis().div_ceil(60_000);
        format!(
            "This took more than {minutes} min and was stopped; ask for less at once, or raise the limit."
        )
    }

    async fn make_title(&self, session: &SessionId, text: &str) {
        let title = session::title(text);
        if title.is_empty() {
            return;
        }
        // An engine that titles its sessions itself, or a person who did meanwhile, knows better.
        let untitled = self
            .engine
            .get_session(session)
            .await
            .is_ok_and(|now| now.is_some_and(|now| now.title.is_empty()));
        if untitled && let Err(error) = self.engine.rename_session(session, &title).await {
            tracing::warn!(%session, %error, "the session got no title");
        }
    }
}

fn failed(reply: &Reply, error: &Error) {
    if matches!(error, Error::Done) {
        return reply.error(ErrorKind::Aborted, STOPPED);
    }
    tracing::error!(error = error.chain(), "a turn could not be run");
    reply.error(ErrorKind::Engine, error.told());
}

/// The default of [`crate::Config::turn_deadline`]: longer than an engine's own, which knows better what to say.
pub(crate) const DEADLINE: Duration = Duration::from_mins(35);
