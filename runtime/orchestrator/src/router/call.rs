//! One tool call on its way: known, valid, authorised, within its rate; then journalled, executed, redacted, audited
//! and answered. What is refused on the way is audited too.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::FutureExt as _;
use openpact_model::audit::{Event, Verdict};
use openpact_model::id::{CallId, Digest, TurnId};
use openpact_model::port::AuditSink as _;
use openpact_model::tool::{
    Limit, ProgressSink, Reach, Reads, ToolAnswer, ToolCall, ToolFailure, ToolOutput, Writes,
};
use openpact_store::journal::Intent;
use serde_json::Value;
use tracing::Instrument as _;

use super::registry::Tool;
use super::turn::Turn;
use super::{Shared, arguments, metric, record, redaction};

/// What a model is told when its conversation has read untrusted text and it wants to write outside.
const TAINTED: &str = "this conversation has read text from outside or from somebody else than the owner, so it \
    may not write to the outside: that needs an owner's approval, which this version cannot ask for yet. An owner \
    can start a new conversation with /new and ask there";

/// What a model is told when its arguments are not passed on. Not which secret: that would be a way to ask.
const HOLDS_SECRET: &str = "the arguments hold the value of a secret";

/// A call that passed every check.
struct Admitted {
    tool: Arc<Tool>,
    arguments: Value,
    hash: Digest,
    reach: Reach,
}

/// A call that did not.
struct Refusal {
    code: &'static str,
    failure: ToolFailure,
    tool: Option<Arc<Tool>>,
    arguments: Option<Value>,
}

impl Refusal {
    fn new(code: &'static str, failure: ToolFailure) -> Self {
        Self { code, failure, tool: None, arguments: None }
    }

    fn of(mut self, tool: &Arc<Tool>) -> Self {
        self.tool = Some(Arc::clone(tool));
        self
    }

    fn with(mut self, arguments: Value) -> Self {
        self.arguments = Some(arguments);
        self
    }
}

impl Shared {
    /// The whole way.
    pub(super) async fn call(self: &Arc<Self>, turn: &TurnId, tool: &str, text: &str) -> ToolAnswer {
        let Some(turn) = self.turns.get(turn) else {
            return self.unknown_turn(turn, tool, text).await;
        };
        match self.admit(&turn, tool, text).await {
            Ok(admitted) => {
                // A task of its own: an engine that drops its call must not leave it without a record.
                let task = tokio::spawn(Arc::clone(self).run(turn, admitted).in_current_span());
                task.await.unwrap_or_else(|error| {
                    tracing::error!(%error, tool, "a tool call ended without an answer");
                    answer_failure(&ToolFailure::Host("the call ended without an answer".to_owned()))
                })
            }
            Err(refusal) => self.refuse(&turn, tool, text, refusal).await,
        }
    }

    async fn unknown_turn(&self, turn: &TurnId, tool: &str, text: &str) -> ToolAnswer {
        metric::ended(None, "unknown-turn");
        let event = Event::new(record::END, "unknown", shown(tool), Verdict::Denied)
            .with("turn", shown(turn.as_str()))
            .with("arguments", record::hashed(text))
            .with("outcome", "unknown-turn");
        let failure = ToolFailure::Denied("this turn is not running, so it can call no tools".to_owned());
        self.answer_refused(event, failure).await
    }

    /// Steps 1 to 4.
    async fn admit(&self, turn: &Arc<Turn>, name: &str, text: &str) -> Result<Admitted, Refusal> {
        let registry = self.registry();
        let Some(tool) = registry.get(name) else {
            let failure = ToolFailure::NotFound(self.no_such_tool(&turn.caller, name));
            return Err(Refusal::new("unknown-tool", failure));
        };
        if self.disabled.is_match(name) {
            let failure = ToolFailure::Unavailable(format!("{name} is switched off"));
            return Err(Refusal::new("disabled", failure).of(tool));
        }
        let arguments = arguments::parse(text, self.arguments).map_err(|why| invalid(why).of(tool))?;
        tool.schema.check(&arguments).map_err(|why| invalid(why).of(tool).with(arguments.clone()))?;
        let denied =
            |code, why| Refusal::new(code, ToolFailure::Denied(why)).of(tool).with(arguments.clone());
        self.policy.decide(&turn.caller, &tool.spec).map_err(|why| denied("denied", why))?;
        if tool.spec.effects.writes == Writes::External
            && tool.provider.leaves(name, &arguments, turn.channel.as_ref())
        {
            match self.is_tainted(turn).await {
                Ok(false) => {}
                Ok(true) => return Err(denied("tainted", TAINTED.to_owned())),
                Err(error) => return Err(broken_store(&error, tool)),
            }
        }
        self.rates.take(turn, name).map_err(|why| {
            Refusal::new("rate-limited", ToolFailure::Unavailable(why)).of(tool).with(arguments.clone())
        })?;
        // After the rates, so that nobody can try many values out.
        let redactor = self.redaction.current();
        if redactor.find(text.as_bytes()).is_some() || redaction::finds(&redactor, &arguments) {
            return Err(denied("secret-in-arguments", HOLDS_SECRET.to_owned()));
        }
        let (reach, arguments) = self.reach(turn, tool, arguments).await?;
        Ok(Admitted { tool: Arc::clone(tool), arguments, hash: Digest::of(text.as_bytes()), reach })
    }

