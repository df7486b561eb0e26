//! Compiled components on disk, authenticated, and no more of them than fit.
//!
//! Native code that the engine loads is trusted like our own, so a file is loaded only if its authentication code
//! (HMAC-SHA256 with a key that never leaves this machine) is right for exactly these bytes, this component and this
//! engine. Anything else - altered, cut off, made by another key or engine, a symbolic link - is not an error but a
//! miss: the component is compiled again, from the bytes whose signature was checked.

use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

use hmac::{Hmac, KeyInit as _, Mac as _};
use openpact_model::clock::Clock;
use openpact_model::id::Digest;
use openpact_model::random::Random;
use sha2::Sha256;
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::engine::fingerprint;
use crate::native::{Frozen, Native};

/// What every authentication code covers first, so that the key's other uses can never make one.
const CONTEXT: &[u8] = b"openpact native component 1\0";
/// Bytes of the authentication code, which stands before the native code.
const CODE_BYTES: usize = 32;
/// Larger files are not even read.
const MAX_BYTES: u64 = 1 << 30;
/// What the names of compiled components end in, and those of files that are being written.
const NATIVE: &str = "native";
const DRAFT: &str = "tmp";

/// The folder of compiled components.
pub(crate) struct Cache {
    folder: PathBuf,
    key: [u8; 32],
    /// Bytes that may lie in the folder.
    most: u64,
    engine: Digest,
    ports: Ports,
}

/// What the cache uses and does not own.
pub(crate) struct Ports {
    pub(crate) random: Arc<dyn Random>,
    pub(crate) clock: Arc<dyn Clock>,
}

impl Cache {
    pub(crate) fn new(folder: PathBuf, key: [u8; 32], most: u64, engine: &Engine, ports: Ports) -> Self {
        Self { folder, key, most, engine: fingerprint(engine), ports }
    }

    /// The compiled form of the component `digest`, if there is one that was made here.
    pub(crate) fn load(&self, engine: &Engine, digest: Digest) -> Option<Component> {
        let path = self.path(digest);
        let unused = |error: String| {
            tracing::warn!(path = %path.display(), error, "a compiled component is not used; it is compiled again");
        };
        match self.read(&path, digest) {
            Ok(native) => native.load(engine).map_err(|error| unused(format!("{error:#}"))).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => {
                unused(error.to_string());
                None
            }
        }
    }

