//! The methods of the API. What they take and give is described at <https://core.telegram.org/bots/api#available-methods>.

mod chat;
mod commands;
mod edit;
mod send;
mod updates;

use serde_json::{Value, json};

use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::server::Shared;
use crate::world::World;

pub(crate) type Answer = Result<Value, Refusal>;

/// Executes a method. Only `getUpdates` waits.
pub(crate) async fn execute(shared: &Shared, token: &str, method: &str, parameters: &Parameters) -> Answer {
    if method.eq_ignore_ascii_case("getUpdates") {
        return updates::get(shared, token, parameters).await;
    }
    let mut world = shared.world();
    world.account(token)?;
    let answer = at_once(&mut world, token, method, parameters);
    drop(world);
    shared.touch();
    answer
}

fn at_once(world: &mut World, token: &str, method: &str, parameters: &Parameters) -> Answer {
    match method.to_ascii_lowercase().as_str() {
        "getme" => Ok(me(world.account(token)?)),
        "logout" | "close" => Ok(true.into()),
        "setwebhook" => updates::set_webhook(world, token, parameters),
        "deletewebhook" => updates::delete_webhook(world, token, parameters),
        "getwebhookinfo" => updates::webhook_info(world, token),
        "sendmessage" => send::message(world, token, parameters),
        "sendchataction" => send::action(world, token, parameters),
        "editmessagetext" => edit::text(world, token, parameters),
        "editmessagereplymarkup" => edit::markup(world, token, parameters),
        "deletemessage" => edit::delete(world, token, parameters),
        "deletemessages" => edit::delete_several(world, token, parameters),
        "answercallbackquery" => edit::answer_query(world, token, parameters),
        "setmycommands" => commands::set(world, token, parameters),
        "getmycommands" => commands::get(world, token, parameters),
        "deletemycommands" => commands::delete(world, token, parameters),
        "getchat" => chat::get(world, token, parameters),
        "getchatmember" => chat::member(world, token, parameters),
        "getfile" => chat::file(world, token, parameters),
        other => Err(unknown(world, other)),
    }
}

fn me(account: &crate::world::Account) -> Value {
    let mut me = account.user.object();
    me["can_join_groups"] = true.into();
    me["can_read_all_group_messages"] = (!account.privacy).into();
    me["supports_inline_queries"] = false.into();
    me["can_connect_to_business"] = false.into();
    me["has_main_web_app"] = false.into();
    for flag in
        ["has_topics_enabled", "allows_users_to_create_topics", "can_manage_bots", "supports_guest_queries"]
    {
        me[flag] = false.into();
    }
    me
}

fn unknown(world: &mut World, method: &str) -> Refusal {
    let known =
        crate::specification::load().is_some_and(|specification| specification.method(method).is_some());
    if known {
        world.complain([format!("the fake does not know the method {method}; it is time to add it")]);
    }
    Refusal::new(404, "Not Found: method not found".to_owned())
}

/// The chat that a request names, if the bot may write to it.
pub(crate) fn chat(world: &mut World, token: &str, parameters: &Parameters) -> Result<i64, Refusal> {
    let Some(named) = parameters.text("chat_id") else {
        return Err(Refusal::bad("chat_id is empty"));
    };
    let account = world.account(token)?;
    let id = match named.strip_prefix('@') {
        Some(name) => {
            let mut rooms = account.room.iter();
            rooms
                .find(|(_, room)| room.object["username"] == json!(name) && room.kind() != "private")
                .map(|(id, _)| *id)
        }
        None => named.parse().ok(),
    };
    let room = id.and_then(|id| account.room.get(&id).map(|room| (id, room)));
    match room {
        None => Err(Refusal::bad("chat not found")),
        Some((_, room)) if room.closed.is_some() => {
            Err(Refusal::forbidden(room.closed.as_deref().unwrap_or_default()))
        }
        Some((id, _)) => Ok(id),
    }
}
