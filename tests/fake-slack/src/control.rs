//! The same for shell scripts: orders, as [`openpact_fake_kit::control`] takes them. Channels and people are named by their ids;
//! a person who was not made first has the id as name.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::app::App;
use crate::channel::Channel;
use crate::event::Trigger;
use crate::fault::Rule;
use crate::server::Server;
use crate::world::{Limits, Person};

/// An order.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Order {
    /// The app, with its tokens.
    App { bot_token: String, app_token: String },
    /// A person, or the bot of another app.
    Person {
        id: String,
        name: String,
        #[serde(default)]
        bot: bool,
    },
    /// A channel (`channel`) or a private one (`group`).
    Channel { id: String, name: String, kind: Option<String> },
    /// Somebody says something; without a channel it is said to the bot alone.
    Say { user: String, channel: Option<String>, text: String, thread: Option<String> },
    /// Somebody changes a message.
    Edit { channel: String, ts: String, text: String },
    /// Somebody takes a message back.
    Delete { channel: String, ts: String },
    /// Somebody uses a command.
    Command { user: String, channel: Option<String>, command: String, text: String },
    /// Somebody presses a button.
    Press { user: String, channel: String, ts: String, action_id: String },
    /// What became of a command or a press.
    Outcome { id: String },
    /// An event of any shape.
    Event { event: Value },
    /// Tells every connection that it will end.
    Disconnect { reason: String },
    /// Breaks every connection.
    Cut,
    /// Something goes wrong from now on.
    Fault { rule: Rule },
    /// Nothing goes wrong any more.
    ClearFaults,
    /// Where the dice start.
    Seed { seed: u64 },
    /// Limits on requests; none without `limits`.
    Limits { limits: Option<Limits> },
    /// What the bot said in a channel, to all and to one.
    Posted { channel: String },
    /// What the bot said in a channel more than once.
    Duplicates { channel: String },
    /// How much of everything there was.
    Counts,
    /// What the API does not describe.
    Violations,
    /// Waits until so much was said, in a channel or at all.
    Wait { channel: Option<String>, posted: u64, seconds: u64 },
    /// Waits until there are so many connections.
    WaitConnected { connections: usize, seconds: u64 },
}

struct Control {
    server: Arc<Server>,
    app: Mutex<Option<App>>,
}

/// Takes orders for this server, for ever.
///
/// # Errors
/// When the port is lost.
pub async fn serve(server: Arc<Server>, listener: TcpListener) -> io::Result<()> {
    let control = Control { server, app: Mutex::default() };
    openpact_fake_kit::control::serve(listener, control, Control::execute).await
}

impl Control {
    async fn execute(self: Arc<Self>, order: Order) -> Result<Value, String> {
        let server = &self.server;
        match order {
            Order::Fault { rule } => server.fault(rule),
            Order::ClearFaults => server.clear_faults(),
            Order::Seed { seed } => server.seed(seed),
            Order::Limits { limits } => server.limits(limits),
            Order::Posted { channel } => {
                let said = |world: &crate::World| (world.posted(&channel), world.ephemeral(&channel));
                let (all, one) = server.look(said);
                return Ok(json!({"posted": all, "ephemeral": one}));
            }
            Order::Duplicates { channel } => {
                return Ok(json!(server.look(|world| world.duplicates(&channel))));
            }
            Order::Violations => return Ok(json!(server.violations())),
            Order::Counts => return Ok(self.counts()),
            Order::Wait { channel, posted, seconds } => {
                let said = |world: &crate::World| match &channel {
                    Some(channel) => world.posted(channel).len() as u64,
                    None => world.posted_total(),
                };
                let enough = |world: &crate::World| Some(said(world)).filter(|said| *said >= posted);
                return server.wait_for_script(seconds, enough).await;
            }
            Order::WaitConnected { connections, seconds } => {
                let open = |world: &crate::World| world.connections() as u64;
                let enough = |world: &crate::World| world.connections() >= connections;
                return server.wait_for_script(seconds, |world| enough(world).then(|| open(world))).await;
            }
            order => return self.act(order),
        }
        Ok(true.into())
    }

