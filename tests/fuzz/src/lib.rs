//! What is read from outside, put to arbitrary bytes: one plain function for each target. It panics where a promise is
//! broken. `tests/gate.rs` runs the corpus and a fixed number of seeded mutations of it; `tests/fuzz.sh` lets libFuzzer
//! look for more.
#![expect(clippy::unwrap_used, reason = "a target panics where a promise is broken")]

mod manifest;
pub mod mutate;
mod redactor;
mod rule;
mod signature;
mod url;

pub use self::manifest::manifest;
pub use self::redactor::redactor;
pub use self::rule::rule;
pub use self::signature::signature;
pub use self::url::url;

/// A target.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, which is that of its folder in `corpus`.
    pub name: &'static str,
    /// What takes the bytes.
    pub run: fn(&[u8]),
    /// Words of its language, for mutations.
    pub words: &'static [&'static str],
}

/// All of them.
pub const TARGETS: [Target; 5] = [
    Target { name: "manifest", run: manifest, words: manifest::WORDS },
    Target { name: "signature", run: signature, words: signature::WORDS },
    Target { name: "rule", run: rule, words: rule::WORDS },
    Target { name: "redactor", run: redactor, words: redactor::WORDS },
    Target { name: "url", run: url, words: url::WORDS },
];
