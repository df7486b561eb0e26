//! The WebAssembly engine: its settings, its pool of instances, and the thread that looks at running components.

use std::hash::{Hash as _, Hasher};
use std::num::NonZeroUsize;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use openpact_model::id::Digest;
use sha2::{Digest as _, Sha256};
use wasmtime::{Engine, InstanceAllocationStrategy, PoolingAllocationConfig};

use crate::config::Config;
use crate::error::Error;
use crate::limiter::{INSTANCES, MEMORIES, TABLE_ELEMENTS, TABLES};

/// The stack of a guest in bytes.
pub(crate) const MAX_WASM_STACK: usize = 512 * 1024;
/// Frames in the backtrace of a trap.
pub(crate) const BACKTRACE_FRAMES: usize = 64;
/// What the linear memory of a 32-bit guest can address. The pool reserves as much for each memory, so that compiled
/// code needs no bounds checks: a smaller reservation makes guests 1.4 times slower.
const ADDRESSABLE: u64 = 4 << 30;

/// An engine with a pool of instances, or one that allocates on demand where the address space does not allow a pool.
pub(crate) fn build(config: &Config) -> Result<Engine, Error> {
    match Engine::new(&settings(InstanceAllocationStrategy::Pooling(pool(config)))) {
        Ok(engine) => Ok(engine),
        Err(error) => {
            tracing::warn!(
                error = format!("{error:#}"),
                "no room for a pool of instances; they are allocated on demand, which is slower"
            );
            Engine::new(&settings(InstanceAllocationStrategy::OnDemand)).map_err(Error::Engine)
        }
    }
}

/// An engine that only compiles: with the settings of one that runs, and without a place for instances.
pub(crate) fn for_compiling() -> wasmtime::Result<Engine> {
    Engine::new(&settings(InstanceAllocationStrategy::OnDemand))
}

/// What native code has to be made for to fit `engine`.
pub(crate) fn fingerprint(engine: &Engine) -> Digest {
    let mut hasher = Fingerprint(Sha256::new());
    engine.precompile_compatibility_hash().hash(&mut hasher);
    Digest::from(<[u8; 32]>::from(hasher.0.finalize()))
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

fn settings(strategy: InstanceAllocationStrategy) -> wasmtime::Config {
    let mut settings = wasmtime::Config::new();
    settings
        .wasm_component_model(true)
        .epoch_interruption(true)
        .allocation_strategy(strategy)
        .memory_init_cow(true)
        .max_wasm_stack(MAX_WASM_STACK)
        .wasm_backtrace_max_frames(NonZeroUsize::new(BACKTRACE_FRAMES))
        // Nothing that today's guest toolchains emit by default, and each a part of the compiler that hostile code
        // could otherwise reach.
        .wasm_memory64(false)
        .wasm_relaxed_simd(false);
    settings
}

fn pool(config: &Config) -> PoolingAllocationConfig {
    let instances = config.max_instances.saturating_add(config.max_loops);
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_stacks(instances)
        .total_core_instances(instances.saturating_mul(INSTANCES))
        .total_memories(instances.saturating_mul(MEMORIES))
        .total_tables(instances.saturating_mul(TABLES))
        .max_core_instances_per_component(INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_memories_per_module(MEMORIES)
        .max_tables_per_module(TABLES)
        .table_elements(TABLE_ELEMENTS)
        .max_memory_size(usize::try_from(config.max_memory.min(ADDRESSABLE)).unwrap_or(usize::MAX));
    pool
}

/// The thread that advances the engine's epoch. Ends when dropped.
pub(crate) struct Ticker {
    stop: Option<Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    pub(crate) fn start(engine: &Engine, tick: Duration) -> Result<Self, Error> {
        let (stop, stopped) = channel::<()>();
        let engine = engine.weak();
        let thread = std::thread::Builder::new().name("guest-epoch".into());
        let run = move || {
            // The engine is held weakly: this thread keeps nothing alive.
            while stopped.recv_timeout(tick) == Err(RecvTimeoutError::Timeout) {
                match engine.upgrade() {
                    Some(engine) => engine.increment_epoch(),
                    None => return,
                }
            }
        };
        let thread = thread.spawn(run).map_err(Error::Threads)?;
        Ok(Self { stop: Some(stop), thread: Some(thread) })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // It ends at once: the channel that it waits on is closed. A panic in it has nothing to tell.
            drop(thread.join());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Compiler;

    #[test]
    fn a_pool_that_cannot_be_reserved_falls_back() {
        let mut config = Config::new(Compiler::InProcess, None, [0; 32]);
        // 4 GiB for each of 17 billion memories: more than any address space.
        config.max_instances = u32::MAX;
        let engine = build(&config).unwrap();
        assert!(engine.pooling_allocator_metrics().is_none());
    }

    #[test]
    fn what_compiles_makes_code_for_what_runs() {
        let runs = build(&Config::new(Compiler::InProcess, None, [0; 32])).unwrap();
        let compiles = for_compiling().unwrap();
        assert_eq!(fingerprint(&runs), fingerprint(&compiles));
        assert!(compiles.pooling_allocator_metrics().is_none(), "it reserves no address space");
        let mut other = settings(InstanceAllocationStrategy::OnDemand);
        other.epoch_interruption(false);
        assert_ne!(fingerprint(&runs), fingerprint(&Engine::new(&other).unwrap()));
    }

    #[test]
    fn the_default_has_a_pool() {
        let engine = build(&Config::new(Compiler::InProcess, None, [0; 32])).unwrap();
        assert!(engine.pooling_allocator_metrics().is_some());
    }
}
