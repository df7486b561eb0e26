//! The master key: 32 random bytes in a file of their own, outside everything that tools can reach. Every key that is
//! used is derived from it, so that what one key protects says nothing about another.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use hmac::{Hmac, KeyInit as _, Mac as _};
use openpact_model::random::Random;
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::directory::make_private;
use crate::error::Error;
use crate::migration::sync_parent;

/// The first line of the file, so that a person who finds it knows what it is.
const TITLE: &str = "openpact master key 1";

/// A derived key or a code made with one.
pub(crate) type Key = Zeroizing<[u8; 32]>;

/// HMAC-SHA256 (RFC 2104) over the pieces, each with its length in front.
pub(crate) fn mac(key: &[u8; 32], pieces: &[&[u8]]) -> [u8; 32] {
    authenticator(key, pieces).finalize().into_bytes().into()
}

/// Whether `code` is [`mac`] of the same pieces; takes the same time whatever the answer.
pub(crate) fn mac_matches(key: &[u8; 32], pieces: &[&[u8]], code: &[u8]) -> bool {
    authenticator(key, pieces).verify_slice(code).is_ok()
}

fn authenticator(key: &[u8; 32], pieces: &[&[u8]]) -> Hmac<Sha256> {
    let mut hmac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    for piece in pieces {
        hmac.update(&(piece.len() as u64).to_le_bytes());
        hmac.update(piece);
    }
    hmac
}

/// The master key itself.
#[derive(Clone)]
pub(crate) struct Master(Key);

impl Master {
    fn generate(random: &dyn Random) -> Self {
        let mut bytes = Zeroizing::new([0; 32]);
        random.fill(&mut *bytes);
        Self(bytes)
    }

    /// A key for the store itself.
    pub(crate) fn own(&self, purpose: &str) -> Key {
        Zeroizing::new(mac(&self.0, &[b"openpact store", purpose.as_bytes()]))
    }

    /// A key for somebody else; never one of the store's own.
    fn foreign(&self, purpose: &str) -> [u8; 32] {
        mac(&self.0, &[b"openpact purpose", purpose.as_bytes()])
    }

    /// Tells this key from another one without giving it away; kept in the database.
    pub(crate) fn check(&self) -> String {
        hex::encode(self.own("check").as_slice())
    }
}

/// The master key and its file.
pub(crate) struct Keys {
    path: PathBuf,
    /// Whether the key was made at this start.
    made: bool,
    state: RwLock<State>,
}

enum State {
    Held(Master),
    Lost {
        why: String,
        /// Keys for others come from this until the program ends, so that nothing that they protect outlives it.
        stand_in: Master,
    },
}

/// What the database knows of the key that it was made with.
pub(crate) struct Expected<'a> {
    /// [`Master::check`] of it.
    pub(crate) check: Option<&'a str>,
    /// Whether something is encrypted with it.
    pub(crate) needed: bool,
}

impl Keys {
    /// Reads the key in `folder`, or makes one if neither folder nor database has ever had one. A key that was
    /// made ([`Keys::made`]) waits beside its place until [`Keys::place`].
    pub(crate) fn open(folder: &Path, random: &dyn Random, expected: &Expected<'_>) -> Result<Self, Error> {
        let path = folder.join("master.key");
        let (made, state) = match load(&path, expected)? {
            Found::Key(master) => (false, State::Held(master)),
            Found::Nothing if expected.check.is_none() && !expected.needed => {
                let master = Master::generate(random);
                write(&successor(&path), &master)?;
                (true, State::Held(master))
            }
            Found::Nothing => (false, lost("is missing".into(), random)),
            Found::Useless(why) => (false, lost(why, random)),
        };
        Ok(Self { path, made, state: RwLock::new(state) })
    }

    /// Whether the key was made at this start.
    pub(crate) fn made(&self) -> bool {
        self.made
    }

    /// Puts a key that was made in its place, once the database knows it. Before that no key is in the place: so a
    /// key in its place always is older than the database's first entry.
    pub(crate) fn place(&self) -> Result<(), Error> {
        promote(&self.path)
    }

