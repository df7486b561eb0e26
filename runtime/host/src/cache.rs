//! Compiled components on disk, authenticated.
//!
//! Native code that the engine loads is trusted like our own, so a file is loaded only if its authentication code
//! (HMAC-SHA256 with a key that never leaves this machine) is right for exactly these bytes, this component and this
//! engine. Anything else - altered, cut off, made by another key or engine, a symbolic link - is not an error but a
//! miss: the component is compiled again, from the bytes whose signature was checked.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash as _, Hasher};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use hmac::{Hmac, KeyInit as _, Mac as _};
use openpact_model::id::Digest;
use openpact_model::random::Random;
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

/// What every authentication code covers first, so that the key's other uses can never make one.
const CONTEXT: &[u8] = b"openpact native component 1\0";
/// Bytes of the authentication code, which stands before the native code.
const CODE_BYTES: usize = 32;
/// Larger files are not even read.
const MAX_BYTES: u64 = 1 << 30;

/// The folder of compiled components.
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    engine: Digest,
    random: Arc<dyn Random>,
}

impl Cache {
    pub(crate) fn new(folder: PathBuf, key: [u8; 32], engine: &Engine, random: Arc<dyn Random>) -> Self {
        let mut hasher = Fingerprint(Sha256::new());
        engine.precompile_compatibility_hash().hash(&mut hasher);
        Self { folder, key, engine: Digest::from(<[u8; 32]>::from(hasher.0.finalize())), random }
    }

    /// The compiled form of the component `digest`, if there is one that was made here.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.path(digest);
        let native = match self.read(&path, digest) {
            Ok(native) => native,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "a compiled component is not used; it is compiled again");
                return None;
            }
        };
        match deserialize(engine, &native) {
            Ok(component) => Some(component),
            Err(error) => {
                let error = format!("{error:#}");
                tracing::warn!(path = %path.display(), error, "a compiled component is not used; it is compiled again");
                None
            }
        }
    }

    /// Keeps a compiled component. Failing to is no reason not to run it.
    pub(crate) fn store(&self, digest: Digest, component: &Component) {
        let path = self.path(digest);
        let written = component
            .serialize()
            .map_err(|error| io::Error::other(format!("{error:#}")))
            .and_then(|native| self.write(&path, digest, &native));
        if let Err(error) = written {
            tracing::warn!(path = %path.display(), %error, "a compiled component cannot be kept; it is compiled at every start");
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{}.native", self.engine.short()))
    }

    fn read(&self, path: &Path, digest: Digest) -> io::Result<Authentic> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() > MAX_BYTES {
            return Err(io::Error::other("it is no ordinary file of a sensible size"));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or_default());
        file.take(MAX_BYTES).read_to_end(&mut bytes)?;
        let (code, native) = bytes
            .split_at_checked(CODE_BYTES)
            .ok_or_else(|| io::Error::other("it is too short to carry an authentication code"))?;
        self.code(digest, native).verify_slice(code).map_err(|_| {
            io::Error::other("its authentication code is wrong: it was altered, or not made here")
        })?;
        bytes.drain(..CODE_BYTES);
        Ok(Authentic(bytes))
    }

    fn write(&self, path: &Path, digest: Digest, native: &[u8]) -> io::Result<()> {
        let mut suffix = [0; 8];
        self.random.fill(&mut suffix);
        let draft = path.with_extension(format!("{}.tmp", hex::encode(suffix)));
        let written = self.write_draft(&draft, digest, native).and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // Nothing was there, or something that is of no use; the first error is the one to tell.
            drop(fs::remove_file(&draft));
        }
        written
    }

    fn write_draft(&self, draft: &Path, digest: Digest, native: &[u8]) -> io::Result<()> {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
        file.write_all(&self.code(digest, native).finalize().into_bytes())?;
        file.write_all(native)?;
        file.sync_all()
    }

    fn code(&self, digest: Digest, native: &[u8]) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        code.update(CONTEXT);
        code.update(digest.as_bytes());
        code.update(self.engine.as_bytes());
        code.update(&(native.len() as u64).to_le_bytes());
        code.update(native);
        code
    }
}

/// Native code whose authentication code was right. Made by [`Cache::read`] alone.
struct Authentic(Vec<u8>);

/// Loads native code: the one place of this workspace that may do something unsafe.
#[expect(unsafe_code, reason = "native code can only be loaded so; see the safety comment")]
fn deserialize(engine: &Engine, native: &Authentic) -> wasmtime::Result<Component> {
    // SAFETY: the bytes must be unmodified output of `Component::serialize` of a compatible engine. `Authentic` holds
    // the very bytes in memory (not a file that could change underneath) whose HMAC was verified, and the HMAC is made
    // by `Cache::store` alone, over output of `Component::serialize` and the hash of the engine's settings, with a key
    // that only this process and its user can read.
    unsafe { Component::deserialize(engine, &native.0) }
}

