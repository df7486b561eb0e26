//! The only host-side bindings to the component interfaces: one module per version of the WIT packages.
//!
//! They live in a crate of their own because generating and compiling them costs more than the rest of the host
//! together. A later version of the interfaces gets a module beside this one, and the older becomes a thin shim over
//! the newer.
//!
//! The worlds do not name `wasi:*`: a guest's own libraries bring those imports, and the host links them
//! from `wasmtime-wasi`.

pub mod v0_1_0;
