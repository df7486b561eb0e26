//! Keys: minisign key pairs (Ed25519), as the `minisign` tool makes and reads them.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use minisign::{KeyPair, SecretKeyBox};
use openpact_model::id::ParseError;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::error::Error;
use crate::signature;

/// The longest password of a secret key in bytes (the stock tool takes no longer one).
const MAX_PASSWORD_BYTES: usize = 1024;

/// "Ed", the two bytes before every minisign public key.
const ALGORITHM: [u8; 2] = *b"Ed";

/// The number of a key pair: 8 random bytes that a signature names, so that the right key is found. It proves nothing.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct KeyId([u8; 8]);

/// A public key. Its text is the second line of a minisign `.pub` file: 56 characters of base64.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    id: KeyId,
    point: [u8; 32],
}

/// A secret key, ready to sign. Never shown by `Debug`.
pub struct SecretKey(minisign::SecretKey);

/// A new key pair as the texts of two files.
pub struct NewKey {
    /// The public key.
    pub public: PublicKey,
    /// The text of the secret key file; encrypted where a password was given.
    pub secret_file: Zeroizing<String>,
}

impl KeyId {
    pub(crate) fn from_bytes(bytes: [u8; 8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn as_bytes(&self) -> &[u8; 8] {
        &self.0
    }
}

/// As minisign shows it: the number in little-endian order, 16 hexadecimal digits.
impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", u64::from_le_bytes(self.0))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let digits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
        match u64::from_str_radix(text, 16) {
            Ok(number) if digits => Ok(Self(number.to_le_bytes())),
            _ => Err(ParseError { what: "key id", text: text.to_owned(), rule: "16 hexadecimal digits" }),
        }
    }
}

impl TryFrom<String> for KeyId {
    type Error = ParseError;

    fn try_from(text: String) -> Result<Self, ParseError> {
        text.parse()
    }
}

impl From<KeyId> for String {
    fn from(id: KeyId) -> Self {
        id.to_string()
    }
}

impl PublicKey {
    /// The number of the pair.
    pub fn id(&self) -> KeyId {
        self.id
    }

    /// Whether both belong to one secret key. The number beside it can be any.
    pub fn is_same_pair(&self, other: &Self) -> bool {
        self.point == other.point
    }

    /// The text of a `.pub` file, which the stock tool reads too.
    pub fn file(&self) -> String {
        format!("untrusted comment: minisign public key {}\n{self}\n", self.id)
    }

    pub(crate) fn of(key: &minisign::PublicKey) -> Result<Self, Error> {
        Self::from_bytes(&key.to_bytes()).ok_or(NOT_A_PUBLIC_KEY)
    }

    pub(crate) fn minisign(&self) -> minisign::PublicKey {
        minisign::PublicKey::from_bytes(&self.bytes()).expect("42 bytes are always read")
    }

    fn bytes(&self) -> [u8; 42] {
        let mut bytes = [0; 42];
        bytes[..2].copy_from_slice(&ALGORITHM);
        bytes[2..10].copy_from_slice(&self.id.0);
        bytes[10..].copy_from_slice(&self.point);
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (algorithm, rest) = bytes.split_first_chunk::<2>()?;
        let (id, point) = rest.split_first_chunk::<8>()?;
        let point: [u8; 32] = point.try_into().ok()?;
        (*algorithm == ALGORITHM && !is_weak(point)).then_some(Self { id: KeyId(*id), point })
    }
}

/// The points of small order of the curve, in every encoding, without the bit of their sign (as listed in libsodium,
/// `ge25519_has_small_order`). The signature library refuses only two of them.
const WEAK: [[u8; 32]; 7] = {
    let mut weak = [[0; 32], [0; 32], EIGHTH, OTHER_EIGHTH, [0xff; 32], [0xff; 32], [0xff; 32]];
    weak[1][0] = 1;
    let mut high = 0;
    while high < 3 {
        weak[4 + high][0] = [0xec, 0xed, 0xee][high];
        weak[4 + high][31] = 0x7f;
        high += 1;
    }
    weak
};
const EIGHTH: [u8; 32] = [
    0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5,
    0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
];
const OTHER_EIGHTH: [u8; 32] = [
    0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a,
    0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
];