    /// The key, or what is wrong with it.
    pub(crate) fn master(&self) -> Result<Master, Error> {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Held(master) => Ok(master.clone()),
            State::Lost { why, .. } => Err(Error::KeyLost { path: self.path.clone(), why: why.clone() }),
        }
    }

    /// A key for somebody else's `purpose`.
    pub(crate) fn derive(&self, purpose: &str) -> [u8; 32] {
        match &*self.state.read().unwrap_or_else(PoisonError::into_inner) {
            State::Held(master) | State::Lost { stand_in: master, .. } => master.foreign(purpose),
        }
    }

    /// Writes a new key beside the one in use. It takes over with [`Keys::adopt`], or at the next start if the
    /// database knows it by then: so a crash at any instant leaves a key that fits the database.
    ///
    /// # Errors
    /// When it cannot be written; or when the key in use is itself still where the new one would go, because an
    /// earlier move to its place failed and fails again: it must not be written over.
    pub(crate) fn prepare(&self, random: &dyn Random) -> Result<Master, Error> {
        if let Ok(held) = self.master()
            && let Ok(Some(waiting)) = read(&successor(&self.path))
            && waiting.check() == held.check()
        {
            promote(&self.path)?;
        }
        let master = Master::generate(random);
        write(&successor(&self.path), &master)?;
        Ok(master)
    }

    /// Puts the prepared key in the place of the one before, which is kept under another name: it may belong to
    /// another database, or to a backup of this one.
    pub(crate) fn adopt(&self, master: Master) {
        if let Err(error) = promote(&self.path) {
            let error = &error as &dyn std::error::Error;
            tracing::error!(
                error,
                "the new master key is not in its place yet; the next start puts it there"
            );
        }
        *self.state.write().unwrap_or_else(PoisonError::into_inner) = State::Held(master);
    }
}

/// What is in the place of the key.
enum Found {
    Key(Master),
    Nothing,
    /// Something that cannot be used, and why.
    Useless(String),
}

fn lost(why: String, random: &dyn Random) -> State {
    State::Lost { why, stand_in: Master::generate(random) }
}

fn load(path: &Path, expected: &Expected<'_>) -> Result<Found, Error> {
    let fits = |master: &Master| expected.check.is_none_or(|check| check == master.check());
    let found = read(path);
    if let Ok(Some(master)) = &found
        && fits(master)
    {
        make_private(path)?;
        return Ok(Found::Key(master.clone()));
    }
    // The program died between the commit that made the successor the key and the move to its place.
    if expected.check.is_some()
        && let Ok(Some(next)) = read(&successor(path))
        && fits(&next)
    {
        promote(path)?;
        return Ok(Found::Key(next));
    }
    Ok(match found {
        Ok(None) => Found::Nothing,
        Ok(Some(_)) => Found::Useless("is not the key that this database was made with".into()),
        Err(why) => Found::Useless(why),
    })
}

/// The key in a file; `None` where there is no file, and what is wrong with it where it cannot be read.
fn read(path: &Path) -> Result<Option<Master>, String> {
    let text = match fs::read_to_string(path) {
        Ok(text) => Zeroizing::new(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) if error.kind() == io::ErrorKind::InvalidData => return Err("is not a key file".into()),
        Err(error) => return Err(format!("cannot be read ({error})")),
    };
    let mut bytes = Zeroizing::new([0; 32]);
    let digits = text.strip_prefix(TITLE).map(str::trim).filter(|digits| digits.len() == 64);
    match digits.map(|digits| hex::decode_to_slice(digits, &mut *bytes)) {
        Some(Ok(())) => Ok(Some(Master(bytes))),
        _ => Err("is not a key file".into()),
    }
}

fn write(path: &Path, master: &Master) -> Result<(), Error> {
    let wrap = |source| Error::file(path, source);
    let digits = Zeroizing::new(hex::encode(master.0.as_slice()));
    let text = Zeroizing::new(format!("{TITLE}\n{}\n", *digits));
    let mut file: File =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(wrap)?;
    make_private(path)?;
    file.write_all(text.as_bytes()).and_then(|()| file.sync_all()).map_err(wrap)?;
    sync_parent(path)
}

fn promote(path: &Path) -> Result<(), Error> {
    let wrap = |source| Error::file(path, source);
    match fs::rename(path, path.with_extension("key.replaced")) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(wrap(error)),
        _ => {}
    }
    fs::rename(successor(path), path).map_err(wrap)?;
    sync_parent(path)
}

fn successor(path: &Path) -> PathBuf {
    path.with_extension("key.new")
}
