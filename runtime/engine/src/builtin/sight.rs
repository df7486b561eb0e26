//! Which images a model is shown, and whether it takes any.
//!
//! What is stored of a message is its text, which names its images. Their bytes are in memory alone: with the turn that
//! they came in, and after it for as long as there is room, so that a person can ask again about what they showed. After
//! a restart, or when newer ones took their room, what is left of an image is its name. A database that grows by
//! megabytes with each photo, and keeps what people showed once for as long as they talk, would be the worse bargain.

use std::collections::{HashMap, VecDeque};
use std::ops::RangeBounds;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use openpact_model::id::SessionId;

use super::history::History;
use super::provider::{Limits, Provider};
use crate::image::{Image, MOST_IMAGE_BYTES};
use crate::session::Body;

/// Bytes of the images that are kept in memory after their turn, over all sessions.
const MOST_KEPT: usize = 64 * 1024 * 1024;

/// Messages whose images are kept: those of the smallest images would take more room than these do.
const MOST_MESSAGES: usize = 4096;

/// Images in one request, with those of earlier turns.
const MOST_SHOWN: usize = 8;

/// How long the list of models may take.
const PATIENCE: Limits = Limits { idle: Duration::from_secs(10), total: Duration::from_secs(10) };

/// Whether the model is shown images.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Images {
    /// Where the provider's list of models says that it takes them, or does not say. A provider that refuses them is
    /// asked again without.
    #[default]
    Auto,
    /// Whatever the list says.
    Always,
    /// No. They are named to it instead.
    Never,
}

/// What is known of the sight of models, and the images of late.
#[derive(Default)]
pub(super) struct Sight {
    /// What the provider's list said of each model; nothing until it was read. `None` where it does not say.
    known: Mutex<HashMap<String, Option<bool>>>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
struct Kept {
    /// The newest last.
    images: VecDeque<(SessionId, i64, Vec<Image>)>,
    bytes: usize,
}

impl Sight {
    /// Whether a model is shown images.
    pub(super) async fn is_shown(&self, images: Images, model: &str, provider: &dyn Provider) -> bool {
        match images {
            Images::Always => true,
            Images::Never => false,
            Images::Auto => self.said_of(model, provider).await.unwrap_or(true),
        }
    }

    /// What the provider says of a model; `None` where it says nothing.
    async fn said_of(&self, model: &str, provider: &dyn Provider) -> Option<bool> {
        if let Some(known) = lock(&self.known).get(model) {
            return *known;
        }
        match provider.models(PATIENCE).await {
            Ok(models) => {
                let mut known = lock(&self.known);
                known.extend(models.into_iter().map(|model| (model.name, model.images)));
                *known.entry(model.to_owned()).or_default()
            }
            Err(failure) => {
                tracing::debug!(why = failure.message, "the list of models says nothing about images");
                None
            }
        }
    }

    /// Keeps the images of a message, the newest of all sessions, as far as there is room.
    pub(super) fn keep(&self, session: &SessionId, number: i64, images: &[Image]) {
        if images.is_empty() {
            return;
        }
        let mut kept = lock(&self.kept);
        kept.bytes += size(images);
        kept.images.push_back((session.clone(), number, images.to_vec()));
        while kept.bytes > MOST_KEPT || kept.images.len() > MOST_MESSAGES {
            let Some((_, _, oldest)) = kept.images.pop_front() else { break };
            kept.bytes -= size(&oldest);
        }
    }

    /// Forgets the images of a session's messages with those numbers.
    pub(super) fn forget(&self, session: &SessionId, numbers: impl RangeBounds<i64>) {
        let mut kept = lock(&self.kept);
        kept.images.retain(|(of, number, _)| of != session || !numbers.contains(number));
        kept.bytes = kept.images.iter().map(|(_, _, images)| size(images)).sum();
    }