    fn act(&self, order: Order) -> Result<Value, String> {
        match order {
            Order::App { bot_token, app_token } => {
                if !bot_token.starts_with("xoxb-") || !app_token.starts_with("xapp-") {
                    return Err("the tokens are one of a bot (xoxb-) and one of an app (xapp-)".to_owned());
                }
                let app = self.server.app(&bot_token, &app_token);
                let me = json!({"user_id": app.user().id, "bot_id": app.bot_id()});
                *self.app.lock().unwrap_or_else(PoisonError::into_inner) = Some(app);
                Ok(me)
            }
            Order::Person { id, name, bot } => {
                let id = Some(id).filter(|id| id.is_char_boundary(1) && !id.is_empty());
                let id = id.ok_or("an id is a letter and more")?;
                let make = if bot { Server::other_bot } else { Server::person };
                Ok(json!(make(&self.server, &id, &name)))
            }
            Order::Channel { id, name, kind } => {
                let app = self.app()?;
                let channel = match kind.as_deref() {
                    None | Some("channel") => app.channel(&id, &name),
                    Some("group") => app.group(&id, &name),
                    Some(other) => return Err(format!("'{other}' is no kind of channel")),
                };
                Ok(channel.id().into())
            }
            Order::Say { user, channel, text, thread } => {
                let person = self.person(&user)?;
                let draft = self.place(channel.as_deref(), &person)?.draft(&person, &text);
                Ok(json!(thread.iter().fold(draft, |draft, ts| draft.thread(ts)).send()))
            }
            Order::Edit { channel, ts, text } => Ok(json!(self.message(&channel, &ts)?.edit(&ts, &text))),
            Order::Delete { channel, ts } => Ok(json!(self.message(&channel, &ts)?.delete(&ts))),
            Order::Command { user, channel, command, text } => {
                let person = self.person(&user)?;
                let place = self.place(channel.as_deref(), &person)?;
                Ok(json!(place.command(&person, &command, &text)))
            }
            Order::Press { user, channel, ts, action_id } => {
                let person = self.person(&user)?;
                Ok(json!(self.message(&channel, &ts)?.press(&person, &ts, &action_id)))
            }
            Order::Outcome { id } => {
                let trigger = Trigger { id, trigger_id: String::new(), response_url: String::new() };
                Ok(json!(self.server.outcome(&trigger)))
            }
            Order::Event { event } => Ok(self.app()?.event(&event).into()),
            Order::Disconnect { reason } => {
                self.app()?.disconnect(&reason);
                Ok(true.into())
            }
            Order::Cut => {
                self.app()?.cut();
                Ok(true.into())
            }
            order => Err(format!("{order:?} is no act")),
        }
    }

    fn app(&self) -> Result<App, String> {
        let app = self.app.lock().unwrap_or_else(PoisonError::into_inner).clone();
        app.ok_or_else(|| "make an app first".to_owned())
    }

    fn person(&self, id: &str) -> Result<Person, String> {
        if !id.is_char_boundary(1) || id.is_empty() {
            return Err("an id is a letter and more".to_owned());
        }
        let known = self.server.look(|world| world.people.get(id).cloned());
        Ok(known.unwrap_or_else(|| self.server.person(id, id)))
    }

    fn place(&self, channel: Option<&str>, person: &Person) -> Result<Channel, String> {
        let app = self.app()?;
        let Some(id) = channel else { return Ok(app.direct(person)) };
        if !self.server.look(|world| world.conversations.contains_key(id)) {
            return Err(format!("there is no channel {id}"));
        }
        Ok(self.server.channel(id))
    }

    /// The channel of a message that is there.
    fn message(&self, channel: &str, ts: &str) -> Result<Channel, String> {
        let there = self.server.look(|world| {
            world.conversations.get(channel).is_some_and(|found| found.messages.contains_key(ts))
        });
        if there { Ok(self.server.channel(channel)) } else { Err(format!("there is no message {ts}")) }
    }

    fn counts(&self) -> Value {
        self.server.look(|world| {
            json!({
                "calls": world.counts(),
                "posted": world.posted_total(),
                "pending": world.pending(),
                "lost": world.lost(),
                "connections": world.connections(),
                "violations": world.violations().len(),
            })
        })
    }
}
