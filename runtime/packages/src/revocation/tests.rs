//! Tests of revocation lists: who may revoke what, and what a damaged, old or foreign list changes, which is nothing.

use proptest::prelude::*;

use super::*;
use crate::testing::{package, trust};
use crate::{Publisher, Refusal as PackageRefusal, sign};

/// A publisher `acme` with an everyday key, a newer one, and one that is kept for emergencies, pinned in this order.
struct Acme {
    first: SecretKey,
    second: SecretKey,
    offline: SecretKey,
    trust: Trust,
}

impl Acme {
    fn new() -> Self {
        let [first, second, offline] = [(); 3].map(|()| SecretKey::generate().unwrap());
        let mut trust = trust(&first);
        trust.publishers[0].keys.extend([second.public().unwrap(), offline.public().unwrap()]);
        Self { first, second, offline, trust }
    }

    fn verify(&self, text: &str) -> Result<Verified, Refusal> {
        verify(text.as_bytes(), &self.trust)
    }

    fn take(&mut self, text: &str) {
        self.verify(text).unwrap().apply(&mut self.trust);
    }

    fn refused(&self, text: &str, code: &str) {
        let refusal = self.verify(text).expect_err(code);
        assert_eq!(refusal.code(), code, "{refusal}");
    }

    /// Why the small package signed with `key` does not run; `None` where it does.
    fn package(&self, key: &SecretKey) -> Option<PackageRefusal> {
        let bytes = package();
        let signature = sign(&bytes, key).unwrap();
        crate::verify(bytes, &signature, &self.trust).err()
    }

    fn runs(&self, key: &SecretKey) -> bool {
        self.package(key).is_none()
    }
}

fn list(key: &SecretKey, number: u64) -> List {
    List {
        publisher: "acme".to_owned(),
        number,
        issued: "2026-11-26".parse().unwrap(),
        key: key.public().unwrap(),
        keys: BTreeMap::new(),
        packages: BTreeMap::new(),
    }
}

/// A list by `key` that revokes these keys.
fn of_keys(key: &SecretKey, number: u64, keys: &[&SecretKey]) -> String {
    let keys = keys.iter().map(|key| (key.public().unwrap(), "it was stolen".to_owned())).collect();
    make(&List { keys, ..list(key, number) }, key).unwrap()
}

/// A list by `key` that revokes the small package.
fn of_package(key: &SecretKey, number: u64) -> String {
    let packages = [(Digest::of(&package()), "it sends mail to others".to_owned())].into();
    make(&List { packages, ..list(key, number) }, key).unwrap()
}

#[test]
fn a_list_reads_back_and_what_it_revokes_does_not_run() {
    let mut acme = Acme::new();
    assert!(acme.runs(&acme.first) && acme.runs(&acme.second));
    let text = of_keys(&acme.second, 1, &[&acme.first]);
    let first = acme.first.public().unwrap();
    assert!(text.contains(&format!("\nrevoke-key {first} it was stolen\n")), "{text}");
    let verified = acme.verify(&text).unwrap();
    assert_eq!(verified.list().keys[&first], "it was stolen");
    verified.apply(&mut acme.trust);
    let id = first.id();
    assert_eq!(acme.package(&acme.first), Some(PackageRefusal::RevokedKey { key: id }));
    assert!(acme.runs(&acme.second), "the other keys go on");

    let mut acme = Acme::new();
    let text = of_package(&acme.second, 1);
    acme.take(&text);
    let digest = Digest::of(&package());
    for key in [&acme.first, &acme.second] {
        assert_eq!(
            acme.package(key),
            Some(PackageRefusal::RevokedDigest { digest }),
            "whoever of them signed it"
        );
    }
}

#[test]
fn a_key_revokes_itself_and_those_before_it_never_one_behind_it() {
    let acme = Acme::new();
    let Acme { first, second, offline, .. } = &acme;
    for (signer, keys, allowed) in [
        (first, &[first][..], true),
        (second, &[first], true),
        (second, &[second, first], true),
        (offline, &[first, second, offline], true),
        (first, &[second], false),
        (first, &[first, second], false),
        (first, &[offline], false),
        (second, &[first, offline], false),
    ] {
        let verified = acme.verify(&of_keys(signer, 1, keys));
        match verified {
            Ok(_) => assert!(allowed),
            Err(refusal) => {
                assert!(!allowed, "{refusal}");
                assert_eq!(refusal.code(), "not-its-to-revoke");
            }
        }
    }
}

