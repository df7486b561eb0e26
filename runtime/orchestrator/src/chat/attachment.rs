//! The files that come with a message: fetched before its turn, and told by what is in them.
//!
//! They are fetched when their message is worked on, and again when a turn that was cut off runs again: the platform keeps
//! them, so no bytes of a file are on our disk. A file that cannot be had costs its message nothing but the file: the model
//! is told, and so is the person.
//!
//! What a file holds is content from outside, whoever sent it: few people have written the files that they send. It taints
//! the session like a forwarded message does, and no address in it counts as one that the owner wrote.

mod kind;

use std::sync::Arc;
use std::time::Duration;

use openpact_engine::{Image, MOST_IMAGE_BYTES};
use openpact_model::chat::{Attachment, Event, Happening, Message, SendError};
use openpact_model::role::Channel;
use openpact_model::text::one_line;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use self::kind::Kind;
use super::pace::backoff;
use super::{Chat, Config, said};
use crate::turn::Job;

/// Files of one message that are read; those behind them are named.
pub(super) const MOST_FILES: usize = 10;

/// Bytes of a text file that becomes part of the message.
pub(super) const MOST_TEXT: usize = 256 * 1024;

/// Bytes of text from all files of one message, in UTF-8: what fills the windows of most models.
pub(super) const MOST_TEXTS: usize = 512 * 1024;

/// Bytes of an image.
pub(super) const MOST_IMAGE: usize = 5 * 1024 * 1024;

/// Images of one message.
pub(super) const MOST_IMAGES: usize = 4;

/// Bytes that are fetched for one message. What was fetched and cannot be read counts too.
pub(super) const MOST_FETCHED: usize = 32 * 1024 * 1024;

/// Bytes of images that turns hold at once, over all channels. Whoever comes when there is no room gets an answer
/// without them.
const MOST_HELD: usize = 256 * 1024 * 1024;

/// How long all files of one message may take.
const PATIENCE: Duration = Duration::from_mins(2);

/// Attempts to fetch one file.
const ATTEMPTS: u32 = 3;

/// Characters of a file's name that are shown.
const LONGEST_NAME: usize = 80;

/// What a person is told whose image had no room.
const FULL: &str = "An image was not looked at, since too many are at the moment; send it again later.";

/// The room for the images of all turns, in KiB.
pub(super) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MOST_HELD / 1024)))
    }
}

impl Room {
    /// Room for so many bytes, if there is any.
    pub(super) fn take(&self, bytes: usize) -> Option<OwnedSemaphorePermit> {
        let count = u32::try_from(bytes.div_ceil(1024)).ok()?;
        Arc::clone(&self.0).try_acquire_many_owned(count).ok()
    }
}

/// What is known of a file once it was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Its size in bytes: what was counted, or else what the platform says.
    pub(super) size: Option<u64>,
    pub(super) content: Content,
}

/// What came of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Content {
    /// A text.
    Text(String),
    /// An image that goes along; what kind of one.
    Image(&'static str),
    /// Nothing that can be read here; why, for the model.
    Named(String),
}

/// The files of a message, in its order, and what goes along with them.
#[derive(Default)]
struct Files {
    told: Vec<File>,
    images: Vec<Image>,
    /// For the person: what could not be had.
    notices: Vec<String>,
    texts: usize,
    image_bytes: usize,
    fetched: usize,
    /// Held until the turn ends.
    room: Vec<OwnedSemaphorePermit>,
}

impl Files {
    /// Whether something that may be written by others is among them.
    fn has_content(&self) -> bool {
        self.told.iter().any(|file| !matches!(file.content, Content::Named(_)))
    }

    fn named(&mut self, size: Option<u64>, why: impl Into<String>) {
        self.told.push(File { size, content: Content::Named(why.into()) });
    }

