//! Key rotation: the old key of a publisher names a new one.
//!
//! ```text
//! openpact key rotation 1
//! publisher <name>
//! number <from 1 on, higher than those that this key said before>
//! date <YYYY-MM-DD>
//! old-key <the public key that signs this, 56 characters>
//! new-key <the public key that is to count beside it>
//! ```
//!
//! and the signature of a [`statement`]. It proves that who has the old key wants the new one; whether
//! the old key was stolen it cannot prove. So it changes nothing by itself: an admin confirms it, best after asking the
//! publisher another way. The date is the publisher's word and is shown, never judged: there is no trusted clock here.
//!
//! The new key takes its place directly behind the old one. By a revocation list a key may revoke those before it, so the
//! new key may revoke the old one, and no key that the old one could not: who steals a key gains nothing over a key that
//! was pinned behind it, such as one that is kept offline for this very case. The old key stays until it is revoked or
//! unpinned, so that what it signed goes on running.

use jiff::civil::Date;
use serde::Serialize;

use crate::error::Error;
use crate::key::{PublicKey, SecretKey};
use crate::statement::{self, Author, Fields, Form, Refusal};
use crate::trust::Trust;

const FORM: Form = Form { what: "key rotation", first_line: "openpact key rotation 1" };

/// What a key rotation says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotation {
    /// The publisher.
    pub publisher: String,
    /// Its number among the rotations of the old key.
    pub number: u64,
    /// When it was made, as the publisher says.
    pub date: Date,
    /// The key that signs it.
    pub old: PublicKey,
    /// The key that is to count beside it.
    pub new: PublicKey,
}

/// A key rotation that a pinned key signed. Only [`verify`] makes one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Verified(Rotation);

/// Makes the text of a key rotation.
///
/// # Errors
/// When the publisher's name or the number does not do, the new key is the old one, or signing fails.
pub fn make(
    publisher: &str,
    number: u64,
    date: Date,
    old: &SecretKey,
    new: &PublicKey,
) -> Result<String, Error> {
    let rotation = Rotation { publisher: publisher.to_owned(), number, date, old: old.public()?, new: *new };
    rotation.check()?;
    statement::seal(rotation.body(), old)
}

/// Verifies the text of a key rotation against what is pinned.
///
/// # Errors
/// When it is damaged, the old key is not one of that publisher's that counts, the number is not higher than the last one
/// from that key, or the new key is pinned already or revoked.
pub fn verify(text: &[u8], trust: &Trust) -> Result<Verified, Refusal> {
    let rotation = read(text)?;
    let Rotation { publisher, number, old, new, .. } = &rotation;
    let author = Author { publisher, key: *old, number: *number };
    FORM.check_author(&author, trust, trust.rotations.get(old).copied())?;
    let refuse = |why| Refusal::NewKey { key: new.id(), why };
    if trust.is_revoked(publisher, new) {
        return Err(refuse("is revoked"));
    }
    let mut pinned = trust.publishers.iter().flat_map(|known| &known.keys);
    if pinned.any(|pinned| pinned.is_same_pair(new)) {
        return Err(refuse("is pinned already"));
    }
    Ok(Verified(rotation))
}

/// Reads the text of a key rotation and holds its signature against the key that it names itself, trusting nothing.
///
/// # Errors
/// When it is damaged.
pub fn read(text: &[u8]) -> Result<Rotation, Refusal> {
    let (body, signature) = FORM.split(text)?;
    let mut fields = Fields::of(FORM, body);
    let rotation = Rotation {
        publisher: fields.value("publisher", "it names no publisher")?,
        number: fields.value("number", "it has no number")?,
        date: fields.value("date", "it has no date")?,
        old: fields.value("old-key", "it names no old key")?,
        new: fields.value("new-key", "it names no new key")?,
    };
    rotation.check()?;
    if rotation.body() != body {
        return Err(FORM.refuse("a line is too many or written in another way"));
    }
    FORM.check_signed(body, &signature, &rotation.old)?;
    Ok(rotation)
}

impl Rotation {
    fn check(&self) -> Result<(), Refusal> {
        if !statement::is_publisher(&self.publisher) {
            return Err(FORM.refuse("its publisher must be 2 to 64 of a-z, 0-9 and '-'"));
        }
        if self.number == 0 {
            return Err(FORM.refuse("its number must be 1 or higher"));
        }
        if self.new.is_same_pair(&self.old) {
            return Err(Refusal::NewKey { key: self.new.id(), why: "is the old one" });
        }
        Ok(())
    }

    fn body(&self) -> String {
        let Self { publisher, number, date, old, new } = self;
        let first = FORM.first_line;
        format!(
            "{first}\npublisher {publisher}\nnumber {number}\ndate {date}\nold-key {old}\nnew-key {new}\n"
        )
    }
}

impl Verified {
    /// What it says.
    pub fn rotation(&self) -> &Rotation {
        &self.0
    }

    /// Pins the new key behind the old one, for the same names. For the admin's yes alone.
    pub fn apply(&self, trust: &mut Trust) {
        let Rotation { publisher, number, old, new, .. } = &self.0;
        for known in trust.publishers.iter_mut().filter(|known| known.name == *publisher) {
            if let Some(place) = known.keys.iter().position(|key| key == old) {
                known.keys.insert(place + 1, *new);
            }
        }
        trust.rotations.insert(*old, *number);
    }
}

#[cfg(test)]
mod tests;
