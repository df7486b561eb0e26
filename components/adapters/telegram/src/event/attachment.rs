//! What comes with a message: files, which are fetched when they are wanted, and other things in a line of text.

use openpact_sdk::adapter::Attachment;
use teloxide_core::types::{FileMeta, MediaKind, Message, MessageKind};

use super::name;

/// A file of Telegram's.
struct File<'a> {
    title: String,
    media_type: Option<String>,
    meta: &'a FileMeta,
}

/// The file that came with it.
pub(super) fn file(message: &Message) -> Option<Attachment> {
    let File { title, media_type, meta } = read(message)?;
    let size = bytes(meta).map(u64::from);
    Some(Attachment { id: meta.id.0.clone(), name: Some(title), media_type, size })
}

/// What came with it, such as `[attached: report.pdf, application/pdf, 12 KB]`.
pub(super) fn line(message: &Message) -> Option<String> {
    if let Some(File { title, media_type, meta }) = read(message) {
        let parts = [Some(title), media_type, size(meta)];
        return Some(format!("[attached: {}]", parts.into_iter().flatten().collect::<Vec<_>>().join(", ")));
    }
    other(message)
}

fn read(message: &Message) -> Option<File<'_>> {
    let MessageKind::Common(common) = &message.kind else { return None };
    let file = |what: &str, file_name: Option<&str>, media_type: Option<String>, meta| {
        let title = file_name.map(name).filter(|title| !title.is_empty()).unwrap_or_else(|| what.to_owned());
        Some(File { title, media_type: media_type.as_deref().map(name), meta })
    };
    match &common.media_kind {
        MediaKind::Document(media) => {
            let document = &media.document;
            let media_type = document.mime_type.as_ref().map(ToString::to_string);
            file("a document", document.file_name.as_deref(), media_type, &document.file)
        }
        // The last one is the largest.
        MediaKind::Photo(media) => {
            file("a photo", None, Some("image/jpeg".to_owned()), &media.photo.last()?.file)
        }
        MediaKind::Audio(media) => {
            let audio = &media.audio;
            let title = audio.file_name.as_deref().or(audio.title.as_deref());
            file("an audio file", title, audio.mime_type.as_ref().map(ToString::to_string), &audio.file)
        }
        MediaKind::Video(media) => {
            let video = &media.video;
            let media_type = video.mime_type.as_ref().map(ToString::to_string);
            file("a video", video.file_name.as_deref(), media_type, &video.file)
        }
        MediaKind::Animation(media) => {
            let animation = &media.animation;
            let media_type = animation.mime_type.as_ref().map(ToString::to_string);
            file("an animation", animation.file_name.as_deref(), media_type, &animation.file)
        }
        MediaKind::Voice(media) => {
            let media_type = media.voice.mime_type.as_ref().map(ToString::to_string);
            file("a voice message", None, media_type, &media.voice.file)
        }
        MediaKind::VideoNote(media) => file("a video message", None, None, &media.video_note.file),
        MediaKind::Sticker(media) => {
            let emoji = media.sticker.emoji.as_deref().map(|emoji| format!("a sticker {emoji}"));
            file(emoji.as_deref().unwrap_or("a sticker"), None, None, &media.sticker.file)
        }
        _ => None,
    }
}

/// What came with it that is no file.
pub(super) fn other(message: &Message) -> Option<String> {
    let MessageKind::Common(common) = &message.kind else { return None };
    Some(match &common.media_kind {
        MediaKind::Contact(media) => {
            let contact = &media.contact;
            let full = format!("{} {}", contact.first_name, contact.last_name.as_deref().unwrap_or_default());
            format!("[attached: the contact {}, {}]", name(&full), name(&contact.phone_number))
        }
        MediaKind::Venue(media) => {
            let venue = &media.venue;
            let place = format!("{}, {}", venue.title, venue.address);
            let (latitude, longitude) = (venue.location.latitude, venue.location.longitude);
            format!("[attached: the place {}, {latitude} {longitude}]", name(&place))
        }
        MediaKind::Location(media) => {
            format!("[attached: the location {} {}]", media.location.latitude, media.location.longitude)
        }
        MediaKind::Poll(media) => format!("[attached: the poll \"{}\"]", name(&media.poll.question)),
        MediaKind::Checklist(_) => "[attached: a checklist]".to_owned(),
        MediaKind::Story(_) => "[attached: a story]".to_owned(),
        MediaKind::Game(media) => format!("[attached: the game \"{}\"]", name(&media.game.title)),
        MediaKind::PaidMedia(_) => "[attached: paid media]".to_owned(),
        _ => return None,
    })
}

/// Whether [`other`] repeats words that the sender need not have written: a contact carries the name under which somebody
/// saved it, a poll its author's question. A position has none.
pub(super) fn has_words(kind: &MediaKind) -> bool {
    matches!(kind, MediaKind::Contact(_) | MediaKind::Venue(_) | MediaKind::Poll(_) | MediaKind::Game(_))
}

/// Its size in bytes, where Telegram states one: teloxide-core has this number where it does not.
fn bytes(file: &FileMeta) -> Option<u32> {
    Some(file.size).filter(|size| !matches!(size, 0 | &u32::MAX))
}

fn size(file: &FileMeta) -> Option<String> {
    Some(match bytes(file)? {
        bytes @ ..1_000 => format!("{bytes} bytes"),
        bytes @ ..1_000_000 => format!("{} KB", bytes / 1_000),
        bytes => format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10),
    })
}