/// Whether everybody can sign for this key, without any secret: there is none behind it.
fn is_weak(mut point: [u8; 32]) -> bool {
    point[31] &= 0x7f;
    WEAK.contains(&point)
}

const NOT_A_PUBLIC_KEY: Error = Error::NotAKey {
    what: "minisign public key",
    rule: "56 characters of base64 that start with RW, or the two lines of a .pub file",
};

impl FromStr for PublicKey {
    type Err = Error;

    /// Reads the 56 characters, or a whole `.pub` file.
    fn from_str(text: &str) -> Result<Self, Error> {
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let encoded = match (lines.next(), lines.next(), lines.next()) {
            (Some(key), None, None) => key,
            (Some(comment), Some(key), None) if comment.starts_with("untrusted comment:") => key,
            _ => return Err(NOT_A_PUBLIC_KEY),
        };
        let bytes = BASE64.decode(encoded).map_err(|_| NOT_A_PUBLIC_KEY)?;
        Self::from_bytes(&bytes).ok_or(NOT_A_PUBLIC_KEY)
    }
}

impl TryFrom<String> for PublicKey {
    type Error = Error;

    fn try_from(text: String) -> Result<Self, Error> {
        text.parse()
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_string()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.bytes()))
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({self})")
    }
}

impl SecretKey {
    /// A new key that lives in memory alone, for a build or a test. The bytes come from the operating system, since
    /// the library asks nobody else.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn generate() -> Result<Self, Error> {
        let pair = KeyPair::generate_unencrypted_keypair();
        Ok(Self(pair.map_err(|source| Error::Minisign { doing: "making a key pair", source })?.sk))
    }

    /// Reads the text of a secret key file; `password` where it is encrypted. Deriving the key from a password takes
    /// about a second and, by what the file itself says, up to 1 GiB of memory.
    ///
    /// # Errors
    /// When it is no secret key, or the password is missing, wrong or not needed.
    pub fn read(file: &str, password: Option<&str>) -> Result<Self, Error> {
        let encoded = decoded(file)?;
        let encrypted = is_encrypted(&encoded)?;
        // The library would ask on the terminal where the password is missing, and would not say which case it is.
        let file = SecretKeyBox::from(file.to_owned());
        match (encrypted, password) {
            (true, None) => Err(Error::PasswordMissing),
            (false, Some(_)) => Err(Error::PasswordNotNeeded),
            (true, Some(password)) => {
                check_password(password)?;
                let key = file.into_secret_key(Some(password.to_owned()));
                key.map(Self).map_err(|_| Error::WrongPassword)
            }
            (false, None) if has_no_checksum(&encoded) => Self::read_unchecked(&encoded),
            (false, None) => file.into_unencrypted_secret_key().map(Self).map_err(|_| NOT_A_SECRET_KEY),
        }
    }

    /// The stock tool (0.11) leaves the checksum out of a key without a password. Whether it is damaged shows all the
    /// same: then its halves do not fit each other.
    fn read_unchecked(encoded: &[u8]) -> Result<Self, Error> {
        let key = Self(minisign::SecretKey::from_bytes(encoded).map_err(|_| NOT_A_SECRET_KEY)?);
        let probe = b"probe";
        let fits = signature::make(probe, &key)
            .is_ok_and(|signature| key.public().is_ok_and(|public| signature.is_by(&public, probe)));
        if fits { Ok(key) } else { Err(NOT_A_SECRET_KEY) }
    }

    /// The public half.
    ///
    /// # Errors
    /// Never for a key that was made or read here.
    pub fn public(&self) -> Result<PublicKey, Error> {
        let key = minisign::PublicKey::from_secret_key(&self.0)
            .map_err(|source| Error::Minisign { doing: "taking the public key", source })?;
        PublicKey::of(&key)
    }

    /// The same secret under another number, which is what somebody who wants to be taken for another would make.
    #[cfg(test)]
    pub(crate) fn with_number(&self, id: KeyId) -> Self {
        let mut bytes = self.0.to_bytes();
        bytes[54..62].copy_from_slice(id.as_bytes());
        Self(minisign::SecretKey::from_bytes(&bytes).unwrap())
    }

    pub(crate) fn minisign(&self) -> &minisign::SecretKey {
        &self.0
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(..)")
    }
}

impl fmt::Debug for NewKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NewKey").field("public", &self.public).finish_non_exhaustive()
    }
}

