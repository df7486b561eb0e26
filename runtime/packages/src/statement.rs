//! Statements: short signed texts of a publisher, one file each.
//!
//! ```text
//! openpact <what it is> 1
//! <name> <value>
//! …
//! untrusted comment: signature of an OpenPact statement
//! <base64>
//! trusted comment: sha256:<64 hexadecimal digits> size:<bytes>
//! <base64>
//! ```
//!
//! The last four lines are a minisign signature (see [`signature`]) over all the lines before them.
//! Every line ends with one LF. There is one text for one content: what is read is written again and must give the same
//! bytes. The first line says what it is, so a signature over one kind of statement is none over another, nor over a
//! package, which never starts so. Each statement names the key that signs it in full, and it counts for that key alone.

use crate::error::Error;
use crate::key::{KeyId, PublicKey, SecretKey};
use crate::signature::{self, Signature};
use crate::trust::Trust;

/// The longest statement in bytes.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The longest reason in characters.
pub const MAX_REASON: usize = 300;

const COMMENT: &str = "signature of an OpenPact statement";

/// Why a statement is refused. Nothing changes then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is something else.
    #[error("this is no {what}: its first line must be '{first_line}'")]
    Other {
        /// What was expected.
        what: &'static str,
        /// How that starts.
        first_line: &'static str,
    },
    /// It is not in the one form that is accepted, as when it was cut off.
    #[error("this {what} cannot be read ({why}): fetch it again from its publisher")]
    NotCanonical {
        /// What it is.
        what: &'static str,
        /// The first difference.
        why: &'static str,
    },
    /// It is not what its key signed.
    #[error(
        "this {what} is not what the key {key} signed: it was altered, or its signature is another one's"
    )]
    Altered {
        /// What it is.
        what: &'static str,
        /// The key that it names.
        key: KeyId,
    },
    /// The publisher that it names has no such key.
    #[error("this {what} is signed by the key {key}, which is not pinned for the publisher '{publisher}'")]
    UnknownKey {
        /// What it is.
        what: &'static str,
        /// The key that it names.
        key: KeyId,
        /// The publisher that it names.
        publisher: String,
    },
    /// The key counts no more.
    #[error("this {what} is signed by the key {key}, which is revoked: it decides nothing any more")]
    RevokedKey {
        /// What it is.
        what: &'static str,
        /// The key that it names.
        key: KeyId,
    },
    /// One with this number, or a later one, was taken in before.
    #[error(
        "this {what} has the number {number}, and the number {last} of the same key was taken in before: only a higher \
         one counts"
    )]
    Old {
        /// What it is.
        what: &'static str,
        /// Its number.
        number: u64,
        /// The highest one of that key so far.
        last: u64,
    },
    /// A list would revoke a key that is not its key's to revoke.
    #[error(
        "the key {signer} may not revoke the key {key} of the same publisher: a list revokes its own key and those that \
         were pinned before it; the admin can revoke any by hand"
    )]
    NotItsToRevoke {
        /// The key that signed the list.
        signer: KeyId,
        /// The key that the list names.
        key: KeyId,
    },
    /// The new key is one that counts already, or counted once.
    #[error("the new key {key} of this key rotation {why}")]
    NewKey {
        /// The new key.
        key: KeyId,
        /// Why it does not do.
        why: &'static str,
    },
}

impl Refusal {
    /// A stable word for the audit log, metrics and `--json`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Other { .. } => "not-a-statement",
            Self::NotCanonical { .. } => "not-canonical",
            Self::Altered { .. } => "altered",
            Self::UnknownKey { .. } => "unknown-key",
            Self::RevokedKey { .. } => "revoked-key",
            Self::Old { .. } => "old-number",
            Self::NotItsToRevoke { .. } => "not-its-to-revoke",
            Self::NewKey { .. } => "bad-new-key",
        }
    }
}

/// A kind of statement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Form {
    /// What it is called.
    pub(crate) what: &'static str,
    /// Its first line.
    pub(crate) first_line: &'static str,
}

