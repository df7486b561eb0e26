//! People and bots.

use serde_json::{Value, json};

use super::Answer;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::World;

pub(super) fn info(world: &World, parameters: &Parameters) -> Answer {
    let user = parameters.needed("user")?;
    let me = &world.account().user;
    let person = if user == me.id { Some(me) } else { world.people.get(&user) };
    let person = person.ok_or_else(|| Refusal::new("user_not_found"))?;
    Ok(json!({"user": person.object()}))
}

pub(super) fn list(world: &World) -> Value {
    let all = world.people.values().chain([&world.account().user]);
    let members: Vec<Value> = all.map(crate::world::Person::object).collect();
    json!({"members": members, "cache_ts": 1_700_000_000, "response_metadata": {"next_cursor": ""}})
}

pub(super) fn bot(world: &World, parameters: &Parameters) -> Answer {
    let id = parameters.needed("bot")?;
    let account = world.account();
    let others = world.people.values().filter(|person| person.bot_id.is_some());
    let found = others.chain([&account.user]).find(|person| person.bot_id.as_deref() == Some(&*id));
    let bot = found.ok_or_else(|| Refusal::new("bot_not_found"))?;
    let app = if id == account.bot_id { account.app_id.as_str() } else { "A0OTHER" };
    Ok(
        json!({"bot": {"id": id, "deleted": false, "name": bot.name, "updated": 1_700_000_000, "app_id": app, "user_id": bot.id, "icons": {}}}),
    )
}
