//! One turn: find the session, build the prompt, ask the engine, pass on what it says. Ends on the engine's word, on
//! its error or silence, on a stop, or on a deadline; never without a word to the person.

use std::time::Duration;

use futures::StreamExt as _;
use futures::stream::BoxStream;
use openpact_engine::event::ErrorKind;
use openpact_engine::{Event, Session, Turn};
use openpact_model::id::SessionId;
use openpact_model::role::{Caller, Role};
use tokio_util::sync::CancellationToken;

use crate::message::{Inbound, Reply};
use crate::orchestrator::Shared;
use crate::router::OpenTurn;
use crate::{Error, interruption, session, source};

/// What somebody is told who stopped a turn.
const STOPPED: &str = "Stopped.";

/// A message that waits for its turn.
pub(crate) struct Job {
    pub(crate) inbound: Inbound,
    pub(crate) reply: Reply,
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
        let Job { inbound, reply } = job;
        let start = self.clock.monotonic();
        let prepared = tokio::select! {
            biased;
            () = cancel.cancelled() => {
                reply.error(ErrorKind::Aborted, STOPPED);
                return;
            }
            prepared = tokio::time::timeout(self.turn_deadline, self.prepare(inbound, reply, &cancel)) => prepared,
        };
        let prepared = match prepared {
            Ok(Ok(prepared)) => prepared,
            Ok(Err(error)) => return failed(reply, &error),
            Err(_late) => return reply.error(ErrorKind::Deadline, self.too_late()),
        };
        let (id, session) = (prepared.turn.id.clone(), prepared.session.id.clone());
        let outcome = self.converse(prepared, inbound, reply, &cancel).await;
        let duration_ms = self.clock.since(start).as_millis();
        tracing::info!(channel = %inbound.channel, %session, turn = %id, outcome, duration_ms, "turn");
    }

    async fn prepare(
        &self,
        inbound: &Inbound,
        reply: &Reply,
        cancel: &CancellationToken,
    ) -> Result<Prepared, Error> {
        let audience = inbound.effective_audience();
        let found = session::active(&self.store, &*self.engine, &inbound.channel, audience).await?;
        if let Some(notice) = found.notice {
            reply.notice(notice);
        }
        let session = found.session;
        if inbound.role != Role::Owner {
            // On disk before the model reads it: from here on the session holds what somebody else said.
            self.router.taint(&session.id).await?;
        }
        let interrupted = interruption::read(&self.store, &session.id).await?;
        let notes = if interrupted.is_empty() {
            Vec::new()
        } else {
            reply.notice(interruption::notice(&interrupted));
            vec![interruption::note(&interrupted)]
        };
        let caller = Caller { sender: inbound.sender.clone(), role: inbound.role, audience };
        let tools = self.router.tools_of(&caller);
        let system = self.prompt.build(inbound.role, audience, tools, &notes).await?;
        let place = Some(inbound.channel.clone());
        let open = self.router.open_turn(caller, Some(session.id.clone()), place, cancel);
        let turn = Turn {
            id: open.id().clone(),
            system,
            text: source::render(&inbound.channel, &inbound.sender, &inbound.text),
            raw: inbound.text.clone(),
            model: None,
            cancel: cancel.clone(),
        };
        Ok(Prepared { session, open, turn, has_interrupted: !notes.is_empty() })
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
    tracing::error!(error = error.chain(), "a turn could not be run");
    reply.error(ErrorKind::Engine, error.told());
}

/// The default of [`crate::Config::turn_deadline`]: longer than an engine's own, which knows better what to say.
pub(crate) const DEADLINE: Duration = Duration::from_mins(35);