    /// What the call may reach, and its arguments with their addresses as they are compared.
    async fn reach(
        &self,
        turn: &Turn,
        tool: &Arc<Tool>,
        mut arguments: Value,
    ) -> Result<(Reach, Value), Refusal> {
        let broken = |error| broken_store(&error, tool);
        // A tool that reads private things itself could carry them out in this very call.
        let is_private =
            tool.spec.effects.reads == Reads::Private || self.holds_private(turn).await.map_err(broken)?;
        let reach = if is_private {
            let written = self.written(turn, tool.marks.addresses(&arguments)).await.map_err(broken)?;
            tool.marks.keep_to(&arguments, written).map_err(|why| {
                Refusal::new("not-written", ToolFailure::Denied(why)).of(tool).with(arguments.clone())
            })?
        } else {
            Reach::Granted
        };
        tool.marks.normalise(&mut arguments);
        Ok((reach, arguments))
    }

    async fn refuse(&self, turn: &Turn, name: &str, text: &str, refusal: Refusal) -> ToolAnswer {
        metric::ended(refusal.tool.as_ref().map(|tool| &tool.spec), refusal.code);
        let redactor = self.redaction.current();
        let mut event = record::event(record::END, turn, &redaction::text(&redactor, name), Verdict::Denied)
            .with("outcome", refusal.code)
            .with("why", redaction::text(&redactor, &refusal.failure.to_string()));
        if let Some(tool) = &refusal.tool {
            event = record::with_tool(event, None, tool);
        }
        let arguments = match refusal.arguments {
            Some(arguments) => record::arguments(redaction::json(&redactor, arguments)),
            None => record::hashed(&redaction::text(&redactor, text)),
        };
        let failure = redaction::failure(&redactor, refusal.failure);
        tracing::info!(tool = %event.subject, turn = %turn.id, outcome = refusal.code, "tool call refused");
        self.answer_refused(event.with("arguments", arguments), failure).await
    }

    async fn answer_refused(&self, event: Event, failure: ToolFailure) -> ToolAnswer {
        if let Err(error) = self.store.record(event).await {
            tracing::error!(error = %error_chain(&error), "a refused tool call could not be audited");
            return answer_failure(&ToolFailure::Host("the audit log could not be written".to_owned()));
        }
        answer_failure(&failure)
    }

    /// Steps 5 to 8.
    async fn run(self: Arc<Self>, turn: Arc<Turn>, admitted: Admitted) -> ToolAnswer {
        let call = CallId::generate(&*self.random);
        let Admitted { tool, arguments, hash, reach } = admitted;
        let shown = record::arguments(redaction::json(&self.redaction.current(), arguments.clone()));
        if let Err(error) = self.begin(&call, &turn, &tool, hash, &shown).await {
            tracing::error!(
                error,
                tool = tool.spec.name,
                "a tool call was not run: it could not be recorded"
            );
            metric::ended(Some(&tool.spec), "host");
            return answer_failure(&ToolFailure::Host(error));
        }
        let start = self.clock.monotonic();
        let request = ToolCall {
            id: call.clone(),
            turn: turn.id.clone(),
            tool: tool.spec.name.clone(),
            arguments,
            caller: turn.caller.clone(),
            reach,
            deadline: Some(self.deadline),
            cancel: turn.cancel.child_token(),
            progress: self.redacted(&turn.progress),
        };
        let result = self.execute(&tool, request).await;
        let redactor = self.redaction.current();
        let result = result
            .map(|output| redaction::output(&redactor, output))
            .map_err(|failure| redaction::failure(&redactor, failure));
        if let Err(error) = self.end(&call, &turn, &tool, shown, start, &result).await {
            tracing::error!(error, tool = tool.spec.name, "how a tool call ended could not be recorded");
            return answer_failure(&ToolFailure::Host(error));
        }
        match result {
            Ok(output) => ToolAnswer { is_error: false, output },
            Err(failure) => answer_failure(&failure),
        }
    }

