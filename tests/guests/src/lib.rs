//! The guests of the host's tests: one that behaves, and those that attack. Their sources are the folders beside `src`;
//! each is a component of a few tools, or a chat adapter.
//!
//! [`foreach_guest`] names them all: the host's tests call it with a macro that uses a module of the guest's name, so a
//! guest without a test does not compile.

include!(concat!(env!("OUT_DIR"), "/guests.rs"));
