//! The same for shell scripts: orders, as [`openpact_fake_kit::control`] takes them. Channels are named by their id, people by id
//! and name.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::bot::{Bot, Guild};
use crate::channel::Channel;
use crate::fault::Rule;
use crate::gateway::{GatewayFault, GatewayRule};
use crate::limits::Limits;
use crate::server::Server;

/// An order.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Order {
    /// A new bot. The orders that follow are about the last one.
    Bot { id: u64, token: String },
    /// A guild.
    Guild { id: u64, name: String },
    /// A channel of a guild.
    Channel { guild: u64, id: u64, name: String },
    /// Somebody says something; without a channel it is said to the bot alone.
    Say {
        user: u64,
        name: Option<String>,
        channel: Option<u64>,
        text: String,
        reply_to: Option<u64>,
        #[serde(default)]
        mention: bool,
    },
    /// Somebody changes a message.
    Edit { channel: u64, message: u64, text: String },
    /// Somebody takes a message back.
    Delete { channel: u64, message: u64 },
    /// Somebody makes a thread.
    Thread { user: u64, channel: u64, message: Option<u64>, name: String },
    /// Somebody uses a slash command; without a channel, in private.
    Command {
        user: u64,
        channel: Option<u64>,
        name: String,
        #[serde(default)]
        options: HashMap<String, Value>,
    },
    /// Somebody presses a button.
    Press { user: u64, channel: u64, message: u64, custom_id: String },
    /// An event of any shape.
    Push { event: String, data: Value },
    /// Something goes wrong with requests from now on.
    Fault { rule: Rule },
    /// Something goes wrong on the gateway from now on.
    GatewayFault { rule: GatewayRule },
    /// Something goes wrong with the bot's connections now.
    Disturb { fault: GatewayFault },
    /// Nothing goes wrong any more.
    ClearFaults,
    /// Where the dice start.
    Seed { seed: u64 },
    /// Limits.
    Limits { limits: Limits },
    /// The interval of heartbeats.
    Heartbeat { milliseconds: u64 },
    /// What the bot said in a channel.
    Sent { channel: u64 },
    /// What it said there more than once.
    Duplicates { channel: u64 },
    /// The commands that it has registered.
    Commands,
    /// An interaction, with its answer.
    Interaction { id: u64 },
    /// How much of everything there was.
    Counts,
    /// What the API does not describe.
    Violations,
    /// Waits until so many messages were sent, in a channel or at all.
    Wait { channel: Option<u64>, sent: u64, seconds: u64 },
    /// Waits until the bot is connected to the gateway.
    WaitConnected { seconds: u64 },
}

struct Control {
    server: Arc<Server>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    bot: Option<Bot>,
    guilds: HashMap<u64, Guild>,
}

/// Takes orders for this server, for ever.
///
/// # Errors
/// When the port is lost.
pub async fn serve(server: Arc<Server>, listener: TcpListener) -> io::Result<()> {
    let control = Control { server, last: Mutex::default() };
    openpact_fake_kit::control::serve(listener, control, Control::execute).await
}

impl Control {
    async fn execute(self: Arc<Self>, order: Order) -> Result<Value, String> {
        let server = &self.server;
        match order {
            Order::Fault { rule } => server.fault(rule),
            Order::GatewayFault { rule } => server.gateway_fault(rule),
            Order::ClearFaults => server.clear_faults(),
            Order::Seed { seed } => server.seed(seed),
            Order::Limits { limits } => server.limits(limits),
            Order::Heartbeat { milliseconds } => {
                server.heartbeat_interval(Duration::from_millis(milliseconds));
            }
            Order::Sent { channel } => return Ok(json!(server.sent(channel))),
            Order::Duplicates { channel } => {
                return Ok(json!(server.look(|world| world.duplicates(channel))));
            }
            Order::Interaction { id } => {
                return Ok(json!(server.look(|world| world.interaction(id).cloned())));
            }
            Order::Violations => return Ok(json!(server.violations())),
            Order::Counts => return Ok(self.counts()),
            Order::Wait { channel, sent, seconds } => return self.wait(channel, sent, seconds).await,
            Order::WaitConnected { seconds } => return self.wait_connected(seconds).await,
            order => return self.act(order).await,
        }
        Ok(true.into())
    }

