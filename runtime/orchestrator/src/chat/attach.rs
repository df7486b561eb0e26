//! Adapters come and go.

use std::sync::Arc;

use openpact_model::chat::Adapter;
use tokio::sync::oneshot;

use super::attached::Attached;
use super::{Chat, Pace, lock};
use crate::Error;

/// Whoever waits for an adapter to be attached. Where they stop waiting, nobody would ever detach it.
struct Waiting {
    chat: Arc<Chat>,
    answer: oneshot::Receiver<Result<Arc<Attached>, Error>>,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.answer.close();
        if let Ok(Ok(attached)) = self.answer.try_recv() {
            self.chat.detach_this(&attached);
        }
    }
}

impl Chat {
    /// Starts sending what waits for this adapter and working off what it delivered; also after a crash. Where this
    /// fails, or is not waited for to its end, the adapter is not attached.
    ///
    /// # Errors
    /// [`Error::Attached`] where one of that name is attached, or when the store cannot be read or written.
    pub async fn attach(self: &Arc<Self>, adapter: Arc<dyn Adapter>, pace: Pace) -> Result<(), Error> {
        let (sender, answer) = oneshot::channel();
        let mut waiting = Waiting { chat: Arc::clone(self), answer };
        let chat = Arc::clone(self);
        // To its end, even if nobody waits any more: what is half done would be in the way of the next one.
        tokio::spawn(async move {
            let _only = chat.attaching.lock().await;
            let attached = chat.attach_now(adapter, pace).await;
            if let Err(Ok(attached)) = sender.send(attached) {
                chat.detach_this(&attached);
            }
        });
        (&mut waiting.answer).await.map_err(|_| Error::Panicked)?.map(drop)
    }

    async fn attach_now(
        self: &Arc<Self>,
        adapter: Arc<dyn Adapter>,
        pace: Pace,
    ) -> Result<Arc<Attached>, Error> {
        let instance = adapter.instance().to_owned();
        // What is being sent by another one must not be taken for what a dead one left.
        if self.attached(&instance).is_some() {
            return Err(Error::Attached { instance });
        }
        let before = lock(&self.leaving).get(&instance).cloned();
        if let Some(before) = before {
            before.finish().await;
            lock(&self.leaving).remove(&instance);
        }
        let attached = Arc::new(Attached::new(adapter, pace, &self.config));
        let ambiguous = self.store.outbox().recover(&instance).await?;
        if ambiguous > 0 {
            attached.count_ambiguous(ambiguous);
        }
        // Before what waits is looked for, so that whatever is stored from now on is not overlooked.
        lock(&self.adapters).insert(instance, Arc::clone(&attached));
        self.changed.notify_waiters();
        match self.start_all(&attached).await {
            Ok(()) => Ok(attached),
            Err(error) => {
                self.detach_this(&attached);
                Err(error)
            }
        }
    }

    /// Has whatever waits in the outbox for an adapter be sent.
    pub(super) async fn send_waiting(&self, attached: &Arc<Attached>) -> Result<(), Error> {
        for channel in self.store.outbox().channels(attached.instance()).await? {
            self.send_from(attached, &channel, None);
        }
        Ok(())
    }

    /// Starts whatever waits for an adapter.
    async fn start_all(self: &Arc<Self>, attached: &Arc<Attached>) -> Result<(), Error> {
        let instance = attached.instance();
        self.send_waiting(attached).await?;
        let mut seen = 0;
        loop {
            let controls = self.store.inbox().controls(instance, seen).await?;
            let Some(last) = controls.last() else { break };
            seen = last.number;
            for row in controls {
                self.start_control(row.number, &row.event, instance);
            }
        }
        for (channel, count) in self.store.inbox().channels(instance).await? {
            self.start_worker(&channel, count);
        }
        Ok(())
    }

    /// Ends what [`Self::attach`] started. What waits is sent when an adapter of that name is attached again; turns
    /// that run go on to their end, and their answers wait for it too.
    pub fn detach(&self, instance: &str) {
        if let Some(attached) = self.attached(instance) {
            self.detach_this(&attached);
        }
    }

    fn detach_this(&self, attached: &Arc<Attached>) {
        let instance = attached.instance();
        {
            let mut adapters = lock(&self.adapters);
            if !adapters.get(instance).is_some_and(|now| Arc::ptr_eq(now, attached)) {
                return;
            }
            // In both for an instant, so that it is never in neither.
            lock(&self.leaving).insert(instance.to_owned(), Arc::clone(attached));
            adapters.remove(instance);
        }
        attached.stop.cancel();
    }
}
