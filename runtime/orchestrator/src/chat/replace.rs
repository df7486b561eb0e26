//! What takes the places of messages that are there: an answer those which showed it while it was written, a decision
//! that which asked for it; and what is done where it cannot.

use openpact_model::chat::{SendError, Sent};
use openpact_model::role::Channel;
use openpact_store::outbox::{Act, Row};

use super::Chat;
use super::attached::Attached;
use super::outcome::notice;
use super::sender::After;

/// What a message says from then on that is not needed any more, where the platform takes nothing back.
const UNNEEDED: &str = "(This message is not needed any more; the answer is complete without it.)";

/// Attempts to change a message, or to take one back, until that is taken for something that never works here: sending
/// may, and what is behind it must not wait for a day.
const ATTEMPTS: u32 = 5;

/// Does with a part what is to be done. All of it but sending can be done twice.
pub(super) async fn act(attached: &Attached, row: &Row) -> Result<Sent, SendError> {
    let Row { target, part, act, key, .. } = row;
    let adapter = &attached.adapter;
    let id = match act {
        Act::Send => return adapter.send_part(target, part, key).await,
        Act::Edit(id) => {
            adapter.edit_part(target, id, part).await?;
            id
        }
        Act::Delete(id) if adapter.info().abilities.delete => {
            adapter.delete_part(target, id).await?;
            id
        }
        Act::Delete(id) => {
            let instead = adapter.render(&notice(UNNEEDED)).await?;
            if let Some(instead) = instead.first() {
                adapter.edit_part(target, id, instead).await?;
            }
            id
        }
        // Where nothing can be changed, what was pressed still says what it did.
        Act::Amend(id) if !adapter.info().abilities.edit => id,
        Act::Amend(id) => {
            let instead = adapter.render(&notice(&*part.plain)).await?;
            if let Some(instead) = instead.first() {
                adapter.edit_part(target, id, instead).await?;
            }
            id
        }
    };
    Ok(Sent { id: id.clone(), pause: None, moved_to: None })
}

impl Chat {
    /// What comes after a message was not changed, or not taken back; `None` where that is tried again, or given up, as
    /// sending is.
    pub(super) async fn unreplaced(
        &self,
        attached: &Attached,
        channel: &Channel,
        row: &Row,
        error: &SendError,
        (is_final, is_too_old): (bool, bool),
    ) -> Option<After> {
        // Sending may be allowed where changing is not, so this is no reason to wait until an admin allows it.
        let is_counted = !matches!(error, SendError::RateLimited { .. });
        let is_hopeless = is_counted && row.attempts + 1 >= ATTEMPTS;
        let is_impossible = is_final || is_hopeless || *error == SendError::Denied;
        let why = error.to_string();
        match &row.act {
            Act::Edit(_) if is_impossible => {
                tracing::info!(%channel, part = row.number, why, "a message is not changed; a new one is sent instead");
                let is_there = !matches!(error, SendError::Gone(_));
                if let Err(error) = self.store.outbox().send_instead(row, &why, is_there).await {
                    tracing::error!(%channel, error = &error as &dyn std::error::Error, "the outbox does not answer");
                    self.put_back(attached, row, &why, false).await;
                    return Some(self.wait(attached, 1, std::time::Duration::ZERO).await);
                }
                Some(After::Look)
            }
            // Nothing is lost with it, so nobody is told.
            Act::Delete(id) | Act::Amend(id) if is_impossible || is_too_old => {
                tracing::info!(%channel, part = row.number, why, "a message stays that is not needed as it is");
                let sent = Sent { id: id.clone(), pause: None, moved_to: None };
                Some(self.sent(attached, channel, row, sent).await)
            }
            _ => None,
        }
    }
}
