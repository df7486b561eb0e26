//! A platform in memory: takes every part at once, or never.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use async_trait::async_trait;
use openpact_model::chat::{
    Abilities, Adapter, AdapterError, CommandSpec, Inbox, Info, LengthUnit, Outbound, Part, Piece, SendError,
    Sent, Target,
};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::measure::now;

/// The platform.
pub(crate) struct Platform {
    name: &'static str,
    info: Info,
    /// Whether it takes no part, ever.
    is_mute: bool,
    /// What was sent into each channel: how many parts, and when the last.
    sent: Mutex<HashMap<String, (usize, Instant)>>,
    count: AtomicUsize,
    sending: AtomicUsize,
    changed: Notify,
}

impl Platform {
    pub(crate) fn new(name: &'static str, is_mute: bool) -> Arc<Self> {
        let info = Info {
            platform: name.to_owned(),
            title: name.to_owned(),
            abilities: Abilities::default(),
            message_length: 4096,
            length_unit: LengthUnit::Utf16,
            typing_interval: None,
            edit_interval: 0,
            send_interval: 0,
            send_rate: None,
        };
        let (sent, count, sending, changed) = Default::default();
        Arc::new(Self { name, info, is_mute, sent, count, sending, changed })
    }

    /// How many parts were sent so far.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// How many parts were sent into a channel, and when the last.
    pub(crate) fn sent_to(&self, channel: &str) -> (usize, Option<Instant>) {
        let sent = self.sent.lock().expect("nobody panics with it");
        sent.get(channel).map_or((0, None), |(count, when)| (*count, Some(*when)))
    }

    /// Waits until so many parts were sent in all.
    pub(crate) async fn until(&self, count: usize) {
        self.wait_for(|| self.count() >= count).await;
    }

    /// Waits until so many parts are being sent and do not end.
    pub(crate) async fn until_sending(&self, count: usize) {
        self.wait_for(|| self.sending.load(Ordering::SeqCst) >= count).await;
    }

    async fn wait_for(&self, is_so: impl Fn() -> bool) {
        let waiting = async {
            loop {
                let changed = self.changed.notified();
                tokio::pin!(changed);
                changed.as_mut().enable();
                if is_so() {
                    return;
                }
                changed.await;
            }
        };
        tokio::time::timeout(crate::PATIENCE, waiting).await.expect("every message is answered");
    }
}

#[async_trait]
impl Adapter for Platform {
    fn instance(&self) -> &str {
        self.name
    }

    fn info(&self) -> &Info {
        &self.info
    }

    async fn run(&self, _inbox: Arc<dyn Inbox>, stop: CancellationToken) -> AdapterError {
        stop.cancelled().await;
        AdapterError::Stopped
    }

    async fn render(&self, message: &Outbound) -> Result<Vec<Part>, SendError> {
        let text = |piece: &Piece| match piece {
            Piece::Markdown(text) | Piece::Notice(text) => Some(text.clone()),
            _ => None,
        };
        let text: Vec<String> = message.pieces.iter().filter_map(text).collect();
        let body = text.join("\n");
        Ok(vec![Part { plain: body.clone(), body, files: Vec::new() }])
    }

    async fn send_part(&self, target: &Target, _part: &Part, _key: &str) -> Result<Sent, SendError> {
        if self.is_mute {
            self.sending.fetch_add(1, Ordering::SeqCst);
            self.changed.notify_waiters();
            std::future::pending::<()>().await;
        }
        {
            let mut sent = self.sent.lock().expect("nobody panics with it");
            let entry = sent.entry(target.channel.clone()).or_insert_with(|| (0, now()));
            *entry = (entry.0 + 1, now());
        }
        let number = self.count.fetch_add(1, Ordering::SeqCst);
        self.changed.notify_waiters();
        Ok(Sent { id: number.to_string(), pause: None, moved_to: None })
    }

    async fn edit_part(&self, _: &Target, _: &str, _: &Part) -> Result<(), SendError> {
        Ok(())
    }

    async fn delete_part(&self, _: &Target, _: &str) -> Result<(), SendError> {
        Ok(())
    }

    async fn typing(&self, _: &Target) -> Result<(), SendError> {
        Ok(())
    }

    async fn answer_interaction(&self, _: &str, _: &Outbound) -> Result<(), SendError> {
        Ok(())
    }

    async fn fetch_attachment(&self, _: &str, _: u64) -> Result<Vec<u8>, SendError> {
        Err(SendError::Gone("there are none".to_owned()))
    }

    async fn register_commands(&self, _: &[CommandSpec]) -> Result<(), AdapterError> {
        Ok(())
    }
}
