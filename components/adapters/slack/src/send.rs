//! Sending, changing and taking back messages, and files.

mod file;

use openpact_sdk::adapter::{Outbound, Part, SendError, Sent, Target};
use openpact_sdk::serde_json::{self, Value, json};
use slack_morphism::api::{
    SlackApiAssistantThreadsSetStatusRequest, SlackApiChatDeleteRequest, SlackApiChatPostEphemeralRequest,
    SlackApiChatPostMessageRequest, SlackApiChatUpdateRequest,
};
use slack_morphism::{SlackChannelId, SlackMessageContent, SlackTs, SlackUserId};

use crate::api::{Exchange, Failure, Payload};
use crate::event::Interaction;
use crate::render::{self, Body};
use crate::thread::{self, Thread};

pub(crate) use file::fetch;

/// What stands before the id of a person to whom something is sent directly.
const PERSON: &str = "user:";

/// What stands where somebody would be typing.
const STATUS: &str = "is working on an answer…";

/// Sends a part. Slack has no keys that would keep it from being sent twice.
pub(crate) fn send(api: &impl Exchange, target: &Target, part: &Part) -> Result<Sent, SendError> {
    let target = &Target { channel: channel(&target.channel)?, ..target.clone() };
    let thread = thread_of(target);
    let (id, channel) = match part.files.as_slice() {
        [] => post(api, &target.channel, thread, &Body::read(part)?)?,
        files => (file::send(api, &target.channel, thread, files)?, target.channel.clone()),
    };
    let root = thread.unwrap_or(&id);
    if !is_direct(&channel) && !root.starts_with(file::PREFIX) {
        let answered = target.reply_to.as_deref().unwrap_or(&id);
        Thread { account: &target.account, channel: &channel, root }.join(answered);
    }
    if channel.starts_with('D') {
        // Slack lets it send to no direct messages but its own.
        thread::keep_kind(&channel, "im");
    }
    let moved_to = (channel != target.channel).then_some(channel);
    Ok(Sent { id, pause: None, moved_to })
}

/// Posts a message; gives its time, which names it, and the channel that it is in: what goes to a user is in a direct
/// message with an id of its own.
fn post(
    api: &impl Exchange,
    channel: &str,
    thread: Option<&str>,
    body: &Body,
) -> Result<(String, String), SendError> {
    let request = |content| {
        let mut request = SlackApiChatPostMessageRequest::new(SlackChannelId(channel.to_owned()), content)
            .with_link_names(false)
            .with_parse("none".to_owned())
            .with_unfurl_links(false)
            .with_unfurl_media(false);
        request.thread_ts = thread.map(|ts| SlackTs(ts.to_owned()));
        Payload::of(&request)
    };
    let answer = formatted(body, |content| api.call("chat.postMessage", request(content)?))?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    // What was sent has a time; without one nobody can say what happened.
    let id = text("ts").ok_or_else(|| SendError::Unknown("Slack's answer names no message".to_owned()))?;
    Ok((id, text("channel").unwrap_or_else(|| channel.to_owned())))
}

/// Does something with the blocks, and with the text alone where Slack refuses them.
fn formatted<T>(body: &Body, act: impl Fn(SlackMessageContent) -> Result<T, Failure>) -> Result<T, Failure> {
    let content = SlackMessageContent::new().with_text(body.text.clone());
    match act(content.clone().with_blocks(body.blocks.clone())) {
        Err(failure) if failure.says("invalid_blocks") || failure.says("invalid_blocks_format") => {
            act(content.with_blocks(vec![]))
        }
        other => other,
    }
}

/// Puts another part in the place of one that was sent.
pub(crate) fn edit(api: &impl Exchange, target: &Target, id: &str, part: &Part) -> Result<(), SendError> {
    if id.starts_with(file::PREFIX) || !part.files.is_empty() {
        return Err(SendError::Refused("Slack cannot change a file that was sent".to_owned()));
    }
    let request = |content| {
        let channel = SlackChannelId(target.channel.clone());
        let request = SlackApiChatUpdateRequest::new(channel, content, SlackTs(id.to_owned()));
        // Without `link_names`: nothing is linked by default, and the description wants it as a text, which the type is not.
        Payload::of(&request.with_parse("none".to_owned()))
    };
    formatted(&Body::read(part)?, |content| api.call("chat.update", request(content)?))?;
    Ok(())
}

