//! The bot as people on Telegram meet it: `openpact start` through the real binary and the real adapter, against a fake
//! of the platform that shares nothing with the adapter and a scripted model.
//!
//! A start costs seconds, so the tests of one file share a running program where they do not disturb each other:
//! everybody has a chat of their own.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "chat/conversation.rs"]
mod conversation;
#[path = "chat/hostile.rs"]
mod hostile;
#[path = "chat/secrecy.rs"]
mod secrecy;
#[path = "chat/stage.rs"]
mod stage;
#[path = "chat/stranger.rs"]
mod stranger;