    async fn act(&self, order: Order) -> Result<Value, String> {
        let mut last = self.last.lock().await;
        match order {
            Order::Bot { id, token } => {
                last.bot = Some(self.server.bot(id, &token));
                last.guilds.clear();
                Ok(id.into())
            }
            Order::Guild { id, name } => {
                let guild = last.bot()?.guild(id, &name);
                last.guilds.insert(id, guild);
                Ok(id.into())
            }
            Order::Channel { guild, id, name } => {
                let guild = last.guilds.get(&guild).ok_or_else(|| format!("there is no guild {guild}"))?;
                Ok(guild.channel(id, &name).id().into())
            }
            Order::Push { event, data } => {
                last.bot()?.push(&event, &data);
                Ok(true.into())
            }
            Order::Disturb { fault } => {
                last.bot()?.disturb(fault);
                Ok(true.into())
            }
            Order::Commands => Ok(last.bot()?.commands().into()),
            order => self.speak(&last.bot()?, order),
        }
    }

    /// What people do.
    fn speak(&self, bot: &Bot, order: Order) -> Result<Value, String> {
        match order {
            Order::Say { user, name, channel, text, reply_to, mention } => {
                let user = self.server.user(user, name.as_deref().unwrap_or("Somebody"));
                let channel = self.place(bot, user.id, channel)?;
                let mut draft = channel.draft(&user, &text);
                if mention {
                    draft = draft.mention(&bot.user());
                }
                draft = reply_to.into_iter().fold(draft, crate::Draft::reply_to);
                Ok(json!({"channel": channel.id(), "message": draft.send()}))
            }
            Order::Edit { channel, message, text } => {
                self.existing(bot, channel)?.edit(message, &text);
                Ok(true.into())
            }
            Order::Delete { channel, message } => {
                self.existing(bot, channel)?.delete(message);
                Ok(true.into())
            }
            Order::Thread { user, channel, message, name } => {
                let user = self.server.user(user, "Somebody");
                Ok(self.existing(bot, channel)?.thread(&user, message, &name).id().into())
            }
            Order::Command { user, channel, name, options } => {
                let user = self.server.user(user, "Somebody");
                let options: Vec<_> = options.iter().map(|(key, value)| (&**key, value.clone())).collect();
                let channel = self.place(bot, user.id, channel)?;
                Ok(channel.try_command(&user, &name, &options)?.into())
            }
            Order::Press { user, channel, message, custom_id } => {
                let user = self.server.user(user, "Somebody");
                Ok(self.existing(bot, channel)?.try_press(&user, message, &custom_id)?.into())
            }
            order => Err(format!("{order:?} is no act")),
        }
    }

    /// A channel by its id, or the private one of a person.
    fn place(&self, bot: &Bot, user: u64, channel: Option<u64>) -> Result<Channel, String> {
        match channel {
            Some(channel) => self.existing(bot, channel),
            None => Ok(bot.direct(&self.server.look(|world| world.users[&user].clone()))),
        }
    }

    fn existing(&self, bot: &Bot, id: u64) -> Result<Channel, String> {
        let is_there = self.server.look(|world| world.rooms.contains_key(&id));
        if is_there { Ok(Channel::new(bot.clone(), id)) } else { Err(format!("there is no channel {id}")) }
    }

    fn counts(&self) -> Value {
        self.server.look(|world| {
            json!({
                "calls": world.counts(),
                "sent": world.sent_total(),
                "connections": world.connections(),
                "frames": world.received().len(),
                "violations": world.violations().len(),
            })
        })
    }

    async fn wait(&self, channel: Option<u64>, sent: u64, seconds: u64) -> Result<Value, String> {
        let enough = |world: &crate::World| {
            let have = channel.map_or(world.sent_total(), |channel| world.sent(channel).len() as u64);
            (have >= sent).then_some(have)
        };
        self.server.wait_for_script(seconds, enough).await
    }

    async fn wait_connected(&self, seconds: u64) -> Result<Value, String> {
        let bot = self.last.lock().await.bot()?.id();
        let connected = |world: &crate::World| world.is_connected(bot).then_some(1);
        self.server.wait_for_script(seconds, connected).await.map(|_| true.into())
    }
}

impl Last {
    fn bot(&self) -> Result<Bot, String> {
        self.bot.clone().ok_or_else(|| "make a bot first".to_owned())
    }
}
