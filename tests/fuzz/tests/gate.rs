//! The corpus of each target, and a fixed number of seeded mutations of it: the same inputs on every machine.
#![expect(clippy::unwrap_used, reason = "a helper of tests may fail as loudly as a test")]

use std::fs;
use std::path::Path;

use openpact_fuzz::mutate::{Numbers, mutation};
use openpact_fuzz::{TARGETS, Target};

/// The inputs of a target's folder, in the order of their names.
fn corpus(name: &str) -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(name);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 3, "{name} has a corpus");
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

fn run(name: &str, mutations: usize) {
    let Target { run, words, .. } = TARGETS.into_iter().find(|target| target.name == name).unwrap();
    let corpus = corpus(name);
    for input in &corpus {
        run(input);
    }
    let mut numbers = Numbers::of(name.as_bytes());
    for _ in 0..mutations {
        let input = mutation(&mut numbers, &corpus, words);
        let shown = String::from_utf8_lossy(&input).into_owned();
        let held = std::panic::catch_unwind(|| run(&input)).is_ok();
        assert!(held, "{name}: {shown:?}, in hexadecimal {}", hex::encode(&input));
    }
}

#[test]
fn manifest() {
    run("manifest", 3000);
}

#[test]
fn signature() {
    run("signature", 3000);
}

#[test]
fn rule() {
    run("rule", 3000);
}

#[test]
fn redactor() {
    run("redactor", 500);
}

#[test]
fn url() {
    run("url", 10_000);
}

#[test]
fn mutations_are_the_same_every_time() {
    let corpus = [b"one".to_vec(), b"two".to_vec()];
    let ten = |seed: u64| -> Vec<Vec<u8>> {
        let mut numbers = Numbers::new(seed);
        (0..10).map(|_| mutation(&mut numbers, &corpus, &["word"])).collect()
    };
    assert_eq!(ten(1), ten(1));
    assert_ne!(ten(1), ten(2));
}
