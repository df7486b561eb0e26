//! The redactor: no secret survives, in whatever form it stands and wherever the bytes are cut.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE};
use bytes::Bytes;
use openpact_egress::redact::{Redactor, Scope};
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretValue};

use crate::mutate::Numbers;

pub(crate) const WORDS: &[&str] = &[
    "\u{0}",
    "\u{1}",
    "\u{2}",
    "\u{3}",
    "\u{4}",
    "\u{5}",
    "\u{6}",
    "\u{7}",
    "\u{8}",
    "\u{9}",
    "\u{a}",
    "\u{b}",
    "\u{c}",
    "\u{d}",
    "\u{e}",
    "\u{f}",
    "aaaaaaaaaaaaaaaa",
    "%61%61%61",
    "\\u0061\\u0061",
    "&#97;&#97;",
    "YWFhYWFh",
];

/// What secrets are made of: no bracket, so that none can be made out of the mark that takes its place.
const LETTERS: &[char] = &[
    'a', 'b', 'A', '0', '/', '+', '=', '"', '\\', '<', '&', '\'', ' ', '%', 'ü', '€', '😀', '\n', '~', '-',
    '_', '.',
];

/// A few bytes for the secrets, then a document: each byte of it chooses a secret and its form, or noise.
///
/// # Panics
/// Where a promise is broken.
pub fn redactor(data: &[u8]) {
    let mut data = data.iter().copied();
    let values = secrets(&mut data);
    let entry = |(number, value): (usize, &String)| {
        let entry = SecretEntry::new(SecretValue::new(value.clone()), Vec::new());
        (format!("S{number}").parse().unwrap(), entry)
    };
    let entries: BTreeMap<_, _> = values.iter().enumerate().map(entry).collect();
    let redactor = Redactor::new(&SecretSnapshot { generation: 1, entries }, Scope::All);
    let document = document(&mut data, &values);
    let whole = redactor.redact_bytes(&document).into_owned();
    let found = redactor.find(&document).is_some();
    assert_eq!(found, whole != document, "what is found is replaced");
    for value in &values {
        for form in forms(value) {
            assert!(!contains(&whole, &form), "{} survived in {}", show(&form), show(&whole));
            assert!(found || !contains(&document, &form), "{} was not found", show(&form));
        }
    }
    let mut numbers = Numbers::of(&document);
    for most in [1, 2, 7, 64] {
        assert_eq!(
            show(&in_pieces(&redactor, &document, &mut numbers, most)),
            show(&whole),
            "pieces up to {most}"
        );
    }
}

fn secrets(data: &mut impl Iterator<Item = u8>) -> Vec<String> {
    let mut byte = || usize::from(data.next().unwrap_or_default());
    let count = 1 + byte() % 3;
    let secret = |_| {
        let mut value = String::new();
        // The shortest ones are the hardest, and so are repetitions.
        let (length, period) = (16 + byte() % 12, 1 + byte() % 16);
        let letters: Vec<char> = (0..period).map(|_| LETTERS[byte() % LETTERS.len()]).collect();
        for letter in letters.iter().cycle() {
            if value.len() >= length {
                break;
            }
            value.push(*letter);
        }
        value
    };
    (0..count).map(secret).collect()
}

fn document(data: &mut impl Iterator<Item = u8>, values: &[String]) -> Vec<u8> {
    let mut document = Vec::new();
    while let Some(byte) = data.next() {
        if byte >= 0x40 {
            document.push(byte);
            continue;
        }
        let value = &values[usize::from(byte) % values.len()];
        let all = written(value);
        let form = &all[usize::from(data.next().unwrap_or_default()) % all.len()];
        document.extend_from_slice(form);
    }
    document
}

/// The value as somebody writes it, with what stands beside it in base64.
fn written(value: &str) -> Vec<Vec<u8>> {
    let mut all = forms(value);
    all.push(value.to_ascii_uppercase().into_bytes());
    all.push(hex::encode_upper(value).into_bytes());
    for before in ["", "x", "xy"] {
        for after in ["", "x", "xy"] {
            let text = format!("{before}{value}{after}");
            all.extend([STANDARD.encode(&text).into_bytes(), URL_SAFE.encode(&text).into_bytes()]);
        }
    }
    all
}

/// Forms that must be nowhere in what comes out, letter case apart. Made here by the plainest means.
fn forms(value: &str) -> Vec<Vec<u8>> {
    let percent = |keep: &str| -> String {
        let one = |byte: u8| match char::from(byte) {
            c if c.is_ascii_alphanumeric() || keep.contains(c) => c.to_string(),
            _ => format!("%{byte:02X}"),
        };
        value.bytes().map(one).collect()
    };
    let json = serde_json::to_string(value).unwrap();
    let json = json[1..json.len() - 1].to_owned();
    let unicode: String =
        value.encode_utf16().fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"));
    let mut forms = vec![
        value.to_owned(),
        percent("-._~"),
        percent("-._~!'()*"),
        percent("-._*").replace("%20", "+"),
        value.bytes().fold(String::new(), |text, byte| text + &format!("%{byte:02X}")),
        hex::encode(value),
        json.replace('/', "\\/"),
        json,
        unicode,
        value.chars().fold(String::new(), |text, c| text + &format!("&#{};", u32::from(c))),
        value.chars().fold(String::new(), |text, c| text + &format!("&#x{:x};", u32::from(c))),
    ];
    for before in ["", "x", "xy"] {
        for text in [STANDARD.encode(format!("{before}{value}")), URL_SAFE.encode(format!("{before}{value}"))]
        {
            // What the value alone decides: not the characters that it shares with what stands before and after.
            let end = text.trim_end_matches('=').len();
            let shared = usize::from(!(before.len() + value.len()).is_multiple_of(3));
            forms.push(text[[0, 2, 3][before.len()]..end - shared].to_owned());
        }
    }
    // A base64 form that is shorter than the value may be too short to be looked for.
    forms.into_iter().filter(|form| form.len() >= 16).map(String::into_bytes).collect()
}

fn contains(text: &[u8], form: &[u8]) -> bool {
    text.windows(form.len()).any(|window| window.eq_ignore_ascii_case(form))
}

fn in_pieces(redactor: &Redactor, document: &[u8], numbers: &mut Numbers, most: usize) -> Vec<u8> {
    let (mut stream, mut clean, mut rest) = (redactor.stream(), Vec::new(), document);
    while !rest.is_empty() {
        let (piece, after) = rest.split_at((1 + numbers.below(most)).min(rest.len()));
        clean.extend_from_slice(&stream.push(Bytes::copy_from_slice(piece)));
        rest = after;
    }
    clean.extend_from_slice(&stream.finish());
    clean
}

fn show(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
