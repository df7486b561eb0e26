//! Revocation: the list of a publisher's keys and packages that count no more.
//!
//! ```text
//! openpact revocation list 1
//! publisher <name>
//! number <from 1 on, higher than those of this key's earlier lists>
//! issued <YYYY-MM-DD>
//! key <the public key that signs this, 56 characters>
//! revoke-key <public key> <reason, one line>
//! revoke-package <SHA-256 of the package, 64 hexadecimal digits> <reason, one line>
//! ```
//!
//! and the signature of a [`statement`]. First the keys, then the packages, each in the order of their
//! bytes and only once. A list states everything that its publisher revokes, but it only ever adds: what an earlier list
//! stated and this one leaves out stays revoked. Only the admin takes a revocation back, by hand. The date is the
//! publisher's word and is shown, never judged.
//!
//! # Who may revoke what
//!
//! 1. The admin, by hand: any key and any package, whoever signed it. That is no list.
//! 2. A list counts if the key that signs it is pinned for the publisher that it names, and neither the admin nor a list of
//!    that publisher revoked it. A revoked key decides nothing: it can neither bring itself back nor take others down.
//! 3. It may revoke its own key, the keys of the same publisher that were pinned before it, and keys that are not pinned
//!    (which then do not count if somebody pins them later under this publisher's name). If it names a key of the same
//!    publisher that was pinned behind its own, nothing of it counts. So a stolen key cannot take down its successor, nor a
//!    key that the admin pinned last for this case; the successor takes down the stolen key.
//! 4. It may revoke packages by their digest. That holds for packages that this publisher signs, and for no others.
//! 5. What it revokes, it revokes for its own publisher. A key that is pinned for another publisher as well still counts
//!    there, since nothing shows that who signed the list owns it.
//!
//! Numbers are counted for each key, so that who steals one key cannot use up the numbers of another. A list that revokes
//! its own key counts whatever its number is, since it is the last word of that key in any case: otherwise a thief could
//! use up the numbers and so keep the owner from revoking the stolen key.
//!
//! What is left to the admin: if the key that was pinned last is stolen and its owner has it no more, no list can revoke
//! it.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::str::FromStr;

use jiff::civil::Date;
use openpact_model::id::Digest;
use serde::Serialize;

use crate::error::Error;
use crate::key::{PublicKey, SecretKey};
use crate::statement::{self, Author, Fields, Form, Refusal};
use crate::trust::Trust;

const FORM: Form = Form { what: "revocation list", first_line: "openpact revocation list 1" };
const KEY: &str = "revoke-key ";
const PACKAGE: &str = "revoke-package ";

/// What a revocation list says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct List {
    /// The publisher.
    pub publisher: String,
    /// Its number among the lists of its key.
    pub number: u64,
    /// When it was made, as the publisher says.
    pub issued: Date,
    /// The key that signs it.
    pub key: PublicKey,
    /// The keys that it revokes, each with the reason.
    pub keys: BTreeMap<PublicKey, String>,
    /// The packages that it revokes, each with the reason.
    pub packages: BTreeMap<Digest, String>,
}

/// A list that counts here. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Verified(List);

/// Makes the text of a revocation list.
///
/// # Errors
/// When the publisher's name, the number or a reason does not do, nothing is revoked, `list.key` is not the public half of
/// `key`, the list is too long, or signing fails.
pub fn make(list: &List, key: &SecretKey) -> Result<String, Error> {
    list.check()?;
    if key.public()? != list.key {
        return Err(FORM.refuse("it names another key than the one that signs it").into());
    }
    let text = statement::seal(list.body(), key)?;
    if text.len() > statement::MAX_BYTES {
        return Err(FORM.refuse("it is too long").into());
    }
    Ok(text)
}