/// Makes a key pair for a publisher: two files that the stock `minisign` tool reads too. Without a password whoever
/// can read the file can sign.
///
/// # Errors
/// When the password is empty or longer than 1,024 bytes, or the operating system gives no random bytes.
pub fn generate(password: Option<&str>) -> Result<NewKey, Error> {
    if let Some(password) = password {
        check_password(password)?;
    }
    let failed = |source| Error::Minisign { doing: "making a key pair", source };
    let (pair, comment) = match password {
        None => (KeyPair::generate_unencrypted_keypair(), "OpenPact secret key, not encrypted"),
        Some(password) => {
            (KeyPair::generate_encrypted_keypair(Some(password.to_owned())), "OpenPact secret key, encrypted")
        }
    };
    let pair = pair.map_err(failed)?;
    let secret_file = pair.sk.to_box(Some(comment)).map_err(failed)?.into_string();
    Ok(NewKey { public: PublicKey::of(&pair.pk)?, secret_file: Zeroizing::new(secret_file) })
}

const NOT_A_SECRET_KEY: Error = Error::NotAKey {
    what: "minisign secret key",
    rule: "a comment line and a line of 212 characters of base64, as `openpact key generate` writes them",
};

/// The bytes of a secret key: algorithms, salt, two limits, number, key, checksum.
const SECRET_KEY_BYTES: usize = 2 + 2 + 2 + 32 + 8 + 8 + 8 + 64 + 32;

/// How many of them are the checksum, at the end.
const CHECKSUM_BYTES: usize = 32;

/// The bytes of a secret key file, whatever they are but for their number.
fn decoded(file: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    let line = file.lines().nth(1).ok_or(NOT_A_SECRET_KEY)?;
    let bytes = Zeroizing::new(BASE64.decode(line).map_err(|_| NOT_A_SECRET_KEY)?);
    if bytes.len() != SECRET_KEY_BYTES || !bytes.starts_with(&ALGORITHM) {
        return Err(NOT_A_SECRET_KEY);
    }
    Ok(bytes)
}

fn is_encrypted(bytes: &[u8]) -> Result<bool, Error> {
    match &bytes[2..4] {
        b"Sc" => Ok(true),
        [0, 0] => Ok(false),
        _ => Err(NOT_A_SECRET_KEY),
    }
}

fn has_no_checksum(bytes: &[u8]) -> bool {
    bytes[SECRET_KEY_BYTES - CHECKSUM_BYTES..].iter().all(|byte| *byte == 0)
}

