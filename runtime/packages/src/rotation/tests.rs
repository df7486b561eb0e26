//! Tests of key rotation.

use proptest::prelude::*;

use super::*;
use crate::testing::{signed, trust};
use crate::{Publisher, Withdrawn, sign};

fn date() -> Date {
    "2026-11-26".parse().unwrap()
}

/// The old key, its trust, a new key, and the old key's rotation number 1 to it.
fn rotated() -> (SecretKey, Trust, SecretKey, String) {
    let (old, new) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap());
    let text = make("acme", 1, date(), &old, &new.public().unwrap()).unwrap();
    let trust = trust(&old);
    (old, trust, new, text)
}

fn refused(text: &[u8], trust: &Trust, code: &str) {
    let refusal = verify(text, trust).expect_err(code);
    assert_eq!(refusal.code(), code, "{refusal}");
}

#[test]
fn a_rotation_reads_back_and_pins_the_new_key_behind_the_old_one() {
    let (old, mut trust, new, text) = rotated();
    let (old, new) = (old.public().unwrap(), new.public().unwrap());
    let offline = SecretKey::generate().unwrap().public().unwrap();
    trust.publishers[0].keys.push(offline);
    let verified = verify(text.as_bytes(), &trust).unwrap();
    let expected = Rotation { publisher: "acme".to_owned(), number: 1, date: date(), old, new };
    assert_eq!(*verified.rotation(), expected);
    assert!(text.contains(&format!("\nold-key {old}\nnew-key {new}\n")), "{text}");
    verified.apply(&mut trust);
    assert_eq!(trust.publishers[0].keys, [old, new, offline]);
    assert!(
        !trust.may_revoke("acme", &new, &offline),
        "the new key gains nothing over a key behind the old one"
    );
    assert!(trust.may_revoke("acme", &new, &old) && !trust.may_revoke("acme", &old, &new));
}

#[test]
fn both_keys_sign_after_a_rotation() {
    let (old, bytes, signature) = signed();
    let new = SecretKey::generate().unwrap();
    let mut trust = trust(&old);
    let theirs = sign(&bytes, &new).unwrap();
    assert!(crate::verify(bytes.clone(), &theirs, &trust).is_err());
    let text = make("acme", 1, date(), &old, &new.public().unwrap()).unwrap();
    verify(text.as_bytes(), &trust).unwrap().apply(&mut trust);
    assert_eq!(crate::verify(bytes.clone(), &theirs, &trust).unwrap().publisher(), "acme");
    crate::verify(bytes, &signature, &trust).unwrap();
}

#[test]
fn every_changed_bit_and_every_cut_is_refused() {
    let (_, trust, _, text) = rotated();
    let text = text.into_bytes();
    for bit in 0..text.len() * 8 {
        let mut altered = text.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&altered, &trust).is_err(), "bit {bit} was accepted");
    }
    for at in 0..text.len() {
        assert!(verify(&text[..at], &trust).is_err(), "cut at {at} it was accepted");
    }
    for more in ["\n", "x", " ", "number 2\n"] {
        assert!(verify(&[&text, more.as_bytes()].concat(), &trust).is_err(), "{more:?} was accepted");
    }
}

#[test]
fn only_a_pinned_key_of_that_publisher_that_counts_rotates() {
    let (old, trust, new, text) = rotated();
    refused(text.as_bytes(), &Trust::default(), "unknown-key");
    let mut renamed = trust.clone();
    renamed.publishers[0].name = "other".to_owned();
    refused(text.as_bytes(), &renamed, "unknown-key");
    let mut revoked = trust.clone();
    revoked.revoked_keys.insert(old.public().unwrap());
    refused(text.as_bytes(), &revoked, "revoked-key");
    let mut withdrawn = trust.clone();
    let keys = [old.public().unwrap()].into();
    withdrawn.withdrawn.insert("acme".to_owned(), Withdrawn { keys, ..Withdrawn::default() });
    refused(text.as_bytes(), &withdrawn, "revoked-key");
    // A key of another one's number is another key.
    let forger = SecretKey::generate().unwrap().with_number(old.public().unwrap().id());
    let imitation = make("acme", 1, date(), &forger, &new.public().unwrap()).unwrap();
    refused(imitation.as_bytes(), &trust, "unknown-key");
    let claimed =
        imitation.replace(&forger.public().unwrap().to_string(), &old.public().unwrap().to_string());
    refused(claimed.as_bytes(), &trust, "altered");
}

