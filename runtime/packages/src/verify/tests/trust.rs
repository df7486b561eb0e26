//! Who is trusted, with which key, and since when no more.

use super::*;

#[test]
fn a_publisher_speaks_for_itself_and_its_names_alone() {
    let (key, bytes, signature) = signed();
    let mut renamed = trust(&key);
    renamed.publishers[0].name = "other".to_owned();
    let refusal = verify(bytes.clone(), &signature, &renamed).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::PublisherMismatch { manifest, pinned, .. } if manifest == "acme" && pinned == "other")
    );

    let mut narrow = trust(&key);
    narrow.publishers[0].prefixes = vec!["acme".to_owned()];
    let refusal = verify(bytes.clone(), &signature, &narrow).unwrap_err();
    assert!(matches!(&refusal, Refusal::KeyNotAllowedForName { name, .. } if name == "web"), "{refusal:?}");
    narrow.publishers[0].prefixes.push("web".to_owned());
    verify(bytes.clone(), &signature, &narrow).unwrap();

    // Somebody else who is pinned does not sign as acme.
    let mallory = SecretKey::generate().unwrap();
    let mut both = trust(&key);
    both.publishers.push(Publisher {
        name: "mallory".to_owned(),
        keys: vec![mallory.public().unwrap()],
        prefixes: vec!["*".to_owned()],
    });
    let theirs = sign(&bytes, &mallory).unwrap();
    let refusal = verify(bytes, &theirs, &both).unwrap_err();
    assert!(
        matches!(&refusal, Refusal::PublisherMismatch { pinned, .. } if pinned == "mallory"),
        "{refusal:?}"
    );
}

#[test]
fn a_publisher_may_have_several_keys() {
    let (key, bytes, signature) = signed();
    let mut trust = trust(&key);
    trust.publishers[0].keys.insert(0, SecretKey::generate().unwrap().public().unwrap());
    let verified = verify(bytes.clone(), &signature, &trust).unwrap();
    assert_eq!(verified.key(), key.public().unwrap());
    assert_eq!(verified.imports(), ["wasi:cli/environment@0.2.3", "openpact:host/log@0.1.0"]);
    assert_eq!(verified.exports(), ["openpact:tool/tools@0.1.0"]);
    // One of them revoked leaves the others.
    let other = trust.publishers[0].keys[0];
    trust.revoked_keys.insert(other);
    verify(bytes, &signature, &trust).unwrap();
}

#[test]
fn revoked_keys_and_digests_are_refused() {
    let (key, bytes, signature) = signed();
    let public = key.public().unwrap();
    let (id, digest) = (public.id(), Digest::of(&bytes));
    let check = |revoke: &dyn Fn(&mut Trust), expected: Result<(), Refusal>| {
        let mut trust = trust(&key);
        revoke(&mut trust);
        assert_eq!(verify(bytes.clone(), &signature, &trust).map(|_| ()), expected);
    };
    let by = |publisher: &str, withdrawn: Withdrawn| {
        let publisher = publisher.to_owned();
        move |trust: &mut Trust| {
            trust.withdrawn.insert(publisher.clone(), withdrawn.clone());
        }
    };
    let this_key = Withdrawn { keys: [public].into(), ..Withdrawn::default() };
    let this_package = Withdrawn { digests: [digest].into(), ..Withdrawn::default() };
    let revoked_key = Err(Refusal::RevokedKey { key: id });
    let revoked_digest = Err(Refusal::RevokedDigest { digest });
    let unpinned = |trust: &mut Trust| {
        trust.publishers.clear();
        trust.revoked_keys.insert(public);
    };
    check(&|_| {}, Ok(()));
    check(&|trust| trust.revoked_keys = [public].into(), revoked_key.clone());
    check(&unpinned, revoked_key.clone());
    check(&by("acme", this_key.clone()), revoked_key);
    check(&|trust| trust.revoked_digests = [digest].into(), revoked_digest.clone());
    check(&by("acme", this_package.clone()), revoked_digest);
    // What another publisher revokes is its own affair.
    check(&by("mallory", this_key), Ok(()));
    check(&by("mallory", this_package), Ok(()));
}

#[test]
fn a_key_of_the_same_number_is_another_key() {
    let (key, bytes, signature) = signed();
    let public = key.public().unwrap();
    let forger = SecretKey::generate().unwrap().with_number(public.id());
    assert!(!forger.public().unwrap().is_same_pair(&public));
    let imitation = sign(&bytes, &forger).unwrap();
    let pinned = trust(&key);
    assert_eq!(verify(bytes.clone(), &imitation, &pinned).unwrap_err(), Refusal::Altered);

    // Pinned beside it, each signs for its own publisher.
    let mut both = pinned.clone();
    let keys = vec![forger.public().unwrap()];
    both.publishers.insert(0, Publisher { name: "mallory".into(), keys, prefixes: vec!["*".into()] });
    assert_eq!(verify(bytes.clone(), &signature, &both).unwrap().publisher(), "acme");
    assert!(matches!(verify(bytes.clone(), &imitation, &both), Err(Refusal::PublisherMismatch { .. })));

    // Revoking the forger's key leaves the other one alone, whoever does it and wherever it is pinned.
    for mut revoked in [pinned, both.clone()] {
        revoked.revoked_keys.insert(forger.public().unwrap());
        verify(bytes.clone(), &signature, &revoked).unwrap();
        let refusal = verify(bytes.clone(), &imitation, &revoked).unwrap_err();
        assert_eq!(refusal, Refusal::RevokedKey { key: public.id() });
    }
    // And the forger does not escape behind the number of a good key, nor a revoked key behind a forger's.
    both.revoked_keys.insert(public);
    assert!(matches!(verify(bytes.clone(), &signature, &both), Err(Refusal::RevokedKey { .. })));
    assert!(matches!(verify(bytes, &imitation, &both), Err(Refusal::PublisherMismatch { .. })));
}

#[test]
fn a_revoked_key_under_another_number_is_still_revoked() {
    let (key, bytes, _) = signed();
    let public = key.public().unwrap();
    let disguised = key.with_number("0123456789ABCDEF".parse().unwrap());
    let id = disguised.public().unwrap().id();
    assert!(disguised.public().unwrap().is_same_pair(&public) && id != public.id());
    let signature = sign(&bytes, &disguised).unwrap();
    let mut trust = trust(&disguised);
    verify(bytes.clone(), &signature, &trust).unwrap();
    trust.revoked_keys.insert(public);
    assert_eq!(verify(bytes, &signature, &trust).unwrap_err(), Refusal::RevokedKey { key: id });
}
