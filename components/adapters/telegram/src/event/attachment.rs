//! What comes with a message, in a line of text. The bytes are not fetched yet.

use teloxide_core::types::{FileMeta, MediaKind, Message, MessageKind};

use super::name;

/// What came with it, such as `[attached: report.pdf, application/pdf, 12 KB]`.
pub(super) fn line(message: &Message) -> Option<String> {
    let MessageKind::Common(common) = &message.kind else { return None };
    let file = |what: &str, file_name: Option<&str>, media_type: Option<&str>, file: &FileMeta| {
        let title = file_name.map(name).filter(|title| !title.is_empty()).unwrap_or_else(|| what.to_owned());
        let parts = [Some(title), media_type.map(name), size(file)];
        format!("[attached: {}]", parts.into_iter().flatten().collect::<Vec<_>>().join(", "))
    };
    let media_type = |media_type: &Option<_>| media_type.as_ref().map(ToString::to_string);
    Some(match &common.media_kind {
        MediaKind::Text(_) | MediaKind::Migration(_) => return None,
        MediaKind::Document(media) => {
            let document = &media.document;
            let kind = document.mime_type.as_ref().map(ToString::to_string);
            file("a document", document.file_name.as_deref(), kind.as_deref(), &document.file)
        }
        MediaKind::Photo(media) => {
            // The last one is the largest.
            let largest = media.photo.last()?;
            file("a photo", None, Some("image/jpeg"), &largest.file)
        }
        MediaKind::Audio(media) => {
            let audio = &media.audio;
            let title = audio.file_name.as_deref().or(audio.title.as_deref());
            file("an audio file", title, media_type(&audio.mime_type).as_deref(), &audio.file)
        }
        MediaKind::Video(media) => {
            let video = &media.video;
            file("a video", video.file_name.as_deref(), media_type(&video.mime_type).as_deref(), &video.file)
        }
        MediaKind::Animation(media) => {
            let animation = &media.animation;
            let kind = media_type(&animation.mime_type);
            file("an animation", animation.file_name.as_deref(), kind.as_deref(), &animation.file)
        }
        MediaKind::Voice(media) => {
            file("a voice message", None, media_type(&media.voice.mime_type).as_deref(), &media.voice.file)
        }
        MediaKind::VideoNote(media) => file("a video message", None, None, &media.video_note.file),
        MediaKind::Sticker(media) => {
            let emoji = media.sticker.emoji.as_deref().map(|emoji| format!("a sticker {emoji}"));
            file(emoji.as_deref().unwrap_or("a sticker"), None, None, &media.sticker.file)
        }
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
    })
}

/// Its size, where Telegram states one: teloxide-core has this number where it does not.
fn size(file: &FileMeta) -> Option<String> {
    match file.size {
        0 | u32::MAX => None,
        bytes @ ..1_000 => Some(format!("{bytes} bytes")),
        bytes @ ..1_000_000 => Some(format!("{} KB", bytes / 1_000)),
        bytes => Some(format!("{}.{} MB", bytes / 1_000_000, bytes / 100_000 % 10)),
    }
}
