//! The redactor, against a naive search and cut at every place.

#![expect(clippy::unwrap_used, reason = "a helper of tests may fail as loudly as a test")]

use std::collections::BTreeMap;

use bytes::Bytes;
use openpact_egress::redact::{Redactor, Scope};
use openpact_model::secret::{SecretEntry, SecretSnapshot, SecretValue};
use proptest::prelude::*;
use serde_json::json;

fn snapshot(secrets: &[(&str, &str, &[&str])]) -> SecretSnapshot {
    let entries: BTreeMap<_, _> = secrets
        .iter()
        .map(|(name, value, principals)| {
            let principals = principals.iter().map(|text| text.parse().unwrap()).collect();
            (name.parse().unwrap(), SecretEntry::new(SecretValue::new((*value).to_owned()), principals))
        })
        .collect();
    SecretSnapshot { generation: 1, entries }
}

#[test]
fn a_text_loses_the_value_and_keeps_the_rest() {
    let redactor = Redactor::new(&snapshot(&[("KEY", "0123456789abcdef", &[])]), Scope::All);
    assert_eq!(redactor.redact("a 0123456789ABCDEF b"), "a [REDACTED:KEY] b");
    assert_eq!(redactor.redact("ü0123456789abcdefü"), "ü[REDACTED:KEY]ü");
    let clean = redactor.redact("nothing in here");
    assert!(matches!(clean, std::borrow::Cow::Borrowed("nothing in here")), "no copy");
}

#[test]
fn sixteen_bytes_are_looked_for_and_fifteen_are_not() {
    let redactor = Redactor::new(
        &snapshot(&[("A", "sixteen-bytes-xx", &[]), ("B", "fifteen-bytes-x", &[])]),
        Scope::All,
    );
    assert_eq!(redactor.redact("sixteen-bytes-xx fifteen-bytes-x"), "[REDACTED:A] fifteen-bytes-x");
    assert!(Redactor::new(&snapshot(&[("B", "fifteen-bytes-x", &[])]), Scope::All).is_empty());
}

#[test]
fn a_scope_holds_its_own_secrets_and_those_of_the_runtime() {
    let all = snapshot(&[
        ("OWN", "own-secret-of-component", &["component:web"]),
        ("RUN", "the-runtime's-own-secret", &["runtime"]),
        ("OTHER", "somebody-else's-secret", &["component:other"]),
        ("NOBODY", "a-secret-bound-to-nobody", &[]),
    ]);
    let text =
        "own-secret-of-component the-runtime's-own-secret somebody-else's-secret a-secret-bound-to-nobody";
    let web = "component:web".parse().unwrap();
    assert_eq!(
        Redactor::new(&all, Scope::Principal(&web)).redact(text),
        "[REDACTED:OWN] [REDACTED:RUN] somebody-else's-secret a-secret-bound-to-nobody"
    );
    assert_eq!(
        Redactor::new(&all, Scope::All).redact(text),
        "[REDACTED:OWN] [REDACTED:RUN] [REDACTED:OTHER] [REDACTED:NOBODY]"
    );
}

#[test]
fn json_is_clean_in_values_names_and_numbers() {
    let redactor = Redactor::new(
        &snapshot(&[("KEY", "quote\"and\\slash/here", &[]), ("DIGITS", "1234567890123456", &[])]),
        Scope::All,
    );
    let value = "quote\"and\\slash/here";
    let inner = serde_json::to_string(&json!({ "inner": value })).unwrap();
    let mut document = json!({
        "a": format!("x{value}y"),
        "b": [null, true, 5, 1_234_567_890_123_456_u64, { value: 1, "text": inner }],
    });
    redactor.redact_json(&mut document);
    assert_eq!(
        document,
        json!({
            "a": "x[REDACTED:KEY]y",
            "b": [null, true, 5, "[REDACTED:DIGITS]", { "[REDACTED:KEY]": 1, "text": "{\"inner\":\"[REDACTED:KEY]\"}" }],
        })
    );
}

