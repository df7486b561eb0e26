//! A model that says what a script tells it to: a server with the shapes of the OpenAI chat completions API, for tests.
//!
//! It shares no code with the engine that it tests. Its shapes come from the published API reference, and it refuses
//! what the real service refuses: a wrong key, a tool result without its call, a call without its result. It listens on
//! loopback alone and stops when its handle is dropped.
//!
//! A script is a list of exchanges, each with what the request has to look like and what is answered. In TOML:
//!
//! ```toml
//! key = "sk-test"
//!
//! [[exchange]]
//! expect = { last-role = "user", contains = ["hello"], tools = ["workspace_write"] }
//! say = [
//!     { reasoning = "A file, then." },
//!     { call = { id = "c1", name = "workspace_write", arguments = '{"path":"a.md","content":"hi"}' } },
//!     { usage = { input = 40, output = 12 } },
//! ]
//!
//! [[exchange]]
//! expect = { last-role = "tool" }
//! say = [{ text = "Done, " }, { pause = 20 }, { text = "it is there." }]
//!
//! [[exchange]]
//! reply = { status = 429, headers = { retry-after = "1" }, body = '{"error":{"message":"slow down"}}' }
//! ```

mod chunk;
mod request;
pub mod script;
mod server;

pub use request::Recorded;
pub use script::{Answer, Call, Exchange, Expect, Form, Order, Reply, Say, Script, Usage};
pub use server::Server;
