//! What is looked for: a token and its halves in every form in which it may be said back.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use aho_corasick::AhoCorasick;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD};

/// The shortest part of a token that is looked for, in bytes.
const SHORTEST: usize = 16;

/// The texts that stand for `token`, with the name of each form; as a server would write them.
pub(crate) fn forms(token: &str) -> Vec<(&'static str, String)> {
    let base64 = |offset: usize| "x".repeat(offset) + token;
    vec![
        ("plain", token.to_owned()),
        ("reserved characters in percent", token.replace(':', "%3A")),
        ("percent", each(token, |byte| format!("%{byte:02X}"))),
        ("hexadecimal", hex::encode(token)),
        ("base64 at 0", STANDARD_NO_PAD.encode(base64(0))),
        ("base64 at 1", STANDARD_NO_PAD.encode(base64(1))),
        ("base64 at 2", STANDARD_NO_PAD.encode(base64(2))),
        ("base64 of URLs at 0", URL_SAFE_NO_PAD.encode(base64(0))),
        ("base64 of URLs at 1", URL_SAFE_NO_PAD.encode(base64(1))),
        ("base64 of URLs at 2", URL_SAFE_NO_PAD.encode(base64(2))),
        ("decimal entities", each(token, |byte| format!("&#{byte};"))),
        ("hexadecimal entities", each(token, |byte| format!("&#x{byte:x};"))),
    ]
}

/// The characters of `token` as escapes of JSON.
pub(crate) fn unicode(token: &str) -> String {
    each(token, |byte| format!("\\u{byte:04x}"))
}

fn each(token: &str, form: impl Fn(u8) -> String) -> String {
    token.bytes().fold(String::new(), |mut all, byte| {
        write!(all, "{}", form(byte)).unwrap();
        all
    })
}

/// The forms of a text without what its neighbours decide.
fn searched(text: &str) -> Vec<(&'static str, String)> {
    let mut all = forms(text);
    all.push(("escapes of JSON", unicode(text)));
    for (name, form) in &mut all {
        if let Some(offset) = name.strip_prefix("base64").and_then(|rest| rest.rsplit(' ').next()) {
            let offset: usize = offset.parse().unwrap();
            let after = usize::from(!(text.len() + offset).is_multiple_of(3));
            *form = form[[0, 2, 3][offset]..form.len() - after].to_owned();
        }
    }
    all
}

/// Looks for texts, letter case apart.
pub(crate) struct Needles {
    names: Vec<String>,
    search: AhoCorasick,
}

impl Needles {
    /// Tokens, and halves of them.
    pub(crate) fn of_tokens(tokens: &[&str]) -> Self {
        let mut needles = Vec::new();
        for token in tokens {
            let (first, second) = token.split_at(token.len() / 2);
            for (part, text) in [("all", *token), ("the first half", first), ("the second half", second)] {
                assert!(text.len() >= SHORTEST, "{part} of a token is too short to be looked for");
                let named = searched(text).into_iter();
                needles.extend(named.map(|(name, form)| (format!("{part} of {token:.18}: {name}"), form)));
            }
        }
        Self::of(needles)
    }

    /// One text in its forms, whole.
    pub(crate) fn of_decoy(decoy: &str) -> Self {
        Self::of(searched(decoy).into_iter().map(|(name, form)| (name.to_owned(), form)).collect())
    }

    pub(crate) fn of_text(text: &str) -> Self {
        Self::of(vec![(text.to_owned(), text.to_owned())])
    }

    fn of(needles: Vec<(String, String)>) -> Self {
        let (names, forms): (Vec<_>, Vec<_>) = needles.into_iter().unzip();
        let search = AhoCorasick::builder().ascii_case_insensitive(true).build(forms).unwrap();
        Self { names, search }
    }

    /// The names of all that there are.
    pub(crate) fn names(&self) -> BTreeSet<&str> {
        self.names.iter().map(String::as_str).collect()
    }

    /// The names of those that stand in `bytes`.
    pub(crate) fn within(&self, bytes: &[u8]) -> BTreeSet<&str> {
        let found = self.search.find_overlapping_iter(bytes);
        found.map(|found| self.names[found.pattern().as_usize()].as_str()).collect()
    }
}
