//! The life of components of others, through the real binary: taken in, approved, updated, gone back to, revoked,
//! removed; what is refused; what a crash leaves; what runs at the same time.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "install/adapter.rs"]
mod adapter;
#[path = "install/address.rs"]
mod address;
#[path = "install/attack.rs"]
mod attack;
#[path = "install/crash.rs"]
mod crash;
#[path = "install/life.rs"]
mod life;
#[path = "install/live.rs"]
mod live;
#[expect(dead_code, reason = "tests/incidents uses all of it")]
#[path = "install/stage.rs"]
mod stage;
#[path = "install/unsigned.rs"]
mod unsigned;