#[test]
fn a_stolen_key_is_taken_down_by_its_successor_and_takes_down_nobody() {
    let mut acme = Acme::new();
    // The thief of the first key strikes first, with the highest number that there is.
    acme.refused(&of_keys(&acme.first, u64::MAX, &[&acme.second]), "not-its-to-revoke");
    assert!(acme.runs(&acme.second));
    acme.take(&of_keys(&acme.second, 1, &[&acme.first]));
    assert!(!acme.runs(&acme.first));
    // From then on the stolen key decides nothing, not even about itself or packages.
    for text in [
        of_keys(&acme.first, 1, &[&acme.second]),
        of_keys(&acme.first, 2, &[&acme.first]),
        of_package(&acme.first, 3),
    ] {
        acme.refused(&text, "revoked-key");
    }
    let next = SecretKey::generate().unwrap().public().unwrap();
    let date = "2026-11-26".parse().unwrap();
    let rotation = crate::rotation::make("acme", 1, date, &acme.first, &next).unwrap();
    assert_eq!(crate::rotation::verify(rotation.as_bytes(), &acme.trust).unwrap_err().code(), "revoked-key");
}

#[test]
fn nothing_brings_back_what_was_revoked() {
    let mut acme = Acme::new();
    acme.take(&of_keys(&acme.second, 1, &[&acme.first]));
    // A later list that leaves it out adds, and takes nothing back.
    acme.take(&of_package(&acme.offline, 1));
    let other = SecretKey::generate().unwrap();
    acme.take(&of_keys(&acme.second, 2, &[&other]));
    assert!(matches!(acme.package(&acme.first), Some(PackageRefusal::RevokedKey { .. })));
}

#[test]
fn an_old_list_is_refused_and_numbers_are_counted_for_each_key() {
    let mut acme = Acme::new();
    let other = SecretKey::generate().unwrap();
    let early = of_keys(&acme.second, 1, &[&acme.first]);
    acme.take(&of_package(&acme.second, 7));
    for number in [1, 6, 7] {
        acme.refused(&of_keys(&acme.second, number, &[&other]), "old-number");
    }
    acme.refused(&early, "old-number");
    acme.verify(&of_keys(&acme.second, 8, &[&other])).unwrap();
    acme.verify(&of_keys(&acme.offline, 1, &[&other])).unwrap();
    // A thief who uses up all numbers does not keep the owner from revoking the stolen key with itself.
    acme.take(&of_keys(&acme.first, u64::MAX, &[&other]));
    acme.refused(&of_package(&acme.first, 1), "old-number");
    acme.take(&of_keys(&acme.first, 1, &[&acme.first]));
    assert!(!acme.runs(&acme.first));
    assert_eq!(acme.trust.lists[&acme.first.public().unwrap()], u64::MAX, "numbers only go up");
}

#[test]
fn a_publisher_revokes_for_itself_alone() {
    let mut acme = Acme::new();
    let mallory = SecretKey::generate().unwrap();
    let keys = vec![mallory.public().unwrap()];
    acme.trust.publishers.push(Publisher { name: "mallory".into(), keys, prefixes: vec!["*".into()] });
    // Not in the other's name.
    acme.refused(&of_keys(&mallory, 1, &[&acme.first]), "unknown-key");
    acme.refused(&of_package(&mallory, 1), "unknown-key");
    // In its own name it can state what it likes: it holds for its own keys and packages.
    let keys = [(acme.first.public().unwrap(), "mine".to_owned())].into();
    let packages = [(Digest::of(&package()), "mine".to_owned())].into();
    let theirs = List { publisher: "mallory".into(), keys, packages, ..list(&mallory, 1) };
    acme.take(&make(&theirs, &mallory).unwrap());
    assert!(acme.runs(&acme.first));
    // A key that both have pinned stays the other's.
    let mut shared = acme.trust.clone();
    shared.publishers[1].keys.insert(0, acme.first.public().unwrap());
    let keys = [(acme.first.public().unwrap(), "mine".to_owned())].into();
    let theirs = List { publisher: "mallory".into(), keys, ..list(&mallory, 2) };
    verify(make(&theirs, &mallory).unwrap().as_bytes(), &shared).unwrap().apply(&mut shared);
    assert!(shared.is_revoked("mallory", &acme.first.public().unwrap()));
    acme.trust = shared;
    assert!(acme.runs(&acme.first));
}

#[test]
fn a_key_that_is_revoked_before_it_is_pinned_does_not_count_then() {
    let mut acme = Acme::new();
    let next = SecretKey::generate().unwrap();
    acme.take(&of_keys(&acme.second, 1, &[&next]));
    acme.trust.publishers[0].keys.push(next.public().unwrap());
    assert!(matches!(acme.package(&next), Some(PackageRefusal::RevokedKey { .. })));
}

#[test]
fn a_key_of_the_same_number_neither_revokes_nor_is_revoked() {
    let mut acme = Acme::new();
    let forger = SecretKey::generate().unwrap().with_number(acme.second.public().unwrap().id());
    acme.refused(&of_keys(&forger, 1, &[&acme.first]), "unknown-key");
    acme.take(&of_keys(&acme.offline, 1, &[&forger]));
    assert!(acme.runs(&acme.second), "revoking the forger's key does not touch the good one");
    // And the same secret under another number is the same key.
    let disguised = acme.second.with_number("0123456789ABCDEF".parse().unwrap());
    acme.refused(&of_keys(&acme.first, 1, &[&disguised]), "not-its-to-revoke");
    acme.take(&of_keys(&acme.offline, 2, &[&disguised]));
    assert!(!acme.runs(&acme.second));
}

