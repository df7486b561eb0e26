//! The host's configuration, and what it needs from others.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openpact_model::clock::Clock;
use openpact_model::port::KeyValue;
use openpact_model::random::Random;

use crate::error::Error;
use crate::host::Host;

/// How the host runs components. Built into a [`Host`].
#[derive(Clone)]
pub struct Config {
    /// The folder for compiled components; `None` compiles at every start. Nobody else may write to it.
    pub cache_dir: Option<PathBuf>,
    /// The local key that authenticates what lies in `cache_dir`.
    pub cache_key: [u8; 32],
    /// Threads that run components. They run nothing else, so that a busy component delays no chat.
    pub guest_threads: usize,
    /// Instances that may live at once, over all components.
    pub max_instances: u32,
    /// The most that a deployment may allow one instance, in bytes; at most 4 GiB.
    pub max_memory: u64,
    /// How often a running component is looked at.
    pub epoch_tick: Duration,
}

impl Config {
    /// The defaults with a cache: 64 instances, 1 GiB each at most, a look every 10 ms, two threads.
    pub fn new(cache_dir: Option<PathBuf>, cache_key: [u8; 32]) -> Self {
        Self {
            cache_dir,
            cache_key,
            guest_threads: 2,
            max_instances: 64,
            max_memory: 1 << 30,
            epoch_tick: Duration::from_millis(10),
        }
    }

    /// Starts the engine and its threads.
    ///
    /// # Errors
    /// When this machine cannot run it.
    pub fn build(self, ports: Ports) -> Result<Host, Error> {
        Host::start(self, ports)
    }
}

/// What the host uses and does not own.
#[derive(Clone)]
pub struct Ports {
    /// Measures the wall time of calls.
    pub clock: Arc<dyn Clock>,
    /// Names temporary files.
    pub random: Arc<dyn Random>,
    /// The store behind `openpact:host/kv`.
    pub key_value: Arc<dyn KeyValue>,
}
