//! The host: one engine, its threads, and the way from a verified package to a component.

use std::sync::Arc;

use openpact_model::clock::Clock;
use openpact_model::id::Digest;
use openpact_model::port::KeyValue;
use openpact_model::tool::ToolSpec;
use openpact_packages::Verified;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use wasmtime::Engine;
use wasmtime::component::Linker;

use openpact_bindings::v0_1_0::ToolComponentPre;

use crate::cache::Cache;
use crate::component::Component;
use crate::config::{Config, Ports};
use crate::deployment::Deployment;
use crate::engine::{self, Ticker};
use crate::error::Error;
use crate::filesystem::Spaces;
use crate::state::State;
use crate::{describe, linker};

/// Places that are kept free in the pool, so that counting ours never meets its end.
const SPARE_INSTANCES: u32 = 2;

/// Threads for blocking work on files at most; more calls wait.
const BLOCKING_THREADS: usize = 64;

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
    /// One permit for each instance that may live.
    pub(crate) places: Arc<Semaphore>,
    pub(crate) runtime: Threads,
    max_memory: u64,
    cache: Option<Cache>,
    linker: Linker<State>,
    _ticker: Ticker,
}

impl Host {
    pub(crate) fn start(config: Config, ports: Ports) -> Result<Self, Error> {
        let engine = engine::build(&config)?;
        let linker = linker::build(&engine)?;
        let ticker = Ticker::start(&engine, config.epoch_tick)?;
        let runtime = Threads::start(config.guest_threads)?;
        let places = config.max_instances.saturating_sub(SPARE_INSTANCES).max(1) as usize;
        let cache =
            config.cache_dir.map(|folder| Cache::new(folder, config.cache_key, &engine, ports.random));
        let shared = Shared {
            engine,
            clock: ports.clock,
            key_value: ports.key_value,
            spaces: Arc::new(Spaces::new()),
            places: Arc::new(Semaphore::new(places)),
            runtime,
            max_memory: config.max_memory,
            cache,
            linker,
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
        self.shared.admit(name, &deployment)?;
        let pre = self.shared.prepare(name, package.digest(), package.bytes())?;
        Component::new(Arc::clone(&self.shared), package, pre, deployment).map(Arc::new)
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

    fn prepare(&self, name: &str, digest: Digest, bytes: &[u8]) -> Result<ToolComponentPre<State>, Error> {
        let kept = self.cache.as_ref().and_then(|cache| cache.load(&self.engine, digest));
        if let Some(component) = kept {
            return self.link(name, &component);
        }
        let component = self.compile(name, bytes)?;
        if let Some(cache) = &self.cache {
            cache.store(digest, &component);
        }
        self.link(name, &component)
    }

    fn compile(&self, name: &str, bytes: &[u8]) -> Result<wasmtime::component::Component, Error> {
        wasmtime::component::Component::from_binary(&self.engine, bytes)
            .map_err(|source| Error::Compile { name: name.to_owned(), source })
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