/// A hasher of 256 bits, so that two engines never share a name by accident or design.
struct Fingerprint(Sha256);

impl Hasher for Fingerprint {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let digest: [u8; 32] = self.0.clone().finalize().into();
        u64::from_le_bytes(digest[..8].try_into().expect("eight of 32 bytes"))
    }
}

#[cfg(test)]
mod tests {
    use openpact_model::random::SystemRandom;

    use super::*;
    use crate::config::Config;

    /// An empty component: enough for everything but running.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Fixture {
        folder: tempfile::TempDir,
        engine: Engine,
        cache: Cache,
        digest: Digest,
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let engine = crate::engine::build(&Config::new(None, [0; 32])).unwrap();
        let cache = Cache::new(folder.path().into(), [7; 32], &engine, Arc::new(SystemRandom));
        let digest = Digest::of(EMPTY);
        let component = Component::new(&engine, EMPTY).unwrap();
        cache.store(digest, &component);
        Fixture { folder, engine, cache, digest }
    }

    fn loads(fixture: &Fixture) -> bool {
        fixture.cache.load(&fixture.engine, fixture.digest).is_some()
    }

    #[test]
    fn what_was_stored_is_loaded() {
        let fixture = fixture();
        assert!(loads(&fixture));
        assert_eq!(fs::read_dir(fixture.folder.path()).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn no_altered_byte_and_no_shortened_file_is_loaded() {
        let fixture = fixture();
        let path = fixture.cache.path(fixture.digest);
        let good = fs::read(&path).unwrap();
        // Every byte of the code and of the head, every 97th of the rest, and the end.
        let places = (0..256).chain((256..good.len()).step_by(97)).chain([good.len() - 1]);
        for place in places {
            for bit in [0, 7] {
                let mut bad = good.clone();
                bad[place] ^= 1 << bit;
                fs::write(&path, &bad).unwrap();
                assert!(fixture.cache.read(&path, fixture.digest).is_err(), "bit {bit} of byte {place}");
            }
        }
        for length in [0, 1, 31, 32, 33, good.len() / 2, good.len() - 1] {
            fs::write(&path, &good[..length]).unwrap();
            assert!(!loads(&fixture), "{length} of {} bytes", good.len());
        }
        fs::write(&path, [good.as_slice(), b"\0"].concat()).unwrap();
        assert!(!loads(&fixture), "a byte more");
        fs::write(&path, &good).unwrap();
        assert!(loads(&fixture), "and the good one still is");
    }

    #[test]
    fn what_another_key_or_another_component_made_is_not_loaded() {
        let fixture = fixture();
        let path = fixture.cache.path(fixture.digest);
        let other_key =
            Cache::new(fixture.folder.path().into(), [8; 32], &fixture.engine, Arc::new(SystemRandom));
        assert!(other_key.load(&fixture.engine, fixture.digest).is_none());
        let other = Digest::of(b"another component");
        fs::copy(&path, fixture.cache.path(other)).unwrap();
        assert!(
            fixture.cache.load(&fixture.engine, other).is_none(),
            "code of one component under another's name"
        );
    }

    #[test]
    fn what_another_engine_made_is_not_loaded() {
        let fixture = fixture();
        let mut settings = wasmtime::Config::new();
        settings.epoch_interruption(false);
        let engine = Engine::new(&settings).unwrap();
        let other = Cache::new(fixture.folder.path().into(), [7; 32], &engine, Arc::new(SystemRandom));
        assert_ne!(other.path(fixture.digest), fixture.cache.path(fixture.digest));
        fs::copy(fixture.cache.path(fixture.digest), other.path(fixture.digest)).unwrap();
        assert!(other.read(&other.path(fixture.digest), fixture.digest).is_err());
    }

    #[test]
    fn a_symbolic_link_and_a_pipe_are_not_read() {
        let fixture = fixture();
        let path = fixture.cache.path(fixture.digest);
        let moved = fixture.folder.path().join("elsewhere");
        fs::rename(&path, &moved).unwrap();
        std::os::unix::fs::symlink(&moved, &path).unwrap();
        assert!(!loads(&fixture), "a link, even to good code");
        fs::remove_file(&path).unwrap();
        rustix::fs::mkfifoat(rustix::fs::CWD, &path, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR)
            .unwrap();
        assert!(!loads(&fixture), "a pipe, and it does not block");
    }

    #[test]
    fn storing_replaces_whatever_lies_there() {
        let fixture = fixture();
        let path = fixture.cache.path(fixture.digest);
        let outside = fixture.folder.path().join("outside");
        fs::write(&outside, b"precious").unwrap();
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&outside, &path).unwrap();
        fixture.cache.store(fixture.digest, &Component::new(&fixture.engine, EMPTY).unwrap());
        assert!(loads(&fixture));
        assert_eq!(fs::read(&outside).unwrap(), b"precious", "a planted link is replaced, not followed");
    }
}