#[test]
fn a_number_counts_once_and_for_its_key_alone() {
    let (old, mut trust, new, text) = rotated();
    verify(text.as_bytes(), &trust).unwrap().apply(&mut trust);
    let again = make("acme", 1, date(), &old, &SecretKey::generate().unwrap().public().unwrap()).unwrap();
    refused(again.as_bytes(), &trust, "old-number");
    let third = SecretKey::generate().unwrap().public().unwrap();
    let next = make("acme", 2, date(), &old, &third).unwrap();
    verify(next.as_bytes(), &trust).unwrap();
    let by_new = make("acme", 1, date(), &new, &third).unwrap();
    verify(by_new.as_bytes(), &trust).unwrap().apply(&mut trust);
    assert_eq!(trust.publishers[0].keys[2], third);
    // Also after the admin took the new key out again.
    trust.publishers[0].keys.truncate(1);
    refused(text.as_bytes(), &trust, "old-number");
}

#[test]
fn the_new_key_must_be_new_and_not_revoked() {
    let (old, trust, new, text) = rotated();
    let key = new.public().unwrap();
    let mut revoked = trust.clone();
    revoked.revoked_keys.insert(key);
    refused(text.as_bytes(), &revoked, "bad-new-key");
    let mut elsewhere = trust.clone();
    let publisher = Publisher { name: "other".to_owned(), keys: vec![key], prefixes: vec![] };
    elsewhere.publishers.push(publisher);
    refused(text.as_bytes(), &elsewhere, "bad-new-key");
    // Another publisher cannot stop it by listing the key as its own.
    let mut mallory = trust.clone();
    let withdrawn = Withdrawn { keys: [key].into(), ..Withdrawn::default() };
    mallory.withdrawn.insert("mallory".to_owned(), withdrawn.clone());
    verify(text.as_bytes(), &mallory).unwrap();
    mallory.withdrawn.insert("acme".to_owned(), withdrawn);
    refused(text.as_bytes(), &mallory, "bad-new-key");
    // Nor is the same secret under another number a new key.
    let same = old.with_number("0123456789ABCDEF".parse().unwrap()).public().unwrap();
    for same in [same, old.public().unwrap()] {
        assert!(make("acme", 1, date(), &old, &same).is_err());
    }
}

#[test]
fn what_does_not_do_is_not_made() {
    let (old, new) = (SecretKey::generate().unwrap(), SecretKey::generate().unwrap().public().unwrap());
    assert!(make("", 1, date(), &old, &new).is_err());
    assert!(make("acme\nnumber 9", 1, date(), &old, &new).is_err());
    assert!(make("acme", 0, date(), &old, &new).is_err());
    assert!(make("acme", u64::MAX, date(), &old, &new).is_ok());
}

#[test]
fn other_texts_are_told_apart() {
    let (_, trust, _, text) = rotated();
    refused(b"", &trust, "not-a-statement");
    refused(b"openpact revocation list 1\n", &trust, "not-a-statement");
    refused(text.replace("rotation 1", "rotation 2").as_bytes(), &trust, "not-a-statement");
    refused(text.replace('\n', "\r\n").as_bytes(), &trust, "not-canonical");
    refused(text.replace("number 1", "number 01").as_bytes(), &trust, "not-canonical");
    refused(text.replace("number 1", "number 2").as_bytes(), &trust, "altered");
    refused(text.replace("statement\n", "component\n").as_bytes(), &trust, "not-canonical");
    refused("x".repeat(2_000_000).as_bytes(), &trust, "not-canonical");
}

proptest! {
    #[test]
    fn random_texts_never_panic(lines in proptest::collection::vec("(publisher |number |date |old-key |untrusted comment: )[ -~]{0,60}", 0..9)) {
        let text = format!("openpact key rotation 1\n{}", lines.join("\n"));
        prop_assert!(read(text.as_bytes()).is_err());
    }
}
