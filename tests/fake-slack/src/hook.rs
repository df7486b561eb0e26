//! `response_url`: answers to commands and buttons, without a token
//! (<https://docs.slack.dev/interactivity/handling-user-interaction>).

use std::time::Duration;

use serde_json::Value;

use crate::method::{edit, send};
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::World;

/// How long an address works, and how often.
const WORKS: (Duration, u32) = (Duration::from_mins(30), 5);

/// Answers by an address, `/hooks/actions/TEAM/ID/SECRET` without its front; gives the status of a refusal with it.
pub(crate) fn post(world: &mut World, path: &str, body: Value) -> Result<(), (u16, Refusal)> {
    let gone = |error: &str| (404, Refusal::new(error));
    let mut parts = path.rsplit('/');
    let (secret, id) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default().to_owned());
    let now = world.now();
    let interaction = world.interactions.get_mut(&id).filter(|_| secret == format!("secret{id}"));
    let Some(interaction) = interaction else { return Err(gone("no_such_url")) };
    if interaction.at + WORKS.0 < now {
        return Err(gone("expired_url"));
    }
    if interaction.answers >= WORKS.1 {
        return Err(gone("used_url"));
    }
    interaction.answers += 1;
    answer(world, &id, body, "response_url").map_err(|why| (400, why))
}

/// Answers an interaction.
pub(crate) fn answer(world: &mut World, id: &str, body: Value, how: &str) -> Result<(), Refusal> {
    let interaction = &world.interactions[id];
    let (channel, user) = (interaction.channel.clone(), interaction.user.clone());
    let original = interaction.message.clone();
    let parameters = Parameters::of(body);
    let on = |name: &str| parameters.boolean(name) == Some(true);
    if on("delete_original") {
        let ts = original.ok_or_else(|| Refusal::new("message_not_found"))?;
        edit::remove(world, &channel, &ts);
        return Ok(());
    }
    let content = send::content(&parameters, send::MAX_TEXT)?;
    if on("replace_original") {
        let ts = original.ok_or_else(|| Refusal::new("message_not_found"))?;
        edit::replace(world, &channel, &ts, &content, &parameters);
        return Ok(());
    }
    let thread = parameters.text("thread_ts");
    let place = send::Place { channel, thread, broadcast: false };
    if parameters.text("response_type").as_deref() == Some("in_channel") {
        send::post(world, &place, &content, &parameters, how);
    } else {
        send::whisper(world, &place, &user, &content, &parameters, how);
    }
    Ok(())
}
