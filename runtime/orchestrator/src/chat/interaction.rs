//! Uses of commands and buttons that a platform keeps open until they are answered: its "is thinking…" stays until then.
//!
//! Each is answered by that way, whoever used it, and an answer by it is seen by that person alone. Whoever may not
//! speak is answered so often and no more, and never by a message instead.

use std::time::Duration;

use openpact_model::audit;
use openpact_model::chat::{AuthorKind, Event, Happening, SendError, Visibility};
use openpact_model::role::Channel;
use openpact_store::inbox::{Row, State};

use super::control::Control;
use super::outcome::notice;
use super::render::unrendered_record;
use super::worker::HOPELESS;
use super::{Chat, arrival};
use crate::Error;
use crate::bucket::Rate;

/// What a stranger is told who is told nothing else. Short, so that no platform makes a message of it.
const STRANGER: &str = "I talk only to people whom my owner has let in.";

/// What somebody is told, beside the first time, whose use was not taken.
pub(super) const NOT_TAKEN: &str = "This came too fast, and was not taken. Wait a little.";

/// What is said in a channel where an answer could not be shown to its reader alone.
const UNSHOWN: &str = "The answer to a command could not be shown to its sender alone, so it is not shown here. Use the \
                       command again to see how things stand.";

/// How often it is tried to answer, where the platform says that nothing was done.
const ATTEMPTS: u32 = 3;

/// The longest that a platform may ask to wait until then; an answer that is late is sent as a message.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// How often one account is answered of what was not taken, and one stranger at all.
const EACH: Rate = Rate { burst: 3, per_minute: 6 };

/// How often all strangers of one adapter are.
const STRANGERS: Rate = Rate { burst: 20, per_minute: 30 };

/// Who is answered though nothing is done for them.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Courtesy {
    /// One account.
    Account { instance: String, user: String },
    /// All strangers of an adapter.
    Strangers { instance: String },
}

/// What somebody is told.
pub(super) enum Told {
    /// It may become a message where the platform's own way fails.
    Aloud(String),
    /// Not so.
    Aside(String),
}

/// What became of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answered {
    Yes,
    No,
    /// Delivery ends; it is done after the next start.
    Ended,
}

/// What an answer is made to, where the platform has a way of its own for that.
pub(super) fn interaction(event: &Event) -> Option<&str> {
    match &event.happening {
        Happening::Command(used) => used.interaction.as_deref(),
        Happening::Button(press) => Some(&press.interaction),
        Happening::Message(_) | Happening::Edit(_) | Happening::Thread(_) => None,
    }
}

impl Chat {
    /// Ends what does not wait behind turns, with an answer: where the platform has a way of its own for that, by it.
    /// The answer comes before the end is stored, so that a program that dies in between answers again rather than not.
    pub(super) async fn tell(&self, control: &Control<'_>, state: State, text: &str) -> Result<(), Error> {
        self.end(control, state, Some(Told::Aloud(text.to_owned())), None).await
    }

    /// The same for what may have no answer, and a record.
    pub(super) async fn end(
        &self,
        control: &Control<'_>,
        state: State,
        told: Option<Told>,
        record: Option<audit::Event>,
    ) -> Result<(), Error> {
        let Control { channel, number, event } = *control;
        let outbound = match (told, interaction(event)) {
            (None, _) => None,
            (Some(Told::Aloud(text) | Told::Aside(text)), None) => Some(notice(text)),
            (Some(told), Some(interaction)) => {
                let (text, is_aloud) = match told {
                    Told::Aloud(text) => (text, self.may_hear(channel, event)),
                    Told::Aside(text) => (text, false),
                };
                match self.answer_interaction(channel, interaction, &text).await {
                    Answered::Yes => None,
                    // What was meant for them alone is not shown to others.
                    Answered::No if event.place.visibility != Visibility::Direct => {
                        is_aloud.then(|| notice(UNSHOWN.to_owned()))
                    }
                    Answered::No => is_aloud.then(|| notice(text)),
                    Answered::Ended => return Ok(()),
                }
            }
        };
        self.conclude(channel, event, number, state, outbound, record).await
    }

    /// Ends what fails again and again.
    pub(super) async fn give_up_control(
        &self,
        control: &Control<'_>,
        row: &Row,
        error: &Error,
    ) -> Result<(), Error> {
        let channel = control.channel;
        tracing::error!(%channel, number = row.number, error = error.chain(), "a command is given up");
        let record = unrendered_record(channel, row.number, &error.told());
        self.end(control, State::Failed, Some(Told::Aloud(HOPELESS.to_owned())), Some(record)).await
    }

    /// What somebody who may not speak, and whom nobody greets, is told of their command or press.
    pub(super) fn aside(&self, instance: &str, event: &Event) -> Option<Told> {
        interaction(event)?;
        // Elsewhere it had to have a place already to get this far; see `is_answered`.
        let is_due = event.place.visibility != Visibility::Direct || self.is_due(instance, event);
        (is_due && event.author.kind == AuthorKind::Person).then(|| Told::Aside(STRANGER.to_owned()))
    }