/// Who says a statement, and its number.
pub(crate) struct Author<'a> {
    pub(crate) publisher: &'a str,
    pub(crate) key: PublicKey,
    pub(crate) number: u64,
}

impl Form {
    pub(crate) fn refuse(self, why: &'static str) -> Refusal {
        Refusal::NotCanonical { what: self.what, why }
    }

    /// Takes the text apart into the lines before the signature and the signature. Neither is proven.
    pub(crate) fn split(self, text: &[u8]) -> Result<(&str, Signature), Refusal> {
        if text.len() > MAX_BYTES {
            return Err(self.refuse("it is too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| self.refuse("it is no text"))?;
        if text.lines().next() != Some(self.first_line) {
            return Err(Refusal::Other { what: self.what, first_line: self.first_line });
        }
        let start = text.find("\nuntrusted comment: ").ok_or(self.refuse("it has no signature"))? + 1;
        let (body, signature) = text.split_at(start);
        let signature = Signature::read_as(signature.as_bytes(), COMMENT)
            .map_err(|_| self.refuse("its signature is damaged"))?;
        Ok((body, signature))
    }

    /// Holds the signature against the key that the body names.
    pub(crate) fn check_signed(
        self,
        body: &str,
        signature: &Signature,
        key: &PublicKey,
    ) -> Result<(), Refusal> {
        if signature.is_by(key, body.as_bytes()) {
            return Ok(());
        }
        Err(Refusal::Altered { what: self.what, key: key.id() })
    }

    /// Whether the author is a key of that publisher that counts, and the number is new. `last` is the highest number of
    /// that key so far.
    pub(crate) fn check_author(
        self,
        author: &Author<'_>,
        trust: &Trust,
        last: Option<u64>,
    ) -> Result<(), Refusal> {
        let (what, key) = (self.what, author.key.id());
        if trust.is_revoked(author.publisher, &author.key) {
            return Err(Refusal::RevokedKey { what, key });
        }
        if !trust.keys(author.publisher).any(|pinned| *pinned == author.key) {
            return Err(Refusal::UnknownKey { what, key, publisher: author.publisher.to_owned() });
        }
        match last {
            Some(last) if author.number <= last => Err(Refusal::Old { what, number: author.number, last }),
            _ => Ok(()),
        }
    }
}

/// Signs the lines of a statement; gives its whole text.
pub(crate) fn seal(mut body: String, key: &SecretKey) -> Result<String, Error> {
    let signature = signature::make(body.as_bytes(), key)?;
    body += &signature.text(COMMENT);
    Ok(body)
}

/// The lines of a body, read in order.
pub(crate) struct Fields<'a> {
    form: Form,
    lines: std::str::Lines<'a>,
}

impl<'a> Fields<'a> {
    /// Those behind the first line.
    pub(crate) fn of(form: Form, body: &'a str) -> Self {
        let mut lines = body.lines();
        lines.next();
        Self { form, lines }
    }

    /// The value of the next line, which must have this name.
    pub(crate) fn value<T: std::str::FromStr>(
        &mut self,
        name: &str,
        missing: &'static str,
    ) -> Result<T, Refusal> {
        let refusal = self.form.refuse(missing);
        let value = self.lines.next().and_then(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.and_then(|value| value.parse().ok()).ok_or(refusal)
    }

    /// What is left.
    pub(crate) fn rest(self) -> impl Iterator<Item = &'a str> {
        self.lines
    }
}

/// Whether `text` does as a reason: one line that a person can read.
pub(crate) fn is_reason(text: &str) -> bool {
    !text.trim().is_empty() && text.trim() == text && openpact_model::text::one_line(text, MAX_REASON) == text
}

/// Whether `name` does as the name of a publisher; that of a manifest looks the same.
pub(crate) fn is_publisher(name: &str) -> bool {
    name.parse::<openpact_model::id::ComponentName>().is_ok()
}
