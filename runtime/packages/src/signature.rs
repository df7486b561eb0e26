//! Signatures: the minisign format (prehashed mode) in one canonical text.
//!
//! The format leaves room that no signature covers: the untrusted comment, line ends, white space, text after the
//! fourth line. Stock verifiers ignore all of it, so the same signature has many files. Here there is one:
//!
//! ```text
//! untrusted comment: signature of an OpenPact component
//! <base64 of "ED", key number, signature over the BLAKE2b-512 of the file>
//! trusted comment: sha256:<64 hexadecimal digits> size:<bytes>
//! <base64 of the signature over that signature and the trusted comment>
//! ```
//!
//! each line ended by one LF. What is read is encoded again and must give the same bytes. The trusted comment is
//! whatever the publisher signed, so a signature by the stock tool can be brought into this form by [`import`].

use std::io::Cursor;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minisign::SignatureBox;
use openpact_model::id::Digest;
use openpact_model::text;

use crate::error::Error;
use crate::key::{KeyId, PublicKey, SecretKey};
use crate::refusal::Refusal;

const UNTRUSTED_PREFIX: &str = "untrusted comment: ";
const UNTRUSTED_COMMENT: &str = "signature of an OpenPact component";
const TRUSTED_PREFIX: &str = "trusted comment: ";

/// "ED", the mode in which the file is hashed first. The older mode "Ed" is not accepted.
const PREHASHED: [u8; 2] = *b"ED";

/// The longest trusted comment in characters.
const MAX_COMMENT_CHARACTERS: usize = 1024;

/// Longer than any canonical signature file.
const MAX_SIGNATURE_BYTES: usize = 8 * 1024;

/// A signature file taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    key: KeyId,
    over_file: [u8; 64],
    comment: String,
    over_comment: [u8; 64],
}

impl Signature {
    /// Reads a signature file that is in canonical form.
    ///
    /// # Errors
    /// [`Refusal::Unsigned`] when there is nothing, [`Refusal::NotCanonical`] when it is anything else.
    pub fn read(text: &[u8]) -> Result<Self, Refusal> {
        if text.iter().all(u8::is_ascii_whitespace) {
            return Err(Refusal::Unsigned);
        }
        Self::read_as(text, UNTRUSTED_COMMENT)
    }

    /// Reads a signature in canonical form that has this untrusted comment.
    pub(crate) fn read_as(text: &[u8], untrusted_comment: &str) -> Result<Self, Refusal> {
        let signature = Self::read_any(text)?;
        if signature.text(untrusted_comment).as_bytes() != text {
            return Err(Refusal::NotCanonical {
                why: "a comment, a line end or the end of the file differs",
            });
        }
        Ok(signature)
    }

    /// The key that it names.
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// The comment that the publisher signed.
    pub fn comment(&self) -> &str {
        &self.comment
    }

    /// The canonical text with this untrusted comment.
    pub(crate) fn text(&self, untrusted_comment: &str) -> String {
        let first = BASE64.encode([&PREHASHED[..], self.key.as_bytes(), &self.over_file].concat());
        let second = BASE64.encode(self.over_comment);
        let trusted_comment = &self.comment;
        format!(
            "{UNTRUSTED_PREFIX}{untrusted_comment}\n{first}\n{TRUSTED_PREFIX}{trusted_comment}\n{second}\n"
        )
    }

    /// The size in bytes of the file that was signed, as the comment says. Good for a message alone.
    pub(crate) fn size(&self) -> Option<u64> {
        self.comment.split(' ').find_map(|word| word.strip_prefix("size:")?.parse().ok())
    }

    /// Whether `key` made this signature over `bytes` and over the comment.
    pub(crate) fn is_by(&self, key: &PublicKey, bytes: &[u8]) -> bool {
        // The library reads the canonical text alone: it would panic at a second signature of another length.
        let Ok(parsed) = SignatureBox::from_string(&self.to_string()) else { return false };
        minisign::verify(&key.minisign(), &parsed, Cursor::new(bytes), true, false, false).is_ok()
    }

