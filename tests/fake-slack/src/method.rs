//! The methods of the Web API. What they take and give is described at <https://docs.slack.dev/reference/methods>.

mod auth;
mod conversations;
pub(crate) mod edit;
mod files;
mod people;
pub(crate) mod reactions;
pub(crate) mod send;
mod views;

use std::collections::VecDeque;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::additions;
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::World;

pub(crate) type Answer = Result<Value, Refusal>;

/// Executes a method: the object that it answers with.
pub(crate) fn execute(
    world: &mut World,
    token: Option<&str>,
    method: &str,
    parameters: &Parameters,
) -> Answer {
    let nothing = Parameters::default();
    // What a method does not see is as good as not there.
    let seen = if parameters.json && additions::NO_JSON.contains(&method) { &nothing } else { parameters };
    let wrong = judge(world, method, seen);
    if parameters.json && !parameters.all().is_empty() && std::ptr::eq(seen, &raw const nothing) {
        world.complain([format!("{method}: takes no JSON")]);
    }
    world.authorise(token.or(parameters.token.as_deref()), method)?;
    if !wrong.is_empty() {
        return Err(Refusal::arguments(&wrong));
    }
    limit(world, method)?;
    let mut answer = at_once(world, method, seen)?;
    answer["ok"] = true.into();
    if let Some(warning) = parameters.warning {
        answer["warning"] = warning.into();
        answer["response_metadata"]["warnings"] = json!([warning]);
    }
    if let Some(specification) = world.specification.clone() {
        world.complain(specification.judge_answer(method, &answer));
    }
    Ok(answer)
}

/// Notes and gives what is wrong with the arguments.
fn judge(world: &mut World, method: &str, parameters: &Parameters) -> Vec<String> {
    let Some(specification) = world.specification.clone() else { return Vec::new() };
    let wrong = specification.judge_request(method, parameters);
    world.complain(wrong.iter().map(|why| format!("{method}: {why}")));
    wrong
}

fn at_once(world: &mut World, method: &str, parameters: &Parameters) -> Answer {
    match method {
        "api.test" => Ok(json!({})),
        "auth.test" => Ok(auth::test(world)),
        "apps.connections.open" => auth::connect(world),
        "chat.postMessage" => send::message(world, parameters),
        "chat.postEphemeral" => send::ephemeral(world, parameters),
        "chat.update" => edit::update(world, parameters),
        "chat.delete" => edit::delete(world, parameters),
        "chat.getPermalink" => conversations::permalink(world, parameters),
        "conversations.info" => conversations::info(world, parameters),
        "conversations.list" => conversations::list(world, parameters),
        "conversations.history" => conversations::history(world, parameters),
        "conversations.replies" => conversations::replies(world, parameters),
        "conversations.members" => conversations::members(world, parameters),
        "conversations.open" => conversations::open(world, parameters),
        "conversations.join" => conversations::join(world, parameters),
        "users.info" => people::info(world, parameters),
        "users.list" => Ok(people::list(world)),
        "bots.info" => people::bot(world, parameters),
        "assistant.threads.setStatus" => send::status(world, parameters),
        "reactions.add" => reactions::add(world, parameters),
        "reactions.remove" => reactions::remove(world, parameters),
        "files.getUploadURLExternal" => files::begin(world, parameters),
        "files.completeUploadExternal" => files::complete(world, parameters),
        "files.info" => files::info(world, parameters),
        "views.open" => views::open(world, parameters),
        "views.publish" => views::publish(world, parameters),
        other => Err(unknown(world, other)),
    }
}

fn unknown(world: &mut World, method: &str) -> Refusal {
    let judge = world.specification.clone();
    world.complain(judge.map(|judge| {
        if judge.has(method) {
            format!("the fake does not know the method {method}; it is time to add it")
        } else {
            format!("{method}: there is no such method in {}", judge.version())
        }
    }));
    Refusal::new("unknown_method")
}

/// Counts a request, where limits are on.
fn limit(world: &mut World, method: &str) -> Result<(), Refusal> {
    let Some(limits) = world.limits else { return Ok(()) };
    // Messages have a limit of their own, for each channel.
    if method == "chat.postMessage" {
        return Ok(());
    }
    let now = world.now();
    let times = world.times.entry(method.to_owned()).or_default();
    fits(times, now, Duration::from_mins(1), limits.per_method)
}

/// Counts something, or says how long to wait until one more fits into the window.
pub(crate) fn fits(
    times: &mut VecDeque<SystemTime>,
    now: SystemTime,
    window: Duration,
    most: usize,
) -> Result<(), Refusal> {
    while times.front().is_some_and(|time| *time + window <= now) {
        times.pop_front();
    }
    if times.len() >= most {
        let wait = times.front().and_then(|first| (*first + window).duration_since(now).ok());
        let milliseconds = wait.unwrap_or(window).as_millis();
        return Err(Refusal::too_many(u64::try_from(milliseconds.div_ceil(1_000)).unwrap_or(1).max(1)));
    }
    times.push_back(now);
    Ok(())
}

/// The conversation that a request names.
fn channel(world: &World, parameters: &Parameters, name: &str) -> Result<String, Refusal> {
    let named = parameters.needed(name)?;
    world.find(&named)
}