    /// Keeps a compiled component, and lets go of others where there are too many. Failing to is no reason not to run it.
    pub(crate) fn store(&self, digest: Digest, native: &[u8]) {
        let path = self.path(digest);
        if let Err(error) = self.write(&path, digest, native) {
            tracing::warn!(path = %path.display(), %error, "a compiled component cannot be kept; it is compiled at every start");
            return;
        }
        if let Err(error) = self.prune(&path) {
            tracing::warn!(path = %self.folder.display(), %error, "old compiled components cannot be removed");
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.folder.join(format!("{digest}-{}.{NATIVE}", self.engine.short()))
    }

    fn read(&self, path: &Path, digest: Digest) -> io::Result<Native> {
        let flags = rustix::fs::OFlags::NOFOLLOW | rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::CLOEXEC;
        let flags = i32::try_from(flags.bits()).map_err(io::Error::other)?;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let about = file.metadata()?;
        if !about.is_file() || about.len() > MAX_BYTES {
            return Err(io::Error::other("it is no ordinary file of a sensible size"));
        }
        let mut code = [0; CODE_BYTES];
        (&file)
            .read_exact(&mut code)
            .map_err(|_| io::Error::other("it is too short to carry an authentication code"))?;
        // First into memory that nobody can change, then the check: what is checked there is what runs.
        let native = Frozen::copy(&mut (&file).take(MAX_BYTES))?;
        let mut made = self.code(digest, native.length());
        native.show(|bytes| made.update(bytes))?;
        made.verify_slice(&code).map_err(|_| {
            io::Error::other("its authentication code is wrong: it was altered, or not made here")
        })?;
        // So that what is used is not what goes first. A folder that cannot be written to needs no pruning either.
        drop(file.set_times(FileTimes::new().set_modified(SystemTime::from(self.ports.clock.now()))));
        Ok(Native::vouched(native))
    }

    fn write(&self, path: &Path, digest: Digest, native: &[u8]) -> io::Result<()> {
        let mut suffix = [0; 8];
        self.ports.random.fill(&mut suffix);
        let draft = path.with_extension(format!("{}.{DRAFT}", hex::encode(suffix)));
        let written = self.write_draft(&draft, digest, native).and_then(|()| fs::rename(&draft, path));
        if written.is_err() {
            // Nothing was there, or something that is of no use; the first error is the one to tell.
            drop(fs::remove_file(&draft));
        }
        written
    }

    fn write_draft(&self, draft: &Path, digest: Digest, native: &[u8]) -> io::Result<()> {
        let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(draft)?;
        let mut code = self.code(digest, native.len() as u64);
        code.update(native);
        file.write_all(&code.finalize().into_bytes())?;
        file.write_all(native)?;
        file.set_times(FileTimes::new().set_modified(SystemTime::from(self.ports.clock.now())))?;
        file.sync_all()
    }

    /// The authentication code of native code of that length, which is still to be put in.
    fn code(&self, digest: Digest, length: u64) -> Hmac<Sha256> {
        let mut code = Hmac::<Sha256>::new_from_slice(&self.key).expect("HMAC takes keys of any length");
        code.update(CONTEXT);
        code.update(digest.as_bytes());
        code.update(self.engine.as_bytes());
        code.update(&length.to_le_bytes());
        code
    }

    /// Removes what was not used for the longest time until the rest fits; `kept` stays in any case.
    fn prune(&self, kept: &Path) -> io::Result<()> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let ours = path.extension().is_some_and(|end| end == NATIVE || end == DRAFT);
            // What is gone by now takes no room. What is neither a file nor a link was put there by somebody else.
            let about = fs::symlink_metadata(&path)
                .ok()
                .filter(|about| ours && (about.is_file() || about.is_symlink()));
            if let Some(about) = about {
                files.push((about.modified().unwrap_or(SystemTime::UNIX_EPOCH), path, about.len()));
            }
        }
        files.sort();
        let mut all: u64 = files.iter().map(|(.., bytes)| bytes).sum();
        // One that cannot be removed is told in the end, and keeps nothing else.
        let mut failed = Ok(());
        for (_, path, bytes) in files {
            if all <= self.most {
                break;
            }
            if path == kept {
                continue;
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => failed = Err(error),
                // Somebody else may have removed it.
                _ => all -= bytes,
            }
        }
        failed
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use openpact_model::clock::SystemClock;
    use openpact_model::random::SystemRandom;

    use super::*;
    use crate::compile::Compiler;
    use crate::config::Config;

