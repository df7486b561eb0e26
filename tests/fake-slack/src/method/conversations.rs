//! Conversations and what was said there.

use serde_json::{Value, json};

use super::Answer;
use crate::conversation::{Conversation, Kind};
use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::world::{DOMAIN, World};

pub(super) fn info(world: &mut World, parameters: &Parameters) -> Answer {
    let channel = super::channel(world, parameters, "channel")?;
    let me = world.account().user.id.clone();
    Ok(json!({"channel": world.conversation(&channel).object(&me)}))
}

pub(super) fn list(world: &mut World, parameters: &Parameters) -> Answer {
    let me = world.account().user.id.clone();
    let types = parameters.text("types").unwrap_or_else(|| "public_channel".to_owned());
    let wanted: Vec<&str> = types.split(',').map(str::trim).collect();
    let skip_archived = parameters.boolean("exclude_archived") == Some(true);
    let seen = world.conversations.values().filter(|conversation| {
        wanted.contains(&conversation.kind.listed())
            && (conversation.kind == Kind::Channel || conversation.members.contains(&me))
            && !(skip_archived && conversation.archived)
    });
    let all: Vec<Value> = seen.map(|conversation| conversation.object(&me)).collect();
    let (page, next) = page(all, parameters, 100)?;
    Ok(json!({"channels": page, "response_metadata": {"next_cursor": next}}))
}

/// A page of a list, and the cursor of the next one.
fn page(all: Vec<Value>, parameters: &Parameters, usual: usize) -> Result<(Vec<Value>, String), Refusal> {
    let limit = parameters.integer("limit").unwrap_or(0);
    let limit = usize::try_from(limit).ok().filter(|limit| *limit > 0).unwrap_or(usual).min(1_000);
    let start = match parameters.text("cursor") {
        None => 0,
        Some(cursor) => {
            let start = cursor.strip_prefix("next:").and_then(|start| start.parse().ok());
            start.ok_or_else(|| Refusal::new("invalid_cursor"))?
        }
    };
    let next = if start + limit < all.len() { format!("next:{}", start + limit) } else { String::new() };
    Ok((all.into_iter().skip(start).take(limit).collect(), next))
}

/// A conversation that the bot may read.
fn readable<'a>(world: &'a mut World, parameters: &Parameters) -> Result<&'a mut Conversation, Refusal> {
    let channel = super::channel(world, parameters, "channel")?;
    let me = world.account().user.id.clone();
    let conversation = world.conversation(&channel);
    if !conversation.members.contains(&me) {
        return Err(Refusal::new("not_in_channel"));
    }
    Ok(conversation)
}

/// Whether a message lies between `oldest` and `latest`.
fn within(parameters: &Parameters, message: &Value) -> bool {
    let number = |text: &str| text.parse::<f64>().unwrap_or(0.0);
    let ts = number(message["ts"].as_str().unwrap_or_default());
    let inclusive = parameters.boolean("inclusive") == Some(true);
    let after = |bound: f64| if inclusive { ts >= bound } else { ts > bound };
    let before = |bound: f64| if inclusive { ts <= bound } else { ts < bound };
    parameters.text("oldest").is_none_or(|bound| after(number(&bound)))
        && parameters.text("latest").is_none_or(|bound| before(number(&bound)))
}

/// Metadata are shown to those who ask for them.
fn strip(messages: &mut [Value], parameters: &Parameters) {
    if parameters.boolean("include_all_metadata") != Some(true) {
        for message in messages {
            message.as_object_mut().expect("a message is an object").remove("metadata");
        }
    }
}

pub(super) fn history(world: &mut World, parameters: &Parameters) -> Answer {
    let conversation = readable(world, parameters)?;
    // Answers in threads are not part of it, unless they were sent to the channel as well.
    let top = |message: &&Value| {
        message["thread_ts"].is_null()
            || message["thread_ts"] == message["ts"]
            || message["subtype"] == "thread_broadcast"
    };
    let found = conversation.messages.values().rev().filter(top);
    let found: Vec<Value> = found.filter(|message| within(parameters, message)).cloned().collect();
    let (mut messages, next) = page(found, parameters, 100)?;
    strip(&mut messages, parameters);
    let mut answer = json!({
        "messages": messages,
        "has_more": !next.is_empty(),
        "pin_count": 0,
        "channel_actions_ts": null,
        "channel_actions_count": 0,
    });
    if !next.is_empty() {
        answer["response_metadata"] = json!({"next_cursor": next});
    }
    Ok(answer)
}