#[test]
fn every_changed_bit_and_every_cut_is_refused_and_changes_nothing() {
    let acme = Acme::new();
    let digest = Digest::of(&package());
    let keys = [(acme.first.public().unwrap(), "stolen".to_owned())].into();
    let both = List { keys, packages: [(digest, "bad".to_owned())].into(), ..list(&acme.second, 1) };
    let text = make(&both, &acme.second).unwrap().into_bytes();
    let before = acme.trust.clone();
    for bit in 0..text.len() * 8 {
        let mut altered = text.clone();
        altered[bit / 8] ^= 1 << (bit % 8);
        assert!(verify(&altered, &acme.trust).is_err(), "bit {bit} was accepted");
    }
    for at in 0..text.len() {
        assert!(verify(&text[..at], &acme.trust).is_err(), "cut at {at} it was accepted");
    }
    // Every line is covered: without any of them, or with any of them twice, it is refused.
    let string = String::from_utf8(text).unwrap();
    let lines: Vec<_> = string.lines().collect();
    for at in 0..lines.len() {
        let without = [&lines[..at], &lines[at + 1..]].concat().join("\n") + "\n";
        let twice = [&lines[..=at], &lines[at..]].concat().join("\n") + "\n";
        for other in [without, twice] {
            assert!(acme.verify(&other).is_err(), "{other}");
        }
    }
    assert_eq!(acme.trust, before);
}

#[test]
fn what_does_not_do_is_not_made() {
    let key = SecretKey::generate().unwrap();
    let made = |list: &List| make(list, &key).map(|_| ());
    let with =
        |reason: &str| List { keys: [(key.public().unwrap(), reason.to_owned())].into(), ..list(&key, 1) };
    made(&with("stolen")).unwrap();
    made(&with(&"ü".repeat(300))).unwrap();
    for reason in ["", " ", " x", "x ", "a\nrevoke-key b", "a\rb", "a\u{202e}b", &"x".repeat(301)] {
        assert!(made(&with(reason)).is_err(), "{reason:?}");
    }
    assert!(made(&list(&key, 1)).is_err(), "it revokes nothing");
    assert!(made(&List { number: 0, ..with("x") }).is_err());
    assert!(made(&List { publisher: "Acme Inc".to_owned(), ..with("x") }).is_err());
    let other = SecretKey::generate().unwrap();
    assert!(make(&with("x"), &other).is_err(), "another key signs it");
    let packages = |many: u32| {
        let digests = (0..many).map(|number| (Digest::of(&number.to_le_bytes()), "x".repeat(300)));
        List { packages: digests.collect(), ..list(&key, 1) }
    };
    made(&packages(2_700)).unwrap();
    assert!(made(&packages(2_800)).is_err(), "more than a mebibyte");
}

#[test]
fn other_texts_are_told_apart() {
    let acme = Acme::new();
    let text = of_package(&acme.second, 1);
    acme.refused("", "not-a-statement");
    acme.refused("openpact key rotation 1\n", "not-a-statement");
    acme.refused(&text.replace('\n', "\r\n"), "not-canonical");
    acme.refused(&text.replace("number 1", "number 2"), "altered");
    let digest = Digest::of(&package()).to_string();
    acme.refused(&text.replace(&digest, &digest.to_uppercase()), "not-canonical");
    acme.refused(&text.replace("revoke-package", "revoke-publisher"), "not-canonical");
    // A signature over a package is none over a list, nor the other way round.
    let over_package = sign(text.as_bytes(), &acme.second).unwrap();
    let (body, _) = text.split_at(text.find("untrusted").unwrap());
    acme.refused(&format!("{body}{over_package}"), "not-canonical");
}

#[test]
fn every_refusal_has_its_own_code_and_message() {
    let key = SecretKey::generate().unwrap().public().unwrap().id();
    let what = "revocation list";
    let all = [
        Refusal::Other { what, first_line: "x" },
        Refusal::NotCanonical { what, why: "x" },
        Refusal::Altered { what, key },
        Refusal::UnknownKey { what, key, publisher: "x".to_owned() },
        Refusal::RevokedKey { what, key },
        Refusal::Old { what, number: 1, last: 2 },
        Refusal::NotItsToRevoke { signer: key, key },
        Refusal::NewKey { key, why: "x" },
    ];
    let codes: std::collections::BTreeSet<_> = all.iter().map(Refusal::code).collect();
    let messages: std::collections::BTreeSet<_> = all.iter().map(ToString::to_string).collect();
    assert_eq!((codes.len(), messages.len()), (all.len(), all.len()));
}

proptest! {
    #[test]
    fn random_texts_never_panic(lines in proptest::collection::vec("(publisher |number |issued |key |revoke-key |untrusted comment: )[ -~]{0,60}", 0..9)) {
        let text = format!("openpact revocation list 1\n{}", lines.join("\n"));
        prop_assert!(read(text.as_bytes()).is_err());
    }
}