    /// What is made of the bytes of a file.
    fn take(&mut self, bytes: Vec<u8>, room: &Room, takes_images: bool) {
        let (length, size) = (bytes.len(), Some(bytes.len() as u64));
        self.fetched += length;
        match kind::of(&bytes) {
            Kind::Text(_) if length > MOST_TEXT => {
                self.named(size, format!("a text may have {MOST_TEXT} bytes at most"));
            }
            Kind::Text(text) if self.texts + text.len() > MOST_TEXTS => {
                self.named(
                    size,
                    format!("the texts of one message may have {MOST_TEXTS} bytes at most in all"),
                );
            }
            Kind::Text(text) => {
                self.texts += text.len();
                self.told.push(File { size, content: Content::Text(text) });
            }
            Kind::Image(_) if !takes_images => self.named(size, "it is an image, and this engine takes none"),
            Kind::Image(_) if length > MOST_IMAGE => {
                self.named(size, format!("an image may have {MOST_IMAGE} bytes at most"));
            }
            Kind::Image(_) if self.images.len() >= MOST_IMAGES => {
                self.named(size, format!("one message may have {MOST_IMAGES} images at most"));
            }
            Kind::Image(_) if self.image_bytes + length > MOST_IMAGE_BYTES => {
                self.named(
                    size,
                    format!("the images of one message may have {MOST_IMAGE_BYTES} bytes at most in all"),
                );
            }
            Kind::Image(format) => {
                let Some(permit) = room.take(length) else {
                    self.named(size, "too many images are being looked at now; it can be sent again later");
                    return self.notices.push(FULL.to_owned());
                };
                self.image_bytes += length;
                self.room.push(permit);
                self.images.push(Image::new(format, bytes));
                self.told.push(File { size, content: Content::Image(format.media_type()) });
            }
            Kind::Other(Some(known)) => {
                self.named(size, format!("by what is in it, it is {known}, neither a text nor an image"));
            }
            Kind::Other(None) => self.named(size, "it is neither a text nor an image"),
        }
    }

    /// A file that could not be had. What the adapter says of it is for the person alone: it can hold what others wrote,
    /// and a file that is only named taints nothing.
    fn failed(&mut self, attachment: &Attachment, error: &SendError) {
        self.named(attachment.size, format!("it could not be fetched: {}", in_own_words(error)));
        let why = match error {
            SendError::Unknown(why) => format!("the connection broke: {why}"),
            other => other.to_string(),
        };
        let why = one_line(&why, 200);
        let help = match error {
            SendError::Denied => "an admin has to grant the adapter that address",
            SendError::Gone(_) => "send it again to have it read",
            _ => "send it again to have it tried again",
        };
        self.notices.push(format!("The file {} could not be read ({why}); {help}.", name(attachment)));
    }
}

impl Chat {
    /// Runs a turn with the files of its message. Whoever stops the turn stops the fetching too.
    pub(super) async fn run_with_files(
        &self,
        channel: &Channel,
        event: &Event,
        job: &mut Job,
        cancel: CancellationToken,
    ) {
        let (Happening::Message(message) | Happening::Edit(message)) = &event.happening else {
            return self.orchestrator.shared.run_turn(job, cancel).await;
        };
        let files = tokio::select! {
            biased;
            // The turn itself says that it was stopped.
            () = cancel.cancelled() => Files::default(),
            files = self.fetch_files(channel, message) => files,
        };
        for notice in &files.notices {
            job.reply.notice(notice.clone());
        }
        if let Some(stored) = &mut job.stored {
            let is_edited = matches!(event.happening, Happening::Edit(_));
            stored.said = Some(said::for_model(message, is_edited, &files.told));
            stored.is_tainted |= files.has_content();
            stored.images.clone_from(&files.images);
        }
        self.orchestrator.shared.run_turn(job, cancel).await;
    }

    /// Fetches what comes with a message, one file after the other, so that it is known what is left for the next.
    async fn fetch_files(&self, channel: &Channel, message: &Message) -> Files {
        let mut files = Files::default();
        let end = Instant::now() + PATIENCE;
        let takes_images = self.orchestrator.shared.engine.takes_images();
        let most = if takes_images { MOST_IMAGE } else { MOST_TEXT };
        for (index, attachment) in message.attachments.iter().enumerate() {
            if index >= MOST_FILES {
                files.named(
                    attachment.size,
                    format!("only the first {MOST_FILES} files of a message are read"),
                );
                continue;
            }
            let limit = most.min(MOST_FETCHED - files.fetched);
            if limit == 0 || attachment.size.is_some_and(|size| size > limit as u64) {
                files.named(attachment.size, too_large(limit, takes_images));
                continue;
            }
            match self.fetch(channel, attachment, limit, end).await {
                // An adapter is not trusted to keep to what it was asked for.
                Ok(bytes) if bytes.len() > limit => {
                    files.named(Some(bytes.len() as u64), too_large(limit, takes_images));
                }
                Ok(bytes) => files.take(bytes, &self.files, takes_images),
                Err(SendError::TooLarge(_)) => files.named(attachment.size, too_large(limit, takes_images)),
                Err(error) => {
                    tracing::warn!(%channel, %error, "a file of a message could not be fetched");
                    files.failed(attachment, &error);
                }
            }
        }
        files
    }

