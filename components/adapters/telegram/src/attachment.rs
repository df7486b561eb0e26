//! Files that came with messages.

use openpact_sdk::adapter::SendError;
use teloxide_core::payloads::GetFile;
use teloxide_core::types::FileId;

use crate::api::{self, Download, Failure};
use crate::event::integer;

/// The bytes of a file, if there are at most `limit`. Its id is Telegram's, which is good for as long as the file is there;
/// its place is asked for anew each time, since that is good for an hour. Telegram gives bots no files of more than 20 MB.
pub(crate) fn fetch(api: &impl Download, id: &str, limit: u64) -> Result<Vec<u8>, SendError> {
    let file = match api::call(api, &GetFile::new(FileId(id.to_owned()))) {
        Err(Failure::Refused(refusal)) if refusal.description.to_lowercase().contains("file is too big") => {
            return Err(SendError::TooLarge(limit));
        }
        other => other?,
    };
    if let Some(size) = integer(&file, "file_size").and_then(|size| u64::try_from(size).ok())
        && size > limit
    {
        return Err(SendError::TooLarge(size));
    }
    let path = file["file_path"].as_str().unwrap_or_default();
    let segments: Vec<&str> = path.split('/').collect();
    // A server of one's own in local mode names a place on its disk.
    if segments.iter().any(|segment| matches!(*segment, "" | "." | "..")) {
        return Err(SendError::Refused(
            "the Bot API server names no address for the file; one that runs with --local gives none"
                .to_owned(),
        ));
    }
    let Some((status, bytes)) = api.download(&segments, limit)? else {
        return Err(SendError::TooLarge(limit));
    };
    match status {
        200 => Ok(bytes),
        404 | 410 => Err(SendError::Gone("Telegram does not have the file any more".to_owned())),
        429 | 500.. => Err(SendError::Unavailable(format!("Telegram answers {status} instead of the file"))),
        status => Err(Failure::Garbled(status, "a file was asked for".to_owned()).into()),
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use openpact_sdk::serde_json::{self, Value, json};

    use super::*;
    use crate::api::{Exchange, Refusal};

    struct Script {
        named: Result<Value, Failure>,
        file: (u16, &'static [u8]),
        asked: RefCell<Vec<String>>,
    }

    impl Exchange for Script {
        fn exchange(&self, method: &str, body: Vec<u8>, _: Duration) -> Result<Value, Failure> {
            let body: Value = serde_json::from_slice(&body).expect("JSON");
            self.asked.borrow_mut().push(format!("{method} {body}"));
            self.named.clone()
        }
    }

    impl Download for Script {
        fn download(&self, path: &[&str], limit: u64) -> Result<Option<(u16, Vec<u8>)>, Failure> {
            self.asked.borrow_mut().push(path.join("/"));
            let (status, bytes) = self.file;
            Ok((bytes.len() as u64 <= limit).then(|| (status, bytes.to_vec())))
        }
    }

    fn script(named: Result<Value, Failure>, file: (u16, &'static [u8])) -> Script {
        Script { named, file, asked: RefCell::default() }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it stands for an answer")]
    fn named(path: &str, size: u64) -> Result<Value, Failure> {
        Ok(json!({ "file_id": "f1", "file_unique_id": "u", "file_size": size, "file_path": path }))
    }

    #[test]
    fn a_file_is_asked_for_and_then_fetched() {
        let api = script(named("photos/file 1.jpg", 3), (200, b"abc"));
        assert_eq!(fetch(&api, "f1", 3), Ok(b"abc".to_vec()));
        assert_eq!(*api.asked.borrow(), ["getFile {\"file_id\":\"f1\"}", "photos/file 1.jpg"]);
    }

    #[test]
    fn a_file_that_is_larger_than_the_limit_is_not_given_whatever_is_said_of_it() {
        let api = script(named("a", 4), (200, b"abcd"));
        assert_eq!(fetch(&api, "f1", 3), Err(SendError::TooLarge(4)));
        assert_eq!(api.asked.borrow().len(), 1, "it is not fetched");
        let lies = script(named("a", 1), (200, b"abcd"));
        assert_eq!(fetch(&lies, "f1", 3), Err(SendError::TooLarge(3)));
        let refusal = |description: &str| {
            let description = description.to_owned();
            Err(Failure::Refused(Refusal { code: 400, description, retry_after: None, migrated_to: None }))
        };
        let big = script(refusal("Bad Request: file is too big"), (200, b""));
        assert_eq!(fetch(&big, "f1", 3), Err(SendError::TooLarge(3)));
        let wrong = script(refusal("Bad Request: invalid file_id"), (200, b""));
        assert!(matches!(fetch(&wrong, "f1", 3), Err(SendError::Refused(_))));
    }

    #[test]
    fn a_place_that_is_no_address_is_refused() {
        for path in ["", "/var/lib/telegram-bot-api/1/photos/a.jpg", "a/../../bot1/getMe", "a//b", "./a"] {
            let api = script(named(path, 1), (200, b"a"));
            assert!(matches!(fetch(&api, "f1", 3), Err(SendError::Refused(_))), "{path}");
            assert_eq!(api.asked.borrow().len(), 1, "{path}");
        }
    }

    #[test]
    fn what_the_store_says_is_told_from_the_file() {
        let fetched = |status| fetch(&script(named("a", 1), (status, b"a")), "f1", 3);
        assert!(matches!(fetched(404), Err(SendError::Gone(_))));
        assert!(matches!(fetched(503), Err(SendError::Unavailable(_))));
        assert!(matches!(fetched(429), Err(SendError::Unavailable(_))));
        assert!(matches!(fetched(302), Err(SendError::Unknown(_))));
    }
}
