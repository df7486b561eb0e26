//! The end of an event: what is sent because of it is stored in one step with the end itself.

use openpact_model::audit;
use openpact_model::audit::Verdict;
use openpact_model::chat::{Event, Happening, Outbound, Part, Target};
use openpact_model::role::Channel;
use openpact_model::text::one_line;
use openpact_store::approval::Kind;
use openpact_store::inbox::{Finish, State};
use openpact_store::outbox::New;

use super::outcome::notice;
use super::render::{Rendered, unrendered_record};
use super::{Chat, admission};
use crate::Error;

impl Chat {
    /// Ends an event. On disk when this returns; done by nobody else from then on. An adapter that is away is waited
    /// for, unless delivery ends: then the event stays as it is.
    pub(super) async fn conclude(
        &self,
        channel: &Channel,
        event: &Event,
        number: i64,
        state: State,
        outbound: Option<Outbound>,
        record: Option<audit::Event>,
    ) -> Result<(), Error> {
        let (mut state, mut record) = (state, record);
        let parts = match outbound {
            None => Vec::new(),
            Some(outbound) => match self.render(channel, outbound).await {
                Rendered::Parts(parts) => parts,
                Rendered::Ended => return Ok(()),
                Rendered::GivenUp(why) => {
                    tracing::error!(%channel, why, "an answer is given up; the conversation still has it");
                    state = State::Failed;
                    record = record.or_else(|| Some(unrendered_record(channel, number, &why)));
                    Vec::new()
                }
            },
        };
        let parts = self.addressed(channel, &target(event, message_of(event)), parts);
        let finish = Finish { number, state, parts, event: record };
        // Whose part the first one is. Another adapter may be attached while it is stored, and take it for its own.
        let sender = self.attached(&channel.provider);
        let mut failures = 0;
        let finished = loop {
            match self.store.inbox().finish(finish.clone()).await {
                Ok(finished) => break finished,
                // The turn must not run again because of this, so it is tried until it works.
                Err(error) if self.is_closing() => return Err(error.into()),
                Err(error) => {
                    tracing::error!(%channel, error = &error as &dyn std::error::Error, "an answer was not stored");
                    failures += 1;
                    self.rest(failures).await;
                }
            }
        };
        if finished.is_some() {
            let state = state_word(state);
            let provider = channel.provider.clone();
            metrics::counter!("openpact_messages_ended_total", "provider" => provider, "state" => state)
                .increment(1);
        }
        // Without parts there may be messages to take back.
        if let Some(first) = finished
            && (first.is_some() || !finish.parts.is_empty())
        {
            self.hand_over(channel, first, sender).await;
        }
        Ok(())
    }

    /// Parts on their way; the first one replies where `target` does.
    fn addressed(&self, channel: &Channel, target: &Target, parts: Vec<Part>) -> Vec<New> {
        let new = |(index, part): (usize, Part)| {
            let reply_to = target.reply_to.clone().filter(|_| index == 0);
            let (instance, target) = (channel.provider.clone(), Target { reply_to, ..target.clone() });
            New { instance, target, part, key: self.key() }
        };
        parts.into_iter().enumerate().map(new).collect()
    }

    /// What names a part to the platform.
    pub(super) fn key(&self) -> String {
        let mut bytes = [0; 10];
        self.random.fill(&mut bytes);
        bytes.iter().fold(String::with_capacity(20), |mut text, byte| {
            use std::fmt::Write as _;
            write!(text, "{byte:02x}").expect("writing to a String cannot fail");
            text
        })
    }

    /// Tells somebody who was refused when they came, in a task of its own, and records it. What came is stored as
    /// refused already.
    pub(super) async fn tell_refused(&self, channel: &Channel, event: &Event, reason: &str, text: String) {
        use openpact_model::port::AuditSink as _;
        let record = admission::refusal(channel, event, reason);
        if let Err(error) = self.store.record(record).await {
            tracing::error!(%error, "a refused message could not be audited");
        }
        let (Some(this), channel) = (self.this(), channel.clone()) else { return };
        let (target, event) = (target(event, message_of(event)), event.clone());
        self.tasks.spawn(async move {
            if this.is_answered_aside(&channel, &event, &text).await {
                return;
            }
            if let Err(error) = this.say(&channel, &target, text).await {
                tracing::error!(error = error.chain(), "a notice was not stored");
            }
        });
    }

    /// Stores a message of the runtime itself and has it sent.
    pub(super) async fn say(&self, channel: &Channel, target: &Target, text: String) -> Result<(), Error> {
        self.post(channel, target, notice(text)).await
    }

    /// Stores a message that answers no event and has it sent.
    pub(super) async fn post(
        &self,
        channel: &Channel,
        target: &Target,
        outbound: Outbound,
    ) -> Result<(), Error> {
        let Some(parts) = self.noted(channel, target, outbound).await else { return Ok(()) };
        let sender = self.attached(&channel.provider);
        let first = self.store.outbox().insert(parts).await?;
        self.hand_over(channel, first, sender).await;
        Ok(())
    }

    /// The same for a message that asks for a decision on the request with that code, unless it was decided meanwhile.
    pub(super) async fn post_question(
        &self,
        channel: &Channel,
        target: &Target,
        outbound: Outbound,
        code: &str,
    ) -> Result<(), Error> {
        let Some(parts) = self.noted(channel, target, outbound).await else { return Ok(()) };
        let sender = self.attached(&channel.provider);
        let first = self.store.outbox().announce(parts, Kind::Pairing, code).await?;
        self.hand_over(channel, first, sender).await;
        Ok(())
    }

    /// A message that answers no event, as it is stored.
    async fn noted(&self, channel: &Channel, target: &Target, outbound: Outbound) -> Option<Vec<New>> {
        match self.render(channel, outbound).await {
            Rendered::Parts(parts) => Some(self.addressed(channel, target, parts)),
            Rendered::Ended => None,
            Rendered::GivenUp(why) => {
                tracing::error!(%channel, why, "a notice is given up");
                None
            }
        }
    }
}

/// Where an answer goes.
pub(super) fn target(event: &Event, reply_to: Option<&str>) -> Target {
    Target {
        account: event.account.clone(),
        channel: event.place.id.clone(),
        thread: event.place.thread.clone(),
        reply_to: reply_to.map(str::to_owned),
    }
}

/// The message that an answer replies to.
pub(super) fn message_of(event: &Event) -> Option<&str> {
    match &event.happening {
        Happening::Message(message) | Happening::Edit(message) => Some(&message.id),
        Happening::Command(used) => used.message.as_deref(),
        Happening::Button(press) => Some(&press.message),
        Happening::Thread(_) => None,
    }
}

/// The record of a message that is not sent, for good.
pub(super) fn lost_record(channel: &Channel, number: i64, outcome: &str, why: &str) -> audit::Event {
    audit::Event::new("message.send", "runtime", one_line(&channel.to_string(), 200), Verdict::Failed)
        .with("outcome", outcome)
        .with("part", number)
        .with("why", one_line(why, 200))
}

fn state_word(state: State) -> &'static str {
    match state {
        State::Received => "received",
        State::Running => "running",
        State::Answered => "answered",
        State::Refused => "refused",
        State::Failed => "failed",
    }
}