pub(super) fn replies(world: &mut World, parameters: &Parameters) -> Answer {
    let ts = parameters.needed("ts")?;
    let conversation = readable(world, parameters)?;
    let root = conversation.root(&ts).ok_or_else(|| Refusal::new("thread_not_found"))?;
    let first = conversation.messages.get(&root).cloned();
    let answers = conversation.replies(&root).into_iter().filter(|message| within(parameters, message));
    // The first message of the thread always comes, whatever is asked for.
    let all: Vec<Value> = first.into_iter().chain(answers).collect();
    let (mut messages, next) = page(all, parameters, 1_000)?;
    strip(&mut messages, parameters);
    let mut answer = json!({"messages": messages, "has_more": !next.is_empty()});
    if !next.is_empty() {
        answer["response_metadata"] = json!({"next_cursor": next});
    }
    Ok(answer)
}

pub(super) fn members(world: &mut World, parameters: &Parameters) -> Answer {
    let conversation = readable(world, parameters)?;
    let all = conversation.members.iter().map(|member| member.as_str().into()).collect();
    let (members, next) = page(all, parameters, 100)?;
    Ok(json!({"members": members, "response_metadata": {"next_cursor": next}}))
}

pub(super) fn open(world: &mut World, parameters: &Parameters) -> Answer {
    let me = world.account().user.id.clone();
    let channel = if parameters.has("channel") {
        super::channel(world, parameters, "channel")?
    } else {
        with_people(world, parameters)?
    };
    let whole = world.conversation(&channel).object(&me);
    let object = if parameters.boolean("return_im") == Some(true) { whole } else { json!({"id": channel}) };
    Ok(json!({"channel": object}))
}

/// The direct message with the people of a request.
fn with_people(world: &mut World, parameters: &Parameters) -> Result<String, Refusal> {
    let users = parameters.text("users").ok_or_else(|| Refusal::new("users_list_not_supplied"))?;
    let users: Vec<&str> = users.split(',').map(str::trim).collect();
    if users.iter().any(|user| !world.people.contains_key(*user)) {
        return Err(Refusal::new("user_not_found"));
    }
    Ok(match users.as_slice() {
        [user] => world.direct(user),
        several => group(world, several),
    })
}

/// The direct message between several, made if need be.
fn group(world: &mut World, users: &[&str]) -> String {
    let me = world.account().user.id.clone();
    let members = users.iter().map(|user| (*user).to_owned()).chain([me]).collect();
    let known =
        world.conversations.values().find(|known| known.kind == Kind::Mpim && known.members == members);
    if let Some(known) = known {
        return known.id.clone();
    }
    let id = format!("G0MPIM{:04}", world.number());
    let mut conversation = Conversation::new(&id, &format!("mpdm-{}", users.join("--")), Kind::Mpim);
    conversation.members = members;
    world.conversations.insert(id.clone(), conversation);
    id
}

pub(super) fn join(world: &mut World, parameters: &Parameters) -> Answer {
    let channel = super::channel(world, parameters, "channel")?;
    let me = world.account().user.id.clone();
    let conversation = world.conversation(&channel);
    if conversation.archived {
        return Err(Refusal::new("is_archived"));
    }
    if conversation.kind != Kind::Channel {
        return Err(Refusal::new("method_not_supported_for_channel_type"));
    }
    conversation.members.insert(me.clone());
    Ok(json!({"channel": conversation.object(&me)}))
}

pub(super) fn permalink(world: &mut World, parameters: &Parameters) -> Answer {
    let channel = super::channel(world, parameters, "channel")?;
    let ts = parameters.needed("message_ts")?;
    if !world.conversation(&channel).messages.contains_key(&ts) {
        return Err(Refusal::new("message_not_found"));
    }
    let link = format!("https://{DOMAIN}.slack.com/archives/{channel}/p{}", ts.replace('.', ""));
    Ok(json!({"channel": channel, "permalink": link}))
}