/// Verifies the text of a revocation list against what is pinned.
///
/// # Errors
/// When it is damaged, its key is not one of that publisher's that counts, its number is not higher than the last one from
/// that key, or it revokes what is not its key's to revoke. Nothing of it counts then.
pub fn verify(text: &[u8], trust: &Trust) -> Result<Verified, Refusal> {
    let list = read(text)?;
    let signer = Author { publisher: &list.publisher, key: list.key, number: list.number };
    let is_last_word = list.keys.keys().any(|key| key.is_same_pair(&list.key));
    let highest = trust.lists.get(&list.key).copied().filter(|_| !is_last_word);
    FORM.check_author(&signer, trust, highest)?;
    match list.keys.keys().find(|key| !trust.may_revoke(&list.publisher, &list.key, key)) {
        Some(key) => Err(Refusal::NotItsToRevoke { signer: list.key.id(), key: key.id() }),
        None => Ok(Verified(list)),
    }
}

/// Reads the text of a list and holds its signature against the key that it names itself, trusting nothing.
///
/// # Errors
/// When it is damaged.
pub fn read(text: &[u8]) -> Result<List, Refusal> {
    let (body, signature) = FORM.split(text)?;
    let mut fields = Fields::of(FORM, body);
    let mut list = List {
        publisher: fields.value("publisher", "it names no publisher")?,
        number: fields.value("number", "it has no number")?,
        issued: fields.value("issued", "it has no date")?,
        key: fields.value("key", "it names no key")?,
        keys: BTreeMap::new(),
        packages: BTreeMap::new(),
    };
    for line in fields.rest() {
        let fits = match (line.strip_prefix(KEY), line.strip_prefix(PACKAGE)) {
            (Some(entry), _) => insert(&mut list.keys, entry),
            (_, Some(entry)) => insert(&mut list.packages, entry),
            _ => None,
        };
        fits.ok_or(FORM.refuse("a line revokes neither a key nor a package"))?;
    }
    list.check()?;
    if list.body() != body {
        return Err(FORM.refuse("a line is out of order, there twice or written in another way"));
    }
    FORM.check_signed(body, &signature, &list.key)?;
    Ok(list)
}

fn insert<T: FromStr + Ord>(entries: &mut BTreeMap<T, String>, entry: &str) -> Option<()> {
    let (what, reason) = entry.split_once(' ')?;
    entries.insert(what.parse().ok()?, reason.to_owned());
    Some(())
}

impl List {
    fn check(&self) -> Result<(), Refusal> {
        if !statement::is_publisher(&self.publisher) {
            return Err(FORM.refuse("its publisher must be 2 to 64 of a-z, 0-9 and '-'"));
        }
        if self.number == 0 {
            return Err(FORM.refuse("its number must be 1 or higher"));
        }
        if self.keys.is_empty() && self.packages.is_empty() {
            return Err(FORM.refuse("it revokes nothing"));
        }
        if !self.keys.values().chain(self.packages.values()).all(|reason| statement::is_reason(reason)) {
            return Err(FORM.refuse("each reason must be one line of 1 to 300 visible characters"));
        }
        Ok(())
    }

    fn body(&self) -> String {
        let Self { publisher, number, issued, key, keys, packages } = self;
        let first = FORM.first_line;
        let mut body =
            format!("{first}\npublisher {publisher}\nnumber {number}\nissued {issued}\nkey {key}\n");
        let keys = keys.iter().map(|(key, reason)| format!("{KEY}{key} {reason}\n"));
        let packages = packages.iter().map(|(digest, reason)| format!("{PACKAGE}{digest} {reason}\n"));
        for line in keys.chain(packages) {
            body.write_str(&line).expect("writing to a String cannot fail");
        }
        body
    }
}

impl Verified {
    /// What it says.
    pub fn list(&self) -> &List {
        &self.0
    }

    /// Takes it in. From then on what it revokes does not verify.
    pub fn apply(&self, trust: &mut Trust) {
        let List { publisher, number, key, keys, packages, .. } = &self.0;
        let withdrawn = trust.withdrawn.entry(publisher.clone()).or_default();
        withdrawn.keys.extend(keys.keys());
        withdrawn.digests.extend(packages.keys());
        let last = trust.lists.entry(*key).or_default();
        *last = (*last).max(*number);
    }
}

#[cfg(test)]
mod tests;
