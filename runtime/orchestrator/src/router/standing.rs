//! What the router knows of a running turn, for tools of the runtime itself.

use openpact_model::id::TurnId;
use openpact_model::role::Channel;

use super::Router;
use crate::Error;

/// Where a turn stands, at the moment of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Standing {
    /// Where it was said; `None` where that was no chat.
    pub(crate) channel: Option<Channel>,
    /// Whether it, or its session, has read what somebody else than the owner wrote.
    pub(crate) is_tainted: bool,
    /// Whether it, or its session, holds private things of the owner.
    pub(crate) is_private: bool,
}

impl Router {
    /// Where a turn stands; `None` where it does not run.
    ///
    /// # Errors
    /// When the store cannot be read.
    pub(crate) async fn standing(&self, turn: &TurnId) -> Result<Option<Standing>, Error> {
        let Some(turn) = self.shared.turns.get(turn) else { return Ok(None) };
        let is_tainted = self.shared.is_tainted(&turn).await?;
        let is_private = self.shared.holds_private(&turn).await?;
        Ok(Some(Standing { channel: turn.channel.clone(), is_tainted, is_private }))
    }
}
