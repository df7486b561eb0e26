//! One turn: ask, run the tools that the model calls, ask again, until it has its answer.

mod ask;

use std::collections::HashSet;
use std::sync::Arc;

use openpact_model::tool::ToolSpec;

use self::ask::{Heard, TAKES_NONE};
use super::Shared;
use super::compaction::{self, Measure};
use super::history::History;
use super::provider::{Echo, Reason};
use super::redaction;
use crate::Turn;
use crate::event::ErrorKind;
use crate::fault::Fault;
use crate::session::{Body, Call, Session};
use crate::tool::{self, Answers};
use crate::turn::{Sink, Stop};

/// How many tools may be called at once. What is beyond is answered with an error, so that the model can go on.
const MAX_CALLS: usize = 32;

/// One turn at work.
pub(super) struct Work {
    shared: Arc<Shared>,
    session: Session,
    turn: Turn,
    history: History,
    stop: Stop,
    sink: Sink,
    model: String,
    fallback: Option<String>,
    tools: Vec<ToolSpec>,
    measure: Measure,
    /// The ids of calls in this turn.
    ids: HashSet<String>,
}

impl Work {
    pub(super) fn new(
        shared: Arc<Shared>,
        session: Session,
        own: Option<String>,
        turn: Turn,
        history: History,
        stop: Stop,
        sink: Sink,
    ) -> Self {
        let config = &shared.config;
        let model = turn.model.clone().or(own).unwrap_or_else(|| config.model.clone());
        let fallback = config.fallback.clone().filter(|fallback| *fallback != model);
        let tools = shared.tools.tools(&turn.id);
        let measure = Measure::new(config.context_window, config.max_output);
        let ids = HashSet::new();
        Self { shared, session, turn, history, stop, sink, model, fallback, tools, measure, ids }
    }

    pub(super) async fn run(mut self) -> Result<(), Fault> {
        let ended = self.work().await;
        ended.map_err(|mut fault| {
            redaction::text(&self.shared.redactor(), &mut fault.message);
            fault
        })
    }

    async fn work(&mut self) -> Result<(), Fault> {
        self.shared.conversations.entitle(&self.session, &self.turn.raw).await?;
        self.look().await?;
        let mut said_something = false;
        for _step in 0..self.shared.config.max_steps {
            self.fit().await?;
            let Heard { text, mut calls, reason, echo, .. } = self.ask().await?;
            self.name_calls(&mut calls);
            said_something |= !text.is_empty() || !calls.is_empty();
            let empty = text.is_empty() && calls.is_empty();
            if !empty {
                self.keep(Body::Assistant { text, calls: calls.clone() }, echo).await?;
            }
            if calls.is_empty() {
                return verdict(reason, said_something);
            }
            self.call(&calls).await?;
        }
        let message = format!(
            "stopped: the model called tools {} times without coming to an answer; what they gave is kept, so say 'go \
             on' to let it continue",
            self.shared.config.max_steps
        );
        Err(Fault::new(ErrorKind::TooManySteps, message))
    }

    /// Leaves the images out where the model takes none.
    async fn look(&mut self) -> Result<(), Fault> {
        if self.history.entries.iter().all(|entry| entry.images.is_empty()) {
            return Ok(());
        }
        let shared = self.shared.clone();
        let shown = shared.sight.is_shown(shared.config.images, &self.model, &*shared.provider);
        if !self.stop.guard(shown).await? {
            self.hide(TAKES_NONE);
        }
        Ok(())
    }

    /// Runs the tools, all at once; their results are stored and shown in the order of the calls.
    async fn call(&mut self, calls: &[Call]) -> Result<(), Fault> {
        for call in calls {
            self.sink.call(call);
        }
        let (allowed, beyond) = calls.split_at(calls.len().min(MAX_CALLS));
        let shared = self.shared.clone();
        let Self { session, turn, history, stop, sink, .. } = self;
        let mut answers = Answers::new(&*shared.tools, &turn.id, allowed, stop);
        let beyond = beyond.iter().map(|call| tool::Result {
            id: call.id.clone(),
            is_error: true,
            text: format!(
                "not done: no more than {MAX_CALLS} tools can be called at once; call the others again"
            ),
        });
        let mut beyond = beyond.collect::<Vec<_>>().into_iter();
        while let Some(result) = answers.next().await.or_else(|| beyond.next()) {
            let tool::Result { id, is_error, mut text } = result;
            redaction::text(&shared.redactor(), &mut text);
            let body = Body::Tool { id: id.clone(), is_error, text: text.clone() };
            let numbers = shared.conversations.append(&session.id, std::slice::from_ref(&body)).await?;
            history.push(&numbers, body);
            sink.result(&id, is_error, &text);
        }
        answers.end()
    }

    pub(super) fn measure(&self) -> &Measure {
        &self.measure
    }

    pub(super) fn history(&self) -> &History {
        &self.history
    }

    pub(super) fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }

    /// Bytes of a request that do not depend on the conversation.
    pub(super) fn fixed(&self) -> usize {
        compaction::bytes(&self.request(Vec::new()))
    }

    /// Stores a summary in the place of all messages before that number.
    pub(super) async fn store_summary(&self, number: i64, text: &str) -> Result<(), Fault> {
        self.shared.conversations.summarise(&self.session.id, number, text).await?;
        Ok(())
    }

    /// Gives every call an id that no other call of this turn has: some servers send none, or the same each time.
    fn name_calls(&mut self, calls: &mut [Call]) {
        for call in calls {
            while call.id.is_empty() || !self.ids.insert(call.id.clone()) {
                call.id = tool::fresh_id(&*self.shared.random);
            }
        }
    }

    async fn keep(&mut self, mut body: Body, echo: Echo) -> Result<(), Fault> {
        // Once more as a whole: a secret may have been set while the answer came in.
        redaction::body(&self.shared.redactor(), &mut body);
        let numbers = self.shared.conversations.append(&self.session.id, std::slice::from_ref(&body)).await?;
        self.history.push_with(&numbers, body, echo);
        Ok(())
    }
}

/// How a turn ends in which the model calls no tool any more.
fn verdict(reason: Reason, said_something: bool) -> Result<(), Fault> {
    let message = match reason {
        Reason::Done if said_something => return Ok(()),
        Reason::Done => "the model answered nothing: ask again, or choose another model",
        Reason::Length => {
            "the answer was cut off at the model's output limit: say 'go on', or raise engine.max_output_tokens"
        }
        Reason::Filter => "the provider's content filter stopped the answer: say it in other words",
    };
    Err(Fault::new(ErrorKind::Provider, message))
}
