//! Files that came with messages.

use openpact_sdk::adapter::SendError;
use reqwest::Url;

use crate::api::{Exchange, Failure};

/// Where Discord keeps files (API Reference, "Signed Attachment CDN URLs").
const STORES: [&str; 2] = ["cdn.discordapp.com", "media.discordapp.net"];

/// Where Discord's own API is; a server of somebody else's keeps its files beside its API.
const DISCORD: &str = "discord.com";

/// The bytes of a file, if there are at most `limit`. Its id is its address, which Discord has signed and which is good
/// for about a day.
pub(crate) fn fetch(api: &impl Exchange, id: &str, limit: u64) -> Result<Vec<u8>, SendError> {
    let refused = || SendError::Refused("this is no attachment of Discord's".to_owned());
    let url = Url::parse(id).map_err(|_| refused())?;
    if !is_store(&url, api.base()) {
        return Err(refused());
    }
    let Some(answer) = api.fetch(&url, limit)? else { return Err(SendError::TooLarge(limit)) };
    match answer.status {
        200 => Ok(answer.body),
        403 | 404 | 410 => Err(SendError::Gone(
            "the file is not there any more, or its address has run out: those of Discord do within a day"
                .to_owned(),
        )),
        status @ 500.. => Err(SendError::Unavailable(format!("Discord's store answers {status}"))),
        429 => Err(SendError::Unavailable("Discord's store asks to wait".to_owned())),
        status => Err(Failure::Garbled(status, "a file was asked for".to_owned()).into()),
    }
}

fn is_store(url: &Url, base: &Url) -> bool {
    let is_plain = url.username().is_empty() && url.password().is_none();
    let is_discords = url.scheme() == "https"
        && url.port().is_none()
        && url.host_str().is_some_and(|host| STORES.contains(&host));
    let is_beside = base.host_str() != Some(DISCORD) && url.origin() == base.origin();
    is_plain && (is_discords || is_beside)
}

#[cfg(test)]
mod tests;
