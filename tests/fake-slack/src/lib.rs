//! A fake of Slack's Web API and Socket Mode, written from the published descriptions
//! (<https://docs.slack.dev/reference/methods>, <https://docs.slack.dev/apis/events-api/using-socket-mode>) and sharing
//! nothing with the adapter that is tested against it.
//!
//! [`Server::start`] gives a server on a free port of the loopback address. A test makes an [`App`] by its two tokens,
//! people ([`Server::person`]) and channels ([`App::channel`], [`App::direct`]), lets people talk ([`Channel::say`],
//! [`Draft`]), use commands and press buttons ([`Channel::command`], [`Channel::press`]), looks at what the bot said
//! ([`Channel::posted`]), and lets things go wrong ([`Rule`], [`Fault`]). Every request is judged by the description
//! where that is there: what it does not allow is refused as `invalid_arguments` and noted ([`Server::violations`]).
//! The answers and the events of the fake are judged as well. The program `fake-slack` of this crate is the same for
//! shell scripts.
//!
//! Other than the real server: there is one workspace and one app; no permission (scope) is missing; a text above the
//! limit is always refused, where the real server shortens some; arguments that a method does not have are refused,
//! where the real server passes over most of them; an event that no connection takes waits for one, for as long as
//! Slack would have tried again; files lie on the same host, below `/files`.
//!
//! [`Server::violations`]: openpact_fake_kit::Server::violations

mod additions;
mod app;
mod blocks;
mod channel;
mod control;
mod conversation;
mod draft;
mod event;
mod exchange;
mod fault;
mod file;
mod hook;
mod method;
mod parameters;
mod refusal;
mod reply;
mod respond;
mod server;
mod socket;
mod specification;
mod world;

pub use app::App;
pub use channel::Channel;
pub use control::serve as serve_control;
pub use conversation::{Posted, Status};
pub use draft::Draft;
pub use event::{Outcome, Trigger};
pub use exchange::Delivery;
pub use fault::{Fault, RetryAfter, Rule};
pub use server::Server;
pub use world::{Call, Limits, Person, Said, World};