    /// The bytes of one file. What may go better is tried again, until `end`.
    async fn fetch(
        &self,
        channel: &Channel,
        attachment: &Attachment,
        limit: usize,
        end: Instant,
    ) -> Result<Vec<u8>, SendError> {
        let mut failures = 0;
        loop {
            let attempt = self.fetch_once(channel, attachment, limit);
            let late = || SendError::Unavailable("the files took too long".to_owned());
            let error = match tokio::time::timeout_at(end, attempt).await {
                Ok(Ok(bytes)) => return Ok(bytes),
                Ok(Err(error)) => error,
                Err(_late) => return Err(late()),
            };
            failures += 1;
            let Config { backoff: base, longest_backoff, .. } = self.config;
            let wait = match error {
                SendError::RateLimited { retry_after, .. } => Duration::from_millis(retry_after),
                SendError::Unavailable(_) | SendError::Unknown(_) => {
                    backoff(base, longest_backoff, failures, &*self.random)
                }
                _ => return Err(error),
            };
            let now = Instant::now();
            if failures >= ATTEMPTS || now.checked_add(wait).is_none_or(|then| then >= end) {
                return Err(error);
            }
            tokio::time::sleep(wait).await;
        }
    }

    async fn fetch_once(
        &self,
        channel: &Channel,
        attachment: &Attachment,
        limit: usize,
    ) -> Result<Vec<u8>, SendError> {
        let away = || SendError::Unavailable("the adapter is away".to_owned());
        let attached = self.adapter(&channel.provider).await.ok_or_else(away)?;
        // Few at once, so that files of many messages are not all in memory before they are counted.
        let _slot = attached.fetching.acquire().await.expect("the semaphore is never closed");
        let call = attached.adapter.fetch_attachment(&attachment.id, limit as u64);
        let late = || SendError::Unavailable("the adapter did not answer in time".to_owned());
        let fetched = attached.bounded(call).await.unwrap_or_else(|| Err(late()));
        // A limit of its own says nothing about messages.
        if let Err(SendError::RateLimited { retry_after, global: true }) = fetched {
            let wait = Duration::from_millis(retry_after);
            attached.pacer.limited(&channel.channel, Instant::now(), wait, true);
        }
        fetched
    }
}

/// Why a file could not be had, in words that are all ours.
fn in_own_words(error: &SendError) -> &'static str {
    match error {
        SendError::RateLimited { .. } => "the platform asks to wait",
        SendError::Unavailable(_) | SendError::Unknown(_) => "the platform does not answer",
        SendError::Gone(_) => "the platform has it no more",
        SendError::Refused(_) => "the platform refuses it",
        SendError::Denied => "no grant allows the request",
        SendError::TooLarge(_) => "it is too large",
        SendError::Broken(_) => "the adapter broke",
    }
}

/// Why a file is not read that has more than `limit` bytes.
fn too_large(limit: usize, takes_images: bool) -> String {
    match limit {
        MOST_IMAGE => format!("an image may have {MOST_IMAGE} bytes at most, and a text {MOST_TEXT}"),
        MOST_TEXT if !takes_images => format!("a text may have {MOST_TEXT} bytes at most"),
        _ => format!("no more than {MOST_FETCHED} bytes are fetched for one message"),
    }
}

/// The name of a file for a place of one line, without the characters that give such a place its form.
pub(super) fn name(attachment: &Attachment) -> String {
    let name = attachment.name.as_deref().filter(|name| !name.trim().is_empty());
    name.map_or_else(|| "without a name".to_owned(), |name| format!("\"{}\"", plain(name)))
}

/// What a platform says of a file, in one line.
pub(super) fn plain(text: &str) -> String {
    let form = |c| match c {
        '[' => '(',
        ']' => ')',
        '"' | '`' => '\'',
        other => other,
    };
    one_line(text, LONGEST_NAME).chars().map(form).collect()
}
