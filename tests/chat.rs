//! The bot as people meet it: `openpact start` through the real binary and the real adapters, against fakes of the
//! platforms that share nothing with the adapters, and a scripted model. `platforms` holds what is the same everywhere;
//! the others look closer at one platform.
//!
//! A start costs seconds, so the tests of one file share a running program where they do not disturb each other:
//! everybody has a chat of their own.
#![expect(clippy::disallowed_methods, reason = "starting the program is what these tests do")]
#![expect(clippy::unwrap_used, reason = "helpers of tests fail like tests")]

#[path = "chat/album.rs"]
mod album;
#[path = "chat/conversation.rs"]
mod conversation;
#[path = "chat/hostile.rs"]
mod hostile;
#[path = "chat/platforms.rs"]
mod platforms;
#[path = "chat/program.rs"]
mod program;
#[path = "chat/reach.rs"]
mod reach;
#[path = "chat/secrecy.rs"]
mod secrecy;
#[path = "chat/several.rs"]
mod several;
#[path = "chat/stage.rs"]
mod stage;
#[path = "chat/stranger.rs"]
mod stranger;
#[path = "chat/thread.rs"]
mod thread;