#[test]
fn the_longest_of_two_values_is_taken_out_wherever_the_text_is_cut() {
    let short = "a-common-beginning";
    let long = "a-common-beginning-and-more";
    let redactor = Redactor::new(&snapshot(&[("SHORT", short, &[]), ("LONG", long, &[])]), Scope::All);
    let text = format!("{short}-and-les {long} {short}{long}");
    let expected = "[REDACTED:SHORT]-and-les [REDACTED:LONG] [REDACTED:SHORT][REDACTED:LONG]";
    assert_eq!(redactor.redact(&text), expected);
    for cut in 0..=text.len() {
        let mut stream = redactor.stream();
        let mut clean = stream.push(Bytes::copy_from_slice(&text.as_bytes()[..cut])).to_vec();
        clean.extend_from_slice(&stream.push(Bytes::copy_from_slice(&text.as_bytes()[cut..])));
        clean.extend_from_slice(&stream.finish());
        assert_eq!(String::from_utf8(clean).unwrap(), expected, "cut at {cut}");
    }
}

#[test]
fn the_debug_form_shows_no_value() {
    let redactor = Redactor::new(&snapshot(&[("KEY", "0123456789abcdef", &[])]), Scope::All);
    let mut stream = redactor.stream();
    stream.push(Bytes::from_static(b"0123456789"));
    let shown = format!("{redactor:?} {stream:?}");
    assert!(!shown.contains("0123456789"), "{shown}");
}

/// Values over few letters, so that they overlap, repeat themselves, and begin alike.
fn values() -> impl Strategy<Value = Vec<String>> {
    proptest::collection::vec("[ab]{16,20}", 1..4)
}

/// The leftmost match, of those the longest, one after another: by trying every place.
fn naive(text: &[u8], values: &[String]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < text.len() {
        let found = values
            .iter()
            .enumerate()
            .filter(|(_, value)| text[at..].to_ascii_lowercase().starts_with(value.as_bytes()))
            .max_by_key(|(place, value)| (value.len(), std::cmp::Reverse(*place)));
        if let Some((place, value)) = found {
            out.extend_from_slice(format!("[REDACTED:S{place}]").as_bytes());
            at += value.len();
        } else {
            out.push(text[at]);
            at += 1;
        }
    }
    out
}

proptest! {
    #[test]
    fn any_cutting_gives_what_a_naive_search_gives(
        values in values(),
        noise in "[abAB]{0,60}",
        order in proptest::collection::vec(any::<proptest::sample::Index>(), 0..4),
        sizes in proptest::collection::vec(0_usize..9, 1..80),
    ) {
        let names: Vec<String> = (0..values.len()).map(|place| format!("S{place}")).collect();
        let secrets: Vec<(&str, &str, &[&str])> =
            names.iter().zip(&values).map(|(name, value)| (name.as_str(), value.as_str(), &[][..])).collect();
        let redactor = Redactor::new(&snapshot(&secrets), Scope::All);
        let mut text = noise.clone();
        for place in order {
            text.push_str(&values[place.index(values.len())]);
            text.push_str(&noise[..place.index(noise.len() + 1)]);
        }
        let text = text.into_bytes();
        let expected = String::from_utf8(naive(&text, &values)).unwrap();
        prop_assert_eq!(redactor.redact(std::str::from_utf8(&text).unwrap()), expected.as_str());

        let mut stream = redactor.stream();
        let (mut clean, mut rest) = (Vec::new(), &text[..]);
        for size in sizes.iter().cycle() {
            let (piece, after) = rest.split_at((*size).min(rest.len()));
            clean.extend_from_slice(&stream.push(Bytes::copy_from_slice(piece)));
            rest = after;
            if rest.is_empty() || sizes.iter().all(|size| *size == 0) {
                break;
            }
        }
        clean.extend_from_slice(&stream.push(Bytes::copy_from_slice(rest)));
        clean.extend_from_slice(&stream.finish());
        prop_assert_eq!(String::from_utf8(clean).unwrap(), expected);
    }

    #[test]
    fn what_is_held_back_could_be_the_start_of_a_value(text in "[a-z ]{0,80}", at in 1_usize..16) {
        let value = "0123456789abcdef";
        let redactor = Redactor::new(&snapshot(&[("KEY", value, &[])]), Scope::All);
        let mut stream = redactor.stream();
        // No form of the value holds a space: everything up to one passes at once and whole.
        let text = format!("{text} ");
        prop_assert_eq!(&stream.push(Bytes::from(text.clone()))[..], text.as_bytes());
        // The start of the value does not.
        let piece = value[..at].to_owned();
        let passed = stream.push(Bytes::from(piece.clone()));
        prop_assert!(!passed.ends_with(piece.as_bytes()));
    }
}
