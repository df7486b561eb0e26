//! What an adapter says about itself, checked: the host paces itself and cuts texts by these numbers.

use openpact_bindings::v0_1_0::chat::exports::openpact::chat::adapter;
use openpact_model::chat::{Abilities, Info, LengthUnit};
use openpact_model::text::one_line;

/// The longest word for a platform, and the longest title, in characters.
const MAX_PLATFORM: usize = 32;
const MAX_TITLE: usize = 64;
/// The shortest and the longest message that a platform may have as its limit.
const MESSAGE_LENGTH: (u32, u32) = (64, 1 << 20);
/// The least and the most time between two uses of `typing`, milliseconds.
const TYPING: (u32, u32) = (500, 600_000);
/// The longest time between two edits or two messages, milliseconds.
const MAX_INTERVAL: u32 = 3_600_000;
/// The highest rate of messages that means anything, for each second.
const MAX_RATE: u32 = 100_000;

/// The same in the words of the rest; `Err` names what makes no sense.
pub(super) fn checked(info: adapter::AdapterInfo) -> Result<Info, String> {
    platform(&info.platform)?;
    if info.title.trim().is_empty() || one_line(&info.title, MAX_TITLE) != info.title {
        return Err(format!("title: one line of at most {MAX_TITLE} characters"));
    }
    within("message-length", info.message_length, MESSAGE_LENGTH)?;
    info.typing_interval.map_or(Ok(()), |interval| within("typing-interval", interval, TYPING))?;
    within("edit-interval", info.edit_interval, (0, MAX_INTERVAL))?;
    within("send-interval", info.send_interval, (0, MAX_INTERVAL))?;
    info.send_rate.map_or(Ok(()), |rate| within("send-rate", rate, (1, MAX_RATE)))?;
    Ok(Info {
        platform: info.platform,
        title: info.title,
        abilities: abilities(info.abilities),
        message_length: info.message_length,
        length_unit: match info.length_unit {
            adapter::LengthUnit::Characters => LengthUnit::Characters,
            adapter::LengthUnit::Utf16 => LengthUnit::Utf16,
            adapter::LengthUnit::Bytes => LengthUnit::Bytes,
        },
        typing_interval: info.typing_interval,
        edit_interval: info.edit_interval,
        send_interval: info.send_interval,
        send_rate: info.send_rate,
    })
}

fn platform(word: &str) -> Result<(), String> {
    let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts = word.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if starts && word.len() <= MAX_PLATFORM && word.bytes().all(allowed) {
        return Ok(());
    }
    let shown = one_line(word, MAX_PLATFORM);
    Err(format!(
        "platform: '{shown}' is no word of a-z, 0-9 and '-' of at most {MAX_PLATFORM} that starts with a letter"
    ))
}

fn within(field: &str, value: u32, (least, most): (u32, u32)) -> Result<(), String> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(format!("{field}: {value} is not from {least} to {most}"))
}

fn abilities(flags: adapter::Abilities) -> Abilities {
    let has = |flag| flags.contains(flag);
    Abilities {
        edit: has(adapter::Abilities::EDIT),
        delete: has(adapter::Abilities::DELETE),
        typing: has(adapter::Abilities::TYPING),
        reply: has(adapter::Abilities::REPLY),
        threads: has(adapter::Abilities::THREADS),
        buttons: has(adapter::Abilities::BUTTONS),
        commands: has(adapter::Abilities::COMMANDS),
        files: has(adapter::Abilities::FILES),
        idempotent_send: has(adapter::Abilities::IDEMPOTENT_SEND),
        threads_only: has(adapter::Abilities::THREADS_ONLY),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl FnOnce(&mut adapter::AdapterInfo)) -> Result<Info, String> {
        let mut info = adapter::AdapterInfo {
            platform: "parrot".into(),
            title: "Parrot".into(),
            abilities: adapter::Abilities::EDIT | adapter::Abilities::THREADS_ONLY,
            message_length: 4096,
            length_unit: adapter::LengthUnit::Utf16,
            typing_interval: Some(4000),
            edit_interval: 1000,
            send_interval: 1000,
            send_rate: Some(30),
        };
        change(&mut info);
        checked(info)
    }

    #[test]
    fn good_words_come_through() {
        let info = check(|_| ()).unwrap();
        let abilities = Abilities { edit: true, threads_only: true, ..Abilities::default() };
        assert_eq!((info.platform.as_str(), info.abilities), ("parrot", abilities));
        assert!(check(|info| info.platform = "x-1".into()).is_ok());
    }

    #[test]
    fn a_platform_is_one_word() {
        for bad in ["", "Parrot", "1a", "-a", "a b", "a_b", "ä", "a\n", &"a".repeat(33)] {
            assert!(check(|info| info.platform = bad.into()).unwrap_err().starts_with("platform"), "{bad:?}");
        }
        assert!(check(|info| info.platform = "a".repeat(32)).is_ok());
    }

    #[test]
    fn numbers_that_would_stop_or_flood_everything_are_refused() {
        let refused = |change: fn(&mut adapter::AdapterInfo)| check(change).unwrap_err();
        assert_eq!(refused(|info| info.message_length = 0), "message-length: 0 is not from 64 to 1048576");
        assert!(refused(|info| info.message_length = (1 << 20) + 1).starts_with("message-length"));
        assert!(refused(|info| info.typing_interval = Some(0)).starts_with("typing-interval"));
        assert!(refused(|info| info.edit_interval = u32::MAX).starts_with("edit-interval"));
        assert!(refused(|info| info.send_interval = 3_600_001).starts_with("send-interval"));
        assert!(refused(|info| info.send_rate = Some(0)).starts_with("send-rate"));
        assert!(refused(|info| info.title = "a\u{202e}b".into()).starts_with("title"));
        assert!(refused(|info| info.title = " ".into()).starts_with("title"));
        assert!(check(|info| (info.send_rate, info.typing_interval) = (None, None)).is_ok());
    }
}