    /// Puts the images that are still there to what was said with them.
    pub(super) fn recall(&self, session: &SessionId, history: &mut History) {
        let kept = lock(&self.kept);
        for (_, number, images) in kept.images.iter().filter(|(of, _, _)| of == session) {
            let said = history.entries.iter_mut().find(|entry| entry.number == *number);
            if let Some(entry) = said.filter(|entry| matches!(entry.body, Body::User { .. })) {
                entry.images.clone_from(images);
            }
        }
    }
}

/// Takes away the images of all messages but the newest ones, as far as a request has no room for them.
pub(super) fn bound(history: &mut History) {
    let (mut count, mut bytes, mut is_full) = (0, 0, false);
    for entry in history.entries.iter_mut().rev() {
        count += entry.images.len();
        bytes += size(&entry.images);
        is_full |= count > MOST_SHOWN || bytes > MOST_IMAGE_BYTES;
        if is_full {
            entry.images.clear();
        }
    }
}

fn size(images: &[Image]) -> usize {
    images.iter().map(|image| image.bytes().len()).sum()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::Format;

    fn image(bytes: usize) -> Image {
        Image::new(Format::Png, vec![0; bytes])
    }

    fn history(numbers: impl IntoIterator<Item = i64>) -> History {
        let mut history = History::default();
        for number in numbers {
            history.push(&[number], Body::User { text: "x".to_owned() });
        }
        history
    }

    /// How many images stand with each message.
    fn counts(history: &History) -> Vec<usize> {
        history.entries.iter().map(|entry| entry.images.len()).collect()
    }

    fn recalled(sight: &Sight, session: &str) -> Vec<usize> {
        let mut history = history([1, 2, 3]);
        sight.recall(&SessionId::from_stored(session), &mut history);
        counts(&history)
    }

    #[test]
    fn images_are_kept_until_newer_ones_need_their_room() {
        let sight = Sight::default();
        let (a, b) = (SessionId::from_stored("a"), SessionId::from_stored("b"));
        sight.keep(&a, 1, &[image(MOST_KEPT / 2)]);
        sight.keep(&b, 2, &[image(MOST_KEPT / 4), image(MOST_KEPT / 4)]);
        assert_eq!((recalled(&sight, "a"), recalled(&sight, "b")), (vec![1, 0, 0], vec![0, 2, 0]));
        sight.keep(&b, 3, &[image(1)]);
        assert_eq!((recalled(&sight, "a"), recalled(&sight, "b")), (vec![0, 0, 0], vec![0, 2, 1]));
        sight.keep(&a, 3, &[image(MOST_KEPT + 1)]);
        assert_eq!((recalled(&sight, "a"), recalled(&sight, "b")), (vec![0; 3], vec![0; 3]));
        assert_eq!(lock(&sight.kept).bytes, 0);
    }

    #[test]
    fn so_many_messages_have_their_images_kept_however_small_these_are() {
        let sight = Sight::default();
        let session = SessionId::from_stored("a");
        let most = i64::try_from(MOST_MESSAGES).unwrap();
        for number in 1..=most {
            sight.keep(&session, number, &[image(1)]);
        }
        assert_eq!(recalled(&sight, "a"), [1, 1, 1]);
        sight.keep(&session, most + 1, &[image(1)]);
        assert_eq!(recalled(&sight, "a"), [0, 1, 1]);
        assert_eq!(lock(&sight.kept).bytes, MOST_MESSAGES);
    }

    #[test]
    fn what_is_taken_back_is_forgotten_since_its_number_is_given_again() {
        let sight = Sight::default();
        let (a, b) = (SessionId::from_stored("a"), SessionId::from_stored("b"));
        for (session, number) in [(&a, 1), (&a, 2), (&b, 2)] {
            sight.keep(session, number, &[image(5)]);
        }
        sight.forget(&a, 2..);
        assert_eq!((recalled(&sight, "a"), recalled(&sight, "b")), (vec![1, 0, 0], vec![0, 1, 0]));
        assert_eq!(lock(&sight.kept).bytes, 10);
    }

    #[test]
    fn a_request_has_the_newest_images_and_no_more_than_fit() {
        let mut many = history(1..=i64::try_from(MOST_SHOWN).unwrap() + 1);
        for entry in &mut many.entries {
            entry.images = vec![image(1)];
        }
        bound(&mut many);
        let mut expected = vec![1; MOST_SHOWN + 1];
        expected[0] = 0;
        assert_eq!(counts(&many), expected);
        let mut large = history([1, 2, 3]);
        large.entries[0].images = vec![image(1)];
        large.entries[1].images = vec![image(MOST_IMAGE_BYTES / 2)];
        large.entries[2].images = vec![image(MOST_IMAGE_BYTES / 2)];
        bound(&mut large);
        assert_eq!(counts(&large), [0, 1, 1]);
    }
}
