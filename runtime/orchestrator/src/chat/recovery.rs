//! Turns that were cut off: by a crash, or by a program that had to end.

use std::collections::BTreeMap;

use openpact_engine::session::Body;
use openpact_model::chat::Happening;
use openpact_model::role::{Channel, Sender};
use openpact_store::inbox::{Row, State};
use openpact_store::journal::UNKNOWN;

use super::Chat;
use super::outcome::{Outcome, notice};
use crate::{Error, source};

/// Messages of a session that are read: more than one turn leaves.
const PAGE: u32 = 500;

/// What a turn left in its session.
struct Left {
    /// What it said, from the person's message on.
    bodies: Vec<Body>,
    /// Whether others said something in that session after it.
    is_last: bool,
}

impl Chat {
    /// Takes a turn up that was begun and did not end. Where all of its answer lies in the session, that is sent.
    /// Where it called no tool, it runs again as if it never had; where it did, the person is told, and nothing is
    /// repeated. `is_trusted` says that the session holds no piece of an answer as if it were all of it.
    pub(super) async fn settle(&self, channel: &Channel, row: &Row, is_trusted: bool) -> Result<(), Error> {
        let left = self.left(channel, row).await?;
        if is_trusted && let Some(outcome) = left.as_ref().and_then(|left| Outcome::of_messages(&left.bodies))
        {
            tracing::info!(%channel, number = row.number, "an answer that was complete is sent");
            let detail = self.detail(channel).await?;
            let outbound = Some(outcome.into_outbound(detail));
            return self.conclude(channel, &row.event, row.number, State::Answered, outbound, None).await;
        }
        let calls = match &row.turn {
            Some(turn) => self.store.journal().of_turn(turn).await?,
            None => Vec::new(),
        };
        if calls.is_empty() {
            return self.run_again(channel, row, left.as_ref()).await;
        }
        tracing::warn!(%channel, number = row.number, "a turn that called tools was cut off; it is not repeated");
        metrics::counter!("openpact_turns_interrupted_total", "repeated" => "no").increment(1);
        let told = Some(notice(interrupted(&calls)));
        self.conclude(channel, &row.event, row.number, State::Failed, told, None).await
    }

    async fn run_again(&self, channel: &Channel, row: &Row, left: Option<&Left>) -> Result<(), Error> {
        tracing::info!(%channel, number = row.number, "a turn that was cut off runs again");
        metrics::counter!("openpact_turns_interrupted_total", "repeated" => "yes").increment(1);
        if let (Some(session), Some(Left { is_last: true, .. })) = (&row.session, left) {
            self.orchestrator.shared.engine.rewind(session, row.before).await?;
        }
        self.store.inbox().release(row.number).await?;
        Ok(())
    }

    /// What the turn left in its session; `None` where that is nothing.
    async fn left(&self, channel: &Channel, row: &Row) -> Result<Option<Left>, Error> {
        let Some(session) = &row.session else { return Ok(None) };
        let engine = &self.orchestrator.shared.engine;
        if engine.get_session(session).await?.is_none() {
            return Ok(None);
        }
        let messages = engine.messages(session, None, PAGE).await?;
        let bodies = messages.into_iter().filter(|message| message.number > row.before);
        let mut bodies: Vec<Body> = bodies.map(|message| message.body).collect();
        // In a session that other channels use too, only what begins with this message's own source is its turn's.
        let is_own = matches!(bodies.first(), Some(Body::User { text }) if is_from(text, channel, row));
        if !is_own {
            return Ok(None);
        }
        let next = bodies.iter().skip(1).position(|body| matches!(body, Body::User { .. }));
        let is_last = next.is_none();
        bodies.truncate(next.map_or(bodies.len(), |next| next + 1));
        Ok(Some(Left { bodies, is_last }))
    }

    /// Lets a turn go that was stopped because the program ends: what it left is taken back, so that it runs again at
    /// the next start; if it called tools, the person is told.
    pub(super) async fn park(&self, channel: &Channel, number: i64) -> Result<(), Error> {
        let Some(row) = self.store.inbox().get(number).await? else { return Ok(()) };
        if row.state == State::Running { self.settle(channel, &row, false).await } else { Ok(()) }
    }
}

/// Whether a message of a session has the source line of this event.
fn is_from(text: &str, channel: &Channel, row: &Row) -> bool {
    if !matches!(row.event.happening, Happening::Message(_) | Happening::Edit(_)) {
        return false;
    }
    let author = &row.event.author;
    let sender = Sender {
        provider: channel.provider.clone(),
        user: author.id.clone(),
        display_name: author.display_name.clone(),
    };
    let line = source::render(channel, &sender, "");
    text.lines().next() == line.lines().next()
}

/// For the person: which tools ran, and what is known of them.
fn interrupted(calls: &[(String, Option<String>)]) -> String {
    let mut tools: BTreeMap<(&str, &str), u32> = BTreeMap::new();
    for (tool, outcome) in calls {
        let known = match outcome.as_deref() {
            Some("ok") => "done",
            None | Some(UNKNOWN) => "outcome unknown",
            Some(_) => "failed",
        };
        *tools.entry((tool, known)).or_default() += 1;
    }
    let list = tools.into_iter().map(|((tool, known), count)| match count {
        1 => format!("{tool} ({known})"),
        _ => format!("{tool} ({count} times, {known})"),
    });
    format!(
        "OpenPact stopped while it worked on this. These tools had been called: {}. Nothing was repeated. Look what they \
         did, then say /retry to have it run again.",
        list.collect::<Vec<_>>().join(", ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_told_what_is_known_of_every_tool() {
        let call = |tool: &str, outcome: Option<&str>| (tool.to_owned(), outcome.map(str::to_owned));
        let text = interrupted(&[
            call("mail_send", None),
            call("note", Some("ok")),
            call("note", Some("ok")),
            call("fetch", Some("limit-reached")),
            call("post", Some(UNKNOWN)),
        ]);
        let list =
            "fetch (failed), mail_send (outcome unknown), note (2 times, done), post (outcome unknown)";
        assert!(text.contains(list), "{text}");
        assert!(text.contains("/retry"));
    }
}
