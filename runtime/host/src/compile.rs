//! Making native code of a component: in a helper process with bounds, or in this one.
//!
//! The helper is the same program, started anew with nothing of this process but three pipes. It bounds what compiling
//! takes, so that a component made to keep a compiler busy ends with an error and not the program. It is no trust
//! boundary: native code is taken from the pipe of a child that this process started itself, and from nowhere else.

mod helper;
mod protocol;
mod worker;

use std::fmt;
use std::time::Duration;

use wasmtime::Engine;

use crate::error::Error;
pub use helper::Helper;
use helper::Stopped;
pub use worker::serve as serve_compiler;

/// Who turns components into native code.
#[derive(Debug, Clone)]
pub enum Compiler {
    /// This process, without bounds: for tests and benches, whose components are their own.
    InProcess,
    /// A helper process for each component.
    Helper(Helper),
}

/// What compiling one component may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// Bytes of address space of the helper process.
    pub memory: u64,
    /// Processor time, over all its threads; whole seconds.
    pub cpu: Duration,
    /// From its start to its end.
    pub wall: Duration,
    /// Bytes of native code.
    pub native: u64,
}

impl Default for Bounds {
    /// A shipped component of three megabytes takes about two seconds and 250 MB of address space, and has native code
    /// of five megabytes: this is more than ten times as much.
    fn default() -> Self {
        Self { memory: 2 << 30, cpu: Duration::from_mins(1), wall: Duration::from_mins(3), native: 128 << 20 }
    }
}

/// The bound at which compiling a component ended, with its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Bytes of memory.
    Memory(u64),
    /// Processor time.
    Cpu(Duration),
    /// Time.
    Wall(Duration),
    /// Bytes of native code.
    Native(u64),
    /// Bytes of stack of each thread of the compiler.
    Stack(u64),
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Memory(bytes) => write!(f, "{} MiB of memory", bytes >> 20),
            Self::Cpu(time) => write!(f, "{} s of processor time", time.as_secs()),
            Self::Wall(time) => write!(f, "{} s", time.as_secs()),
            Self::Native(bytes) => write!(f, "{} MiB of native code", bytes >> 20),
            Self::Stack(bytes) => write!(f, "{} MiB of stack", bytes >> 20),
        }
    }
}

/// Compiles for one engine.
pub(crate) struct Workshop {
    compiler: Compiler,
    /// At most as many helpers as there are processors: more would only take memory from each other.
    places: helper::Places,
}

impl Workshop {
    pub(crate) fn new(compiler: Compiler) -> Self {
        Self { compiler, places: helper::Places::for_this_machine() }
    }

    /// The native code of the component in `wasm`, as the engine with these settings loads it. Blocks.
    pub(crate) fn compile(&self, engine: &Engine, name: &str, wasm: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = |source| Error::Compile { name: name.to_owned(), source };
        let helper = match &self.compiler {
            Compiler::InProcess => return engine.precompile_component(wasm).map_err(refused),
            Compiler::Helper(helper) => helper,
        };
        let _place = self.places.take();
        helper.compile(wasm, crate::engine::fingerprint(engine)).map_err(|stopped| match stopped {
            Stopped::Refused(why) => refused(wasmtime::Error::msg(why)),
            Stopped::At(bound) => Error::CompileBound { name: name.to_owned(), bound },
            Stopped::Lost(why) => Error::Compiler { name: name.to_owned(), why },
        })
    }
}