    /// Whether a stranger's event is taken in order to answer it: what is said in a direct conversation, and elsewhere
    /// a command or a press that only they see answered.
    pub(super) fn is_answered(&self, instance: &str, event: &Event) -> bool {
        let is_direct = event.place.visibility == Visibility::Direct;
        event.author.kind == AuthorKind::Person
            && (is_direct || interaction(event).is_some() && self.is_due(instance, event))
    }

    /// Whether a stranger is answered once more.
    fn is_due(&self, instance: &str, event: &Event) -> bool {
        let (all, each) = (Courtesy::Strangers { instance: instance.to_owned() }, each(instance, event));
        self.courtesy.take([(each, EACH), (all, STRANGERS)]).is_ok()
    }

    /// Answers somebody whose command or press was not taken, in a task of its own; so often and no more.
    pub(super) fn answer_aside(&self, channel: &Channel, event: &Event) {
        let Some(interaction) = interaction(event) else { return };
        if self.courtesy.take([(each(&channel.provider, event), EACH)]).is_err() {
            return;
        }
        let (Some(this), channel) = (self.this(), channel.clone()) else { return };
        let interaction = interaction.to_owned();
        self.tasks.spawn(async move {
            this.answer_interaction(&channel, &interaction, NOT_TAKEN).await;
        });
    }

    /// Answers by the platform's own way, if there is one; says whether it did.
    pub(super) async fn is_answered_aside(&self, channel: &Channel, event: &Event, text: &str) -> bool {
        match interaction(event) {
            Some(interaction) => self.answer_interaction(channel, interaction, text).await == Answered::Yes,
            None => false,
        }
    }

    async fn answer_interaction(&self, channel: &Channel, interaction: &str, text: &str) -> Answered {
        let answer = notice(text);
        for attempt in 1..=ATTEMPTS {
            let Some(attached) = self.adapter(&channel.provider).await else { return Answered::Ended };
            let error =
                match attached.bounded(attached.adapter.answer_interaction(interaction, &answer)).await {
                    Some(Ok(())) => return Answered::Yes,
                    Some(Err(error)) => error,
                    None => return Answered::No,
                };
            tracing::debug!(%channel, %error, attempt, "an interaction was not answered");
            let wait = match error {
                _ if attempt == ATTEMPTS => return Answered::No,
                SendError::Unavailable(_) => None,
                SendError::RateLimited { retry_after, .. } => Some(Duration::from_millis(retry_after)),
                // It may be there, or it never will be.
                _ => return Answered::No,
            };
            match wait {
                None => self.rest(attempt).await,
                Some(wait) if wait > LONGEST_WAIT => return Answered::No,
                Some(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.closed() => {}
                },
            }
        }
        Answered::No
    }

    /// Whether an answer to an event may be a message: others read no message to somebody who may not speak.
    fn may_hear(&self, channel: &Channel, event: &Event) -> bool {
        event.place.visibility == Visibility::Direct
            || self.people.judge(&self.who(channel, event)).role().is_some()
    }
}

fn each(instance: &str, event: &Event) -> Courtesy {
    Courtesy::Account { instance: instance.to_owned(), user: event.author.id.clone() }
}

/// What a button stands for, as it is written; `None` where it is none of ours. Its value is what anybody can send: who
/// pressed it decides, not what it says.
pub(super) fn pressed(value: &str) -> Option<String> {
    let is_value = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b':' | b'-');
    if value.len() > arrival::LONGEST_VALUE || !value.bytes().all(is_value) {
        return None;
    }
    let mut parts = value.split(':');
    let (verb, code) = (parts.next()?, parts.next().filter(|code| !code.is_empty())?);
    match (verb, parts.next(), parts.next()) {
        ("approve", None, None) => Some(format!("/approve {code}")),
        ("approve", Some(role @ ("member" | "guest")), None) => Some(format!("/approve {code} {role}")),
        ("deny", None, None) => Some(format!("/deny {code}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::pressed;

    #[test]
    fn a_button_says_what_it_was_made_to_say_and_nothing_else() {
        let is = |value: &str, written: &str| assert_eq!(pressed(value).as_deref(), Some(written));
        is("approve:K7QF3M9T", "/approve K7QF3M9T");
        is("approve:K7QF3M9T:guest", "/approve K7QF3M9T guest");
        is("approve:K7QF-3M9T:member", "/approve K7QF-3M9T member");
        is("deny:K7QF3M9T", "/deny K7QF3M9T");
        let longest = format!("deny:{}", "K".repeat(59));
        assert!(pressed(&longest).is_some() && pressed(&format!("{longest}K")).is_none());
        for forged in [
            "",
            "approve",
            "approve:",
            "approve::guest",
            "approve:K7QF3M9T:owner",
            "approve:K7QF3M9T:guest:owner",
            "approve:K7QF3M9T owner",
            "approve:K7QF3M9T\nowner",
            "deny:K7QF3M9T:guest",
            "stop:",
            "new:x",
            "model:large-1",
            "approve:K7QF3M9\u{422}",
        ] {
            assert_eq!(pressed(forged), None, "{forged:?}");
        }
    }
}
