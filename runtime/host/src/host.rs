//! The host: one engine, its threads, and the way from a verified package to a component.

use std::sync::Arc;
use std::time::Duration;

use openpact_model::clock::Clock;
use openpact_model::health::Health;
use openpact_model::id::{ComponentName, Digest};
use openpact_model::port::KeyValue;
use openpact_model::tool::ToolSpec;
use openpact_packages::Verified;
use openpact_packages::manifest::Kind;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use openpact_bindings::v0_1_0::ToolComponentPre;
use openpact_bindings::v0_1_0::chat::AdapterComponentPre;

use crate::adapter::{self, Adapter};
use crate::cache::{self, Cache};
use crate::compile::Workshop;
use crate::component::Component;
use crate::config::{Config, Ports, Share};
use crate::deployment::{Deployment, Limits};
use crate::engine::{self, Ticker};
use crate::error::Error;
use crate::filesystem::Spaces;
use crate::import::kv;
use crate::native::{Frozen, Native};
use crate::places::Places;
use crate::state::State;
use crate::tally::Tallies;
use crate::turns::Turns;
use crate::{describe, linker};

/// Places that are kept free in the pool, so that counting ours never meets its end.
const SPARE_INSTANCES: u32 = 2;

/// Threads for blocking work on files at most; more calls wait.
const BLOCKING_THREADS: usize = 64;

/// What making an instance and dropping it may take on a busy machine.
const MARGIN: Duration = Duration::from_secs(10);

/// The names under which the program itself speaks to people: the terminal, and clients of MCP. A component of such a
/// name would be taken for them.
const RESERVED: [&str; 2] = ["terminal", "mcp"];

/// Runs components. Cheap to clone; the threads end with the last clone and the last component.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

/// What all components of a host share.
pub(crate) struct Shared {
    pub(crate) engine: Engine,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) key_value: Arc<dyn KeyValue>,
    pub(crate) spaces: Arc<Spaces>,
    /// One place for each instance that may live.
    pub(crate) places: Arc<Places>,
    pub(crate) turns: Arc<Turns>,
    pub(crate) tallies: Tallies,
    /// How fast each component writes to the key-value store.
    pub(crate) paces: kv::Paces,
    /// One permit for each receive loop that may live. They live for weeks, and take no place from anything else.
    pub(crate) loops: Arc<Semaphore>,
    pub(crate) place_wait: Duration,
    pub(crate) runtime: Threads,
    pub(crate) loop_share: Share,
    max_memory: u64,
    workshop: Workshop,
    cache: Option<Cache>,
    linker: Linker<State>,
    adapter_linker: Linker<State>,
    _ticker: Ticker,
}

impl Host {
    pub(crate) fn start(config: Config, ports: Ports) -> Result<Self, Error> {
        let engine = engine::build(&config)?;
        let linker = linker::build(&engine)?;
        let adapter_linker = linker::build_for_adapters(&engine)?;
        let ticker = Ticker::start(&engine, config.epoch_tick)?;
        let runtime = Threads::start(config.guest_threads)?;
        let places = config.max_instances.saturating_sub(SPARE_INSTANCES).max(1) as usize;
        let cache = config.cache_dir.map(|folder| {
            let (key, most, random) = (config.cache_key, config.cache_bytes, ports.random);
            let ports = cache::Ports { random, clock: Arc::clone(&ports.clock) };
            Cache::new(folder, key, most, &engine, ports)
        });
        let shared = Shared {
            engine,
            clock: Arc::clone(&ports.clock),
            key_value: ports.key_value,
            spaces: Arc::new(Spaces::new()),
            places: Places::new(places),
            turns: Turns::new(config.guest_threads),
            tallies: Tallies::new(Arc::clone(&ports.clock)),
            paces: kv::Paces::new(Arc::clone(&ports.clock)),
            loops: Arc::new(Semaphore::new(config.max_loops.max(1) as usize)),
            place_wait: config.place_wait,
            runtime,
            loop_share: config.loop_share,
            max_memory: config.max_memory,
            workshop: Workshop::new(config.compiler, ports.clock),
            cache,
            linker,
            adapter_linker,
            _ticker: ticker,
        };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Makes a component ready to be called: compiles the verified bytes, or takes what was compiled of them here
    /// before. Takes seconds where it compiles, and blocks; call it from a thread for blocking work.
    ///
    /// # Errors
    /// When the code does not fit this host, or the deployment cannot be had.
    pub fn load(&self, package: &Arc<Verified>, deployment: Deployment) -> Result<Arc<Component>, Error> {
        let name = package.manifest().name.as_str();
        let component = self.shared.prepare(package, Kind::Tool, &deployment)?;
        let pre = self.shared.link(name, &component)?;
        Component::new(Arc::clone(&self.shared), package, pre, deployment).map(Arc::new)
    }

    /// Makes a chat adapter ready, and asks it what it is. Takes as long as [`Host::load`], and blocks.
    ///
    /// # Errors
    /// As [`Host::load`], and when what the adapter says about itself makes no sense.
    pub fn load_adapter(
        &self,
        package: &Arc<Verified>,
        deployment: Deployment,
    ) -> Result<Arc<Adapter>, Error> {
        let name = package.manifest().name.as_str();
        let component = self.shared.prepare(package, Kind::Adapter, &deployment)?;
        let pre = self.shared.link_adapter(name, &component)?;
        Adapter::new(&self.shared, package, pre, deployment).map(Arc::new)
    }

    /// The longest time in which a call of an adapter with those limits ends, its wait for a place included. Whoever
    /// gives up earlier cannot know whether the platform was asked.
    pub fn adapter_patience(&self, limits: &Limits) -> Duration {
        self.shared.place_wait.saturating_add(adapter::talk(limits)).saturating_add(MARGIN)
    }

    /// How the component of that name has fared since this host was built, whichever of its versions ran.
    pub fn health(&self, name: &ComponentName) -> Health {
        self.shared.tallies.of(name).health()
    }

    /// Asks the guest in `wasm` for its tools, with nothing granted. The code need not be verified, and what was
    /// compiled of it is not kept. Blocks as [`Host::load`] does.
    ///
    /// # Errors
    /// When it is no tool component, or gives no usable answer.
    pub fn describe(&self, wasm: &[u8]) -> Result<Vec<ToolSpec>, Error> {
        const NAME: &str = "the component";
        let component = self.shared.compile(NAME, wasm)?;
        let pre = self.shared.link(NAME, &component)?;
        describe::run(&self.shared, pre)
    }
}

impl Shared {
    /// Whether this host can give what the deployment promises.
    fn admit(&self, name: &str, deployment: &Deployment) -> Result<(), Error> {
        let limits = &deployment.limits;
        if limits.memory > self.max_memory {
            let (asked, allowed) = (limits.memory, self.max_memory);
            return Err(Error::Limit { name: name.to_owned(), what: "memory in bytes", asked, allowed });
        }
        Ok(())
    }

