//! Trust: the publishers that an admin pinned, and what is revoked. Nothing in a package is ever a source of trust.

use std::collections::{BTreeMap, BTreeSet};

use openpact_model::id::{ComponentName, Digest};

use crate::key::PublicKey;

/// A publisher whom an admin pinned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publisher {
    /// Its name; the manifest must state the same.
    pub name: String,
    /// Its keys; each of them may sign. The order counts: by a revocation list a key may revoke itself and those before
    /// it, never one behind it (see [`revocation`](crate::revocation)).
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
///
/// Keys are told apart by all of their bytes, never by their number alone, which whoever makes a key can choose.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// The pinned publishers. Several entries of one name are one publisher, whose keys stand in the order of the
    /// entries.
    pub publishers: Vec<Publisher>,
    /// Keys that the admin revoked: they count no more, whoever pinned them.
    pub revoked_keys: BTreeSet<PublicKey>,
    /// Packages that the admin revoked: they do not run any more, whoever signed them.
    pub revoked_digests: BTreeSet<Digest>,
    /// What publishers revoked by their lists, by the name of the publisher, and for it alone.
    pub withdrawn: BTreeMap<String, Withdrawn>,
    /// The highest number of a revocation list that was taken in from each key.
    pub lists: BTreeMap<PublicKey, u64>,
    /// The highest number of a key rotation that was confirmed from each key.
    pub rotations: BTreeMap<PublicKey, u64>,
}

/// What a publisher revoked.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Withdrawn {
    /// Keys that are no keys of this publisher any more.
    pub keys: BTreeSet<PublicKey>,
    /// Packages of this publisher that do not run any more.
    pub digests: BTreeSet<Digest>,
}

impl Trust {
    /// All keys of the publishers of this name, in their order.
    pub fn keys(&self, publisher: &str) -> impl Iterator<Item = &PublicKey> {
        self.publishers.iter().filter(move |known| known.name == publisher).flat_map(|known| &known.keys)
    }

    /// Whether `key` counts no more as a key of this publisher.
    pub fn is_revoked(&self, publisher: &str, key: &PublicKey) -> bool {
        let withdrawn = self.withdrawn.get(publisher).into_iter().flat_map(|withdrawn| &withdrawn.keys);
        self.revoked_keys.iter().chain(withdrawn).any(|revoked| revoked.is_same_pair(key))
    }

    /// Every key that somebody revoked.
    pub(crate) fn all_revoked(&self) -> impl Iterator<Item = &PublicKey> {
        self.revoked_keys.iter().chain(self.withdrawn.values().flat_map(|withdrawn| &withdrawn.keys))
    }

    /// Whether this publisher revoked the package with this digest.
    pub(crate) fn is_withdrawn(&self, publisher: &str, digest: &Digest) -> bool {
        self.withdrawn.get(publisher).is_some_and(|withdrawn| withdrawn.digests.contains(digest))
    }

    /// Whether a list that `signer` signed may revoke `key` for this publisher: itself, a key that stands before it, and
    /// one that is not pinned under this name.
    pub(crate) fn may_revoke(&self, publisher: &str, signer: &PublicKey, key: &PublicKey) -> bool {
        let place = |key: &PublicKey| self.keys(publisher).position(|known| known.is_same_pair(key));
        match (place(signer), place(key)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(signer), Some(key)) => key <= signer,
        }
    }
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
