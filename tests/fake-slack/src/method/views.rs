//! Views: they are judged a little, and remembered.

use std::time::Duration;

use serde_json::{Value, json};

use super::Answer;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::{TEAM, World};

/// How long a trigger opens a view.
const TRIGGER: Duration = Duration::from_secs(3);

fn view(world: &mut World, parameters: &Parameters, kind: &str) -> Result<Value, Refusal> {
    let view = parameters.structure("view", "invalid_arguments")?.unwrap_or_default();
    if view["type"] != kind || !view["blocks"].is_array() {
        return Err(Refusal::arguments(&[format!("a {kind} with blocks is needed [json-pointer:/view]")]));
    }
    let mut view = view;
    view["id"] = format!("V0FAKE{:04}", world.number()).into();
    view["team_id"] = TEAM.into();
    view["app_id"] = world.account().app_id.as_str().into();
    world.views.push(view.clone());
    Ok(json!({ "view": view }))
}

pub(super) fn open(world: &mut World, parameters: &Parameters) -> Answer {
    let trigger = parameters.needed("trigger_id")?;
    let now = world.now();
    let id = trigger.split('.').next().unwrap_or_default();
    let Some(interaction) = world.interactions.get_mut(id) else {
        return Err(Refusal::new("invalid_trigger_id"));
    };
    if interaction.at + TRIGGER < now {
        return Err(Refusal::new("expired_trigger_id"));
    }
    if std::mem::replace(&mut interaction.opened, true) {
        return Err(Refusal::new("exchanged_trigger_id"));
    }
    view(world, parameters, "modal")
}

pub(super) fn publish(world: &mut World, parameters: &Parameters) -> Answer {
    let user = parameters.needed("user_id")?;
    if !world.people.contains_key(&user) {
        return Err(Refusal::new("user_not_found"));
    }
    view(world, parameters, "home")
}