    /// On disk before anything runs: the intent, the audit record and, for a tool that reads what strangers wrote,
    /// the session's taint; the same for one that reads private things. The three are asked for together, so that they share one commit.
    async fn begin(
        &self,
        call: &CallId,
        turn: &Turn,
        tool: &Tool,
        hash: Digest,
        arguments: &Value,
    ) -> Result<(), String> {
        let intent = Intent {
            call: call.clone(),
            turn: turn.id.clone(),
            session: turn.session.clone(),
            tool: tool.spec.name.clone(),
            principal: tool.principal.clone(),
            digest: tool.digest,
            arguments_hash: hash,
        };
        let event = record::event(record::BEGIN, turn, &tool.spec.name, Verdict::Allowed);
        let event = record::with_tool(event, Some(call), tool).with("arguments", arguments.clone());
        let journal = self.store.journal();
        let taint = async {
            match tool.spec.effects.reads {
                Reads::Untrusted => self.taint(turn).await,
                Reads::Private => self.hold_private(turn).await,
                Reads::Nothing => Ok(()),
            }
        };
        let (intended, audited, tainted) =
            tokio::join!(journal.intend(intent), self.store.record(event), taint);
        intended.map_err(|error| format!("the journal could not be written: {}", error_chain(&error)))?;
        audited.map_err(|error| format!("the audit log could not be written: {}", error_chain(&error)))?;
        tainted.map_err(|error| {
            format!("what the session has read could not be written: {}", error_chain(&error))
        })
    }

    /// What a tool says while it runs leaves as its answer does: without secrets.
    fn redacted(self: &Arc<Self>, sink: &ProgressSink) -> ProgressSink {
        let (shared, to) = (Arc::clone(self), sink.clone());
        let redacted = ProgressSink::new(move |mut progress| {
            let redactor = shared.redaction.current();
            progress.message = progress.message.map(|message| redaction::text(&redactor, &message));
            to.report(progress);
        });
        let Some(least) = sink.least() else { return redacted };
        let (shared, to) = (Arc::clone(self), sink.clone());
        redacted.with_log(least, move |mut line| {
            line.text = redaction::text(&shared.redaction.current(), &line.text);
            to.log(line);
        })
    }

    async fn execute(&self, tool: &Tool, call: ToolCall) -> Result<ToolOutput, ToolFailure> {
        let cancel = call.cancel.clone();
        if cancel.is_cancelled() {
            return Err(ToolFailure::Cancelled);
        }
        let grace = self.grace;
        // The executor stops itself at the deadline and when it is cancelled. This is for one that does not.
        let abandoned = async {
            cancel.cancelled().await;
            tokio::time::sleep(grace).await;
        };
        let running = AssertUnwindSafe(tool.provider.call(call)).catch_unwind();
        let result = tokio::select! {
            biased;
            result = running => result,
            () = abandoned => return Err(ToolFailure::Cancelled),
            () = tokio::time::sleep(self.deadline.saturating_add(grace)) => {
                cancel.cancel();
                return Err(ToolFailure::LimitReached { limit: Limit::Time, value: millis(self.deadline) });
            }
        };
        result.unwrap_or_else(|_panic| {
            tracing::error!(tool = tool.spec.name, "the executor of a tool panicked");
            Err(ToolFailure::Broken("its executor panicked".to_owned()))
        })
    }

    async fn end(
        &self,
        call: &CallId,
        turn: &Turn,
        tool: &Tool,
        arguments: Value,
        start: Instant,
        result: &Result<ToolOutput, ToolFailure>,
    ) -> Result<(), String> {
        let elapsed = self.clock.since(start);
        let duration = millis(elapsed);
        metric::took(&tool.spec, elapsed);
        let (verdict, outcome) = match result {
            Ok(_) => (Verdict::Allowed, "ok"),
            Err(failure @ ToolFailure::Denied(_)) => (Verdict::Denied, failure.code()),
            Err(failure) => (Verdict::Failed, failure.code()),
        };
        metric::ended(Some(&tool.spec), outcome);
        let mut event = record::event(record::END, turn, &tool.spec.name, verdict);
        event = record::with_tool(event, Some(call), tool)
            .with("arguments", arguments)
            .with("duration_ms", duration)
            .with("outcome", outcome);
        if let Err(failure) = result {
            event = event.with("why", shown(&failure.to_string()));
        }
        tracing::info!(tool = tool.spec.name, turn = %turn.id, %call, outcome, duration_ms = duration, "tool call");
        let journal = self.store.journal();
        let (finished, audited) = tokio::join!(journal.finish(call, outcome), self.store.record(event));
        finished.map_err(|error| format!("the journal could not be written: {}", error_chain(&error)))?;
        audited.map_err(|error| format!("the audit log could not be written: {}", error_chain(&error)))
    }
}

fn broken_store(error: &openpact_store::Error, tool: &Arc<Tool>) -> Refusal {
    tracing::error!(error = %error_chain(error), tool = tool.spec.name, "a tool call was not run: the store");
    Refusal::new("host", ToolFailure::Host(error.to_string())).of(tool)
}

fn invalid(why: String) -> Refusal {
    Refusal::new("invalid-arguments", ToolFailure::InvalidArguments(why))
}

fn answer_failure(failure: &ToolFailure) -> ToolAnswer {
    ToolAnswer { is_error: true, output: ToolOutput::text(failure.to_string()) }
}

fn shown(text: &str) -> String {
    openpact_model::text::one_line(text, 200)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// An error with its causes, for the log.
fn error_chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        cause = inner.source();
    }
    text
}