fn check_password(password: &str) -> Result<(), Error> {
    match password.len() {
        1..=MAX_PASSWORD_BYTES => Ok(()),
        _ => Err(Error::BadPassword),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_without_a_password_reads_back() {
        let new = generate(None).unwrap();
        let secret = SecretKey::read(&new.secret_file, None).unwrap();
        assert_eq!(secret.public().unwrap(), new.public);
        assert!(matches!(SecretKey::read(&new.secret_file, Some("x")), Err(Error::PasswordNotNeeded)));
    }

    #[test]
    fn a_key_with_a_password_opens_with_that_password_alone() {
        let new = generate(Some("correct horse")).unwrap();
        let secret = SecretKey::read(&new.secret_file, Some("correct horse")).unwrap();
        assert_eq!(secret.public().unwrap(), new.public);
        assert!(matches!(SecretKey::read(&new.secret_file, Some("wrong")), Err(Error::WrongPassword)));
        assert!(matches!(SecretKey::read(&new.secret_file, None), Err(Error::PasswordMissing)));
    }

    #[test]
    fn passwords_have_one_to_1024_bytes() {
        assert!(matches!(generate(Some("")), Err(Error::BadPassword)));
        assert!(matches!(generate(Some(&"x".repeat(1025))), Err(Error::BadPassword)));
        assert!(check_password(&"x".repeat(1024)).is_ok());
    }

    #[test]
    fn a_public_key_reads_back_from_its_line_and_from_its_file() {
        let key = generate(None).unwrap().public;
        assert_eq!(key.to_string().parse::<PublicKey>().unwrap(), key);
        assert_eq!(key.file().parse::<PublicKey>().unwrap(), key);
        assert_eq!(minisign::PublicKey::from_base64(&key.to_string()).unwrap().to_bytes(), key.bytes());
        let boxed = minisign::PublicKeyBox::from(key.file()).into_public_key().unwrap();
        assert_eq!(boxed.to_bytes(), key.bytes(), "the stock form reads our file");
        assert_eq!(key.id().to_string().parse::<KeyId>().unwrap(), key.id());
    }

    #[test]
    fn what_is_no_public_key_is_refused() {
        let good = generate(None).unwrap().public.to_string();
        let two = format!("{good}\n{good}");
        let other_algorithm = format!("{}{}", "SW", &good[2..]);
        let longer = format!("{good}AAAA");
        for bad in ["", "RWQ", &good[..55], two.as_str(), other_algorithm.as_str(), longer.as_str()] {
            assert!(bad.parse::<PublicKey>().is_err(), "'{bad}' must be refused");
        }
    }

    #[test]
    fn a_key_of_the_stock_tool_without_a_checksum_reads_unless_it_is_damaged() {
        let key = SecretKey::generate().unwrap();
        let mut bytes = key.0.to_bytes();
        bytes[SECRET_KEY_BYTES - CHECKSUM_BYTES..].fill(0);
        let file = |bytes: &[u8]| format!("untrusted comment: x\n{}\n", BASE64.encode(bytes));
        let read = SecretKey::read(&file(&bytes), None).unwrap();
        assert_eq!(read.public().unwrap(), key.public().unwrap());
        for at in 62..SECRET_KEY_BYTES - CHECKSUM_BYTES {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            assert!(SecretKey::read(&file(&damaged), None).is_err(), "byte {at}");
        }
    }

    #[test]
    fn a_key_for_which_everybody_can_sign_is_no_key() {
        // A point of order 2: with the signature (identity, 0) every second text is signed, without any secret.
        let raw = [&ALGORITHM[..], &[7; 8], &WEAK[4]].concat();
        let weak = minisign::PublicKey::from_bytes(&raw).unwrap();
        let mut nothing = [0; 64];
        nothing[0] = 1;
        let first = BASE64.encode([&b"ED"[..], &[7; 8], &nothing].concat());
        let forged = (0..64).any(|number| {
            let text = format!(
                "untrusted comment: x\n{first}\ntrusted comment: {number}\n{}\n",
                BASE64.encode(nothing)
            );
            let parsed = minisign::SignatureBox::from_string(&text).unwrap();
            let bytes = std::io::Cursor::new(format!("malware {number}"));
            minisign::verify(&weak, &parsed, bytes, true, false, false).is_ok()
        });
        assert!(forged, "the library accepts such a key");
        for mut point in WEAK {
            for sign in [0, 0x80] {
                point[31] = point[31] & 0x7f | sign;
                let text = BASE64.encode([&ALGORITHM[..], &[7; 8], &point].concat());
                assert!(text.parse::<PublicKey>().is_err(), "{text}");
            }
        }
    }

    #[test]
    fn what_is_no_secret_key_is_refused() {
        let public = generate(None).unwrap().public.file();
        let mut damaged = generate(None).unwrap().secret_file.to_string();
        let middle = damaged.len() - 60;
        let other = if &damaged[middle..=middle] == "A" { "B" } else { "A" };
        damaged.replace_range(middle..=middle, other);
        for bad in ["", "x", "a\nb", public.as_str(), damaged.as_str()] {
            assert!(
                matches!(SecretKey::read(bad, None), Err(Error::NotAKey { .. })),
                "'{bad}' must be refused"
            );
        }
    }

    #[test]
    fn a_secret_key_is_not_shown() {
        assert_eq!(format!("{:?}", SecretKey::generate().unwrap()), "SecretKey(..)");
        let new = generate(None).unwrap();
        let line = new.secret_file.lines().nth(1).unwrap().to_owned();
        assert!(!format!("{new:?}").contains(&line));
    }

    #[test]
    fn key_ids_have_sixteen_digits() {
        for bad in ["", "1", "+123456789ABCDEF", "0123456789ABCDEFG", "0123456789ABCDEG"] {
            assert!(bad.parse::<KeyId>().is_err(), "{bad} must be refused");
        }
        assert_eq!("0123456789abcdef".parse::<KeyId>().unwrap().to_string(), "0123456789ABCDEF");
    }
}
