//! Takes events in: checked, stored, and then told to whoever works on them.

use openpact_model::chat::{DeliverError, Event, Happening};
use openpact_model::role::Channel;
use openpact_store::inbox::{Arrival, Lane, State};

use super::Chat;
use super::admission::Met;
use super::said;

/// The longest identifier of anything, in bytes.
const LONGEST_ID: usize = 256;

/// The longest value of a button, in bytes.
pub(super) const LONGEST_VALUE: usize = 64;

/// The longest name of anything, in bytes.
const LONGEST_NAME: usize = 4096;

/// Files that may come with one message.
const MOST_ATTACHMENTS: usize = 100;

/// The bytes of everything that is said in one event, beyond which it makes no sense. What a person may say is bounded
/// more narrowly, and answered.
const LONGEST_TEXT: usize = 4 * 1024 * 1024;

/// What somebody is told who finds too much waiting.
const FULL: &str = "Too many messages wait in this channel already; this one was not taken. Wait for the answers, or say \
                    /stop to end the running one.";

impl Chat {
    /// Takes an event. On disk when this returns `Ok`, or known from before.
    pub(super) async fn take_in(&self, instance: &str, event: Event) -> Result<(), DeliverError> {
        if self.is_closing() {
            return Err(DeliverError::Unavailable("OpenPact is shutting down".to_owned()));
        }
        // Not acknowledged, so that it comes again when the adapter is back.
        let unattached = || DeliverError::Unavailable("this adapter is not attached".to_owned());
        let attached = self.attached(instance).ok_or_else(unattached)?;
        if !attached.accounts.has(&event.account) {
            return Err(DeliverError::WrongAccount);
        }
        check(&event)?;
        let channel = channel(instance, &event);
        let (lane, mut state) = destination(&event);
        let met = if state.is_open() {
            self.screen(&channel, &event, lane)
        } else {
            Met::Taken { is_charged: false }
        };
        if !matches!(met, Met::Taken { .. }) {
            state = State::Refused;
        }
        let arrival = Arrival { instance: instance.to_owned(), event, lane, state };
        let number = self.store.inbox().insert(&arrival).await.map_err(|error| {
            tracing::error!(error = &error as &dyn std::error::Error, instance, "an event was not stored");
            DeliverError::Unavailable(error.to_string())
        });
        let event = arrival.event;
        if !matches!(number, Ok(Some(_))) && met == (Met::Taken { is_charged: true }) {
            self.give_back(&channel, &event);
        }
        let Some(number) = number? else {
            metrics::counter!("openpact_messages_repeated_total", "provider" => instance.to_owned())
                .increment(1);
            return Ok(());
        };
        metrics::counter!("openpact_messages_received_total", "provider" => instance.to_owned()).increment(1);
        match (met, lane) {
            (Met::Taken { .. }, _) if !state.is_open() => {}
            (Met::Taken { .. }, Lane::Turn) => self.start_worker(&channel, 1),
            (Met::Taken { .. }, Lane::Control) => self.start_control(number, &event, instance),
            (refused, _) => self.refuse(&channel, &event, refused).await,
        }
        Ok(())
    }

    /// Does what is left to do where somebody is refused when they come: those who are the first to meet something are
    /// told, and that is recorded.
    async fn refuse(&self, channel: &Channel, event: &Event, met: Met) {
        let (reason, text) = match met {
            Met::Stranger => return self.note_stranger(channel, event).await,
            Met::TooFast { told: Some(told) } => ("too fast", told),
            Met::Full { is_first: true } => ("too many messages wait", FULL.to_owned()),
            Met::TooFast { told: None } | Met::Full { is_first: false } => {
                return self.answer_aside(channel, event);
            }
            Met::Taken { .. } => return,
        };
        self.tell_refused(channel, event, reason, text).await;
    }
}

/// Where it happened. The provider is what the host calls the adapter.
pub(super) fn channel(instance: &str, event: &Event) -> Channel {
    let place = &event.place;
    Channel { provider: instance.to_owned(), channel: place.id.clone(), thread: place.thread.clone() }
}

/// Whether an event waits for its turn, and how it stands from the beginning.
fn destination(event: &Event) -> (Lane, State) {
    match &event.happening {
        // What somebody else wrote is nobody's command, whoever passes it on.
        Happening::Message(message) if !message.others && said::is_command(&message.text) => {
            (Lane::Control, State::Received)
        }
        Happening::Message(_) => (Lane::Turn, State::Received),
        Happening::Edit(_) | Happening::Command(_) | Happening::Button(_) => (Lane::Control, State::Received),
        // The first message in it makes the session.
        Happening::Thread(_) => (Lane::Control, State::Answered),
    }
}

fn check(event: &Event) -> Result<(), DeliverError> {
    check_id("event", &event.id)?;
    check_id("channel", &event.place.id)?;
    check_id("sender", &event.author.id)?;
    if let Some(thread) = &event.place.thread {
        check_id("thread", thread)?;
    }
    let name = |name: Option<&str>| check_length(name.unwrap_or_default(), LONGEST_NAME);
    name(event.place.name.as_deref())?;
    name(Some(&event.author.display_name))?;
    name(event.author.handle.as_deref())?;
    match &event.happening {
        Happening::Message(message) | Happening::Edit(message) => {
            check_id("message", &message.id)?;
            check_length(&message.text, LONGEST_TEXT)?;
            if message.attachments.len() > MOST_ATTACHMENTS {
                return Err(invalid(&format!("more than {MOST_ATTACHMENTS} attachments")));
            }
            for attachment in &message.attachments {
                check_length(&attachment.id, LONGEST_NAME)?;
                name(attachment.name.as_deref())?;
                name(attachment.media_type.as_deref())?;
            }
            let Some(quoted) = &message.reply_to else { return Ok(()) };
            check_id("message", &quoted.id)?;
            name(quoted.sender.as_deref())?;
            check_length(quoted.text.as_deref().unwrap_or_default(), LONGEST_TEXT)
        }
        Happening::Command(used) => {
            check_id("command", &used.name)?;
            check_length(&used.arguments, LONGEST_TEXT)?;
            name(used.interaction.as_deref())?;
            used.message.as_deref().map_or(Ok(()), |message| check_id("message", message))
        }
        Happening::Button(press) => {
            check_length(&press.interaction, LONGEST_NAME)?;
            check_length(&press.value, LONGEST_NAME)?;
            check_id("message", &press.message)
        }
        Happening::Thread(start) => check_id("channel", &start.parent),
    }
}

/// An identifier has something in it, is no longer than any platform's and no control character.
pub(super) fn check_id(what: &str, id: &str) -> Result<(), DeliverError> {
    if (1..=LONGEST_ID).contains(&id.len()) && !id.contains(char::is_control) {
        return Ok(());
    }
    Err(invalid(&format!(
        "the id of the {what} must have 1 to {LONGEST_ID} bytes, and no control characters"
    )))
}

fn check_length(text: &str, most: usize) -> Result<(), DeliverError> {
    if text.len() <= most { Ok(()) } else { Err(invalid(&format!("a text has more than {most} bytes"))) }
}

fn invalid(why: &str) -> DeliverError {
    DeliverError::Invalid(why.to_owned())
}
