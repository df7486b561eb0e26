//! A secret is nowhere but where it has to be: in no log line, no file of the data directory, no request to the model,
//! and in none of the spellings in which a program could carry it on by accident.

use std::fs;
use std::path::Path;

use super::stage::{KEY, Stage, TOKEN};

/// Looks for the secrets of a stage wherever they must not be.
#[track_caller]
pub(crate) fn check(stage: &Stage) {
    let mut places = files(&stage.data());
    places.push(("the log".to_owned(), stage.log().into_bytes()));
    for request in &stage.model.requests() {
        assert!(!request.mentions(KEY), "the model's key is in a prompt");
        let all = format!("{} {:?} {}", request.path, request.headers, request.body);
        places.push(("a request to the model".to_owned(), all.into_bytes()));
    }
    search(TOKEN, &places);
}

/// Fails where the secret is in one of these places, by their names, however it is spelled.
#[track_caller]
pub(crate) fn search(secret: &str, places: &[(String, Vec<u8>)]) {
    assert!(places.len() > 5, "there must be something to look into");
    for spelling in spellings(secret) {
        for (place, bytes) in places {
            let shown = String::from_utf8_lossy(&spelling);
            assert!(!holds(bytes, &spelling), "the secret is in {place}, as {shown}");
        }
    }
}

fn holds(bytes: &[u8], wanted: &[u8]) -> bool {
    memchr::memmem::find(bytes, wanted).is_some()
}

/// The secret part of a token as it is, in base64 at each offset, in hex, escaped for addresses, in UTF-16, backwards.
fn spellings(token: &str) -> Vec<Vec<u8>> {
    let secret = token.split_once(':').map_or(token, |(_, secret)| secret);
    let mut all = vec![secret.as_bytes().to_vec(), token.replace(':', "%3A").into_bytes()];
    all.push(secret.chars().rev().collect::<String>().into_bytes());
    all.push(secret.replace('-', "%2D").replace('_', "%5F").into_bytes());
    all.push(secret.encode_utf16().flat_map(u16::to_le_bytes).collect());
    let digit = |bits: u8| char::from_digit(u32::from(bits), 16).expect("four bits are a digit");
    let hex: String = secret.bytes().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect();
    all.push(hex.to_uppercase().into_bytes());
    all.push(hex.into_bytes());
    all.extend((0..3).map(|skip| base64(&secret.as_bytes()[skip..]).into_bytes()));
    all.extend(
        (0..3)
            .map(|skip| base64(&secret.as_bytes()[skip..]).replace('+', "-").replace('/', "_").into_bytes()),
    );
    all
}

/// The whole groups of three bytes: what comes out is the same wherever the rest of the text begins and ends.
pub(crate) fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let four = |group: &[u8]| {
        let bits = group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte));
        [18, 12, 6, 0].map(|shift| char::from(ALPHABET[(bits >> shift & 63) as usize]))
    };
    bytes.chunks_exact(3).flat_map(four).collect()
}

/// All files below a folder, with what is in them.
pub(crate) fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let entry = entry.unwrap();
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(files(&path));
        } else if kind.is_file() {
            found.push((path.display().to_string(), fs::read(&path).unwrap()));
        }
    }
    found
}

#[test]
fn the_search_finds_every_spelling() {
    assert_eq!(base64(b"any carnal pleas"), "YW55IGNhcm5hbCBwbGVh");
    let hidden = |text: &[u8]| spellings(TOKEN).iter().any(|spelling| holds(text, spelling));
    assert!(hidden(format!("/bot{TOKEN}/getMe").as_bytes()));
    assert!(hidden(format!("/bot{}/getMe", TOKEN.replace(':', "%3A")).as_bytes()));
    for shift in ["", "a", "ab"] {
        let text = format!("{shift}{TOKEN}");
        let padded = format!("{text}{}", &"=="[..(3 - text.len() % 3) % 3]);
        assert!(hidden(base64(padded.as_bytes()).as_bytes()), "{shift}");
    }
    assert!(!hidden(b"nothing of the kind"));
}
