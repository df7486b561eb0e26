//! The same for shell scripts: orders, as [`openpact_fake_kit::control`] takes them. Chats are named by their id, people by id
//! and name.

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Mutex;

use crate::bot::Bot;
use crate::chat::Chat;
use crate::fault::Rule;
use crate::server::Server;
use crate::world::Flood;

/// An order.
#[derive(Debug, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
enum Order {
    /// A new bot with that token. The orders that follow are about the last one.
    Bot { token: String },
    /// A group, a supergroup, a forum or a channel.
    Chat { id: i64, kind: String, title: String },
    /// A new topic of a forum.
    Topic { chat: i64, name: String },
    /// Somebody says something; without a chat it is said to the bot alone.
    Say {
        user: i64,
        name: Option<String>,
        chat: Option<i64>,
        text: String,
        thread: Option<i64>,
        reply_to: Option<i64>,
    },
    /// Somebody changes a message.
    Edit { chat: i64, message_id: i64, text: String },
    /// Somebody presses a button.
    Press { user: i64, chat: i64, message_id: i64, data: String },
    /// An update of any shape.
    Push { update: Value },
    /// Something goes wrong from now on.
    Fault { rule: Rule },
    /// Nothing goes wrong any more.
    ClearFaults,
    /// Where the dice start.
    Seed { seed: u64 },
    /// Limits on sending; none without `limits`.
    Flood { limits: Option<Flood> },
    /// What was sent to a chat.
    Sent { chat: i64 },
    /// What was sent to a chat more than once.
    Duplicates { chat: i64 },
    /// How much of everything there was.
    Counts,
    /// What the API does not describe.
    Violations,
    /// Waits until so many messages were sent, to a chat or at all.
    Wait { chat: Option<i64>, sent: u64, seconds: u64 },
}

struct Control {
    server: Arc<Server>,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    bot: Option<Bot>,
    chats: HashMap<i64, Chat>,
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
            Order::ClearFaults => server.clear_faults(),
            Order::Seed { seed } => server.seed(seed),
            Order::Flood { limits } => server.flood(limits),
            Order::Sent { chat } => return Ok(json!(server.sent(chat))),
            Order::Duplicates { chat } => return Ok(json!(server.look(|world| world.duplicates(chat)))),
            Order::Violations => return Ok(json!(server.violations())),
            Order::Counts => return Ok(self.counts()),
            Order::Wait { chat, sent, seconds } => return self.wait(chat, sent, seconds).await,
            order => return self.act(order).await,
        }
        Ok(true.into())
    }

    async fn act(&self, order: Order) -> Result<Value, String> {
        let mut last = self.last.lock().await;
        match order {
            Order::Bot { token } => {
                if token.split_once(':').is_none_or(|(id, _)| id.parse::<i64>().is_err()) {
                    return Err("a token is a number, a colon and a secret".to_owned());
                }
                let bot = self.server.bot(&token);
                let me = json!({"id": bot.user().id, "username": bot.username()});
                last.bot = Some(bot);
                last.chats.clear();
                Ok(me)
            }
            Order::Chat { id, kind, title } => {
                let chat = match kind.as_str() {
                    "group" => last.bot()?.group(id, &title),
                    "supergroup" => last.bot()?.supergroup(id, &title),
                    "forum" => last.bot()?.forum(id, &title),
                    "channel" => last.bot()?.channel(id, &title),
                    other => return Err(format!("'{other}' is no kind of chat")),
                };
                last.chats.insert(id, chat);
                Ok(id.into())
            }
            Order::Topic { chat, name } => Ok(last.chat(chat)?.topic(&name).into()),
            Order::Say { user, name, chat, text, thread, reply_to } => {
                let user = self.server.user(user, name.as_deref().unwrap_or("Somebody"));
                let chat = match chat {
                    Some(chat) => last.chat(chat)?,
                    None => last.bot()?.private(&user),
                };
                last.chats.insert(chat.id(), chat.clone());
                let mut draft = chat.draft(&user, &text);
                draft = thread.into_iter().fold(draft, crate::Draft::thread);
                draft = reply_to.into_iter().fold(draft, crate::Draft::reply_to);
                Ok(json!(draft.send()))
            }
            Order::Edit { chat, message_id, text } => Ok(json!(last.chat(chat)?.edit(message_id, &text))),
            Order::Press { user, chat, message_id, data } => {
                let user = self.server.user(user, "Somebody");
                Ok(json!(last.chat(chat)?.press(&user, message_id, &data).0))
            }
            Order::Push { update } => Ok(json!(last.bot()?.push(update))),
            order => Err(format!("{order:?} is no act")),
        }
    }

    fn counts(&self) -> Value {
        self.server.look(|world| {
            json!({
                "calls": world.counts(),
                "sent": world.sent_total(),
                "pending": world.pending(),
                "conflicts": world.conflicts(),
                "violations": world.violations().len(),
            })
        })
    }

    async fn wait(&self, chat: Option<i64>, sent: u64, seconds: u64) -> Result<Value, String> {
        let enough = |world: &crate::World| {
            let have = chat.map_or(world.sent_total(), |chat| world.sent_count(chat) as u64);
            (have >= sent).then_some(have)
        };
        self.server.wait_for_script(seconds, enough).await
    }
}

impl Last {
    fn bot(&self) -> Result<Bot, String> {
        self.bot.clone().ok_or_else(|| "make a bot first".to_owned())
    }

    fn chat(&self, id: i64) -> Result<Chat, String> {
        self.chats.get(&id).cloned().ok_or_else(|| format!("there is no chat {id}"))
    }
}