/// Takes back a message, or a file.
pub(crate) fn delete(api: &impl Exchange, target: &Target, id: &str) -> Result<(), SendError> {
    let deleted = if let Some(file) = id.strip_prefix(file::PREFIX) {
        api.call("files.delete", Payload::Json(json!({ "file": file })))
    } else {
        let channel = SlackChannelId(target.channel.clone());
        let request = SlackApiChatDeleteRequest::new(channel, SlackTs(id.to_owned()));
        api.call("chat.delete", Payload::of(&request)?)
    };
    match deleted {
        Ok(_) => Ok(()),
        // It is gone, which is what was asked for.
        Err(failure)
            if ["message_not_found", "file_not_found", "file_deleted"]
                .iter()
                .any(|word| failure.says(word)) =>
        {
            Ok(())
        }
        Err(failure) => Err(failure.into()),
    }
}

/// Shows that an answer is being written, where Slack can: in a thread, for an app that is set up as an agent. What is
/// said there meanwhile is said to the assistant: the host shows it to nobody whom it does not answer.
pub(crate) fn typing(api: &impl Exchange, target: &Target) -> Result<(), SendError> {
    let Some(thread) = thread_of(target) else { return Ok(()) };
    if !is_direct(&target.channel) {
        let answered = target.reply_to.as_deref().unwrap_or(thread);
        Thread { account: &target.account, channel: &target.channel, root: thread }.join(answered);
    }
    let channel = SlackChannelId(target.channel.clone());
    let request =
        SlackApiAssistantThreadsSetStatusRequest::new(channel, STATUS.to_owned(), SlackTs(thread.to_owned()));
    match api.call("assistant.threads.setStatus", Payload::of(&request)?) {
        Ok(_) | Err(Failure::Refused(_)) => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// Answers a command or a press of a button, so that only the person who used it sees it.
pub(crate) fn answer(api: &impl Exchange, interaction: &str, answer: &Outbound) -> Result<(), SendError> {
    let interaction: Interaction = serde_json::from_str(interaction)
        .map_err(|_| SendError::Refused("this is no interaction of Slack's".to_owned()))?;
    render::parts(answer).iter().try_for_each(|part| answer_part(api, &interaction, part))
}

fn answer_part(api: &impl Exchange, interaction: &Interaction, part: &Part) -> Result<(), SendError> {
    let mut body = Body::read(part)?;
    if !part.files.is_empty() {
        // Slack shows files to everybody in a channel or to nobody.
        body.text = format!("{} cannot be shown to you alone", part.plain);
    }
    if let Some(url) = &interaction.url {
        match formatted(&body, |content| api.answer(url, &reply(interaction, &content)?)) {
            // The address takes five answers, for half an hour.
            Err(Failure::Refused(_)) => {}
            other => return other.map_err(Into::into),
        }
    }
    let request = |content| {
        let channel = SlackChannelId(interaction.channel.clone());
        let user = SlackUserId(interaction.user.clone());
        let mut request = SlackApiChatPostEphemeralRequest::new(channel, user, content)
            .with_link_names(false)
            .with_parse("none".to_owned());
        request.thread_ts = interaction.thread.clone().map(SlackTs);
        Payload::of(&request)
    };
    formatted(&body, |content| api.call("chat.postEphemeral", request(content)?))?;
    Ok(())
}

/// An answer as the address of an interaction takes it.
fn reply(interaction: &Interaction, content: &SlackMessageContent) -> Result<Value, Failure> {
    let Payload::Json(mut reply) = Payload::of(content)? else { return Ok(Value::Null) };
    reply["response_type"] = "ephemeral".into();
    reply["replace_original"] = false.into();
    if let Some(thread) = &interaction.thread {
        reply["thread_ts"] = thread.clone().into();
    }
    Ok(reply)
}

/// The thread that something goes to. Outside direct messages a reply stands in the thread of what it replies to.
fn thread_of(target: &Target) -> Option<&str> {
    let reply_to = target.reply_to.as_deref().filter(|_| !is_direct(&target.channel));
    target.thread.as_deref().or(reply_to)
}

/// The channel; of a person the id, by which Slack opens the direct messages.
fn channel(channel: &str) -> Result<String, SendError> {
    match channel.strip_prefix(PERSON) {
        Some(person) if !person.starts_with(['U', 'W']) => {
            Err(SendError::Refused(format!("{person:?} is no person of Slack's")))
        }
        person => Ok(person.unwrap_or(channel).to_owned()),
    }
}

/// The ids of direct messages, and of the users who can be written to in their place.
fn is_direct(channel: &str) -> bool {
    channel.starts_with(['D', 'U', 'W'])
}

#[cfg(test)]
mod tests;
