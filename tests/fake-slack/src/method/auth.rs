//! Who one is, and the way to Socket Mode.

use serde_json::{Value, json};

use super::Answer;
use crate::refusal::Refusal;
use crate::world::{DOMAIN, TEAM, World};

pub(super) fn test(world: &World) -> Value {
    let account = world.account();
    json!({
        "url": format!("https://{DOMAIN}.slack.com/"),
        "team": "Fake",
        "user": account.user.name,
        "team_id": TEAM,
        "user_id": account.user.id,
        "bot_id": account.bot_id,
        "is_enterprise_install": false,
    })
}

pub(super) fn connect(world: &mut World) -> Answer {
    if !world.account().linked {
        return Err(Refusal::new("socket_mode_not_enabled"));
    }
    let now = world.now();
    let ticket = world.exchange.ticket(now);
    let app = world.account().app_id.clone();
    let base = world.base.replacen("http", "ws", 1);
    Ok(json!({"url": format!("{base}/link/?ticket={ticket}&app_id={app}")}))
}
