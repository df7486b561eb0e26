//! Making native code of a component: in a helper process with bounds, or in this one.
//!
//! The helper is the same program, started anew with nothing of this process but three pipes. It bounds what compiling
//! takes, so that a component made to keep a compiler busy ends with an error and not the program. It is no trust
//! boundary: native code is taken from the pipe of a child that this process started itself, and from nowhere else.

mod helper;
mod machine;
mod protocol;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use openpact_model::clock::Clock;
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

/// The memory that compiling a component is allowed even where a machine has less: twice what the largest of the shipped
/// components takes. It is address space, much of which is never touched.
const LEAST_MEMORY: u64 = 512 << 20;
/// And where a machine has more than enough.
const MOST_MEMORY: u64 = 2 << 30;

impl Bounds {
    /// The defaults, with no more than half of the memory that this machine, or the control group of this program, has;
    /// but at least 512 MiB.
    pub fn for_this_machine() -> Self {
        Self::for_memory(machine::memory())
    }

    fn for_memory(there: Option<u64>) -> Self {
        let memory = there.map_or(MOST_MEMORY, |bytes| (bytes / 2).clamp(LEAST_MEMORY, MOST_MEMORY));
        Self { memory, ..Self::default() }
    }

    /// How many helpers may run at once: no more than there are processors, and than half of the memory has room for.
    fn helpers(&self, processors: usize, there: Option<u64>) -> usize {
        let room = there.map_or(u64::MAX, |bytes| bytes / 2 / self.memory.max(1));
        usize::try_from(room).unwrap_or(usize::MAX).clamp(1, processors.max(1))
    }
}

impl Default for Bounds {
    /// A shipped component of three megabytes takes about two seconds and 250 MB of address space, and has native code
    /// of five megabytes: this is about ten times as much.
    fn default() -> Self {
        Self {
            memory: MOST_MEMORY,
            cpu: Duration::from_mins(1),
            wall: Duration::from_mins(3),
            native: 128 << 20,
        }
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

impl Bound {
    /// What helps against it.
    pub(crate) fn remedy(&self) -> &'static str {
        match self {
            Self::Memory(bytes) if *bytes < MOST_MEMORY => {
                "a machine with more memory may do, or its author has to make it smaller or simpler"
            }
            _ => "its author has to make it smaller or simpler",
        }
    }
}

/// Compiles for one engine.
pub(crate) struct Workshop {
    compiler: Compiler,
    places: helper::Places,
    clock: Arc<dyn Clock>,
}

impl Workshop {
    pub(crate) fn new(compiler: Compiler, clock: Arc<dyn Clock>) -> Self {
        let places = match &compiler {
            Compiler::InProcess => 1,
            Compiler::Helper(helper) => helper.bounds.helpers(helper::processors(), machine::memory()),
        };
        Self { compiler, places: helper::Places::new(places), clock }
    }

    /// The native code of the component in `wasm`, as the engine with these settings loads it. Blocks.
    pub(crate) fn compile(&self, engine: &Engine, name: &str, wasm: &[u8]) -> Result<Vec<u8>, Error> {
        let refused = |source| Error::Compile { name: name.to_owned(), source };
        let helper = match &self.compiler {
            Compiler::InProcess => return engine.precompile_component(wasm).map_err(refused),
            Compiler::Helper(helper) => helper,
        };
        let _place = self.places.take();
        let made = helper.compile(wasm, crate::engine::fingerprint(engine), self.clock.as_ref());
        made.map_err(|stopped| match stopped {
            Stopped::Refused(why) => refused(wasmtime::Error::msg(why)),
            Stopped::At(bound) => Error::CompileBound { name: name.to_owned(), bound },
            Stopped::Lost(why) => Error::Compiler { name: name.to_owned(), why },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_machine_allows_less_and_compiles_one_after_the_other() {
        for (there, memory, helpers) in [
            (Some(64 << 30), 2 << 30, 4),
            (Some(8 << 30), 2 << 30, 2),
            (Some(4 << 30), 2 << 30, 1),
            (Some(2 << 30), 1 << 30, 1),
            (Some(256 << 20), 512 << 20, 1),
            (None, 2 << 30, 4),
        ] {
            let bounds = Bounds::for_memory(there);
            assert_eq!((bounds.memory, bounds.helpers(4, there)), (memory, helpers), "{there:?}");
        }
        let machine = Bounds::for_this_machine().memory;
        assert!((LEAST_MEMORY..=MOST_MEMORY).contains(&machine), "{machine}");
    }

    #[test]
    fn a_bound_that_the_machine_sets_is_not_the_authors_alone() {
        assert!(Bound::Memory(LEAST_MEMORY).remedy().contains("a machine with more memory"));
        for bound in [Bound::Memory(MOST_MEMORY), Bound::Stack(1)] {
            assert_eq!(bound.remedy(), "its author has to make it smaller or simpler");
        }
    }
}
