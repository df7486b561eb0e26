//! Sending, changing and taking back messages.

use openpact_sdk::adapter::{File, Part, SendError, Sent, Target};
use reqwest::Method;
use serde_json::{Map, Value, json};

use crate::api::{self, Call, Exchange, Failure};
use crate::render;

/// What stands before the id of a person to whom something is sent directly.
const PERSON: &str = "user:";

/// Sends a part. With one key it appears once, as far as Discord remembers: some minutes ("Create Message",
/// `enforce_nonce`).
pub(crate) fn send(api: &impl Exchange, target: &Target, part: Part, key: &str) -> Result<Sent, SendError> {
    let mut body = render::body(&part)?;
    body.insert("nonce".to_owned(), json!(nonce(key)));
    body.insert("enforce_nonce".to_owned(), json!(true));
    if let Some(message) = &target.reply_to {
        let reference = json!({ "message_id": number(message, "message")?, "fail_if_not_exists": false });
        body.insert("message_reference".to_owned(), reference);
    }
    let (channel, is_opened) = channel(api, target)?;
    let call = Call::new(Method::POST, &["channels", &channel, "messages"]);
    let reply = api::call(api, &with_files(call, body, part.files))?;
    // What was sent has an id; without one nobody can say what happened.
    let id = reply.value.get("id").and_then(Value::as_str).map(str::to_owned);
    let id = id.ok_or_else(|| SendError::Unknown("Discord's answer names no message".to_owned()))?;
    Ok(Sent { id, pause: reply.pause, moved_to: is_opened.then_some(channel) })
}

/// Puts another part in the place of one that was sent.
pub(crate) fn edit(api: &impl Exchange, target: &Target, id: &str, part: Part) -> Result<(), SendError> {
    let body = render::body(&part)?;
    let (channel, _) = channel(api, target)?;
    let call = Call::new(Method::PATCH, &["channels", &channel, "messages", &number(id, "message")?]);
    api::call(api, &with_files(call, body, part.files)).map(drop).map_err(Into::into)
}

/// Takes back a message.
pub(crate) fn delete(api: &impl Exchange, target: &Target, id: &str) -> Result<(), SendError> {
    let (channel, _) = channel(api, target)?;
    let call = Call::new(Method::DELETE, &["channels", &channel, "messages", &number(id, "message")?]);
    match api::call(api, &call) {
        Ok(_) => Ok(()),
        // It is gone, which is what was asked for.
        Err(Failure::Refused(refusal)) if refusal.code == 10_008 => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

/// Shows for ten seconds that somebody is typing.
pub(crate) fn typing(api: &impl Exchange, target: &Target) -> Result<(), SendError> {
    let (channel, _) = channel(api, target)?;
    let call = Call::new(Method::POST, &["channels", &channel, "typing"]);
    api::call(api, &call).map(drop).map_err(Into::into)
}

/// A body with its files, which it names; those of before are gone.
pub(crate) fn with_files(call: Call, mut body: Map<String, Value>, files: Vec<File>) -> Call {
    name_files(&mut body, &files);
    call.files(Value::Object(body), files)
}

/// Says in a body which files go along.
pub(crate) fn name_files(body: &mut Map<String, Value>, files: &[File]) {
    let name = |(index, file): (usize, &File)| json!({ "id": index, "filename": file.name });
    let names: Vec<_> = files.iter().enumerate().map(name).collect();
    body.insert("attachments".to_owned(), json!(names));
}

/// The channel, and whether it was opened for this: that of a person is, where the target names the person. A thread is a
/// channel too.
fn channel(api: &impl Exchange, target: &Target) -> Result<(String, bool), SendError> {
    if let Some(person) = target.channel.strip_prefix(PERSON) {
        let call = Call::new(Method::POST, &["users", "@me", "channels"]);
        let reply = api::call(api, &call.json(json!({ "recipient_id": number(person, "person")? })))?;
        let id = reply.value.get("id").and_then(Value::as_str).map(str::to_owned);
        let id = id.ok_or_else(|| SendError::Unavailable("Discord's answer names no channel".to_owned()))?;
        return Ok((id, true));
    }
    Ok((number(target.thread.as_deref().unwrap_or(&target.channel), "channel")?, false))
}

/// An id of Discord's. Nothing else goes into a path.
fn number(id: &str, what: &str) -> Result<String, SendError> {
    match id.parse::<u64>() {
        Ok(number) if number > 0 => Ok(number.to_string()),
        _ => Err(SendError::Refused(format!("{id:?} is no {what} of Discord's"))),
    }
}

/// A key of at most 25 characters that is the same for the same text, in every version: FNV-1a with 128 bits
/// (<http://www.isthe.com/chongo/tech/comp/fnv/>) in base 36. Keys are the host's own: nobody looks for two that meet.
fn nonce(key: &str) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut hash = key.bytes().fold(OFFSET, |hash, byte| (hash ^ u128::from(byte)).wrapping_mul(PRIME));
    let mut nonce = String::new();
    for _ in 0..25 {
        let digit = usize::try_from(hash % 36).unwrap_or_default();
        nonce.push(char::from(DIGITS[digit]));
        hash /= 36;
    }
    nonce
}

#[cfg(test)]
mod tests;