    /// The native code of a package, if it is a `kind` and the host can give what its deployment promises.
    fn prepare(
        &self,
        package: &Verified,
        kind: Kind,
        deployment: &Deployment,
    ) -> Result<wasmtime::component::Component, Error> {
        let manifest = package.manifest();
        if manifest.kind != kind {
            let name = manifest.name.to_string();
            return Err(Error::Kind { name, is: manifest.kind, wanted: kind });
        }
        if RESERVED.contains(&manifest.name.as_str()) {
            return Err(Error::Reserved { name: manifest.name.to_string() });
        }
        self.admit(manifest.name.as_str(), deployment)?;
        self.native(manifest.name.as_str(), package.digest(), package.bytes())
    }

    fn native(
        &self,
        name: &str,
        digest: Digest,
        bytes: &[u8],
    ) -> Result<wasmtime::component::Component, Error> {
        let kept = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, digest));
        if let Some(component) = kept {
            return Ok(component);
        }
        let native = self.workshop.compile(&self.engine, name, bytes)?;
        if let Some(cache) = &self.cache {
            cache.store(digest, &native);
        }
        load_native(&self.engine, name, &native)
    }

    fn compile(&self, name: &str, bytes: &[u8]) -> Result<wasmtime::component::Component, Error> {
        let native = self.workshop.compile(&self.engine, name, bytes)?;
        load_native(&self.engine, name, &native)
    }

    fn link(
        &self,
        name: &str,
        component: &wasmtime::component::Component,
    ) -> Result<ToolComponentPre<State>, Error> {
        self.linker
            .instantiate_pre(component)
            .and_then(ToolComponentPre::new)
            .map_err(|source| Error::Interface { name: name.to_owned(), source })
    }

    fn link_adapter(
        &self,
        name: &str,
        component: &wasmtime::component::Component,
    ) -> Result<AdapterComponentPre<State>, Error> {
        self.adapter_linker
            .instantiate_pre(component)
            .and_then(AdapterComponentPre::new)
            .map_err(|source| Error::Interface { name: name.to_owned(), source })
    }
}

/// Loads what the compiler made just now, for this very engine: where that fails, it is no fault of the component.
fn load_native(
    engine: &Engine,
    name: &str,
    mut native: &[u8],
) -> Result<wasmtime::component::Component, Error> {
    let failed = |source| Error::Machine { name: name.to_owned(), source };
    let frozen = Frozen::copy(&mut native).map_err(|error| failed(wasmtime::Error::new(error)))?;
    Native::vouched(frozen).load(engine).map_err(failed)
}

/// The threads on which guests run. They run nothing else.
pub(crate) struct Threads(Option<Runtime>);

impl Threads {
    fn start(threads: usize) -> Result<Self, Error> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(threads.max(1))
            .max_blocking_threads(BLOCKING_THREADS)
            .thread_name("guest")
            .enable_all()
            .build()
            .map_err(Error::Threads)?;
        Ok(Self(Some(runtime)))
    }

    /// Starts `task` on these threads.
    pub(crate) fn spawn<F>(&self, task: F) -> tokio::task::JoinHandle<F::Output>
    where
        F: Future<Output: Send> + Send + 'static,
    {
        self.0.as_ref().expect("the threads live as long as the host").spawn(task)
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            // Not waited for: the last component may be dropped on a thread that must not block.
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::compile::Compiler;

    #[test]
    fn what_this_machine_cannot_load_is_not_told_as_the_authors_fault() {
        let engine = engine::build(&Config::new(Compiler::InProcess, None, [0; 32])).unwrap();
        let told = load_native(&engine, "echo", b"cut off").unwrap_err();
        assert!(matches!(told, Error::Machine { .. }), "{told:?}");
        let told = told.to_string();
        assert!(told.contains("this machine") && !told.contains("author"), "{told}");
    }
}
