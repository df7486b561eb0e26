//! The host's configuration, and what it needs from others.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use openpact_model::clock::Clock;
use openpact_model::port::KeyValue;
use openpact_model::random::Random;

use crate::compile::Compiler;
use crate::error::Error;
use crate::host::Host;

/// How the host runs components. Built into a [`Host`].
#[derive(Clone)]
pub struct Config {
    /// The folder for compiled components; `None` compiles at every start. Nobody else may write to it.
    pub cache_dir: Option<PathBuf>,
    /// The local key that authenticates what lies in `cache_dir`.
    pub cache_key: [u8; 32],
    /// Bytes of compiled components that are kept; what was not used for the longest time goes first.
    pub cache_bytes: u64,
    /// Who compiles.
    pub compiler: Compiler,
    /// Threads that run components. They run nothing else, so that a busy component delays no chat.
    pub guest_threads: usize,
    /// Instances that may live at once, over all components. Receive loops have places of their own beside these.
    pub max_instances: u32,
    /// Receive loops that may live at once: as many adapters can be connected.
    pub max_loops: u32,
    /// How long a call of an adapter waits for a place, beyond the time that it may take itself.
    pub place_wait: Duration,
    /// The most that a deployment may allow one instance, in bytes; at most 4 GiB.
    pub max_memory: u64,
    /// How often a running component is looked at.
    pub epoch_tick: Duration,
    /// What of a processor the receive loop of one adapter gets.
    pub loop_share: Share,
}

/// A share of a processor: so much for each second, and a stock for busy moments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Share {
    /// Processor time for each second.
    pub per_second: Duration,
    /// Processor time that may be used at once after a quiet time.
    pub burst: Duration,
}

impl Config {
    /// The defaults: a cache of half a gigabyte, 64 instances and 8 receive loops of 1 GiB each at most, a look every
    /// 10 ms, two threads, a tenth of a core for each receive loop with 5 seconds at once. Who compiles has no default:
    /// whoever takes a compiler without bounds says so.
    pub fn new(compiler: Compiler, cache_dir: Option<PathBuf>, cache_key: [u8; 32]) -> Self {
        Self {
            cache_dir,
            cache_key,
            cache_bytes: 512 << 20,
            compiler,
            guest_threads: 2,
            max_instances: 64,
            max_loops: 8,
            place_wait: Duration::from_secs(30),
            max_memory: 1 << 30,
            epoch_tick: Duration::from_millis(10),
            loop_share: Share { per_second: Duration::from_millis(100), burst: Duration::from_secs(5) },
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
