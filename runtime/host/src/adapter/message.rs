//! Messages on their way out, between the words of the rest and those of the interface.

use openpact_bindings::v0_1_0::chat::exports::openpact::chat::adapter;
use openpact_bindings::v0_1_0::chat::openpact::chat::{rendering, types};
use openpact_model::chat;

/// Parts that one message may become.
const MAX_PARTS: usize = 1000;
/// The longest id of a message that was sent, in bytes.
const MAX_ID: usize = 512;
/// The longest pause that a platform may ask for behind a message: an hour, in milliseconds.
const MAX_PAUSE: u32 = 3_600_000;

pub(super) fn target(target: &chat::Target) -> types::Target {
    types::Target {
        account: target.account.clone(),
        channel: target.channel.clone(),
        thread: target.thread.clone(),
        reply_to: target.reply_to.clone(),
    }
}

pub(super) fn outbound(message: &chat::Outbound) -> rendering::Outbound {
    rendering::Outbound {
        pieces: message.pieces.iter().map(piece).collect(),
        buttons: message.buttons.iter().map(button).collect(),
        detail: match message.detail {
            chat::Detail::Simple => rendering::Detail::Simple,
            chat::Detail::Thinking => rendering::Detail::Thinking,
            chat::Detail::Tools => rendering::Detail::Tools,
            chat::Detail::Full => rendering::Detail::Full,
        },
        stage: match message.stage {
            chat::Stage::Partial => rendering::Stage::Partial,
            chat::Stage::Complete => rendering::Stage::Complete,
        },
    }
}

fn piece(piece: &chat::Piece) -> rendering::Piece {
    match piece {
        chat::Piece::Markdown(text) => rendering::Piece::Markdown(text.clone()),
        chat::Piece::Reasoning(text) => rendering::Piece::Reasoning(text.clone()),
        chat::Piece::ToolUse(tool) => rendering::Piece::ToolCall(rendering::ToolCall {
            name: tool.name.clone(),
            input: tool.input.clone(),
            output: tool.output.clone(),
            state: match tool.state {
                chat::ToolState::Running => rendering::ToolState::Running,
                chat::ToolState::Waiting => rendering::ToolState::Waiting,
                chat::ToolState::Done => rendering::ToolState::Done,
                chat::ToolState::Failed => rendering::ToolState::Failed,
            },
        }),
        chat::Piece::Notice(text) => rendering::Piece::Notice(text.clone()),
        chat::Piece::File(it) => rendering::Piece::File(file(it)),
    }
}

fn button(button: &chat::Button) -> rendering::Button {
    rendering::Button {
        label: button.label.clone(),
        value: button.value.clone(),
        style: match button.style {
            chat::ButtonStyle::Plain => rendering::ButtonStyle::Plain,
            chat::ButtonStyle::Primary => rendering::ButtonStyle::Primary,
            chat::ButtonStyle::Danger => rendering::ButtonStyle::Danger,
        },
    }
}

fn file(file: &chat::File) -> types::File {
    types::File { name: file.name.clone(), media_type: file.media_type.clone(), data: file.data.clone() }
}

pub(super) fn part(part: &chat::Part) -> rendering::Part {
    rendering::Part {
        body: part.body.clone(),
        plain: part.plain.clone(),
        files: part.files.iter().map(file).collect(),
    }
}

pub(super) fn command(command: &chat::CommandSpec) -> adapter::CommandSpec {
    let option = |option: &chat::CommandOption| adapter::CommandOption {
        name: option.name.clone(),
        description: option.description.clone(),
        required: option.required,
        choices: option.choices.clone(),
    };
    adapter::CommandSpec {
        name: command.name.clone(),
        description: command.description.clone(),
        options: command.options.iter().map(option).collect(),
    }
}

/// The parts that a guest made; `Err` says what is wrong with them.
pub(super) fn parts(parts: Vec<rendering::Part>) -> Result<Vec<chat::Part>, String> {
    if parts.len() > MAX_PARTS {
        return Err(format!("it made more than {MAX_PARTS} parts of one message"));
    }
    let file =
        |file: types::File| chat::File { name: file.name, media_type: file.media_type, data: file.data };
    let part = |part: rendering::Part| chat::Part {
        body: part.body,
        plain: part.plain,
        files: part.files.into_iter().map(file).collect(),
    };
    Ok(parts.into_iter().map(part).collect())
}

/// What a guest tells of a message that it sent; `Err` says what is wrong with it.
pub(super) fn sent(sent: rendering::Sent) -> Result<chat::Sent, String> {
    let usable = |id: &str| (1..=MAX_ID).contains(&id.len()) && !id.chars().any(char::is_control);
    if !usable(&sent.id) {
        return Err(format!("the id of the message that it sent is not 1 to {MAX_ID} plain bytes"));
    }
    if !sent.moved_to.as_deref().is_none_or(usable) {
        return Err(format!("the channel that it sent a message to is not 1 to {MAX_ID} plain bytes"));
    }
    let pause = sent.pause.map(|pause| pause.min(MAX_PAUSE));
    Ok(chat::Sent { id: sent.id, pause, moved_to: sent.moved_to })
}

/// Bytes that lie in files of a message: they cross twice when it is rendered.
pub(super) fn file_bytes(message: &chat::Outbound) -> usize {
    let bytes = |piece: &chat::Piece| match piece {
        chat::Piece::File(file) => file.data.len(),
        _ => 0,
    };
    message.pieces.iter().map(bytes).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(count: usize) -> Vec<rendering::Part> {
        vec![rendering::Part { body: "b".into(), plain: "p".into(), files: vec![] }; count]
    }

    #[test]
    fn a_message_becomes_a_bounded_number_of_parts() {
        assert_eq!(parts(plain(1000)).unwrap().len(), 1000);
        assert!(parts(plain(1001)).is_err());
        assert_eq!(parts(vec![]), Ok(vec![]));
    }

    #[test]
    fn the_id_of_a_sent_message_is_usable() {
        let told = |id: &str, moved_to: Option<&str>| {
            sent(rendering::Sent {
                id: id.into(),
                pause: Some(u32::MAX),
                moved_to: moved_to.map(str::to_owned),
            })
        };
        let expected = chat::Sent { id: "12".into(), pause: Some(3_600_000), moved_to: None };
        assert_eq!(told("12", None).unwrap(), expected);
        for bad in ["", "a\nb", &"x".repeat(513)] {
            assert!(told(bad, None).is_err() && told("12", Some(bad)).is_err(), "{bad:?}");
        }
        let longest = "x".repeat(512);
        assert_eq!(told(&longest, Some(&longest)).unwrap().moved_to, Some(longest));
    }
}
