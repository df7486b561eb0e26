//! Native code in memory that nobody can change, and the one place that loads it.
//!
//! The code lies in an anonymous file that is sealed before it is checked, and the engine maps that file: what was
//! checked is what runs, whatever happens to the file on disk meanwhile, and it is not copied once more.

use std::fs::File;
use std::io::{self, Read, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;

use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, memfd_create};
use rustix::io::Errno;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Bytes that are looked at at once.
const CHUNK: usize = 128 * 1024;

/// Bytes that do not change any more.
pub(crate) struct Frozen {
    file: File,
    length: u64,
}

impl Frozen {
    /// Copies everything out of `from` into memory of its own and seals it.
    pub(crate) fn copy(from: &mut impl Read) -> io::Result<Self> {
        let mut file = anonymous()?;
        let length = io::copy(from, &mut file)?;
        file.flush()?;
        let seals = SealFlags::WRITE | SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL;
        fcntl_add_seals(&file, seals)?;
        Ok(Self { file, length })
    }

    pub(crate) fn length(&self) -> u64 {
        self.length
    }

    /// Shows all bytes, as they are in the sealed memory.
    pub(crate) fn show(&self, mut to: impl FnMut(&[u8])) -> io::Result<()> {
        let mut chunk = vec![0; CHUNK];
        let mut at = 0;
        while at < self.length {
            let read = self.file.read_at(&mut chunk, at)?;
            if read == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            to(&chunk[..read]);
            at += read as u64;
        }
        Ok(())
    }

    /// A name for the sealed memory, for as long as `self` lives.
    fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.file.as_raw_fd()).into()
    }
}

/// An empty file without a name, which can be sealed and cannot be executed as a program.
fn anonymous() -> io::Result<File> {
    let create =
        |more| memfd_create("openpact-native", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING | more);
    let made = match create(MemfdFlags::NOEXEC_SEAL) {
        // Linux before 6.3 does not know the flag.
        Err(Errno::INVAL) => create(MemfdFlags::empty()),
        made => made,
    };
    Ok(made?.into())
}

/// Native code that this program's compiler made. Whoever makes one vouches for that.
pub(crate) struct Native(Frozen);

impl Native {
    /// For code that came from the compiler just now, or whose authentication code was right.
    pub(crate) fn vouched(code: Frozen) -> Self {
        Self(code)
    }

    /// Loads it: the one place of this workspace that may do something unsafe.
    #[expect(unsafe_code, reason = "native code can only be loaded so; see the safety comment")]
    pub(crate) fn load(&self, engine: &Engine) -> wasmtime::Result<Component> {
        // SAFETY: the file must hold unmodified output of `Engine::precompile_component` of a compatible engine, and
        // must not change for as long as it is mapped. The path names sealed memory that this process holds open, which
        // no process can change any more. What lies in it came from the compiler in this process, or over the pipe of
        // the helper that this process started, together with the hash of that helper's engine, which was compared; or
        // its HMAC, made over such output and the hash of the engine's settings with a key that only this process and
        // its user can read, was verified over the sealed memory itself. The engine compares its settings once more.
        unsafe { Component::deserialize_file(engine, self.0.path()) }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn what_is_frozen_cannot_be_changed_by_anybody() {
        let frozen = Frozen::copy(&mut b"code".as_slice()).unwrap();
        let mut seen = Vec::new();
        frozen.show(|chunk| seen.extend_from_slice(chunk)).unwrap();
        assert_eq!((seen.as_slice(), frozen.length()), (b"code".as_slice(), 4));
        assert!(frozen.file.write_at(b"x", 0).is_err(), "through the descriptor that wrote it");
        assert!(frozen.file.set_len(0).is_err() && frozen.file.set_len(9).is_err());
        let reopened = std::fs::OpenOptions::new().write(true).open(frozen.path());
        assert!(reopened.is_err() || reopened.unwrap().write_at(b"x", 0).is_err(), "or through its name");
        assert!(fcntl_add_seals(&frozen.file, SealFlags::empty()).is_err(), "and the seals stay");
        let mode = frozen.file.metadata().unwrap().permissions().mode();
        let knows = memfd_create("probe", MemfdFlags::NOEXEC_SEAL).is_ok();
        assert!(!knows || mode & 0o111 == 0, "nor can it be executed: {mode:o}");
    }

    #[test]
    fn all_of_a_long_code_is_shown() {
        let code: Vec<u8> = (0..3 * CHUNK + 7).map(|at| u8::try_from(at % 251).unwrap()).collect();
        let frozen = Frozen::copy(&mut code.as_slice()).unwrap();
        let mut seen = Vec::new();
        frozen.show(|chunk| seen.extend_from_slice(chunk)).unwrap();
        assert!(seen == code);
    }
}
