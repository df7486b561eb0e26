//! Where files are fetched.

use super::*;
use crate::api::Answer;
use crate::api::script::{Script, refused};

const FILE: &str = "https://cdn.discordapp.com/attachments/9/3/notes.txt?ex=1&is=2&hm=3";

#[expect(clippy::unnecessary_wraps, reason = "scripts hold results")]
fn answer(size: usize) -> Result<Answer, Failure> {
    Ok(Answer { status: 200, headers: vec![], body: vec![b'x'; size] })
}

#[test]
fn a_file_is_fetched_up_to_the_limit() {
    let api = Script::new([answer(10)]);
    assert_eq!(fetch(&api, FILE, 10).expect("fetched").len(), 10);
    assert_eq!(api.fetched.borrow()[0].as_str(), FILE);
    assert!(matches!(fetch(&Script::new([answer(11)]), FILE, 10), Err(SendError::TooLarge(10))));
}

#[test]
fn nothing_but_discords_store_is_asked() {
    for id in [
        "https://evil.example/attachments/1",
        "https://cdn.discordapp.com.evil.example/a",
        "https://cdn.discordapp.com@evil.example/a",
        "http://cdn.discordapp.com/a",
        "https://cdn.discordapp.com:8443/a",
        "https://discord.com/api/v10/users/@me",
        "file:///etc/passwd",
        "3",
    ] {
        let fetched = fetch(&Script::new([]), id, 10);
        assert!(matches!(fetched, Err(SendError::Refused(_))), "{id}: {fetched:?}");
    }
    let media = "https://media.discordapp.net/attachments/9/3/a.png";
    assert!(fetch(&Script::new([answer(1)]), media, 10).is_ok());
}

#[test]
fn a_server_of_ones_own_keeps_its_files_beside_its_api() {
    let own = || Script::new([answer(1)]).at("http://127.0.0.1:8080/api/v10");
    assert!(fetch(&own(), "http://127.0.0.1:8080/attachments/1", 10).is_ok());
    for id in ["http://127.0.0.1:8081/attachments/1", "https://127.0.0.1:8080/attachments/1"] {
        assert!(matches!(fetch(&own(), id, 10), Err(SendError::Refused(_))), "{id}");
    }
}

#[test]
fn an_address_that_has_run_out_is_gone() {
    for status in [403, 404, 410] {
        let fetched = fetch(&Script::new([refused(status, 0)]), FILE, 1_000);
        assert!(matches!(fetched, Err(SendError::Gone(_))), "{status}: {fetched:?}");
    }
    let broken = fetch(&Script::new([refused(500, 0)]), FILE, 1_000);
    assert!(matches!(broken, Err(SendError::Unavailable(_))), "{broken:?}");
}
