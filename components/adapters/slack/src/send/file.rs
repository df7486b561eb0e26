//! Files, both ways (<https://docs.slack.dev/messaging/working-with-files>).

use openpact_sdk::adapter::{File, SendError};
use openpact_sdk::serde_json::{self, Value};
use slack_morphism::api::{SlackApiFilesComplete, SlackApiFilesCompleteUploadExternalRequest};
use slack_morphism::{SlackChannelId, SlackFileId, SlackTs};

use crate::api::{Exchange, Failure, Fetched, Payload};
use crate::event::FileId;

/// What begins the id of a message that is a file: Slack shares it when it has looked at it, and names the message to
/// nobody.
pub(super) const PREFIX: &str = "file:";

/// Uploads files and shares them in one message. Until the last call nothing is to be seen.
pub(super) fn send(
    api: &impl Exchange,
    channel: &str,
    thread: Option<&str>,
    files: &[File],
) -> Result<String, SendError> {
    let uploaded =
        files.iter().map(|file| upload(api, file).map_err(unshared)).collect::<Result<Vec<_>, _>>()?;
    let Some(first) = uploaded.first().map(|file| file.id.0.clone()) else {
        return Err(SendError::Refused("there is no file".to_owned()));
    };
    let mut request = SlackApiFilesCompleteUploadExternalRequest::new(uploaded);
    request.channel_id = Some(SlackChannelId(channel.to_owned()));
    request.thread_ts = thread.map(|ts| SlackTs(ts.to_owned()));
    let answer = api.call("files.completeUploadExternal", Payload::of(&request)?)?;
    Ok(shared_as(&answer, channel).unwrap_or_else(|| format!("{PREFIX}{first}")))
}

/// An upload that broke off is seen by nobody: it is done again.
fn unshared(failure: Failure) -> SendError {
    match failure {
        Failure::Broken(_) => SendError::Unavailable(failure.text()),
        other => other.into(),
    }
}

fn upload(api: &impl Exchange, file: &File) -> Result<SlackApiFilesComplete, Failure> {
    let name: String =
        file.name.chars().filter(|c| !c.is_control() && !matches!(c, '/' | '\\')).take(200).collect();
    let name = if name.trim().is_empty() { "file".to_owned() } else { name };
    let fields = vec![("filename", name.clone()), ("length", file.data.len().to_string())];
    let answer =
        api.call("files.getUploadURLExternal", Payload::Form(fields)).map_err(|failure| match failure {
            // The file, and not the question.
            Failure::TooLarge(_) => Failure::TooLarge(file.data.len() as u64),
            other => other,
        })?;
    let text = |key: &str| answer.get(key).and_then(Value::as_str).map(str::to_owned);
    let (Some(url), Some(id)) = (text("upload_url"), text("file_id")) else {
        return Err(Failure::Garbled(200, "no address for an upload".to_owned()));
    };
    api.upload(&url, file.data.clone())?;
    Ok(SlackApiFilesComplete::new(SlackFileId(id)).with_title(name))
}

/// The message of a file, where Slack tells it.
fn shared_as(answer: &Value, channel: &str) -> Option<String> {
    let shares = answer.pointer("/files/0/shares")?;
    let of = |kind: &str| shares.get(kind)?.get(channel)?.get(0)?.get("ts")?.as_str().map(str::to_owned);
    of("public").or_else(|| of("private"))
}

/// The bytes of an attachment.
pub(crate) fn fetch(api: &impl Exchange, id: &str, limit: u64) -> Result<Vec<u8>, SendError> {
    let id: FileId = serde_json::from_str(id)
        .map_err(|_| SendError::Refused("this is no attachment of Slack's".to_owned()))?;
    let Some(url) = &id.url else {
        return Err(SendError::Refused("it is not on Slack's servers".to_owned()));
    };
    let Fetched { media_type, data } = api.fetch(url, limit)?;
    // Who may not read a file is shown a page to sign in.
    let is_page = |media_type: Option<&str>| media_type.is_some_and(|it| it.starts_with("text/html"));
    if is_page(media_type.as_deref()) && !is_page(id.media_type.as_deref()) {
        return Err(Failure::Refused(crate::api::Refusal::of("access_denied", crate::api::Token::Bot)).into());
    }
    Ok(data)
}
