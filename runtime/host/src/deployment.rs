//! What one component is given: folders, limits, settings, and its door to the network.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openpact_egress as egress;
use openpact_model::role::Role;
use openpact_model::secret::SecretSource;
pub use openpact_packages::manifest::Access;
use serde_json::{Map, Value};

/// Everything that a component gets from this host beyond the bare interfaces. The default gives nothing.
#[derive(Clone)]
pub struct Deployment {
    /// Folders, each seen by the component as `/NAME`.
    pub mounts: Vec<Mount>,
    /// What one call may use.
    pub limits: Limits,
    /// Bytes of keys and values in the key-value store; 0 for none.
    pub kv_quota: u64,
    /// What the admin set, by key.
    pub settings: Map<String, Value>,
    /// The door to the network and to credentials; without it every request is denied.
    pub door: Option<Arc<egress::Door>>,
    /// The secrets that are taken out of what the component logs.
    pub secrets: Arc<dyn SecretSource>,
}

impl Default for Deployment {
    fn default() -> Self {
        Self {
            mounts: Vec::new(),
            limits: Limits::default(),
            kv_quota: 0,
            settings: Map::new(),
            door: None,
            secrets: Arc::new(()),
        }
    }
}

/// A folder that a component may use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mount {
    /// Its name: the component sees the folder as `/NAME`.
    pub name: String,
    /// The folder on this machine.
    pub path: PathBuf,
    /// Whether it may be changed.
    pub access: Access,
    /// Bytes that may lie in it: file sizes, and 4 KiB for each file and folder. What is there already counts.
    pub quota: u64,
    /// Which part of it is visible.
    pub scope: Scope,
}

/// Which part of a mount is visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// Everything below it.
    Tree,
    /// Only these files at its top, each from a role upwards. Everything else looks absent. For a file written by
    /// renaming, `NAME.tmp` belongs to the rule of `NAME`.
    Files(Vec<FileRule>),
}

/// Who may do what with one file of a mount.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRule {
    /// The file's name.
    pub name: String,
    /// The least role of a caller for whom it exists.
    pub read: Role,
    /// The least role of a caller for whom it may be changed; they need `read` too.
    pub write: Role,
}

/// What one call may use, and how many calls there may be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Bytes of all linear memories and tables of an instance together.
    pub memory: u64,
    /// From the call's arrival to its end, waiting included.
    pub wall: Duration,
    /// Time on a processor.
    pub cpu: Duration,
    /// Bytes of the answer.
    pub result: u64,
    /// Calls that run at once.
    pub concurrent: usize,
    /// Calls that wait for one of those places; one more is refused at once.
    pub queue: usize,
    /// Bytes that may cross from the guest to the host in one call of a function.
    pub hostcall_fuel: usize,
    /// Open handles: files, streams, requests, timers.
    pub handles: usize,
    /// Bytes of standard output, standard error and log together that are kept; the rest is counted.
    pub output: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            wall: Duration::from_secs(30),
            cpu: Duration::from_secs(5),
            result: 1 << 20,
            concurrent: 8,
            queue: 64,
            hostcall_fuel: 8 << 20,
            handles: 256,
            output: 64 << 10,
        }
    }
}
