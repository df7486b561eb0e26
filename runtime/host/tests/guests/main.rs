//! The host against its guests: each attack ends with an error of its own, the host lives, a neighbour notices nothing.
//!
//! One module for each guest. `foreach_guest` names every guest there is, so a guest without a module here does not
//! compile.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod adapter;
mod conformance;
mod crash;
mod dial;
mod echo;
mod escape;
mod fetch;
mod fill;
mod fixture;
mod flood;
mod gateway;
mod grow;
mod hoard;
mod keep;
mod liar;
mod parrot;
mod rogue;
mod snoop;
mod spin;
mod wait;

macro_rules! is_tested {
    ($guest:ident) => {
        #[expect(unused_imports, reason = "it is enough that the module is there")]
        use self::$guest as _;
    };
}

openpact_test_guests::foreach_guest!(is_tested);
