//! What the columns of an event are made of.

use openpact_model::chat::{Event, Happening};
use openpact_model::role::Channel;

/// Where it happened.
pub(super) fn channel(instance: &str, event: &Event) -> Channel {
    let place = &event.place;
    Channel { provider: instance.to_owned(), channel: place.id.clone(), thread: place.thread.clone() }
}

/// The platform's id of the message that it is or changes.
pub(super) fn message(event: &Event) -> Option<String> {
    match &event.happening {
        Happening::Message(message) | Happening::Edit(message) => Some(message.id.clone()),
        Happening::Command(used) => used.message.clone(),
        Happening::Button(_) | Happening::Thread(_) => None,
    }
}