    /// An empty component: enough for everything but running.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    struct Fixture {
        folder: tempfile::TempDir,
        engine: Engine,
        cache: Cache,
        digest: Digest,
    }

    fn cache(folder: &tempfile::TempDir, key: [u8; 32], engine: &Engine) -> Cache {
        let ports = Ports { random: Arc::new(SystemRandom), clock: Arc::new(SystemClock) };
        Cache::new(folder.path().into(), key, 1 << 30, engine, ports)
    }

    fn fixture() -> Fixture {
        let folder = tempfile::tempdir().unwrap();
        let engine = crate::engine::build(&Config::new(Compiler::InProcess, None, [0; 32])).unwrap();
        let cache = cache(&folder, [7; 32], &engine);
        let digest = Digest::of(EMPTY);
        cache.store(digest, &engine.precompile_component(EMPTY).unwrap());
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
        let other_key = cache(&fixture.folder, [8; 32], &fixture.engine);
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
        let other = cache(&fixture.folder, [7; 32], &engine);
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
        fixture.cache.store(fixture.digest, &fixture.engine.precompile_component(EMPTY).unwrap());
        assert!(loads(&fixture));
        assert_eq!(fs::read(&outside).unwrap(), b"precious", "a planted link is replaced, not followed");
    }

    #[test]
    fn what_is_written_over_after_the_check_is_not_what_runs() {
        let fixture = fixture();
        let path = fixture.cache.path(fixture.digest);
        let native = fixture.cache.read(&path, fixture.digest).unwrap();
        // In place: the same file, with other bytes.
        let length = usize::try_from(fs::metadata(&path).unwrap().len()).unwrap();
        OpenOptions::new().write(true).open(&path).unwrap().write_all(&vec![0xcc; length]).unwrap();
        assert!(!loads(&fixture), "the file is another now");
        assert!(native.load(&fixture.engine).is_ok(), "and what was checked is as it was");
    }

    #[test]
    fn code_of_an_older_engine_under_the_name_and_code_of_this_one_is_not_loaded() {
        let fixture = fixture();
        let mut settings = wasmtime::Config::new();
        settings.epoch_interruption(false);
        let old = Engine::new(&settings).unwrap().precompile_component(EMPTY).unwrap();
        // As if the local key had vouched for it: the engine looks for itself.
        fixture.cache.store(fixture.digest, &old);
        assert!(fixture.cache.read(&fixture.cache.path(fixture.digest), fixture.digest).is_ok());
        assert!(!loads(&fixture));
    }

    #[test]
    fn what_cannot_be_removed_keeps_nothing_else() {
        let mut fixture = fixture();
        // Older than all: a folder with the name of a compiled component, which is no file that could be removed.
        let folder = fixture.folder.path().join("x.native");
        fs::create_dir(&folder).unwrap();
        File::open(&folder).unwrap().set_modified(SystemTime::UNIX_EPOCH).unwrap();
        let link = fixture.folder.path().join("dangling.native");
        std::os::unix::fs::symlink("/nowhere", &link).unwrap();
        fixture.cache.most = 0;
        let native = fixture.engine.precompile_component(EMPTY).unwrap();
        fixture.cache.store(Digest::of(b"another"), &native);
        assert!(!fixture.cache.path(fixture.digest).exists() && folder.exists());
        assert!(fs::symlink_metadata(&link).is_err(), "a link is removed, not followed");
    }

    #[test]
    fn no_more_is_kept_than_fits_and_what_was_used_last_stays() {
        let mut fixture = fixture();
        let native = fixture.engine.precompile_component(EMPTY).unwrap();
        let digests: Vec<_> = (0..5_u8).map(|number| Digest::of(&[number])).collect();
        fs::remove_file(fixture.cache.path(fixture.digest)).unwrap();
        let age = |path: &Path, minutes: u64| {
            let time = SystemTime::UNIX_EPOCH + Duration::from_mins(minutes);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        };
        for (minutes, digest) in (100..).zip(&digests[..4]) {
            fixture.cache.store(*digest, &native);
            age(&fixture.cache.path(*digest), minutes);
        }
        let size = fs::metadata(fixture.cache.path(digests[0])).unwrap().len();
        // A draft that a crash left, older than all, and a file of somebody else, which is not ours to remove.
        let (draft, other) = (fixture.folder.path().join("x.1.tmp"), fixture.folder.path().join("notes"));
        fs::write(&draft, b"draft").unwrap();
        fs::write(&other, vec![0; 1 << 20]).unwrap();
        age(&draft, 1);
        age(&other, 1);
        assert!(fixture.cache.load(&fixture.engine, digests[0]).is_some(), "used now, although made first");

        let there = |fixture: &Fixture| {
            digests.iter().map(|digest| fixture.cache.path(*digest).exists()).collect::<Vec<_>>()
        };
        fixture.cache.most = 5 * size;
        fixture.cache.store(digests[4], &native);
        assert_eq!(there(&fixture), [true; 5], "exactly as much as fits");
        assert!(!draft.exists());
        fixture.cache.most = 3 * size;
        fixture.cache.store(digests[4], &native);
        assert_eq!(there(&fixture), [true, false, false, true, true]);
        fixture.cache.most = 3 * size - 1;
        fixture.cache.store(digests[4], &native);
        assert_eq!(there(&fixture), [true, false, false, false, true], "one byte less");
        fixture.cache.most = 0;
        fixture.cache.store(digests[4], &native);
        assert_eq!(there(&fixture), [false, false, false, false, true], "what runs now stays");
        assert!(other.exists());
    }
}
