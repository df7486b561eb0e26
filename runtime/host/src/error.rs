//! Why a host could not be built, or a component not be loaded.

use std::path::PathBuf;

use openpact_packages::manifest::Kind;

use crate::compile::Bound;

/// What went wrong before any call.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The WebAssembly engine refused its settings, on demand allocation included.
    #[error("the WebAssembly engine cannot start on this machine")]
    Engine(#[source] wasmtime::Error),
    /// A thread could not be started.
    #[error("cannot start the threads that run components")]
    Threads(#[source] std::io::Error),
    /// An interface could not be linked twice, or the engine has another version than the bindings.
    #[error("the host's interfaces do not fit together")]
    Link(#[source] wasmtime::Error),
    /// The bytes are no component that this engine can run.
    #[error(
        "the component '{name}' cannot be compiled; its author has to build it again for this version of OpenPact"
    )]
    Compile {
        /// The component.
        name: String,
        /// What the compiler said.
        #[source]
        source: wasmtime::Error,
    },
    /// Compiling it takes more than it may.
    #[error(
        "the component '{name}' is not compiled: that takes more than {bound}, which is the limit; {}", bound.remedy()
    )]
    CompileBound {
        /// The component.
        name: String,
        /// Which limit, and its value.
        bound: Bound,
    },
    /// The helper process that compiles does not work.
    #[error("the process that compiles the component '{name}' failed: {why}")]
    Compiler {
        /// The component.
        name: String,
        /// How it ended.
        why: String,
    },
    /// The native code is there, and cannot be taken into memory.
    #[error(
        "this machine cannot load the component '{name}': look at its free memory, at how many files may be open, and that /proc is there"
    )]
    Machine {
        /// The component.
        name: String,
        /// What the system or the engine said.
        #[source]
        source: wasmtime::Error,
    },
    /// The component imports something that the host does not have, or lacks the export `openpact:tool/tools`.
    #[error("the component '{name}' does not fit the interfaces of this host")]
    Interface {
        /// The component.
        name: String,
        /// What does not fit.
        #[source]
        source: wasmtime::Error,
    },
    /// It is of the other kind.
    #[error("the component '{name}' is a component of the kind {is}, and cannot be used as {wanted}")]
    Kind {
        /// The component.
        name: String,
        /// What it is.
        is: Kind,
        /// What it was to be used as.
        wanted: Kind,
    },
    /// What an adapter says about itself is not usable.
    #[error("the adapter '{name}' does not tell what it is: {why}")]
    Adapter {
        /// The component.
        name: String,
        /// What it said or did instead.
        why: String,
    },
    /// A limit that the deployment asks for lies outside what the host was configured for.
    #[error(
        "the deployment of '{name}' asks for {what} of {asked}, and this host allows {allowed}; change one of them"
    )]
    Limit {
        /// The component.
        name: String,
        /// Which limit.
        what: &'static str,
        /// The value that the deployment asks for.
        asked: u64,
        /// The most that the host allows.
        allowed: u64,
    },
    /// A mount has a name that cannot be a folder, or two mounts have one name.
    #[error("'{name}' is not usable as the name of a mount: use a-z, 0-9 and '-', each name once")]
    MountName {
        /// The name.
        name: String,
    },
    /// The folder behind a mount cannot be opened, or not everything in it be counted.
    #[error(
        "the folder {path} of the mount '{mount}' cannot be opened and counted; make it a folder (not a symbolic link) that this user may read with everything in it"
    )]
    Mount {
        /// The mount.
        mount: String,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// The name belongs to the program itself.
    #[error(
        "no component may be called '{name}': people who write at the terminal and clients of MCP are known by such names; its author has to give it another"
    )]
    Reserved {
        /// The name.
        name: String,
    },
    /// A component was asked for its tools and gave no usable answer.
    #[error("the component does not tell its tools: {why}")]
    Describe {
        /// What it did instead.
        why: String,
    },
}
