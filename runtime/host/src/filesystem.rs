//! Our own door to the files: `wasi:filesystem` over the mounts of a component.
//!
//! It stands in for the stock implementation because the stock one follows symbolic links inside a mount, makes links,
//! opens pipes and devices, and knows no quota. What holds here:
//!
//! - A path is walked one name at a time from an open folder, and no name is ever followed through a symbolic link,
//!   whoever made it; `..` and absolute paths are refused before anything is opened ([`path`]).
//! - Nothing but folders and ordinary files with a single name can be opened: a hard link may reach outside the mount.
//! - No link can be made, and where a link points cannot be read.
//! - Every byte that is written is counted before it is written ([`space`]).
//! - A mount may show single files only, each by the role of the caller ([`crate::Scope::Files`]).
//! - Everything that may block runs on threads for blocking work, so a call can be stopped while a disk hangs.

mod guest;
mod handle;
mod listing;
mod open;
mod operation;
mod path;
mod space;
mod stream;
mod tree;

use std::collections::HashSet;
use std::io;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex};

use openpact_model::clock::Clock;
use openpact_model::role::Role;
use rustix::fs::{CWD, Mode, OFlags};
use tokio::sync::Semaphore;

use crate::deployment::{Mount, Scope};
use crate::error::Error;
use crate::ledger::{Ledger, lock};
use handle::{Folder, View};
use space::Space;
pub(crate) use space::Spaces;

/// The mounts of one component, opened when it was loaded.
pub(crate) struct Mounts {
    opened: Vec<(Arc<Mount>, Mutex<Arc<Space>>)>,
    /// How many files the calls of this component may have open together.
    open: (Arc<Semaphore>, usize),
    spaces: Arc<Spaces>,
    clock: Arc<dyn Clock>,
}

impl Mounts {
    /// Opens the folders once, to find what is wrong with them before any call, and counts what lies in them.
    pub(crate) fn new(mounts: &[Mount], spaces: Arc<Spaces>, clock: Arc<dyn Clock>) -> Result<Self, Error> {
        let mut names = HashSet::new();
        let mut opened = Vec::with_capacity(mounts.len());
        for mount in mounts {
            let allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
            if mount.name.is_empty() || !mount.name.bytes().all(allowed) || !names.insert(&mount.name) {
                return Err(Error::MountName { name: mount.name.clone() });
            }
            let space = open_root(mount).and_then(|root| spaces.of(root, &mount.scope, clock.as_ref()));
            let space = space.map_err(|source| Error::Mount {
                mount: mount.name.clone(),
                path: mount.path.clone(),
                source,
            })?;
            opened.push((Arc::new(mount.clone()), Mutex::new(space)));
        }
        let open = (Arc::new(Semaphore::new(spaces.per_component())), spaces.per_component());
        Ok(Self { opened, open, spaces, clock })
    }

    /// Opens the roots as one call sees them, with the paths by which the guest knows them.
    fn open_roots(&self, role: Role, ledger: &Arc<Ledger>) -> io::Result<Vec<(Folder, String)>> {
        let mut roots = Vec::with_capacity(self.opened.len());
        for (mount, space) in &self.opened {
            let fd = open_root(mount)?;
            let space = self.space(mount, space, &fd)?;
            let view = View {
                mount: Arc::clone(mount),
                space,
                role,
                ledger: Arc::clone(ledger),
                clock: Arc::clone(&self.clock),
                open: [self.open.clone(), self.spaces.open_files()],
            };
            roots.push((Folder::root(fd, Arc::new(view)), format!("/{}", mount.name)));
        }
        Ok(roots)
    }
}

impl Mounts {
    /// The space of the folder that is there now: somebody may have put another in its place since the last call.
    fn space(&self, mount: &Mount, known: &Mutex<Arc<Space>>, root: &OwnedFd) -> io::Result<Arc<Space>> {
        let mut known = lock(known);
        if !known.is_of(root)? {
            *known = self.spaces.of(root.try_clone()?, &mount.scope, self.clock.as_ref())?;
        }
        Ok(Arc::clone(&known))
    }
}

/// What one call knows of the mounts.
pub(crate) struct Files {
    mounts: Arc<Mounts>,
    role: Role,
    ledger: Arc<Ledger>,
    /// Opened once: a guest may ask for them without end, and they are in nobody's count of open files.
    roots: Option<Vec<(Folder, String)>>,
}

impl Files {
    pub(crate) fn new(mounts: Arc<Mounts>, role: Role, ledger: Arc<Ledger>) -> Self {
        Self { mounts, role, ledger, roots: None }
    }

    /// The roots, with the paths by which the guest knows them.
    fn roots(&mut self) -> io::Result<Vec<(Folder, String)>> {
        if let Some(roots) = &self.roots {
            return Ok(roots.clone());
        }
        let roots = self.mounts.open_roots(self.role, &self.ledger)?;
        Ok(self.roots.insert(roots).clone())
    }
}

/// The folder itself, never a link to one.
fn open_root(mount: &Mount) -> io::Result<OwnedFd> {
    Ok(rustix::fs::openat(CWD, &mount.path, FOLDER, Mode::empty())?)
}

/// How folders are opened.
const FOLDER: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

/// The names that a scope shows, if not all.
fn listed(scope: &Scope) -> Option<Vec<String>> {
    match scope {
        Scope::Tree => None,
        Scope::Files(rules) => Some(rules.iter().map(|rule| rule.name.clone()).collect()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use openpact_model::clock::SystemClock;

    use super::*;
    use crate::deployment::Access;

    #[test]
    fn the_roots_are_opened_once_for_a_call() {
        let folder = tempfile::tempdir().unwrap();
        let mount = Mount {
            name: "workspace".into(),
            path: folder.path().into(),
            access: Access::ReadWrite,
            quota: 1 << 20,
            scope: Scope::Tree,
        };
        let mounts = Mounts::new(&[mount], Arc::new(Spaces::new()), Arc::new(SystemClock)).unwrap();
        let mut files = Files::new(Arc::new(mounts), Role::Owner, Arc::new(Ledger::for_tests()));
        let first = files.roots().unwrap();
        for _ in 0..100 {
            let again = files.roots().unwrap();
            assert_eq!(again[0].0.fd().as_raw_fd(), first[0].0.fd().as_raw_fd());
            assert!(Arc::ptr_eq(again[0].0.view(), first[0].0.view()));
        }
    }
}
