//! Commands: `/openpact-mode-full` and `/openpact mode full`, and the same in a message behind a mention.

/// What the commands of the app's manifest begin with.
const PREFIX: &str = "openpact";

/// How the host spells a command, and what stands behind it. `None` where the host can have no such command.
pub(crate) fn read(command: &str, text: &str) -> Option<(String, String)> {
    let command = command.trim().trim_start_matches('/').to_ascii_lowercase();
    if command == PREFIX {
        let (name, rest) = word(text);
        // Alone it asks what there is.
        return spelling(if name.is_empty() { "help" } else { name }).map(|name| (name, rest.to_owned()));
    }
    let name = command.strip_prefix(PREFIX).and_then(|rest| rest.strip_prefix('-')).unwrap_or(&command);
    spelling(name).map(|name| (name, text.trim().to_owned()))
}

/// The command that a message is. Slack takes no slash commands in threads, so that there a mention goes before.
pub(crate) fn in_message(text: &str) -> Option<(String, String)> {
    let (command, rest) = word(text.trim().strip_prefix('/')?);
    read(command, rest)
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim();
    let end = text.find(char::is_whitespace).unwrap_or(text.len());
    (&text[..end], text[end..].trim())
}

fn spelling(name: &str) -> Option<String> {
    let name = name.to_ascii_lowercase().replace('_', "-");
    let valid = name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.len() <= 32
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    valid.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(read: Option<&(String, String)>, expected: Option<(&str, &str)>) {
        assert_eq!(read.map(|(name, rest)| (name.as_str(), rest.as_str())), expected);
    }

    #[test]
    fn both_spellings_are_one_command() {
        check(read("/openpact-mode-full", "").as_ref(), Some(("mode-full", "")));
        check(read("/OpenPact-Mode_Full", " x  y ").as_ref(), Some(("mode-full", "x  y")));
        check(read("/openpact", "Mode full").as_ref(), Some(("mode", "full")));
        check(read("/openpact", "  ").as_ref(), Some(("help", "")));
        check(read("/stop", "").as_ref(), Some(("stop", "")));
        check(read("/openpact", "1x").as_ref(), None);
        check(read("/openpact-", "").as_ref(), None);
    }

    #[test]
    fn a_message_is_a_command_where_it_begins_like_one() {
        check(in_message(" /approve ab12 ").as_ref(), Some(("approve", "ab12")));
        check(in_message("/openpact stop").as_ref(), Some(("stop", "")));
        check(in_message("/etc/passwd is what?").as_ref(), None);
        check(in_message("stop").as_ref(), None);
    }
}
