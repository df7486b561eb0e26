//! What is said without having been asked.

use std::sync::Arc;

use openpact_model::chat::Target;
use openpact_model::role::Channel;
use tokio::sync::broadcast::error::RecvError;

use super::Chat;
use crate::Error;

impl Chat {
    /// Says something in a channel, by the account that its adapter is connected as; where it is not connected yet,
    /// this waits for that. It is stored when this returns, and sent as answers are. Nothing where delivery ends
    /// before that.
    ///
    /// # Errors
    /// When the store cannot be written.
    pub async fn notify(&self, channel: &Channel, text: &str) -> Result<(), Error> {
        let Some(account) = self.account(&channel.provider).await else { return Ok(()) };
        let target = Target {
            account,
            channel: channel.channel.clone(),
            thread: channel.thread.clone(),
            reply_to: None,
        };
        self.say(channel, &target, text.to_owned()).await
    }

    /// The account that an adapter is connected as, as soon as it is; `None` when delivery ends before that.
    async fn account(&self, instance: &str) -> Option<String> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if let Some(account) = self.attached(instance).and_then(|attached| attached.accounts.current()) {
                return Some(account);
            }
            if self.is_closing() {
                return None;
            }
            changed.await;
        }
    }

    /// Tells everybody who is let in from now on, where they asked.
    pub(super) fn tell_accepted(self: &Arc<Self>) {
        let mut acceptances = self.people.acceptances();
        let this = Arc::downgrade(self);
        tokio::spawn(async move {
            loop {
                let accepted = match acceptances.recv().await {
                    Ok(accepted) => accepted,
                    Err(RecvError::Lagged(missed)) => {
                        tracing::warn!(missed, "some people were not told that they were let in");
                        continue;
                    }
                    Err(RecvError::Closed) => return,
                };
                let Some(chat) = this.upgrade().filter(|chat| !chat.is_closing()) else { return };
                let tasks = chat.tasks.clone();
                tasks.spawn(async move {
                    if let Err(error) = chat.notify(&accepted.channel, &accepted.told()).await {
                        tracing::error!(error = error.chain(), "somebody was not told that they were let in");
                    }
                });
            }
        });
    }
}
