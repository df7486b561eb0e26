//! Trust: the publishers that an admin pinned, and what is revoked. Nothing in a package is ever a source of trust.

use std::collections::BTreeSet;

use openpact_model::id::{ComponentName, Digest};

use crate::key::{KeyId, PublicKey};

/// A publisher whom an admin pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Its name; the manifest must state the same.
    pub name: String,
    /// Its keys; each of them may sign.
    pub keys: Vec<PublicKey>,
    /// The names that it may publish: `acme` stands for `acme` and everything that starts with `acme-`, `acme-` for
    /// the latter alone, `*` for every name. Empty: none.
    pub prefixes: Vec<String>,
}

impl Publisher {
    /// Whether it may publish a component of this name.
    pub fn may_publish(&self, name: &ComponentName) -> bool {
        self.prefixes.iter().any(|prefix| covers(prefix, name.as_str()))
    }

    /// The names that it may publish, for people.
    pub fn names(&self) -> String {
        match self.prefixes.as_slice() {
            [] => "no name at all".to_owned(),
            prefixes => prefixes.join(", "),
        }
    }
}

/// Whether `prefix` covers `name`. A prefix ends where a word ends, so that `web` does not cover `webhook`.
fn covers(prefix: &str, name: &str) -> bool {
    if prefix == "*" {
        return true;
    }
    match name.strip_prefix(prefix) {
        _ if prefix.is_empty() => false,
        None => false,
        Some("") => true,
        Some(rest) => prefix.ends_with('-') || rest.starts_with('-'),
    }
}

/// Whom this installation trusts. The default trusts nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The pinned publishers.
    pub publishers: Vec<Publisher>,
    /// Keys that count no more, whoever pinned them.
    pub revoked_keys: BTreeSet<KeyId>,
    /// Packages that do not run any more, whoever signed them.
    pub revoked_digests: BTreeSet<Digest>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_ends_where_a_word_ends() {
        let check = |prefix: &str, name: &str, expected: bool| {
            let publisher =
                Publisher { name: "acme".into(), keys: vec![], prefixes: vec![prefix.to_owned()] };
            assert_eq!(publisher.may_publish(&name.parse().unwrap()), expected, "{prefix} and {name}");
        };
        check("web", "web", true);
        check("web", "web-search", true);
        check("web", "webhook", false);
        check("web-", "web-search", true);
        check("web-", "web", false);
        check("web-search", "web", false);
        check("*", "anything", true);
        check("", "anything", false);
        check("we*", "web", false);
    }

    #[test]
    fn without_prefixes_there_is_no_name() {
        let publisher = Publisher { name: "acme".into(), keys: vec![], prefixes: vec![] };
        assert!(!publisher.may_publish(&"acme".parse().unwrap()));
        assert_eq!(publisher.names(), "no name at all");
    }
}