    /// Reads a signature file with any untrusted comment and any line ends.
    fn read_any(text: &[u8]) -> Result<Self, Refusal> {
        let refuse = |why| Refusal::NotCanonical { why };
        if text.len() > MAX_SIGNATURE_BYTES {
            return Err(refuse("it is too long"));
        }
        let text = std::str::from_utf8(text).map_err(|_| refuse("it is no text"))?;
        let mut lines = text.lines();
        let mut line = || lines.next().ok_or(refuse("it has fewer than four lines"));
        let (untrusted, first, trusted, second) = (line()?, line()?, line()?, line()?);
        if !untrusted.starts_with(UNTRUSTED_PREFIX) {
            return Err(refuse("line 1 is no untrusted comment"));
        }
        let comment =
            trusted.strip_prefix(TRUSTED_PREFIX).ok_or(refuse("line 3 is no trusted comment"))?.trim();
        if comment.contains(|c: char| c.is_control() && c != '\t')
            || text::one_line(&comment.replace('\t', " "), MAX_COMMENT_CHARACTERS)
                != comment.replace('\t', " ")
        {
            return Err(refuse("the trusted comment is too long or has invisible characters"));
        }
        let first = BASE64.decode(first.trim()).ok().and_then(|b| <[u8; 74]>::try_from(b).ok());
        let first = first.ok_or(refuse("line 2 is no signature"))?;
        let second = BASE64.decode(second.trim()).ok().and_then(|b| <[u8; 64]>::try_from(b).ok());
        let over_comment = second.ok_or(refuse("line 4 is no signature"))?;
        let (mode, rest) = first.split_first_chunk::<2>().expect("74 bytes have a first two");
        if *mode != PREHASHED {
            return Err(refuse("it is not made in the prehashed mode"));
        }
        let (key, over_file) = rest.split_first_chunk::<8>().expect("72 bytes have a first eight");
        Ok(Self {
            key: KeyId::from_bytes(*key),
            over_file: over_file.try_into().expect("64 bytes are left"),
            comment: comment.to_owned(),
            over_comment,
        })
    }
}

/// The canonical text of a package's signature.
impl std::fmt::Display for Signature {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text(UNTRUSTED_COMMENT))
    }
}

/// Signs a package; gives the text of its signature file.
///
/// # Errors
/// When the operating system gives no random bytes.
pub fn sign(bytes: &[u8], key: &SecretKey) -> Result<String, Error> {
    Ok(make(bytes, key)?.to_string())
}

/// Makes a signature over any bytes.
pub(crate) fn make(bytes: &[u8], key: &SecretKey) -> Result<Signature, Error> {
    let comment = format!("sha256:{} size:{}", Digest::of(bytes), bytes.len());
    let made =
        minisign::sign(None, key.minisign(), Cursor::new(bytes), Some(&comment), Some(UNTRUSTED_COMMENT))
            .map_err(|source| Error::Minisign { doing: "signing", source })?;
    Ok(Signature::read(made.to_string().as_bytes())?)
}

/// Brings a signature that the stock tool made over `bytes` into canonical form.
///
/// # Errors
/// [`Refusal::NotCanonical`] when it is no prehashed minisign signature, [`Refusal::UnknownKey`] when another key
/// made it, [`Refusal::Altered`] when it is not over these bytes.
pub fn import(text: &[u8], bytes: &[u8], key: &PublicKey) -> Result<String, Refusal> {
    if text.iter().all(u8::is_ascii_whitespace) {
        return Err(Refusal::Unsigned);
    }
    let signature = Signature::read_any(text)?;
    if signature.key != key.id() {
        return Err(Refusal::UnknownKey { key: signature.key });
    }
    if !signature.is_by(key, bytes) {
        return Err(Refusal::Altered);
    }
    Ok(signature.to_string())
}
