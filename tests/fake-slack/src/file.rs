//! Files, on their way up and down.

use bytes::Bytes;
use serde_json::{Value, json};

use crate::reply::Reply;
use crate::world::{TEAM, World};

/// A file.
pub(crate) struct File {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) title: String,
    pub(crate) media_type: String,
    pub(crate) user: String,
    pub(crate) bytes: Vec<u8>,
    /// How many bytes are to come up, until they have.
    pub(crate) expected: Option<usize>,
}

impl File {
    pub(crate) fn new(id: &str, name: &str, media_type: &str, user: &str, bytes: &[u8]) -> Self {
        Self {
            id: id.to_owned(),
            name: name.to_owned(),
            title: name.to_owned(),
            media_type: media_type.to_owned(),
            user: user.to_owned(),
            bytes: bytes.to_vec(),
            expected: None,
        }
    }

    /// The object of the API.
    pub(crate) fn object(&self, base: &str) -> Value {
        let ending = self.name.rsplit_once('.').map_or("binary", |(_, ending)| ending);
        let address = format!("{base}/files/files-pri/{TEAM}-{}", self.id);
        json!({
            "id": self.id,
            "created": 1_700_000_000,
            "timestamp": 1_700_000_000,
            "name": self.name,
            "title": self.title,
            "mimetype": self.media_type,
            "filetype": ending,
            "pretty_type": ending.to_uppercase(),
            "user": self.user,
            "editable": false,
            "size": self.bytes.len(),
            "mode": "hosted",
            "is_external": false,
            "external_type": "",
            "is_public": true,
            "public_url_shared": false,
            "display_as_bot": false,
            "username": "",
            "url_private": format!("{address}/{}", self.name),
            "url_private_download": format!("{address}/download/{}", self.name),
            "has_rich_preview": false,
            "file_access": "visible",
        })
    }
}

/// Gives a file to whoever has the bot's token. Others get a page to sign in, with status 200, as from Slack.
pub(crate) fn download(world: &World, token: Option<&str>, path: &str) -> Reply {
    let bot = world.account.as_ref().filter(|account| !account.revoked);
    if bot.is_none_or(|bot| token != Some(&*bot.bot_token)) {
        let page =
            "<!DOCTYPE html><html lang=\"en-US\"><head><title>Sign in to Fake | Slack</title></head></html>";
        return Reply::text(200, "text/html; charset=utf-8", page.to_owned());
    }
    let id = path.split('/').next().and_then(|front| front.split_once('-')).map(|(_, id)| id);
    match id.and_then(|id| world.files.get(id)).filter(|file| file.expected.is_none()) {
        Some(file) => Reply::bytes(200, &file.media_type, Bytes::copy_from_slice(&file.bytes)),
        None => Reply::text(404, "text/html; charset=utf-8", "<html>404</html>".to_owned()),
    }
}

/// Takes the bytes of a file; the address is the permission.
pub(crate) fn upload(world: &mut World, id: &str, bytes: &[u8]) -> Reply {
    let plain = "text/plain; charset=utf-8";
    let Some(file) = world.files.get_mut(id) else {
        return Reply::text(404, plain, "not found".to_owned());
    };
    match file.expected {
        None => Reply::text(400, plain, "used".to_owned()),
        Some(expected) if expected != bytes.len() => {
            let got = bytes.len();
            world.complain([format!("upload: {expected} bytes were announced, {got} came")]);
            Reply::text(400, plain, "wrong length".to_owned())
        }
        Some(expected) => {
            file.bytes = bytes.to_vec();
            file.expected = None;
            Reply::text(200, plain, format!("OK - {expected}"))
        }
    }
}
