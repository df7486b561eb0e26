//! Albums: messages that a person sent as one. Telegram gives each as an update of its own; only an id, which all of
//! them have, shows that they belong together.

use openpact_sdk::adapter::InboundEvent;
use teloxide_core::types::Message;

use super::{Reader, revision};

impl Reader {
    /// The event that these parts of an album are together. `known` are other parts that were delivered before: where
    /// one of those was said to the assistant, these are too.
    pub(crate) fn join(&self, parts: &[Message], known: &[Message]) -> Option<InboundEvent> {
        self.message(parts, known, None)
    }

    /// The event that these parts of an album are together now that the part `edited` of them was changed, by the update
    /// of that number.
    pub(crate) fn change(&self, parts: &[Message], edited: &Message, update: u64) -> Option<InboundEvent> {
        self.message(parts, &[], Some(revision(edited, update)))
    }
}
